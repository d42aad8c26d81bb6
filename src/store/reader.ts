import type { DecodedRecord, Region } from "../core/core.ts";
import { filterScanBytesMax, filterScanSpanBytesMax, filterScanStepsMax, readThroughBytesMax } from "../limits.ts";
import { BatchConsumeQueue, type BatchUnit } from "./batch-consume-queue.ts";
import { blankUnitSize, type ConsumeQueue, isBesideMainQueue } from "./consume-queue.ts";
import type { StoreContext } from "./context.ts";
import { type Eventually, whenReady } from "./eventually.ts";
import type { LogWindows } from "./log-windows.ts";
import type { RecordFilter } from "./record-filter.ts";
import type { Segments } from "./segments.ts";
import { isMessageOf, type UnitHealer } from "./unit-healer.ts";

/** Why a read brought what it brought (org.apache.rocketmq.store.GetMessageStatus). */
export type GetStatus =
  | "FOUND"
  | "NO_MATCHED_MESSAGE"
  | "MESSAGE_WAS_REMOVING"
  | "OFFSET_FOUND_NULL"
  | "OFFSET_OVERFLOW_ONE"
  | "OFFSET_OVERFLOW_BADLY"
  | "OFFSET_TOO_SMALL"
  | "NO_MESSAGE_IN_QUEUE"
  | "NO_MATCHED_LOGIC_QUEUE";

export interface GetResult {
  readonly status: GetStatus;
  /** Where the next read goes on. */
  readonly nextOffset: number;
  readonly minOffset: number;
  /** Exclusive: the offset of the next message to come. */
  readonly maxOffset: number;
  /** A record of a BatchConsumeQueue holds as many as its unit says. */
  readonly messages: number;
  /** Messages that were passed over for `GetLimits.notBefore`. */
  readonly expired: number;
  /** The records, one behind the other, as a client gets them: as they are stored, but for the property CRC. */
  readonly records: Uint8Array;
  /** The queue offset of each record; its first, where it holds more messages than one. */
  readonly queueOffsets: readonly number[];
}

export interface GetLimits {
  readonly messagesMax: number;
  readonly bytesMax: number;
  /** Units looked at. */
  readonly unitsMax: number;
  /** Only messages whose tags have one of these hashes; undefined for all. */
  readonly tagHashes: Int32Array | undefined;
  /**
   * Only messages whose records it wants; undefined for all. How far it looks is bounded by `filterScanBytesMax`, `filterScanSpanBytesMax` and
   * `filterScanStepsMax`.
   */
  readonly filter?: RecordFilter | undefined;
  /** Messages stored before this time are passed over, wall-clock milliseconds; undefined for none. */
  readonly notBefore?: number | undefined;
}

const noBytes = new Uint8Array(0);
const noOffsets: readonly number[] = [];

/** Reads messages out of the CommitLog, each verified on the way: what is damaged is passed over and reported, never served. */
export class Reader {
  readonly #context: StoreContext;
  readonly #segments: Segments;
  readonly #windows: LogWindows;
  readonly #healer: UnitHealer;

  constructor(context: StoreContext, segments: Segments, windows: LogWindows, healer: UnitHealer) {
    this.#context = context;
    this.#segments = segments;
    this.#windows = windows;
    this.#healer = healer;
  }

  /** The messages of a queue from `offset` on (DefaultMessageStore.getMessage). */
  get(queue: AnyQueue | undefined, offset: number, limits: GetLimits): Eventually<GetResult> {
    const got = this.#get(queue, offset, limits);
    if (limits.notBefore === undefined) return got;
    return whenReady(got, (result) => this.#pastExpired(queue, offset, limits, result, result.expired));
  }

  #get(queue: AnyQueue | undefined, offset: number, limits: GetLimits): Eventually<GetResult> {
    if (queue === undefined) return nothing("NO_MATCHED_LOGIC_QUEUE", 0, 0, 0);
    const { minOffset, maxOffset } = queue;
    if (maxOffset === 0) return nothing("NO_MESSAGE_IN_QUEUE", 0, minOffset, maxOffset);
    if (offset < minOffset) return nothing("OFFSET_TOO_SMALL", minOffset, minOffset, maxOffset);
    if (offset === maxOffset) return nothing("OFFSET_OVERFLOW_ONE", offset, minOffset, maxOffset);
    if (offset > maxOffset) return nothing("OFFSET_OVERFLOW_BADLY", maxOffset, minOffset, maxOffset);
    const looksAtAll = limits.tagHashes !== undefined || limits.filter !== undefined;
    const wanted = looksAtAll ? limits.unitsMax : limits.messagesMax;
    const count = Math.min(wanted, limits.unitsMax);
    if (queue instanceof BatchConsumeQueue) {
      return whenReady(queue.read(offset, count), ({ units, batches }) =>
        this.#getByUnits(queue, units, offset, limits, minOffset, maxOffset, batches),
      );
    }
    return whenReady(queue.readUnits(offset, count), (units) =>
      this.#getByUnits(queue, units, offset, limits, minOffset, maxOffset),
    );
  }

