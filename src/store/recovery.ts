import type { Region, Scan } from "../core/core.ts";
import { WasmqError } from "../ports/error.ts";
import { decodeUtf8 } from "../ports/text.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { StoreContext } from "./context.ts";
import type { QueueTable } from "./queue-table.ts";
import type { Segment, Segments } from "./segments.ts";

/** What recovery found. Offsets are bytes of the CommitLog. */
export interface Recovered {
  readonly end: number;
  readonly lastRecord: { physicalOffset: number; storeTimestamp: number };
  readonly records: number;
  /** Where the log was looked at from: what lies behind has ConsumeQueue units that are not known to be flushed. */
  readonly walkedFrom: number;
  /** Ranges that no valid record covers although valid ones follow: damage, skipped and kept. */
  readonly damaged: readonly { from: number; to: number }[];
  /** Bytes behind the end that were not zero: a torn tail, zeroed. */
  readonly tornBytes: number;
}

/**
 * A file that has at most this much more allocated than its valid part takes is written no further than a little behind it:
 * the slack is the file system's own. Twice as much is looked at in any case.
 */
const allocationSlackBytes = 64 * 1024;

const transactionBits = 0xc;
const transactionPrepared = 0x4;
const transactionRollback = 0xc;
const innerBatchBit = 0x80;

/**
 * Finds the end of the CommitLog and makes the ConsumeQueues agree with it (CommitLog.recoverNormally and recoverAbnormally).
 *
 * From the first file that may hold a record whose unit is not flushed, every record is verified (length, offset, CRC) and
 * its unit put back where it is missing. A record that fails with valid ones behind it is damage: it is skipped, reported and
 * kept. One with nothing valid behind it is a torn tail: the log ends before it.
 */
export class Recovery {
  readonly #context: StoreContext;
  readonly #segments: Segments;
  readonly #queues: QueueTable;
  readonly #window: Region;

  #end = 0;
  /** After a clean stop, where the last record that any queue knows of ends; unknown without queues. */
  #cleanEnd = Number.POSITIVE_INFINITY;
  #records = 0;
  #lastRecord = { physicalOffset: 0, storeTimestamp: 0 };
  readonly #damaged: { from: number; to: number }[] = [];
  #tornBytes = 0;
  #lastTopicBytes = new Uint8Array(0);
  #lastTopic = "";
  readonly #warned = new Set<string>();

  /** `window` must hold two records of the largest size. */
  constructor(context: StoreContext, segments: Segments, queues: QueueTable, window: Region) {
    this.#context = context;
    this.#segments = segments;
    this.#queues = queues;
    this.#window = window;
  }

