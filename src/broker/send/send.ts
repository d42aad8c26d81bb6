import type { Entropy } from "../../ports/entropy.ts";
import { WasmqError } from "../../ports/error.ts";
import type { AppendListener, StoredMessage } from "../../store/commit-log.ts";
import type { Store } from "../../store/store.ts";
import type { DelayLevels } from "../delay/delay-levels.ts";
import { checkDelayLevel, delayLevelOf, park } from "../delay/park.ts";
import { hostHex, offsetMessageId } from "../message/message-id.ts";
import { getProperty, hasProperty, property, removeProperty, setProperty } from "../message/properties.ts";
import type { UniqueKeys } from "../message/unique-key.ts";
import { checkTopicName, deadLetterTopicOf, groupOfRetryTopic, isRetryOrDeadLetterTopic } from "../names.ts";
import type { QueueLocks } from "../orderly/queue-locks.ts";
import type { BrokerSettings } from "../settings.ts";
import type { SubscriptionGroups } from "../subscription-group/subscription-groups.ts";
import { isClosedToClients } from "../topic/system-topics.ts";
import { perm, queueTypeAttribute, topicSysFlag } from "../topic/topic-config.ts";
import type { Topic, Topics } from "../topic/topics.ts";

/** A producer's message (SendMessageRequestHeader). The body is not kept beyond the call. */
export interface SendMessage {
  readonly producerGroup: string;
  readonly topic: string;
  readonly defaultTopic: string;
  readonly defaultTopicQueueNums: number;
  /** Negative: any queue. */
  readonly queueId: number;
  readonly sysFlag: number;
  readonly bornTimestamp: number;
  readonly bornHost: Uint8Array;
  readonly flag: number;
  readonly properties: string;
  readonly reconsumeTimes: number;
  readonly unitMode: boolean;
  readonly batch: boolean;
  /** For messages sent to a retry topic: the consumer's own limit, if it has one. */
  readonly maxReconsumeTimes: number | undefined;
  readonly body: Uint8Array;
}

export interface SentMessage {
  /** The offset message id; for a batch those of all its messages, joined by commas. */
  readonly messageId: string;
  readonly queueId: number;
  readonly queueOffset: number;
  /** The message's unique key, which RocketMQ's clients show as its id. */
  readonly transactionId: string | undefined;
}

/** Told once: `sent` when the message is kept as the flush mode promises it, `failed` when it is not known to be. */
export interface SendListener {
  sent(message: SentMessage): void;
  failed(error: WasmqError): void;
}

/** Java's clients may say so in 127 bytes of a record's first version; a longer topic of a plain send is refused, as by Apache. */
const singleSendTopicCharsMax = 127;

/** Bits of a message's sysFlag (MessageSysFlag). */
const transactionBits = 0xc;
/** Of records that hold whole batches, for a BatchConsumeQueue. */
const batchBits = 0xc0;

/** Takes messages from producers (SendMessageProcessor). */
export class Send {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #groups: SubscriptionGroups;
  readonly #locks: QueueLocks;
  readonly #levels: DelayLevels;
  readonly #uniqueKeys: UniqueKeys;
  readonly #entropy: Entropy;
  readonly #settings: BrokerSettings;
  readonly #systemProperties: string;
  readonly #storeHostHex: string;

  constructor(given: {
    store: Store;
    topics: Topics;
    groups: SubscriptionGroups;
    locks: QueueLocks;
    levels: DelayLevels;
    uniqueKeys: UniqueKeys;
    entropy: Entropy;
    settings: BrokerSettings;
  }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#groups = given.groups;
    this.#locks = given.locks;
    this.#levels = given.levels;
    this.#uniqueKeys = given.uniqueKeys;
    this.#entropy = given.entropy;
    this.#settings = given.settings;
    this.#storeHostHex = hostHex(given.settings.storeHost);
    this.#systemProperties =
      `${property.messageRegion}\u0001${given.settings.regionId}\u0002` +
      `${property.traceSwitch}\u0001true\u0002` +
      `${property.cluster}\u0001${given.settings.clusterName}\u0002`;
  }

