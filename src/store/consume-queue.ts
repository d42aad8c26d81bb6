import { lostUnitsMax, pullUnitsMax } from "../limits.ts";
import { WasmqError } from "../ports/error.ts";
import type { FileStat, StorageWrite } from "../ports/log-storage.ts";
import type { StoreContext } from "./context.ts";
import { type Eventually, whenReady } from "./eventually.ts";
import { fileNameOffset, offsetFileName } from "./file-name.ts";

/** Units kept in memory after they are written out, so that consumers at the head of a queue read no file. */
const tailBytesKept = 4096;

/** Recovery begins at the third-last file (ConsumeQueue.recover): older ones were flushed long ago. */
const filesRecovered = 3;

/**
 * The ConsumeQueue of one queue: for each message, in order, where in the CommitLog it stands (20 bytes a unit, ConsumeQueue).
 *
 * Units are appended in memory when their records are kept, and written out in groups later: a unit is always derivable from
 * the CommitLog, so losing one costs a scan at the next start and nothing else.
 */
export class ConsumeQueue {
  readonly topic: string;
  readonly queueId: number;
  readonly #context: StoreContext;
  readonly #folder: string;

  /** The first queue offset that can be read. */
  minOffset = 0;
  /** The queue offset after the last visible message. */
  maxOffset = 0;
  /** The queue offset the next appended message gets; ahead of `maxOffset` while records wait to be kept. */
  nextOffset = 0;
  /** The end, in the CommitLog, of the last message of the queue; 0 for none. */
  physicalEnd = 0;
  /** True while the queue stands on a list of queues that got messages; belongs to whoever keeps that list. */
  touched = false;

  /** The files' bytes begin and end here; a queue without files has neither. */
  #filesStart = 0;
  #filesEnd = 0;
  /** The end of the queue's bytes in memory: [#tailStart, #tailStart + #tailLength) of the queue. */
  #tail = new Uint8Array(16 * 20);
  #tailStart = 0;
  #tailLength = 0;
  /** Bytes of the queue up to here are in the files. */
  #writtenEnd = 0;
  readonly #unsynced = new Set<string>();

  constructor(context: StoreContext, topic: string, queueId: number) {
    this.#context = context;
    this.topic = topic;
    this.queueId = queueId;
    this.#folder = `consumequeue/${topic}/${queueId}`;
  }

  get dirtyBytes(): number {
    return this.#tailStart + this.#tailLength - this.#writtenEnd;
  }

  /** Makes the next message visible. */
  append(physicalOffset: number, size: number, tagsHigh: number, tagsLow: number): void {
    const { core, unitWindow } = this.#context;
    core.encodeUnit(unitWindow, 0, physicalOffset, size, tagsHigh, tagsLow);
    this.#appendBytes(unitWindow.bytes.subarray(0, core.unitSize));
    this.maxOffset++;
    this.physicalEnd = physicalOffset + size;
  }

