/** What senders are told while the storage lags, as RocketMQ's clients expect it. */
import { afterEach, expect, test } from "vitest";
import { type MemoryBudget, serverBudget } from "../../src/limits.ts";
import type { StoreOptions } from "../../src/store/options.ts";
import { WaitingStorage } from "../lib/faulty-storage.ts";
import { MemoryBroker } from "../lib/memory-broker.ts";
import { type Answer, encodeBatch, messagesOf } from "../lib/remoting-client.ts";

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const broker of running.splice(0)) await broker.stop();
});

async function start(store: Partial<StoreOptions>, budget: Partial<MemoryBudget> = {}) {
  const broker = await MemoryBroker.start(
    { store: { flushDiskType: "SYNC_FLUSH", ...store }, budget: { ...serverBudget, ...budget } },
    new WaitingStorage(),
  );
  running.push(broker);
  const client = broker.connect();
  await client.send("T", "m0");
  return { broker, client, storage: broker.storage };
}

/** From now on syncs wait until they are let go. */
function closed(storage: WaitingStorage): () => void {
  let open = (): void => {};
  storage.syncGate = new Promise((resolve) => {
    open = resolve;
  });
  return open;
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

test("while a message waits too long for its sync, more are refused with the rule; what is kept is served", async () => {
  const { broker, client, storage } = await start({ osPageCacheBusyTimeOutMs: 400 });
  const open = closed(storage);
  const first = client.trySend("T", "m1");
  await pause(5);
  const soon = client.trySend("T", "m2");
  await pause(500);
  for (let i = 0; i < 3; i++) {
    expect(await client.trySend("T", "refused")).toMatchObject({
      code: 2,
      remark: expect.stringMatching(
        /^\[PC_SYNCHRONIZED\]broker busy, start flow control for a while: .*waited \d+ms.*osPageCacheBusyTimeOutMills: 400/,
      ),
    });
  }
  expect(broker.logged.filter((line) => line.includes("the storage is behind")).length).toBe(1);
  expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).map(({ body }) => body)).toEqual(["m0"]);
  open();
  expect([(await first).code, (await soon).code]).toEqual([0, 0]);
  expect((await client.trySend("T", "m3")).code).toBe(0);
  const { body } = await client.pull("G", "T", 0, 0, { subscription: "*" });
  expect(messagesOf({ body } as never).map(({ body }) => body)).toEqual(["m0", "m1", "m2", "m3"]);
});

test("a write that takes too long is as bad as a sync", async () => {
  const { client, storage } = await start({ flushDiskType: "ASYNC_FLUSH", osPageCacheBusyTimeOutMs: 50 });
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const write = storage.write.bind(storage);
  storage.write = (batch) => gate.then(() => write(batch));
  const first = client.trySend("T", "m1");
  await pause(100);
  expect(await client.trySend("T", "m2")).toMatchObject({
    code: 2,
    remark: expect.stringContaining("PC_SYNCHRONIZED"),
  });
  open();
  expect((await first).code).toBe(0);
});

test("a storage that is slow, but not that slow, refuses nobody", async () => {
  const { client, storage } = await start({ osPageCacheBusyTimeOutMs: 2_000 });
  storage.syncMs = 30;
  const codes = new Set<number>();
  const until = performance.now() + 600;
  const sender = async () => {
    while (performance.now() < until) codes.add((await client.trySend("T", "m")).code);
  };
  await Promise.all(Array.from({ length: 20 }, sender));
  expect([...codes]).toEqual([0]);
});

test("SYNC_FLUSH that does not end in time is answered with FLUSH_DISK_TIMEOUT, and its messages are there once it does", async () => {
  const { client, storage } = await start({ osPageCacheBusyTimeOutMs: 10_000, syncFlushTimeoutMs: 150 });
  const open = closed(storage);
  const startedAt = performance.now();
  const inSync = client.trySend("T", "m1");
  await pause(60);
  const waiting = client.trySend("T", "m2");
  const answer = await inSync;
  expect(answer).toMatchObject({ code: 10, fields: { queueId: "0", queueOffset: "1", msgId: expect.any(String) } });
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(145);
  expect((await waiting).code).toBe(10);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(205);
  expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).length).toBe(1);
  open();
  await pause(20);
  expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).length).toBe(3);
  expect(client.unasked).toEqual([]);
  expect((await client.trySend("T", "m3")).code).toBe(0);
});

test("messages of batches count one by one", async () => {
  const { client, storage } = await start({ osPageCacheBusyTimeOutMs: 10_000 }, { unkeptMessagesMax: 250 });
  const open = closed(storage);
  const batch = encodeBatch(Array.from({ length: 100 }, () => ({ body: "x" })));
  const answers: Promise<Answer>[] = [];
  for (let i = 0; i < 5; i++) {
    answers.push(client.trySend("T", batch, { batch: true }));
    await pause(5);
  }
  expect(await answers[4]).toMatchObject({
    code: 2,
    remark: expect.stringMatching(/300 messages wait .*unkeptMessagesMax: 250/),
  });
  open();
  expect((await Promise.all(answers)).map(({ code }) => code)).toEqual([0, 0, 0, 2, 2]);
});

test("ConsumeQueues that can't be written for long take no more messages, until they can", async () => {
  const { client, storage } = await start(
    { flushDiskType: "ASYNC_FLUSH", flushIntervalConsumeQueueMs: 20 },
    { unwrittenQueueBytesMax: 20_000 },
  );
  storage.failsFor = /^consumequeue/;
  const batch = encodeBatch(Array.from({ length: 100 }, () => ({ body: "x" })));
  const codes: number[] = [];
  for (let i = 0; i < 20; i++) codes.push((await client.trySend("T", batch, { batch: true })).code);
  expect(codes.indexOf(2)).toBe(10);
  expect(await client.trySend("T", "m")).toMatchObject({
    code: 2,
    remark: expect.stringContaining("ConsumeQueues can't be written (unwrittenQueueBytesMax: 20000)"),
  });
  expect(messagesOf(await client.pull("G", "T", 0, 990, { subscription: "*" })).length).toBeGreaterThan(9);
  storage.failsFor = undefined;
  await pause(100);
  expect((await client.trySend("T", "m")).code).toBe(0);
});
