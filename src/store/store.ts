import { Core, type DecodedRecord } from "../core/core.ts";
import { WasmqError } from "../ports/error.ts";
import type { Ports } from "../ports/ports.ts";
import { encodeUtf8 } from "../ports/text.ts";
import { type Checkpoint, checkpointBytes, checkpointFile, readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { type AppendListener, CommitLog, type MessageToStore } from "./commit-log.ts";
import { ConfigFile } from "./config-file.ts";
import { makeContext, type StoreContext } from "./context.ts";
import type { DueQueue, Later } from "./due-queue.ts";
import type { Eventually } from "./eventually.ts";
import type { StoreOptions } from "./options.ts";
import { QueueTable } from "./queue-table.ts";
import { type GetLimits, type GetResult, Reader } from "./reader.ts";
import { type Recovered, Recovery } from "./recovery.ts";
import { Segments } from "./segments.ts";

/** Where a search by time lands when no message has exactly that time (org.apache.rocketmq.common.BoundaryType). */
export type Boundary = "LOWER" | "UPPER";

const abortFile = "abort";

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
  readonly #log: CommitLog;
  readonly #reader: Reader;
  #checkpoint: Checkpoint | undefined;
  /** Where the log ended at the last thorough flush, or at the start. */
  #thoroughEnd = 0;
  #arrived: (topic: string, queueId: number) => void = () => {};
  #queueWork: Promise<void> = Promise.resolve();
  /** A sync of ConsumeQueues has failed: `abort` stays, so that the next start rebuilds what may be missing. */
  #queuesMayLag = false;

  constructor(ports: Ports, options: StoreOptions, dues: DueQueue) {
    this.#ports = ports;
    this.core = new Core(ports.coreModule);
    this.#context = makeContext({
      core: this.core,
      storage: ports.storage,
      clock: ports.clock,
      telemetry: ports.telemetry,
      options,
    });
    const segments = new Segments(ports.storage, options.mappedFileSizeCommitLog);
    this.#queues = new QueueTable(this.#context);
    this.#log = new CommitLog(this.#context, segments, {
      schedule: (task) => ports.scheduler.soon(task),
      arrived: (queue) => {
        this.#maintainLater();
        this.#arrived(queue.topic, queue.queueId);
      },
      failed: (error) => ports.telemetry.log("error", error.message),
    });
    this.#reader = new Reader(this.#context, segments);
    this.#flushLog = dues.later(
      options.flushDiskType === "ASYNC_FLUSH" ? options.flushIntervalCommitLogMs : Number.POSITIVE_INFINITY,
      () => void this.#log.flush().catch(reported),
    );
    this.#writeQueuesOut = dues.later(options.flushIntervalConsumeQueueMs, () => this.#keepQueues("written"));
    this.#flushThoroughly = dues.later(options.flushConsumeQueueThoroughIntervalMs, () => this.#keepQueues("flushed"));
  }

  /** Who is told that messages became visible in a queue; once per queue and group of messages. */
  onArrival(arrived: (topic: string, queueId: number) => void): void {
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
      for (const { name } of stats) {
        if (name === "commitlog" || name === "consumequeue" || name === "config") {
          throw new WasmqError("STORE_UNREADABLE", `${name} is a file where a folder has to be`);
        }
      }
      await this.#log.segments.load(stats.filter((stat) => /^commitlog\/[^/]+$/.test(stat.name)));
      await this.#queues.load(stats);
      if (!stats.some((stat) => stat.name === checkpointFile)) await storage.create(checkpointFile, checkpointBytes);
      this.#checkpoint = await readCheckpoint(storage);
      const startedAt = this.#ports.clock.monotonic();
      const recovery = new Recovery(this.#context, this.#log.segments, this.#queues, this.#log.recoveryWindow);
      const recovered = await recovery.run(this.#checkpoint, clean);
      this.#log.startAt(recovered.end, recovered.lastRecord);
      this.#thoroughEnd = recovered.walkedFrom;
      await this.#markOpen();
      telemetry.log("info", "the store is open", {
        clean,
        end: recovered.end,
        recordsChecked: recovered.records,
        ms: Math.round(this.#ports.clock.monotonic() - startedAt),
      });
      // What recovery has put back stands in memory only.
      if (recovered.records > 0) this.#maintainLater();
      return recovered;
    } catch (error) {
      await storage.close();
      throw error;
    }
  }

  /**
   * Keeps everything and gives the store back. The store is marked as cleanly stopped only if every ConsumeQueue is whole on
   * the medium: without the mark, recovery makes it so.
   */
  async close(): Promise<void> {
    for (const later of [this.#flushLog, this.#writeQueuesOut, this.#flushThoroughly]) later.stop();
    try {
      await this.#log.settle();
      await this.#inTurn(() => this.#flushQueues());
      if (this.#queuesMayLag) {
        this.#ports.telemetry.log("warn", "ConsumeQueues may lag behind: the next start makes them whole");
      } else {
        await this.#ports.storage.delete(abortFile);
      }
    } finally {
      await this.#ports.storage.close();
    }
  }

  /** See `CommitLog.append`. */
  append(message: MessageToStore, queueId: number, listener: AppendListener): void {
    this.#log.append(message, this.#queues.findOrCreate(message.topic, queueId), listener);
  }

  /** See `Reader.get`. */
  get(topic: string, queueId: number, offset: number, limits: GetLimits): Eventually<GetResult> {
    return this.#reader.get(this.#queues.find(topic, queueId), offset, limits);
  }

  /** The record that begins at an offset of the CommitLog, or undefined if none does. */
  recordAt(physicalOffset: number): Eventually<DecodedRecord | undefined> {
    if (physicalOffset >= this.#log.committedEnd) return undefined;
    return this.#reader.recordAt(physicalOffset);
  }

  /** The same, as a client gets it. */
  rawRecordAt(physicalOffset: number): Eventually<Uint8Array | undefined> {
    if (physicalOffset >= this.#log.committedEnd) return undefined;
    return this.#reader.rawRecordAt(physicalOffset);
  }

  /** The range of readable queue offsets: [minOffset, maxOffset); empty for a queue never written. */
  range(topic: string, queueId: number): { minOffset: number; maxOffset: number } {
    const queue = this.#queues.find(topic, queueId);
    return { minOffset: queue?.minOffset ?? 0, maxOffset: queue?.maxOffset ?? 0 };
  }

  /** The message at a queue offset; undefined if there is none, or none that can be read. */
  async messageAt(topic: string, queueId: number, offset: number): Promise<DecodedRecord | undefined> {
    const queue = this.#queues.find(topic, queueId);
    if (queue === undefined || offset < queue.minOffset) return undefined;
    const unit = await queue.unitAt(offset);
    return unit === undefined ? undefined : this.#reader.recordAt(unit.physicalOffset);
  }

  /** Bytes of the CommitLog from the message at a queue offset to the end; 0 if there is no such message. */
  async bytesBehind(topic: string, queueId: number, offset: number): Promise<number> {
    const unit = await this.#queues.find(topic, queueId)?.unitAt(offset);
    return unit === undefined ? 0 : this.#log.committedEnd - unit.physicalOffset;
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

  /** Every queue that has, or had, messages. */
  *queues(): Generator<{ topic: string; queueId: number }> {
    for (const { topic, queueId } of this.#queues.all()) yield { topic, queueId };
  }

  /** Ends when nothing waits for its write or its sync; rejects if the storage has failed. */
  settle(): Promise<void> {
    return this.#log.settle();
  }

  /** The JSON file `name` below `config/`. */
  configFile(name: string): ConfigFile {
    return new ConfigFile(this.#ports.storage, this.#ports.telemetry, name);
  }

  /** Puts `abort` there, or ours in the place of a dead owner's: at no moment is an unclean store without one. */
  async #markOpen(): Promise<void> {
    const { storage } = this.#ports;
    const fresh = `${abortFile}.tmp`;
    const owner = encodeUtf8(storage.owner);
    const before = new Uint8Array(owner.length + 1);
    // A host without processes never has another owner, and is started too often to write the same again.
    const length = await storage.read(abortFile, 0, before);
    if (length === owner.length && owner.every((byte, i) => byte === before[i])) return;
    await storage.delete(fresh);
    await storage.create(fresh, owner.length);
    await storage.write([{ file: fresh, at: 0, bytes: owner }]);
    await storage.rename(fresh, abortFile);
    await storage.sync([abortFile]);
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
      // ConsumeQueues can be rebuilt, so their trouble loses nothing: what could not be written is written later.
      this.#ports.telemetry.log("error", "a ConsumeQueue could not be written", { error: String(error) });
      this.#writeQueuesOut.ask();
      this.#flushThoroughly.ask();
    });
  }

  /** Work on the ConsumeQueues' files, one after the other. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#queueWork.then(work);
    this.#queueWork = turn.catch(() => {});
    return turn;
  }

  async #writeQueues(): Promise<void> {
    for (const queue of this.#queues.all()) {
      if (queue.dirtyBytes > 0) await queue.writeOut();
    }
  }

  /** Makes every ConsumeQueue last, and says so in the checkpoint: recovery begins no earlier than it needs to. */
  async #flushQueues(): Promise<void> {
    const { storage } = this.#ports;
    const last = this.#log.lastCommitted;
    await this.#writeQueues();
    await this.#log.flush();
    const files: string[] = [];
    for (const queue of this.#queues.all()) queue.takeUnsynced(files);
    try {
      if (files.length > 0) await storage.sync(files);
    } catch (error) {
      // What a failed sync has kept, no later one can tell: only recovery makes the units sure again.
      this.#queuesMayLag = true;
      throw error;
    }
    if (this.#checkpoint === undefined || this.#queuesMayLag || last.storeTimestamp === 0) return;
    this.#checkpoint.physicMsgTimestamp = last.storeTimestamp;
    this.#checkpoint.logicsMsgTimestamp = last.storeTimestamp;
    this.#checkpoint.logicsPhysicalOffset = last.physicalOffset;
    await writeCheckpoint(storage, this.#checkpoint);
    await storage.sync([checkpointFile]);
  }
}

/** The CommitLog has told of its failure already. */
function reported(): void {}

export type { DecodedRecord };