  /**
   * The units of [offset, offset + count), or fewer: none beyond `maxOffset`, none beyond the file that holds the first, and
   * at most `pullUnitsMax`.
   */
  readUnits(offset: number, count: number): Eventually<Uint8Array> {
    const { core, storage, options } = this.#context;
    const at = offset * core.unitSize;
    let bytes = Math.min(count, this.maxOffset - offset, pullUnitsMax) * core.unitSize;
    if (bytes <= 0) return new Uint8Array(0);
    if (at >= this.#tailStart) {
      return this.#tail.slice(at - this.#tailStart, at - this.#tailStart + bytes);
    }
    const fileStart = at - (at % options.mappedFileSizeConsumeQueue);
    bytes = Math.min(bytes, fileStart + options.mappedFileSizeConsumeQueue - at, this.#writtenEnd - at);
    const into = new Uint8Array(bytes);
    const file = offsetFileName(this.#folder, fileStart);
    const read = storage.readNow(file, at - fileStart, into) ?? storage.read(file, at - fileStart, into);
    return whenReady(read, (length) => into.subarray(0, length - (length % core.unitSize)));
  }

  /**
   * Writes out what only memory holds. The bytes are in the host's hands when it ends; `sync` makes them last. After a rejection
   * they are still held, and written the next time. One call at a time.
   */
  async writeOut(): Promise<void> {
    const { storage, options } = this.#context;
    const fileSize = options.mappedFileSizeConsumeQueue;
    const end = this.#tailStart + this.#tailLength;
    const writes: StorageWrite[] = [];
    for (let at = this.#writtenEnd; at < end; ) {
      const fileStart = at - (at % fileSize);
      const file = offsetFileName(this.#folder, fileStart);
      if (fileStart >= this.#filesEnd) {
        await storage.create(file, fileSize);
        if (this.#filesEnd === 0) this.#filesStart = fileStart;
        this.#filesEnd = fileStart + fileSize;
      }
      const pieceEnd = Math.min(end, fileStart + fileSize);
      const bytes = this.#tail.slice(at - this.#tailStart, pieceEnd - this.#tailStart);
      writes.push({ file, at: at - fileStart, bytes });
      at = pieceEnd;
    }
    if (writes.length === 0) return;
    await storage.write(writes);
    for (const { file } of writes) this.#unsynced.add(file);
    this.#writtenEnd = end;
    if (this.#tailLength > tailBytesKept) {
      const kept = this.#tail.slice(end - this.#tailStart, this.#tailLength);
      this.#tailStart = end;
      this.#tailLength = kept.length;
      this.#tail = new Uint8Array(Math.max(16 * this.#context.core.unitSize, kept.length));
      this.#tail.set(kept);
    }
  }

  /** The files written since they were last taken, for a sync of many queues at once. */
  takeUnsynced(into: string[]): void {
    for (const file of this.#unsynced) into.push(file);
    this.#unsynced.clear();
  }

  /**
   * Takes over the queue's files: the units of the newest ones are read up to the first that is none (ConsumeQueue.recover).
   * Throws STORE_UNREADABLE for a file that is none of the queue's or has another size than configured.
   */
  async load(stats: readonly FileStat[]): Promise<void> {
    const { core, storage, options, unitWindow } = this.#context;
    const fileSize = options.mappedFileSizeConsumeQueue;
    const starts: number[] = [];
    for (const stat of stats) {
      const start = fileNameOffset(stat.name);
      if (start === undefined || start % fileSize !== 0) {
        throw new WasmqError("STORE_UNREADABLE", `${stat.name} is no file of a ConsumeQueue: move it out of the store`);
      }
      if (stat.sizeBytes === 0 && stat === stats.at(-1)) {
        await storage.delete(stat.name);
        continue;
      }
      if (stat.sizeBytes !== fileSize) {
        throw new WasmqError(
          "STORE_UNREADABLE",
          `${stat.name} has ${stat.sizeBytes} bytes, but mappedFileSizeConsumeQueue is ${fileSize}`,
        );
      }
      starts.push(start);
    }
    if (starts.length === 0) return;
    this.#filesStart = starts[0]!;
    this.#filesEnd = starts.at(-1)! + fileSize;
    let end = starts[Math.max(0, starts.length - filesRecovered)]!;
    walk: for (const start of starts.slice(-filesRecovered)) {
      if (start !== end) break;
      while (end < start + fileSize) {
        const bytes = new Uint8Array(Math.min(unitWindow.byteLength, start + fileSize - end));
        const read = await storage.read(offsetFileName(this.#folder, start), end - start, bytes);
        unitWindow.bytes.set(bytes.subarray(0, read));
        const units = Math.floor(read / core.unitSize);
        const valid = core.scanUnits(unitWindow, 0, units);
        if (valid > 0) {
          const last = core.decodeUnit(unitWindow, (valid - 1) * core.unitSize);
          this.physicalEnd = last.size === blankUnitSize ? this.physicalEnd : last.physicalOffset + last.size;
        }
        end += valid * core.unitSize;
        if (valid < units || units === 0) break walk;
      }
    }
    this.#resetEnd(end);
    this.minOffset = this.#filesStart / core.unitSize;
  }

  /**
   * Puts back the unit of a record that recovery found. A unit that is there already is left alone; a queue that holds
   * nothing begins at the record's offset, the units before it blank (ConsumeQueue.fillPreBlank); and where records between
   * are lost, blank units keep the offsets of those after them true. False for an offset too far off to be one.
   */
  restore(queueOffset: number, physicalOffset: number, size: number, tagsHigh: number, tagsLow: number): boolean {
    const { core, options } = this.#context;
    if (queueOffset < this.maxOffset) return true;
    if (queueOffset > this.maxOffset) {
      if (this.maxOffset === 0) {
        const unitsPerFile = options.mappedFileSizeConsumeQueue / core.unitSize;
        this.#resetEnd((queueOffset - (queueOffset % unitsPerFile)) * core.unitSize);
        this.minOffset = queueOffset;
      }
      if (queueOffset - this.maxOffset > lostUnitsMax) return false;
      this.#appendBlank(queueOffset - this.maxOffset);
    }
    this.append(physicalOffset, size, tagsHigh, tagsLow);
    this.nextOffset = this.maxOffset;
    return true;
  }

  /** Drops the units of records at or behind `physicalOffset`, which recovery found not to be there. */
  async dropFrom(physicalOffset: number): Promise<void> {
    if (this.physicalEnd <= physicalOffset) return;
    const { core, storage, options } = this.#context;
    const kept = await this.#firstAtOrBehind(physicalOffset);
    await this.writeOut();
    const end = kept * core.unitSize;
    const fileSize = options.mappedFileSizeConsumeQueue;
    while (this.#filesEnd > this.#filesStart && this.#filesEnd - fileSize >= end) {
      this.#filesEnd -= fileSize;
      await storage.delete(offsetFileName(this.#folder, this.#filesEnd));
    }
    if (this.#filesEnd <= this.#filesStart) {
      this.#filesStart = 0;
      this.#filesEnd = 0;
    } else {
      const fileStart = end - (end % fileSize);
      const bytes = new Uint8Array(Math.min(this.#writtenEnd, this.#filesEnd) - end);
      const file = offsetFileName(this.#folder, fileStart);
      if (bytes.length > 0) await storage.write([{ file, at: end - fileStart, bytes }]);
      this.#unsynced.add(file);
    }
    this.#resetEnd(end);
    this.physicalEnd = 0;
    if (kept > this.minOffset) {
      const last = await this.unitAt(kept - 1);
      if (last !== undefined) this.physicalEnd = last.physicalOffset + last.size;
    }
  }

  /** Sets `minOffset` to the first unit whose record is still in a CommitLog that begins at `logMinOffset`. */
  async correctMinOffset(logMinOffset: number): Promise<void> {
    const first = await this.#firstReal(this.#filesStart / this.#context.core.unitSize);
    if (first === undefined) return;
    if (first.physicalOffset >= logMinOffset) {
      this.minOffset = first.offset;
    } else {
      const kept = await this.#firstReal(await this.#firstAtOrBehind(logMinOffset));
      this.minOffset = kept?.offset ?? this.maxOffset;
    }
  }

  /** One unit, or undefined outside [minOffset, maxOffset) and for a blank one. */
  async unitAt(offset: number): Promise<{ physicalOffset: number; size: number } | undefined> {
    const { core, unitWindow } = this.#context;
    if (offset < 0 || offset >= this.maxOffset) return undefined;
    const bytes = await this.readUnits(offset, 1);
    if (bytes.length < core.unitSize) return undefined;
    unitWindow.bytes.set(bytes);
    const { physicalOffset, size } = core.decodeUnit(unitWindow, 0);
    return size === blankUnitSize ? undefined : { physicalOffset, size };
  }

  /** The first queue offset whose unit points at or behind `physicalOffset`; `maxOffset` if none does. Blank units are looked past. */
  async #firstAtOrBehind(physicalOffset: number): Promise<number> {
    let low = this.#filesStart / this.#context.core.unitSize;
    let high = this.maxOffset;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const unit = await this.#firstReal(middle);
      if (unit === undefined || unit.offset >= high || unit.physicalOffset >= physicalOffset) high = middle;
      else low = unit.offset + 1;
    }
    return low;
  }

  /** The first unit at or behind `from` that stands for a record. */
  async #firstReal(from: number): Promise<{ offset: number; physicalOffset: number } | undefined> {
    const { core, unitWindow } = this.#context;
    for (let offset = from; offset < this.maxOffset; ) {
      const units = await this.readUnits(offset, pullUnitsMax);
      if (units.length === 0) return undefined;
      unitWindow.bytes.set(units);
      for (let at = 0; at < units.length; at += core.unitSize, offset++) {
        const { physicalOffset, size } = core.decodeUnit(unitWindow, at);
        if (size !== blankUnitSize) return { offset, physicalOffset };
      }
    }
    return undefined;
  }

  #appendBlank(count: number): void {
    const { core, unitWindow } = this.#context;
    core.encodeUnit(unitWindow, 0, 0, blankUnitSize, 0, 0);
    const unit = unitWindow.bytes.slice(0, core.unitSize);
    for (let i = 0; i < count; i++) this.#appendBytes(unit);
    this.maxOffset += count;
  }

  #appendBytes(unit: Uint8Array): void {
    if (this.#tailLength + unit.length > this.#tail.length) {
      const larger = new Uint8Array(2 * this.#tail.length);
      larger.set(this.#tail.subarray(0, this.#tailLength));
      this.#tail = larger;
    }
    this.#tail.set(unit, this.#tailLength);
    this.#tailLength += unit.length;
  }

  /** Lets the queue end at a byte, all before it written. */
  #resetEnd(end: number): void {
    this.#tailStart = end;
    this.#tailLength = 0;
    this.#writtenEnd = end;
    this.maxOffset = end / this.#context.core.unitSize;
    this.nextOffset = this.maxOffset;
  }
}

/** The size in a unit that stands for no message (ConsumeQueue.fillPreBlank). */
export const blankUnitSize = 0x7fffffff;