  async run(checkpoint: Checkpoint, clean: boolean): Promise<Recovered> {
    const segments = this.#segments.list;
    let dispatchedEnd = 0;
    for (const queue of this.#queues.all()) dispatchedEnd = Math.max(dispatchedEnd, queue.physicalEnd);
    if (clean && dispatchedEnd > 0) this.#cleanEnd = dispatchedEnd;
    if (segments.length === 0 && dispatchedEnd > 0) {
      throw new WasmqError(
        "STORE_UNREADABLE",
        "there are ConsumeQueues but no CommitLog: bring its files back, or remove the folder consumequeue",
      );
    }
    const start = await this.#startIndex(dispatchedEnd, checkpoint, clean);
    const at = clean ? 0 : await this.#startWithin(segments[start], checkpoint);
    const walkedFrom = (segments[start]?.startOffset ?? 0) + at;
    this.#end = walkedFrom;
    await this.#walk(start, at);
    await this.#cutTail();
    for (const queue of this.#queues.all()) {
      await queue.dropFrom(this.#end);
      await queue.correctMinOffset(this.#segments.minOffset);
      queue.nextOffset = queue.maxOffset;
    }
    return {
      end: this.#end,
      lastRecord: this.#lastRecord,
      records: this.#records,
      walkedFrom,
      damaged: this.#damaged,
      tornBytes: this.#tornBytes,
    };
  }

  /**
   * The newest file that begins with a record whose unit is known to be flushed, so that none before it needs a look; the
   * first file if there is none. After a clean stop the ConsumeQueues themselves tell; else the checkpoint does.
   */
  async #startIndex(dispatchedEnd: number, checkpoint: Checkpoint, clean: boolean): Promise<number> {
    if (dispatchedEnd === 0) return 0;
    for (let index = this.#segments.list.length - 1; index > 0; index--) {
      const segment = this.#segments.list[index]!;
      const first = await this.#firstRecord(segment);
      if (first === undefined) continue;
      const flushed = clean
        ? segment.startOffset <= dispatchedEnd
        : checkpoint.logicsPhysicalOffset > 0
          ? segment.startOffset <= checkpoint.logicsPhysicalOffset
          : first.storeTimestamp <= checkpoint.logicsMsgTimestamp;
      if (flushed) return index;
    }
    return 0;
  }

  /**
   * Where to begin within the first file looked at. Where batches are written whole, no record before the last one that is known to be
   * flushed can be half there: a host that is started many times a day need not look at it again.
   */
  async #startWithin(segment: Segment | undefined, { logicsPhysicalOffset }: Checkpoint): Promise<number> {
    const { core, storage } = this.#context;
    if (segment === undefined || !storage.supports.atomicBatch) return 0;
    const at = logicsPhysicalOffset - segment.startOffset;
    if (at <= 0 || at >= this.#segments.fileSize) return 0;
    const read = await this.#fill(segment, at);
    return core.checkRecord(this.#window, 0, read, logicsPhysicalOffset) === "valid" ? at : 0;
  }

  async #firstRecord(segment: Segment): Promise<{ storeTimestamp: number } | undefined> {
    const { core } = this.#context;
    const read = await this.#fill(segment, 0);
    if (core.checkRecord(this.#window, 0, read, segment.startOffset) !== "valid") return undefined;
    return core.decodeRecord(this.#window, 0, read);
  }

  async #walk(startIndex: number, startAt: number): Promise<void> {
    const { core } = this.#context;
    const fileSize = this.#segments.fileSize;
    const segments = this.#segments.list;
    let index = startIndex;
    let at = startAt;
    while (index < segments.length) {
      const segment = segments[index]!;
      const read = await this.#fill(segment, at);
      const scan = core.scanRecords(this.#window, 0, read, segment.startOffset + at);
      this.#restoreAll(scan, segment.startOffset + at);
      const { stoppedAt, state } = scan;
      at += stoppedAt;
      this.#end = segment.startOffset + at;
      if (state === "valid" || (state === "incomplete" && stoppedAt > 0)) {
        if (at < fileSize) continue;
        index++;
        at = 0;
      } else if (state === "blank") {
        this.#end = segment.startOffset + fileSize;
        index++;
        at = 0;
      } else {
        // Behind a clean end Apache leaves the bytes of records that it had cut off.
        const next = this.#end >= this.#cleanEnd ? undefined : await this.#findNext(index, at);
        if (next === undefined) return;
        const to = segments[next.index]!.startOffset + next.at;
        this.#damaged.push({ from: this.#end, to });
        this.#context.telemetry.log("error", "damaged bytes in the CommitLog are skipped", { from: this.#end, to });
        index = next.index;
        at = next.at;
        this.#end = to;
      }
    }
  }

  /** The next valid record behind a fault: in the rest of its file, or in a later one. */
  async #findNext(index: number, at: number): Promise<{ index: number; at: number } | undefined> {
    const { core } = this.#context;
    const segments = this.#segments.list;
    const step = this.#window.byteLength / 2;
    for (let from = at + 1; index < segments.length; index++, from = 0) {
      const segment = segments[index]!;
      const until = this.#dataEndMax(segment, from);
      while (from < until) {
        const read = Math.min(await this.#fill(segment, from), until - from + step);
        const found = core.findRecord(this.#window, 0, read, segment.startOffset + from);
        if (found < 0) {
          from += step;
        } else if (core.decodeRecord(this.#window, found, read)!.storeTimestamp >= this.#lastRecord.storeTimestamp) {
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
  #dataEndMax(segment: Segment, at: number): number {
    const { fileSize } = this.#segments;
    return segment.dataBytesMax > at + allocationSlackBytes
      ? fileSize
      : Math.min(fileSize, at + 2 * allocationSlackBytes);
  }

  /** Takes off what lies behind the end: whole files, and the bytes of the last one, which must read as zeros again. */
  async #cutTail(): Promise<void> {
    const { storage, telemetry } = this.#context;
    await this.#segments.deleteFrom(this.#end);
    const segment = this.#segments.holding(this.#end);
    if (segment === undefined) return;
    let at = this.#end - segment.startOffset;
    const until = this.#dataEndMax(segment, at);
    while (at < until) {
      const read = Math.min(await this.#fill(segment, at), until - at);
      const bytes = this.#window.bytes.subarray(0, read);
      const dirtyBytes = lastNonZero(bytes) + 1;
      if (dirtyBytes > 0) {
        if (this.#records === 0 && segment === this.#segments.list[0]) {
          throw new WasmqError(
            "STORE_UNREADABLE",
            `${segment.file} holds no record, but other bytes: it is no CommitLog`,
          );
        }
        this.#tornBytes += dirtyBytes;
        await storage.write([{ file: segment.file, at, bytes: new Uint8Array(dirtyBytes) }]);
      }
      at += read;
    }
    if (this.#tornBytes > 0) {
      telemetry.log("warn", "a torn tail of the CommitLog was cut off", { at: this.#end, bytes: this.#tornBytes });
      await storage.sync([segment.file]);
    }
  }

  async #fill(segment: Segment, at: number): Promise<number> {
    const want = Math.min(this.#window.byteLength, this.#segments.fileSize - at);
    const read = this.#context.storage.readNow(segment.file, at, this.#window.bytes.subarray(0, want));
    if (read !== undefined) return this.#whole(segment, at, want, read);
    const bytes = new Uint8Array(want);
    const length = await this.#context.storage.read(segment.file, at, bytes);
    this.#window.bytes.set(bytes);
    return this.#whole(segment, at, want, length);
  }

  #whole(segment: Segment, at: number, want: number, read: number): number {
    if (read < want) {
      throw new WasmqError("STORE_UNREADABLE", `${segment.file} could not be read to its end (byte ${at + read})`);
    }
    return read;
  }

  #restoreAll(scan: Scan, base: number): void {
    for (let i = 0; i < scan.count; i++) {
      const physicalOffset = base + scan.at(i);
      const storeTimestamp = scan.storeTimestamp(i);
      this.#records++;
      this.#lastRecord = { physicalOffset, storeTimestamp };
      const sysFlag = scan.sysFlag(i);
      const transaction = sysFlag & transactionBits;
      if (transaction === transactionPrepared || transaction === transactionRollback) continue;
      const topic = this.#topicOf(scan.topicAt(i), scan.topicLength(i));
      if (!isFolderName(topic)) {
        this.#warnOnce(`a record names the topic ${JSON.stringify(topic)}, which can be none`, physicalOffset);
        continue;
      }
      if ((sysFlag & innerBatchBit) !== 0 || this.#queues.isOfBatches(topic)) {
        this.#warnOnce(`topic ${topic} is one of inner batches, which has no ConsumeQueue here`, physicalOffset);
        continue;
      }
      let tagsHigh = scan.tagsHigh(i);
      let tagsLow = scan.tagsLow(i);
      const propertiesAt = scan.propertiesAt(i);
      const propertiesEnd = propertiesAt + scan.propertiesLength(i);
      const code = this.#context.options.tagsCodeOf?.(
        topic,
        () => decodeUtf8(this.#window.bytes.subarray(propertiesAt, propertiesEnd)),
        storeTimestamp,
      );
      if (code !== undefined) {
        tagsHigh = Math.floor(code / 2 ** 32);
        tagsLow = code | 0;
      }
      const queue = this.#queues.findOrCreate(topic, scan.queueId(i));
      if (!queue.restore(scan.queueOffset(i), physicalOffset, scan.size(i), tagsHigh, tagsLow)) {
        this.#warnOnce(`a record of topic ${topic} claims an offset that it can't have`, physicalOffset);
      }
    }
  }

  /** Most neighbours are of one topic: its text is made once. */
  #topicOf(at: number, length: number): string {
    const bytes = this.#window.bytes.subarray(at, at + length);
    const last = this.#lastTopicBytes;
    let same = last.length === length;
    for (let i = 0; same && i < length; i++) same = bytes[i] === last[i];
    if (!same) {
      this.#lastTopicBytes = bytes.slice();
      this.#lastTopic = decodeUtf8(bytes);
    }
    return this.#lastTopic;
  }

  #warnOnce(event: string, physicalOffset: number): void {
    if (this.#warned.has(event) || this.#warned.size > 100) return;
    this.#warned.add(event);
    this.#context.telemetry.log("warn", event, { physicalOffset });
  }
}

/** A topic names a folder: bytes off the disk must not name another one. */
function isFolderName(topic: string): boolean {
  return topic.length > 0 && topic !== "." && topic !== ".." && !/[/\\\0]/.test(topic);
}

function lastNonZero(bytes: Uint8Array): number {
  let at = bytes.length - 1;
  while (at >= 0 && bytes[at] === 0) at--;
  return at;
}
