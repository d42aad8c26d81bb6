import type { Unit } from "../core/core.ts";
import { lostUnitsMax, pullUnitsMax } from "../limits.ts";
import type { FileStat } from "../ports/log-storage.ts";
import { encodeUtf8 } from "../ports/text.ts";
import type { StoreContext } from "./context.ts";
import { type Eventually, whenReady } from "./eventually.ts";
import type { Queue } from "./queue.ts";
import { UnitFiles } from "./unit-files.ts";

/** Bytes of a unit (BatchConsumeQueue.CQ_STORE_UNIT_SIZE). */
export const batchUnitBytes = 46;

/** A record of a BatchConsumeQueue: the queue offsets [queueOffset, queueOffset + messages) are those of its messages. */
export interface BatchUnit extends Unit {
  readonly storeTimestamp: number;
  readonly queueOffset: number;
  /** From 1 to 32767. */
  readonly messages: number;
}

/** Units of a queue, one behind the other, and the same as a ConsumeQueue has them, 20 bytes each. */
export interface Batches {
  readonly units: Uint8Array;
  readonly batches: readonly BatchUnit[];
}

/**
 * The queue of a topic of inner batches (queue.type=BatchCQ): for each record, in order, where in the CommitLog it stands and which queue offsets are
 * its messages' (46 bytes a unit, BatchConsumeQueue). A unit's place says nothing of its offsets, which are found by halving.
 *
 * As a ConsumeQueue's, units are derivable from the CommitLog.
 */
export class BatchConsumeQueue implements Queue {
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
  accounted = -1;
  arrivedMessages = 0;
  arrivedBytes = 0;

  /** The number of the unit at `minOffset`. */
  #minIndex = 0;
  /** What the files hold behind the end may be units that look right. */
  #mayHaveStale = false;

  constructor(context: StoreContext, topic: string, queueId: number) {
    this.#context = context;
    this.topic = topic;
    this.topicBytes = encodeUtf8(topic);
    this.queueId = queueId;
    const folder = `batchconsumequeue/${topic}/${queueId}`;
    const fileSize = context.options.mapperFileSizeBatchConsumeQueue;
    this.#files = new UnitFiles(context, folder, batchUnitBytes, fileSize, "mapperFileSizeBatchConsumeQueue");
  }

  get dirtyBytes(): number {
    return this.#files.dirtyBytes;
  }

  append(
    physicalOffset: number,
    size: number,
    tagsHigh: number,
    tagsLow: number,
    messages: number,
    storeTimestamp: number,
  ): void {
    this.#append({ physicalOffset, size, tagsHigh, tagsLow, storeTimestamp, queueOffset: this.maxOffset, messages });
  }

