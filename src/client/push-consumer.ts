import { decodeUtf8, encodeUtf8 } from "../ports/text.ts";
import { allocateAveragely } from "./allocate.ts";
import { AssignedQueue, type Pulled } from "./assigned-queue.ts";
import { backOffMs } from "./back-off.ts";
import type { Client, GroupMember } from "./client.ts";
import { type ClientClock, settledWithin, sleep } from "./clock.ts";
import { requestCode, responseCode, succeeded } from "./connection.ts";
import { ConcurrentConsumption } from "./consume-concurrently.ts";
import { OrderlyConsumption } from "./consume-orderly.ts";
import { ClientError, isLost } from "./error.ts";
import type { ConsumeContext, Consumption, Listening, MessageListener, Outcome } from "./listening.ts";
import {
  compareQueues,
  type MessageQueue,
  property,
  queueKey,
  type ReceivedMessage,
  retryTopicPrefix,
} from "./message.ts";
import { MemoryOffsetStore, type OffsetStore } from "./offset-store.ts";
import { Offsets } from "./offsets.ts";
import { type PullResult, pull } from "./pull.ts";
import { type QueueOffset, writeQueueMap } from "./queue-json.ts";
import { sendBack, sendBackCopy } from "./send-back.ts";
import { type Filter, Subscription } from "./subscription.ts";

/** Where a group begins with a queue it never had. LAST_OFFSET: with what comes from now on. */
export type ConsumeFrom = "LAST_OFFSET" | "FIRST_OFFSET" | { readonly timestampMs: number };

export interface PushConsumerOptions {
  readonly group: string;
  /** What is taken of which topic. All members of the group say the same. */
  readonly subscriptions: Readonly<Record<string, Filter>>;
  /** Without one the messages are had by `for await (const message of consumer)`. */
  readonly listener?: MessageListener;
  /** Each queue in its order, by one listener at a time; no other member has it meanwhile. Default false. */
  readonly orderly?: boolean;
  /** CLUSTERING (default): each message goes to one member of the group. BROADCASTING: to each. */
  readonly messageModel?: "CLUSTERING" | "BROADCASTING";
  /** Default LAST_OFFSET. */
  readonly consumeFrom?: ConsumeFrom;
  /** Listeners that may run at once. Default 20. */
  readonly concurrency?: number;
  /** Messages that a listener is given at a time. Default 1. */
  readonly batchMax?: number;
  /** Messages that one pull brings at most. Default 32. */
  readonly pullMessagesMax?: number;
  /** Messages and bytes of one queue that may wait here; beyond either it is not pulled. Default 1,000 and 100 MiB. */
  readonly cachedMessagesMax?: number;
  readonly cachedBytesMax?: number;
  /** Retries before a message goes to the dead letters. Default 16; without end if orderly. */
  readonly maxReconsumeTimes?: number;
  /** The pause before an orderly consumer tries a message again. Default 1,000 ms. */
  readonly suspendMs?: number;
  /** Of a broadcasting consumer. Default: gone with the process. */
  readonly offsetStore?: OffsetStore;
  /** How long a stop waits for listeners that run. Default 5,000 ms. */
  readonly stopWaitMs?: number;
}

const rebalanceMs = 20_000;
const commitMs = 5_000;
const lockMs = 20_000;
/** How long this side trusts a lock; the broker gives it to others after 60 s (ProcessQueue.REBALANCE_LOCK_MAX_LIVE_TIME). */
const lockTrustMs = 30_000;
/** What is not there yet, such as the topic of retries, is looked for soon again, then less and less often. */
const lookAgainMs = 500;
const pullWaitMs = 30_000;
const maxReconsumeTimesDefault = 16;

/**
 * Consumes topics together with the other members of its group, Java clients among them: the queues are shared out evenly, and
 * again whenever a member comes or goes.
 */
