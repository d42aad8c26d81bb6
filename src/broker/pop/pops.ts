import { pullHoldMsMax, pullUnitsMax } from "../../limits.ts";
import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import { encodeUtf8 } from "../../ports/text.ts";
import type { DueQueue } from "../../store/due-queue.ts";
import type { GetResult } from "../../store/reader.ts";
import type { Store } from "../../store/store.ts";
import type { Client } from "../client/client.ts";
import { hasProperty, property, setProperty } from "../message/properties.ts";
import { popRetryFlagOf } from "../names.ts";
import type { ConsumerOffsets } from "../offset/consumer-offsets.ts";
import { type Wanted, wantedBy } from "../pull/pull.ts";
import { ReadTurns } from "../pull/read-turns.ts";
import type { BrokerSettings } from "../settings.ts";
import type { SubscriptionGroups } from "../subscription-group/subscription-groups.ts";
import type { Topics } from "../topic/topics.ts";
import { checkInvisibleTime, poppedAtOnceMax } from "./check-point.ts";
import { HeldPops, type WaitsForMessages } from "./held-pops.ts";
import { joinBytes } from "./join-bytes.ts";
import type { Consumed, OrderInfos } from "./order-info.ts";
import type { PopQueue, PopQueues, PopTarget } from "./pop-queues.ts";
import { orderlyReviveQueue, PopPlaces, printReceipt } from "./receipt.ts";
import type { Listener, ReviveLog } from "./revive-log.ts";

/** A consumer's request for messages that are its own for a while (PopMessageRequestHeader). */
export interface Pop extends PopTarget {
  readonly messagesMax: number;
  readonly invisibleMs: number;
  /** How long to wait for messages where there are none; 0 for not at all. */
  readonly pollMs: number;
  /** Where a group begins that never read a queue. */
  readonly initMode: "min" | "max";
  /** Undefined for all messages. */
  readonly expression: { readonly text: string; readonly type: string | undefined } | undefined;
  /** When it was asked, if that was before the broker started; undefined for now. */
  readonly askedAtMs?: number | undefined;
}

export interface PopResult {
  readonly outcome: "FOUND" | "POLLING_TIMEOUT" | "POLLING_FULL";
  readonly popTimeMs: number;
  readonly invisibleMs: number;
  readonly reviveQueue: number;
  /** Messages that are left, as far as was looked. */
  readonly rest: number;
  readonly places: PopPlaces;
  /** Stored records, one behind the other. Those of retry topics show the topic that was asked for. */
  readonly records: Uint8Array;
}

/** Told once, now or when messages have come or the time is up. */
export interface PopListener {
  /** There are no messages yet: the answer takes a while. May be told again. */
  held?(): void;
  popped(result: PopResult): void;
  failed(error: WasmqError): void;
}

/**
 * Hands out messages, each to one consumer, until it is acknowledged or its time is up (PopMessageProcessor). A group's offset goes on as
 * soon as a check point says what was handed out; what is not acknowledged comes again by way of a retry topic (`revival.ts`).
 */
export class Pops {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #groups: SubscriptionGroups;
  readonly #offsets: ConsumerOffsets;
  readonly #orders: OrderInfos;
  readonly #queues: PopQueues;
  readonly #log: ReviveLog;
  readonly #clock: Clock;
  readonly #settings: BrokerSettings;
  readonly #held: HeldPops<Held>;
  readonly #reads: ReadTurns;
  /** By topic, group and queue, those that a pop is at: others pass them by, and it tells them when it is done (QueueLockManager). */
  readonly #locked = new Map<string, { isMissed: boolean }>();
  /** Nothing is taken for those who can't be told. */
  readonly #gone = new WeakSet<Client>();

  constructor(given: {
    store: Store;
    topics: Topics;
    groups: SubscriptionGroups;
    offsets: ConsumerOffsets;
    orders: OrderInfos;
    queues: PopQueues;
    log: ReviveLog;
    clock: Clock;
    dues: DueQueue;
    settings: BrokerSettings;
  }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#groups = given.groups;
    this.#offsets = given.offsets;
    this.#orders = given.orders;
    this.#queues = given.queues;
    this.#log = given.log;
    this.#clock = given.clock;
    this.#settings = given.settings;
    const { budget } = given.settings;
    this.#held = new HeldPops(given.dues, budget, (held) => this.#attempt(held));
    this.#reads = new ReadTurns(budget);
  }