  /** The message at an offset of a queue, where one can be read; a unit that does not lead to it is put right. */
  async messageAt(queue: AnyQueue, offset: number): Promise<DecodedRecord | undefined> {
    const read = async (): Promise<DecodedRecord | undefined> => {
      const unit = await queue.unitAt(offset);
      const record = unit === undefined ? undefined : await this.recordAt(unit.physicalOffset, unit.size);
      const isRight = record !== undefined && (isBesideMainQueue(queue.topic) || isMessageOf(record, queue, offset));
      return isRight ? record : undefined;
    };
    if (offset < queue.minOffset || offset >= queue.maxOffset) return undefined;
    return (await read()) ?? ((await this.#healer.heal(queue, offset)) ? read() : undefined);
  }

  /**
   * Goes on where reads brought nothing but expired messages, up to the limit of units, so that a consumer does not have to ask for each
   * few of them. `result`: what they brought together; `lastExpired`: how many the last one passed over.
   */
  #pastExpired(
    queue: AnyQueue | undefined,
    offset: number,
    limits: GetLimits,
    result: GetResult,
    lastExpired: number,
  ): Eventually<GetResult> {
    let together = result;
    let last = lastExpired;
    for (;;) {
      const unitsMax = limits.unitsMax - (together.nextOffset - offset);
      if (together.messages > 0 || last === 0 || unitsMax <= 0) return together;
      const before = together.expired;
      const next = this.#get(queue, together.nextOffset, { ...limits, unitsMax });
      if (next instanceof Promise) {
        return next.then((came) =>
          this.#pastExpired(queue, offset, limits, { ...came, expired: before + came.expired }, came.expired),
        );
      }
      together = { ...next, expired: before + next.expired };
      last = next.expired;
    }
  }

  /**
   * The record that begins at `physicalOffset`, or undefined if none does: the offset may be a client's claim. `size`: how many bytes it is said
   * to have, which spares reading more.
   */
  recordAt(physicalOffset: number, size?: number): Eventually<DecodedRecord | undefined> {
    return whenReady(this.rawRecordAt(physicalOffset, size), (bytes) => {
      if (bytes === undefined) return undefined;
      const { core, recordWindow } = this.#context;
      recordWindow.bytes.set(bytes);
      return core.decodeRecord(recordWindow, 0, bytes.length);
    });
  }

  /** The same, as a client gets it. */
  rawRecordAt(physicalOffset: number, saidSize = firstReadBytes): Eventually<Uint8Array | undefined> {
    if (!Number.isSafeInteger(physicalOffset) || physicalOffset < 0) return undefined;
    const { core, recordWindow, answerWindow } = this.#context;
    const serve = (from: Region, at: number, size: number): Uint8Array | undefined => {
      const served = core.serveRecord(from, at, physicalOffset, size, answerWindow, 0);
      return served === 0 ? undefined : answerWindow.bytes.slice(0, served);
    };
    const { region } = this.#windows;
    const sizeAt = this.#windows.find(physicalOffset, sizeBytes);
    if (sizeAt >= 0) {
      const size = core.recordSize(region, sizeAt);
      const at = size < sizeBytes ? -1 : this.#windows.find(physicalOffset, size);
      if (at >= 0) return size > answerWindow.byteLength ? undefined : serve(region, at, size);
    }
    const read = (bytesMax: number): Eventually<Uint8Array | undefined> => {
      const bytes = new Uint8Array(bytesMax);
      return whenReady(this.#read(physicalOffset, bytes), (length) => {
        recordWindow.bytes.set(bytes.subarray(0, length));
        const state = core.checkRecord(recordWindow, 0, length, physicalOffset);
        if (state === "incomplete" && length === bytesMax && length < recordWindow.byteLength) {
          return read(recordWindow.byteLength);
        }
        return state === "valid" ? serve(recordWindow, 0, core.recordSize(recordWindow, 0)) : undefined;
      });
    };
    const canBe = saidSize > 0 && saidSize <= recordWindow.byteLength;
    return read(canBe ? saidSize : firstReadBytes);
  }

