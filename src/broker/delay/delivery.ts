import { queuesPerTopicMax } from "../../limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { WasmqError } from "../../ports/error.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { encodeUtf8 } from "../../ports/text.ts";
import { type ConfigFile, type ConfigValue, otherMembers, tableIn } from "../../store/config-file.ts";
import type { Due, DueQueue, Later } from "../../store/due-queue.ts";
import type { DecodedRecord, Store } from "../../store/store.ts";
import { type DataVersion, firstVersion, nextVersion, readVersion } from "../data-version.ts";
import { getProperty, property } from "../message/properties.ts";
import { isTopicName } from "../names.ts";
import { scheduleTopic } from "../topic/system-topics.ts";
import type { DelayLevels } from "./delay-levels.ts";

/** Messages of a level under way at once: enough to share writes, few enough to repeat after a crash. */
const deliveredAtOnceMax = 64;

const tableMember = "offsetTable";

/** So many deliveries make another version of the table (BrokerConfig.delayOffsetUpdateVersionStep). */
const deliveriesOfVersion = 200;

/** After trouble with a level, the next try. */
const retryDelayMs = 1_000;

interface Level {
  /** 1-based. */
  readonly level: number;
  /** The next queue offset to deliver. */
  offset: number;
  /** Offsets behind it that are delivered already: of one before them that is not the delivery is tried again. */
  readonly ahead: Set<number>;
  due: Due | undefined;
  /** Messages before `end` were there at a time on the monotonic clock. */
  sighted: { readonly end: number; readonly atMs: number };
  busy: boolean;
  /** Ends when nothing of the level is under way any more. */
  delivering: Promise<void>;
}

/**
 * Delivers delayed messages when their time has come (ScheduleMessageService). All messages of a level wait equally long, so
 * the first of its queue is always the next; one alarm a level is enough. Progress is kept in delayOffset.json: after a crash
 * the last seconds of it are delivered again, never skipped.
 */
export class DelayDelivery {
  readonly #store: Store;
  readonly #levels: DelayLevels;
  readonly #file: ConfigFile;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #dues: DueQueue;
  readonly #queues: Level[];
  #version: DataVersion;
  #delivered = 0;
  /** Of delayOffset.json: members of another broker's version, and levels that there are none of here; written again as they came. */
  #others: ConfigValue = {};
  #otherLevels: ConfigValue = {};
  #dirty = false;
  #stopped = false;
  readonly #persistLater: Later;

