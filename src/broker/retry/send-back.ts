import type { Entropy } from "../../ports/entropy.ts";
import { WasmqError } from "../../ports/error.ts";
import { isInnerBatch } from "../../store/inner-batch.ts";
import type { Store } from "../../store/store.ts";
import type { DelayLevels } from "../delay/delay-levels.ts";
import { delayLevelOf, park } from "../delay/park.ts";
import { hostHex, offsetMessageId } from "../message/message-id.ts";
import { getProperty, property, setProperty } from "../message/properties.ts";
import { deadLetterQueue, deadLetterTopicOf, retryTopicOf } from "../names.ts";
import type { BrokerSettings } from "../settings.ts";
import type { BrokerStats } from "../stats/broker-stats.ts";
import type { SubscriptionGroups } from "../subscription-group/subscription-groups.ts";
import { perm, topicSysFlag } from "../topic/topic-config.ts";
import type { Topics } from "../topic/topics.ts";

/** A consumer's wish to get a message again later (ConsumerSendMsgBackRequestHeader). */
export interface SendBack {
  readonly group: string;
  /** Where the message stands in the CommitLog. */
  readonly offset: number;
  /** 0: as the number of tries says. Negative: never again. */
  readonly delayLevel: number;
  readonly unitMode: boolean;
  readonly maxReconsumeTimes: number | undefined;
}

/** The first retry waits as long as this level says, each later one a level longer. */
const firstRetryLevel = 3;

/** Takes back what consumers could not consume (AbstractSendMessageProcessor.consumerSendMsgBack). */
export class SendBacks {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #groups: SubscriptionGroups;
  readonly #levels: DelayLevels;
  readonly #entropy: Entropy;
  readonly #settings: BrokerSettings;
  readonly #stats: BrokerStats;

  constructor(given: {
    store: Store;
    topics: Topics;
    groups: SubscriptionGroups;
    levels: DelayLevels;
    entropy: Entropy;
    settings: BrokerSettings;
    stats: BrokerStats;
  }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#groups = given.groups;
    this.#levels = given.levels;
    this.#entropy = given.entropy;
    this.#settings = given.settings;
    this.#stats = given.stats;
  }

  /**
   * Stores a copy of the message in the group's retry topic, delayed, or among its dead letters once it was tried too often.
   * Ends when the copy is kept. Rejects with INVALID_PARAMETER for the group's name, NO_PERMISSION, or SYSTEM_ERROR when there is no
   * such message.
   */
  async sendBack({ group, offset, delayLevel, unitMode, maxReconsumeTimes }: SendBack): Promise<void> {
    const config = this.#groups.findOrCreate(group);
    if ((this.#settings.brokerPermission & perm.write) === 0) {
      throw new WasmqError("NO_PERMISSION", `the broker[${this.#settings.brokerName}] sending message is forbidden`);
    }
    if (config.retryQueueNums <= 0) return;
    let topic = this.#topics.findOrCreateForGroup(
      retryTopicOf(group),
      config.retryQueueNums,
      unitMode ? topicSysFlag.unitSub : 0,
    );
    if ((topic.config.perm & perm.write) === 0) {
      throw new WasmqError("NO_PERMISSION", `the topic[${topic.config.topicName}] is not writable`);
    }
    const message = await this.#store.recordAt(offset);
    if (message === undefined) throw new WasmqError("SYSTEM_ERROR", `look message by offset failed, ${offset}`);

    // Its client sends the one message of it that failed to the retry topic itself then.
    if (isInnerBatch(message)) {
      throw new WasmqError("SYSTEM_ERROR", `MESSAGE_ILLEGAL: at ${offset} stands a batch of messages in one record`);
    }

    let { properties } = message;
    if (getProperty(properties, property.retryTopic) === undefined) {
      properties = setProperty(properties, property.retryTopic, message.topic);
    }
    if (getProperty(properties, property.originMessageId) === undefined) {
      properties = setProperty(
        properties,
        property.originMessageId,
        offsetMessageId(hostHex(message.storeHost), message.physicalOffset),
      );
    }
    properties = setProperty(properties, property.waitStoreMessageOk, "false");

    const triesMax = maxReconsumeTimes ?? config.retryMaxTimes;
    const dead = message.reconsumeTimes >= triesMax || delayLevel < 0;
    if (dead) {
      topic = this.#topics.findOrCreateForGroup(deadLetterTopicOf(group), 1, 0);
      properties = setProperty(properties, property.delayLevel, "0");
    } else {
      const level = delayLevel === 0 ? firstRetryLevel + message.reconsumeTimes : delayLevel;
      properties = setProperty(properties, property.delayLevel, String(level));
    }
    const queueId = dead ? deadLetterQueue : Math.floor(this.#entropy.random() * config.retryQueueNums);
    let storedIn = topic;
    let storedQueueId = queueId;
    if (delayLevelOf(properties) > 0) {
      const parked = park(topic.config.topicName, queueId, properties, this.#levels);
      storedIn = this.#topics.find(parked.topic)!;
      storedQueueId = parked.queueId;
      properties = parked.properties;
    }
    await new Promise<void>((resolve, reject) => {
      this.#store.append(
        {
          topic: storedIn.config.topicName,
          topicBytes: storedIn.nameBytes,
          flag: message.flag,
          sysFlag: message.sysFlag,
          bornTimestamp: message.bornTimestamp,
          bornHost: message.bornHost,
          storeHost: this.#settings.storeHost,
          reconsumeTimes: message.reconsumeTimes + 1,
          preparedTransactionOffset: 0,
          body: message.body,
          properties,
          batch: false,
        },
        storedQueueId,
        { stored: () => resolve(), failed: reject },
      );
    });
    await this.#topics.saved(topic);
    this.#stats.gaveBack(message.topic, group);
  }
}
