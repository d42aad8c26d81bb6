/** Writes, syncs and creations that take their time and overlap, as those of a browser do. */
import { expect, test } from "vitest";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { WasmqError } from "../../src/ports/error.ts";
import type { StorageWrite } from "../../src/ports/log-storage.ts";
import { WaitingStorage } from "../lib/faulty-storage.ts";
import { copyOf, MemoryBroker } from "../lib/memory-broker.ts";

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Knows which writes of the log a sync covers, and no file that was not made. */
class SlowStorage extends WaitingStorage {
  writeMs = 0;
  createMs = 0;
  /** Writes of the CommitLog that have ended, and how many of them a sync that has ended began after. */
  written = 0;
  synced = 0;

  override async create(file: string, sizeBytes: number): Promise<void> {
    if (file.startsWith("commitlog/")) await pause(this.createMs);
    await super.create(file, sizeBytes);
  }

  override async write(batch: readonly StorageWrite[]): Promise<void> {
    const isLog = batch.some(({ file }) => file.startsWith("commitlog/"));
    if (isLog) await pause(this.writeMs);
    await super.write(batch);
    if (isLog) this.written++;
  }

  override async sync(files: readonly string[]): Promise<void> {
    for (const file of files) {
      if (!this.inner.files.has(file)) throw new WasmqError("STORE_UNWRITABLE", `${file} is missing`);
    }
    const covers = files.some((file) => file.startsWith("commitlog/")) ? this.written : 0;
    await super.sync(files);
    this.synced = Math.max(this.synced, covers);
  }
}

test("SYNC_FLUSH: a send is answered after a sync that began after its write, whatever else is flushed meanwhile", async () => {
  const storage = new SlowStorage();
  storage.writeMs = 10;
  storage.syncMs = 1;
  const broker = await MemoryBroker.start(
    { store: { flushDiskType: "SYNC_FLUSH", flushConsumeQueueThoroughIntervalMs: 5 } },
    storage,
  );
  const client = broker.connect();
  for (let i = 0; i < 40; i++) {
    await client.send("T", `m${i}`);
    expect(storage.synced).toBe(storage.written);
  }
  await broker.stop();
});

test("a flush while a CommitLog file is being made has nothing to do with it", async () => {
  const storage = new SlowStorage();
  storage.createMs = 20;
  const broker = await MemoryBroker.start(
    { store: { mappedFileSizeCommitLog: 64 * 1024, flushIntervalCommitLogMs: 5 } },
    storage,
  );
  const client = broker.connect();
  for (let i = 0; i < 60; i++) await client.send("T", "x".repeat(9_000));
  await broker.stop();
});

test("no room for a CommitLog file is over when there is room", async () => {
  const storage = new SlowStorage();
  storage.createMs = 2;
  const broker = await MemoryBroker.start(
    { store: { mappedFileSizeCommitLog: 64 * 1024, flushIntervalCommitLogMs: 20 } },
    storage,
  );
  const client = broker.connect();
  await client.send("T", "x".repeat(9_000));
  storage.createFailure = new WasmqError("STORE_FULL", "no room");
  const codes = new Set<number>();
  for (let i = 0; i < 12; i++) codes.add((await client.trySend("T", "x".repeat(9_000))).code);
  expect(codes).toEqual(new Set([0, 14]));
  await pause(100);
  storage.createFailure = undefined;
  await client.send("T", "x".repeat(9_000));
  await broker.stop();
});

test("a host that is started again and again looks at a bounded part of the log", async () => {
  let storage = new MemoryLogStorage();
  // As in a Durable Object, where nothing is due by time.
  const store = {
    mappedFileSizeCommitLog: 16 * 1024 * 1024,
    flushIntervalCommitLogMs: Number.POSITIVE_INFINITY,
    flushIntervalConsumeQueueMs: Number.POSITIVE_INFINITY,
    flushConsumeQueueThoroughIntervalMs: Number.POSITIVE_INFINITY,
    flushConsumeQueueThoroughBytes: 2 * 1024 * 1024,
  };
  for (let life = 0; life < 8; life++) {
    let looked = 0;
    const readNow = storage.readNow.bind(storage);
    storage.readNow = (file, at, into) => {
      const read = readNow(file, at, into);
      // Zeros behind the end are nothing to look at.
      if (file.startsWith("commitlog/")) looked += into.findLastIndex((byte) => byte !== 0) + 1;
      return read;
    };
    const broker = await MemoryBroker.start({ store }, storage);
    expect(looked, `life ${life}`).toBeLessThan(2 * store.flushConsumeQueueThoroughBytes + 2_000_000);
    const client = broker.connect();
    // Less than by which ConsumeQueues are written within one life.
    for (let i = 0; i < 150; i++) await client.send("T", "x".repeat(10_000));
    storage = copyOf(storage);
    await broker.stop();
  }
});
