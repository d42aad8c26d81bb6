import type { DecodedRecord, Region, Scan, Unit } from "../core/core.ts";
import { indexRecoveryBytesMax, lostUnitsMax } from "../limits.ts";
import { isStoreFull, WasmqError } from "../ports/error.ts";
import { BatchConsumeQueue } from "./batch-consume-queue.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { blankUnitSize, ConsumeQueue, isExtendedFor } from "./consume-queue.ts";
import type { StoreContext } from "./context.ts";
import type { DeletedQueues } from "./deleted-queues.ts";
import { type Dispatched, Dispatcher } from "./dispatcher.ts";
import { offsetFileName } from "./file-name.ts";
import type { IndexService } from "./index-service.ts";
import { messagesIn } from "./inner-batch.ts";
import { LogWalk } from "./log-walk.ts";
import type { QueueTable } from "./queue-table.ts";
import type { Segment, Segments } from "./segments.ts";
import { UnitPieces } from "./unit-pieces.ts";

/** What recovery found. Offsets are bytes of the CommitLog. */
export interface Recovered {
  readonly end: number;
  readonly lastRecord: { physicalOffset: number; storeTimestamp: number };
  readonly records: number;
  /** Some of it may not be on the medium. */
  readonly isUnsure: boolean;
  /** Where the log was looked at from: what lies behind has ConsumeQueue units that are not known to be flushed. */
  readonly walkedFrom: number;
  /** Ranges that no valid record covers although valid ones follow: damage, skipped and kept. */
  readonly damaged: readonly { from: number; to: number }[];
  /** Bytes behind the end that were not zero: a torn tail, zeroed. */
  readonly tornBytes: number;
  /** Units that did not say what their records do, and do now; and queue offsets whose messages are lost. */
  readonly correctedUnits: number;
  readonly lostMessages: number;
}

/** Damaged bytes that are taken off the CommitLog are kept here, by their offset in it. */
export const damagedFolder = "damaged";

/** ConsumeQueue units that recovery lets wait in memory: 800,000 messages' worth. */
const unwrittenBytesMax = 16 * 1024 * 1024;

/**
 * Finds the end of the CommitLog and makes the ConsumeQueues agree with it (CommitLog.recoverNormally and recoverAbnormally).
 *
 * From the first file that may hold a record whose unit is not flushed, every record is verified (length, offset, CRC), its unit put back
 * where it is missing, and put right where it says something else. A record that fails with valid ones behind it is damage: it is skipped,
 * reported and kept. One with nothing valid behind it is a torn tail: the log ends before it. If a queue's files show that units are missing
 * that older records have, the whole log is walked.
 */
export class Recovery {
  readonly #context: StoreContext;
  readonly #segments: Segments;
  readonly #queues: QueueTable;
  readonly #deleted: DeletedQueues;
  readonly #index: IndexService | undefined;
  readonly #window: Region;
  readonly #markOpen: () => Promise<void>;
  readonly #walk: LogWalk;
  readonly #dispatcher: Dispatcher;
  readonly #pieces: UnitPieces;

  #end = 0;
  /** After a clean stop, where the last record that any queue knows of ends; unknown without queues. */
  #cleanEnd = Number.POSITIVE_INFINITY;
  #records = 0;
  #lastRecord = { physicalOffset: 0, storeTimestamp: 0 };
  #damaged: { from: number; to: number }[] = [];
  #tornBytes = 0;
  #correctedUnits = 0;
  #lostMessages = 0;
  readonly #warned = new Set<string>();
  /** The walk began with the log's first record. */
  #isWhole = false;
  #isSecond = false;
  /** Nothing that is there is known to be flushed: all of it may be the first write, torn or failed. */
  #isYoung = false;

  /**
   * `window` must hold two records of the largest size. `markOpen`: before the index is written, as the next start trusts the one that a clean
   * stop has left.
   */
  constructor(
    context: StoreContext,
    segments: Segments,
    queues: QueueTable,
    deleted: DeletedQueues,
    index: IndexService | undefined,
    window: Region,
    markOpen: () => Promise<void>,
  ) {
    this.#context = context;
    this.#segments = segments;
    this.#queues = queues;
    this.#deleted = deleted;
    this.#index = index;
    this.#window = window;
    this.#markOpen = markOpen;
    this.#walk = new LogWalk(context, segments, window);
    this.#dispatcher = new Dispatcher(context.options);
    this.#pieces = new UnitPieces(context.core.unitSize);
  }

