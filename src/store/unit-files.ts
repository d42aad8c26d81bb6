import { WasmqError } from "../ports/error.ts";
import type { FileStat, StorageWrite } from "../ports/log-storage.ts";
import type { StoreSettings } from "../ports/store-settings.ts";
import type { StoreContext } from "./context.ts";
import { type Eventually, whenReady } from "./eventually.ts";
import { fileNameOffset, offsetFileName } from "./file-name.ts";
import { sizeAdvice } from "./settings.ts";

/** Recovery of ConsumeQueues begins at the third-last file (ConsumeQueue.recover): older ones were flushed long ago. */
export const filesRecovered = 3;

/** So many that are lost between others are made again; more are no accident of a medium. */
const filesMissingMax = 16;

/** Pages that a crash, or a medium, may have lost in the middle of a queue: so much is looked at behind what seems to be its end. */
const lookAheadBytes = 64 * 1024;

/**
 * The units of one queue, all of one size, one behind the other: files of one size, each named by the byte of the queue that it begins with, and the
 * end of them in memory (MappedFileQueue).
 *
 * Units are appended in memory, and written out in groups later. Positions are bytes of the queue.
 */
export class UnitFiles {
  readonly #context: StoreContext;
  readonly #folder: string;
  readonly #unitSize: number;
  readonly #fileSize: number;
  readonly #sizeKey: keyof StoreSettings;

  /** Where the files begin and end; both 0 without files. */
  #start = 0;
  #limit = 0;
  /** The end of the bytes in memory: [#tailStart, #tailStart + #tailLength). */
  #tail: Uint8Array;
  #tailStart = 0;
  #tailLength = 0;
  /** Bytes up to here are in the files. */
  #writtenEnd = 0;
  readonly #unsynced = new Set<string>();
  /** Units from here on stood in files already when recovery met their records: nobody knows whether they are synced. */
  #unsureFrom = Number.POSITIVE_INFINITY;
  /** Behind the end the files hold others bytes than zeros up to here, as far as was looked. */
  #junkEnd = 0;
  #lastDeletionMayComeBack = false;

  /** `sizeKey`: the setting that `fileSize` is. */
  constructor(context: StoreContext, folder: string, unitSize: number, fileSize: number, sizeKey: keyof StoreSettings) {
    this.#context = context;
    this.#folder = folder;
    this.#unitSize = unitSize;
    this.#fileSize = fileSize;
    this.#sizeKey = sizeKey;
    this.#tail = new Uint8Array(16 * unitSize);
  }

