import type { RecordToEncode, Region } from "../core/core.ts";
import { pendingBytesMax, recordBytesMax } from "../limits.ts";
import { isStoreFull, WasmqError } from "../ports/error.ts";
import type { StorageWrite } from "../ports/log-storage.ts";
import { encodeUtf8 } from "../ports/text.ts";
import type { StoreContext } from "./context.ts";
import type { Due, DueQueue } from "./due-queue.ts";
import { attempt, type Eventually } from "./eventually.ts";
import { innerBatchFlag, innerBatchProperties, needUnwrapFlag } from "./inner-batch.ts";
import type { LogWindows } from "./log-windows.ts";
import type { Queue } from "./queue.ts";
import type { Segment, Segments } from "./segments.ts";

/** A message as the broker hands it over. Body and properties are copied before `append` returns. */
export interface MessageToStore {
  readonly topic: string;
  readonly topicBytes: Uint8Array;
  readonly flag: number;
  readonly sysFlag: number;
  readonly bornTimestamp: number;
  /** As `Core.encodeHost` makes them. */
  readonly bornHost: Uint8Array;
  readonly storeHost: Uint8Array;
  readonly reconsumeTimes: number;
  readonly preparedTransactionOffset: number;
  readonly body: Uint8Array;
  readonly properties: string | Uint8Array;
  /** Added behind them; UTF-8. */
  readonly moreProperties?: Uint8Array | undefined;
  /** The body is a MessageBatch: each of its items becomes a record of its own. */
  readonly batch: boolean;
  /** The body is a MessageBatch of so many messages and becomes one record, for a BatchConsumeQueue; instead of `batch`. */
  readonly innerBatch?: number | undefined;
}

/** Where a message (for a batch: its first) stands. */
export interface StoredMessage {
  readonly physicalOffset: number;
  readonly queueOffset: number;
  readonly storeTimestamp: number;
  /** The size of each record, in order; one, but for a batch. */
  readonly sizes: readonly number[];
}

/**
 * Told once, after `append` has returned: `stored` when the message is kept as the flush mode promises it (ASYNC_FLUSH: in
 * the operating system's hands, so that the death of this process loses nothing; SYNC_FLUSH: on the medium), `failed` when
 * it is not known to be kept. `flushTimedOut`, where a listener has it, in the place of either: SYNC_FLUSH has not ended within
 * syncFlushTimeout; the message is written, and nobody knows yet whether it will be on the medium.
 */
export interface AppendListener {
  stored(message: StoredMessage): void;
  failed(error: WasmqError): void;
  flushTimedOut?(message: StoredMessage): void;
}

/** One record on its way to its queue. */
interface Entry {
  readonly queue: Queue;
  readonly physicalOffset: number;
  readonly size: number;
  readonly tagsHigh: number;
  readonly tagsLow: number;
  readonly messages: number;
  readonly storeTimestamp: number;
  /** Of the last record of an append: whom to tell what; undefined once told. */
  listener: AppendListener | undefined;
  readonly stored: StoredMessage | undefined;
}

/** Records that go to the storage as one group. */
interface Group {
  readonly region: Region;
  length: number;
  /** Where in the region the bytes of which segment begin. */
  readonly pieces: { segment: Segment; at: number; from: number }[];
  entries: Entry[];
  /** When its first record was appended, on the monotonic clock. */
  sinceMs: number;
}

/** Records that are written and wait for their sync. */
interface Unsynced {
  readonly entries: readonly Entry[];
  readonly sinceMs: number;
  /** Their senders were told that it takes too long. */
  isOverdue: boolean;
}

/**
 * The CommitLog: every record of every queue, in order of arrival (org.apache.rocketmq.store.CommitLog).
 *
 * Appending encodes the record where it waits in memory; one write takes all that arrived together, and under SYNC_FLUSH one
 * sync takes all that was written meanwhile. A message becomes visible in its ConsumeQueue, and its sender hears of it, only
 * when it is kept: no consumer ever sees what a crash could take back.
 */
