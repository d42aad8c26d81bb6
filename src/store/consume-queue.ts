import type { Unit } from "../core/core.ts";
import { lostUnitsMax, pullUnitsMax } from "../limits.ts";
import type { FileStat } from "../ports/log-storage.ts";
import { encodeUtf8 } from "../ports/text.ts";
import type { StoreContext } from "./context.ts";
import type { Eventually } from "./eventually.ts";
import type { Queue } from "./queue.ts";
import { filesRecovered, UnitFiles } from "./unit-files.ts";
import type { UnitPiece } from "./unit-pieces.ts";

/** So many units before the first one that seems to be kept are looked at: one of them may be kept, too. */
const unitsProved = 16;

/**
 * The ConsumeQueue of one queue: for each message, in order, where in the CommitLog it stands (20 bytes a unit, ConsumeQueue).
 *
 * Units are appended in memory when their records are kept, and written out in groups later: a unit is always derivable from
 * the CommitLog, so losing one costs a scan at the next start and nothing else.
 */
export class ConsumeQueue implements Queue {
  readonly topic: string;
  readonly topicBytes: Uint8Array;
  readonly queueId: number;
  readonly #context: StoreContext;
  readonly #files: UnitFiles;

  minOffset = 0;
  maxOffset = 0;
  nextOffset = 0;
  physicalEnd = 0;
  isCutShort = false;
  /** Units that recovery holds. */
  piece: UnitPiece | undefined;
  accounted = -1;
  arrivedMessages = 0;
  arrivedBytes = 0;

  constructor(context: StoreContext, topic: string, queueId: number) {
    this.#context = context;
    this.topic = topic;
    this.topicBytes = encodeUtf8(topic);
    this.queueId = queueId;
    const fileSize = context.options.mappedFileSizeConsumeQueue;
    const { unitSize } = context.core;
    const folder = `consumequeue/${topic}/${queueId}`;
    this.#files = new UnitFiles(context, folder, unitSize, fileSize, "mappedFileSizeConsumeQueue");
  }

  get dirtyBytes(): number {
    return this.#files.dirtyBytes;
  }

  append(physicalOffset: number, size: number, tagsHigh: number, tagsLow: number): void {
    const { core, unitWindow } = this.#context;
    core.encodeUnit(unitWindow, 0, physicalOffset, size, tagsHigh, tagsLow);
    this.#files.append(unitWindow.bytes.subarray(0, core.unitSize));
    this.maxOffset++;
    this.physicalEnd = physicalOffset + size;
  }

  /**
   * The units of [offset, offset + count), or fewer: none beyond `maxOffset`, none beyond the file that holds the first, and
   * at most `pullUnitsMax`.
   */
  readUnits(offset: number, count: number): Eventually<Uint8Array> {
    const { unitSize } = this.#context.core;
    return this.#files.read(offset * unitSize, Math.min(count, this.maxOffset - offset, pullUnitsMax) * unitSize);
  }

  writeOut(): Promise<void> {
    return this.#files.writeOut();
  }

  takeUnsynced(into: string[]): void {
    this.#files.takeUnsynced(into);
  }

  writeAgain(): Promise<void> {
    return this.#files.writeAgain();
  }

  /** Takes over the queue's files; see `UnitFiles.load`. */
  async load(stats: readonly FileStat[]): Promise<void> {
    const { core, unitWindow } = this.#context;
    await this.#files.load(stats, filesRecovered, (units) => {
      unitWindow.bytes.set(units);
      const valid = core.scanUnits(unitWindow, 0, units.length / core.unitSize);
      if (valid > 0) {
        const last = core.decodeUnit(unitWindow, (valid - 1) * core.unitSize);
        this.physicalEnd = last.size === blankUnitSize ? this.physicalEnd : last.physicalOffset + last.size;
      }
      return valid;
    });
    if (this.#files.limit === 0) return;
    this.isCutShort = this.#files.hasJunk || this.#files.end === this.#files.start;
    this.#setEnd();
    this.minOffset = this.#files.start / core.unitSize;
  }

  async clearBehind(): Promise<void> {
    this.isCutShort = false;
    await this.#files.clearBehind();
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
      this.#files.markUnsure(queueOffset * core.unitSize);
      return "known";
    }
    if (queueOffset > this.maxOffset) {
      const isEmpty = this.maxOffset === 0;
      if (isEmpty) {
        const unitsPerFile = options.mappedFileSizeConsumeQueue / core.unitSize;
        this.#files.resetEnd((queueOffset - (queueOffset % unitsPerFile)) * core.unitSize);
        this.#setEnd();
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
    const { core, unitWindow } = this.#context;
    if (offset < 0 || offset >= this.maxOffset) return;
    core.encodeUnit(unitWindow, 0, physicalOffset, size, tagsHigh, tagsLow);
    if (offset === this.maxOffset - 1) this.physicalEnd = size === blankUnitSize ? 0 : physicalOffset + size;
    await this.#files.correct(offset * core.unitSize, unitWindow.bytes.slice(0, core.unitSize));
  }

  async dropFrom(physicalOffset: number): Promise<void> {
    if (this.physicalEnd <= physicalOffset) return;
    const kept = await this.#firstOfTheLast(physicalOffset);
    await this.#files.cutTo(kept * this.#context.core.unitSize);
    this.#setEnd();
    this.physicalEnd = 0;
    if (kept > this.minOffset) {
      const last = await this.unitAt(kept - 1);
      if (last !== undefined) this.physicalEnd = last.physicalOffset + last.size;
    }
  }

  deleteBeforeMin(): Promise<number> {
    return this.#files.deleteBefore(this.minOffset * this.#context.core.unitSize);
  }

  async destroy(): Promise<void> {
    await this.#files.destroy();
    this.#setEnd();
  }

  async correctMinOffset(logMinOffset: number): Promise<void> {
    // Messages that become visible meanwhile are none of those looked at.
    const { maxOffset } = this;
    const first = await this.#firstReal(this.#files.start / this.#context.core.unitSize);
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
    let low = this.#files.start / this.#context.core.unitSize;
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
    let offset = Math.max(this.#files.start / core.unitSize, end - unitsProved);
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
    const start = this.#files.limit > this.#files.start ? this.#files.start / core.unitSize : 0;
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
    for (let i = 0; i < count; i++) this.#files.append(unit);
    this.maxOffset += count;
  }

  /** The queue ends where its units do. */
  #setEnd(): void {
    this.maxOffset = this.#files.end / this.#context.core.unitSize;
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
