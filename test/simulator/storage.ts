import { WasmqError } from "../../src/ports/error.ts";
import type { FileStat, LogStorage, StorageUsage, StorageWrite } from "../../src/ports/log-storage.ts";
import { type Disk, pageBytes } from "./disk.ts";
import type { Loop } from "./loop.ts";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";

/** What takes time: nothing, syncs (Node, a Durable Object's writes as well), or every operation (a browser). */
export type Pace = "at once" | "syncs wait" | "all waits";

export type Operation = "list" | "create" | "write" | "read" | "rename" | "delete" | "sync";

/** A failure that comes with an operation: EIO, no room, or an error of a sync that leaves nothing known. */
export type Fault = "EIO" | "ENOSPC";

export interface StorageHooks {
  /** Told before an operation has an effect, and after it; `half` does what a crash in its middle may have done. */
  boundary?(what: string, half?: (disk: Disk, random: Random) => void): void;
  /** Asked for each operation, by its number. */
  fault?(operation: Operation, number: number): Fault | undefined;
  /** How full the disk is; without it, nobody knows. */
  usage?(): StorageUsage;
  /** A file is to be deleted; it has been, or has not: that failed. */
  deleting?(file: string): void;
  deleted?(file: string): void;
  notDeleted?(file: string): void;
}

/** The port over a disk of the simulator, for one life of a store: nothing it asks for has an effect once it is dead. */
export class SimulatedStorage implements LogStorage {
  readonly supports: { readonly atomicBatch: boolean };
  readonly owner = "4711";
  readonly disk: Disk;
  isDead = false;
  /** Reads that somebody waits for. */
  readsUnderWay = 0;
  /** Operations begun. */
  operations = 0;
  readonly loop: Loop | undefined;
  readonly #pace: Pace;
  readonly #now: () => number;
  readonly #random: Random;
  readonly #hooks: StorageHooks;
  readonly #tally: Tally;

  constructor(given: {
    disk: Disk;
    /** Not needed where all happens at once. */
    loop?: Loop;
    pace: Pace;
    now: () => number;
    random: Random;
    hooks?: StorageHooks;
    tally: Tally;
  }) {
    this.disk = given.disk;
    this.supports = { atomicBatch: given.disk.isAtomic };
    this.loop = given.loop;
    this.#pace = given.pace;
    this.#now = given.now;
    this.#random = given.random;
    this.#hooks = given.hooks ?? {};
    this.#tally = given.tally;
  }

  lock(): void {}

  list(folder: string): readonly FileStat[] | Promise<readonly FileStat[]> {
    return this.#do("list", folder, () => this.disk.list(folder));
  }