  /** A record as a client gets it, but with another topic and other properties. Undefined if these are too long for one. */
  servedAs(record: DecodedRecord, topic: Uint8Array, properties: Uint8Array): Uint8Array | undefined {
    const { core, recordWindow, answerWindow } = this.#context;
    const encoded = core.encodeRecord(recordWindow, 0, record.physicalOffset, { ...record, topic, properties });
    if (encoded.size < 0) return undefined;
    const served = core.serveRecord(recordWindow, 0, record.physicalOffset, encoded.size, answerWindow, 0);
    return answerWindow.bytes.slice(0, served);
  }

  /** At once where the host has the bytes in its memory. */
  #read(offset: number, into: Uint8Array): Eventually<number> {
    return (
      (this.#isNear(offset) ? this.#segments.readNow(offset, into) : undefined) ?? this.#segments.read(offset, into)
    );
  }

  #isNear(offset: number): boolean {
    return this.#windows.distance(offset) <= this.#context.options.inMemoryBytesMax;
  }

  /** `batches`: what a BatchConsumeQueue says of each of the units. */
  #getByUnits(
    queue: AnyQueue,
    units: Uint8Array,
    offset: number,
    limits: GetLimits,
    minOffset: number,
    maxOffset: number,
    batches?: readonly BatchUnit[],
  ): Eventually<GetResult> {
    const doubted = this.#nearMatches(units, limits);
    if (doubted.length > 0) {
      const queueOffsets = Array.from(doubted, (index) => batches?.[index]?.queueOffset ?? offset + index);
      const unproved = queueOffsets.filter((at) => !this.#healer.isProved(queue, at));
      if (unproved.length > 0) {
        return this.#proved(queue, unproved).then(() => this.#get(queue, offset, limits));
      }
    }
    const picked = this.#pick(units, offset, limits, batches);
    if (picked.length === 0) {
      const scanned = scannedBy(units.length / this.#context.core.unitSize, offset, batches);
      return scanned === 0
        ? nothing("OFFSET_FOUND_NULL", offset + 1, minOffset, maxOffset)
        : nothing("NO_MATCHED_MESSAGE", offset + scanned, minOffset, maxOffset);
    }
    return whenReady(
      this.#served(queue, picked, limits),
      ({ records, queueOffsets, messages, doubtful, expired, last }) => {
        const result: GetResult = {
          status: messages > 0 ? "FOUND" : doubtful.length > 0 ? "MESSAGE_WAS_REMOVING" : "NO_MATCHED_MESSAGE",
          nextOffset: offset + picked[last]!.scannedTo,
          minOffset,
          maxOffset,
          messages,
          expired,
          records,
          queueOffsets,
        };
        return doubtful.length === 0 ? result : this.#healed(queue, offset, limits, result, doubtful);
      },
    );
  }

  /** Units that a filter passes over and would not if one bit of their tags code were another. */
  #nearMatches(units: Uint8Array, { tagHashes }: GetLimits): Int32Array {
    if (tagHashes === undefined || tagHashes.length === 0 || tagHashes.length > nearHashesMax) return none;
    const { core, unitWindow } = this.#context;
    unitWindow.bytes.set(units);
    return core.nearUnits(unitWindow, 0, units.length / core.unitSize, tagHashes);
  }

  async #proved(queue: AnyQueue, queueOffsets: readonly number[]): Promise<void> {
    for (const queueOffset of queueOffsets) await this.#healer.prove(queue, queueOffset);
  }

  /** Reads once more if a unit that did not lead to its message could be put right. */
  async #healed(
    queue: AnyQueue,
    offset: number,
    limits: GetLimits,
    result: GetResult,
    doubtful: readonly Picked[],
  ): Promise<GetResult> {
    let healed = 0;
    for (const { queueOffset } of doubtful) if (await this.#healer.heal(queue, queueOffset)) healed++;
    return healed > 0 ? this.#get(queue, offset, limits) : result;
  }

  /** Which of the units to serve, or to hold against the filter: those that match, up to the limits; the first always. */
  #pick(units: Uint8Array, offset: number, limits: GetLimits, batches: readonly BatchUnit[] | undefined): Picked[] {
    const { core, unitWindow, recordWindow, answerWindow } = this.#context;
    const isFiltered = limits.filter !== undefined;
    const bytesMax = isFiltered ? filterScanBytesMax : Math.min(limits.bytesMax, answerWindow.byteLength);
    const messagesMax = isFiltered ? limits.unitsMax : limits.messagesMax;
    const count = units.length / core.unitSize;
    unitWindow.bytes.set(units);
    const indices =
      limits.tagHashes === undefined ? undefined : core.filterUnits(unitWindow, 0, count, limits.tagHashes);
    const candidates = indices?.count ?? count;
    const picked: Picked[] = [];
    let bytes = 0;
    let together = 0;
    for (let i = 0; i < candidates; i++) {
      const index = indices === undefined ? i : indices.indices[i]!;
      const { physicalOffset, size: said } = core.decodeUnit(unitWindow, index * core.unitSize);
      if (said === blankUnitSize) continue;
      // No record can have this size: the unit is damaged, and its message is to be found all the same.
      const size = said <= 0 || said > recordWindow.byteLength ? 0 : said;
      const batch = batches?.[index];
      const messages = batch?.messages ?? 1;
      if (picked.length > 0 && (together + messages > messagesMax || bytes + size > bytesMax)) return picked;
      if (isFiltered && physicalOffset - (picked[0]?.physicalOffset ?? physicalOffset) > filterScanSpanBytesMax)
        return picked;
      bytes += size;
      together += messages;
      const queueOffset = batch?.queueOffset ?? offset + index;
      picked.push({ physicalOffset, size, queueOffset, messages, scannedTo: queueOffset + messages - offset });
    }
    const last = picked.at(-1);
    if (last !== undefined && together < messagesMax) last.scannedTo = scannedBy(count, offset, batches);
    return picked;
  }

  /** Again and again while something is missing: what was at hand may have made room for what came. What was fetched stays. */
  #served(
    queue: AnyQueue,
    picked: readonly Picked[],
    limits: GetLimits,
    fetched: readonly Fetched[] = [],
  ): Eventually<Served> {
    const missing: Missing[] = [];
    const served = this.#serve(queue, picked, limits, fetched, missing);
    if (missing.length === 0) return served;
    return Promise.all(missing.map((one) => this.#fetch(one))).then((came) =>
      this.#served(queue, picked, limits, [...fetched, ...came]),
    );
  }

  /**
   * Copies the records as far as they are at hand or in what was `fetched`; those that must be waited for are added to `missing`. A
   * unit that does not lead to its message, for one of them is damaged, is doubtful.
   */
  #serve(
    queue: AnyQueue,
    picked: readonly Picked[],
    { notBefore, filter, messagesMax, bytesMax }: GetLimits,
    fetched: readonly Fetched[],
    missing: Missing[],
  ): Served {
    const { core, answerWindow } = this.#context;
    const { queueId } = queue;
    const topic = isBesideMainQueue(queue.topic) ? undefined : queue.topicBytes;
    const doubtful: Picked[] = [];
    const queueOffsets: number[] = [];
    let messages = 0;
    let length = 0;
    let expired = 0;
    let steps = 0;
    let last = picked.length - 1;
    for (let i = 0; i < picked.length; i++) {
      const { physicalOffset, size, queueOffset } = picked[i]!;
      if (filter !== undefined && i > 0) {
        const isFull =
          messages > 0 && (messages + picked[i]!.messages > messagesMax || length + size > answerWindow.byteLength);
        if (isFull || steps >= filterScanStepsMax) {
          last = i - 1;
          break;
        }
      }
      const from = size === 0 ? undefined : this.#stand(picked, i, fetched, missing);
      if (
        from !== undefined &&
        notBefore !== undefined &&
        core.storeTimestamp(from, this.#standsAt, size) < notBefore
      ) {
        expired += picked[i]!.messages;
        continue;
      }
      const copied =
        from === undefined
          ? 0
          : core.serveRecord(
              from,
              this.#standsAt,
              physicalOffset,
              size,
              answerWindow,
              length,
              topic,
              queueId,
              queueOffset,
            );
      if (copied === 0) {
        doubtful.push(picked[i]!);
        continue;
      }
      if (filter !== undefined) {
        const propertiesAt = length + core.servedPropertiesAt;
        const propertiesLength = core.servedPropertiesLength;
        steps += filter.parts * propertiesLength;
        if (!filter.matches(answerWindow.bytes, propertiesAt, propertiesAt + propertiesLength)) continue;
        if (messages > 0 && length + copied > bytesMax) {
          last = i - 1;
          break;
        }
      }
      length += copied;
      messages += picked[i]!.messages;
      queueOffsets.push(queueOffset);
    }
    const records = missing.length > 0 ? noBytes : answerWindow.bytes.slice(0, length);
    return { records, queueOffsets, messages, doubtful, expired, last };
  }

  /** Where a record stands in the region that `#stand` gave. */
  #standsAt = 0;

  /** The region that holds a record, at `#standsAt`, until the next one; undefined if it has to be waited for, or is not there. */
  #stand(
    picked: readonly Picked[],
    index: number,
    fetched: readonly Fetched[],
    missing: Missing[],
  ): Region | undefined {
    const windows = this.#windows;
    const { physicalOffset, size } = picked[index]!;
    this.#standsAt = windows.find(physicalOffset, size);
    if (this.#standsAt >= 0) return windows.region;

    const { recordWindow } = this.#context;
    this.#standsAt = 0;
    for (const { offset, bytes, wantedBytes } of fetched) {
      const at = physicalOffset - offset;
      if (at >= 0 && at + size <= bytes.length) {
        recordWindow.bytes.set(bytes.subarray(at, at + size));
        return recordWindow;
      }
      // Asked for alone, and not there. A damaged unit may have asked for less.
      if (at === 0 && size <= wantedBytes) return undefined;
    }

    const byWindow = hasNeighbour(picked, index) && windows.canHold(physicalOffset, size);
    if (this.#isNear(physicalOffset)) {
      if (byWindow) {
        if (windows.load(physicalOffset)) {
          this.#standsAt = windows.find(physicalOffset, size);
          return this.#standsAt < 0 ? undefined : windows.region;
        }
      } else {
        const length = this.#segments.readNow(physicalOffset, recordWindow.bytes.subarray(0, size));
        if (length !== undefined) return length < size ? undefined : recordWindow;
      }
    }
    missing.push({ offset: physicalOffset, size, byWindow });
    return undefined;
  }

  #fetch({ offset, size, byWindow }: Missing): Eventually<Fetched> {
    const alone = (): Eventually<Fetched> => {
      const into = new Uint8Array(size);
      return whenReady(this.#segments.read(offset, into), (length) => ({
        offset,
        bytes: into.subarray(0, length),
        wantedBytes: size,
      }));
    };
    if (!byWindow) return alone();
    // One that was on its way already may have been asked for before the record was written.
    return whenReady(this.#windows.come(offset), (window) =>
      offset + size <= window.offset + window.bytes.length ? { ...window, wantedBytes: 0 } : alone(),
    );
  }
}