  /** `hadCheckpoint`: it was read from a file, which a broker had made. */
  async run(checkpoint: Checkpoint, hadCheckpoint: boolean, clean: boolean): Promise<Recovered> {
    const segments = this.#segments.list;
    let dispatchedEnd = 0;
    for (const queue of this.#queues.all()) dispatchedEnd = Math.max(dispatchedEnd, queue.physicalEnd);
    if (clean && dispatchedEnd > 0) this.#cleanEnd = dispatchedEnd;
    const isNew = checkpoint.logicsMsgTimestamp === 0 && (!clean || (hadCheckpoint && dispatchedEnd === 0));
    // Retention took all that was flushed, and the file behind it was not written to yet.
    const flushedIsGone =
      !clean && checkpoint.logicsPhysicalOffset > 0 && checkpoint.logicsPhysicalOffset < this.#segments.minOffset;
    this.#isYoung = isNew || flushedIsGone;
    if (segments.length === 0 && dispatchedEnd > 0) {
      throw new WasmqError(
        "STORE_UNREADABLE",
        "there are ConsumeQueues but no CommitLog: bring its files back, or remove the folder consumequeue",
      );
    }
    for (const queue of this.#queues.all()) if (queue instanceof BatchConsumeQueue) await this.#proveEnds(queue);
    const trusted = clean || (await this.#isSound(checkpoint)) ? checkpoint : noCheckpoint;
    let start = await this.#startIndex(dispatchedEnd, trusted, clean);
    if (!clean || this.#index?.isCut === true) start = this.#backToIndex(start);
    const at = clean ? 0 : await this.#startWithin(segments[start], trusted);
    let walkedFrom = (segments[start]?.startOffset ?? 0) + at;
    await this.#walkFrom({ index: start, at });
    if (!this.#isWhole && this.#missesOlder()) {
      this.#context.telemetry.log("warn", "ConsumeQueues miss units of older messages: the whole CommitLog is walked");
      walkedFrom = this.#segments.minOffset;
      this.#isSecond = true;
      await this.#walkFrom({ index: 0, at: 0 });
    }
    const durableEnd = await this.#cutTail(clean ? Number.POSITIVE_INFINITY : trusted.logicsPhysicalOffset + 1);
    for (const queue of this.#queues.all()) {
      await queue.dropFrom(durableEnd);
      if (queue instanceof ConsumeQueue) await this.#closeEnd(queue);
      await queue.clearBehind();
      await queue.correctMinOffset(this.#segments.minOffset);
      queue.nextOffset = queue.maxOffset;
    }
    this.#pieces.clear();
    await this.#index?.dropFrom(this.#end);
    return {
      end: this.#end,
      lastRecord: this.#lastRecord,
      records: this.#records,
      // After a clean stop too there may be a record whose write had failed behind those that were kept.
      isUnsure: !clean || this.#tornBytes > 0 || this.#end > dispatchedEnd,
      walkedFrom,
      damaged: this.#damaged,
      tornBytes: this.#tornBytes,
      correctedUnits: this.#correctedUnits,
      lostMessages: this.#lostMessages,
    };
  }

  async #walkFrom(from: { index: number; at: number }): Promise<void> {
    this.#records = 0;
    this.#damaged = [];
    for (const queue of this.#queues.all()) queue.accounted = -1;
    this.#isWhole = from.index === 0 && from.at === 0;
    this.#end = await this.#walk.run(
      from,
      {
        records: (scan, base) => this.#restoreAll(scan, base),
        damaged: (from, to) => {
          this.#damaged.push({ from, to });
          this.#context.telemetry.log("error", "damaged bytes in the CommitLog are skipped", { from, to });
        },
      },
      this.#cleanEnd,
    );
  }

  /**
   * Whether the checkpoint is what was written: it names a record and when that was stored, and one that says something else would have
   * recovery begin behind messages whose units are not flushed. What older brokers write names none.
   */
  async #isSound({ logicsPhysicalOffset, logicsMsgTimestamp, physicMsgTimestamp }: Checkpoint): Promise<boolean> {
    if (logicsPhysicalOffset === 0) return logicsMsgTimestamp <= physicMsgTimestamp + clockSlackMs;
    const record = await this.#recordAt(logicsPhysicalOffset, firstReadBytes);
    if (record === undefined) return false;
    const { storeTimestamp } = record;
    return Math.abs(storeTimestamp - logicsMsgTimestamp) <= clockSlackMs;
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
          : first.storeTimestamp <= checkpoint.logicsMsgTimestamp - timestampSlackMs;
      if (flushed) return index;
    }
    return 0;
  }

  /**
   * The index of this broker lags no further behind than ConsumeQueues do; that of others may. After an unclean stop the walk begins where
   * it ends, unless that is too far back.
   */
  #backToIndex(start: number): number {
    const { list, fileSize, endOffset } = this.#segments;
    const first = list[start];
    if (this.#index === undefined || first === undefined) return start;
    const { offset } = this.#index.end;
    if (offset >= first.startOffset) return start;
    const wanted = Math.max(0, Math.floor((offset - list[0]!.startOffset) / fileSize));
    const files = Math.ceil(indexRecoveryBytesMax / fileSize);
    if (start - wanted <= files) return wanted;
    this.#context.telemetry.log("warn", "queries by key may not find messages that others have left unindexed", {
      from: Math.max(offset, list[0]!.startOffset),
      to: list[start - files]!.startOffset,
      endOffset,
    });
    return start - files;
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
    const read = await this.#walk.fill(segment, at);
    return core.checkRecord(this.#window, 0, read, logicsPhysicalOffset) === "valid" ? at : 0;
  }

  async #firstRecord(segment: Segment): Promise<{ storeTimestamp: number } | undefined> {
    const { core } = this.#context;
    const read = await this.#walk.fill(segment, 0);
    if (core.checkRecord(this.#window, 0, read, segment.startOffset) !== "valid") return undefined;
    return core.decodeRecord(this.#window, 0, read);
  }

  /**
   * Whether units may be missing of records before those that were walked over: a queue ended before its files do, and what was walked over
   * does not go on where it ended; or its last unit points behind the log's end and may be a damaged one of an older record.
   */
  #missesOlder(): boolean {
    for (const queue of this.#queues.all()) {
      if (queue.isCutShort || (queue.physicalEnd > this.#end && queue.accounted < 0)) return true;
    }
    return false;
  }

  /**
   * Takes off what lies behind the end: whole files, and the bytes of the last one, which must read as zeros again. Records that began
   * before `flushedEnd` were on the medium: bytes of them that are left are kept apart. Returns where such records end: units before that
   * are of messages that are lost, and those behind it of messages that never were.
   */
  async #cutTail(flushedEnd: number): Promise<number> {
    const { storage, telemetry } = this.#context;
    const behind = this.#segments.list.filter((each) => each.startOffset >= this.#end && each.dataBytesMax > 0);
    if (behind.length > 1 || (behind.length === 1 && behind[0] !== this.#segments.list[0])) {
      const files = behind.map(({ file }) => file).join(" ");
      telemetry.log("warn", "CommitLog files without any valid record are removed from its end", { files });
    }
    await this.#segments.deleteFrom(this.#end);
    const segment = this.#segments.holding(this.#end);
    if (segment === undefined) return this.#end;
    const isLost = flushedEnd > this.#end && this.#isPointedTo(this.#end);
    const keep = isLost ? offsetFileName(damagedFolder, this.#end) : undefined;
    let dirtyEnd = this.#end;
    if (keep !== undefined) {
      await storage.delete(keep);
      await storage.create(keep, 0);
    }
    await this.#walk.eachDirtyRun(this.#end, async (_, at, bytes) => {
      if (this.#records === 0 && segment === this.#segments.list[0] && !this.#isYoung) {
        throw new WasmqError(
          "STORE_UNREADABLE",
          `${segment.file} holds no record, but other bytes: it is no CommitLog`,
        );
      }
      const offset = segment.startOffset + at;
      if (keep !== undefined) await storage.write([{ file: keep, at: offset - this.#end, bytes: bytes.slice() }]);
      this.#tornBytes += bytes.length;
      dirtyEnd = offset + bytes.length;
      await storage.write([{ file: segment.file, at, bytes: bytes.fill(0) }]);
    });
    if (this.#tornBytes > 0) {
      telemetry.log("warn", "a torn tail of the CommitLog was cut off", { at: this.#end, bytes: this.#tornBytes });
      if (keep !== undefined) await storage.sync([keep]);
    } else if (keep !== undefined) {
      await storage.delete(keep);
    }
    return Math.max(this.#end, Math.min(dirtyEnd, flushedEnd));
  }

  #isPointedTo(offset: number): boolean {
    for (const queue of this.#queues.all()) if (queue.physicalEnd > offset) return true;
    return false;
  }

  #restoreAll(scan: Scan, base: number): Promise<void> {
    // A second walk tells it nothing new.
    if (!this.#isSecond) this.#index?.restore(this.#window, scan.stoppedAt, base);
    const placed: Dispatched[] = [];
    const queues: (ConsumeQueue | BatchConsumeQueue)[] = [];
    const known: boolean[] = [];
    for (let i = 0; i < scan.count; i++) {
      const physicalOffset = base + scan.at(i);
      this.#records++;
      this.#lastRecord = { physicalOffset, storeTimestamp: scan.storeTimestamp(i) };
      const record = this.#dispatcher.place(scan, i, base, this.#window);
      if (record === "transaction") continue;
      if (typeof record === "string") {
        const topic = this.#dispatcher.topicOf(scan, i, this.#window);
        this.#warnOnce(
          record === "no-topic"
            ? `a record names the topic ${JSON.stringify(topic)}, which can be none`
            : `a record of topic ${topic} is a batch, and does not say of how many messages`,
          physicalOffset,
        );
        continue;
      }
      const { topic, queueId, queueOffset, size, tagsHigh, tagsLow } = record;
      if (this.#deleted.has(topic, physicalOffset)) continue;
      const queue = this.#queues.findOrCreate(topic, queueId, record.isInnerBatch || undefined);
      if (record.isInnerBatch && queue instanceof ConsumeQueue) {
        this.#warnOnce(`a record of topic ${topic} is a batch, for which its queues have no place`, physicalOffset);
        continue;
      }
      if (queue.isCutShort) {
        // Where it goes on is told by records before this one. The last unit of a BatchConsumeQueue may be the one that is wrong.
        const isTold = queueOffset <= queue.maxOffset && queue instanceof ConsumeQueue;
        if (!isTold && !this.#isWhole) continue;
        queue.isCutShort = false;
      }
      if (queue instanceof BatchConsumeQueue) {
        placed.push(record);
        queues.push(queue);
        known.push(false);
        continue;
      }
      const restored = queue.restore(queueOffset, physicalOffset, size, tagsHigh, tagsLow);
      if (restored === "refused") {
        this.#warnOnce(`a record of topic ${topic} claims an offset that it can't have`, physicalOffset);
      } else {
        placed.push(record);
        queues.push(queue);
        known.push(restored === "known");
      }
    }
    // Scan and window are not there any more once anything is waited for.
    return this.#compareAll(placed, queues, known);
  }

  async #compareAll(
    placed: readonly Dispatched[],
    queues: readonly (ConsumeQueue | BatchConsumeQueue)[],
    known: readonly boolean[],
  ): Promise<void> {
    const { core, unitWindow, queueTails } = this.#context;
    for (let i = 0; i < placed.length; i++) {
      const record = placed[i]!;
      const queue = queues[i]!;
      const { queueOffset } = record;
      if (queue instanceof BatchConsumeQueue) {
        await this.#restoreBatch(record, queue);
        continue;
      }
      if (known[i]) {
        core.encodeUnit(unitWindow, 0, record.physicalOffset, record.size, record.tagsHigh, record.tagsLow);
        if (this.#pieces.equals(queue, queueOffset, unitWindow.bytes) !== true) await this.#compare(record, queue);
      }
      const { accounted } = queue;
      if (accounted !== queueOffset) {
        const from =
          accounted >= 0 ? accounted : this.#isWhole ? await this.#firstKept(queue, queueOffset) : queueOffset;
        if (from < queueOffset) await this.#closeGap(queue, from, queueOffset, record, !known[i]);
      }
      if (accounted <= queueOffset) queue.accounted = queueOffset + 1;
    }
    await this.#relieveIndex();
    if (queueTails.unwrittenBytes > unwrittenBytesMax) {
      for (const queue of this.#queues.all()) if (queue.dirtyBytes > 0) await queue.writeOut();
    }
  }

  /**
   * A BatchConsumeQueue begins and ends with the offsets that its first and its last unit say, which no neighbour bears out: if their records do
   * not, all of it is made again.
   */
  async #proveEnds(queue: BatchConsumeQueue): Promise<void> {
    await queue.correctMinOffset(this.#segments.minOffset);
    for (const offset of [queue.minOffset, queue.maxOffset - 1]) {
      const unit = await queue.unitAt(offset);
      if (unit === undefined || unit.physicalOffset < this.#segments.minOffset) continue;
      const record = await this.#recordAt(unit.physicalOffset, unit.size);
      const isIts = record?.topic === queue.topic && record.queueId === queue.queueId;
      if (!isIts || record.queueOffset !== unit.queueOffset || messagesIn(record) !== unit.messages) {
        queue.isCutShort = true;
      }
    }
  }

  async #restoreBatch(record: Dispatched, queue: BatchConsumeQueue): Promise<void> {
    const { topic, queueId, queueOffset, physicalOffset, messages } = record;
    const { maxOffset } = queue;
    const restored = await queue.restore(record);
    if (restored === "refused") {
      this.#warnOnce(`a record of topic ${topic} claims an offset that it can't have`, physicalOffset);
      return;
    }
    if (restored === "claimed") {
      this.#warnOnce(
        `two records of topic ${topic} claim the same place in a queue: the first keeps it`,
        physicalOffset,
      );
      return;
    }
    if (restored === "appended" && maxOffset > 0 && queueOffset > maxOffset) {
      this.#tellLost(topic, queueId, maxOffset, queueOffset - maxOffset);
    }
    queue.accounted = Math.max(queue.accounted, queueOffset + messages);
  }

  /** Without room for its entries they wait in memory: what is not indexed keeps no message from being served. */
  async #relieveIndex(): Promise<void> {
    try {
      await this.#index?.relieve(this.#markOpen);
    } catch (error) {
      if (!isStoreFull(error)) throw error;
      this.#context.telemetry.log("warn", "the index could not be written", { error: String(error) });
    }
  }

  async #compare(record: Dispatched, queue: ConsumeQueue): Promise<void> {
    const { core, unitWindow } = this.#context;
    const unit = await this.#pieces.at(queue, record.queueOffset);
    core.encodeUnit(unitWindow, 0, record.physicalOffset, record.size, record.tagsHigh, record.tagsLow);
    if (unit !== undefined && !startsWith(unitWindow.bytes, unit)) await this.#correct(record, queue, unit);
  }

  /** Puts right the unit of a record, unless it is another record's that has as good a claim. */
  async #correct(record: Dispatched, queue: ConsumeQueue, unit: Uint8Array): Promise<void> {
    const { core, unitWindow, telemetry } = this.#context;
    const { topic, queueId, queueOffset, physicalOffset, size, tagsHigh, tagsLow } = record;
    unitWindow.bytes.set(unit);
    const said = { ...core.decodeUnit(unitWindow, 0) };
    if (this.#queues.isExtended(topic) && isExtendedFor(said, record)) return;
    if (said.physicalOffset !== physicalOffset && (await this.#isMessage(record, said))) {
      this.#warnOnce(
        `two records of topic ${topic} claim the same place in a queue: the first keeps it`,
        physicalOffset,
      );
      return;
    }
    await queue.correct(queueOffset, physicalOffset, size, tagsHigh, tagsLow);
    this.#pieces.forget(queue);
    if (this.#correctedUnits++ < toldMax) {
      telemetry.log("warn", "a unit of a ConsumeQueue was wrong and is put right", { topic, queueId, queueOffset });
    }
  }

  /** Whether a unit leads to a valid record that is the message of the same place in the same queue. */
  async #isMessage(
    { topic, queueId, queueOffset }: Dispatched,
    { physicalOffset, size }: { physicalOffset: number; size: number },
  ): Promise<boolean> {
    const other = await this.#recordAt(physicalOffset, size);
    return other?.topic === topic && other.queueId === queueId && other.queueOffset === queueOffset;
  }

  /** The valid record at `physicalOffset`, which has some `size` bytes; undefined if there is none. */
  async #recordAt(physicalOffset: number, size: number): Promise<DecodedRecord | undefined> {
    const { core, recordWindow } = this.#context;
    if (!Number.isSafeInteger(physicalOffset)) return undefined;
    for (const bytesMax of [size, recordWindow.byteLength]) {
      if (bytesMax <= 0 || bytesMax > recordWindow.byteLength) continue;
      const bytes = new Uint8Array(bytesMax);
      const read = await this.#segments.read(physicalOffset, bytes);
      recordWindow.bytes.set(bytes);
      const state = core.checkRecord(recordWindow, 0, read, physicalOffset);
      if (state === "valid") return core.decodeRecord(recordWindow, 0, read);
      if (state !== "incomplete") return undefined;
    }
    return undefined;
  }

  /**
   * The offsets [from, to) of a queue have no record: their units repeat a neighbour's, as the one before them may do already, and lead to
   * nothing else. `isNew` if they were made so just now.
   */
  async #closeGap(queue: ConsumeQueue, from: number, to: number, neighbour: Unit, isNew: boolean): Promise<void> {
    if (to - from > lostUnitsMax) return;
    const before = await this.#unitAt(queue, from - 1);
    let isTold = !isNew;
    for (let offset = from; offset < to; offset++) {
      const unit = await this.#unitAt(queue, offset);
      const { physicalOffset, size, tagsHigh, tagsLow } = neighbour;
      if (unit === undefined || unit.size === blankUnitSize) continue;
      if (unit.physicalOffset === physicalOffset || unit.physicalOffset === before?.physicalOffset) continue;
      isTold = false;
      await queue.correct(offset, physicalOffset, size, tagsHigh, tagsLow);
      this.#pieces.forget(queue);
    }
    if (!isTold) this.#tellLost(queue.topic, queue.queueId, from, to - from);
  }

  #tellLost(topic: string, queueId: number, from: number, count: number): void {
    this.#lostMessages += count;
    const event = "messages are lost: no valid record has these offsets of the queue";
    this.#context.telemetry.log("error", event, { topic, queueId, from, count });
  }

  /** Before the first record of a queue: where the units begin that point into the log, and not before it. */
  async #firstKept(queue: ConsumeQueue, queueOffset: number): Promise<number> {
    let from = queueOffset;
    for (; from > 0; from--) {
      const unit = await this.#unitAt(queue, from - 1);
      if (unit === undefined || unit.size === blankUnitSize || unit.physicalOffset < this.#segments.minOffset) break;
    }
    return from;
  }

  /** The last offsets of a queue may be those of damaged records, too. */
  async #closeEnd(queue: ConsumeQueue): Promise<void> {
    this.#pieces.forget(queue);
    let from = queue.accounted < 0 ? undefined : queue.accounted;
    if (from === undefined && queue.physicalEnd > this.#end) {
      from = queue.maxOffset;
      for (; from > queue.minOffset; from--) {
        const unit = await queue.unitAt(from - 1);
        if (unit !== undefined && unit.physicalOffset < this.#end) break;
      }
    }
    if (from === undefined || from >= queue.maxOffset) return;
    const neighbour = (await this.#unitAt(queue, from - 1)) ?? blankUnit;
    await this.#closeGap(queue, from, queue.maxOffset, neighbour, false);
  }

  async #unitAt(queue: ConsumeQueue, offset: number): Promise<Unit | undefined> {
    const { core, unitWindow } = this.#context;
    const bytes = offset < 0 ? undefined : await this.#pieces.at(queue, offset);
    if (bytes === undefined) return undefined;
    unitWindow.bytes.set(bytes);
    return { ...core.decodeUnit(unitWindow, 0) };
  }

  #warnOnce(event: string, physicalOffset: number): void {
    if (this.#warned.has(event) || this.#warned.size > 100) return;
    this.#warned.add(event);
    this.#context.telemetry.log("warn", event, { physicalOffset });
  }
}

/** Stands for no message; at the beginning of a queue there is no neighbour to repeat. */
const blankUnit: Unit = { physicalOffset: 0, size: blankUnitSize, tagsHigh: 0, tagsLow: 0 };

/** Corrected units are told one by one up to here. */
const toldMax = 100;

/** Most records are smaller; a larger one costs a second read. */
const firstReadBytes = 16 * 1024;

/**
 * A checkpoint that names no record, as those of older brokers and one whose record is the log's first, knows by time alone what is flushed:
 * of the messages that are as old, some may not be. StoreCheckpoint.getMinTimestamp.
 */
const timestampSlackMs = 3_000;

/** What a checkpoint says is not taken at one moment. */
const clockSlackMs = 10_000;

/** Nothing is known to be flushed. */
const noCheckpoint: Checkpoint = {
  physicMsgTimestamp: 0,
  logicsMsgTimestamp: 0,
  indexMsgTimestamp: 0,
  masterFlushedOffset: 0,
  confirmPhyOffset: 0,
  logicsPhysicalOffset: 0,
};

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  for (let i = 0; i < start.length; i++) if (bytes[i] !== start[i]) return false;
  return true;
}