export class CommitLog {
  readonly segments: Segments;
  readonly #windows: LogWindows;
  readonly #context: StoreContext;
  readonly #arrived: (queue: Queue, messages: number, bytes: number) => void;
  readonly #schedule: (task: () => void) => void;
  readonly #onWritten: (offset: number, length: number, from: Region, at: number) => void;
  readonly #onFailure: (error: WasmqError) => void;
  readonly #onGrowth: () => void;
  readonly #onFull: () => void;
  readonly #dues: DueQueue;

  /** The end of what is visible. */
  committedEnd = 0;
  /** Start and store time of the last visible record; 0 before the first. */
  lastCommitted = { physicalOffset: 0, storeTimestamp: 0 };
  /** The end of what is known to be on the medium. */
  syncedEnd = 0;
  /** The end of what is encoded: the physical offset of the next record. */
  #end = 0;

  #lastTimestamp = 0;
  #filling: Group;
  #spare: Group;
  #scheduled = false;
  #writing = false;
  #syncing = false;
  /** In order: those whose sync is under way, and those that wait for the next. */
  #inSync: readonly Unsynced[] = [];
  #awaitingSync: Unsynced[] = [];
  /** Records that are appended and neither kept nor refused. */
  #unkept = 0;
  #overdueDue: Due | undefined;
  #toldBusyAtMs = Number.NEGATIVE_INFINITY;
  readonly #unsynced = new Set<string>();
  /** Ends, well or not, with the sync that is under way. */
  #underWay: Promise<void> | undefined;
  #failure: WasmqError | undefined;
  /** Where a write that found no room may have left bytes behind the log's end. */
  #remains: readonly { readonly file: string; readonly at: number; readonly length: number }[] = [];
  #toldFullAtMs = Number.NEGATIVE_INFINITY;
  /** Who waits for what is under way. */
  readonly #settling: (() => void)[] = [];

  constructor(
    context: StoreContext,
    segments: Segments,
    windows: LogWindows,
    hooks: {
      /** Runs a task once the messages that came together have been appended. */
      schedule: (task: () => void) => void;
      /** Called once per queue and group, after the group's messages became visible. */
      arrived: (queue: Queue, messages: number, bytes: number) => void;
      /** Records were written: `length` bytes at `offset` of the log, which stand in `from` at `at`, until it returns. */
      written: (offset: number, length: number, from: Region, at: number) => void;
      /** The storage failed: nothing more is accepted. Called once. */
      failed: (error: WasmqError) => void;
      /** A file was added. */
      grown: () => void;
      /** The storage had no room for what was to be written. */
      full: () => void;
    },
    dues: DueQueue,
  ) {
    this.#context = context;
    this.#dues = dues;
    this.segments = segments;
    this.#windows = windows;
    this.#schedule = hooks.schedule;
    this.#arrived = hooks.arrived;
    this.#onWritten = hooks.written;
    this.#onFailure = hooks.failed;
    this.#onGrowth = hooks.grown;
    this.#onFull = hooks.full;
    const bytes = Math.max(pendingBytesMax, context.recordWindow.byteLength + recordBytesMax);
    this.#filling = { region: context.core.allocate(bytes), length: 0, pieces: [], entries: [], sinceMs: 0 };
    this.#spare = { region: context.core.allocate(bytes), length: 0, pieces: [], entries: [], sinceMs: 0 };
  }

  /** Memory for two records of the largest size, lent to recovery: nothing is appended before it ends. */
  get recoveryWindow(): Region {
    return this.#filling.region;
  }

  /** Begins where recovery found the log's end. */
  startAt(end: number, lastRecord: { physicalOffset: number; storeTimestamp: number }): void {
    this.#end = end;
    this.segments.writtenEnd = end;
    this.#windows.startAt(end);
    this.syncedEnd = end;
    this.committedEnd = end;
    this.lastCommitted = lastRecord;
    this.#lastTimestamp = lastRecord.storeTimestamp;
  }

  /** Why nothing is accepted any more, if so. */
  get failure(): WasmqError | undefined {
    return this.#failure;
  }

