import { expect, onTestFinished, test } from "vitest";
import type { Line } from "../../../src/client/carrier.ts";
import {
  type BrowserBrokerOptions,
  openBroker,
  type TabsBroker,
  tabCarrier,
} from "../../../src/hosts/browser/index.ts";
import { IndexedDbLogStorage } from "../../../src/hosts/browser/indexeddb-log-storage.ts";

/** One of the tabs; for locks and channels those of one page are as strange to each other as those of several. */
function open(options: BrowserBrokerOptions): { tab: TabsBroker; workers: Worker[]; logged: string[] } {
  const workers: Worker[] = [];
  const logged: string[] = [];
  const tab = openBroker({
    name: options.name,
    worker() {
      const url = new URL("./page/broker-worker.ts", import.meta.url);
      const worker = new Worker(url, { type: "module", name: JSON.stringify(options) });
      workers.push(worker);
      return worker;
    },
    telemetry: { log: (_level, event, fields) => logged.push(`${event}: ${fields?.["error"]}`) },
  });
  onTestFinished(() => tab.close());
  return { tab, workers, logged };
}

const freshName = () => `tabs-${crypto.randomUUID()}`;

async function dial(address: string): Promise<{ line: Line; closed: Promise<void> }> {
  let closed: () => void;
  const gone = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const line = await tabCarrier.dial(address, { received() {}, closed: () => closed() });
  return { line, closed: gone };
}

test("one tab has the broker; when it leaves, the store is whole, lines close and the next tab has it", async () => {
  const name = freshName();
  const first = open({ name, storage: "indexeddb" });
  const { closed } = await dial(first.tab.address);
  const second = open({ name, storage: "indexeddb" });
  expect([first.tab.isLeader, second.tab.isLeader]).toEqual([true, false]);

  await first.tab.close();
  await closed;
  await dial(second.tab.address);
  expect([first.tab.isLeader, second.tab.isLeader]).toEqual([false, true]);
  expect([first.workers.length, second.workers.length]).toEqual([1, 1]);

  await second.tab.close();
  const storage = new IndexedDbLogStorage(name, "relaxed", 5_000);
  await storage.lock();
  const names = storage.list("").map((stat) => stat.name);
  await storage.close();
  expect(names).toContain("checkpoint");
  expect(names).not.toContain("abort");
});

test("the end of the broker's Worker is noticed without a word from it, and the broker started again", async () => {
  const { tab, workers, logged } = open({ name: freshName(), storage: "indexeddb" });
  const { closed } = await dial(tab.address);
  workers[0]!.terminate();
  await closed;
  await dial(tab.address);
  expect(workers.length).toBe(2);
  expect(logged.join()).toMatch(/the broker has ended/);
});

test("who dials a broker that can't start hears why, and so does the tab that wanted it", async () => {
  const { tab, logged } = open({ name: freshName(), storage: "indexeddb", brokerName: "no such name" });
  await expect(dial(tab.address)).rejects.toMatchObject({ code: "INVALID_PARAMETER" });
  await expect.poll(() => logged.join()).toMatch(/this tab can't have the broker.*can't be the name of a broker/);
});

test("a broker waits a while for a store that another still has", async () => {
  const name = freshName();
  const storage = new IndexedDbLogStorage(name, "relaxed");
  await storage.lock();
  const { tab } = open({ name, storage: "indexeddb" });
  // The broker waits for the store for some seconds, and whoever dials waits for the broker.
  const dialled = dial(tab.address);
  await storage.close();
  (await dialled).line.close();
});

test("a dial ends with its signal, and at once for an address of another kind", async () => {
  const events = { received() {}, closed() {} };
  const aborting = new AbortController();
  const dialled = tabCarrier.dial(`tab:${freshName()}`, events, aborting.signal);
  aborting.abort(new Error("enough"));
  await expect(dialled).rejects.toThrow("enough");
  await expect(tabCarrier.dial("127.0.0.1:9876", events)).rejects.toMatchObject({ code: "ADDRESS_UNUSABLE" });
});