  /**
   * Throws what is wrong with the request (SUBSCRIPTION_GROUP_NOT_EXIST, NO_PERMISSION, TOPIC_NOT_EXIST, INVALID_PARAMETER,
   * SUBSCRIPTION_PARSE_FAILED, SYSTEM_ERROR for less than no message); the listener is not called then.
   */
  pop(pop: Pop, client: Client, listener: PopListener): void {
    this.#queues.check(pop, "pop");
    checkInvisibleTime(pop.invisibleMs);
    if (pop.messagesMax > poppedAtOnceMax) {
      throw new WasmqError(
        "INVALID_PARAMETER",
        `the broker[${this.#settings.brokerName}] pop message's num is greater than ${poppedAtOnceMax}`,
      );
    }
    if (pop.messagesMax < 0) throw new WasmqError("SYSTEM_ERROR", `maxMsgNums of ${pop.messagesMax}`);
    const { topic, group, queueId } = pop;
    const wanted = this.#wanted(pop);
    this.#attempt({ topic, group, queueId, pop, ...wanted, client, listener, untilMs: this.#untilMs(pop) });
  }

  /** Throws why a group may not read a queue, see `PopQueues.check`. */
  check(target: Pick<PopTarget, "group" | "topic" | "queueId">): void {
    this.#queues.check(target, "peeking");
  }

  /** Messages became visible in a queue. */
  arrived(topic: string, queueId: number): void {
    this.#held.arrived(topic, queueId);
  }