  /**
   * The units from that of the message at `offset` on, or of the next one there is: `count` at most, none beyond the file that holds the first, and
   * at most `pullUnitsMax`.
   */
  read(offset: number, count: number): Eventually<Batches> {
    const { core, unitWindow } = this.#context;
    return whenReady(this.#firstBehind(offset), (index) => {
      const length = Math.min(count, pullUnitsMax) * batchUnitBytes;
      return whenReady(this.#files.read(index * batchUnitBytes, length), (bytes) => {
        const batches: BatchUnit[] = [];
        let end = 0;
        for (let at = 0; at < bytes.length; at += batchUnitBytes) {
          const unit = decodeBatchUnit(bytes, at);
          // Damaged since it was loaded: a reader must neither go back nor pass over what follows.
          if (unit.queueOffset < end || unit.queueOffset + unit.messages > this.maxOffset) break;
          end = unit.queueOffset + unit.messages;
          if (end <= offset) break;
          core.encodeUnit(unitWindow, batches.length * core.unitSize, ...unitOf(unit));
          batches.push(unit);
        }
        return { units: unitWindow.bytes.slice(0, batches.length * core.unitSize), batches };
      });
    });
  }

  async unitAt(offset: number): Promise<BatchUnit | undefined> {
    if (offset < 0 || offset >= this.maxOffset) return undefined;
    const unit = await this.#unit(await this.#firstBehind(offset));
    return unit !== undefined && unit.queueOffset <= offset ? unit : undefined;
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

  destroy(): Promise<void> {
    return this.#files.destroy();
  }

  /**
   * Takes over the queue's files; see `UnitFiles.load`. A unit that does not go on where those before it ended is none: all are gone over, since
   * one that is wrong hides others from a search by halving.
   */
  async load(stats: readonly FileStat[]): Promise<void> {
    await this.#files.load(stats, stats.length, (bytes) => {
      let valid = 0;
      for (let at = 0; at < bytes.length; at += batchUnitBytes, valid++) {
        const { physicalOffset, size, queueOffset, messages } = decodeBatchUnit(bytes, at);
        const goesOn =
          physicalOffset >= this.physicalEnd &&
          queueOffset >= this.maxOffset &&
          (this.maxOffset === 0 || queueOffset - this.maxOffset <= lostUnitsMax);
        if (size <= 0 || messages <= 0 || !goesOn || !Number.isSafeInteger(physicalOffset + queueOffset)) break;
        this.physicalEnd = physicalOffset + size;
        this.maxOffset = queueOffset + messages;
      }
      return valid;
    });
    if (this.#files.limit === 0) return;
    this.isCutShort = this.#files.hasJunk || this.#files.end === this.#files.start;
    this.#mayHaveStale = this.isCutShort;
    this.nextOffset = this.maxOffset;
    this.#minIndex = this.#firstIndex;
    this.minOffset = (await this.#unit(this.#minIndex))?.queueOffset ?? this.maxOffset;
  }

  async clearBehind(): Promise<void> {
    this.isCutShort = false;
    await this.#files.clearBehind(this.#mayHaveStale);
    this.#mayHaveStale = false;
  }

  /**
   * Sees to it that the queue has the unit of a record that recovery found, at its offset. What stands there instead goes, with all behind it:
   * their records come next. "known": it is there; "claimed": an older record has the place; "refused": the offset is too far off to be one.
   */
  async restore(record: BatchUnit): Promise<"appended" | "known" | "claimed" | "refused"> {
    if (record.queueOffset < this.maxOffset) {
      const index = await this.#firstBehind(record.queueOffset);
      const unit = await this.#unit(index);
      if (unit !== undefined && isSameBatchUnit(unit, record)) {
        this.#files.markUnsure(index * batchUnitBytes);
        return "known";
      }
      if (unit !== undefined && unit.physicalOffset < record.physicalOffset) return "claimed";
      await this.#cutTo(index, record.queueOffset);
    }
    const isEmpty = this.#files.end === this.#files.start;
    if (!isEmpty && record.queueOffset - this.maxOffset > lostUnitsMax) return "refused";
    if (isEmpty) {
      this.minOffset = record.queueOffset;
      this.#minIndex = this.#firstIndex;
    }
    this.#append(record);
    this.nextOffset = this.maxOffset;
    return "appended";
  }

  /** Puts right where the record of the unit at `offset` stands, and its tags code, in memory and in its file, where it lasts with the next flush. */
  async correct(
    offset: number,
    physicalOffset: number,
    size: number,
    tagsHigh: number,
    tagsLow: number,
  ): Promise<void> {
    const index = await this.#firstBehind(offset);
    const unit = await this.#unit(index);
    if (unit === undefined) return;
    if ((index + 1) * batchUnitBytes === this.#files.end) this.physicalEnd = physicalOffset + size;
    await this.#files.correct(index * batchUnitBytes, encode({ ...unit, physicalOffset, size, tagsHigh, tagsLow }));
  }

  async dropFrom(physicalOffset: number): Promise<void> {
    if (this.physicalEnd <= physicalOffset) return;
    const index = await this.#first((unit) => unit.physicalOffset >= physicalOffset);
    const unit = await this.#unit(index);
    if (unit !== undefined) await this.#cutTo(index, unit.queueOffset);
  }

  async correctMinOffset(logMinOffset: number): Promise<void> {
    // Messages that become visible meanwhile are none of those looked at.
    const { maxOffset } = this;
    const index = await this.#first((unit) => unit.physicalOffset >= logMinOffset);
    const unit = await this.#unit(index);
    this.#minIndex = index;
    this.minOffset = unit?.queueOffset ?? maxOffset;
  }

  deleteBeforeMin(): Promise<number> {
    return this.#files.deleteBefore(this.#minIndex * batchUnitBytes);
  }

  #append(unit: BatchUnit): void {
    this.#files.append(encode(unit));
    this.maxOffset = unit.queueOffset + unit.messages;
    this.physicalEnd = unit.physicalOffset + unit.size;
  }

  /** Drops the units from number `index` on; the next message gets `maxOffset` at the earliest. */
  async #cutTo(index: number, maxOffset: number): Promise<void> {
    await this.#files.cutTo(index * batchUnitBytes);
    const last = index > this.#firstIndex ? await this.#unit(index - 1) : undefined;
    this.physicalEnd = last === undefined ? 0 : last.physicalOffset + last.size;
    this.maxOffset = last === undefined ? maxOffset : last.queueOffset + last.messages;
    this.nextOffset = this.maxOffset;
    this.minOffset = Math.min(this.minOffset, this.maxOffset);
    this.#minIndex = Math.min(this.#minIndex, index);
  }

  get #firstIndex(): number {
    return this.#files.start / batchUnitBytes;
  }

  /** The number of the first unit that ends behind `offset`; of those before `minOffset`, whose files go at any moment, none is looked at. */
  #firstBehind(offset: number): Eventually<number> {
    return this.#first(({ queueOffset, messages }) => queueOffset + messages > offset, this.#minIndex);
  }

  /** The number of the first unit from which on `isReached` holds, or of the one behind the last. */
  #first(
    isReached: (unit: BatchUnit) => boolean,
    low = this.#firstIndex,
    high = this.#files.end / batchUnitBytes,
  ): Eventually<number> {
    if (low >= high) return low;
    const middle = Math.floor((low + high) / 2);
    return whenReady(this.#unit(middle), (unit) =>
      unit === undefined || isReached(unit)
        ? this.#first(isReached, low, middle)
        : this.#first(isReached, middle + 1, high),
    );
  }

  #unit(index: number): Eventually<BatchUnit | undefined> {
    return whenReady(this.#files.read(index * batchUnitBytes, batchUnitBytes), (bytes) =>
      bytes.length < batchUnitBytes ? undefined : decodeBatchUnit(bytes, 0),
    );
  }
}

