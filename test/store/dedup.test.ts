import { afterEach, describe, expect, test } from "vitest";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { dedupMessageBytes, type MemoryBudget, serverBudget } from "../../src/limits.ts";
import type { StoreOptions } from "../../src/store/options.ts";
import { CrashingStorage } from "../lib/crashing-storage.ts";
import { WaitingStorage } from "../lib/faulty-storage.ts";
import { copyOf, MemoryBroker } from "../lib/memory-broker.ts";
import { encodeBatch, messagesOf, type RemotingClient, succeeded } from "../lib/remoting-client.ts";

/** Messages that are stored once, while a disk takes its time, fails, or much is to be remembered. */

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const broker of running.splice(0)) await broker.stop().catch(() => {});
});

const small = { mappedFileSizeCommitLog: 1024 * 1024, mappedFileSizeConsumeQueue: 1000 };

async function start(store: Partial<StoreOptions> = {}, budget: MemoryBudget = serverBudget) {
  const storage = new WaitingStorage();
  const broker = await MemoryBroker.start(
    { budget, store: { ...small, flushDiskType: "SYNC_FLUSH", ...store } },
    storage,
  );
  running.push(broker);
  const client = broker.connect();
  await makeTopic(client, "+dedup.window.sec=3600");
  return { broker, storage, client };
}

async function makeTopic(client: RemotingClient, attributes: string): Promise<void> {
  succeeded(
    await client.request(17, {
      ...{ topic: "T", attributes, defaultTopic: "TBW102", readQueueNums: 1, writeQueueNums: 1, perm: 6 },
      ...{ topicFilterType: "SINGLE_TAG", topicSysFlag: 0, order: "false" },
    }),
  );
}

const trySend = (client: RemotingClient, key: string, body = key) =>
  client.trySend("T", body, { properties: { UNIQ_KEY: key } });
const bodies = async (client: RemotingClient): Promise<string[]> =>
  messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).map(({ body }) => body);

function gate(storage: WaitingStorage): () => void {
  let open = (): void => {};
  storage.syncGate = new Promise((resolve) => {
    open = resolve;
  });
  return open;
}

