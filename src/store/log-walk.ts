import type { RecordState, Region, Scan } from "../core/core.ts";
import { WasmqError } from "../ports/error.ts";
import type { StoreContext } from "./context.ts";
import type { Eventually } from "./eventually.ts";
import type { Segment, Segments } from "./segments.ts";

/**
 * A file that has at most this much more allocated than its valid part takes is written no further than a little behind it:
 * the slack is the file system's own. Twice as much is looked at in any case.
 */
const allocationSlackBytes = 64 * 1024;

/** What is read at a time where records are smaller: about as much as one scan tells of, and as the caches of a processor hold. */
const readBytes = 1024 * 1024;

/** Who is told what stands in the CommitLog, in its order. Offsets are bytes of the CommitLog. */
export interface LogVisitor {
  /** Valid records; positions of the scan count from `base`. Scan and window are the visitor's until it returns, and no longer. */
  records(scan: Scan, base: number): Eventually<void>;
  /** The rest [from, to) of a file is unused, and says so. `length` is how much of it the record there claims. */
  blank?(from: number, to: number, length: number): void;
  /** [from, to) belongs to no valid record, but valid ones follow. `state` is what is wrong at `from`. */
  damaged(from: number, to: number, state: RecordState): void;
}

/** A place in the CommitLog by its file. */
export interface Place {
  readonly index: number;
  readonly at: number;
}

/**
 * Walks the CommitLog, record after record, each verified. A record that fails with valid ones behind it is damage: the walk goes on
 * behind it. With nothing valid behind it is a torn tail: the log ends before it.
 */
export class LogWalk {
  readonly #context: Pick<StoreContext, "core" | "storage">;
  readonly #segments: Segments;
  readonly #window: Region;
  #lastStoreTimestamp = 0;

  /** `window` must hold two records of the largest size. */
  constructor(context: Pick<StoreContext, "core" | "storage">, segments: Segments, window: Region) {
    this.#context = context;
    this.#segments = segments;
    this.#window = window;
  }

  /**
   * From a place to the log's end, which it returns. Behind `cleanEnd`, where the log ended at a clean stop, nothing is looked for:
   * there Apache leaves the bytes of records that it had cut off.
   */
  async run(from: Place, visitor: LogVisitor, cleanEnd = Number.POSITIVE_INFINITY): Promise<number> {
    const { core } = this.#context;
    const fileSize = this.#segments.fileSize;
    const segments = this.#segments.list;
    let { index, at } = from;
    this.#lastStoreTimestamp = 0;
    let end = (segments[index]?.startOffset ?? 0) + at;
    let bytesMax = readBytes;
    while (index < segments.length) {
      const segment = segments[index]!;
      const read = await this.fill(segment, at, bytesMax);
      const base = segment.startOffset + at;
      const scan = core.scanRecords(this.#window, 0, read, base);
      const { stoppedAt, state, count } = scan;
      if (state === "incomplete" && stoppedAt === 0 && bytesMax < this.#window.byteLength) {
        bytesMax = this.#window.byteLength;
        continue;
      }
      bytesMax = readBytes;
      const length = state === "blank" ? core.recordSize(this.#window, stoppedAt) : 0;
      if (count > 0) {
        this.#lastStoreTimestamp = scan.storeTimestamp(count - 1);
        const visited = visitor.records(scan, base);
        if (visited !== undefined) await visited;
      }
      at += stoppedAt;
      end = segment.startOffset + at;
      if (state === "valid" || (state === "incomplete" && stoppedAt > 0)) {
        if (at < fileSize) continue;
        index++;
        at = 0;
      } else if (state === "blank") {
        visitor.blank?.(end, segment.startOffset + fileSize, length);
        end = segment.startOffset + fileSize;
        index++;
        at = 0;
      } else {
        const next = end >= cleanEnd ? undefined : await this.#findNext(index, at);
        if (next === undefined) return end;
        const to = segments[next.index]!.startOffset + next.at;
        visitor.damaged(end, to, state);
        index = next.index;
        at = next.at;
        end = to;
      }
    }
    return end;
  }

  /** The next valid record behind a fault: in the rest of its file, or in a later one. */
  async #findNext(index: number, at: number): Promise<Place | undefined> {
    const { core } = this.#context;
    const segments = this.#segments.list;
    const step = this.#window.byteLength / 2;
    for (let from = at + 1; index < segments.length; index++, from = 0) {
      const segment = segments[index]!;
      const until = this.dataEndMax(segment, from);
      while (from < until) {
        const read = Math.min(await this.fill(segment, from), until - from + step);
        const found = core.findRecord(this.#window, 0, read, segment.startOffset + from);
        if (found < 0) {
          from += step;
        } else if (core.decodeRecord(this.#window, found, read)!.storeTimestamp >= this.#lastStoreTimestamp) {
          return { index, at: from + found };
        } else {
          // Older than what precedes it: bytes that were cut off before that was written.
          from += found + core.recordSize(this.#window, found);
        }
      }
    }
    return undefined;
  }

  /** Behind this, a file whose bytes before `at` are in use holds nothing but zeros. */
  dataEndMax(segment: Segment, at: number): number {
    const { fileSize } = this.#segments;
    return segment.dataBytesMax > at + allocationSlackBytes
      ? fileSize
      : Math.min(fileSize, at + 2 * allocationSlackBytes);
  }

  /** Calls `found` with each run of bytes behind `end` in its file that has others than zeros in it, where `at` of the file it begins. */
  async eachDirtyRun(end: number, found: (segment: Segment, at: number, bytes: Uint8Array) => Eventually<void>) {
    const segment = this.#segments.holding(end);
    if (segment === undefined) return;
    let at = end - segment.startOffset;
    const until = this.dataEndMax(segment, at);
    while (at < until) {
      const read = Math.min(await this.fill(segment, at), until - at);
      const dirtyBytes = lastNonZero(this.#window.bytes.subarray(0, read)) + 1;
      if (dirtyBytes > 0) await found(segment, at, this.#window.bytes.slice(0, dirtyBytes));
      at += read;
    }
  }

  /**
   * Brings bytes of a file into the window, `bytesMax` or as many as there are. Rejects with STORE_UNREADABLE for a file that ends too
   * soon.
   */
  async fill(segment: Segment, at: number, bytesMax = this.#window.byteLength): Promise<number> {
    const { storage } = this.#context;
    const want = Math.min(bytesMax, this.#segments.fileSize - at);
    let read = storage.readNow(segment.file, at, this.#window.bytes.subarray(0, want));
    if (read === undefined) {
      const bytes = new Uint8Array(want);
      read = await storage.read(segment.file, at, bytes);
      this.#window.bytes.set(bytes);
    }
    if (read < want) {
      throw new WasmqError("STORE_UNREADABLE", `${segment.file} could not be read to its end (byte ${at + read})`);
    }
    return read;
  }
}

function lastNonZero(bytes: Uint8Array): number {
  let at = bytes.length - 1;
  while (at >= 0 && bytes[at] === 0) at--;
  return at;
}