  /**
   * Stores a message. Throws what is wrong with it (NO_PERMISSION, TOPIC_NOT_EXIST, INVALID_PARAMETER, MESSAGE_ILLEGAL,
   * SYSTEM_ERROR, SYSTEM_BUSY, SERVICE_NOT_AVAILABLE); the listener is not called then.
   */
  send(message: SendMessage, listener: SendListener): void {
    let topic = this.#topicOf(message);
    let queueId = this.#queueOf(message, topic);
    let properties = message.properties;
    if ((message.sysFlag & batchBits) !== 0) {
      throw new WasmqError("MESSAGE_ILLEGAL", `sysFlag ${message.sysFlag} is that of a record of the broker's own`);
    }
    const transactional =
      (message.sysFlag & transactionBits) !== 0 || getProperty(properties, property.transactionPrepared) === "true";
    if (transactional) {
      throw new WasmqError("NO_PERMISSION", `the broker[${this.#settings.brokerName}] takes no transaction messages`);
    }
    const retryGroup = groupOfRetryTopic(message.topic);
    if (message.batch) {
      if (retryGroup !== undefined)
        throw new WasmqError("MESSAGE_ILLEGAL", "batch request does not support retry group");
    } else {
      if (retryGroup !== undefined) {
        const deadLetters = this.#deadLetterTopic(retryGroup, message);
        if (deadLetters !== undefined) {
          topic = deadLetters;
          queueId = this.#anyQueue(topic);
          properties = removeProperty(properties, property.delayLevel);
        }
      }
      properties = this.#withSystemProperties(properties);
    }
    const transactionId = message.batch ? undefined : getProperty(properties, property.uniqueKey);
    let storedIn = topic;
    let storedQueueId = queueId;
    if (!message.batch && hasProperty(properties, property.delayLevel)) {
      checkDelayLevel(properties);
      if (delayLevelOf(properties) > 0) {
        const parked = park(topic.config.topicName, queueId, properties, this.#levels);
        storedIn = this.#topics.find(parked.topic)!;
        storedQueueId = parked.queueId;
        properties = parked.properties;
      }
    } else if (hasTimer(properties)) {
      throw new WasmqError(
        "MESSAGE_ILLEGAL",
        "timer messages (TIMER_DELAY_SEC, TIMER_DELAY_MS, TIMER_DELIVER_MS) are not served",
      );
    }
    const storeHost = this.#settings.storeHost;
    this.#store.append(
      {
        topic: storedIn.config.topicName,
        topicBytes: storedIn.nameBytes,
        flag: message.flag,
        sysFlag: message.sysFlag,
        bornTimestamp: message.bornTimestamp,
        bornHost: message.bornHost,
        storeHost,
        reconsumeTimes: message.reconsumeTimes,
        preparedTransactionOffset: 0,
        body: message.body,
        properties,
        batch: message.batch,
      },
      storedQueueId,
      new Sending(listener, this.#storeHostHex, queueId, transactionId, this.#topics, topic),
    );
  }

  #topicOf(message: SendMessage): Topic {
    const { topic: name } = message;
    if (isClosedToClients(name)) {
      throw new WasmqError("NO_PERMISSION", `Sending message to topic[${name}] is forbidden.`);
    }
    const topic = this.#topics.find(name) ?? this.#newTopic(message);
    if (topic.config.attributes[queueTypeAttribute] === "BatchCQ") {
      throw new WasmqError("MESSAGE_ILLEGAL", `the topic[${name}] is of queue type BatchCQ, which is not served`);
    }
    if ((topic.config.perm & perm.write) === 0) {
      throw new WasmqError("NO_PERMISSION", `the topic[${name}] is not writable`);
    }
    if (!message.batch && groupOfRetryTopic(name) === undefined && name.length > singleSendTopicCharsMax) {
      throw new WasmqError("MESSAGE_ILLEGAL", `message topic length too long ${name.length}`);
    }
    return topic;
  }