  constructor(given: {
    store: Store;
    levels: DelayLevels;
    file: ConfigFile;
    persistDelayMs: number;
    clock: Clock;
    telemetry: Telemetry;
    dues: DueQueue;
  }) {
    this.#store = given.store;
    this.#levels = given.levels;
    this.#file = given.file;
    this.#clock = given.clock;
    this.#telemetry = given.telemetry;
    this.#dues = given.dues;
    this.#version = firstVersion(given.clock);
    this.#persistLater = given.dues.later(given.persistDelayMs, () => {
      this.persist().catch((error) => {
        this.#telemetry.log("error", "delayOffset.json could not be written", { error: `${error}` });
        this.#persistLater.ask();
      });
    });
    this.#queues = Array.from({ length: given.levels.count }, (_, i) => ({
      level: i + 1,
      offset: 0,
      ahead: new Set(),
      due: undefined,
      sighted: { end: 0, atMs: 0 },
      busy: false,
      delivering: Promise.resolve(),
    }));
  }

  async start(): Promise<void> {
    const saved = await this.#file.load((value) => this.#doubt(tableIn(value, tableMember)));
    this.#version = readVersion(saved?.["dataVersion"], this.#clock);
    this.#others = otherMembers(saved, "dataVersion", tableMember);
    const table = saved === undefined ? {} : tableIn(saved, tableMember);
    this.#otherLevels = otherMembers(table, ...this.#queues.map(({ level }) => String(level)));
    for (const queue of this.#queues) {
      const { minOffset, maxOffset } = this.#store.range(scheduleTopic, queue.level - 1);
      const offset = table[String(queue.level)];
      // An offset that is none counts as 0: delivered twice is better than never.
      queue.offset = Math.min(Math.max(typeof offset === "number" ? offset : 0, minOffset), maxOffset);
      this.#deliver(queue);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#persistLater.stop();
    for (const queue of this.#queues) if (queue.due !== undefined) this.#dues.cancel(queue.due);
    await Promise.all(this.#queues.map(({ delivering }) => delivering));
    await this.persist();
  }

  /** A message was parked in the queue of a level. */
  arrived(queueId: number): void {
    const queue = this.#queues[queueId];
    if (queue !== undefined && queue.due === undefined) this.#deliver(queue);
  }

  /** Up to where each level that has messages is delivered, and where it ends. */
  offsets(): { level: number; offset: number; end: number }[] {
    return this.#queues
      .map(({ level, offset }) => ({ level, offset, end: this.#store.range(scheduleTopic, level - 1).maxOffset }))
      .filter(({ end }) => end > 0);
  }

  async persist(): Promise<void> {
    if (!this.#dirty) return this.#file.settled();
    this.#dirty = false;
    try {
      await this.#file.save(() => ({
        ...this.#others,
        dataVersion: this.#version,
        [tableMember]: {
          ...this.#otherLevels,
          ...Object.fromEntries(
            this.#queues.filter(({ offset }) => offset > 0).map(({ level, offset }) => [level, offset]),
          ),
        },
      }));
    } catch (error) {
      this.#dirty = true;
      throw error;
    }
  }

  /** An offset behind a level's end: its messages would never be delivered. */
  #doubt(table: ConfigValue): string | undefined {
    for (const { level } of this.#queues) {
      const offset = table[String(level)];
      const { maxOffset } = this.#store.range(scheduleTopic, level - 1);
      if (typeof offset === "number" && offset > maxOffset && maxOffset > 0) {
        return `the offset ${offset} of level ${level} is behind the queue's end ${maxOffset}`;
      }
    }
    return undefined;
  }

  #deliver(queue: Level): void {
    if (queue.busy || this.#stopped) return;
    queue.busy = true;
    queue.due = undefined;
    queue.delivering = this.#deliverDue(queue)
      .catch((error) => {
        this.#telemetry.log("error", "delayed messages could not be delivered", {
          level: queue.level,
          error: error instanceof Error ? error.message : String(error),
        });
        return this.#clock.monotonic() + retryDelayMs;
      })
      .then((nextAtMs) => {
        queue.busy = false;
        if (this.#stopped) return;
        if (nextAtMs !== undefined) {
          queue.due = this.#dues.at(nextAtMs, () => this.#deliver(queue));
        } else if (queue.offset < this.#store.range(scheduleTopic, queue.level - 1).maxOffset) this.#deliver(queue);
      });
  }

  /** Delivers what is due; when the next message is, on the monotonic clock, or undefined when none waits. */
  async #deliverDue(queue: Level): Promise<number | undefined> {
    const queueId = queue.level - 1;
    for (;;) {
      const { minOffset, maxOffset } = this.#store.range(scheduleTopic, queueId);
      queue.offset = Math.max(queue.offset, minOffset);
      const under: Promise<void>[] = [];
      let failure: unknown;
      let offset = queue.offset;
      let nextAtMs: number | undefined;
      try {
        for (const end = Math.min(maxOffset, offset + deliveredAtOnceMax); offset < end; offset++) {
          if (queue.ahead.has(offset)) continue;
          const at = offset;
          const message = await this.#store.messageAt(scheduleTopic, queueId, at);
          if (message === undefined) {
            queue.ahead.add(at);
            continue;
          }
          const delayMs = this.#levels.delayMs(queue.level);
          const now = this.#clock.now();
          const leftMsMax = delayMs - this.#sightedForMs(queue, at, maxOffset);
          const deliverAtMs = Math.min(message.storeTimestamp + delayMs, now + leftMsMax);
          if (deliverAtMs > now) {
            nextAtMs = this.#clock.monotonic() + deliverAtMs - now;
            break;
          }
          // Caught at once: it may fail while the next message is still being read.
          under.push(
            this.#put(message).then(
              () => void queue.ahead.add(at),
              (error) => {
                failure ??= error;
              },
            ),
          );
        }
      } finally {
        await Promise.all(under);
        this.#advance(queue);
      }
      if (failure !== undefined) throw failure;
      if (nextAtMs !== undefined || this.#stopped) return nextAtMs;
      if (offset >= this.#store.range(scheduleTopic, queueId).maxOffset) return undefined;
    }
  }

  /** What is delivered without a gap is behind. */
  #advance(queue: Level): void {
    const first = queue.offset;
    while (queue.ahead.delete(queue.offset)) queue.offset++;
    if (queue.offset === first) return;
    const before = this.#delivered;
    this.#delivered += queue.offset - first;
    if (Math.floor(this.#delivered / deliveriesOfVersion) > Math.floor(before / deliveriesOfVersion)) {
      this.#version = nextVersion(this.#version, this.#clock);
    }
    this.#dirty = true;
    this.#persistLater.ask();
  }

  /**
   * For how long a message of a level has been there at least. By the wall clock alone, one that is set back by an hour would hold
   * messages for that hour; so none waits for more than twice what its level says.
   */
  #sightedForMs(queue: Level, offset: number, maxOffset: number): number {
    const nowMs = this.#clock.monotonic();
    if (offset >= queue.sighted.end) queue.sighted = { end: maxOffset, atMs: nowMs };
    return nowMs - queue.sighted.atMs;
  }

  /**
   * Stores a message in its real queue as it was when it was parked, its delay left among its properties
   * (ScheduleMessageService.messageTimeUp).
   */
  #put(message: DecodedRecord): Promise<void> {
    const name = getProperty(message.properties, property.realTopic);
    const queueId = Number.parseInt(getProperty(message.properties, property.realQueueId) ?? "", 10);
    // A topic without a config gets its messages all the same, as with Apache: the config may come back.
    if (name === undefined || !isTopicName(name) || !(queueId >= 0 && queueId < queuesPerTopicMax)) {
      this.#telemetry.log("error", "a delayed message names no queue to deliver it to, and is dropped", {
        physicalOffset: message.physicalOffset,
        topic: name ?? "",
      });
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      this.#store.append(
        {
          topic: name,
          topicBytes: encodeUtf8(name),
          flag: message.flag,
          sysFlag: message.sysFlag,
          bornTimestamp: message.bornTimestamp,
          bornHost: message.bornHost,
          storeHost: message.storeHost,
          reconsumeTimes: message.reconsumeTimes,
          preparedTransactionOffset: 0,
          body: message.body,
          properties: message.properties,
          batch: false,
        },
        queueId,
        { stored: () => resolve(), failed: (error: WasmqError) => reject(error) },
      );
    });
  }
}
