import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Scheduler } from "../../ports/scheduler.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { encodeUtf8 } from "../../ports/text.ts";
import type { DueQueue } from "../../store/due-queue.ts";
import { type Eventually, whenReady } from "../../store/eventually.ts";
import type { DecodedRecord, Store } from "../../store/store.ts";
import type { Producers } from "../client/producers.ts";
import type { DedupWindows } from "../dedup/dedup-windows.ts";
import type { DelayLevels } from "../delay/delay-levels.ts";
import { delayLevelOf, type Parked, park } from "../delay/park.ts";
import { getProperty, property, removeProperty, setProperty } from "../message/properties.ts";
import type { ConsumerOffsets } from "../offset/consumer-offsets.ts";
import type { BrokerSettings } from "../settings.ts";
import type { TimerParking } from "../timer/park.ts";
import { transactionCheckMaxTopic, transactionHalfTopic, transactionOpTopic } from "../topic/system-topics.ts";
import type { Topics } from "../topic/topics.ts";
import { CheckBacks } from "./check-backs.ts";
import { committed, copyOf, destinationOf, immunityMsOf } from "./half.ts";
import { type EndListener, HalfQueue } from "./half-queue.ts";
import { OpLog } from "./op-log.ts";

/** The group whose offsets tell how far both topics were looked at (MixAll.CID_SYS_RMQ_TRANS). */
const group = "CID_RMQ_SYS_TRANS";

/** How a producer wants a transaction to end (EndTransactionRequestHeader). */
export interface EndTransaction {
  readonly producerGroup: string;
  /** Where the half message stands, in the CommitLog and in its queue. */
  readonly physicalOffset: number;
  readonly queueOffset: number;
  readonly outcome: "commit" | "rollback";
  /** It answers a question of the broker's. */
  readonly isAnswer: boolean;
}

/**
 * Messages that consumers see only once their producers say so. The first half of one waits in a queue of the broker's; its end is a request
 * of its own, and where none comes the producers of its group are asked (EndTransactionProcessor, TransactionalMessageServiceImpl).
 */
export class Transactions {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #dedup: DedupWindows;
  readonly #offsets: ConsumerOffsets;
  readonly #levels: DelayLevels;
  readonly #timers: TimerParking;
  readonly #settings: BrokerSettings;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #scheduler: Scheduler;
  readonly #halves = new HalfQueue();
  readonly #ops: OpLog;
  readonly #checkBacks: CheckBacks;
  /** Until it is read which transactions have ended. */
  #loading: Promise<void> | undefined;
  #stopped = false;

