import { WasmqError } from "../../ports/error.ts";
import type { Store } from "../../store/store.ts";
import type { Consumers } from "../client/consumers.ts";
import type { ConsumerOffsets } from "../offset/consumer-offsets.ts";
import type { BrokerStats } from "../stats/broker-stats.ts";
import type { SubscriptionGroups } from "../subscription-group/subscription-groups.ts";
import type { TopicConfig } from "../topic/topic-config.ts";
import type { Topics } from "../topic/topics.ts";

/** How far a group is in one queue (OffsetWrapper). */
export interface QueueProgress {
  readonly topic: string;
  readonly queueId: number;
  readonly brokerOffset: number;
  /** 0 where the group has none. */
  readonly consumerOffset: number;
  /** Up to where its members were given messages. */
  readonly pullOffset: number;
  /** When the last message that the group has consumed was stored; 0 for none. */
  readonly lastTimestamp: number;
}

/** ConsumeStats. */
export interface GroupProgress {
  readonly queues: readonly QueueProgress[];
  /** Messages a second that the group was given in the last minute. */
  readonly consumeTps: number;
}

/** QueueTimeSpan: when messages of a queue were stored. -1 where there is none. */
export interface QueueTimeSpan {
  readonly queueId: number;
  readonly minTimeStamp: number;
  readonly maxTimeStamp: number;
  readonly consumeTimeStamp: number;
  readonly delayTime: number;
}

/** Queues looked at before others get a turn: some 20 us each. */
const queuesAtOnce = 100;

/** How far groups are (AdminBrokerProcessor.getConsumeStats and others). */
export class ConsumeProgress {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #groups: SubscriptionGroups;
  readonly #consumers: Consumers;
  readonly #offsets: ConsumerOffsets;
  readonly #stats: BrokerStats;
  readonly #nowMs: () => number;
  readonly #pause: () => Promise<void>;
  #looked = 0;

  constructor(given: {
    store: Store;
    topics: Topics;
    groups: SubscriptionGroups;
    consumers: Consumers;
    offsets: ConsumerOffsets;
    stats: BrokerStats;
    nowMs: () => number;
    /** Ends when others had a turn. */
    pause: () => Promise<void>;
  }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#groups = given.groups;
    this.#consumers = given.consumers;
    this.#offsets = given.offsets;
    this.#stats = given.stats;
    this.#nowMs = given.nowMs;
    this.#pause = given.pause;
  }

  /**
   * Of a group in the topics that are named, or else in `topic`, or else in all it has offsets in; of the latter two only those that its members
   * subscribe to, if any are online.
   */
  async of(group: string, topic: string | undefined, named: readonly string[]): Promise<GroupProgress> {
    const asked = topic === undefined ? this.#offsets.topicsOf(group) : [topic];
    const topics = named.length > 0 ? named : asked.filter((one) => this.#isConsumed(group, one));
    const queues: QueueProgress[] = [];
    let consumeTps = 0;
    for (const config of this.#configs(new Set(topics))) {
      for (let queueId = 0; queueId < config.readQueueNums; queueId++) {
        const progress = await this.#ofQueue(group, config.topicName, queueId);
        const pullOffset = this.#stats.pulledTo(config.topicName, group, queueId) ?? 0;
        queues.push({ ...progress, pullOffset: Math.max(progress.consumerOffset, pullOffset) });
      }
      consumeTps += this.#stats.getsPerSecond(config.topicName, group);
    }
    return { queues, consumeTps };
  }

  /** Of each group in each topic, of ordered ones alone if asked so; groups without any have none (fetchAllConsumeStatsInBroker). */
  async ofAll(orderedOnly: boolean): Promise<Map<string, GroupProgress[]>> {
    const topicsByGroup = this.#offsets.topicsByGroup();
    const all = new Map<string, GroupProgress[]>();
    for (const { groupName } of [...this.#groups.all()]) {
      const found: GroupProgress[] = [];
      const topics = (topicsByGroup.get(groupName) ?? []).filter((topic) => this.#isConsumed(groupName, topic));
      for (const config of this.#configs(topics)) {
        if (orderedOnly && !config.order) continue;
        const queues: QueueProgress[] = [];
        for (let queueId = 0; queueId < config.writeQueueNums; queueId++) {
          // Apache leaves the other out here.
          queues.push({ ...(await this.#ofQueue(groupName, config.topicName, queueId)), pullOffset: 0 });
        }
        found.push({ queues, consumeTps: this.#stats.getsPerSecond(config.topicName, groupName) });
      }
      all.set(groupName, found);
    }
    return all;
  }

  /** When what a group has consumed of a topic was stored, by queue. Rejects with TOPIC_NOT_EXIST (queryConsumeTimeSpan). */
  async timeSpans(group: string, topic: string): Promise<QueueTimeSpan[]> {
    const config = this.#topics.find(topic)?.config;
    if (config === undefined) throw new WasmqError("TOPIC_NOT_EXIST", `topic[${topic}] not exist`);
    const spans: QueueTimeSpan[] = [];
    for (let queueId = 0; queueId < config.writeQueueNums; queueId++) {
      const { minOffset, maxOffset } = this.#store.range(topic, queueId);
      const storedAt = async (offset: number) => (await this.#store.storeTimeAt(topic, queueId, offset)) ?? -1;
      const consumed = this.#offsets.find(group, topic, queueId) ?? -1;
      const minTimeStamp = await storedAt(minOffset);
      spans.push({
        queueId,
        minTimeStamp,
        maxTimeStamp: await storedAt(maxOffset - 1),
        consumeTimeStamp: consumed > 0 ? await storedAt(consumed - 1) : minTimeStamp,
        delayTime: consumed < maxOffset ? this.#nowMs() - (await storedAt(consumed)) : 0,
      });
      await this.#takeTurns();
    }
    return spans;
  }

  /** The groups that consume a topic: those that are online, and those that have offsets in it (queryTopicConsumeByWho). */
  groupsOf(topic: string): string[] {
    return [...new Set([...this.#consumers.subscribersOf(topic), ...this.#offsets.groupsOf(topic)])];
  }

  /** Its members, if any are online, subscribe to the topic. */
  #isConsumed(group: string, topic: string): boolean {
    const subscriptions = this.#consumers.find(group)?.subscriptions;
    return subscriptions === undefined || subscriptions.size === 0 || subscriptions.has(topic);
  }

  #configs(topics: Iterable<string>): TopicConfig[] {
    return Array.from(topics, (topic) => this.#topics.find(topic)?.config).filter((config) => config !== undefined);
  }

  async #ofQueue(group: string, topic: string, queueId: number): Promise<Omit<QueueProgress, "pullOffset">> {
    const consumerOffset = this.#offsets.find(group, topic, queueId) ?? 0;
    const { maxOffset: brokerOffset } = this.#store.range(topic, queueId);
    const storedAt = consumerOffset > 0 ? await this.#store.storeTimeAt(topic, queueId, consumerOffset - 1) : undefined;
    await this.#takeTurns();
    return { topic, queueId, brokerOffset, consumerOffset, lastTimestamp: storedAt ?? 0 };
  }

  async #takeTurns(): Promise<void> {
    if (++this.#looked % queuesAtOnce === 0) await this.#pause();
  }
}
