import type { Clock } from "../../ports/clock.ts";
import type { Entropy } from "../../ports/entropy.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Store } from "../../store/store.ts";
import { popRetryTopicOf } from "../names.ts";
import type { ConsumerOffsets } from "../offset/consumer-offsets.ts";
import type { BrokerSettings } from "../settings.ts";
import type { SubscriptionGroups } from "../subscription-group/subscription-groups.ts";
import { perm } from "../topic/topic-config.ts";
import type { Topics } from "../topic/topics.ts";
import type { OrderInfos } from "./order-info.ts";

/** Which messages a group asks for; a negative queue id is all queues. */
export interface PopTarget {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly isOrderly: boolean;
  readonly attemptId: string | undefined;
}

export interface PopQueue {
  readonly topic: string;
  readonly queueId: number;
}

/** The queues that a pop looks into, and how far its group is in each. */
export class PopQueues {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #groups: SubscriptionGroups;
  readonly #offsets: ConsumerOffsets;
  readonly #orders: OrderInfos;
  readonly #entropy: Entropy;
  readonly #clock: Clock;
  readonly #settings: BrokerSettings;

  constructor(given: {
    store: Store;
    topics: Topics;
    groups: SubscriptionGroups;
    offsets: ConsumerOffsets;
    orders: OrderInfos;
    entropy: Entropy;
    clock: Clock;
    settings: BrokerSettings;
  }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#groups = given.groups;
    this.#offsets = given.offsets;
    this.#orders = given.orders;
    this.#entropy = given.entropy;
    this.#clock = given.clock;
    this.#settings = given.settings;
  }

  /** Throws why the group may not read the queue: NO_PERMISSION, TOPIC_NOT_EXIST, INVALID_PARAMETER, SUBSCRIPTION_GROUP_NOT_EXIST. */
  check({ group, topic, queueId }: Pick<PopTarget, "group" | "topic" | "queueId">, what: string): void {
    const { brokerPermission, brokerName } = this.#settings;
    if ((brokerPermission & perm.read) === 0) {
      throw new WasmqError("NO_PERMISSION", `the broker[${brokerName}] ${what} message is forbidden`);
    }
    const config = this.#topics.find(topic)?.config;
    if (config === undefined) {
      throw new WasmqError("TOPIC_NOT_EXIST", `topic[${topic}] not exist, apply first please!`);
    }
    if ((config.perm & perm.read) === 0) {
      throw new WasmqError("NO_PERMISSION", `the topic[${topic}] ${what} message is forbidden`);
    }
    if (queueId >= config.readQueueNums) {
      throw new WasmqError(
        "INVALID_PARAMETER",
        `queueId[${queueId}] is illegal, topic:[${topic}] topicConfig.readQueueNums:[${config.readQueueNums}]`,
      );
    }
    if (!this.#groups.findOrCreate(group).consumeEnable) {
      throw new WasmqError("NO_PERMISSION", `subscription group no permission, ${group}`);
    }
  }

  /**
   * In the order to look into them: some of the time what is to be consumed again comes first, so that it is not starved, else last
   * (PopMessageProcessor.processRequest). Which queue comes first is left to chance.
   */
  of({ group, topic, queueId, isOrderly }: PopTarget): PopQueue[] {
    const asked = queueId >= 0 ? [{ topic, queueId }] : this.#queuesOf(topic);
    if (isOrderly) return asked;
    const retries = this.#retryTopics(group, topic).flatMap((name) => this.#queuesOf(name));
    const areFirst = this.#entropy.random() * 100 < this.#settings.popFromRetryProbability;
    return areFirst ? [...retries, ...asked] : [...asked, ...retries];
  }

  /** Where a group goes on in a queue; undefined if it never read there. */
  offset(group: string, { topic, queueId }: PopQueue): number | undefined {
    return this.#offsets.find(group, topic, queueId);
  }

  /** How many messages there are of a queue that a group has not taken. */
  rest(group: string, queue: PopQueue): number {
    const { minOffset, maxOffset } = this.#store.range(queue.topic, queue.queueId);
    return Math.max(0, maxOffset - (this.offset(group, queue) ?? minOffset));
  }

  /** Until when an orderly pop has to wait for those before it, wall-clock milliseconds; undefined if it need not. */
  blockedUntilMs({ group, isOrderly, attemptId }: PopTarget, { topic, queueId }: PopQueue): number | undefined {
    return isOrderly ? this.#orders.blockedUntilMs(topic, group, queueId, attemptId) : undefined;
  }

  /** Whether there is something to pop now, and if not when there may be without a new message: on the monotonic clock. */
  look(target: PopTarget): { readonly hasMessages: boolean; readonly againAtMs: number } {
    let againAtMs = Number.POSITIVE_INFINITY;
    for (const queue of this.of(target)) {
      if (this.rest(target.group, queue) === 0) continue;
      const blockedUntilMs = this.blockedUntilMs(target, queue);
      if (blockedUntilMs === undefined) return { hasMessages: true, againAtMs };
      againAtMs = Math.min(againAtMs, this.#clock.monotonic() + Math.max(1, blockedUntilMs - this.#clock.now()));
    }
    return { hasMessages: false, againAtMs };
  }

  #retryTopics(group: string, topic: string): string[] {
    const { enableRetryTopicV2, retrieveMessageFromPopRetryTopicV1 } = this.#settings;
    const first = popRetryTopicOf(group, topic, 1);
    if (!enableRetryTopicV2) return [first];
    const second = popRetryTopicOf(group, topic, 2);
    return retrieveMessageFromPopRetryTopicV1 ? [second, first] : [second];
  }

  #queuesOf(topic: string): PopQueue[] {
    const count = this.#topics.find(topic)?.config.readQueueNums ?? 0;
    const first = Math.floor(this.#entropy.random() * count);
    return Array.from({ length: count }, (_, i) => ({ topic, queueId: (first + i) % count }));
  }
}