  /**
   * Takes a message for a queue. Throws MESSAGE_ILLEGAL for one that no record can hold, SYSTEM_BUSY when too much waits for
   * the storage or has waited too long, SERVICE_NOT_AVAILABLE after the storage has failed; nothing is changed then and the listener
   * is not called.
   */
  append(message: MessageToStore, queue: Queue, listener: AppendListener): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#writing || this.#syncing) this.#checkPace();
    const { core, clock, options } = this.#context;
    if (message.body.length > options.maxMessageSize) {
      throw new WasmqError(
        "MESSAGE_ILLEGAL",
        `the message body has ${message.body.length} bytes, more than the ${options.maxMessageSize} of maxMessageSize`,
      );
    }
    // Recovery tells stale bytes from what was stored later by it, and searches by time rely on it: it never goes back.
    const storeTimestamp = Math.max(clock.now(), this.#lastTimestamp);
    const { innerBatch } = message;
    const record: RecordToEncode = {
      queueId: queue.queueId,
      flag: message.flag,
      queueOffset: queue.nextOffset,
      sysFlag: innerBatch === undefined ? message.sysFlag : message.sysFlag | innerBatchFlag | needUnwrapFlag,
      bornTimestamp: message.bornTimestamp,
      bornHost: message.bornHost,
      storeTimestamp,
      storeHost: message.storeHost,
      reconsumeTimes: message.reconsumeTimes,
      preparedTransactionOffset: message.preparedTransactionOffset,
      topic: message.topicBytes,
      body: message.body,
      properties: message.properties,
      moreProperties:
        innerBatch === undefined
          ? message.moreProperties
          : encodeUtf8(innerBatchProperties(innerBatch, queue.nextOffset)),
    };
    const sizeMax = message.batch ? core.batchSizeMax(record) : core.recordSizeMax(record);
    if (sizeMax < 0) throw noBatch();
    const group = this.#groupWithRoom(sizeMax + blankBytes);
    if (group.length === 0) group.sinceMs = clock.monotonic();
    if (message.batch) this.#appendBatch(group, record, queue, listener);
    else this.#appendOne(group, record, message, queue, listener);
    this.#lastTimestamp = storeTimestamp;
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#schedule(() => {
        this.#scheduled = false;
        this.#write();
      });
    }
  }

  #appendOne(
    group: Group,
    record: RecordToEncode,
    message: MessageToStore,
    queue: Queue,
    listener: AppendListener,
  ): void {
    const { core, options } = this.#context;
    let encoded = core.encodeRecord(group.region, group.length, this.#end, record);
    if (encoded.size < 0) throw propertiesTooLong();
    if (this.#makeWay(group, encoded.size)) {
      encoded = core.encodeRecord(group.region, group.length, this.#end, record);
    }
    let { tagsHigh, tagsLow } = encoded;
    const code = options.tagsCodeOf?.(message, record.storeTimestamp);
    if (code !== undefined) {
      tagsHigh = Math.floor(code / 2 ** 32);
      tagsLow = code | 0;
    }
    const size = encoded.size;
    group.entries.push({
      queue,
      physicalOffset: this.#end,
      size,
      tagsHigh,
      tagsLow,
      messages: message.innerBatch ?? 1,
      storeTimestamp: record.storeTimestamp,
      listener,
      stored: {
        physicalOffset: this.#end,
        queueOffset: record.queueOffset,
        storeTimestamp: record.storeTimestamp,
        sizes: [size],
      },
    });
    queue.nextOffset += message.innerBatch ?? 1;
    this.#unkept++;
    this.#end += size;
    group.length += size;
  }

  #appendBatch(group: Group, record: RecordToEncode, queue: Queue, listener: AppendListener): void {
    const { core } = this.#context;
    let encoded = core.encodeBatch(group.region, group.length, this.#end, record);
    if (encoded.count <= 0) throw noBatch();
    if (this.#makeWay(group, encoded.size)) {
      encoded = core.encodeBatch(group.region, group.length, this.#end, record);
    }
    const sizes: number[] = [];
    for (let i = 0; i < encoded.count; i++) sizes.push(encoded.sizeOf(i));
    const stored = {
      physicalOffset: this.#end,
      queueOffset: record.queueOffset,
      storeTimestamp: record.storeTimestamp,
      sizes,
    };
    let physicalOffset = this.#end;
    sizes.forEach((size, i) => {
      const last = i === sizes.length - 1;
      group.entries.push({
        queue,
        physicalOffset,
        size,
        tagsHigh: encoded.tagsHighOf(i),
        tagsLow: encoded.tagsLowOf(i),
        messages: 1,
        storeTimestamp: record.storeTimestamp,
        listener: last ? listener : undefined,
        stored: last ? stored : undefined,
      });
      physicalOffset += size;
    });
    queue.nextOffset += sizes.length;
    this.#unkept += sizes.length;
    this.#end = physicalOffset;
    group.length += encoded.size;
  }

  /**
   * Throws SYSTEM_BUSY while the storage lags: what is refused at once can be sent elsewhere, or again, while what is taken would
   * wait longer than its sender does, and need memory meanwhile (DefaultMessageStore.isOSPageCacheBusy).
   */
  #checkPace(): void {
    const { clock, options } = this.#context;
    if (this.#unkept >= options.budget.unkeptMessagesMax) {
      throw this.busy(
        `${this.#unkept} messages wait for the storage (unkeptMessagesMax: ${options.budget.unkeptMessagesMax})`,
      );
    }
    const oldest = this.#inSync[0] ?? this.#awaitingSync[0] ?? (this.#writing ? this.#spare : this.#filling);
    const waitedMs = Math.floor(clock.monotonic() - oldest.sinceMs);
    if (waitedMs > options.osPageCacheBusyTimeOutMs) {
      throw this.busy(
        `a message has waited ${waitedMs}ms for the storage (osPageCacheBusyTimeOutMills: ${options.osPageCacheBusyTimeOutMs})`,
      );
    }
  }

  /** What a sender is told when the rule fires; the operator hears of the first in a while. */
  busy(rule: string): WasmqError {
    const { clock, telemetry } = this.#context;
    const nowMs = clock.monotonic();
    if (nowMs - this.#toldBusyAtMs >= toldEveryMs) {
      this.#toldBusyAtMs = nowMs;
      telemetry.log("warn", "messages are refused: the storage is behind", { rule });
    }
    return new WasmqError("SYSTEM_BUSY", `[PC_SYNCHRONIZED]broker busy, start flow control for a while: ${rule}`);
  }

  /** The group that is being filled, once it has room; SYSTEM_BUSY if it can't get it. */
  #groupWithRoom(bytes: number): Group {
    if (bytes > this.#filling.region.byteLength) {
      throw new WasmqError(
        "MESSAGE_ILLEGAL",
        `the message takes up to ${bytes} bytes as records, more than can be stored at once`,
      );
    }
    if (this.#filling.length + bytes > this.#filling.region.byteLength) this.#write();
    if (this.#filling.length + bytes > this.#filling.region.byteLength) {
      throw this.busy(`${this.#filling.length} bytes wait to be written (pendingBytesMax)`);
    }
    return this.#filling;
  }

  /**
   * Sees to it that the segment has room for `size` bytes at the log's end. Where it has not, it is closed by a blank record
   * and the log goes on in the next one (DefaultAppendMessageCallback.doAppend). True if the end has moved.
   */
  #makeWay(group: Group, size: number): boolean {
    const { core } = this.#context;
    const { segments } = this;
    if (size + blankBytes > segments.fileSize) {
      throw new WasmqError(
        "MESSAGE_ILLEGAL",
        `the message takes ${size} bytes, more than a CommitLog file of ${segments.fileSize} can hold`,
      );
    }
    let current = segments.holding(this.#end);
    let moved = false;
    if (current !== undefined) {
      const remaining = current.startOffset + segments.fileSize - this.#end;
      if (size + blankBytes > remaining) {
        if (group.pieces.length === 0) this.#addPiece(group, current);
        core.encodeBlank(group.region, group.length, remaining);
        group.length += blankBytes;
        this.#end += remaining;
        moved = true;
        // There already where the storage had no room for what was to be written there.
        current = segments.holding(this.#end);
      }
    }
    try {
      if (current === undefined) {
        current = segments.add();
        this.#onGrowth();
      }
    } catch (error) {
      throw isStoreFull(error) ? this.full(error) : this.#fail(error, "a CommitLog file could not be made");
    }
    if (group.pieces.at(-1)?.segment !== current) this.#addPiece(group, current);
    return moved;
  }

  #addPiece(group: Group, segment: Segment): void {
    group.pieces.push({ segment, at: this.#end - segment.startOffset, from: group.length });
  }

  /** Hands what waits to the storage; again and again while more waits, and only one write at a time. */
  #write(): void {
    while (!this.#writing && this.#failure === undefined && this.#filling.length > 0) {
      const group = this.#filling;
      this.#filling = this.#spare;
      this.#spare = group;
      this.#writing = true;
      const end = this.#end;
      const bytes = group.region.bytes;
      const writes: StorageWrite[] = group.pieces.map(({ segment, at, from }, i) => ({
        file: segment.file,
        at,
        bytes: bytes.subarray(from, group.pieces[i + 1]?.from ?? group.length),
      }));
      const { storage } = this.#context;
      const before: Promise<void>[] = group.pieces.flatMap(({ segment }) => segment.creating ?? []);
      if (this.#remains.length > 0) before.push(this.#wipeRemains());
      let isTried = false;
      const write = (): Eventually<void> => {
        isTried = true;
        return storage.write(writes);
      };
      attempt(
        () => (before.length === 0 ? write() : allEnded(before).then(write)),
        () => {
          this.#writing = false;
          // Only now: a sync that began before the write had ended promises nothing of it.
          for (const { file } of writes) this.#unsynced.add(file);
          group.pieces.forEach(({ segment, at, from }, i) => {
            const { length } = writes[i]!.bytes;
            this.#windows.wrote(segment.startOffset + at, length, group.region, from);
            this.#onWritten(segment.startOffset + at, length, group.region, from);
          });
          this.segments.writtenEnd = end;
          const { sinceMs } = group;
          this.#written(this.#emptied(group), sinceMs);
          this.#ended();
        },
        (error) => {
          this.#writing = false;
          if (isStoreFull(error)) {
            if (isTried && !storage.supports.atomicBatch) {
              this.#remains = writes.map(({ file, at, bytes }) => ({ file, at, length: bytes.length }));
            }
            this.#takeBack(group, this.full(error));
          } else {
            const failure = this.#fail(error, "the CommitLog could not be written");
            this.#failAll(this.#emptied(group), failure);
          }
          this.#ended();
        },
      );
      if (this.#writing) return;
    }
  }

  /**
   * What a failed write has left is zeros again, and on the medium, before anything is written there: a record that a loss of power tears
   * would else end with bytes of another one, which may look like properties without a checksum. It needs no room that was not taken.
   */
  async #wipeRemains(): Promise<void> {
    const { storage } = this.#context;
    const remains = this.#remains;
    await storage.write(remains.map(({ file, at, length }) => ({ file, at, bytes: new Uint8Array(length) })));
    for (const { file } of remains) this.#unsynced.add(file);
    await this.#syncFiles();
    this.#remains = [];
  }

  #emptied(group: Group): Entry[] {
    const entries = group.entries;
    group.entries = [];
    group.pieces.length = 0;
    group.length = 0;
    if (this.#filling.length > 0 && !this.#scheduled) {
      this.#scheduled = true;
      this.#schedule(() => {
        this.#scheduled = false;
        this.#write();
      });
    }
    return entries;
  }

  /**
   * The storage had no room for a group: the log goes on where it ended before, and takes messages again as soon as there is
   * room. What was appended behind the group has the wrong place now, and is refused with it.
   */
  #takeBack(group: Group, failure: WasmqError): void {
    const behind = this.#filling;
    const entries = [...group.entries, ...behind.entries];
    for (const { queue, messages } of entries) queue.nextOffset -= messages;
    for (const one of [group, behind]) {
      one.entries = [];
      one.pieces.length = 0;
      one.length = 0;
    }
    this.#end = this.segments.writtenEnd;
    this.#failAll(entries, failure);
  }

  /** What a sender is told when the storage has no room; the operator hears of the first in a while. */
  full(error: unknown): WasmqError {
    this.#onFull();
    const failure = new WasmqError(
      "SERVICE_NOT_AVAILABLE",
      `the store takes no messages: the disk is full: ${messageOf(error)}`,
      { cause: error },
    );
    const nowMs = this.#context.clock.monotonic();
    if (nowMs - this.#toldFullAtMs >= toldEveryMs) {
      this.#toldFullAtMs = nowMs;
      this.#context.telemetry.log("error", failure.message);
    }
    return failure;
  }

  #written(entries: readonly Entry[], sinceMs: number): void {
    if (this.#context.options.flushDiskType === "ASYNC_FLUSH") {
      this.#commit(entries, this.segments.writtenEnd);
      return;
    }
    this.#awaitingSync.push({ entries, sinceMs, isOverdue: false });
    this.#syncGroup();
    this.#watchOverdue();
  }

  /** Syncs what was written, group after group: all that is written during one sync shares the next. */
  #syncGroup(): void {
    if (this.#syncing || this.#awaitingSync.length === 0) return;
    this.#syncing = true;
    this.#inSync = this.#awaitingSync;
    this.#awaitingSync = [];
    const entries =
      this.#inSync.length === 1 ? this.#inSync[0]!.entries : this.#inSync.flatMap(({ entries }) => entries);
    const end = this.segments.writtenEnd;
    const ended = (): void => {
      this.#syncing = false;
      this.#inSync = [];
    };
    attempt(
      () => this.#syncFiles(),
      () => {
        ended();
        this.#commit(entries, end);
        this.#syncGroup();
        this.#ended();
      },
      (error) => {
        ended();
        const failure = this.#fail(error, "the CommitLog could not be flushed");
        this.#failAll(entries, failure);
        this.#ended();
      },
    );
  }

  /** While messages wait for a sync, there is a time at which their senders are told that it takes too long. */
  #watchOverdue(): void {
    const { clock, options } = this.#context;
    if (this.#overdueDue !== undefined || options.syncFlushTimeoutMs === Number.POSITIVE_INFINITY) return;
    const isWaiting = ({ isOverdue }: Unsynced): boolean => !isOverdue;
    const oldest = this.#inSync.find(isWaiting) ?? this.#awaitingSync.find(isWaiting);
    if (oldest === undefined) return;
    const leftMs = oldest.sinceMs + options.syncFlushTimeoutMs - clock.monotonic();
    this.#overdueDue = this.#dues.after(Math.max(0, leftMs), () => {
      this.#overdueDue = undefined;
      this.#tellOverdue();
      this.#watchOverdue();
    });
  }

  #tellOverdue(): void {
    const { clock, options } = this.#context;
    const before = clock.monotonic() - options.syncFlushTimeoutMs;
    for (const group of [...this.#inSync, ...this.#awaitingSync]) {
      if (group.isOverdue || group.sinceMs > before) continue;
      group.isOverdue = true;
      for (const entry of group.entries) {
        if (entry.listener?.flushTimedOut === undefined) continue;
        entry.listener.flushTimedOut(entry.stored!);
        entry.listener = undefined;
      }
    }
  }

  /**
   * Syncs all files written up to now, one sync at a time: one that is under way may have begun before the last write, so it is
   * waited for and not relied upon. All syncs of the log's files go this way: of two at a time one may fail and the other be told nothing of
   * the pages of both, since the system tells each error once.
   */
  #syncFiles(): Eventually<void> {
    if (this.#underWay !== undefined) return this.#underWay.then(() => this.#syncFiles());
    if (this.#failure !== undefined) throw this.#failure;
    const files = [...this.#unsynced];
    const end = this.segments.writtenEnd;
    this.#unsynced.clear();
    const synced = files.length === 0 ? undefined : this.#context.storage.sync(files);
    if (!(synced instanceof Promise)) {
      this.syncedEnd = end;
      return;
    }
    // Its failure reaches who began it, and through `#failure` those who wait for their turn.
    this.#underWay = synced.then(
      () => {
        this.#underWay = undefined;
        this.syncedEnd = end;
      },
      () => {
        this.#underWay = undefined;
      },
    );
    return synced;
  }

  /**
   * Ends when all that was written before the call is on the medium: for ASYNC_FLUSH's timer, checkpoints and the end. `besides`: a file
   * whose folder has changed. Rejects after a failure, and makes one of a failed flush.
   */
  async flush(besides?: string): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (besides !== undefined) this.#unsynced.add(besides);
    try {
      await this.#syncFiles();
    } catch (error) {
      throw this.#fail(error, "the CommitLog could not be flushed");
    }
  }

  /** Ends when nothing waits any more for its write or its sync; throws if the storage has failed. */
  async settle(): Promise<void> {
    for (;;) {
      this.#write();
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#filling.length === 0 && !this.#writing && !this.#syncing && this.#awaitingSync.length === 0) return;
      await new Promise<void>((resolve) => this.#settling.push(resolve));
    }
  }

  /** A write or a sync has ended, well or not. */
  #ended(): void {
    for (const look of this.#settling.splice(0)) look();
  }

  #commit(entries: readonly Entry[], end: number): void {
    this.#unkept -= entries.length;
    const touched: Queue[] = [];
    for (const entry of entries) {
      const { queue, messages } = entry;
      queue.append(entry.physicalOffset, entry.size, entry.tagsHigh, entry.tagsLow, messages, entry.storeTimestamp);
      if (queue.arrivedMessages === 0) touched.push(queue);
      queue.arrivedMessages += messages;
      queue.arrivedBytes += entry.size;
    }
    this.committedEnd = end;
    const last = entries.at(-1);
    if (last !== undefined) {
      this.lastCommitted = { physicalOffset: last.physicalOffset, storeTimestamp: last.storeTimestamp };
    }
    for (const entry of entries) {
      if (entry.stored !== undefined) entry.listener?.stored(entry.stored);
    }
    for (const queue of touched) {
      const { arrivedMessages, arrivedBytes } = queue;
      queue.arrivedMessages = 0;
      queue.arrivedBytes = 0;
      this.#arrived(queue, arrivedMessages, arrivedBytes);
    }
  }

  /** The storage has failed: everything that waits is answered, and nothing is taken any more. */
  #fail(error: unknown, what: string): WasmqError {
    if (this.#failure !== undefined) return this.#failure;
    const failure = new WasmqError(
      "SERVICE_NOT_AVAILABLE",
      `the store takes no messages: ${what}: ${messageOf(error)}`,
      { cause: error },
    );
    this.#failure = failure;
    const waiting = [...this.#awaitingSync.flatMap(({ entries }) => entries), ...this.#filling.entries];
    this.#awaitingSync = [];
    this.#filling.entries = [];
    this.#filling.length = 0;
    this.#schedule(() => this.#failAll(waiting, failure));
    this.#onFailure(failure);
    return failure;
  }

  #failAll(entries: readonly Entry[], failure: WasmqError): void {
    this.#unkept -= entries.length;
    for (const entry of entries) entry.listener?.failed(failure);
  }
}

/** Rejects with the first failure, but not before all have ended: none is to write anything beside what comes next. */
async function allEnded(works: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(works);
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** How often an operator hears that messages are refused, as long as they are now and then. */
const toldEveryMs = 60_000;

/** A blank record: its length and its magic; the rest of the file is left as it is. */
const blankBytes = 8;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Apache answers SYSTEM_ERROR for a batch that it can't read, which has clients send it again. */
function noBatch(): WasmqError {
  return new WasmqError(
    "MESSAGE_ILLEGAL",
    "the body is no well-formed batch of messages, or the properties of one take more than 32767 bytes",
  );
}

function propertiesTooLong(): WasmqError {
  return new WasmqError("MESSAGE_ILLEGAL", "the message properties take more than 32767 bytes");
}