export class PushConsumer implements GroupMember, Listening, AsyncIterable<ReceivedMessage> {
  readonly group: string;
  readonly options: Listening["options"];
  readonly isBroadcasting: boolean;
  readonly clock: ClientClock;
  readonly #client: Client;
  readonly #given: PushConsumerOptions;
  readonly #offsets: Offsets;
  readonly #offsetStore: OffsetStore;
  readonly #subscriptions: ReadonlyMap<string, Subscription>;
  readonly #consumption: Consumption;
  readonly #assigned = new Map<string, AssignedQueue>();
  /** The keys of queues that were given up and are not let go of yet, with whether they are to be had again after that. */
  readonly #leaving = new Map<string, boolean>();
  readonly #timers: (() => void)[] = [];
  readonly #pulling = new Set<Promise<void>>();
  #listener: MessageListener | IteratedListener | undefined;
  #rebalancing: Promise<void> | undefined;
  #isRebalanceDue = false;
  #missed = 0;
  #cancelLookAgain = (): void => {};
  #startedAt = 0;
  #stopping: Promise<void> | undefined;

  /** Made by `Client.pushConsumer`. Throws SUBSCRIPTION_PARSE_FAILED. */
  constructor(client: Client, given: PushConsumerOptions) {
    this.#client = client;
    this.#given = given;
    this.clock = client.clock;
    this.group = given.group;
    this.isBroadcasting = given.messageModel === "BROADCASTING";
    const isOrderly = given.orderly === true;
    this.options = {
      concurrency: given.concurrency ?? 20,
      // A loop says of each message by itself whether it is consumed.
      batchMax: given.listener === undefined ? 1 : (given.batchMax ?? 1),
      suspendMs: given.suspendMs ?? 1_000,
      maxReconsumeTimes: given.maxReconsumeTimes ?? (isOrderly ? maxInt32 : maxReconsumeTimesDefault),
    };
    this.#offsets = new Offsets(client);
    this.#offsetStore = given.offsetStore ?? new MemoryOffsetStore();
    const version = this.clock.now();
    const subscriptions = Object.entries(given.subscriptions).map(
      ([topic, expression]) => new Subscription(topic, expression, version),
    );
    if (subscriptions.length === 0) throw new ClientError("INVALID_PARAMETER", "the consumer subscribes to no topic");
    if (!this.isBroadcasting) subscriptions.push(new Subscription(retryTopicPrefix + given.group, "*", version));
    this.#subscriptions = new Map(subscriptions.map((subscription) => [subscription.topic, subscription]));
    this.#listener = given.listener;
    this.#consumption = isOrderly ? new OrderlyConsumption(this) : new ConcurrentConsumption(this);
  }

