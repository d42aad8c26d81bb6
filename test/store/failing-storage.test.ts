/** What the broker makes of a storage that fails under it, in what it does besides taking messages (flush.test.ts). */
import { expect, test, vi } from "vitest";
import { WasmqError } from "../../src/ports/error.ts";
import type { StorageWrite } from "../../src/ports/log-storage.ts";
import { WaitingStorage } from "../lib/faulty-storage.ts";
import { MemoryBroker } from "../lib/memory-broker.ts";
import { messagesOf } from "../lib/remoting-client.ts";

test("a read that fails at once is answered to the held, and ends nothing", async () => {
  // No record fits into a window: every one is read from its file.
  const broker = await MemoryBroker.start({ store: { logWindowBytes: 64 } });
  const client = broker.connect();
  await client.send("T", "m0");
  const held = client.pull("G", "T", 0, 1, { suspendMs: 20_000, subscription: "*" });
  const { storage } = broker;
  const readNow = storage.readNow.bind(storage);
  storage.readNow = () => {
    throw new Error("broken medium");
  };
  expect((await client.trySend("T", "m1")).code).toBe(0);
  expect(await held).toMatchObject({ code: 1, remark: expect.stringContaining("broken medium") });
  storage.readNow = readNow;
  expect((await client.pull("G", "T", 0, 1, { subscription: "*" })).code).toBe(0);
  await broker.stop();
});

test("trouble with one delayed message while another is under way ends nothing", async () => {
  const storage = new WaitingStorage();
  const waiting = await MemoryBroker.start({ messageDelayLevel: "1s" }, storage);
  const sender = waiting.connect();
  for (const body of ["m0", "m1"]) await sender.send("T", body, { properties: { DELAY: "1" } });
  const read = storage.read.bind(storage);
  let reads = 0;
  storage.failure = new Error("full");
  storage.read = async (file, at, into) => {
    if (++reads === 1) return read(file, at, into);
    await new Promise((resolve) => setTimeout(resolve, 50));
    throw new Error("broken medium");
  };
  await vi.waitFor(() => expect(waiting.logged).toContain("error: delayed messages could not be delivered"), 3_000);
  await waiting.stop().catch(() => {});
});

test("the first write that failed half done, and a clean stop after it, leave a store that opens", async () => {
  const storage = new WaitingStorage();
  const { inner } = storage;
  storage.write = async (batch: readonly StorageWrite[]) => {
    const [first] = batch;
    if (!first!.file.startsWith("commitlog/")) return inner.write(batch);
    inner.write([{ ...first!, bytes: first!.bytes.subarray(0, 20) }]);
    throw new WasmqError("STORE_FULL", "no room");
  };
  const full = await MemoryBroker.start({}, storage);
  expect((await full.connect().trySend("T", "m")).code).not.toBe(0);
  await full.stop();
  const next = await MemoryBroker.start({}, inner);
  const client = next.connect();
  expect((await client.pull("G", "T", 0, 0, { subscription: "*" })).body).toHaveLength(0);
  await client.send("T", "m");
  await next.stop();
});

test("nothing is written where a failed write has left bytes before these are zeros on the medium", async () => {
  const storage = new WaitingStorage();
  const { inner } = storage;
  const broker = await MemoryBroker.start({}, storage);
  const client = broker.connect();
  await client.send("T", "m0");
  const log = "commitlog/00000000000000000000";
  const isZero = () => {
    const behind = new Uint8Array(2_000);
    inner.readNow(log, 1_000, behind);
    return behind.every((byte) => byte === 0);
  };
  const operations: string[] = [];
  storage.write = async (batch: readonly StorageWrite[]) => {
    inner.write(batch);
    if (batch[0]!.file !== log) return;
    operations.push(isZero() ? "write" : "failed write");
    if (!isZero()) throw new WasmqError("STORE_FULL", "no room");
  };
  storage.sync = async (files) => {
    if (files.includes(log)) operations.push("sync");
  };
  expect((await client.trySend("T", "x".repeat(4_000))).code).toBe(14);
  await client.send("T", "m1");
  expect(operations.slice(0, 4)).toEqual(["failed write", "write", "sync", "write"]);
  expect(isZero()).toBe(true);
  await broker.stop();
});

test("what a failed write has left is not wiped once something else stands there", async () => {
  const storage = new WaitingStorage();
  const { inner } = storage;
  const store = { mappedFileSizeCommitLog: 8192 };
  const broker = await MemoryBroker.start({ store }, storage);
  const client = broker.connect();
  await client.send("T", "m0".padEnd(4_000));
  let isFull = true;
  let wiped = (): void => {};
  let wipes = 0;
  storage.write = async (batch: readonly StorageWrite[]) => {
    const isOfLog = batch[0]!.file.startsWith("commitlog/");
    const isWipe = isOfLog && batch[0]!.bytes.every((byte) => byte === 0);
    // The first takes longer than all that is done meanwhile.
    if (isWipe && ++wipes === 1) await new Promise<void>((resolve) => (wiped = resolve));
    inner.write(batch);
    if (isOfLog && isFull) {
      isFull = false;
      throw new WasmqError("STORE_FULL", "no room");
    }
  };
  expect((await client.trySend("T", "x".repeat(2_000))).code).toBe(14);
  storage.createFailure = new WasmqError("STORE_FULL", "no room");
  const refused = client.trySend("T", "y".repeat(5_000));
  await vi.waitFor(() => expect(wipes).toBe(1));
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve));
  storage.createFailure = undefined;
  const beside = client.trySend("T", "m1");
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve));
  wiped();
  expect((await refused).code).toBe(14);
  const taken = [(await beside).code === 0 ? "m1" : undefined, "m2"].filter((body) => body !== undefined);
  await client.send("T", "m2");
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve));
  const next = await MemoryBroker.start({ store }, inner);
  const pulled = await next.connect().pull("G", "T", 0, 1, { subscription: "*" });
  expect(messagesOf(pulled).map(({ body }) => body)).toEqual(taken);
  await next.stop();
  await broker.stop().catch(() => {});
});

test("a new topic that can't be kept is not promised, and is tried again", async () => {
  const storage = new WaitingStorage();
  const waiting = await MemoryBroker.start({ store: { flushDiskType: "ASYNC_FLUSH" } }, storage);
  const sender = waiting.connect();
  await sender.send("Known", "m");
  const write = storage.create.bind(storage);
  storage.create = (file, sizeBytes) =>
    file.startsWith("config/") ? Promise.reject(new Error("no space")) : write(file, sizeBytes);
  expect(await sender.trySend("T", "m")).toMatchObject({
    code: 1,
    remark: expect.stringMatching(/topics.json.*no space/),
  });
  await sender.send("Known", "m");
  storage.create = write;
  await sender.send("T", "m");
  await waiting.stop();
});
