import type { Unit } from "../core/core.ts";
import { lostUnitsMax, pullUnitsMax } from "../limits.ts";
import { WasmqError } from "../ports/error.ts";
import type { FileStat, StorageWrite } from "../ports/log-storage.ts";
import { encodeUtf8 } from "../ports/text.ts";
import type { StoreContext } from "./context.ts";
import { type Eventually, whenReady } from "./eventually.ts";
import { fileNameOffset, offsetFileName } from "./file-name.ts";
import { sizeAdvice } from "./settings.ts";
import type { UnitPiece } from "./unit-pieces.ts";

/** Recovery begins at the third-last file (ConsumeQueue.recover): older ones were flushed long ago. */
const filesRecovered = 3;

/** So many that are lost between others are made again; more are no accident of a medium. */
const filesMissingMax = 16;

/** Pages that a crash, or a medium, may have lost in the middle of a queue: so much is looked at behind what seems to be its end. */
const lookAheadBytes = 64 * 1024;

/** So many units before the first one that seems to be kept are looked at: one of them may be kept, too. */
const unitsProved = 16;

/**
 * The ConsumeQueue of one queue: for each message, in order, where in the CommitLog it stands (20 bytes a unit, ConsumeQueue).
 *
 * Units are appended in memory when their records are kept, and written out in groups later: a unit is always derivable from
 * the CommitLog, so losing one costs a scan at the next start and nothing else.
 */
export class ConsumeQueue {
  readonly topic: string;
  /** As records have it. */
  readonly topicBytes: Uint8Array;
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
  /**
   * The files hold more behind the unit that the queue was found to end with: units may be missing between, and only the CommitLog, from its
   * beginning, tells which.
   */
  isCutShort = false;
  /** Both belong to recovery: units that it holds, and the offset behind the last record it met, or -1. */
  piece: UnitPiece | undefined;
  accounted = -1;
  /** While the queue stands on a list of queues that got messages, what it got; belongs to whoever keeps that list. */
  arrivedMessages = 0;
  arrivedBytes = 0;

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
  /** Units from this offset on stood in files already when recovery met their records: nobody knows whether they are synced. */
  #unsureFrom = Number.POSITIVE_INFINITY;
  /** Behind the queue's end the files hold others bytes than zeros up to here, as far as was looked. */
  #junkEnd = 0;
  #lastDeletionMayComeBack = false;

  constructor(context: StoreContext, topic: string, queueId: number) {
    this.#context = context;
    this.topic = topic;
    this.topicBytes = encodeUtf8(topic);
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
    const { storage, options, queueTails } = this.#context;
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
    queueTails.unwrittenBytes -= end - this.#writtenEnd;
    this.#writtenEnd = end;
    if (this.#tailLength > queueTails.bytesKept) {
      const kept = this.#tail.slice(end - this.#tailStart, this.#tailLength);
      this.#tailStart = end;
      this.#tailLength = kept.length;
      this.#tail = new Uint8Array(Math.max(16 * this.#context.core.unitSize, kept.length));
      this.#tail.set(kept);
    }
  }

