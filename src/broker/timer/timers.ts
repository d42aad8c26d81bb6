import {
  propertiesBytesMax,
  queuesPerTopicMax,
  timerRollWindowSlotMax,
  timerRoundMsMax,
  timerUnwrittenBytesMax,
} from "../../limits.ts";
import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import type { LogStorage } from "../../ports/log-storage.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { encodeUtf8 } from "../../ports/text.ts";
import type { ConfigFile } from "../../store/config-file.ts";
import type { Due, DueQueue, Later } from "../../store/due-queue.ts";
import type { DecodedRecord, Store } from "../../store/store.ts";
import { encodeTimerCheckpoint } from "../../store/timer/timer-checkpoint.ts";
import { TimerFiles, type Waiting } from "../../store/timer/timer-files.ts";
import { getProperty, hasProperty, property, setProperty } from "../message/properties.ts";
import { isTopicName } from "../names.ts";
import type { BrokerRules } from "../settings.ts";
import { timerTopic } from "../topic/system-topics.ts";
import { long } from "./park.ts";
import { TimerMetrics } from "./timer-metrics.ts";

/** Messages under way at once: enough to share writes, few enough to hold. */
const atOnceMax = 64;

/** After a message could not be stored, the next try. */
const retryDelayMs = 500;

/** What an enqueue time is where a message never was on the wheel: Java's Long.MAX_VALUE. */
const neverEnqueued = "9223372036854775807";

/** How far the wheel is (TimerMessageStore). */
export interface TimerProgress {
  /** By how much the earliest slot is late. */
  readonly readBehindMs: number;
  /** Messages that are not on the wheel yet. */
  readonly unread: number;
  /** Messages on the wheel. */
  readonly waiting: number;
  /** The bytes of config/timercheck, as they were written last. */
  readonly checkpoint: Uint8Array;
  readonly metrics: ReturnType<TimerMetrics["show"]>;
}

/**
 * Delivers messages at times of their own (TimerMessageStore). They come by the queue of a system topic, stand on the wheel until the slot
 * of their time is over, and are stored then in the queue they are for.
 *
 * One loop does all of it: what has come is put onto the wheel before a slot is emptied, so that a recall that was answered counts. A slot
 * that was not emptied whole when the broker died is emptied again: so many messages, and those that were delivered within the last
 * timerFlushIntervalMs, may come twice, and none is lost.
 */