  #newTopic({ topic: name, defaultTopic, defaultTopicQueueNums, unitMode }: SendMessage): Topic {
    checkTopicName(name);
    const topic = this.#topics.createInSend(name, defaultTopic, defaultTopicQueueNums, unitMode);
    if (topic !== undefined) return topic;
    if (isRetryOrDeadLetterTopic(name)) {
      return this.#topics.findOrCreateForGroup(name, 1, unitMode ? topicSysFlag.unitSub : 0);
    }
    throw new WasmqError("TOPIC_NOT_EXIST", `topic[${name}] not exist, apply first please!`);
  }

  #queueOf(message: SendMessage, topic: Topic): number {
    const { readQueueNums, writeQueueNums } = topic.config;
    if (message.queueId < 0) return this.#anyQueue(topic);
    if (message.queueId >= Math.max(readQueueNums, writeQueueNums)) {
      throw new WasmqError(
        "INVALID_PARAMETER",
        `request queueId[${message.queueId}] is illegal, topic[${message.topic}] has ${writeQueueNums} write queues`,
      );
    }
    return message.queueId;
  }

  #anyQueue(topic: Topic): number {
    return Math.floor(this.#entropy.random() * Math.max(1, topic.config.writeQueueNums));
  }

  /**
   * A client that could not send a message back sends it to the retry topic itself; tried too often, it goes to the dead
   * letters (SendMessageProcessor.handleRetryAndDLQ). Undefined if it may be retried.
   */
  #deadLetterTopic(group: string, message: SendMessage): Topic | undefined {
    const config = this.#groups.findOrCreate(group);
    const max = message.maxReconsumeTimes ?? config.retryMaxTimes;
    if (message.reconsumeTimes <= max && !this.#locks.isAnyHeld(group)) return undefined;
    return this.#topics.findOrCreateForGroup(deadLetterTopicOf(group), 1, 0);
  }

  #withSystemProperties(properties: string): string {
    let known = properties;
    if (hasProperty(known, property.popCheckPoint)) known = removeProperty(known, property.popCheckPoint);
    if (!hasProperty(known, property.uniqueKey))
      known = setProperty(known, property.uniqueKey, this.#uniqueKeys.next());
    if (hasProperty(known, property.cluster)) {
      // A message sent on by a consumer carries these already; they are replaced as Apache's property map does.
      for (const name of [property.messageRegion, property.traceSwitch, property.cluster]) {
        known = removeProperty(known, name);
      }
    }
    return (known.endsWith("\u0002") ? known : `${known}\u0002`) + this.#systemProperties;
  }
}

/** One message between its append and its sender's answer. */
class Sending implements AppendListener {
  readonly #listener: SendListener;
  readonly #storeHostHex: string;
  readonly #queueId: number;
  readonly #transactionId: string | undefined;
  readonly #topics: Topics;
  readonly #topic: Topic;

  constructor(
    listener: SendListener,
    storeHostHex: string,
    queueId: number,
    transactionId: string | undefined,
    topics: Topics,
    topic: Topic,
  ) {
    this.#topics = topics;
    this.#topic = topic;
    this.#listener = listener;
    this.#storeHostHex = storeHostHex;
    this.#queueId = queueId;
    this.#transactionId = transactionId;
  }

  stored(message: StoredMessage): void {
    const saving = this.#topics.saved(this.#topic);
    if (saving === undefined) this.#sent(message);
    else {
      saving.then(
        () => this.#sent(message),
        (error: WasmqError) => this.#listener.failed(error),
      );
    }
  }

  failed(error: WasmqError): void {
    this.#listener.failed(error);
  }

  #sent(message: StoredMessage): void {
    let messageId = offsetMessageId(this.#storeHostHex, message.physicalOffset);
    let next = message.physicalOffset;
    for (let i = 1; i < message.sizes.length; i++) {
      next += message.sizes[i - 1]!;
      messageId += `,${offsetMessageId(this.#storeHostHex, next)}`;
    }
    this.#listener.sent({
      messageId,
      queueId: this.#queueId,
      queueOffset: message.queueOffset,
      transactionId: this.#transactionId,
    });
  }
}

function hasTimer(properties: string): boolean {
  return (
    properties.includes("TIMER_DEL") &&
    (hasProperty(properties, property.timerDelaySeconds) ||
      hasProperty(properties, property.timerDelayMs) ||
      hasProperty(properties, property.timerDeliverMs))
  );
}