  /**
   * Joins the group; resolves once its brokers know of it. Queues are had soon after. Rejects if no NameServer answers, and with
   * SUBSCRIPTION_PARSE_FAILED if a broker does not understand a SQL92 expression.
   */
  async start(): Promise<void> {
    if (this.#startedAt > 0) throw new ClientError("INVALID_PARAMETER", "the consumer was started before");
    if (this.#listener === undefined) throw new ClientError("INVALID_PARAMETER", "the consumer has no listener");
    this.#startedAt = this.clock.now();
    this.#client.addMember(this);
    try {
      for (const topic of this.#subscriptions.keys()) await this.#client.routes.get(topic);
      for (const subscription of this.#subscriptions.values()) await this.#checkFilter(subscription);
    } catch (error) {
      await this.stop();
      throw error;
    }
    await this.#client.heartbeat();
    this.#timers.push(
      this.#client.every(rebalanceMs, () => this.#rebalance(), "rebalance"),
      this.#client.every(commitMs, () => this.#commitAll(), "commit"),
    );
    if (this.#isLocking) this.#timers.push(this.#client.every(lockMs, () => this.#lockAll(), "lock"));
    this.idsChanged();
  }

  /** Asks a broker of the topic, as there is one already (MQClientInstance.checkClientInBroker). */
  async #checkFilter(subscription: Subscription): Promise<void> {
    if (subscription.expressionType === "TAG") return;
    const route = await this.#client.routes.get(subscription.topic);
    const [brokerName] = route?.brokers.keys() ?? [];
    const address = brokerName === undefined ? undefined : this.#client.routes.brokerAddress(brokerName);
    if (address === undefined) return;
    const body = { clientId: this.#client.clientId, group: this.group, subscriptionData: subscription.data() };
    const { code, remark } = await this.#client.request(
      address,
      requestCode.checkClientConfig,
      {},
      encodeUtf8(JSON.stringify(body)),
    );
    if (code !== responseCode.success) throw ClientError.ofAnswer(code, remark, `filter of ${subscription.topic}`);
  }

  /**
   * Takes no more messages, waits for listeners that run, commits and leaves the group, so that the others have its queues at once.
   * Asked again: the same stop.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** The queues of its topics that are this consumer's now, those of retries not among them. */
  get queues(): readonly MessageQueue[] {
    const queues = Array.from(this.#assigned.values(), ({ queue }) => queue);
    return queues.filter(({ topic }) => !topic.startsWith(retryTopicPrefix)).sort(compareQueues);
  }

  /**
   * The messages one after the other; asking for the next says that the one before is consumed. Starts the consumer. Leaving the
   * loop stops it, and the message at hand is not counted as consumed.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ReceivedMessage, void, undefined> {
    const iterated = new IteratedListener();
    if (this.#listener !== undefined) throw new ClientError("INVALID_PARAMETER", "the consumer has a listener already");
    this.#listener = iterated;
    await this.start();
    try {
      for (;;) {
        const handed = await iterated.next();
        if (handed === undefined) return;
        let outcome: Outcome = "ABANDONED";
        try {
          yield handed.message;
          outcome = "SUCCESS";
        } finally {
          handed.finish(outcome);
        }
      }
    } finally {
      await this.stop();
    }
  }

  heartbeat(): object {
    const { consumeFrom = "LAST_OFFSET" } = this.#given;
    return {
      consumeFromWhere: `CONSUME_FROM_${typeof consumeFrom === "string" ? consumeFrom : "TIMESTAMP"}`,
      consumeType: "CONSUME_PASSIVELY",
      groupName: this.group,
      messageModel: this.isBroadcasting ? "BROADCASTING" : "CLUSTERING",
      subscriptionDataSet: Array.from(this.#subscriptions.values(), (subscription) => subscription.data()),
      unitMode: false,
    };
  }

  idsChanged(): void {
    void this.#rebalance();
  }

  routeChanged(topic: string): void {
    if (this.#subscriptions.has(topic)) void this.#rebalance();
  }

  resetOffsets(topic: string, offsets: readonly QueueOffset[]): void {
    const reset = async (): Promise<void> => {
      for (const { queue, offset } of offsets) {
        const assigned = this.#assigned.get(queueKey(queue));
        if (queue.topic !== topic || assigned === undefined) continue;
        await this.#release(assigned, offset);
      }
      await this.#rebalance();
    };
    reset().catch((error: unknown) => this.failed(error, "reset of offsets"));
  }

  runningInfo(): string {
    const properties = {
      PROP_CLIENT_VERSION: "V5_5_0",
      PROP_CONSUME_TYPE: "CONSUME_PASSIVELY",
      PROP_CONSUMEORDERLY: String(this.#given.orderly === true),
      PROP_CONSUMER_START_TIMESTAMP: String(this.#startedAt),
      PROP_THREADPOOL_CORE_SIZE: String(this.options.concurrency),
    };
    const queues = Array.from(this.#assigned.values(), (assigned) => {
      const info = {
        cachedMsgCount: assigned.cachedMessages,
        cachedMsgSizeInMiB: Math.floor(assigned.cachedBytes / 1_048_576),
        commitOffset: assigned.consumedOffset,
        droped: assigned.isDropped,
        lastConsumeTimestamp: assigned.lastConsumeAt,
        lastPullTimestamp: assigned.lastPullAt,
        locked: assigned.lockedUntil > this.clock.now(),
      };
      return [assigned.queue, info] as const;
    });
    const subscriptions = Array.from(this.#subscriptions.values(), (subscription) => subscription.data());
    return `{"mqTable":${writeQueueMap(queues)},"properties":${JSON.stringify(properties)},"statusTable":{},"subscriptionSet":${JSON.stringify(subscriptions)}}`;
  }

  async call(assigned: AssignedQueue, batch: readonly Pulled[]): Promise<{ result: Outcome; delayLevel: number }> {
    const messages = batch.map(({ message }) => asSent(message));
    const context: ConsumeContext = { queue: assigned.queue, delayLevel: 0, signal: assigned.dropping };
    assigned.lastConsumeAt = this.clock.now();
    const listener = this.#listener!;
    try {
      if (listener instanceof IteratedListener)
        return { result: await listener.hand(messages, assigned.dropping), delayLevel: 0 };
      const result = (await listener(messages, context)) ?? "SUCCESS";
      return { result, delayLevel: context.delayLevel };
    } catch (error) {
      this.failed(error, "listener");
      return { result: "RECONSUME_LATER", delayLevel: context.delayLevel };
    }
  }

  async sendBack(message: ReceivedMessage, delayLevel: number): Promise<void> {
    const { group } = this;
    const back = { group, message: asSent(message), delayLevel, maxReconsumeTimes: this.options.maxReconsumeTimes };
    try {
      await sendBack(this.#client, back);
    } catch (error) {
      this.failed(error, "send back");
      await sendBackCopy(this.#client, back);
    }
  }

  bury(message: ReceivedMessage): Promise<void> {
    const { group } = this;
    const { maxReconsumeTimes } = this.options;
    return sendBackCopy(this.#client, { group, message: asSent(message), delayLevel: 0, maxReconsumeTimes });
  }

  isLocked(assigned: AssignedQueue): boolean {
    if (!this.#isLocking || assigned.lockedUntil > this.clock.now()) return true;
    this.#lockLost(assigned);
    return false;
  }

  failed(error: unknown, what: string): void {
    this.#client.failed(error, `${what} (group ${this.group})`);
  }

  get #isLocking(): boolean {
    return this.#given.orderly === true && !this.isBroadcasting;
  }

  get #stopWaitMs(): number {
    return this.#given.stopWaitMs ?? 5_000;
  }

  get #isOver(): boolean {
    return this.#stopping !== undefined;
  }

  async #stop(): Promise<void> {
    for (const cancel of this.#timers) cancel();
    this.#cancelLookAgain();
    await this.#rebalancing;
    const assigned = [...this.#assigned.values()];
    for (const each of assigned) each.drop();
    if (this.#listener instanceof IteratedListener) this.#listener.end();
    const settled = Promise.all([this.#consumption.settled(), ...this.#pulling]);
    await settledWithin(this.clock, settled, this.#stopWaitMs);
    await Promise.all(assigned.map((each) => this.#release(each)));
    await this.#client.removeMember(this);
  }

  /** One at a time; what changes meanwhile is looked at once more. */
  #rebalance(): Promise<void> {
    this.#isRebalanceDue = true;
    this.#rebalancing ??= this.#rebalanceAll().finally(() => {
      this.#rebalancing = undefined;
    });
    return this.#rebalancing;
  }

  async #rebalanceAll(): Promise<void> {
    while (this.#isRebalanceDue && !this.#isOver) {
      this.#isRebalanceDue = false;
      let isMissing = false;
      for (const topic of this.#subscriptions.keys()) {
        try {
          isMissing = !(await this.#rebalanceTopic(topic)) || isMissing;
        } catch (error) {
          isMissing = true;
          this.failed(error, `rebalance of ${topic}`);
        }
      }
      this.#cancelLookAgain();
      this.#missed = isMissing ? this.#missed + 1 : 0;
      if (!isMissing || this.#isOver) continue;
      const waitMs = backOffMs(this.#missed, this.clock, lookAgainMs, rebalanceMs);
      this.#cancelLookAgain = this.clock.after(waitMs, () => this.idsChanged());
    }
  }

  /** False if something is missing that may be there soon: the topic's route, a lock. */
  async #rebalanceTopic(topic: string): Promise<boolean> {
    const route = await this.#client.routes.get(topic);
    if (route === undefined) return false;
    const share = this.isBroadcasting ? route.readQueues : await this.#share(route.readQueues);
    if (this.#isOver) return true;
    const keys = new Set(share.map(queueKey));
    const lost = [...this.#assigned.values()].filter(
      ({ queue }) => queue.topic === topic && !keys.has(queueKey(queue)),
    );
    await Promise.all(lost.map((assigned) => this.#release(assigned)));
    for (const key of keys) if (this.#leaving.has(key)) this.#leaving.set(key, true);
    const fresh = share.filter((queue) => !this.#assigned.has(queueKey(queue)) && !this.#leaving.has(queueKey(queue)));
    const ours = this.#isLocking && fresh.length > 0 ? await this.#lockQueues(fresh) : new Set(fresh.map(queueKey));
    const lockedUntil = this.clock.now() + lockTrustMs;
    await Promise.all(
      fresh
        .filter((queue) => ours.has(queueKey(queue)))
        .map(async (queue) => {
          const offset = await this.#startOffset(queue);
          if (!this.#isOver) this.#begin(queue, offset, lockedUntil);
        }),
    );
    return fresh.every((queue) => ours.has(queueKey(queue)));
  }

  /** This member's queues; of the members one broker tells, since each hears of all of them. */
  async #share(queues: readonly MessageQueue[]): Promise<readonly MessageQueue[]> {
    const [first] = queues;
    const address = first === undefined ? undefined : this.#client.routes.brokerAddress(first.brokerName);
    if (address === undefined) return [];
    let ids = await this.#memberIds(address);
    if (!ids.includes(this.#client.clientId)) {
      // A broker that has just come, or come back, knows no members.
      await this.#client.heartbeat();
      ids = await this.#memberIds(address);
    }
    return allocateAveragely(this.#client.clientId, ids.sort(), queues);
  }

  async #memberIds(address: string): Promise<string[]> {
    const fields = { consumerGroup: this.group };
    const response = await this.#client.request(address, requestCode.getConsumerListByGroup, fields);
    // A group without members is a system error.
    if (response.code === responseCode.systemError) return [];
    const { body } = succeeded(response, `members of ${this.group}`);
    return (JSON.parse(decodeUtf8(body)) as { consumerIdList?: string[] }).consumerIdList ?? [];
  }

  #begin(queue: MessageQueue, offset: number, lockedUntil: number): void {
    const assigned = new AssignedQueue(queue, offset, {
      messagesMax: this.#given.cachedMessagesMax ?? 1_000,
      bytesMax: this.#given.cachedBytesMax ?? 100 * 1_048_576,
    });
    assigned.lockedUntil = lockedUntil;
    this.#assigned.set(queueKey(queue), assigned);
    this.#consumption.assigned(assigned);
    const pulling = this.#pullAll(assigned)
      .catch((error: unknown) => this.failed(error, "pull"))
      .finally(() => this.#pulling.delete(pulling));
    this.#pulling.add(pulling);
  }

  /** Gives a queue up, with where it is consumed to, or `offset` instead. */
  #release(assigned: AssignedQueue, offset?: number): Promise<void> {
    assigned.drop();
    const given = this.#give(assigned, offset);
    this.#leave(assigned, given);
    return given;
  }

  async #give(assigned: AssignedQueue, offset?: number): Promise<void> {
    // An orderly listener that runs has the lock still: its message counts.
    if (this.#isLocking) await settledWithin(this.clock, assigned.released, this.#stopWaitMs);
    await this.#commit(assigned, offset ?? assigned.consumedOffset);
    if (this.#isLocking) await this.#unlock(assigned.queue);
  }

  /** Until its listener returned, however late, the queue is not begun again: one at a time has it. */
  #leave(assigned: AssignedQueue, given?: Promise<void>): void {
    const key = queueKey(assigned.queue);
    this.#assigned.delete(key);
    this.#leaving.set(key, false);
    void Promise.allSettled([given, assigned.released]).then(() => {
      const isWanted = this.#leaving.get(key) === true;
      this.#leaving.delete(key);
      if (isWanted) void this.#rebalance();
    });
  }

  /** DefaultMQPushConsumerImpl.pullMessage, over and over. */
  async #pullAll(assigned: AssignedQueue): Promise<void> {
    const { queue, dropping } = assigned;
    const subscription = this.#subscriptions.get(queue.topic)!;
    let failures = 0;
    let empties = 0;
    let brokerId = 0;
    for (;;) {
      await assigned.room();
      if (assigned.isDropped) return;
      assigned.lastPullAt = this.clock.now();
      const { consumedOffset } = assigned;
      let result: PullResult;
      try {
        result = await pull(this.#client, {
          group: this.group,
          queue,
          offset: assigned.pullOffset,
          messagesMax: this.#given.pullMessagesMax ?? 32,
          waitMs: pullWaitMs,
          commitOffset: !this.isBroadcasting && consumedOffset > 0 ? consumedOffset : undefined,
          subscriptionVersion: subscription.version,
          brokerId,
          signal: dropping,
        });
      } catch (error) {
        if (assigned.isDropped) return;
        await this.#pullFailed(error, queue.topic);
        const again = sleep(this.clock, backOffMs(failures++, this.clock, pullAgainMs), dropping);
        await again.catch(() => {});
        brokerId = 0;
        continue;
      }
      if (assigned.isDropped) return;
      failures = 0;
      brokerId = result.suggestedBrokerId;
      if (result.status === "OFFSET_ILLEGAL") {
        await this.#release(assigned, result.nextOffset);
        void this.#rebalance();
        return;
      }
      for (const { error, queueOffset } of result.unreadable) {
        this.failed(error, `message ${queueOffset} of ${queue.topic} queue ${queue.queueId}, left out`);
      }
      assigned.add(
        result.messages.filter(({ tag }) => subscription.matches(tag)),
        result.nextOffset,
      );
      this.#consumption.arrived(assigned);
      // A broker that holds no more pulls answers at once that there is nothing: it is not asked at once again.
      const isAtOnce = this.clock.now() - assigned.lastPullAt < pullWaitMs / 10;
      empties = result.status === "NO_NEW_MESSAGE" && isAtOnce ? empties + 1 : 0;
      if (empties > 1) await sleep(this.clock, backOffMs(empties, this.clock), dropping).catch(() => {});
    }
  }

  async #pullFailed(error: unknown, topic: string): Promise<void> {
    this.failed(error, "pull");
    const isUnknown =
      error instanceof ClientError &&
      (error.code === "SUBSCRIPTION_NOT_EXIST" || error.code === "SUBSCRIPTION_NOT_LATEST");
    if (isUnknown) await this.#client.heartbeat();
    if (isLost(error)) await this.#client.refreshRoute(topic).catch(() => {});
  }

  /** RebalancePushImpl.computePullFromWhere. */
  async #startOffset(queue: MessageQueue): Promise<number> {
    const known = this.isBroadcasting
      ? await this.#offsetStore.load(this.group, queue)
      : await this.#offsets.committed(this.group, queue);
    if (known !== undefined) return known;
    const { consumeFrom = "LAST_OFFSET" } = this.#given;
    if (consumeFrom === "FIRST_OFFSET" || queue.topic.startsWith(retryTopicPrefix)) return 0;
    if (consumeFrom === "LAST_OFFSET") return this.#offsets.max(queue);
    return this.#offsets.byTime(queue, consumeFrom.timestampMs);
  }

  async #commitAll(): Promise<void> {
    await Promise.all(
      Array.from(this.#assigned.values(), (assigned) => this.#commit(assigned, assigned.consumedOffset)),
    );
  }

  async #commit(assigned: AssignedQueue, offset: number): Promise<void> {
    if (assigned.committedOffset === offset) return;
    try {
      if (this.isBroadcasting) await this.#offsetStore.save(this.group, assigned.queue, offset);
      else await this.#offsets.commit(this.group, assigned.queue, offset);
      assigned.committedOffset = offset;
    } catch (error) {
      this.failed(error, "commit");
    }
  }

  async #lockAll(): Promise<void> {
    const queues = Array.from(this.#assigned.values(), ({ queue }) => queue);
    const until = this.clock.now() + lockTrustMs;
    for (const [address, ofBroker] of this.#byMaster(queues)) {
      try {
        const locked = await this.#lockAt(address, ofBroker);
        for (const queue of ofBroker) {
          const assigned = this.#assigned.get(queueKey(queue));
          if (assigned === undefined) continue;
          if (locked.has(queueKey(queue)) && this.isLocked(assigned)) assigned.lockedUntil = until;
          else this.#lockLost(assigned);
        }
      } catch (error) {
        this.failed(error, "lock");
      }
    }
  }

  /** Another member may have the queue, or have had it: only the broker knows now where to go on. */
  #lockLost(assigned: AssignedQueue): void {
    if (assigned.isDropped) return;
    assigned.drop();
    this.#leave(assigned);
    void this.#rebalance();
  }

  /** The keys of those that are locked for this client now. */
  async #lockQueues(queues: readonly MessageQueue[]): Promise<ReadonlySet<string>> {
    const all = new Set<string>();
    for (const [address, ofBroker] of this.#byMaster(queues)) {
      try {
        for (const key of await this.#lockAt(address, ofBroker)) all.add(key);
      } catch (error) {
        this.failed(error, "lock");
      }
    }
    return all;
  }

  async #lockAt(address: string, queues: readonly MessageQueue[]): Promise<ReadonlySet<string>> {
    const response = await this.#client.request(address, requestCode.lockBatch, {}, this.#lockBody(queues));
    const { body } = succeeded(response, `lock of ${this.group}`);
    const { lockOKMQSet = [] } = JSON.parse(decodeUtf8(body)) as { lockOKMQSet?: MessageQueue[] };
    return new Set(lockOKMQSet.map(queueKey));
  }