  get start(): number {
    return this.#start;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Behind the last unit. */
  get end(): number {
    return this.#tailStart + this.#tailLength;
  }

  get dirtyBytes(): number {
    return this.end - this.#writtenEnd;
  }

  /** Whether the files hold more than zeros behind the end. */
  get hasJunk(): boolean {
    return this.#junkEnd > this.end;
  }

  append(units: Uint8Array): void {
    if (this.#tailLength + units.length > this.#tail.length) {
      const larger = new Uint8Array(2 * this.#tail.length);
      larger.set(this.#tail.subarray(0, this.#tailLength));
      this.#tail = larger;
    }
    this.#tail.set(units, this.#tailLength);
    this.#tailLength += units.length;
    this.#context.queueTails.unwrittenBytes += units.length;
  }

  /** The units of [at, at + length), or fewer: none beyond the end, none beyond the file that holds the first. */
  read(at: number, length: number): Eventually<Uint8Array> {
    const { storage } = this.#context;
    let bytes = Math.min(length, this.end - at);
    if (bytes <= 0) return new Uint8Array(0);
    if (at >= this.#tailStart) return this.#tail.slice(at - this.#tailStart, at - this.#tailStart + bytes);
    const fileStart = this.#fileOf(at);
    bytes = Math.min(bytes, fileStart + this.#fileSize - at, this.#writtenEnd - at);
    const into = new Uint8Array(bytes);
    const file = offsetFileName(this.#folder, fileStart);
    const read = storage.readNow(file, at - fileStart, into) ?? storage.read(file, at - fileStart, into);
    return whenReady(read, (length) => into.subarray(0, length - (length % this.#unitSize)));
  }

  /**
   * Writes out what only memory holds. The bytes are in the host's hands when it ends; `sync` makes them last. After a rejection
   * they are still held, and written the next time. One call at a time.
   */
  async writeOut(): Promise<void> {
    const { storage, queueTails } = this.#context;
    const { end } = this;
    const writes: StorageWrite[] = [];
    for (let at = this.#writtenEnd; at < end; ) {
      const fileStart = this.#fileOf(at);
      const file = offsetFileName(this.#folder, fileStart);
      if (fileStart >= this.#limit) {
        await storage.create(file, this.#fileSize);
        if (this.#limit === 0) this.#start = fileStart;
        this.#limit = fileStart + this.#fileSize;
      }
      const pieceEnd = Math.min(end, fileStart + this.#fileSize);
      const bytes = this.#tail.slice(at - this.#tailStart, pieceEnd - this.#tailStart);
      writes.push({ file, at: at - fileStart, bytes });
      at = pieceEnd;
    }
    if (writes.length === 0) return;
    await storage.write(writes);
    for (const { file } of writes) this.#unsynced.add(file);
    queueTails.unwrittenBytes -= end - this.#writtenEnd;
    this.#writtenEnd = end;
    if (this.#tailLength > queueTails.bytesKept) {
      const kept = this.#tail.slice(end - this.#tailStart, this.#tailLength);
      this.#tailStart = end;
      this.#tailLength = kept.length;
      this.#tail = new Uint8Array(Math.max(16 * this.#unitSize, kept.length));
      this.#tail.set(kept);
    }
  }

  /** Recovery has met the record of a unit that stood there already. */
  markUnsure(at: number): void {
    if (at < this.#unsureFrom) this.#unsureFrom = at;
  }

  /** The files written since they were last taken, and those that an owner before may have left so, for a sync of many queues at once. */
  takeUnsynced(into: string[]): void {
    if (this.#unsureFrom < this.end) {
      for (let start = this.#fileOf(this.#unsureFrom); start < this.#limit; start += this.#fileSize) {
        this.#unsynced.add(offsetFileName(this.#folder, start));
      }
    }
    this.#unsureFrom = Number.POSITIVE_INFINITY;
    for (const file of this.#unsynced) into.push(file);
    this.#unsynced.clear();
  }

  /**
   * Writes once more what stood in files already when recovery met its records: the sync of an owner before has failed, and may have lost what
   * can be read. It lasts with the next flush.
   */
  async writeAgain(): Promise<void> {
    const { storage } = this.#context;
    for (let at = this.#unsureFrom; at < this.#writtenEnd; ) {
      const fileStart = this.#fileOf(at);
      const bytes = new Uint8Array(Math.min(this.#writtenEnd, fileStart + this.#fileSize) - at);
      const file = offsetFileName(this.#folder, fileStart);
      await (storage.readNow(file, at - fileStart, bytes) ?? storage.read(file, at - fileStart, bytes));
      await storage.write([{ file, at: at - fileStart, bytes }]);
      this.#unsynced.add(file);
      at += bytes.length;
    }
  }

  /**
   * Takes over the files: the units of the newest `recovered` are gone over by `count`, which says how many of those it is given are units, up to
   * the first that is none (ConsumeQueue.recover). Throws STORE_UNREADABLE for a file that is none of the queue's or has another size than configured.
   */
  async load(stats: readonly FileStat[], recovered: number, count: (units: Uint8Array) => number): Promise<void> {
    const { storage, unitWindow } = this.#context;
    const fileSize = this.#fileSize;
    const starts: number[] = [];
    const empty: string[] = [];
    // Power was lost between making files and giving them their size.
    const lastWithBytes = stats.findLastIndex(({ sizeBytes }) => sizeBytes > 0);
    for (const [i, stat] of stats.entries()) {
      const start = fileNameOffset(stat.name);
      if (start === undefined || start % fileSize !== 0) {
        throw new WasmqError("STORE_UNREADABLE", `${stat.name} is no file of a ConsumeQueue: move it out of the store`);
      }
      if (stat.sizeBytes === 0 && i > lastWithBytes) {
        empty.push(stat.name);
        continue;
      }
      if (stat.sizeBytes !== fileSize) {
        throw new WasmqError(
          "STORE_UNREADABLE",
          `${stat.name} has ${stat.sizeBytes} bytes, but ${this.#sizeKey} is ${fileSize}: ${sizeAdvice(this.#sizeKey)}`,
        );
      }
      starts.push(start);
    }
    for (const name of empty.reverse()) await storage.delete(name);
    if (starts.length === 0) return;
    this.#start = starts[0]!;
    this.#limit = starts.at(-1)! + fileSize;
    if ((this.#limit - this.#start) / fileSize > starts.length + filesMissingMax) {
      throw new WasmqError(
        "STORE_UNREADABLE",
        `${this.#folder} has a gap between its files: wasmq check --repair rebuilds it`,
      );
    }
    for (let start = this.#start; start < this.#limit; start += fileSize) {
      if (starts.includes(start)) continue;
      await storage.create(offsetFileName(this.#folder, start), fileSize);
      starts.push(start);
    }
    starts.sort((a, b) => a - b);
    let end = starts[Math.max(0, starts.length - recovered)]!;
    const atOnce = unitWindow.byteLength - (unitWindow.byteLength % this.#unitSize);
    walk: for (const start of starts.slice(-recovered)) {
      while (end < start + fileSize) {
        const bytes = new Uint8Array(Math.min(atOnce, start + fileSize - end));
        const file = offsetFileName(this.#folder, start);
        const read = storage.readNow(file, end - start, bytes) ?? (await storage.read(file, end - start, bytes));
        const units = Math.floor(read / this.#unitSize);
        const valid = count(bytes.subarray(0, units * this.#unitSize));
        end += valid * this.#unitSize;
        if (valid < units || units === 0) break walk;
      }
    }
    await this.#lookBehind(end, stats[lastWithBytes]!.dataBytesMax);
    this.resetEnd(end);
  }

  /** How far behind `end` the files hold other bytes than zeros. Looks no further than a hole, of lost pages, is wide. */
  async #lookBehind(end: number, lastFileDataBytes: number): Promise<void> {
    const { storage } = this.#context;
    const dataEnd = Math.min(this.#limit, this.#limit - this.#fileSize + lastFileDataBytes);
    const until = Math.min(end + lookAheadBytes, dataEnd);
    const bytes = new Uint8Array(Math.max(0, until - end));
    this.#junkEnd = Math.max(end, this.#limit - this.#fileSize);
    for (let at = end; at < until; ) {
      const fileStart = this.#fileOf(at);
      const into = bytes.subarray(0, Math.min(until, fileStart + this.#fileSize) - at);
      const file = offsetFileName(this.#folder, fileStart);
      await (storage.readNow(file, at - fileStart, into) ?? storage.read(file, at - fileStart, into));
      const last = into.findLastIndex((byte) => byte !== 0);
      if (last >= 0) this.#junkEnd = Math.max(this.#junkEnd, at + last + 1);
      at += into.length;
    }
  }

  /** Takes away what the files hold behind the end, as far as was looked, or `all` of it. */
  async clearBehind(all = false): Promise<void> {
    const { storage } = this.#context;
    // Files that held nothing else are gone.
    const junkEnd = all ? this.#limit : Math.min(this.#junkEnd, this.#limit);
    if (junkEnd <= this.end) return;
    await this.writeOut();
    for (let at = this.#writtenEnd; at < junkEnd; ) {
      const fileStart = this.#fileOf(at);
      const bytes = new Uint8Array(Math.min(junkEnd, fileStart + this.#fileSize) - at);
      const file = offsetFileName(this.#folder, fileStart);
      await storage.write([{ file, at: at - fileStart, bytes }]);
      this.#unsynced.add(file);
      at += bytes.length;
    }
    this.#junkEnd = 0;
  }

  /** Puts bytes in the place of others, in memory and in their file, where they last with the next flush. They are one unit's. */
  async correct(at: number, bytes: Uint8Array): Promise<void> {
    if (at >= this.#tailStart) this.#tail.set(bytes, at - this.#tailStart);
    if (at < this.#start || at >= this.#writtenEnd) return;
    const fileStart = this.#fileOf(at);
    const file = offsetFileName(this.#folder, fileStart);
    await this.#context.storage.write([{ file, at: at - fileStart, bytes }]);
    this.#unsynced.add(file);
  }

  /** Drops the units from `end` on. */
  async cutTo(end: number): Promise<void> {
    const { storage } = this.#context;
    await this.writeOut();
    while (this.#limit > this.#start && this.#limit - this.#fileSize >= end) {
      this.#limit -= this.#fileSize;
      await storage.delete(offsetFileName(this.#folder, this.#limit));
    }
    if (this.#limit <= this.#start) {
      this.#start = 0;
      this.#limit = 0;
    } else {
      const fileStart = this.#fileOf(end);
      const bytes = new Uint8Array(Math.max(0, Math.min(this.#writtenEnd, this.#limit) - end));
      const file = offsetFileName(this.#folder, fileStart);
      if (bytes.length > 0) {
        await storage.write([{ file, at: end - fileStart, bytes }]);
        this.#unsynced.add(file);
      }
    }
    this.resetEnd(end);
  }

  /** Lets the units end at a byte, all before it written. */
  resetEnd(end: number): void {
    this.#context.queueTails.unwrittenBytes -= this.dirtyBytes;
    this.#tailStart = end;
    this.#tailLength = 0;
    this.#writtenEnd = end;
  }

  /**
   * Deletes the leading files that end at or before `at`, but never the last: it keeps the queue's offsets going on
   * (MappedFileQueue.deleteExpiredFileByOffset). Returns how many. No crash leaves a gap between the files. One call at a time, and
   * none beside `writeOut`.
   */
  async deleteBefore(at: number): Promise<number> {
    const { storage } = this.#context;
    let deleted = 0;
    while (this.#start + this.#fileSize <= at && this.#start + this.#fileSize < this.#limit) {
      const file = offsetFileName(this.#folder, this.#start);
      // The one before it must not come back without it.
      if (this.#lastDeletionMayComeBack) await storage.sync([file]);
      this.#unsynced.delete(file);
      await storage.delete(file);
      this.#lastDeletionMayComeBack = true;
      this.#start += this.#fileSize;
      deleted++;
    }
    return deleted;
  }

  /** Deletes the files, the last one first: what a crash leaves of them is a whole queue's begin. Nobody uses them afterwards. */
  async destroy(): Promise<void> {
    this.resetEnd(this.#writtenEnd);
    this.#unsynced.clear();
    while (this.#limit > this.#start) {
      this.#limit -= this.#fileSize;
      await this.#context.storage.delete(offsetFileName(this.#folder, this.#limit));
    }
  }

  #fileOf(at: number): number {
    return at - (at % this.#fileSize);
  }
}