  /** A queue may have messages for a group that it had not. */
  freed(topic: string, group: string, queueId: number): void {
    if (!this.#held.wake(topic, group, -1)) this.#held.wake(topic, group, queueId);
  }

  /** How many of a group wait for a queue. */
  waiting(topic: string, group: string, queueId: number): number {
    return this.#held.waiting(topic, group, queueId);
  }

  disconnected(client: Client): void {
    this.#gone.add(client);
    this.#held.drop(client);
    this.#reads.drop(client);
  }

  /** On the monotonic clock. Who wants no message waits for none. */
  #untilMs({ pollMs, askedAtMs, messagesMax }: Pop): number {
    if (pollMs <= 0 || messagesMax === 0) return Number.NEGATIVE_INFINITY;
    const heldMs = askedAtMs === undefined ? 0 : Math.max(0, this.#clock.now() - askedAtMs);
    return this.#clock.monotonic() + Math.min(pollMs, pullHoldMsMax) - heldMs;
  }

  #wanted({ topic, expression }: Pop): Wanted {
    if (expression === undefined) return { tagHashes: undefined, filter: undefined, ownFilterBytes: 0 };
    const { core } = this.#store;
    return wantedBy(expression, { topic, version: 0n }, (tag) => core.hashCode(tag), this.#settings);
  }

  #attempt(held: Held): void {
    const { client, listener } = held;
    if (this.#gone.has(client)) return;
    if (client.isBehind) {
      listener.popped(this.#nothing(held, "POLLING_TIMEOUT"));
      return;
    }
    if (this.#reads.areTaken) {
      if (!this.#reads.wait(client, () => this.#attempt(held))) {
        listener.popped(this.#nothing(held, "POLLING_FULL"));
      }
      return;
    }
    const taken = new Taken(this.#clock.now(), held.pop.isOrderly ? orderlyReviveQueue : this.#log.nextQueue());
    this.#takeAll(held, taken)
      .then(() => this.#answer(held, taken))
      .catch((error: unknown) => {
        listener.failed(error instanceof WasmqError ? error : new WasmqError("SYSTEM_ERROR", String(error)));
      });
  }

  #answer(held: Held, taken: Taken): void {
    const { pop, listener } = held;
    const { popTimeMs, reviveQueue, rest } = taken;
    const parts = taken.parts.filter(({ isKept }) => isKept);
    if (parts.length > 0) {
      const places = new PopPlaces();
      for (const { queue, startOffset, queueOffsets, consumed } of parts) {
        places.add(queue.topic, queue.queueId, startOffset, queueOffsets);
        if (consumed !== undefined) places.addCounts(queue.topic, queue.queueId, consumed.counts, consumed.least);
      }
      const records = joinBytes(parts.map((part) => part.records));
      listener.popped({
        outcome: "FOUND",
        ...{ popTimeMs, invisibleMs: pop.invisibleMs, reviveQueue, rest, places, records },
      });
      // One is woken for all messages that come together: it hands on what it leaves.
      if (rest > 0) this.#held.wake(pop.topic, pop.group, pop.queueId);
      return;
    }
    if (taken.failure !== undefined) throw taken.failure;
    if (this.#gone.has(held.client)) return;
    const nowMs = this.#clock.monotonic();
    if (held.untilMs <= nowMs) {
      listener.popped(this.#nothing(held, "POLLING_TIMEOUT", taken));
      return;
    }
    const { hasMessages, againAtMs } = this.#lookAgain(pop);
    const untilMs = hasMessages ? nowMs + againDelayMs : Math.min(held.untilMs, againAtMs);
    if (this.#held.hold(held, untilMs)) listener.held?.();
    else listener.popped(this.#nothing(held, "POLLING_FULL", taken));
  }

  /**
   * What came while the queues were looked at is seen now: nobody else tells of it. Of those that another pop is at, that one tells.
   */
  #lookAgain(pop: Pop): { hasMessages: boolean; againAtMs: number } {
    let isMissed = false;
    for (const queue of this.#queues.of(pop)) {
      const lock = this.#locked.get(lockKeyOf(pop.group, queue));
      if (lock === undefined) continue;
      lock.isMissed = true;
      isMissed = true;
    }
    return isMissed ? { hasMessages: false, againAtMs: Number.POSITIVE_INFINITY } : this.#queues.look(pop);
  }

  async #takeAll(held: Held, taken: Taken): Promise<void> {
    const { pop } = held;
    for (const queue of this.#queues.of(pop)) {
      if (this.#roomFor(pop, taken) > 0) await this.#takeFrom(held, queue, taken);
      else if (!pop.isOrderly) taken.rest += this.#queues.rest(pop.group, queue);
    }
    await Promise.all(taken.underWay);
  }

  /** How many more messages a pop takes. */
  #roomFor({ messagesMax }: Pop, { messages, bytes }: Taken): number {
    const isFull = messages > 0 && bytes >= this.#settings.maxTransferBytesOnMessageInMemory;
    return isFull ? 0 : messagesMax - messages;
  }

  async #takeFrom(held: Held, queue: PopQueue, taken: Taken): Promise<void> {
    const { pop } = held;
    const key = lockKeyOf(pop.group, queue);
    if (this.#locked.has(key)) {
      if (!pop.isOrderly) taken.rest += this.#queues.rest(pop.group, queue);
      return;
    }
    this.#hearReset(pop.group, queue);
    if (this.#queues.blockedUntilMs(pop, queue) !== undefined) return;
    const lock = { isMissed: false };
    this.#locked.set(key, lock);
    const unlock = (): void => {
      this.#locked.delete(key);
      // With nothing left in it they would only look at it, one after the other, for ever.
      if (!lock.isMissed || this.#queues.rest(pop.group, queue) === 0) return;
      // Those of the retry topic come with whichever queue is asked for.
      if (popRetryFlagOf(queue.topic) === 0) this.freed(pop.topic, pop.group, queue.queueId);
      else this.arrived(queue.topic, queue.queueId);
    };
    let isKept: Promise<void> | undefined;
    try {
      const read = await this.#read(held, queue, taken);
      if (read !== undefined) {
        const isRetry = popRetryFlagOf(queue.topic) !== 0;
        const records = isRetry ? await this.#asAskedFor(pop, queue, read, taken) : read.records;
        isKept = this.#keep(pop, queue, { ...read, records }, taken);
      }
    } catch (error) {
      taken.failure ??= error;
    }
    if (isKept === undefined) unlock();
    else {
      taken.underWay.push(
        isKept
          .catch((error: unknown) => {
            taken.failure ??= error;
          })
          .then(unlock),
      );
    }
  }

  /** What was popped, or acknowledged, while the offset was reset counts no more (PopMessageProcessor.resetPopOffset). */
  #hearReset(group: string, { topic, queueId }: PopQueue): void {
    const offset = this.#offsets.takeReset(group, topic, queueId);
    if (offset === undefined) return;
    this.#orders.forget(topic, group, queueId);
    this.#offsets.commit(group, topic, queueId, offset);
  }

  /** The next messages of a queue, undefined without any: then the group's offset goes past what does not match. */
  async #read(held: Held, queue: PopQueue, taken: Taken): Promise<Read | undefined> {
    const { pop } = held;
    const { topic, queueId } = queue;
    let offset = this.#queues.offset(pop.group, queue) ?? (await this.#begin(pop, queue));
    if (pop.isOrderly) offset = await this.#store.behindRecord(topic, queueId, offset);
    let got = await this.#get(held, queue, offset, taken);
    const { status, nextOffset } = got;
    if (status === "OFFSET_TOO_SMALL" || status === "OFFSET_OVERFLOW_BADLY" || status === "OFFSET_FOUND_NULL") {
      this.#offsets.commit(pop.group, topic, queueId, nextOffset);
      offset = nextOffset;
      got = await this.#get(held, queue, offset, taken);
    }
    if (got.messages > 0) {
      const { nextOffset: next, queueOffsets, records } = got;
      return { startOffset: offset, nextOffset: next, queueOffsets, records, rest: got.maxOffset - next };
    }
    if (got.status === "NO_MATCHED_MESSAGE" || got.status === "MESSAGE_WAS_REMOVING") {
      this.#offsets.commit(pop.group, topic, queueId, got.nextOffset);
    }
    if (!pop.isOrderly) taken.rest += this.#queues.rest(pop.group, queue);
    return undefined;
  }

  async #get(held: Held, { topic, queueId }: PopQueue, offset: number, taken: Taken): Promise<GetResult> {
    const got = this.#store.get(topic, queueId, offset, {
      messagesMax: this.#roomFor(held.pop, taken),
      bytesMax: Math.max(0, this.#settings.maxTransferBytesOnMessageInMemory - taken.bytes),
      unitsMax: pullUnitsMax,
      tagHashes: held.tagHashes,
      filter: held.filter,
      notBefore: this.#topics.notBefore(topic),
    });
    if (got instanceof Promise) this.#reads.take(got.then(nothing, nothing));
    return got;
  }

  /** Where a new group begins (PopMessageProcessor.getInitOffset). */
  async #begin({ group, initMode }: Pop, { topic, queueId }: PopQueue): Promise<number> {
    const { minOffset, maxOffset } = this.#store.range(topic, queueId);
    let offset = minOffset;
    if (initMode === "max" && popRetryFlagOf(topic) === 0) {
      offset = (await this.#offsets.isYoung(topic, queueId)) ? 0 : Math.max(0, maxOffset - 1);
    }
    this.#offsets.commit(group, topic, queueId, offset);
    return offset;
  }

  /** Keeps that messages are handed out, and counts them among those taken; ends when it is kept. Throws as `Store.append` does. */
  #keep(pop: Pop, queue: PopQueue, read: Read, taken: Taken): Promise<void> {
    const { group, invisibleMs, attemptId } = pop;
    const { topic, queueId } = queue;
    const { startOffset, nextOffset, queueOffsets, records } = read;
    const { popTimeMs, reviveQueue } = taken;
    if (pop.isOrderly) {
      // The messages stay the group's next until they are acknowledged.
      this.#offsets.commit(group, topic, queueId, startOffset);
      const order = { attemptId, popTimeMs, invisibleMs, offsets: queueOffsets };
      const consumed = this.#orders.popped(topic, group, queueId, order);
      const part: Part = { queue, startOffset, queueOffsets, records, consumed, isKept: false };
      taken.add(part, read.rest);
      // The order of a group that a crash took would be that of a deleted one.
      return Promise.all([this.#groups.saved(), this.#orders.persist()]).then(() => {
        part.isKept = true;
      });
    }
    const part: Part = { queue, startOffset, queueOffsets, records, consumed: undefined, isKept: false };
    const { brokerName } = this.#settings;
    const point = {
      ...{ topic, group, queueId, startOffset, popTimeMs, brokerName, invisibleMs },
      offsets: queueOffsets,
      ackedBits: 0,
      suspend: false,
    };
    let listener!: Listener;
    const ended = new Promise<void>((resolve, reject) => {
      listener = { stored: () => resolve(), failed: reject };
    });
    this.#log.checkPoint(point, reviveQueue, nextOffset, listener);
    taken.add(part, read.rest);
    return ended.then(() => {
      part.isKept = true;
    });
  }

  /** Messages of a retry topic, with the topic that their consumer subscribed to and, in POP_CK, what it acknowledges them by. */
  async #asAskedFor(pop: Pop, queue: PopQueue, read: Read, { popTimeMs, reviveQueue }: Taken): Promise<Uint8Array> {
    const topic = encodeUtf8(pop.topic);
    const { brokerName } = this.#settings;
    const receipt = { startOffset: read.startOffset, popTimeMs, invisibleMs: pop.invisibleMs, reviveQueue, brokerName };
    const records: Uint8Array[] = [];
    for (const offset of read.queueOffsets) {
      const message = await this.#store.messageAt(queue.topic, queue.queueId, offset);
      if (message === undefined) throw new WasmqError("SYSTEM_ERROR", `a message of ${queue.topic} can't be read`);
      const { properties } = message;
      const handle = printReceipt(receipt, queue.topic, queue.queueId, offset);
      const withReceipt = hasProperty(properties, property.popCheckPoint)
        ? properties
        : setProperty(properties, property.popCheckPoint, handle);
      const record =
        this.#store.servedAs(message, topic, encodeUtf8(withReceipt)) ??
        this.#store.servedAs(message, topic, encodeUtf8(properties));
      if (record !== undefined) records.push(record);
    }
    return joinBytes(records);
  }

  #nothing({ pop }: Held, outcome: "POLLING_TIMEOUT" | "POLLING_FULL", taken?: Taken): PopResult {
    return {
      outcome,
      popTimeMs: taken?.popTimeMs ?? this.#clock.now(),
      invisibleMs: pop.invisibleMs,
      reviveQueue: taken?.reviveQueue ?? (pop.isOrderly ? orderlyReviveQueue : 0),
      rest: taken?.rest ?? 0,
      places: new PopPlaces(),
      records: joinBytes([]),
    };
  }
}