function unitOf({ physicalOffset, size, tagsHigh, tagsLow }: Unit): [number, number, number, number] {
  return [physicalOffset, size, tagsHigh, tagsLow];
}

/** Whether both have the same bytes in the files. */
export function isSameBatchUnit(one: BatchUnit, other: BatchUnit): boolean {
  const a = encode(one);
  const b = encode(other);
  return a.every((byte, i) => byte === b[i]);
}

/** compactedOffset is of queues that are compacted. */
function encode({ physicalOffset, size, tagsHigh, tagsLow, storeTimestamp, queueOffset, messages }: BatchUnit) {
  const bytes = new Uint8Array(batchUnitBytes);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, BigInt(physicalOffset));
  view.setInt32(8, size);
  view.setInt32(12, tagsHigh);
  view.setInt32(16, tagsLow);
  view.setBigInt64(20, BigInt(storeTimestamp));
  view.setBigInt64(28, BigInt(queueOffset));
  view.setInt16(36, messages);
  view.setInt32(38, -1);
  return bytes;
}

export function decodeBatchUnit(bytes: Uint8Array, at: number): BatchUnit {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, batchUnitBytes);
  return {
    physicalOffset: Number(view.getBigInt64(0)),
    size: view.getInt32(8),
    tagsHigh: view.getInt32(12),
    tagsLow: view.getInt32(16),
    storeTimestamp: Number(view.getBigInt64(20)),
    queueOffset: Number(view.getBigInt64(28)),
    messages: view.getInt16(36),
  };
}
