import { revivedBytesMax } from "../../limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import type { AppendListener } from "../../store/commit-log.ts";
import type { Due, DueQueue } from "../../store/due-queue.ts";
import { innerBatchFlag, isInnerBatch, needUnwrapFlag } from "../../store/inner-batch.ts";
import type { DecodedRecord, Store } from "../../store/store.ts";
import { batchItems, joinItems, withProperties } from "../message/batch-items.ts";
import { getProperty, hasProperty, property, setProperty } from "../message/properties.ts";
import { type PopRetryVersion, poppedTopicOf, popRetryFlagOf, popRetryTopicOf } from "../names.ts";
import type { ConsumerOffsets } from "../offset/consumer-offsets.ts";
import type { BrokerSettings } from "../settings.ts";
import type { SubscriptionGroups } from "../subscription-group/subscription-groups.ts";
import { reviveQueues } from "../topic/system-topics.ts";
import type { Topic, Topics } from "../topic/topics.ts";
import {
  ackTag,
  batchAckTag,
  type CheckPoint,
  checkPointTag,
  decodeAck,
  decodeCheckPoint,
  popKey,
} from "./check-point.ts";
import { type ReviveLog, reviveGroup } from "./revive-log.ts";

/**
 * How long after its time a check point waits for acknowledgements that were in time: they come by the timer, in their order
 * (PopReviveService waits for two seconds).
 */
const ackWaitMs = 1_000;

/** After trouble with a queue, the next try. */
const retryDelayMs = 1_000;

interface Point {
  readonly check: CheckPoint;
  readonly reviveOffset: number;
  /** Of its messages, those that need not come again. */
  readonly settled: Set<number>;
}

/** One queue of the revive topic. */
interface ReviveQueue {
  readonly queueId: number;
  /** The next to read. */
  offset: number;
  /** Those that are read and not handled, by what acknowledges their messages, in the order they came. */
  readonly points: Map<string, Point>;
  /** Up to here of the timer's time everything has come. */
  readUntilMs: number;
  /** What was there when the broker started: nothing is handled before all of it is read, which may say that it was. */
  readonly startEnd: number;
  due: Due | undefined;
  busy: boolean;
  working: Promise<void>;
}

/**
 * Brings popped messages again that nobody acknowledged in time: a copy of each goes to the retry topic of its group (PopReviveService).
 * Check points and acknowledgements are read from the revive topic, as the timer delivers them; the offset of `reviveGroup` is the last check
 * point that is done with.
 */
export class Revival {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #groups: SubscriptionGroups;
  readonly #offsets: ConsumerOffsets;
  readonly #settings: BrokerSettings;
  readonly #log: ReviveLog;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #dues: DueQueue;
  readonly #deliveredUntilMs: () => number;
  readonly #queues: ReviveQueue[] = [];
  #stopped = false;

  /** `deliveredUntilMs`: of messages for the revive topic that are due before it, none is still on its way. */
  constructor(given: {
    store: Store;
    topics: Topics;
    groups: SubscriptionGroups;
    offsets: ConsumerOffsets;
    settings: BrokerSettings;
    log: ReviveLog;
    clock: Clock;
    telemetry: Telemetry;
    dues: DueQueue;
    deliveredUntilMs: () => number;
  }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#groups = given.groups;
    this.#offsets = given.offsets;
    this.#settings = given.settings;
    this.#log = given.log;
    this.#clock = given.clock;
    this.#telemetry = given.telemetry;
    this.#dues = given.dues;
    this.#deliveredUntilMs = given.deliveredUntilMs;
  }

