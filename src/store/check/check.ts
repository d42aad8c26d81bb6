import type { Core, RecordState, Region, Scan } from "../../core/core.ts";
import {
  checkedRangesMax,
  checkedUnitBytesMax,
  checkedUnitBytesPerQueueMax,
  pendingBytesMax,
  recordBytesMax,
} from "../../limits.ts";
import type { Checked, FindingCode, Range } from "../../ports/check.ts";
import { WasmqError } from "../../ports/error.ts";
import type { FileStat, LogStorage } from "../../ports/log-storage.ts";
import { silentTelemetry } from "../../ports/telemetry.ts";
import { type Checkpoint, checkpointBytes, checkpointFile, readCheckpoint } from "../checkpoint.ts";
import { ConfigFile } from "../config-file.ts";
import { isBesideMainQueue, isExtendedFor } from "../consume-queue.ts";
import { makeContext, type StoreContext } from "../context.ts";
import { DeletedQueues, deletedQueuesFile } from "../deleted-queues.ts";
import { type Dispatched, Dispatcher } from "../dispatcher.ts";
import { fileNameOffset } from "../file-name.ts";
import { LogWalk } from "../log-walk.ts";
import type { StoreOptions } from "../options.ts";
import { Segments } from "../segments.ts";
import { BatchQueueCheck, type BatchQueueCheckOptions } from "./batch-queue-check.ts";
import type { Findings } from "./findings.ts";
import { IndexCheck } from "./index-check.ts";
import { QueueCursor } from "./queue-cursor.ts";

export interface CheckOptions {
  readonly core: Core;
  readonly storage: LogStorage;
  readonly options: StoreOptions;
  readonly findings: Findings;
  /** Told now and then how far the walk is. */
  readonly progress?: (bytes: number) => void;
}

/** The topic of records, of no queue, that stand for damaged bytes. */
export const filledTopic = "DAMAGED";

/**
 * Looks at every byte of a store that says something: walks the CommitLog and compares each record with the unit of its ConsumeQueue, and
 * each unit with its record. Changes nothing, and remembers no more than a piece of each queue. The storage is the caller's. Throws
 * STORE_UNREADABLE for what is no store, or can be opened by nobody.
 */
export function checkStore(given: CheckOptions): Promise<Checked> {
  return new Check(given).run();
}

class Check {
  readonly #storage: LogStorage;
  readonly #context: StoreContext;
  readonly #window: Region;
  readonly #findings: Findings;
  readonly #progress: (bytes: number) => void;
  readonly #segments: Segments;
  readonly #walk: LogWalk;
  readonly #queues = new Map<string, Map<number, QueueCursor>>();
  readonly #batchQueues = new Map<string, BatchQueueCheck>();
  readonly #notChecked = new Set<string>();
  readonly #dispatcher: Dispatcher;
  readonly #deleted: DeletedQueues;
  #index: IndexCheck | undefined;
  readonly #damaged: (Range & { state: RecordState; storeTimestamp: number })[] = [];
  #queueCount = 0;
  #pieceBytes = checkedUnitBytesPerQueueMax;
  #stats: readonly FileStat[] = [];
  /** Topics whose ConsumeQueues have an extension. */
  readonly #extended = new Set<string>();
  #clean = false;
  /** Records that begin before this were on the medium: what is missing of them is lost, and not torn. */
  #durableEnd = 0;
  #records = 0;
  #units = 0;
  #lastRecord = { physicalOffset: 0, storeTimestamp: 0 };
  #uncovered = { records: 0, bytes: 0 };
  readonly #uncoveredRanges: { from: number; to: number }[] = [];
  #uncoveredEnd = -1;
  #walked = 0;
  /** Where the bytes behind the last record end, and where the lost messages end that stood there. */
  #tailEnd = 0;
  #lostEnd = 0;