/** True once nothing more happens by itself. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 60));

describe("while the first waits for its sync", () => {
  test("a second one is answered when that has ended, and as the first is", async () => {
    const { client, storage } = await start();
    const open = gate(storage);
    const answered: string[] = [];
    const sends = [trySend(client, "K", "a"), trySend(client, "K", "b")];
    const batch = client.trySend("T", encodeBatch([{ body: "c", properties: { UNIQ_KEY: "K" } }]), { batch: true });
    for (const send of [...sends, batch]) void send.then(({ fields }) => answered.push(fields["msgId"]!));
    await settled();
    expect(answered).toEqual([]);
    open();
    const [first, second] = await Promise.all(sends);
    expect(succeeded(second!).fields).toEqual(succeeded(first!).fields);
    expect((await batch).fields["msgId"]).toBe(first!.fields["msgId"]);
    expect(await bodies(client)).toEqual(["a"]);
  });

  test("a second one is refused if that fails", async () => {
    const { client, storage, broker } = await start();
    succeeded(await trySend(client, "kept"));
    const open = gate(storage);
    const sends = [trySend(client, "K", "a"), trySend(client, "K", "b")];
    await settled();
    storage.failure = new Error("EIO: the disk is gone");
    open();
    for (const answer of await Promise.all(sends)) {
      expect(answer).toMatchObject({ code: 14, remark: expect.stringMatching(/the disk is gone/) });
    }
    // What is kept is kept, whatever becomes of the disk.
    succeeded(await trySend(client, "kept", "again"));
    expect((await trySend(client, "K", "c")).code).toBe(14);
    storage.failure = undefined;
    await broker.stop().catch(() => {});
  });

  test("a second one is told that it takes too long, as the first was, until it has ended", async () => {
    const { client, storage } = await start({ syncFlushTimeoutMs: 100 });
    const open = gate(storage);
    const first = await trySend(client, "K", "a");
    expect(first.code).toBe(10);
    const second = await trySend(client, "K", "b");
    expect(second).toMatchObject({ code: 10, fields: first.fields });
    open();
    await expect.poll(() => bodies(client)).toEqual(["a"]);
    expect(await trySend(client, "K", "c")).toMatchObject({ code: 0, fields: first.fields });
    expect(await bodies(client)).toEqual(["a"]);
  });
});

test("after a loss of power at any moment all that was answered is known, and nothing is there twice", async () => {
  const storage = new CrashingStorage(new MemoryLogStorage());
  const options = { store: { ...small, flushDiskType: "SYNC_FLUSH" as const }, messageDelayLevel: "1h" };
  const broker = await MemoryBroker.start(options, storage);
  running.push(broker);
  const client = broker.connect();
  await makeTopic(client, "+dedup.window.sec=3600");
  const item = (key: string, more: object = {}) => ({ body: key, properties: { UNIQ_KEY: key, ...more } });
  const sendItem = async (by: RemotingClient, { body, properties }: ReturnType<typeof item>) =>
    succeeded(await by.trySend("T", body, { properties })).fields;
  const sendBatch = async (by: RemotingClient, ...items: ReturnType<typeof item>[]) =>
    succeeded(await by.trySend("T", encodeBatch(items), { batch: true, properties: { UNIQ_KEY: "BATCH" } })).fields;
  const sends: ((by: RemotingClient) => Promise<Readonly<Record<string, string>>>)[] = [
    (by) => sendItem(by, item("single")),
    (by) => sendBatch(by, item("b1"), item("b2"), item("b3")),
    (by) => sendItem(by, item("timer", { TIMER_DELAY_SEC: "3600" })),
    (by) => sendItem(by, item("level", { DELAY: "1" })),
    (by) => sendBatch(by, item("b2"), item("b4"), item("single"), item("timer")),
    (by) => sendItem(by, item("b3")),
  ];
  const answers: Readonly<Record<string, string>>[] = [];
  for (const send of sends) {
    answers.push(await send(client));
    const left = new MemoryBroker(options, storage.afterPowerLoss());
    running.push(left);
    await left.start();
    const after = left.connect();
    const stored = await bodies(after);
    for (const [i, answer] of answers.entries()) expect(await sends[i]!(after)).toEqual(answer);
    expect(await bodies(after)).toEqual(stored);
    expect(new Set(stored).size).toBe(stored.length);
    await left.stop();
  }
  expect(await bodies(client)).toEqual(["single", "b1", "b2", "b3", "b4"]);
});

test("what is refused is not remembered", async () => {
  const { client } = await start();
  const properties = { UNIQ_KEY: "K", TIMER_DELAY_SEC: "1000000" };
  expect((await client.trySend("T", "m", { properties })).code).toBe(13);
  expect((await client.trySend("T", "m", { properties: { UNIQ_KEY: "K", long: "x".repeat(32_767) } })).code).toBe(13);
  succeeded(await trySend(client, "K", "a"));
  expect(await bodies(client)).toEqual(["a"]);
});

describe("what is remembered is bounded", () => {
  const keyChars = 10;
  const messages = 20;
  const budget = { ...serverBudget, dedupBytesMax: messages * (dedupMessageBytes + keyChars) };
  const key = (i: number): string => `K${String(i).padStart(keyChars - 1, "0")}`;

  test("at the bound others are refused, with its name, and none is forgotten before its time", async () => {
    const { client } = await start({}, budget);
    for (let i = 0; i < messages; i++) succeeded(await trySend(client, key(i)));
    const refused = await trySend(client, key(messages));
    expect(refused).toMatchObject({ code: 2, remark: expect.stringMatching(/^\[OVERLOAD\].*dedupBytesMax/) });
    const items = [key(0), key(messages)].map((name) => ({ body: name, properties: { UNIQ_KEY: name } }));
    expect((await client.trySend("T", encodeBatch(items), { batch: true })).code).toBe(2);
    succeeded(await client.trySend("T", encodeBatch(items.slice(0, 1)), { batch: true }));
    for (let i = 0; i < messages; i++) succeeded(await trySend(client, key(i), "again"));
    expect(await bodies(client)).toEqual(Array.from({ length: messages }, (_, i) => key(i)));
    // Other topics, and those without a key, go on.
    await client.send("Other", "m");
    await makeTopic(client, "+dedup.window.sec=1");
    await expect.poll(async () => (await trySend(client, key(messages))).code, { timeout: 10_000 }).toBe(0);
  });

  test("a start remembers the newest, and says what it leaves out", async () => {
    const { client, storage, broker } = await start();
    for (let i = 0; i < 3 * messages; i++) succeeded(await trySend(client, key(i)));
    const left = new MemoryBroker({ budget, store: small }, copyOf(storage.inner));
    running.push(left);
    await left.start();
    expect(left.logged).toContain(
      "warn: not all messages within their dedup.window.sec are remembered: the newest are",
    );
    const after = left.connect();
    for (let i = 2 * messages; i < 3 * messages; i++) succeeded(await trySend(after, key(i), "again"));
    expect((await trySend(after, key(0))).code).toBe(2);
    expect((await bodies(after)).slice(0, 32)).not.toContain("again");
    expect(broker.logged.join()).not.toContain("not all messages");
  });
});