  async #unlock(queue: MessageQueue): Promise<void> {
    for (const [address, mqSet] of this.#byMaster([queue])) {
      await this.#client
        .request(address, requestCode.unlockBatch, {}, this.#lockBody(mqSet))
        .catch((error: unknown) => this.failed(error, "unlock"));
    }
  }

  #lockBody(mqSet: readonly MessageQueue[]): Uint8Array {
    return encodeUtf8(
      JSON.stringify({ clientId: this.#client.clientId, consumerGroup: this.group, mqSet, onlyThisBroker: false }),
    );
  }

  #byMaster(queues: readonly MessageQueue[]): Map<string, MessageQueue[]> {
    const found = new Map<string, MessageQueue[]>();
    for (const queue of queues) {
      const address = this.#client.routes.masterAddress(queue.brokerName);
      if (address !== undefined) found.set(address, [...(found.get(address) ?? []), queue]);
    }
    return found;
  }
}

const maxInt32 = 0x7fffffff;
const pullAgainMs = 100;

/** A retried message under the topic it was sent to. */
function asSent(message: ReceivedMessage): ReceivedMessage {
  const topic = message.properties[property.retryTopic];
  return topic === undefined || !message.topic.startsWith(retryTopicPrefix) ? message : { ...message, topic };
}