  constructor({ core, storage, options, findings, progress = () => {} }: CheckOptions) {
    this.#storage = storage;
    this.#findings = findings;
    this.#progress = progress;
    const clock = { now: () => 0, monotonic: () => 0 };
    this.#context = makeContext({ core, storage, clock, telemetry: silentTelemetry, options });
    this.#window = core.allocate(Math.max(pendingBytesMax, this.#context.recordWindow.byteLength + recordBytesMax));
    this.#segments = new Segments(storage, options.mappedFileSizeCommitLog);
    this.#walk = new LogWalk(this.#context, this.#segments, this.#window);
    const crc32 = (bytes: Uint8Array): number => core.crc32(bytes);
    this.#deleted = new DeletedQueues(new ConfigFile(storage, silentTelemetry, crc32, deletedQueuesFile));
    this.#dispatcher = new Dispatcher(options);
  }

  async run(): Promise<Checked> {
    this.#stats = await this.#storage.list("");
    this.#clean = !this.#stats.some(({ name }) => name === "abort");
    await this.#loadLog();
    this.#loadQueues();
    // One that can't be read is told with the other config files.
    await this.#deleted.load().catch(() => {});
    this.#index = new IndexCheck({
      ...{ context: this.#context, findings: this.#findings, stats: this.#stats, isClean: this.#clean },
      logMin: this.#segments.minOffset,
      isDamaged: (physicalOffset) => this.#isDamaged(physicalOffset),
    });
    const checkpoint = await this.#loadCheckpoint();
    this.#durableEnd = this.#clean ? Number.POSITIVE_INFINITY : (checkpoint?.logicsPhysicalOffset ?? 0) + 1;
    if (!this.#clean) {
      this.#found("NOT_STOPPED_CLEANLY", { file: "abort", detail: "the store was not closed by who had it open" });
    }
    const end = await this.#walk.run(
      { index: 0, at: 0 },
      {
        records: (scan, base) => this.#compare(scan, base),
        blank: (from, to, length) => this.#blank(from, to, length),
        damaged: (from, to, state) => {
          if (this.#damaged.length < checkedRangesMax) {
            this.#damaged.push({ from, to, state, storeTimestamp: this.#lastRecord.storeTimestamp });
          }
          this.#walked += to - from;
        },
      },
      this.#clean ? await this.#dispatchedEnd() : Number.POSITIVE_INFINITY,
    );
    await this.#index.finish();
    for (const { from, to, state } of this.#damaged) await this.#findDamage(from, to, state);
    await this.#findTail(end);
    for (const queues of this.#queues.values()) for (const queue of queues.values()) await this.#finish(queue, end);
    for (const queue of this.#batchQueues.values()) {
      await queue.finish(end, this.#durableEnd);
      this.#units += queue.units;
    }
    const { storeTimestamp } = this.#lastRecord;
    if (this.#lostEnd > end) this.#damaged.push({ from: end, to: this.#lostEnd, state: "bad-magic", storeTimestamp });
    if (checkpoint !== undefined) await this.#checkCheckpoint(checkpoint, end);
    const from = this.#segments.minOffset;
    return {
      log: { from, to: end, files: this.#segments.list.length },
      records: this.#records,
      queues: this.#queueCount,
      units: this.#units,
      uncovered: { ...this.#uncovered, ranges: this.#uncoveredRanges },
      damaged: this.#damaged,
      ends: [...Array.from(this.#queues.values(), (queues) => [...queues.values()]), [...this.#batchQueues.values()]]
        .flat()
        .map(({ topic, queueId, next }) => ({ topic, queueId, end: next })),
    };
  }

  async #loadLog(): Promise<void> {
    const stats = this.#stats.filter(({ name }) => /^commitlog\/[^/]+$/.test(name));
    // Whoever opens the store deletes those at the end that are empty.
    await this.#segments.load(stats.slice(0, stats.findLastIndex(({ sizeBytes }) => sizeBytes > 0) + 1));
    if (this.#segments.list.length === 0 && !this.#stats.some(({ name }) => name.startsWith("config/"))) {
      throw new WasmqError("STORE_UNREADABLE", "there is no store: neither a CommitLog nor config files are there");
    }
  }

  #loadQueues(): void {
    const byQueue = new Map<string, FileStat[]>();
    for (const stat of this.#stats) {
      const extended = /^consumequeue_ext\/([^/]+)\//.exec(stat.name);
      if (extended !== null) this.#extended.add(extended[1]!);
      const path = /^((?:batch)?consumequeue)\/([^/]+)\/(\d{1,9})\/[^/]+$/.exec(stat.name);
      if (path === null) continue;
      if (isBesideMainQueue(path[2]!)) {
        this.#notChecked.add(path[2]!);
        continue;
      }
      const key = `${path[1]}/${path[2]}/${Number(path[3])}`;
      const files = byQueue.get(key);
      if (files === undefined) byQueue.set(key, [stat]);
      else files.push(stat);
    }
    for (const topic of this.#notChecked) {
      this.#found("QUEUE_NOT_CHECKED", {
        topic,
        detail: "the queue is one beside the main one: its units and records are not compared",
      });
    }
    this.#pieceBytes = Math.max(
      this.#context.core.unitSize * 4,
      Math.min(checkedUnitBytesPerQueueMax, Math.floor(checkedUnitBytesMax / Math.max(1, byQueue.size))),
    );
    for (const [key, files] of byQueue) {
      const [folder, topic, queueId] = key.split("/") as [string, string, string];
      const ofBatches = folder === "batchconsumequeue";
      const sizeKey = ofBatches ? "mapperFileSizeBatchConsumeQueue" : "mappedFileSizeConsumeQueue";
      const fileSize = this.#context.options[sizeKey];
      const usable: FileStat[] = [];
      const lastWithBytes = files.findLastIndex(({ sizeBytes }) => sizeBytes > 0);
      for (const [i, stat] of files.entries()) {
        const start = fileNameOffset(stat.name);
        const wrong =
          start === undefined || start % fileSize !== 0
            ? "its name is none of a queue's file"
            : stat.sizeBytes === 0 && i > lastWithBytes
              ? undefined
              : stat.sizeBytes !== fileSize
                ? `it has ${stat.sizeBytes} bytes, but ${sizeKey} is ${fileSize}`
                : usable.length > 0 && start !== fileNameOffset(usable.at(-1)!.name)! + fileSize
                  ? "it does not follow the file before it"
                  : undefined;
        if (wrong !== undefined) this.#found("QUEUE_FILE_UNUSABLE", { file: stat.name, detail: wrong });
        else if (stat.sizeBytes > 0) usable.push(stat);
      }
      if (ofBatches) this.#batchQueue(topic, Number(queueId), usable);
      else this.#queue(topic, Number(queueId), usable);
    }
  }

  /** Where the last record that any queue knows of ends. */
  async #dispatchedEnd(): Promise<number> {
    let end = 0;
    for (const queues of this.#queues.values()) {
      for (const queue of queues.values()) {
        const last = await queue.last(this.#pieceBytes);
        if (last !== undefined) end = Math.max(end, last.physicalOffset + last.size);
      }
    }
    for (const queue of this.#batchQueues.values()) end = Math.max(end, await queue.physicalEnd());
    return end > 0 ? end : Number.POSITIVE_INFINITY;
  }

  #queue(topic: string, queueId: number, files: readonly FileStat[] = []): QueueCursor {
    let queues = this.#queues.get(topic);
    if (queues === undefined) {
      queues = new Map();
      this.#queues.set(topic, queues);
    }
    let queue = queues.get(queueId);
    if (queue === undefined) {
      queue = new QueueCursor(this.#context, topic, queueId, files);
      queues.set(queueId, queue);
      this.#queueCount++;
    }
    return queue;
  }

  #batchQueue(topic: string, queueId: number, files: readonly FileStat[] = []): BatchQueueCheck {
    const key = `${topic}/${queueId}`;
    let queue = this.#batchQueues.get(key);
    if (queue === undefined) {
      const given: BatchQueueCheckOptions = {
        ...{ context: this.#context, findings: this.#findings, logMin: this.#segments.minOffset },
        onLost: (unit) => this.#noteLost(unit),
      };
      queue = new BatchQueueCheck(given, topic, queueId, files);
      this.#batchQueues.set(key, queue);
      this.#queueCount++;
    }
    return queue;
  }

  /** Whether a record's queue is a BatchConsumeQueue. */
  #isOfBatches({ topic, queueId, isInnerBatch }: Dispatched): boolean {
    if (isInnerBatch || this.#batchQueues.has(`${topic}/${queueId}`)) return true;
    return !this.#queues.has(topic) && this.#context.options.isOfBatches?.(topic) === true;
  }

  async #compare(scan: Scan, base: number): Promise<void> {
    this.#index?.take(scan, this.#window, base);
    const records: Dispatched[] = [];
    for (let i = 0; i < scan.count; i++) {
      const physicalOffset = base + scan.at(i);
      this.#records++;
      this.#lastRecord = { physicalOffset, storeTimestamp: scan.storeTimestamp(i) };
      this.#countCovered(physicalOffset, scan.size(i), scan.coveredBytes(i));
      const placed = this.#dispatcher.place(scan, i, base, this.#window);
      if (typeof placed === "object") {
        const isDeleted = this.#deleted.has(placed.topic, physicalOffset);
        if (!isDeleted && !this.#notChecked.has(placed.topic)) records.push(placed);
      } else if (placed === "no-topic") {
        this.#found("RECORD_NOT_IN_QUEUE", {
          ...this.#placeInLog(physicalOffset),
          detail: "the record names a topic that can be none",
        });
      } else if (placed === "transaction" && this.#dispatcher.topicOf(scan, i, this.#window) === filledTopic) {
        this.#found("DAMAGE_FILLED", {
          ...this.#placeInLog(physicalOffset),
          bytes: scan.size(i),
          detail: "damaged bytes stood here; they are kept below damaged/",
        });
      }
    }
    this.#walked += scan.stoppedAt;
    // The scan is not there any more once anything is waited for.
    for (const record of records) {
      const compared = this.#isOfBatches(record)
        ? this.#batchQueue(record.topic, record.queueId).compare(record)
        : this.#compareOne(record);
      if (compared !== undefined) await compared;
    }
    await this.#index?.compare();
    this.#progress(this.#walked);
  }

  /** Compares a record with the unit of its queue. At once where the unit is at hand and right. */
  #compareOne(record: Dispatched): Promise<void> | undefined {
    const queue = this.#queue(record.topic, record.queueId);
    const { queueOffset } = record;
    if (queue.hasFiles && queueOffset === queue.next && queue.isLoaded(queueOffset) && this.#isRight(queue, record)) {
      this.#accept(queue, record);
      return undefined;
    }
    return this.#compareClosely(queue, record);
  }

  async #compareClosely(queue: QueueCursor, record: Dispatched): Promise<void> {
    const { topic, queueId, queueOffset, physicalOffset } = record;
    // Without files, or with the first of them gone, the queue begins with this record.
    if (queue.records === 0 && (!queue.hasFiles || queueOffset < queue.start)) queue.next = queueOffset;
    if (
      queueOffset !== queue.next &&
      (await this.#pointsTo(queue, queue.next, physicalOffset)) &&
      !(await this.#pointsTo(queue, queueOffset, physicalOffset))
    ) {
      // Nothing covers the queue offset of a record without __CRC32#.
      this.#found("RECORD_NOT_IN_QUEUE", {
        ...this.#placeInLog(physicalOffset),
        ...{ topic, queueId, queueOffset: queue.next },
        detail: `the record says that its queue offset is ${queueOffset}, but the ConsumeQueue has it at ${queue.next}`,
      });
      this.#accept(queue, { ...record, queueOffset: queue.next });
      return;
    }
    if (queueOffset < queue.next) {
      this.#found("RECORD_NOT_IN_QUEUE", {
        ...this.#placeInLog(physicalOffset),
        ...{ topic, queueId, queueOffset },
        detail: "another record, before this one, has the same place in the queue",
      });
      return;
    }
    await this.#passUnits(queue, queueOffset, physicalOffset);
    if (!queue.has(queueOffset)) {
      this.#missing(queue, record);
    } else {
      await queue.load(queueOffset, this.#pieceBytes);
      if (!this.#isRight(queue, record)) {
        const unit = queue.unit(queueOffset);
        if (unit.isZero) {
          this.#missing(queue, record);
        } else if (!(this.#extended.has(topic) && isExtendedFor(unit, record))) {
          this.#found("UNIT_WRONG", {
            ...queue.place(queueOffset),
            ...{ topic, queueId, queueOffset, physicalOffset },
            detail: differences(unit, record),
          });
        }
      }
    }
    this.#accept(queue, record);
  }

  #isRight(queue: QueueCursor, { queueOffset, physicalOffset, size, tagsHigh, tagsLow }: Dispatched): boolean {
    const { core, unitWindow } = this.#context;
    core.encodeUnit(unitWindow, 0, physicalOffset, size, tagsHigh, tagsLow);
    return queue.equals(queueOffset, unitWindow.bytes);
  }

  #accept(queue: QueueCursor, { queueOffset, physicalOffset }: Dispatched): void {
    queue.next = queueOffset + 1;
    queue.records++;
    queue.lastPhysicalOffset = physicalOffset;
    this.#units++;
  }

  #missing(queue: QueueCursor, { topic, queueId, queueOffset, physicalOffset }: Dispatched): void {
    this.#found("UNIT_MISSING", {
      ...queue.place(queueOffset),
      ...{ topic, queueId, queueOffset, physicalOffset },
      detail: "the record has no unit: it is made when the store is opened, if it is one of the last, or by --repair",
    });
  }

  async #pointsTo(queue: QueueCursor, offset: number, physicalOffset: number): Promise<boolean> {
    if (!queue.has(offset)) return false;
    await queue.load(offset, this.#pieceBytes);
    const unit = queue.unit(offset);
    return !unit.isZero && unit.physicalOffset === physicalOffset;
  }

  /** The units from `queue.next` to `to`, where a record stands at `nextPhysicalOffset`, have no record: says what is the matter. */
  async #passUnits(queue: QueueCursor, to: number, nextPhysicalOffset: number): Promise<void> {
    for (let offset = queue.next; offset < to; offset++) {
      if (!queue.has(offset)) {
        // Before the files: what expired, or their first ones are missing, which the records there tell.
        if (offset < queue.start) {
          offset = Math.min(to, queue.start) - 1;
          continue;
        }
        if (queue.records > 0) this.#hole(queue, offset, to - offset);
        break;
      }
      await queue.load(offset, this.#pieceBytes);
      const unit = queue.unit(offset);
      this.#units++;
      if (unit.isZero) {
        this.#hole(queue, offset, 1);
      } else if (unit.isBlank) {
        if (queue.records > 0) this.#gap(queue, offset);
      } else if (unit.physicalOffset < this.#segments.minOffset && queue.records === 0) {
        // Expired with its record.
      } else if (unit.physicalOffset === queue.lastPhysicalOffset || unit.physicalOffset === nextPhysicalOffset) {
        this.#gap(queue, offset);
      } else {
        this.#lost(queue, offset, unit);
      }
    }
    queue.next = to;
  }

  #hole({ topic, queueId }: QueueCursor, queueOffset: number, count: number): void {
    this.#found("QUEUE_HOLE", {
      ...{ topic, queueId, queueOffset, count },
      detail: "there is neither a message nor a unit that knows of one",
    });
  }

  #gap({ topic, queueId }: QueueCursor, queueOffset: number): void {
    this.#found("QUEUE_GAP", { topic, queueId, queueOffset, detail: "the message is lost, which the queue says" });
  }

  #lost(queue: QueueCursor, queueOffset: number, unit: { physicalOffset: number; size: number }): void {
    const { topic, queueId } = queue;
    const { physicalOffset, size } = unit;
    const isDamaged = this.#isDamaged(physicalOffset);
    this.#noteLost(unit);
    this.#found("MESSAGE_LOST", {
      ...queue.place(queueOffset),
      ...{ topic, queueId, queueOffset, physicalOffset, bytes: size },
      detail: isDamaged
        ? "its record is damaged"
        : "no record of the CommitLog is this message; its unit leads elsewhere",
    });
  }

  #noteLost({ physicalOffset, size }: { physicalOffset: number; size: number }): void {
    if (physicalOffset < this.#tailEnd) this.#lostEnd = Math.max(this.#lostEnd, physicalOffset + size);
  }

  /** What a queue's files hold behind the last record of the log. */
  async #finish(queue: QueueCursor, logEnd: number): Promise<void> {
    if (!queue.hasFiles) return;
    const { topic, queueId } = queue;
    let offset = Math.max(queue.next, queue.start);
    const { dataEnd } = queue;
    let strayFrom: number | undefined;
    for (; offset < dataEnd; offset++) {
      await queue.load(offset, this.#pieceBytes);
      const unit = queue.unit(offset);
      if (unit.isZero) {
        strayFrom ??= offset;
        continue;
      }
      if (strayFrom !== undefined) {
        this.#found("UNIT_STRAY", {
          ...queue.place(offset),
          ...{ topic, queueId, queueOffset: offset, bytes: this.#context.core.unitSize },
          detail: "bytes behind the end of the queue",
        });
        continue;
      }
      this.#units++;
      queue.next = offset + 1;
      if (unit.isBlank) {
        this.#gap(queue, offset);
      } else if (unit.physicalOffset < this.#segments.minOffset && queue.records === 0) {
        // Expired with its record.
      } else if (unit.physicalOffset === queue.lastPhysicalOffset) {
        this.#gap(queue, offset);
      } else if (unit.physicalOffset >= Math.max(logEnd, this.#durableEnd)) {
        this.#found("UNIT_BEHIND_LOG", {
          ...queue.place(offset),
          ...{ topic, queueId, queueOffset: offset, physicalOffset: unit.physicalOffset },
          detail: `the CommitLog ends at ${logEnd}: the message was not written, or cut off`,
        });
      } else {
        this.#lost(queue, offset, unit);
      }
    }
  }

  #blank(from: number, to: number, length: number): void {
    this.#walked += to - from;
    if (length === to - from) return;
    this.#found("BLANK_DAMAGED", {
      ...this.#placeInLog(from),
      bytes: 8,
      detail: `what says that the rest of the file is unused gives it ${length} bytes, not ${to - from}`,
    });
  }

  async #findDamage(from: number, to: number, state: RecordState): Promise<void> {
    if (await this.#wasBlank(from, to)) {
      this.#found("BLANK_DAMAGED", {
        ...this.#placeInLog(from),
        bytes: blankBytes,
        detail: `what says that the rest of the file is unused is ${states[state]}; ${apacheCuts}`,
      });
      return;
    }
    this.#found("RECORD_DAMAGED", {
      ...this.#placeInLog(from),
      bytes: to - from,
      detail: `${states[state]}; the next valid record stands at ${to}; ${apacheCuts}`,
    });
  }

  /** Whether nothing stands between a damaged blank, if that is what is at `from`, and the file's end. */
  async #wasBlank(from: number, to: number): Promise<boolean> {
    const segment = this.#segments.holding(from)!;
    if (to !== segment.startOffset + this.#segments.fileSize) return false;
    for (let at = from + blankBytes; at < to; ) {
      const read = Math.min(await this.#walk.fill(segment, at - segment.startOffset), to - at);
      if (this.#window.bytes.subarray(0, read).some((byte) => byte !== 0)) return false;
      at += read;
    }
    return true;
  }

  async #findTail(end: number): Promise<void> {
    let first: number | undefined;
    let last = end;
    this.#tailEnd = end;
    await this.#walk.eachDirtyRun(end, (segment, at, bytes) => {
      first ??= segment.startOffset + at + bytes.findIndex((byte) => byte !== 0);
      last = segment.startOffset + at + bytes.length;
    });
    if (first === undefined) return;
    this.#tailEnd = last;
    this.#found("TORN_TAIL", {
      ...this.#placeInLog(first),
      bytes: last - first,
      detail: this.#clean
        ? "bytes behind the end of the log, of a record that is damaged or was cut off"
        : "bytes behind the last record: one that was not written whole",
    });
  }

  #countCovered(physicalOffset: number, size: number, covered: number): void {
    if (covered >= size) return;
    this.#uncovered.records++;
    this.#uncovered.bytes += size - covered;
    const ranges = this.#uncoveredRanges;
    if (physicalOffset === this.#uncoveredEnd && ranges.length > 0) ranges.at(-1)!.to = physicalOffset + size;
    else if (ranges.length < checkedRangesMax) ranges.push({ from: physicalOffset, to: physicalOffset + size });
    this.#uncoveredEnd = physicalOffset + size;
  }

  async #loadCheckpoint(): Promise<Checkpoint | undefined> {
    const stat = this.#stats.find(({ name }) => name === checkpointFile);
    if (stat !== undefined && stat.sizeBytes >= checkpointBytes) return readCheckpoint(this.#storage);
    const detail = stat === undefined ? "there is none" : `it has ${stat.sizeBytes} bytes, not ${checkpointBytes}`;
    this.#found("CHECKPOINT_UNUSABLE", { file: checkpointFile, detail });
    return undefined;
  }

  async #checkCheckpoint(checkpoint: Checkpoint, logEnd: number): Promise<void> {
    const file = checkpointFile;
    const wrong = (offset: number, detail: string): void => this.#found("CHECKPOINT_WRONG", { file, offset, detail });
    const { logicsPhysicalOffset: flushed, logicsMsgTimestamp, confirmPhyOffset, physicMsgTimestamp } = checkpoint;
    if (confirmPhyOffset > logEnd) wrong(32, `confirmPhyOffset ${confirmPhyOffset} is behind the log's end ${logEnd}`);
    if (this.#records === 0) return;
    const { storeTimestamp } = this.#lastRecord;
    for (const [offset, name, time] of [
      [0, "physicMsgTimestamp", physicMsgTimestamp],
      [8, "logicsMsgTimestamp", logicsMsgTimestamp],
    ] as const) {
      if (time > storeTimestamp) wrong(offset, `${name} ${time} is later than the last message, of ${storeTimestamp}`);
    }
    if (flushed >= logEnd) {
      wrong(40, `logicsPhysicalOffset ${flushed} is not before the log's end ${logEnd}`);
    } else if (flushed > this.#segments.minOffset && !this.#isDamaged(flushed)) {
      const bytes = new Uint8Array(Math.min(this.#context.recordWindow.byteLength, logEnd - flushed));
      const read = await this.#segments.read(flushed, bytes);
      this.#context.recordWindow.bytes.set(bytes.subarray(0, read));
      const { core, recordWindow } = this.#context;
      if (core.checkRecord(recordWindow, 0, read, flushed) !== "valid") {
        wrong(40, `logicsPhysicalOffset ${flushed} is no record's`);
      } else if (core.decodeRecord(recordWindow, 0, read)!.storeTimestamp !== logicsMsgTimestamp) {
        wrong(
          8,
          `logicsMsgTimestamp ${logicsMsgTimestamp} is not that of the record at logicsPhysicalOffset ${flushed}`,
        );
      }
    }
  }

  #isDamaged(physicalOffset: number): boolean {
    return this.#damaged.some(({ from, to }) => physicalOffset >= from && physicalOffset < to);
  }

  #placeInLog(physicalOffset: number): { file: string; offset: number; physicalOffset: number } {
    const segment = this.#segments.holding(physicalOffset) ?? this.#segments.list.at(-1)!;
    return { file: segment.file, offset: physicalOffset - segment.startOffset, physicalOffset };
  }

  #found(code: FindingCode, finding: Omit<Parameters<Findings["add"]>[0], "code">): void {
    this.#findings.add({ code, ...finding });
  }
}

