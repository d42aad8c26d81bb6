import { Core, type DecodedRecord, type Region } from "../core/core.ts";
import { pendingBytesMax, uniqueKeyQueryMessagesMax } from "../limits.ts";
import { isStoreFull, WasmqError } from "../ports/error.ts";
import type { StorageUsage } from "../ports/log-storage.ts";
import type { Ports } from "../ports/ports.ts";
import { decodeUtf8, encodeUtf8 } from "../ports/text.ts";
import { BatchConsumeQueue } from "./batch-consume-queue.ts";
import { type Checkpoint, checkpointBytes, checkpointFile, readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { type AppendListener, CommitLog, type MessageToStore } from "./commit-log.ts";
import { ConfigFile } from "./config-file.ts";
import { makeContext, type StoreContext } from "./context.ts";
import { DeletedQueues, deletedQueuesFile } from "./deleted-queues.ts";
import type { DueQueue, Later } from "./due-queue.ts";
import type { Eventually } from "./eventually.ts";
import { type KeyType, type QueryResult, queryByKey } from "./index-query.ts";
import { IndexService } from "./index-service.ts";
import { LogWindows } from "./log-windows.ts";
import type { StoreOptions } from "./options.ts";
import type { Queue } from "./queue.ts";
import { QueueTable } from "./queue-table.ts";
import { type GetLimits, type GetResult, Reader } from "./reader.ts";
import { type Recovered, Recovery } from "./recovery.ts";
import { Retention } from "./retention.ts";
import { Segments } from "./segments.ts";
import { UnitHealer } from "./unit-healer.ts";

/** Where a search by time lands when no message has exactly that time (org.apache.rocketmq.common.BoundaryType). */
export type Boundary = "LOWER" | "UPPER";

/** Where a message of a queue stands in the CommitLog, and the 64 bits that filters go by. */
export interface QueueUnit {
  readonly physicalOffset: number;
  readonly size: number;
  readonly tagsCode: bigint;
}

/** A queue that has, or had, messages. */
export interface StoredQueue {
  readonly topic: string;
  readonly queueId: number;
  /** It is a BatchConsumeQueue. */
  readonly isOfBatches: boolean;
}

/** So many messages came into a queue, whose records have so many bytes. */
type Arrived = (topic: string, queueId: number, messages: number, bytes: number) => void;

const abortFile = "abort";

/** Holds the offset of the CommitLog behind which the storage has failed. */
const suspectFile = "unsynced";
const writtenAgainBytes = 1024 * 1024;

/** ConsumeQueues written before others get a turn: some 20 us each where its file has to be opened. */
const queuesWrittenAtOnce = 32;

/**
 * The message store (DefaultMessageStore): a CommitLog that holds every message, and ConsumeQueues that tell where the
 * messages of a queue stand in it. Its directory is Apache RocketMQ's, byte for byte.
 */
export class Store {
  /** Hash functions and host encoding are the core's; the broker reaches them through here. */
  readonly core: Core;
  readonly #ports: Ports;
  readonly #context: StoreContext;
  readonly #flushLog: Later;
  readonly #writeQueuesOut: Later;
  readonly #flushThoroughly: Later;
  readonly #queues: QueueTable;
  /** Undefined where messages are not indexed (messageIndexEnable). */
  readonly #index: IndexService | undefined;
  readonly #deleted: DeletedQueues;
  readonly #log: CommitLog;
  readonly #reader: Reader;
  readonly #retention: Retention;
  #checkpoint: Checkpoint | undefined;
  /** Where the log ended at the last thorough flush, or at the start. */
  #thoroughEnd = 0;
  #arrived: Arrived = () => {};
  #queueWork: Promise<void> = Promise.resolve();
  /** The units of all messages before this offset of the CommitLog are on the medium. */
  #flushedEnd = 0;
  /** That the log has failed is being noted down. */
  #marking: Promise<void> | undefined;
  /** A sync of ConsumeQueues has failed: `abort` stays, so that the next start rebuilds what may be missing. */
  #queuesMayLag = false;
  /** The index could not be written when it was tried last: neither the checkpoint nor a clean stop may say that it is whole. */
  #indexLags = false;
  #isOpen = false;
  /** Why no record may be written yet: there was no room for what has to be on the medium before. */
  #unready: WasmqError | undefined;
  #waiting: { message: MessageToStore; queueId: number; listener: AppendListener }[] = [];
  #waitingBytes = 0;

  constructor(ports: Ports, options: StoreOptions, dues: DueQueue) {
    this.#ports = ports;
    this.core = new Core(ports.coreModule, { propertyCrc: options.enabledAppendPropCRC });
    this.#context = makeContext({
      core: this.core,
      storage: ports.storage,
      clock: ports.clock,
      telemetry: ports.telemetry,
      options,
    });
    const segments = new Segments(ports.storage, options.mappedFileSizeCommitLog);
    this.#queues = new QueueTable(this.#context);
    this.#deleted = new DeletedQueues(this.configFile(deletedQueuesFile));
    const windows = new LogWindows(this.#context, segments);
    if (options.messageIndexEnable) {
      this.#index = new IndexService(this.#context, (how) => {
        if (this.#isOpen) this.#keepQueues(how);
      });
    }
    const hooks = {
      schedule: (task: () => void) => ports.scheduler.soon(task),
      arrived: (queue: Queue, messages: number, bytes: number) => {
        this.#maintainLater();
        this.#arrived(queue.topic, queue.queueId, messages, bytes);
      },
      written: (offset: number, length: number, from: Region, at: number) => {
        this.#index?.wrote(offset, length, from, at);
      },
      failed: (error: WasmqError) => {
        ports.telemetry.log("error", error.message);
        this.#marking = this.#markSuspect();
      },
      grown: () => this.#retention.grown(),
      full: () => this.#retention.foundNoRoom(),
    };
    this.#log = new CommitLog(this.#context, segments, windows, hooks, dues);
    const healer = new UnitHealer(this.#context, segments, () => this.#log.committedEnd);
    this.#reader = new Reader(this.#context, segments, windows, healer);
    this.#retention = new Retention(this.#context, {
      segments,
      windows,
      queues: this.#queues,
      dues,
      soon: hooks.schedule,
      inTurn: (work) => this.#inTurn(work),
      flushQueues: () => this.#flushQueues(),
      flushedEnd: () => this.#flushedEnd,
      flushLog: (besides) => this.#log.flush(besides),
      deleteIndexBefore: async (physicalOffset) => this.#index?.deleteBefore(physicalOffset),
    });
    this.#flushLog = dues.later(
      options.flushDiskType === "ASYNC_FLUSH" ? options.flushIntervalCommitLogMs : Number.POSITIVE_INFINITY,
      () => void this.#log.flush().catch(reported),
    );
    this.#writeQueuesOut = dues.later(options.flushIntervalConsumeQueueMs, () => this.#keepQueues("written"));
    this.#flushThoroughly = dues.later(options.flushConsumeQueueThoroughIntervalMs, () => this.#keepQueues("flushed"));
  }

  /** Who is told that messages became visible in a queue; once per queue and group of messages. */
  onArrival(arrived: Arrived): void {
    this.#arrived = arrived;
  }

  /**
   * Recovers the store, whose storage is locked already, and begins to keep it. Rejects with STORE_UNREADABLE; the store is
   * given back then.
   */
  async open(): Promise<Recovered> {
    const { storage, telemetry } = this.#ports;
    try {
      const stats = await storage.list("");
      const clean = !stats.some((stat) => stat.name === abortFile);
      const isSuspect = stats.some((stat) => stat.name === suspectFile);
      for (const { name } of stats) {
        if (name === "commitlog" || name === "consumequeue" || name === "index" || name === "config") {
          throw new WasmqError("STORE_UNREADABLE", `${name} is a file where a folder has to be`);
        }
      }
      await this.#log.segments.load(stats.filter((stat) => /^commitlog\/[^/]+$/.test(stat.name)));
      await this.#queues.load(stats);
      await this.#deleted.load();
      const hadCheckpoint = stats.some((stat) => stat.name === checkpointFile);
      if (!hadCheckpoint) await storage.create(checkpointFile, checkpointBytes);
      this.#checkpoint = await readCheckpoint(storage);
      const startedAt = this.#ports.clock.monotonic();
      await this.#index?.load(
        stats.filter((stat) => /^index\/[^/]+$/.test(stat.name)),
        clean,
        this.#log.segments.endOffset,
        { keptTimestamp: this.#checkpoint.indexMsgTimestamp, isSuspect },
      );
      const recovery = new Recovery(
        this.#context,
        this.#log.segments,
        this.#queues,
        this.#deleted,
        this.#index,
        this.#log.recoveryWindow,
        () => this.#markOpen(),
      );
      let recovered: Recovered;
      try {
        recovered = await recovery.run(this.#checkpoint, hadCheckpoint, clean);
        this.#log.startAt(recovered.end, recovered.lastRecord);
        if (recovered.isUnsure) await this.#syncFrom(recovered.walkedFrom);
      } catch (error) {
        const isOfStorage = !(error instanceof WasmqError && error.code === "STORE_UNREADABLE") && !isStoreFull(error);
        if (isOfStorage && !isSuspect) await this.#markSuspect(this.#checkpoint.logicsPhysicalOffset);
        throw error;
      }
      if (isSuspect) await this.#writeAgain(recovered.end);
      await this.#deleted.cutTo(recovered.end);
      this.#thoroughEnd = recovered.walkedFrom;
      this.#flushedEnd = recovered.walkedFrom;
      await this.#getReady();
      this.#isOpen = true;
      telemetry.log("info", "the store is open", {
        clean,
        end: recovered.end,
        recordsChecked: recovered.records,
        ms: Math.round(this.#ports.clock.monotonic() - startedAt),
      });
      // What recovery has put back stands in memory only.
      if (recovered.records > 0) this.#maintainLater();
      this.#retention.start();
      return recovered;
    } catch (error) {
      await storage.close();
      throw error;
    }
  }

  /**
   * Keeps everything and gives the store back. The store is marked as cleanly stopped only if every ConsumeQueue and the index are
   * whole on the medium: without the mark, recovery makes them so.
   */
  async close(): Promise<void> {
    for (const later of [this.#flushLog, this.#writeQueuesOut, this.#flushThoroughly]) later.stop();
    this.#retention.stop();
    try {
      if (this.#waiting.length > 0) await this.#queueWork;
      await this.#log.settle();
      await this.#inTurn(() => this.#flushQueues());
      if (this.#queuesMayLag || this.#indexLags) {
        const what = this.#queuesMayLag ? "ConsumeQueues" : "the index";
        this.#ports.telemetry.log("warn", `${what} may lag behind: the next start makes it good`);
      } else {
        await this.#ports.storage.delete(abortFile);
      }
    } finally {
      // What a failed sync may have lost the next owner has to know.
      await this.#marking;
      await this.#ports.storage.close();
    }
  }

  /**
   * See `CommitLog.append` and `QueueTable.findOrMake`; SYSTEM_BUSY too when ConsumeQueues can't be written for so long, and
   * SERVICE_NOT_AVAILABLE while the disk is too full.
   */
  append(message: MessageToStore, queueId: number, listener: AppendListener): void {
    const { refusal } = this.#retention;
    if (refusal !== undefined) throw refusal;
    if (this.#unready !== undefined) {
      this.#appendOnceReady(message, queueId, listener, this.#unready);
      return;
    }
    const { queueTails, options } = this.#context;
    const { unwrittenQueueBytesMax } = options.budget;
    if (queueTails.unwrittenBytes > unwrittenQueueBytesMax) {
      throw this.#log.busy(`ConsumeQueues can't be written (unwrittenQueueBytesMax: ${unwrittenQueueBytesMax})`);
    }
    this.#log.append(message, this.#queues.findOrMake(message.topic, queueId), listener);
  }

  /** See `Reader.get`. */
  get(topic: string, queueId: number, offset: number, limits: GetLimits): Eventually<GetResult> {
    return this.#reader.get(this.#queues.find(topic, queueId), offset, limits);
  }

  /** The record that begins at an offset of the CommitLog, or undefined if none does. `size`: how many bytes it is said to have, if that is known. */
  recordAt(physicalOffset: number, size?: number): Eventually<DecodedRecord | undefined> {
    if (physicalOffset >= this.#log.committedEnd) return undefined;
    return this.#reader.recordAt(physicalOffset, size);
  }

  /** The same, as a client gets it. */
  rawRecordAt(physicalOffset: number): Eventually<Uint8Array | undefined> {
    if (physicalOffset >= this.#log.committedEnd) return undefined;
    return this.#reader.rawRecordAt(physicalOffset);
  }

  /**
   * The newest messages of a topic, `messagesMax` at most, that have a key (of KEYS, the unique key, or with type T the tag) and were stored
   * within [beginMs, endMs] (DefaultMessageStore.queryMessage). Times are to the millisecond, where Apache's are to the second.
   */
  async query(
    topic: string,
    key: string,
    messagesMax: number,
    beginMs: number,
    endMs: number,
    { type = "K" }: { readonly type?: KeyType } = {},
  ): Promise<QueryResult> {
    const isKept = (physicalOffset: number): boolean =>
      physicalOffset >= this.#log.segments.minOffset && physicalOffset < this.#log.committedEnd;
    const query = { topic, key, type, messagesMax, beginMs, endMs };
    const pause = () => new Promise<void>((resolve) => this.#ports.scheduler.soon(resolve));
    return queryByKey(this.#context, this.#index, this.#reader, query, isKept, pause);
  }

  /** The newest messages of a topic that have a key and were stored at a time or later, taken apart; see `query`. */
  async messagesByKey(topic: string, key: string, sinceMs: number): Promise<DecodedRecord[]> {
    const { records } = await this.query(topic, key, uniqueKeyQueryMessagesMax, sinceMs, Number.MAX_SAFE_INTEGER);
    const { recordWindow } = this.#context;
    const messages: DecodedRecord[] = [];
    for (let at = 0; at < records.length; ) {
      recordWindow.bytes.set(records.subarray(at, at + recordWindow.byteLength));
      const message = this.core.decodeRecord(recordWindow, 0, Math.min(records.length - at, recordWindow.byteLength));
      if (message === undefined) break;
      messages.push(message);
      at += message.size;
    }
    return messages;
  }

  /** A message as a client gets its record, although none like it stands there. It is as large as one that was stored. */
  asRecord(message: Omit<DecodedRecord, "topic">, topic: string, physicalOffset: number): Uint8Array {
    const { recordWindow, answerWindow } = this.#context;
    const record = { ...message, topic: encodeUtf8(topic) };
    const { size } = this.core.encodeRecord(recordWindow, 0, physicalOffset, record);
    const served = size < 0 ? 0 : this.core.serveRecord(recordWindow, 0, physicalOffset, size, answerWindow, 0);
    if (served === 0) throw new WasmqError("MESSAGE_ILLEGAL", `no record can hold the message at ${physicalOffset}`);
    return answerWindow.bytes.slice(0, served);
  }

  /** The range of readable queue offsets: [minOffset, maxOffset); empty for a queue never written. */
  range(topic: string, queueId: number): { minOffset: number; maxOffset: number } {
    const queue = this.#queues.find(topic, queueId);
    return { minOffset: queue?.minOffset ?? 0, maxOffset: queue?.maxOffset ?? 0 };
  }

  /** The message at a queue offset; undefined if there is none, or none that can be read. */
  async messageAt(topic: string, queueId: number, offset: number): Promise<DecodedRecord | undefined> {
    const queue = this.#queues.find(topic, queueId);
    return queue === undefined ? undefined : this.#reader.messageAt(queue, offset);
  }

  /** See `Reader.servedAs`. */
  servedAs(record: DecodedRecord, topic: Uint8Array, properties: Uint8Array): Uint8Array | undefined {
    return this.#reader.servedAs(record, topic, properties);
  }

  /** Bytes of the CommitLog from the message at a queue offset to the end; 0 if there is no such message. */
  async bytesBehind(topic: string, queueId: number, offset: number): Promise<number> {
    const unit = await this.#queues.find(topic, queueId)?.unitAt(offset);
    return unit === undefined ? 0 : this.#log.committedEnd - unit.physicalOffset;
  }

  /** Where in the CommitLog the message at a queue offset stands, and the bytes of its record; undefined if there is none. */
  async placeOf(
    topic: string,
    queueId: number,
    offset: number,
  ): Promise<{ physicalOffset: number; size: number } | undefined> {
    return this.#queues.find(topic, queueId)?.unitAt(offset);
  }

  /**
   * The offset, or where messages go on behind the record that begins right before it: a batch in one record is handed out, and acknowledged, by
   * the offset of its first message.
   */
  async behindRecord(topic: string, queueId: number, offset: number): Promise<number> {
    const queue = this.#queues.find(topic, queueId);
    if (!(queue instanceof BatchConsumeQueue)) return offset;
    const unit = await queue.unitAt(offset - 1);
    return unit?.queueOffset === offset - 1 ? offset - 1 + unit.messages : offset;
  }

  /** Where the next message will stand in the CommitLog, or behind that. */
  get end(): number {
    return this.#log.committedEnd;
  }

  /** Ends when everything stored so far is on the medium, as far as the flush mode's sync promises it. */
  flush(): Promise<void> {
    return this.#log.flush();
  }

  /** Time at which the message at a queue offset was stored; undefined if there is none. */
  async storeTimeAt(topic: string, queueId: number, offset: number): Promise<number | undefined> {
    return (await this.messageAt(topic, queueId, offset))?.storeTimestamp;
  }

  /**
   * The queue offset that belongs to a time (ConsumeQueue.getOffsetInQueueByTime). LOWER: the first message stored at or
   * after it, `maxOffset` if all are older. UPPER: the last message stored at or before it, `minOffset` if all are newer.
   */
  async offsetByTime(topic: string, queueId: number, timestamp: number, boundary: Boundary): Promise<number> {
    const queue = this.#queues.find(topic, queueId);
    if (queue === undefined) return 0;
    const { minOffset, maxOffset } = queue;
    let low = minOffset;
    let high = maxOffset;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      // Where messages are lost, the next one that is there speaks for them.
      let at = middle;
      let time = await this.storeTimeAt(topic, queueId, at);
      while (time === undefined && ++at < high) time = await this.storeTimeAt(topic, queueId, at);
      if (time !== undefined && (boundary === "LOWER" ? time < timestamp : time <= timestamp)) low = at + 1;
      else high = middle;
    }
    return boundary === "LOWER" ? low : Math.max(minOffset, low - 1);
  }

  /** What is kept of the log: [minOffset, maxOffset); and how much of it is not known to be on the medium. */
  logRange(): { minOffset: number; maxOffset: number; unflushedBytes: number } {
    const { segments, committedEnd, syncedEnd } = this.#log;
    return {
      minOffset: segments.minOffset,
      maxOffset: committedEnd,
      unflushedBytes: Math.max(0, committedEnd - syncedEnd),
    };
  }

  /** See `LogStorage.usage`. */
  async usage(): Promise<StorageUsage | undefined> {
    return this.#ports.storage.usage();
  }

  /** Up to `count` units of a queue from an offset on, which it has, as they are. */
  async units(topic: string, queueId: number, offset: number, count: number): Promise<QueueUnit[]> {
    const queue = this.#queues.find(topic, queueId);
    const units: QueueUnit[] = [];
    let last: number | undefined;
    for (let at = offset; queue !== undefined && at < Math.min(offset + count, queue.maxOffset); at++) {
      const unit = await queue.unitAt(at);
      if (unit === undefined || (queue instanceof BatchConsumeQueue && unit.physicalOffset === last)) continue;
      const { physicalOffset, size, tagsHigh, tagsLow } = unit;
      last = physicalOffset;
      units.push({ physicalOffset, size, tagsCode: (BigInt(tagsHigh) << 32n) | BigInt(tagsLow >>> 0) });
    }
    return units;
  }

  /** Every queue that has, or had, messages. */
  *queues(): Generator<StoredQueue> {
    for (const queue of this.#queues.all()) {
      const { topic, queueId } = queue;
      yield { topic, queueId, isOfBatches: queue instanceof BatchConsumeQueue };
    }
  }

  /** Deletes what is expired, at once and at any hour; a run takes a while, and nobody waits for it. */
  deleteExpired(): void {
    this.#retention.cleanManually();
  }

  /** Ends when the files of ConsumeQueues that only point to what is gone are deleted. */
  deleteExpiredQueues(): Promise<void> {
    return this.#retention.cleanQueues();
  }

  /**
   * Takes away the queues of a topic, unless messages are on their way into them; those in the CommitLog stay there. Ends when no start finds
   * them again.
   */
  deleteQueues(topic: string): Promise<void> {
    return this.#inTurn(async () => {
      // Where the log would be cut shorter, other messages would stand before the end that is noted.
      await this.#log.flush();
      const queues = this.#queues.remove(topic);
      // What is sent to the topic from now on stands behind it.
      const end = queues.reduce((last, { physicalEnd }) => Math.max(last, physicalEnd), 0);
      for (const queue of queues) await queue.destroy();
      if (end > 0) await this.#deleted.add(topic, end, this.#log.segments.minOffset);
    });
  }

  /** Ends when nothing waits for its write or its sync; rejects if the storage has failed. */
  settle(): Promise<void> {
    return this.#log.settle();
  }

  /** The JSON file `name` below `config/`. */
  configFile(name: string): ConfigFile {
    return new ConfigFile(this.#ports.storage, this.#ports.telemetry, (bytes) => this.core.crc32(bytes), name);
  }

  /**
   * What has to be on the medium before a record may be written: that the store is open, and what recovery took off the index. A full disk
   * keeps nobody from reading: without room for it the store is open and takes no messages.
   */
  async #getReady(): Promise<void> {
    try {
      await this.#markOpen();
      if (this.#index?.hasDropped) await this.#keepDropped(this.#index);
      this.#unready = undefined;
      // In this turn: nothing that is sent from now on is to overtake them.
      this.#takeWaiting();
    } catch (error) {
      if (!isStoreFull(error)) throw error;
      this.#unready = this.#log.full(error);
    }
  }

  /** Has what there was no room for tried again; what is sent meanwhile waits for that, as far as memory goes. */
  #appendOnceReady(message: MessageToStore, queueId: number, listener: AppendListener, unready: WasmqError): void {
    const bytes = message.body.length + message.properties.length;
    // After any other failure than that of a full disk nothing is taken any more.
    if (!isStoreFull(unready.cause) || this.#waitingBytes + bytes > pendingBytesMax) throw unready;
    this.#waitingBytes += bytes;
    // Bodies and properties are the caller's again when this returns.
    const { body, properties, moreProperties } = message;
    const copy: MessageToStore = {
      ...message,
      body: body.slice(),
      properties: typeof properties === "string" ? properties : properties.slice(),
      moreProperties: moreProperties?.slice(),
    };
    this.#waiting.push({ message: copy, queueId, listener });
    if (this.#waiting.length > 1) return;
    this.#inTurn(() => this.#getReady())
      .catch((error) => {
        this.#unready = new WasmqError("SERVICE_NOT_AVAILABLE", `the store takes no messages: ${error}`, {
          cause: error,
        });
        this.#ports.telemetry.log("error", this.#unready.message);
      })
      .then(() => this.#takeWaiting());
  }

  #takeWaiting(): void {
    this.#waitingBytes = 0;
    for (const { message, queueId, listener } of this.#waiting.splice(0)) {
      try {
        if (this.#unready !== undefined) throw this.#unready;
        this.append(message, queueId, listener);
      } catch (error) {
        listener.failed(error instanceof WasmqError ? error : new WasmqError("SYSTEM_ERROR", String(error)));
      }
    }
  }

  /** Puts `abort` there, or ours in the place of a dead owner's: at no moment is an unclean store without one. */
  async #markOpen(): Promise<void> {
    const { storage } = this.#ports;
    const fresh = `${abortFile}.tmp`;
    const owner = encodeUtf8(storage.owner);
    const before = new Uint8Array(owner.length + 1);
    // A host without processes never has another owner, and is started too often to write the same again.
    const length = await storage.read(abortFile, 0, before);
    if (length === owner.length && owner.every((byte, i) => byte === before[i])) {
      // Who wrote it may have died before it lasted.
      await storage.sync([abortFile]);
      return;
    }
    await storage.delete(fresh);
    await storage.create(fresh, owner.length);
    await storage.write([{ file: fresh, at: 0, bytes: owner }]);
    await storage.rename(fresh, abortFile);
    await storage.sync([abortFile]);
  }

  /**
   * The storage has failed, and of what was written behind the last sync nobody knows whether it is on the medium: Linux takes it for
   * written from then on, and a sync by the next owner would say nothing of it (fsync(2), errors are told once). For that owner, who
   * needs to know only as long as the system remembers those bytes, it is noted down from where on: of the CommitLog `from`, of what is made
   * of it what recovery looks at.
   */
  async #markSuspect(from = this.#log.syncedEnd): Promise<void> {
    const { storage } = this.#ports;
    if (storage.supports.atomicBatch) return;
    const bytes = encodeUtf8(String(from));
    try {
      await storage.delete(suspectFile);
      await storage.create(suspectFile, bytes.length);
      await storage.write([{ file: suspectFile, at: 0, bytes }]);
    } catch {
      // It takes nothing any more: the next owner can't open the store either.
    }
  }

  /** Writes and syncs once more what was not known to be on the medium when the storage failed, or fails as it did. */
  async #writeAgain(end: number): Promise<void> {
    const { storage, telemetry } = this.#ports;
    const { segments } = this.#log;
    const noted = new Uint8Array(32);
    const length = await storage.read(suspectFile, 0, noted);
    const from = Math.max(segments.minOffset, Number.parseInt(decodeUtf8(noted.subarray(0, length)), 10) || 0);
    const files = new Set<string>();
    for (let at = from; at < end; ) {
      const segment = segments.holding(at)!;
      const bytes = new Uint8Array(Math.min(writtenAgainBytes, end - at, segment.startOffset + segments.fileSize - at));
      await segments.read(at, bytes);
      await storage.write([{ file: segment.file, at: at - segment.startOffset, bytes }]);
      files.add(segment.file);
      at += bytes.length;
    }
    for (const queue of this.#queues.all()) await queue.writeAgain();
    if (files.size > 0) await storage.sync([...files]);
    await storage.delete(suspectFile);
    telemetry.log("warn", "the storage had failed: what it may not have kept was written again", { from, end });
  }

  /**
   * What the owner before has written and not synced is there as long as the system is: nobody is to see it, and nothing is to be built on
   * it, before it lasts. All files at once, and so in their order: one that lasts without the one before it would be none of the log's.
   */
  async #syncFrom(offset: number): Promise<void> {
    const { segments } = this.#log;
    const files = this.#index?.takeUnsure() ?? [];
    for (const { file, startOffset } of segments.list) if (startOffset + segments.fileSize > offset) files.push(file);
    if (files.length > 0) await this.#ports.storage.sync(files);
  }

  /** See `IndexService.hasDropped`. */
  async #keepDropped(index: IndexService): Promise<void> {
    try {
      await index.flush();
    } catch (error) {
      if (index.lags) await this.#markSuspect();
      throw error;
    }
  }

  /** Messages came: they are to be flushed, and their units written, in a while. */
  #maintainLater(): void {
    this.#flushLog.ask();
    this.#writeQueuesOut.ask();
    this.#flushThoroughly.ask();
    const { flushConsumeQueueThoroughBytes } = this.#context.options;
    if (this.#log.committedEnd - this.#thoroughEnd >= flushConsumeQueueThoroughBytes) {
      this.#thoroughEnd = this.#log.committedEnd;
      this.#keepQueues("flushed");
    }
  }

  #keepQueues(how: "written" | "flushed"): void {
    this.#inTurn(() => (how === "flushed" ? this.#flushQueues() : this.#writeQueues())).catch((error) => {
      this.#lookForRoom(error);
      // ConsumeQueues can be rebuilt, so their trouble loses nothing: what could not be written is written later.
      this.#ports.telemetry.log("error", "a ConsumeQueue could not be written", { error: String(error) });
      this.#writeQueuesOut.ask();
      this.#flushThoroughly.ask();
    });
  }

  #lookForRoom(error: unknown): void {
    if (isStoreFull(error)) this.#retention.foundNoRoom();
  }

  /** Work on the ConsumeQueues' files, one after the other. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#queueWork.then(work);
    this.#queueWork = turn.catch(() => {});
    return turn;
  }

  async #writeQueues(): Promise<void> {
    let written = 0;
    for (const queue of this.#queues.all()) {
      if (queue.dirtyBytes === 0) continue;
      await queue.writeOut();
      // Each may open a file: of thousands of queues, clients are not to wait for all.
      if (++written % queuesWrittenAtOnce === 0)
        await new Promise<void>((resolve) => this.#ports.scheduler.soon(resolve));
    }
    await this.#tryIndex((index) => index.writeEntries());
  }

  /** What the index can't write now it writes later; ConsumeQueues don't wait for it. */
  async #tryIndex(work: (index: IndexService) => Promise<void>): Promise<void> {
    if (this.#index === undefined) return;
    try {
      await work(this.#index);
      this.#indexLags = this.#index.lags;
    } catch (error) {
      this.#indexLags = true;
      if (this.#index.lags) await this.#markSuspect();
      this.#lookForRoom(error);
      this.#ports.telemetry.log("error", "the index could not be written", { error: String(error) });
      this.#flushThoroughly.ask();
    }
  }

  /** Makes every ConsumeQueue and the index last, and says so in the checkpoint: recovery begins no earlier than it needs to. */
  async #flushQueues(): Promise<void> {
    const { storage } = this.#ports;
    const last = this.#log.lastCommitted;
    const end = this.#log.committedEnd;
    await this.#writeQueues();
    const files: string[] = [];
    await this.#tryIndex((index) => index.write(files));
    await this.#log.flush();
    for (const queue of this.#queues.all()) queue.takeUnsynced(files);
    try {
      if (files.length > 0) await storage.sync(files);
    } catch (error) {
      // What a failed sync has kept, no later one can tell: only recovery makes the units sure again.
      this.#queuesMayLag = true;
      await this.#markSuspect();
      throw error;
    }
    if (this.#queuesMayLag) return;
    this.#flushedEnd = end;
    if (!this.#indexLags) await this.#tryIndex((index) => index.writeHeaders());
    if (this.#checkpoint === undefined || this.#indexLags || last.storeTimestamp === 0) return;
    this.#checkpoint.physicMsgTimestamp = last.storeTimestamp;
    this.#checkpoint.logicsMsgTimestamp = last.storeTimestamp;
    this.#checkpoint.logicsPhysicalOffset = last.physicalOffset;
    const { indexMsgTimestamp } = this.#checkpoint;
    this.#checkpoint.indexMsgTimestamp = Math.max(indexMsgTimestamp, this.#index?.fullTimestamp ?? 0);
    await writeCheckpoint(storage, this.#checkpoint);
    await storage.sync([checkpointFile]);
  }
}

/** The CommitLog has told of its failure already. */
function reported(): void {}

export type { DecodedRecord };