interface Handed {
  readonly message: ReceivedMessage;
  readonly finish: (outcome: Outcome) => void;
}

/** Hands messages to a loop, each when the loop comes for it. */
class IteratedListener {
  readonly #handed: Handed[] = [];
  #arrived: (() => void) | undefined;
  #isOver = false;

  /** One after the other, until one is not consumed. */
  async hand(messages: readonly ReceivedMessage[], signal: AbortSignal): Promise<Outcome> {
    for (const message of messages) {
      const outcome = await new Promise<Outcome>((resolve) => {
        if (this.#isOver || signal.aborted) {
          resolve("ABANDONED");
          return;
        }
        const aborted = (): void => {
          // What the loop has at hand it still finishes.
          const at = this.#handed.indexOf(handed);
          if (at < 0) return;
          this.#handed.splice(at, 1);
          resolve("ABANDONED");
        };
        const finish = (outcome: Outcome): void => {
          // The signal lasts as long as the queue is this member's, and the message with it.
          signal.removeEventListener("abort", aborted);
          resolve(outcome);
        };
        const handed = { message, finish };
        this.#handed.push(handed);
        signal.addEventListener("abort", aborted, { once: true });
        this.#arrived?.();
      });
      if (outcome !== "SUCCESS") return outcome;
    }
    return "SUCCESS";
  }

  /** Undefined once it is over. */
  async next(): Promise<Handed | undefined> {
    while (!this.#isOver) {
      const handed = this.#handed.shift();
      if (handed !== undefined) return handed;
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
    return undefined;
  }

  end(): void {
    this.#isOver = true;
    for (const { finish } of this.#handed.splice(0)) finish("ABANDONED");
    this.#arrived?.();
  }
}