/** What there is to see is looked at again so soon, and not at once: whatever is wrong with it must not keep the broker busy. */
const againDelayMs = 1;

/** All that is needed to try a pop again, and no more: many are held at once. */
interface Held extends WaitsForMessages, Wanted {
  readonly pop: Pop;
  readonly listener: PopListener;
  /** On the monotonic clock. */
  readonly untilMs: number;
}

/** What was read of one queue. */
interface Read {
  readonly startOffset: number;
  readonly nextOffset: number;
  readonly queueOffsets: readonly number[];
  readonly records: Uint8Array;
  readonly rest: number;
}

/** What a pop takes out of one queue. */
interface Part {
  readonly queue: PopQueue;
  readonly startOffset: number;
  readonly queueOffsets: readonly number[];
  readonly records: Uint8Array;
  /** Of an orderly pop. */
  readonly consumed: Consumed | undefined;
  /** That it was taken is kept: it may be handed out. */
  isKept: boolean;
}

/** What one attempt takes. */
class Taken {
  readonly popTimeMs: number;
  readonly reviveQueue: number;
  readonly parts: Part[] = [];
  readonly underWay: Promise<void>[] = [];
  messages = 0;
  bytes = 0;
  rest = 0;
  failure: unknown;

  constructor(popTimeMs: number, reviveQueue: number) {
    this.popTimeMs = popTimeMs;
    this.reviveQueue = reviveQueue;
  }

  add(part: Part, rest: number): void {
    this.parts.push(part);
    this.messages += part.queueOffsets.length;
    this.bytes += part.records.length;
    this.rest += rest;
  }
}

function lockKeyOf(group: string, { topic, queueId }: PopQueue): string {
  return `${topic}@${group}@${queueId}`;
}

function nothing(): void {}