  start(): void {
    for (let queueId = 0; queueId < reviveQueues; queueId++) {
      const { minOffset, maxOffset } = this.#store.range(this.#log.topic, queueId);
      const done = this.#offsets.find(reviveGroup, this.#log.topic, queueId);
      const queue: ReviveQueue = {
        queueId,
        offset: Math.max(minOffset, done === undefined ? 0 : done + 1),
        points: new Map(),
        readUntilMs: 0,
        startEnd: maxOffset,
        due: undefined,
        busy: false,
        working: Promise.resolve(),
      };
      this.#queues.push(queue);
      if (queue.offset < maxOffset) this.#work(queue);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { due } of this.#queues) if (due !== undefined) this.#dues.cancel(due);
    await Promise.all(this.#queues.map(({ working }) => working));
  }

  /** A check point or an acknowledgement came to a queue of the revive topic. */
  arrived(queueId: number): void {
    const queue = this.#queues[queueId];
    if (queue !== undefined && queue.due === undefined) this.#work(queue);
  }

  #work(queue: ReviveQueue): void {
    if (queue.busy || this.#stopped) return;
    queue.busy = true;
    queue.due = undefined;
    queue.working = this.#reviveDue(queue)
      .catch((error) => {
        this.#telemetry.log("error", "popped messages could not be brought again", {
          reviveQueue: queue.queueId,
          error: error instanceof Error ? error.message : String(error),
        });
        return retryDelayMs;
      })
      .then((delayMs) => {
        queue.busy = false;
        if (this.#stopped) return;
        if (delayMs !== undefined) queue.due = this.#dues.after(delayMs, () => this.#work(queue));
        else if (queue.offset < this.#end(queue)) this.#work(queue);
      });
  }

  #end({ queueId }: ReviveQueue): number {
    return this.#store.range(this.#log.topic, queueId).maxOffset;
  }

  /** Reads what has come and handles what is due; in how long there is more to do, undefined while nothing is known to come. */
  async #reviveDue(queue: ReviveQueue): Promise<number | undefined> {
    for (;;) {
      const untilMs = this.#deliveredUntilMs();
      while (queue.offset < this.#end(queue) && !this.#isFirstDue(queue)) {
        await this.#read(queue);
        if (this.#stopped) return undefined;
      }
      if (queue.offset >= this.#end(queue)) queue.readUntilMs = Math.max(queue.readUntilMs, untilMs);
      for (const [key, point] of queue.points) {
        if (!this.#isDue(queue, point)) break;
        await this.#revive(queue, point);
        queue.points.delete(key);
        this.#offsets.commit(reviveGroup, this.#log.topic, queue.queueId, point.reviveOffset);
        if (this.#stopped) return undefined;
      }
      if (queue.offset < this.#end(queue)) continue;
      const [first] = queue.points.values();
      if (first === undefined) {
        if (queue.offset > 0) this.#offsets.commit(reviveGroup, this.#log.topic, queue.queueId, queue.offset - 1);
        return undefined;
      }
      return Math.max(reviveDelayMsMin, dueAtMs(first) - this.#clock.now());
    }
  }

  #isDue(queue: ReviveQueue, point: Point): boolean {
    return queue.offset >= queue.startEnd && queue.readUntilMs > dueAtMs(point);
  }

  #isFirstDue(queue: ReviveQueue): boolean {
    const [first] = queue.points.values();
    return first !== undefined && this.#isDue(queue, first);
  }

  async #read(queue: ReviveQueue): Promise<void> {
    const reviveOffset = queue.offset;
    const message = await this.#store.messageAt(this.#log.topic, queue.queueId, reviveOffset);
    queue.offset = Math.max(reviveOffset + 1, this.#store.range(this.#log.topic, queue.queueId).minOffset);
    if (message === undefined) return;
    const { body, properties } = message;
    const tag = getProperty(properties, property.tags);
    if (tag === checkPointTag) {
      const check = decodeCheckPoint(body);
      if (check !== undefined) {
        const settled = new Set(check.offsets.filter((_, i) => (check.ackedBits & (1 << i)) !== 0));
        const key = popKey(check);
        // A timer that delivers twice after a crash does not take back what is acknowledged.
        if (!queue.points.has(key)) queue.points.set(key, { check, reviveOffset, settled });
      }
    } else if (tag === ackTag || tag === batchAckTag) {
      const ack = decodeAck(body);
      const point = ack === undefined ? undefined : queue.points.get(popKey(ack));
      if (point !== undefined) for (const offset of ack!.offsets) point.settled.add(offset);
    }
    const deliveredAtMs = Number(getProperty(properties, property.timerDeliverMs));
    if (deliveredAtMs <= this.#clock.now()) queue.readUntilMs = Math.max(queue.readUntilMs, deliveredAtMs);
  }

  async #revive(queue: ReviveQueue, { check, settled }: Point): Promise<void> {
    const { topic, group } = check;
    const left = check.offsets.filter((offset) => !settled.has(offset));
    if (left.length === 0) return;
    if (this.#topics.find(poppedTopicOf(group, topic)) === undefined || !this.#isThere(group)) return;
    const retryTopic = this.#retryTopic(group, topic);
    await this.#topics.saved(retryTopic);
    let part: DecodedRecord[] = [];
    let bytes = 0;
    for (const offset of left) {
      const message = await this.#store.messageAt(topic, check.queueId, offset);
      if (message === undefined) continue;
      part.push(message);
      bytes += message.size;
      if (bytes < revivedBytesMax) continue;
      await this.#putAll(part, retryTopic, check, queue.queueId, settled);
      part = [];
      bytes = 0;
    }
    if (part.length > 0) await this.#putAll(part, retryTopic, check, queue.queueId, settled);
  }

  /** A crash may have taken the config of one that came into being by itself (findSubscriptionGroupConfig makes it again, too). */
  #isThere(group: string): boolean {
    try {
      this.#groups.findOrCreate(group);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * The word that it is done comes once they are kept: of what is written in one go a loss of power may leave the end alone, and the messages would
   * never come. A crash in between brings them a second time.
   */
  async #putAll(
    messages: readonly DecodedRecord[],
    retryTopic: Topic,
    check: CheckPoint,
    reviveQueue: number,
    settled: Set<number>,
  ): Promise<void> {
    const put: number[] = [];
    const underWay: Promise<void>[] = [];
    let refusal: unknown;
    try {
      for (const message of messages) {
        underWay.push(this.#put(message, retryTopic, check));
        put.push(message.queueOffset);
      }
    } catch (error) {
      refusal = error;
    }
    // Those that are put are on their way whatever was refused: what becomes of them is waited for.
    await Promise.all(underWay);
    for (const offset of put) settled.add(offset);
    if (put.length > 0) await kept((listener) => this.#log.revived({ ...check, offsets: put }, reviveQueue, listener));
    if (refusal !== undefined) throw refusal;
  }

  /** As PopReviveService.addRetryTopicIfNotExist: it has one queue, and its group begins at its start. */
  #retryTopic(group: string, topic: string): Topic {
    const version: PopRetryVersion = this.#settings.enableRetryTopicV2 ? 2 : 1;
    const name = popRetryFlagOf(topic) === 0 ? popRetryTopicOf(group, topic, version) : topic;
    const found = this.#topics.findOrCreateForGroup(name, 1, 0);
    if (this.#offsets.find(group, name, 0) === undefined) this.#offsets.commit(group, name, 0, 0);
    return found;
  }

  /** PopReviveService.reviveRetry. */
  #put(message: DecodedRecord, { config, nameBytes }: Topic, check: CheckPoint): Promise<void> {
    let { properties } = message;
    if (message.reconsumeTimes === 0 || !hasProperty(properties, property.firstPopTime)) {
      properties = setProperty(properties, property.firstPopTime, String(check.popTimeMs));
    }
    properties = setProperty(properties, property.originGroup, check.group);
    const { storeHost } = this.#settings;
    // The retry topic has no queue for batches: each message of one comes again by itself.
    const items = isInnerBatch(message) ? batchItems(message.body) : undefined;
    const added = { [property.firstPopTime]: String(check.popTimeMs), [property.originGroup]: check.group };
    const singles = items?.map((item) => withProperties(item, withAll(item.properties, added)) ?? item);
    return kept((listener) =>
      this.#store.append(
        {
          topic: config.topicName,
          topicBytes: nameBytes,
          flag: message.flag,
          sysFlag: message.sysFlag & ~(innerBatchFlag | needUnwrapFlag),
          bornTimestamp: message.bornTimestamp,
          bornHost: storeHost,
          storeHost,
          reconsumeTimes: message.reconsumeTimes + (check.suspend ? 0 : 1),
          preparedTransactionOffset: 0,
          body: singles === undefined ? message.body : joinItems(singles),
          properties,
          batch: singles !== undefined,
        },
        0,
        listener,
      ),
    );
  }
}

function withAll(properties: string, added: Readonly<Record<string, string>>): string {
  return Object.entries(added).reduce((known, [name, value]) => setProperty(known, name, value), properties);
}

/** Ends when what is appended is kept. Throws as `Store.append` does. */
function kept(append: (listener: AppendListener) => void): Promise<void> {
  let listener!: AppendListener;
  const ended = new Promise<void>((resolve, reject) => {
    listener = { stored: () => resolve(), failed: reject };
  });
  append(listener);
  return ended;
}

/** Between looks at a point whose acknowledgements may still be on their way. */
const reviveDelayMsMin = 50;

/** The time of the timer that must have passed before what is not acknowledged comes again. */
function dueAtMs({ check }: Point): number {
  return check.popTimeMs + check.invisibleMs + ackWaitMs;
}
