import type { DecodedRecord } from "../core/core.ts";
import { readThroughBytesMax } from "../limits.ts";
import type { ConsumeQueue } from "./consume-queue.ts";
import type { StoreContext } from "./context.ts";
import { type Eventually, whenReady } from "./eventually.ts";
import type { Segments } from "./segments.ts";

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
  readonly messages: number;
  /** The records, one behind the other, as a client gets them: as they are stored, but for the property CRC. */
  readonly records: Uint8Array;
}

export interface GetLimits {
  readonly messagesMax: number;
  readonly bytesMax: number;
  /** Units looked at. */
  readonly unitsMax: number;
  /** Only messages whose tags have one of these hashes; undefined for all. */
  readonly tagHashes: Int32Array | undefined;
}

const noBytes = new Uint8Array(0);

/** Reads messages out of the CommitLog, each verified on the way: what is damaged is passed over and reported, never served. */
export class Reader {
  readonly #context: StoreContext;
  readonly #segments: Segments;

  constructor(context: StoreContext, segments: Segments) {
    this.#context = context;
    this.#segments = segments;
  }

  /** The messages of a queue from `offset` on (DefaultMessageStore.getMessage). */
  get(queue: ConsumeQueue | undefined, offset: number, limits: GetLimits): Eventually<GetResult> {
    if (queue === undefined) return nothing("NO_MATCHED_LOGIC_QUEUE", 0, 0, 0);
    const { minOffset, maxOffset } = queue;
    if (maxOffset === 0) return nothing("NO_MESSAGE_IN_QUEUE", 0, minOffset, maxOffset);
    if (offset < minOffset) return nothing("OFFSET_TOO_SMALL", minOffset, minOffset, maxOffset);
    if (offset === maxOffset) return nothing("OFFSET_OVERFLOW_ONE", offset, minOffset, maxOffset);
    if (offset > maxOffset) return nothing("OFFSET_OVERFLOW_BADLY", maxOffset, minOffset, maxOffset);
    const wanted = limits.tagHashes === undefined ? limits.messagesMax : limits.unitsMax;
    return whenReady(queue.readUnits(offset, Math.min(wanted, limits.unitsMax)), (units) =>
      this.#getByUnits(units, offset, limits, minOffset, maxOffset),
    );
  }

  /** The record that begins at `physicalOffset`, or undefined if none does: the offset may be a client's claim. */
  recordAt(physicalOffset: number): Eventually<DecodedRecord | undefined> {
    return whenReady(this.rawRecordAt(physicalOffset), (bytes) => {
      if (bytes === undefined) return undefined;
      const { core, recordWindow } = this.#context;
      recordWindow.bytes.set(bytes);
      return core.decodeRecord(recordWindow, 0, bytes.length);
    });
  }

