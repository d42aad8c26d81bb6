import { queuesPerTopicMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Store } from "../../store/store.ts";
import { type AttributeChanges, changedAttributes } from "../attributes.ts";
import type { DedupWindows } from "../dedup/dedup-windows.ts";
import { checkTopicName } from "../names.ts";
import type { ConsumerOffsets } from "../offset/consumer-offsets.ts";
import type { BrokerStats } from "../stats/broker-stats.ts";
import { messageTypeAttribute, mixedMessageType, topicAttributes } from "../topic/topic-attributes.ts";
import { makeTopicConfig, permMax, type TopicConfig } from "../topic/topic-config.ts";
import type { Topic, Topics } from "../topic/topics.ts";

/** A topic as an administrator wants it (CreateTopicRequestHeader). */
export interface TopicWish {
  readonly topicName: string;
  readonly readQueueNums: number;
  readonly writeQueueNums: number;
  readonly perm: number;
  readonly topicFilterType: string;
  readonly topicSysFlag: number;
  readonly order: boolean;
  readonly attributes: AttributeChanges;
}

/** What a queue holds (TopicOffset). */
export interface QueueStatus {
  readonly queueId: number;
  readonly minOffset: number;
  readonly maxOffset: number;
  /** When its last message was stored; 0 for a queue that never had one, -1 where it is gone. */
  readonly lastUpdateTimestamp: number;
}

/** Makes, changes, shows and deletes topics for administrators (AdminBrokerProcessor). */
export class TopicAdmin {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #dedup: DedupWindows;
  readonly #offsets: ConsumerOffsets;
  readonly #stats: BrokerStats;
  /** The topics that are the broker's own business. */
  readonly systemTopics: ReadonlySet<string>;

  constructor(given: {
    store: Store;
    topics: Topics;
    dedup: DedupWindows;
    offsets: ConsumerOffsets;
    stats: BrokerStats;
    systemTopics: ReadonlySet<string>;
  }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#dedup = given.dedup;
    this.#offsets = given.offsets;
    this.#stats = given.stats;
    this.systemTopics = given.systemTopics;
  }

  /**
   * Ends when topics.json has the topics as they are wanted. Rejects, before any is changed, with INVALID_PARAMETER for what a topic can't
   * be, or SYSTEM_ERROR for attributes; with SYSTEM_ERROR or SERVICE_NOT_AVAILABLE if it can't be kept. As with Apache, a list in which
   * one topic is already as it is wanted changes nothing.
   */
  async update(wishes: readonly TopicWish[]): Promise<void> {
    for (const wish of wishes) this.#check(wish);
    if (wishes.some((wish) => this.#isAsWanted(wish))) return;
    const wanted = wishes.map((wish) => this.#wanted(wish));
    const put: Topic[] = wanted.map((config) => this.#topics.put(config));
    for (const topic of put) await this.#topics.saved(topic);
  }

  /** Ends when the topic, its queues and all offsets in it are gone, and with it the topics in which its messages wait to be popped again. */
  async delete(topic: string): Promise<void> {
    if (topic.trim() === "") throw new WasmqError("INVALID_PARAMETER", "The specified topic is blank.");
    this.#checkNoSystemTopic(topic);
    const retries = this.#offsets
      .groupsOf(topic)
      .flatMap((group) => [`%RETRY%${group}+${topic}`, `%RETRY%${group}_${topic}`])
      .filter((name) => this.#topics.find(name) !== undefined);
    for (const name of [topic, ...retries]) await this.#delete(name);
  }

  /** What each queue of a topic holds, and how many messages a second came in the last minute. Rejects with TOPIC_NOT_EXIST. */
  async status(topic: string): Promise<{ readonly queues: readonly QueueStatus[]; readonly putsPerSecond: number }> {
    const found = this.#topics.find(topic)?.config;
    if (found === undefined) throw new WasmqError("TOPIC_NOT_EXIST", `topic[${topic}] not exist`);
    const queues: QueueStatus[] = [];
    for (let queueId = 0; queueId < Math.max(found.readQueueNums, found.writeQueueNums); queueId++) {
      const { minOffset, maxOffset } = this.#store.range(topic, queueId);
      const storedAt = maxOffset === 0 ? 0 : await this.#store.storeTimeAt(topic, queueId, maxOffset - 1);
      queues.push({ queueId, minOffset, maxOffset, lastUpdateTimestamp: storedAt ?? -1 });
    }
    return { queues, putsPerSecond: this.#stats.putsPerSecond(topic) };
  }

  #check({ topicName, readQueueNums, writeQueueNums, perm, topicFilterType, attributes }: TopicWish): void {
    checkTopicName(topicName);
    this.#checkNoSystemTopic(topicName);
    for (const count of [readQueueNums, writeQueueNums]) {
      if (count < 0 || count > queuesPerTopicMax) {
        throw new WasmqError("INVALID_PARAMETER", `a topic of ${count} queues: allowed are ${queuesPerTopicMax}`);
      }
    }
    if (perm < 0 || perm > permMax) throw new WasmqError("INVALID_PARAMETER", `perm ${perm} is none`);
    if (topicFilterType !== "SINGLE_TAG" && topicFilterType !== "MULTI_TAG") {
      throw new WasmqError("SYSTEM_ERROR", `topicFilterType = [${topicFilterType.slice(0, 64)}] value invalid`);
    }
    if (attributes.get(`+${messageTypeAttribute}`) === mixedMessageType) {
      throw new WasmqError("INVALID_PARAMETER", "MIXED message type is not supported.");
    }
  }

  #checkNoSystemTopic(topic: string): void {
    if (this.systemTopics.has(topic) || topic.startsWith("rmq_sys_")) {
      throw new WasmqError("INVALID_PARAMETER", `The topic[${topic}] is conflict with system topic.`);
    }
  }

  #isAsWanted(wish: TopicWish): boolean {
    const known = this.#topics.find(wish.topicName)?.config;
    if (known === undefined || wish.attributes.size > 0 || Object.keys(known.attributes).length > 0) return false;
    const { attributes: _, ...wanted } = wish;
    return Object.entries(wanted).every(([name, value]) => known[name] === value);
  }

  #wanted({ attributes, ...wish }: TopicWish): TopicConfig {
    const known = this.#topics.find(wish.topicName)?.config;
    return makeTopicConfig(wish.topicName, 0, {
      ...known,
      ...wish,
      attributes: changedAttributes(topicAttributes, known?.attributes, attributes),
    });
  }

  async #delete(topic: string): Promise<void> {
    const deleted = this.#topics.delete(topic);
    this.#offsets.forgetTopic(topic);
    this.#stats.topicDeleted(topic);
    this.#dedup.forgetTopic(topic);
    await deleted;
    await this.#store.deleteQueues(topic);
  }
}