  create(file: string, sizeBytes: number): void | Promise<void> {
    return this.#do("create", file, () => {
      if (this.disk.has(file)) throw new WasmqError("STORE_UNWRITABLE", `${file} exists already`);
      this.disk.create(file, sizeBytes, this.#now());
    });
  }

  write(batch: readonly StorageWrite[]): void | Promise<void> {
    return this.#do("write", batch[0]?.file ?? "nothing", () => this.#write(batch), batch);
  }

  readNow(file: string, at: number, into: Uint8Array): number | undefined {
    if (this.#pace === "all waits") return undefined;
    // Not in the page cache.
    if (this.#pace === "syncs wait" && this.#random.chance(0.1)) return undefined;
    const fault = this.#begin("read", file);
    if (fault !== undefined) throw fault;
    return this.disk.read(file, at, into);
  }

  read(file: string, at: number, into: Uint8Array): number | Promise<number> {
    if (this.#pace === "at once") return this.readNow(file, at, into)!;
    const ended = (): void => void this.readsUnderWay--;
    const read = this.#later("read", file, () => this.disk.read(file, at, into));
    this.readsUnderWay++;
    read.then(ended, ended);
    return read;
  }

  rename(from: string, to: string): void | Promise<void> {
    return this.#do("rename", to, () => {
      if (!this.disk.has(from)) throw new WasmqError("STORE_UNWRITABLE", `${from} is missing`);
      this.disk.rename(from, to);
    });
  }

  delete(file: string): void | Promise<void> {
    if (!this.isDead) this.#hooks.deleting?.(file);
    try {
      const deletion = this.#do("delete", file, () => {
        this.disk.delete(file);
        this.#hooks.deleted?.(file);
      });
      if (deletion instanceof Promise) deletion.catch(() => this.#hooks.notDeleted?.(file));
      return deletion;
    } catch (error) {
      this.#hooks.notDeleted?.(file);
      throw error;
    }
  }

  sync(files: readonly string[]): void | Promise<void> {
    if (this.isDead) return never();
    const fault = this.#begin("sync", files[0] ?? "nothing");
    const mark = this.disk.beginSync(files);
    const end = (): void => {
      if (fault === undefined) {
        this.#hooks.boundary?.("sync");
        this.disk.endSync(mark);
        this.#hooks.boundary?.("synced");
        return;
      }
      this.disk.failSync(mark, this.#random);
      this.#tally.count("failed sync");
      throw fault;
    };
    return this.#pace === "at once" ? end() : this.#wait(end, 30);
  }

  setModified(file: string, atMs: number): void {
    this.disk.setModified(file, atMs);
  }

  usage(): StorageUsage | undefined {
    return this.#hooks.usage?.();
  }

  close(): void {}

  #write(batch: readonly StorageWrite[]): void {
    for (const { file } of batch) {
      if (!this.disk.has(file)) throw new WasmqError("STORE_UNWRITABLE", `${file} is missing`);
    }
    if (this.disk.isAtomic) {
      this.disk.write(batch, this.#now());
      return;
    }
    for (const [i, piece] of batch.entries()) {
      if (i > 0) this.#hooks.boundary?.("between writes");
      this.#hooks.boundary?.("in a write", (disk, random) => disk.write([partOf(piece, random)], this.#now()));
      this.disk.write([piece], this.#now());
    }
  }

  #do<T>(operation: Operation, file: string, effect: () => T, batch?: readonly StorageWrite[]): T | Promise<T> {
    if (this.#pace === "at once" || (this.#pace === "syncs wait" && !(this.disk.isAtomic && operation === "write"))) {
      if (this.isDead) return never();
      return this.#effect(operation, this.#begin(operation, file), effect, batch);
    }
    return this.#later(operation, file, effect, batch);
  }

  #later<T>(operation: Operation, file: string, effect: () => T, batch?: readonly StorageWrite[]): Promise<T> {
    if (this.isDead) return never();
    const fault = this.#begin(operation, file);
    return this.#wait(() => this.#effect(operation, fault, effect, batch), 5);
  }

  /** The effect comes with the end: whose bytes are not left alone until then finds others on the disk. */
  #wait<T>(effect: () => T, usualMs: number): Promise<T> {
    const random = this.#random;
    const delayMs = random.chance(0.03) ? random.below(3_000) : random.next() * usualMs;
    return new Promise((resolve, reject) => {
      this.loop!.after(delayMs, () => {
        if (this.isDead) return;
        try {
          resolve(effect());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #begin(operation: Operation, file: string): Error | undefined {
    const fault = this.#hooks.fault?.(operation, this.operations);
    this.operations++;
    if (fault === undefined) return undefined;
    // What reads or deletes needs no room.
    const fits = fault === "EIO" || operation === "create" || operation === "write";
    if (!fits) return undefined;
    this.#tally.count(`${fault}: ${operation}`);
    return fault === "ENOSPC"
      ? new WasmqError("STORE_FULL", `ENOSPC: no space left on device, ${operation} '${file}'`)
      : new Error(`EIO: i/o error, ${operation} '${file}'`);
  }

  #effect<T>(
    operation: Operation,
    fault: Error | undefined,
    effect: () => T,
    batch: readonly StorageWrite[] | undefined,
  ): T {
    if (fault === undefined) {
      const isChange = operation !== "list" && operation !== "read";
      if (isChange) this.#hooks.boundary?.(`before ${operation}`);
      const result = effect();
      if (isChange) this.#hooks.boundary?.(`after ${operation}`);
      return result;
    }
    // Some of it may be done all the same.
    if (batch !== undefined && !this.disk.isAtomic) {
      const whole = this.#random.below(batch.length);
      const pieces = batch.slice(0, whole).concat(this.#random.chance(0.5) ? partOf(batch[whole]!, this.#random) : []);
      this.disk.write(
        pieces.filter(({ file }) => this.disk.has(file)),
        this.#now(),
      );
    }
    throw fault;
  }
}

/** What a kill in the middle of a write(2) leaves of it: whole pages, or any part where the disk is full. */
function partOf({ file, at, bytes }: StorageWrite, random: Random): StorageWrite {
  const end = random.chance(0.5)
    ? random.below(bytes.length + 1)
    : Math.max(0, Math.min(bytes.length, pageBytes * random.between(1, 3) - (at % pageBytes)));
  return { file, at, bytes: bytes.subarray(0, end) };
}

/** To who is dead, nothing answers. */
function never(): Promise<never> {
  return new Promise(() => {});
}
