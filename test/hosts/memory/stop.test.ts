import { expect, test } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { startInMemory } from "../../../src/hosts/memory/host.ts";
import { MemoryLogStorage } from "../../../src/hosts/memory/log-storage.ts";
import { WaitingStorage } from "../../lib/faulty-storage.ts";
import { MemoryBroker } from "../../lib/memory-broker.ts";

test("a second stop leaves the store to its next owner", async () => {
  const storage = new MemoryLogStorage();
  const first = await startInMemory({ coreModule: await loadCoreModule(), storage });
  await Promise.all([first.stop(), first.stop()]);
  expect(storage.files.has("abort")).toBe(false);
  const second = await startInMemory({ coreModule: await loadCoreModule(), storage });
  await first.stop();
  expect(storage.files.has("abort"), "in use by the second").toBe(true);
  await second.stop();
});

test("a send that waits for its sync is answered before a stop ends the connection", async () => {
  const storage = new WaitingStorage();
  const broker = await MemoryBroker.start({ store: { flushDiskType: "SYNC_FLUSH" } }, storage);
  const client = broker.connect();
  await client.send("Stop", "one");
  let open = (): void => {};
  storage.syncGate = new Promise((resolve) => {
    open = resolve;
  });
  let answered = false;
  const sent = client.send("Stop", "two").then(() => {
    answered = true;
  });
  const { syncs } = storage;
  while (storage.syncs === syncs) await new Promise((resolve) => setTimeout(resolve, 1));
  const stopped = broker.stop();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(answered).toBe(false);
  open();
  await stopped;
  expect(answered).toBe(true);
  await sent;
});

test("a stop waits for consumer offsets that are being written", async () => {
  const storage = new WaitingStorage();
  const broker = await MemoryBroker.start({ rules: { flushConsumerOffsetIntervalMs: 10 } }, storage);
  const client = broker.connect();
  await client.send("Stop", "one");
  await client.consume("G", { Stop: "*" });
  const sync = storage.sync.bind(storage);
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const begun = new Promise<void>((resolve) => {
    storage.sync = async (files) => {
      if (files.some((file) => file.startsWith("config/consumerOffset.json"))) {
        resolve();
        await gate;
      }
      return sync(files);
    };
  });
  const commit = { consumerGroup: "G", topic: "Stop", queueId: "0", commitOffset: "1" };
  expect((await client.request(15, commit)).code).toBe(0);
  await begun;
  const stopped = broker.stop();
  await new Promise((resolve) => setTimeout(resolve, 20));
  open();
  await stopped;
  expect(storage.inner.files.has("config/consumerOffset.json")).toBe(true);
});