export class Timers {
  readonly #store: Store;
  readonly #rules: BrokerRules;
  readonly #windowSlots: number;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #dues: DueQueue;
  readonly #files: TimerFiles;
  readonly #metrics: TimerMetrics;
  readonly #flushLater: Later;
  #flushing: Promise<void> = Promise.resolve();
  #running: Promise<void> | undefined;
  #due: Due | undefined;
  #started = false;
  #stopped = false;
  /** Of messages whose recall was answered, and is seen here only when their slot is over. See `recallOf`. */
  readonly #lateRecalls = new Set<string>();
  /** Before this offset of the queue all are among those that `#lateRecalls` has, or had. */
  #recallsFoundUntil = 0;
  /** Ends what waits for the next try. */
  #stop!: () => void;
  readonly #whenStopped = new Promise<void>((resolve) => {
    this.#stop = resolve;
  });

  constructor(given: {
    store: Store;
    rules: BrokerRules;
    storage: LogStorage;
    metricsFile: ConfigFile;
    clock: Clock;
    telemetry: Telemetry;
    dues: DueQueue;
  }) {
    const { store, rules, storage, clock, telemetry, dues } = given;
    this.#store = store;
    this.#rules = rules;
    this.#windowSlots = windowSlotsOf(rules);
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#dues = dues;
    this.#files = new TimerFiles({
      ...{ storage, clock, telemetry },
      formats: store.core.timers,
      precisionMs: rules.timerPrecisionMs,
      fileBytes: rules.mappedFileSizeTimerLog,
    });
    this.#metrics = new TimerMetrics(given.metricsFile, clock, telemetry, dues);
    this.#flushLater = dues.later(rules.timerFlushIntervalMs, () => void this.#flush().catch(() => {}));
  }

  /** Messages that wait in the slot of a time. */
  waitingIn(slotMs: number): number {
    return this.#files.num(slotMs);
  }

  /** Of what came and is due by this time of the wall clock, nothing is still to be delivered. */
  get deliveredUntilMs(): number {
    if (!this.#started || this.#store.range(timerTopic, 0).maxOffset > this.#files.queueOffset) return 0;
    return Math.min(this.#clock.now(), this.#files.earliest() ?? Number.POSITIVE_INFINITY);
  }

  /** Undefined where there is no wheel. */
  get progress(): TimerProgress | undefined {
    if (!this.#started) return undefined;
    const nowMs = this.#clock.now();
    return {
      readBehindMs: Math.max(0, nowMs - (this.#files.earliest() ?? nowMs)),
      unread: Math.max(0, this.#store.range(timerTopic, 0).maxOffset - this.#files.queueOffset),
      waiting: this.#files.waiting,
      checkpoint: encodeTimerCheckpoint(this.#files.checkpoint),
      metrics: this.#metrics.show(),
    };
  }

  /** Rejects with STORE_UNREADABLE for files that can't be the wheel's. */
  async start(): Promise<void> {
    if (!this.#rules.timerWheelEnable) return;
    await this.#files.open({
      ...this.#store.range(timerTopic, 0),
      physicalOffset: async (offset) =>
        (await this.#store.placeOf(timerTopic, 0, offset))?.physicalOffset ?? this.#store.end,
    });
    await this.#metrics.load();
    await this.#findLateRecalls();
    this.#started = true;
    this.arrived();
  }

  /** Everything is written down, for others to go on from. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stop();
    this.#flushLater.stop();
    if (this.#due !== undefined) this.#dues.cancel(this.#due);
    await this.#running;
    await this.#flushing.catch(() => {});
    if (!this.#started) return;
    await this.#files.close(() => this.#store.flush());
    await this.#metrics.stop();
  }

  /** Messages came for the wheel, or a slot is over. */
  arrived(): void {
    if (!this.#started || this.#stopped || this.#running !== undefined) return;
    if (this.#due !== undefined) this.#dues.cancel(this.#due);
    this.#due = undefined;
    this.#running = this.#run().then(
      (nextAtMs) => {
        this.#running = undefined;
        // What came while the loop ended was not told to anybody else.
        if (this.#store.range(timerTopic, 0).maxOffset > this.#files.queueOffset) this.arrived();
        else if (nextAtMs !== undefined) this.#wakeAt(nextAtMs);
      },
      (error) => {
        this.#running = undefined;
        this.#log("messages could not be put onto the timer wheel, or taken off", { error: String(error) });
        this.#wakeAt(this.#clock.monotonic() + retryDelayMs);
      },
    );
  }

  #wakeAt(atMs: number): void {
    if (!this.#stopped) this.#due = this.#dues.at(atMs, () => this.arrived());
  }

  /** Does what is to be done now; when there is more, on the monotonic clock, or undefined for when something comes. */
  async #run(): Promise<number | undefined> {
    const { timerPrecisionMs } = this.#rules;
    while (!this.#stopped) {
      // The mark of a recall that was answered in time stands before `maxOffset`, for all slots that are over now: not for those that end
      // while a storage takes its time.
      const wheelTime = this.#wheelTime();
      const { minOffset, maxOffset } = this.#store.range(timerTopic, 0);
      this.#files.queueOffset = Math.max(this.#files.queueOffset, minOffset);
      while (this.#files.queueOffset < maxOffset && !this.#stopped) await this.#enqueue(maxOffset, wheelTime);
      if (this.#stopped) break;
      const slotMs = this.#files.earliest();
      if (slotMs !== undefined && slotMs < wheelTime) {
        await this.#empty(slotMs);
        continue;
      }
      if (this.#store.range(timerTopic, 0).maxOffset > this.#files.queueOffset) continue;
      if (slotMs !== undefined && slotMs < this.#wheelTime()) continue;
      this.#lateRecalls.clear();
      return slotMs === undefined
        ? undefined
        : this.#clock.monotonic() + Math.max(0, slotMs + timerPrecisionMs - this.#clock.now());
    }
    return undefined;
  }

  /** A mark stands behind the message that it takes off: what is overdue at the start must not be delivered before it is seen. */
  async #findLateRecalls(): Promise<void> {
    for (const slotMs of this.#files.slotsBefore(this.#wheelTime())) {
      for (const waiting of await this.#files.inSlot(slotMs)) {
        const mark = waiting.deletes ? await this.#messageOf(waiting) : undefined;
        const recall = mark && recallOf(mark);
        if (recall !== undefined) this.#lateRecalls.add(recall);
      }
    }
    await this.#findRecallsUntil(this.#store.range(timerTopic, 0).maxOffset);
  }

  /** What the marks say that are still to be put onto the wheel, before an offset of their queue. */
  async #findRecallsUntil(end: number): Promise<void> {
    for (let offset = Math.max(this.#files.queueOffset, this.#recallsFoundUntil); offset < end; offset++) {
      const message = await this.#store.messageAt(timerTopic, 0, offset);
      const recall = message && recallOf(message);
      if (recall !== undefined) this.#lateRecalls.add(recall);
    }
    this.#recallsFoundUntil = Math.max(this.#recallsFoundUntil, end);
  }

  /** Puts the next messages of the queue onto the wheel; those whose time has come are delivered. */
  async #enqueue(maxOffset: number, wheelTime: number): Promise<void> {
    const first = this.#files.queueOffset;
    const end = Math.min(maxOffset, first + atOnceMax);
    const delivered: Promise<boolean>[] = [];
    for (let offset = first; offset < end; offset++) {
      const message = await this.#store.messageAt(timerTopic, 0, offset);
      if (message === undefined) continue;
      const outMs = long(getProperty(message.properties, property.timerOutMs) ?? "");
      if (Number.isNaN(outMs)) {
        this.#log("a message for the timer wheel has no time, and is dropped", { offset });
        continue;
      }
      // Its slot is done with. A slot that is over and not yet emptied takes it: there its mark finds it, and an acknowledgement of a pop comes
      // behind its check point.
      if (outMs < wheelTime && outMs < this.#files.readTimeMs) {
        const isMark = hasProperty(message.properties, property.timerDeleteUniqueKey);
        // Its own mark stands behind it.
        if (!isMark) await this.#findRecallsUntil(maxOffset);
        if (!isMark && !isRecalled(message, this.#lateRecalls)) delivered.push(this.#deliver(message, neverEnqueued));
        continue;
      }
      // What a record is given out as may lack the property that only its store has.
      const place = await this.#store.placeOf(timerTopic, 0, offset);
      this.#put(message, place?.size ?? message.size, outMs, Math.min(outMs, wheelTime));
    }
    if ((await Promise.all(delivered)).includes(false)) return;
    this.#files.queueOffset = end;
    this.#flushLater.ask();
    if (this.#files.unwrittenBytes > timerUnwrittenBytesMax) await this.#flush();
  }

  /** TimerMessageStore.doEnqueue: what is further away than the window goes round. */
  #put(message: DecodedRecord, recordSize: number, outMs: number, writeTime: number): void {
    const { timerPrecisionMs } = this.#rules;
    const windowSlots = this.#windowSlots;
    const beyondMs = outMs - writeTime - windowSlots * timerPrecisionMs;
    const rolls = beyondMs >= 0;
    // The last round is not to be one of a moment.
    const isLastButOne = beyondMs < Math.floor(windowSlots / 3) * timerPrecisionMs;
    const roundSlots = isLastButOne ? Math.floor(windowSlots / 2) : windowSlots;
    const delay = rolls ? roundSlots * timerPrecisionMs : outMs - writeTime;
    const topic = getProperty(message.properties, property.realTopic);
    const deletes = getProperty(message.properties, property.timerDeleteUniqueKey) !== undefined;
    this.#files.put({
      ...{ rolls, deletes, writeTime, delay },
      recordSize,
      physicalOffset: message.physicalOffset,
      topicHash: topic === undefined ? 0 : this.#store.core.hashCode(topic),
    });
    this.#metrics.add(topic, deletes ? -1 : 1);
  }

  /** Delivers what is in a slot, in the order in which it came, but for what was recalled (TimerMessageStore.dequeue). */
  async #empty(slotMs: number): Promise<void> {
    const all = await this.#files.inSlot(slotMs);
    const recalled = new Set(this.#lateRecalls);
    for (const waiting of all) {
      if (!waiting.deletes) continue;
      const mark = await this.#messageOf(waiting);
      const recall = mark && recallOf(mark);
      if (recall === undefined) continue;
      // One that would go round longer than its time takes its message off as that comes by.
      if (waiting.rolls) this.#lateRecalls.add(recall);
      else recalled.add(recall);
    }
    const messages = all.filter(({ deletes, rolls }) => rolls || !deletes);
    // A stop waits for the end of the slot: what of it was delivered would come twice.
    for (let from = 0; from < messages.length; from += atOnceMax) {
      const under: Promise<boolean>[] = [];
      for (const waiting of messages.slice(from, from + atOnceMax)) {
        const message = await this.#messageOf(waiting);
        if (message === undefined || (!waiting.rolls && isRecalled(message, recalled))) continue;
        under.push(this.#deliver(message, String(waiting.writeTime), waiting.rolls));
      }
      if ((await Promise.all(under)).includes(false)) return;
    }
    this.#files.passed(slotMs);
    this.#flushLater.ask();
  }

  /** A message that is gone went with its file of the CommitLog, or is damaged. */
  async #messageOf({ physicalOffset, recordSize }: Waiting): Promise<DecodedRecord | undefined> {
    const message = await this.#store.recordAt(physicalOffset, recordSize);
    if (message?.topic === timerTopic) return message;
    this.#log("a message on the timer wheel is not in the CommitLog any more", { physicalOffset });
    return undefined;
  }

  /**
   * Stores a message in the queue it is for, or in that of the wheel once more (TimerMessageStore.convert, doPut). Tries until it is
   * stored; Apache gives up, and drops it, after three times unless it is told otherwise (timerEnableRetryUntilSuccess). False if the broker
   * stops before it could be stored.
   */
  async #deliver(message: DecodedRecord, enqueueTime: string, rolls = false): Promise<boolean> {
    const name = rolls ? timerTopic : getProperty(message.properties, property.realTopic);
    const queueId = rolls ? 0 : Number.parseInt(getProperty(message.properties, property.realQueueId) ?? "", 10);
    // A topic without a config gets its messages all the same, as with Apache: the config may come back.
    if (name === undefined || !isTopicName(name) || !(queueId >= 0 && queueId < queuesPerTopicMax)) {
      this.#log("a timer message names no queue to deliver it to, and is dropped", { topic: name ?? "" });
      return true;
    }
    if (enqueueTime !== neverEnqueued) {
      this.#metrics.add(getProperty(message.properties, property.realTopic), -1);
    }
    const properties = this.#withTimes(message.properties, enqueueTime, rolls);
    for (;;) {
      try {
        await this.#append(message, name, queueId, properties);
        return true;
      } catch (error) {
        if (error instanceof WasmqError && error.code === "MESSAGE_ILLEGAL") {
          this.#log("a timer message can't be stored where it is for, and is dropped", { error: String(error) });
          return true;
        }
        this.#log("a timer message could not be delivered: it is tried again", { error: String(error) });
        if (this.#stopped) return false;
        await this.#pause(retryDelayMs);
      }
    }
  }

  /** Left out where there is no room for them: they only tell. */
  #withTimes(properties: string, enqueueTime: string, rolls: boolean): string {
    let told = setProperty(properties, property.timerEnqueueMs, enqueueTime);
    if (rolls) {
      const rounds = Number.parseInt(getProperty(told, property.timerRollTimes) ?? "0", 10) || 0;
      told = setProperty(told, property.timerRollTimes, String(rounds + 1));
    }
    told = setProperty(told, property.timerDequeueMs, String(this.#clock.now()));
    const bytesMax = told.length * 3;
    return bytesMax > propertiesBytesMax && encodeUtf8(told).length > propertiesBytesMax - crcPropertyBytes
      ? properties
      : told;
  }

  #append(message: DecodedRecord, topic: string, queueId: number, properties: string): Promise<void> {
    const { flag, sysFlag, bornTimestamp, bornHost, storeHost, reconsumeTimes, body } = message;
    return new Promise((resolve, reject) => {
      this.#store.append(
        {
          ...{ topic, flag, sysFlag, bornTimestamp, bornHost, storeHost, reconsumeTimes, body, properties },
          topicBytes: encodeUtf8(topic),
          preparedTransactionOffset: 0,
          batch: false,
        },
        queueId,
        { stored: () => resolve(), failed: reject },
      );
    });
  }

  /** One after the other; what fails is tried again later. */
  #flush(): Promise<void> {
    this.#flushing = this.#flushing
      .catch(() => {})
      .then(() => this.#files.flush(() => this.#store.flush()))
      .catch((error) => {
        this.#log("the timer log could not be written", { error: String(error) });
        this.#flushLater.ask();
        throw error;
      });
    return this.#flushing;
  }

  #pause(ms: number): Promise<void> {
    const waited = new Promise<void>((resolve) => {
      const due = this.#dues.after(ms, resolve);
      void this.#whenStopped.then(() => this.#dues.cancel(due));
    });
    return Promise.race([waited, this.#whenStopped]);
  }

  /** Slots before this time are over. */
  #wheelTime(): number {
    const { timerPrecisionMs } = this.#rules;
    return Math.floor(this.#clock.now() / timerPrecisionMs) * timerPrecisionMs;
  }

  #log(event: string, fields: Record<string, string | number>): void {
    this.#telemetry.log("error", event, fields);
  }
}

/** A window that can't be is the largest, as with Apache (TimerMessageStore's constructor). */
function windowSlotsOf({ timerRollWindowSlot, timerPrecisionMs }: BrokerRules): number {
  const isPossible = timerRollWindowSlot >= 2 && timerRollWindowSlot <= timerRollWindowSlotMax;
  const slots = isPossible ? timerRollWindowSlot : timerRollWindowSlotMax;
  return Math.min(slots, Math.floor(timerRoundMsMax / timerPrecisionMs));
}

/** The property `__CRC32#` needs room, too. */
const crcPropertyBytes = 20;

/** What a mark takes off: its slot's time, and the unique key of a message in that slot; undefined for what is no mark. */
function recallOf({ properties }: DecodedRecord): string | undefined {
  const key = getProperty(properties, property.timerDeleteUniqueKey);
  return key && `${getProperty(properties, property.timerOutMs)} ${key}`;
}

/** Marks of Apache before 5.5 name the topic, too (appendTopicForTimerDeleteKey). */
function isRecalled({ properties }: DecodedRecord, recalled: ReadonlySet<string>): boolean {
  if (recalled.size === 0) return false;
  const slot = getProperty(properties, property.timerOutMs);
  const key = getProperty(properties, property.uniqueKey);
  const topic = getProperty(properties, property.realTopic);
  return key !== undefined && (recalled.has(`${slot} ${key}`) || recalled.has(`${slot} ${topic}+${key}`));
}
