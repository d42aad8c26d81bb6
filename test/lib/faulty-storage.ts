import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { WasmqError } from "../../src/ports/error.ts";
import type { LogStorage, StorageWrite } from "../../src/ports/log-storage.ts";

/**
 * A storage in memory that takes its time, as a browser's does: every operation that may wait, waits, and nothing can be read
 * at once. Syncs can be held back and made to fail, writes as well.
 */
export class WaitingStorage implements LogStorage {
  readonly supports = { atomicBatch: false };
  readonly owner = "0";
  readonly inner: MemoryLogStorage;
  /** What a sync waits for. */
  syncGate: Promise<void> = Promise.resolve();
  /** How long a sync takes besides. */
  syncMs = 0;
  /** Thrown by every write while it is set; and by every sync, unless it is that there is no room (the port says so of writes). */
  failure: Error | undefined;
  /** Thrown by every create while it is set. */
  createFailure: Error | undefined;
  /** Files whose writes, or syncs, fail. */
  failsFor: RegExp | undefined;
  syncFailsFor: RegExp | undefined;
  writes = 0;
  syncs = 0;
  /** Those that `syncFailsFor` had fail. */
  failedSyncs = 0;
  /** The most syncs of files of the CommitLog that were under way at any time. */
  logSyncsAtOnce = 0;
  #logSyncs = 0;

  constructor(inner = new MemoryLogStorage()) {
    this.inner = inner;
  }

  async lock(): Promise<void> {}

  async list(folder: string) {
    await later();
    return this.inner.list(folder);
  }

  async create(file: string, sizeBytes: number): Promise<void> {
    await later();
    if (this.createFailure !== undefined) throw this.createFailure;
    this.inner.create(file, sizeBytes);
  }

  async write(batch: readonly StorageWrite[]): Promise<void> {
    this.writes++;
    await later();
    if (this.failure !== undefined) throw this.failure;
    if (batch.some(({ file }) => this.failsFor?.test(file))) throw new Error("EIO: a write failed");
    this.inner.write(batch);
  }

  readNow(): undefined {
    return undefined;
  }

  async read(file: string, at: number, into: Uint8Array): Promise<number> {
    await later();
    return this.inner.readNow(file, at, into);
  }

  async rename(from: string, to: string): Promise<void> {
    await later();
    this.inner.rename(from, to);
  }

  async delete(file: string): Promise<void> {
    await later();
    this.inner.delete(file);
  }

  async sync(files: readonly string[]): Promise<void> {
    this.syncs++;
    const isOfLog = files.some((file) => file.startsWith("commitlog/"));
    if (isOfLog) this.logSyncsAtOnce = Math.max(this.logSyncsAtOnce, ++this.#logSyncs);
    if (this.syncMs > 0) await new Promise((resolve) => setTimeout(resolve, this.syncMs));
    await this.syncGate;
    if (isOfLog) this.#logSyncs--;
    if (files.some((file) => this.syncFailsFor?.test(file))) {
      this.failedSyncs++;
      throw new Error("EIO: a sync failed");
    }
    if (this.failure !== undefined && !isFull(this.failure)) throw this.failure;
  }

  async setModified(file: string, atMs: number): Promise<void> {
    await later();
    this.inner.setModified(file, atMs);
  }

  async usage() {
    await later();
    return this.inner.usage();
  }

  async close(): Promise<void> {}
}

function isFull(error: Error): boolean {
  return error instanceof WasmqError && error.code === "STORE_FULL";
}

function later(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