  constructor(given: {
    store: Store;
    topics: Topics;
    dedup: DedupWindows;
    producers: Producers;
    offsets: ConsumerOffsets;
    levels: DelayLevels;
    timers: TimerParking;
    settings: BrokerSettings;
    clock: Clock;
    scheduler: Scheduler;
    telemetry: Telemetry;
    dues: DueQueue;
  }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#dedup = given.dedup;
    this.#offsets = given.offsets;
    this.#levels = given.levels;
    this.#timers = given.timers;
    this.#settings = given.settings;
    this.#clock = given.clock;
    this.#telemetry = given.telemetry;
    this.#scheduler = given.scheduler;
    this.#ops = new OpLog(given);
    this.#checkBacks = new CheckBacks({
      ...given,
      halves: this.#halves,
      ops: this.#ops,
      moved: () => this.#keepPositions(),
    });
  }

  /** Offsets and topics are there. */
  start(): void {
    this.#halves.position = this.#positionIn(transactionHalfTopic);
    this.#ops.position = this.#positionIn(transactionOpTopic);
    const { maxOffset } = this.#store.range(transactionHalfTopic, 0);
    this.#loading = this.#load(maxOffset).finally(() => {
      this.#loading = undefined;
      if (!this.#stopped) this.#checkBacks.start();
    });
  }

  /** Ends when what has ended is noted. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loading;
    await this.#checkBacks.stop();
    await this.#ops.stop();
  }

  /** A half message came. */
  arrived(): void {
    if (this.#loading === undefined) this.#checkBacks.arrived();
  }

  /**
   * Ends a transaction; one that has ended stays as it is. Throws, or rejects with, SYSTEM_ERROR if there is no such half message of the
   * group, ILLEGAL_OPERATION where its producers are to be asked first, and what a store refuses a message with.
   */
  end(request: EndTransaction, listener: EndListener): Eventually<void> {
    if (this.#loading !== undefined) return this.#loading.then(() => this.#end(request, listener));
    return this.#end(request, listener);
  }

  /**
   * Has producers asked anew about a transaction, as if they never had been: one that was given up, as a rule. Ends when that is kept. Rejects with
   * SYSTEM_ERROR if there is no such half message, and as `end` does.
   */
  async resume(physicalOffset: number): Promise<void> {
    const message = await this.#store.recordAt(physicalOffset);
    if (
      message === undefined ||
      (message.topic !== transactionHalfTopic && message.topic !== transactionCheckMaxTopic)
    ) {
      throw new WasmqError("SYSTEM_ERROR", `no half message stands at ${physicalOffset}`);
    }
    destinationOf(message);
    const properties = setProperty(message.properties, property.transactionCheckTimes, "0");
    await new Promise<void>((stored, failed) => {
      const copy = copyOf(message, transactionHalfTopic, undefined, properties);
      this.#store.append(copy, 0, { stored: () => stored(), failed });
    });
  }

  #end(request: EndTransaction, listener: EndListener): Eventually<void> {
    return whenReady(this.#store.recordAt(request.physicalOffset), (half) => {
      this.#check(half, request);
      // That it has ended is true only once its message is kept.
      if (this.#halves.awaitEnd(half.queueOffset, listener)) return;
      const live = this.#halves.liveOf(half.queueOffset);
      if (live === undefined) listener.ended();
      else if (request.outcome === "commit") this.#commit(half, live, listener);
      else {
        this.#hasEnded(live);
        listener.ended();
      }
    });
  }

  #commit(half: DecodedRecord, live: number, listener: EndListener): void {
    const destination = destinationOf(half);
    // A topic without a config gets its messages all the same, as with Apache: the config may come back.
    const nameBytes = (topic: string): Uint8Array => this.#topics.find(topic)?.nameBytes ?? encodeUtf8(topic);
    const real = committed(half, destination.topic, nameBytes(destination.topic));
    const parked = this.#park(destination, real.properties);
    const message =
      parked === undefined
        ? real
        : { ...real, topic: parked.topic, topicBytes: nameBytes(parked.topic), properties: parked.properties };
    const queueId = parked?.queueId ?? destination.queueId;
    const ended = (): void => this.#hasEnded(live);
    const failed = (error: WasmqError): void => this.#halves.fail(live, error);
    const found = this.#topics.find(destination.topic);
    const key = found && this.#dedup.keyOf(found, real.properties);
    if (found === undefined || key === undefined) {
      this.#store.append(message, queueId, { stored: ended, failed });
      this.#halves.begin(live, listener);
      return;
    }
    let first = this.#dedup.find(found, key);
    if (first === undefined) {
      const uniqueKey = getProperty(half.properties, property.uniqueKey);
      first = this.#dedup.add(found, { key, queueId: destination.queueId, uniqueKey, recallHandle: undefined });
      try {
        this.#store.append(message, queueId, this.#dedup.storing(found, [first]));
      } catch (error) {
        this.#dedup.forget(found, [first]);
        throw error;
      }
    }
    this.#halves.begin(live, listener);
    const overdue = () => failed(new WasmqError("SYSTEM_BUSY", "the message waits for the storage: it is asked about"));
    this.#dedup.whenKept(first, { kept: ended, flushTimedOut: overdue, failed });
  }

  /**
   * A half message that asks to be delivered later does so from its commit on (HookUtils.handleScheduleMessage). Here none is taken, but a store
   * that an Apache broker had may have some. TRAN_MSG goes, as there: its properties are printed anew.
   */
  #park({ topic, queueId }: ReturnType<typeof destinationOf>, properties: string): Parked | undefined {
    const parked =
      delayLevelOf(properties) > 0
        ? park(topic, queueId, properties, this.#levels)
        : this.#timers.park(topic, queueId, properties);
    if (parked === undefined) return undefined;
    return { ...parked, properties: removeProperty(parked.properties, property.transactionPrepared) };
  }

  #hasEnded(half: number): void {
    this.#halves.end(half);
    this.#ops.note(half);
  }

  /** EndTransactionProcessor.checkPrepareMessage and rejectCommitOrRollback; other topics' messages are no half messages here. */
  #check(half: DecodedRecord | undefined, request: EndTransaction): asserts half is DecodedRecord {
    if (half === undefined || half.topic !== transactionHalfTopic) {
      throw new WasmqError("SYSTEM_ERROR", "Find prepared transaction message failed");
    }
    const { transactionTimeOutMs } = this.#settings;
    const immunityMs = immunityMsOf(half.properties, transactionTimeOutMs);
    if (!request.isAnswer && immunityMs !== undefined) {
      if (this.#clock.now() - half.bornTimestamp > Math.max(immunityMs, transactionTimeOutMs)) {
        throw new WasmqError("ILLEGAL_OPERATION", "the transaction is left to a check: its time of immunity is over");
      }
    }
    if (getProperty(half.properties, property.producerGroup) !== request.producerGroup) {
      throw new WasmqError("SYSTEM_ERROR", "The producer group wrong");
    }
    if (half.queueOffset !== request.queueOffset) {
      throw new WasmqError("SYSTEM_ERROR", "The transaction state table offset wrong");
    }
  }

  async #load(maxOffset: number): Promise<void> {
    const ended = (half: number): void => {
      // One that names what is still to come would end what nobody has ended.
      if (half >= this.#halves.position && half < maxOffset) this.#halves.end(half);
    };
    try {
      await this.#ops.load(ended, () => new Promise((resolve) => this.#scheduler.soon(resolve)));
    } catch (error) {
      this.#telemetry.log("error", "which transactions have ended could not be read", { error: String(error) });
    }
  }

  #positionIn(topic: string): number {
    const { minOffset, maxOffset } = this.#store.range(topic, 0);
    return Math.min(Math.max(this.#offsets.find(group, topic, 0) ?? 0, minOffset), maxOffset);
  }

  #keepPositions(): void {
    try {
      this.#offsets.commit(group, transactionHalfTopic, 0, this.#halves.position);
      this.#offsets.commit(group, transactionOpTopic, 0, this.#ops.position);
    } catch (error) {
      this.#telemetry.log("error", "how far transactions were looked at can't be kept", { error: String(error) });
    }
  }
}