/** Whether reading the window around a record brings another one of the pull with it. */
function hasNeighbour(picked: readonly Picked[], index: number): boolean {
  const { physicalOffset, size } = picked[index]!;
  const before = picked[index - 1];
  if (before !== undefined && physicalOffset - before.physicalOffset - before.size <= readThroughBytesMax) return true;
  const after = picked[index + 1];
  return after !== undefined && after.physicalOffset - physicalOffset - size <= readThroughBytesMax;
}

/** How many offsets from `offset` on so many units are about. */
function scannedBy(count: number, offset: number, batches: readonly BatchUnit[] | undefined): number {
  if (batches === undefined || count === 0) return count;
  const { queueOffset, messages } = batches[count - 1]!;
  return queueOffset + messages - offset;
}

const none = new Int32Array(0);

type AnyQueue = ConsumeQueue | BatchConsumeQueue;

/** With more tags than these, comparing each unit with all of them bit by bit would hold others up. */
const nearHashesMax = 64;

/** The length of a record, its first field. */
const sizeBytes = 4;

/** Most records are smaller; a larger one costs a second read. */
const firstReadBytes = 16 * 1024;

interface Picked {
  readonly physicalOffset: number;
  /** 0 for one that can't be. */
  readonly size: number;
  readonly queueOffset: number;
  readonly messages: number;
  /** How many offsets of the read are done with once this one is served. */
  scannedTo: number;
}

interface Served {
  readonly records: Uint8Array;
  readonly queueOffsets: readonly number[];
  readonly messages: number;
  /** Whose units do not lead to their messages. */
  readonly doubtful: readonly Picked[];
  readonly expired: number;
  /** The place of the last one that was looked at. */
  readonly last: number;
}

/** A record that must be waited for: by the window it stands in, or alone. */
interface Missing {
  readonly offset: number;
  readonly size: number;
  readonly byWindow: boolean;
}

/** Bytes of the CommitLog from `offset` on. */
interface Fetched {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** What was asked for: where there is less, no more is to come. 0 for a window, which nobody asked to have all of a record. */
  readonly wantedBytes: number;
}

function nothing(status: GetStatus, nextOffset: number, minOffset: number, maxOffset: number): GetResult {
  return {
    status,
    nextOffset,
    minOffset,
    maxOffset,
    messages: 0,
    expired: 0,
    records: noBytes,
    queueOffsets: noOffsets,
  };
}