  /** The same, as a client gets it. */
  rawRecordAt(physicalOffset: number): Eventually<Uint8Array | undefined> {
    if (!Number.isSafeInteger(physicalOffset) || physicalOffset < 0) return undefined;
    const { core, recordWindow } = this.#context;
    const read = (bytesMax: number): Eventually<Uint8Array | undefined> => {
      const bytes = new Uint8Array(bytesMax);
      return whenReady(this.#segments.read(physicalOffset, bytes), (length) => {
        recordWindow.bytes.set(bytes.subarray(0, length));
        const state = core.checkRecord(recordWindow, 0, length, physicalOffset);
        if (state === "incomplete" && length === bytesMax && length < recordWindow.byteLength) {
          return read(recordWindow.byteLength);
        }
        if (state !== "valid") return undefined;
        return recordWindow.bytes.slice(0, core.dropCrcProperty(recordWindow, 0, length));
      });
    };
    return read(firstReadBytes);
  }

  #getByUnits(
    units: Uint8Array,
    offset: number,
    limits: GetLimits,
    minOffset: number,
    maxOffset: number,
  ): Eventually<GetResult> {
    const picked = this.#pick(units, limits);
    if (picked.length === 0) {
      const scanned = units.length / this.#context.core.unitSize;
      return scanned === 0
        ? nothing("OFFSET_FOUND_NULL", offset + 1, minOffset, maxOffset)
        : nothing("NO_MATCHED_MESSAGE", offset + scanned, minOffset, maxOffset);
    }
    return whenReady(this.#readRecords(picked), ({ records, messages, removed }) => ({
      status: messages > 0 ? "FOUND" : removed > 0 ? "MESSAGE_WAS_REMOVING" : "NO_MATCHED_MESSAGE",
      nextOffset: offset + picked.at(-1)!.scannedTo,
      minOffset,
      maxOffset,
      messages,
      records,
    }));
  }

  /** Which of the units to serve: those that match, up to the limits; the first always. */
  #pick(units: Uint8Array, limits: GetLimits): Picked[] {
    const { core, unitWindow, recordWindow } = this.#context;
    const count = units.length / core.unitSize;
    unitWindow.bytes.set(units);
    const indices =
      limits.tagHashes === undefined ? undefined : core.filterUnits(unitWindow, 0, count, limits.tagHashes);
    const candidates = indices?.count ?? count;
    const picked: Picked[] = [];
    let bytes = 0;
    for (let i = 0; i < candidates; i++) {
      const index = indices === undefined ? i : indices.indices[i]!;
      const { physicalOffset, size } = core.decodeUnit(unitWindow, index * core.unitSize);
      // A blank unit, or one that no record can have.
      if (size <= 0 || size > recordWindow.byteLength) continue;
      if (picked.length > 0 && (picked.length >= limits.messagesMax || bytes + size > limits.bytesMax)) return picked;
      bytes += size;
      picked.push({ physicalOffset, size, scannedTo: index + 1 });
    }
    const last = picked.at(-1);
    if (last !== undefined && picked.length < limits.messagesMax) last.scannedTo = count;
    return picked;
  }

  /** Reads the records, neighbours in the log together. */
  #readRecords(picked: readonly Picked[]): Eventually<{ records: Uint8Array; messages: number; removed: number }> {
    let total = 0;
    for (const { size } of picked) total += size;
    const records = new Uint8Array(total);
    let length = 0;
    let messages = 0;
    let removed = 0;
    const from = (index: number): Eventually<{ records: Uint8Array; messages: number; removed: number }> => {
      let next = index;
      while (next < picked.length) {
        const run = this.#run(picked, next);
        const first = picked[next]!;
        const direct = run.end - next === 1 || run.contiguous;
        const into = direct ? records.subarray(length, length + run.bytes) : new Uint8Array(run.bytes);
        const begin = next;
        next = run.end;
        const got = this.#segments.read(first.physicalOffset, into);
        const take = (read: number): void => {
          for (let i = begin; i < run.end; i++) {
            const { physicalOffset, size } = picked[i]!;
            const at = physicalOffset - first.physicalOffset;
            const served = at + size <= read ? this.#served(into.subarray(at, at + size), physicalOffset) : undefined;
            if (served === undefined) {
              removed++;
            } else {
              // Never behind what is still to be looked at: what is served is no longer than what was read.
              records.set(served, length);
              length += served.length;
              messages++;
            }
          }
        };
        if (got instanceof Promise) {
          const resume = next;
          return got.then((read) => {
            take(read);
            return from(resume);
          });
        }
        take(got);
      }
      return { records: length === total ? records : records.subarray(0, length), messages, removed };
    };
    return from(0);
  }

  /** The longest run of records from `index` on that one read should bring. */
  #run(picked: readonly Picked[], index: number): { end: number; bytes: number; contiguous: boolean } {
    const first = picked[index]!;
    const segment = this.#segments.holding(first.physicalOffset);
    const limit = segment === undefined ? 0 : segment.startOffset + this.#segments.fileSize;
    let end = index + 1;
    let endOffset = first.physicalOffset + first.size;
    let contiguous = true;
    for (; end < picked.length; end++) {
      const { physicalOffset, size } = picked[end]!;
      const gap = physicalOffset - endOffset;
      if (gap < 0 || gap > readThroughBytesMax || physicalOffset + size > limit) break;
      if (gap > 0) contiguous = false;
      endOffset = physicalOffset + size;
    }
    return { end, bytes: endOffset - first.physicalOffset, contiguous };
  }

  /** The record as a client gets it, lent until the next one; undefined, and reported, if it is damaged. */
  #served(record: Uint8Array, physicalOffset: number): Uint8Array | undefined {
    const { core, recordWindow, telemetry } = this.#context;
    recordWindow.bytes.set(record);
    const state = core.checkRecord(recordWindow, 0, record.length, physicalOffset);
    if (state === "valid" && core.recordSize(recordWindow, 0) === record.length) {
      return recordWindow.bytes.subarray(0, core.dropCrcProperty(recordWindow, 0, record.length));
    }
    telemetry.log("error", "a damaged record is not served", { physicalOffset, state });
    return undefined;
  }
}

/** Most records are smaller; a larger one costs a second read. */
const firstReadBytes = 16 * 1024;

interface Picked {
  readonly physicalOffset: number;
  readonly size: number;
  /** How many units of the read are done with once this one is served. */
  scannedTo: number;
}

function nothing(status: GetStatus, nextOffset: number, minOffset: number, maxOffset: number): GetResult {
  return { status, nextOffset, minOffset, maxOffset, messages: 0, records: noBytes };
}