  /** The files written since they were last taken, and those that an owner before may have left so, for a sync of many queues at once. */
  takeUnsynced(into: string[]): void {
    if (this.#unsureFrom < this.maxOffset) {
      const { core, options } = this.#context;
      const at = this.#unsureFrom * core.unitSize;
      for (let start = at - (at % options.mappedFileSizeConsumeQueue); start < this.#filesEnd; ) {
        this.#unsynced.add(offsetFileName(this.#folder, start));
        start += options.mappedFileSizeConsumeQueue;
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
    const { core, storage, options } = this.#context;
    const fileSize = options.mappedFileSizeConsumeQueue;
    for (let at = this.#unsureFrom * core.unitSize; at < this.#writtenEnd; ) {
      const fileStart = at - (at % fileSize);
      const bytes = new Uint8Array(Math.min(this.#writtenEnd, fileStart + fileSize) - at);
      const file = offsetFileName(this.#folder, fileStart);
      await (storage.readNow(file, at - fileStart, bytes) ?? storage.read(file, at - fileStart, bytes));
      await storage.write([{ file, at: at - fileStart, bytes }]);
      this.#unsynced.add(file);
      at += bytes.length;
    }
  }

  /**
   * Takes over the queue's files: the units of the newest ones are read up to the first that is none (ConsumeQueue.recover).
   * Throws STORE_UNREADABLE for a file that is none of the queue's or has another size than configured.
   */
  async load(stats: readonly FileStat[]): Promise<void> {
    const { core, storage, options, unitWindow } = this.#context;
    const fileSize = options.mappedFileSizeConsumeQueue;
    const starts: number[] = [];
    // Power was lost between making files and giving them their size.
    const lastWithBytes = stats.findLastIndex(({ sizeBytes }) => sizeBytes > 0);
    const empty: string[] = [];
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
          `${stat.name} has ${stat.sizeBytes} bytes, but mappedFileSizeConsumeQueue is ${fileSize}: ${sizeAdvice("mappedFileSizeConsumeQueue")}`,
        );
      }
      starts.push(start);
    }
    for (const name of empty.reverse()) await storage.delete(name);
    if (starts.length === 0) return;
    this.#filesStart = starts[0]!;
    this.#filesEnd = starts.at(-1)! + fileSize;
    if ((this.#filesEnd - this.#filesStart) / fileSize > starts.length + filesMissingMax) {
      throw new WasmqError(
        "STORE_UNREADABLE",
        `${this.#folder} has a gap between its files: wasmq check --repair rebuilds it`,
      );
    }
    for (let start = this.#filesStart; start < this.#filesEnd; start += fileSize) {
      if (starts.includes(start)) continue;
      await storage.create(offsetFileName(this.#folder, start), fileSize);
      starts.push(start);
    }
    starts.sort((a, b) => a - b);
    let end = starts[Math.max(0, starts.length - filesRecovered)]!;
    walk: for (const start of starts.slice(-filesRecovered)) {
      while (end < start + fileSize) {
        const bytes = new Uint8Array(Math.min(unitWindow.byteLength, start + fileSize - end));
        const file = offsetFileName(this.#folder, start);
        const read = storage.readNow(file, end - start, bytes) ?? (await storage.read(file, end - start, bytes));
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
    await this.#lookBehind(end, stats[lastWithBytes]!.dataBytesMax);
    this.isCutShort = this.#junkEnd > end || end === this.#filesStart;
    this.#resetEnd(end);
    this.minOffset = this.#filesStart / core.unitSize;
  }

  /** How far behind `end` the files hold other bytes than zeros. Looks no further than a hole, of lost pages, is wide. */
  async #lookBehind(end: number, lastFileDataBytes: number): Promise<void> {
    const { storage, options } = this.#context;
    const fileSize = options.mappedFileSizeConsumeQueue;
    const dataEnd = Math.min(this.#filesEnd, this.#filesEnd - fileSize + lastFileDataBytes);
    const until = Math.min(end + lookAheadBytes, dataEnd);
    const bytes = new Uint8Array(Math.max(0, until - end));
    this.#junkEnd = Math.max(end, this.#filesEnd - fileSize);
    for (let at = end; at < until; ) {
      const fileStart = at - (at % fileSize);
      const into = bytes.subarray(0, Math.min(until, fileStart + fileSize) - at);
      const file = offsetFileName(this.#folder, fileStart);
      await (storage.readNow(file, at - fileStart, into) ?? storage.read(file, at - fileStart, into));
      const last = into.findLastIndex((byte) => byte !== 0);
      if (last >= 0) this.#junkEnd = Math.max(this.#junkEnd, at + last + 1);
      at += into.length;
    }
  }

  /** Takes away what the files hold behind the queue's end, once the CommitLog has told what that is. */
  async clearBehind(): Promise<void> {
    const { storage, options } = this.#context;
    const fileSize = options.mappedFileSizeConsumeQueue;
    this.isCutShort = false;
    // Files that held nothing else are gone.
    const junkEnd = Math.min(this.#junkEnd, this.#filesEnd);
    if (junkEnd <= this.#tailStart + this.#tailLength) return;
    await this.writeOut();
    for (let at = this.#writtenEnd; at < junkEnd; ) {
      const fileStart = at - (at % fileSize);
      const bytes = new Uint8Array(Math.min(junkEnd, fileStart + fileSize) - at);
      const file = offsetFileName(this.#folder, fileStart);
      await storage.write([{ file, at: at - fileStart, bytes }]);
      this.#unsynced.add(file);
      at += bytes.length;
    }
    this.#junkEnd = 0;
  }

  /**
   * Puts back the unit of a record that recovery found. A queue that holds nothing begins at the record's offset, the units before it
   * blank (ConsumeQueue.fillPreBlank); and where records between are lost, units that repeat this one keep the offsets of those after them
   * true: a blank one has Apache's broker pass over all that follows in the same CommitLog file (DefaultMessageStore.getMessage).
   * "known": there is a unit at the offset already, which may be another one. "refused": the offset is too far off to be one.
   */
  restore(
    queueOffset: number,
    physicalOffset: number,
    size: number,
    tagsHigh: number,
    tagsLow: number,
  ): "appended" | "known" | "refused" {
    const { core, options } = this.#context;
    if (queueOffset < this.maxOffset) {
      if (queueOffset < this.#unsureFrom) this.#unsureFrom = queueOffset;
      return "known";
    }
    if (queueOffset > this.maxOffset) {
      const isEmpty = this.maxOffset === 0;
      if (isEmpty) {
        const unitsPerFile = options.mappedFileSizeConsumeQueue / core.unitSize;
        this.#resetEnd((queueOffset - (queueOffset % unitsPerFile)) * core.unitSize);
        this.minOffset = queueOffset;
      }
      if (queueOffset - this.maxOffset > lostUnitsMax) return "refused";
      if (isEmpty) this.#appendBlank(queueOffset - this.maxOffset);
      while (this.maxOffset < queueOffset) this.append(physicalOffset, size, tagsHigh, tagsLow);
    }
    this.append(physicalOffset, size, tagsHigh, tagsLow);
    this.nextOffset = this.maxOffset;
    return "appended";
  }

  /** Puts a unit in the place of a wrong one, in memory and in its file, where it lasts with the next flush. */
  async correct(
    offset: number,
    physicalOffset: number,
    size: number,
    tagsHigh: number,
    tagsLow: number,
  ): Promise<void> {
    const { core, storage, options, unitWindow } = this.#context;
    if (offset < 0 || offset >= this.maxOffset) return;
    core.encodeUnit(unitWindow, 0, physicalOffset, size, tagsHigh, tagsLow);
    const bytes = unitWindow.bytes.slice(0, core.unitSize);
    const at = offset * core.unitSize;
    if (offset === this.maxOffset - 1) this.physicalEnd = size === blankUnitSize ? 0 : physicalOffset + size;
    if (at >= this.#tailStart) this.#tail.set(bytes, at - this.#tailStart);
    if (at < this.#filesStart || at >= this.#writtenEnd) return;
    const fileStart = at - (at % options.mappedFileSizeConsumeQueue);
    const file = offsetFileName(this.#folder, fileStart);
    await storage.write([{ file, at: at - fileStart, bytes }]);
    this.#unsynced.add(file);
  }

  /** Drops the units of records at or behind `physicalOffset`, which recovery found not to be there. */
  async dropFrom(physicalOffset: number): Promise<void> {
    if (this.physicalEnd <= physicalOffset) return;
    const { core, storage, options } = this.#context;
    const kept = await this.#firstOfTheLast(physicalOffset);
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

  /**
   * Deletes the leading files all of whose units are before `minOffset`, but never the last: it keeps the queue's offsets going on
   * (MappedFileQueue.deleteExpiredFileByOffset). Returns how many. No crash leaves a gap between the files. One call at a time, and
   * none beside `writeOut`.
   */
  async deleteBeforeMin(): Promise<number> {
    const { core, storage, options } = this.#context;
    const fileSize = options.mappedFileSizeConsumeQueue;
    const minAt = this.minOffset * core.unitSize;
    let deleted = 0;
    while (this.#filesStart + fileSize <= minAt && this.#filesStart + fileSize < this.#filesEnd) {
      const file = offsetFileName(this.#folder, this.#filesStart);
      // The one before it must not come back without it.
      if (this.#lastDeletionMayComeBack) await storage.sync([file]);
      this.#unsynced.delete(file);
      await storage.delete(file);
      this.#lastDeletionMayComeBack = true;
      this.#filesStart += fileSize;
      deleted++;
    }
    return deleted;
  }

  /** Deletes the queue's files, the last one first: what a crash leaves of them is a whole queue's begin. Nobody uses it afterwards. */
  async destroy(): Promise<void> {
    const { storage, options } = this.#context;
    this.#resetEnd(this.#writtenEnd);
    this.#unsynced.clear();
    while (this.#filesEnd > this.#filesStart) {
      this.#filesEnd -= options.mappedFileSizeConsumeQueue;
      await storage.delete(offsetFileName(this.#folder, this.#filesEnd));
    }
  }

  /** Sets `minOffset` to the first unit whose record is still in a CommitLog that begins at `logMinOffset`. */
  async correctMinOffset(logMinOffset: number): Promise<void> {
    // Messages that become visible meanwhile are none of those looked at.
    const { maxOffset } = this;
    const first = await this.#firstReal(this.#filesStart / this.#context.core.unitSize);
    if (first === undefined) return;
    if (first.physicalOffset >= logMinOffset) {
      this.minOffset = first.offset;
    } else {
      let at = await this.#firstAtOrBehind(logMinOffset, maxOffset);
      // A damaged unit that points before the log, and is one of those looked at, hides all before it.
      for (let kept = await this.#keptBefore(at, logMinOffset); kept !== undefined; ) {
        at = await this.#firstAtOrBehind(logMinOffset, kept);
        kept = await this.#keptBefore(at, logMinOffset);
      }
      const kept = await this.#firstReal(at);
      this.minOffset = kept?.offset ?? maxOffset;
    }
  }

  /** One unit, or undefined outside [minOffset, maxOffset) and for a blank one. */
  async unitAt(offset: number): Promise<Unit | undefined> {
    const { core, unitWindow } = this.#context;
    if (offset < 0 || offset >= this.maxOffset) return undefined;
    const bytes = await this.readUnits(offset, 1);
    if (bytes.length < core.unitSize) return undefined;
    unitWindow.bytes.set(bytes);
    const unit = core.decodeUnit(unitWindow, 0);
    return unit.size === blankUnitSize ? undefined : { ...unit };
  }

  /** The first queue offset before `high` whose unit points at or behind `physicalOffset`; `high` if none does. Blank units are looked past. */
  async #firstAtOrBehind(physicalOffset: number, high: number): Promise<number> {
    let low = this.#filesStart / this.#context.core.unitSize;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const unit = await this.#firstReal(middle);
      if (unit === undefined || unit.offset >= high || unit.physicalOffset >= physicalOffset) high = middle;
      else low = unit.offset + 1;
    }
    return low;
  }

  /** Of the few units before `end`, the first that points at or behind `physicalOffset`, if one does. */
  async #keptBefore(end: number, physicalOffset: number): Promise<number | undefined> {
    const { core, unitWindow } = this.#context;
    let offset = Math.max(this.#filesStart / core.unitSize, end - unitsProved);
    while (offset < end) {
      const units = await this.readUnits(offset, end - offset);
      if (units.length === 0) return undefined;
      unitWindow.bytes.set(units);
      for (let at = 0; at < units.length; at += core.unitSize, offset++) {
        const unit = core.decodeUnit(unitWindow, at);
        if (unit.size !== blankUnitSize && unit.physicalOffset >= physicalOffset) return offset;
      }
    }
    return undefined;
  }

  /** The first of the queue's last units, all of which point at or behind `physicalOffset`: a damaged one before them is none of these. */
  async #firstOfTheLast(physicalOffset: number): Promise<number> {
    const { core, unitWindow } = this.#context;
    const start = this.#filesEnd > this.#filesStart ? this.#filesStart / core.unitSize : 0;
    for (let end = this.maxOffset; end > start; ) {
      const from = Math.max(start, end - pullUnitsMax);
      const units: Uint8Array[] = [];
      for (let offset = from; offset < end; ) {
        const some = await this.readUnits(offset, end - offset);
        if (some.length === 0) return end;
        units.push(some);
        offset += some.length / core.unitSize;
      }
      let at = 0;
      for (const some of units) {
        unitWindow.bytes.set(some, at);
        at += some.length;
      }
      for (let offset = end - 1; offset >= from; offset--) {
        const unit = core.decodeUnit(unitWindow, (offset - from) * core.unitSize);
        if (unit.size !== blankUnitSize && unit.physicalOffset < physicalOffset) return offset + 1;
      }
      end = from;
    }
    return start;
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
    this.#context.queueTails.unwrittenBytes += unit.length;
  }

  /** Lets the queue end at a byte, all before it written. */
  #resetEnd(end: number): void {
    this.#context.queueTails.unwrittenBytes -= this.dirtyBytes;
    this.#tailStart = end;
    this.#tailLength = 0;
    this.#writtenEnd = end;
    this.maxOffset = end / this.#context.core.unitSize;
    this.nextOffset = this.maxOffset;
  }
}

/** Whether a topic's queues are beside the main one: their units lead to records of other topics (MixAll.LMQ_PREFIX). */
export function isBesideMainQueue(topic: string): boolean {
  return topic.startsWith("%LMQ%");
}

/** Whether a unit is a record's but for an address in an extension, which it has in the place of the tags code (ConsumeQueueExt.isExtAddr). */
export function isExtendedFor(unit: Unit, record: { readonly physicalOffset: number; readonly size: number }): boolean {
  return unit.physicalOffset === record.physicalOffset && unit.size === record.size && unit.tagsHigh >>> 24 === 0x80;
}

/** The size in a unit that stands for no message (ConsumeQueue.fillPreBlank). */
export const blankUnitSize = 0x7fffffff;