const states: Readonly<Record<RecordState, string>> = {
  valid: "a valid record",
  blank: "a blank",
  incomplete: "a record that claims more bytes than there are",
  "bad-magic": "neither a record nor a blank",
  "bad-length": "a record whose lengths do not add up",
  "bad-crc": "a record whose checksum does not hold",
  "wrong-offset": "a record of another place in the log",
};

/** A blank record: its length and its magic. */
const blankBytes = 8;

const apacheCuts = "Apache RocketMQ cuts the log here, if it recovers this file";

interface UnitFields {
  readonly physicalOffset: number;
  readonly size: number;
  readonly tagsHigh: number;
  readonly tagsLow: number;
}

function differences(unit: UnitFields, record: UnitFields): string {
  const tags = ({ tagsHigh, tagsLow }: UnitFields): string => String((BigInt(tagsHigh) << 32n) | BigInt(tagsLow >>> 0));
  const told: string[] = [];
  if (unit.physicalOffset !== record.physicalOffset) {
    told.push(`physical offset ${unit.physicalOffset}, not ${record.physicalOffset}`);
  }
  if (unit.size !== record.size) told.push(`size ${unit.size}, not ${record.size}`);
  if (tags(unit) !== tags(record)) told.push(`tags code ${tags(unit)}, not ${tags(record)}`);
  return `the unit says ${told.join("; ")}`;
}
