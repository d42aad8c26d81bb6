import type { Entropy } from "../../ports/entropy.ts";
import { WasmqError } from "../../ports/error.ts";
import { decodeUtf8, encodeUtf8 } from "../../ports/text.ts";
import type { AppendListener, StoredMessage } from "../../store/commit-log.ts";
import { innerBatchMessagesMax } from "../../store/inner-batch.ts";
import type { Store } from "../../store/store.ts";
import type { DedupWindows } from "../dedup/dedup-windows.ts";
import type { FirstMessage } from "../dedup/first-message.ts";
import type { DelayLevels } from "../delay/delay-levels.ts";
import { checkDelayLevel, delayLevelOf, park } from "../delay/park.ts";
import { type BatchItem, batchItems, joinItems } from "../message/batch-items.ts";
import { hostHex, offsetMessageId } from "../message/message-id.ts";
import {
  getProperty,
  hasProperty,
  property,
  removeProperty,
  setProperty,
  uniqueKeyIfPlain,
} from "../message/properties.ts";
import type { UniqueKeys } from "../message/unique-key.ts";
import {
  checkTopicName,
  deadLetterQueue,
  deadLetterTopicOf,
  groupOfRetryTopic,
  isRetryOrDeadLetterTopic,
} from "../names.ts";
import type { QueueLocks } from "../orderly/queue-locks.ts";
import type { BrokerSettings } from "../settings.ts";
import type { SubscriptionGroups } from "../subscription-group/subscription-groups.ts";
import { asksForTimer, type TimerParking } from "../timer/park.ts";
import { recallHandle } from "../timer/recall-handle.ts";
import { autoCreateTopic, isClosedToClients, transactionHalfTopic } from "../topic/system-topics.ts";
import { perm, topicSysFlag } from "../topic/topic-config.ts";
import type { Topic, Topics } from "../topic/topics.ts";
import { halfProperties, isHalf, transactionBits, transactionType } from "../transaction/half.ts";
import { answerOnceSaved, OnceAnswer } from "./once-answer.ts";

/** A producer's message (SendMessageRequestHeader). Body and properties are not kept beyond the call. */
export interface SendMessage {
  readonly topic: string;
  readonly defaultTopic: string;
  readonly defaultTopicQueueNums: number;
  /** Negative: any queue. */
  readonly queueId: number;
  readonly sysFlag: number;
  readonly bornTimestamp: number;
  readonly bornHost: Uint8Array;
  readonly flag: number;
  /** As they came, in UTF-8. */
  readonly properties: Uint8Array;
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
  /** Of a batch that became one record: its unique key. */
  readonly batchUniqId?: string | undefined;
  /** Of a message that waits for its time: by which it can be recalled. */
  readonly recallHandle?: string | undefined;
}

/**
 * Told once: `sent` when the message is kept as the flush mode promises it, `failed` when it is not known to be; `flushTimedOut` when
 * it is stored and not known to be on the medium after syncFlushTimeout (PutMessageStatus.FLUSH_DISK_TIMEOUT).
 */
export interface SendListener {
  sent(message: SentMessage): void;
  flushTimedOut(message: SentMessage): void;
  failed(error: WasmqError): void;
}

/** What the first version of a record has room for; a longer topic is refused, as by Apache. */
const sentTopicCharsMax = 127;

/** Bits of a message's sysFlag (MessageSysFlag): of records that hold whole batches, for a BatchConsumeQueue. */
const batchBits = 0xc0;

/** Takes messages from producers (SendMessageProcessor). */
export class Send {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #groups: SubscriptionGroups;
  readonly #locks: QueueLocks;
  readonly #levels: DelayLevels;
  readonly #timers: TimerParking;
  readonly #dedup: DedupWindows;
  readonly #uniqueKeys: UniqueKeys;
  readonly #entropy: Entropy;
  readonly #settings: BrokerSettings;
  /** What each single message is given, and its bytes. */
  readonly #systemProperties: string;
  readonly #systemPropertiesBytes: Uint8Array;
  readonly #storeHostHex: string;

  constructor(given: {
    store: Store;
    topics: Topics;
    groups: SubscriptionGroups;
    locks: QueueLocks;
    levels: DelayLevels;
    timers: TimerParking;
    dedup: DedupWindows;
    uniqueKeys: UniqueKeys;
    entropy: Entropy;
    settings: BrokerSettings;
  }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#groups = given.groups;
    this.#locks = given.locks;
    this.#levels = given.levels;
    this.#timers = given.timers;
    this.#dedup = given.dedup;
    this.#uniqueKeys = given.uniqueKeys;
    this.#entropy = given.entropy;
    this.#settings = given.settings;
    this.#storeHostHex = hostHex(given.settings.storeHost);
    this.#systemProperties =
      `${property.messageRegion}\u0001${given.settings.regionId}\u0002` +
      `${property.traceSwitch}\u0001${given.settings.traceOn}\u0002` +
      `${property.cluster}\u0001${given.settings.clusterName}\u0002`;
    this.#systemPropertiesBytes = encodeUtf8(this.#systemProperties);
  }

  /**
   * Stores a message. Throws what is wrong with it (NO_PERMISSION, TOPIC_NOT_EXIST, INVALID_PARAMETER, MESSAGE_ILLEGAL,
   * SYSTEM_ERROR, SYSTEM_BUSY, SERVICE_NOT_AVAILABLE); the listener is not called then.
   */
  send(message: SendMessage, listener: SendListener): void {
    const topic = this.#topicOf(message);
    const queueId = this.#queueOf(message, topic);
    if ((message.sysFlag & batchBits) !== 0) {
      throw new WasmqError("MESSAGE_ILLEGAL", `sysFlag ${message.sysFlag} is that of a record of the broker's own`);
    }
    const retryGroup = groupOfRetryTopic(message.topic);
    const isPlain = !message.batch && retryGroup === undefined && topic.dedup === undefined;
    if (isPlain && (message.sysFlag & transactionBits) === 0) {
      const uniqueKey = uniqueKeyIfPlain(message.properties);
      if (uniqueKey !== undefined) {
        const listening = new Sending(listener, this.#storeHostHex, queueId, uniqueKey, this.#topics, topic);
        this.#append(message, topic, queueId, message.properties, this.#systemPropertiesBytes, listening);
        return;
      }
    }
    this.#sendSpecial(message, topic, queueId, retryGroup, listener);
  }

  /**
   * The queue that a message is for; any, if it names none. Makes the topic if `send` would, and throws what that would say of topic and
   * queue.
   */
  queueFor(message: SendMessage): number {
    return this.#queueOf(message, this.#topicOf(message));
  }

  /** One that is more than its body: a batch, a retry, a half message, a delayed one, one that is stored once. */
  #sendSpecial(
    message: SendMessage,
    sentTo: Topic,
    sentToQueueId: number,
    retryGroup: string | undefined,
    listener: SendListener,
  ): void {
    let topic = sentTo;
    let queueId = sentToQueueId;
    let properties = decodeUtf8(message.properties);
    let key: string | undefined;
    let innerBatch: number | undefined;
    if (message.batch) {
      checkBatch(message, properties);
      const isInner = topic.isOfBatches && topic.dedup === undefined && hasProperty(properties, property.uniqueKey);
      if (isInner) {
        if (asksForTimer(properties)) throw new WasmqError("MESSAGE_ILLEGAL", "a batch can't be delayed");
        innerBatch = innerBatchCount(message.body);
        // Set for the record when its offset is known.
        for (const name of [property.innerNum, property.innerBase]) properties = removeProperty(properties, name);
        properties = this.#withSystemProperties(properties);
      }
    } else {
      if (hasProperty(properties, property.innerNum)) {
        throw new WasmqError("MESSAGE_ILLEGAL", `${property.innerNum} is of records of the broker's own`);
      }
      if (retryGroup === undefined) key = this.#dedup.keyOf(topic, properties);
      else {
        const deadLetters = this.#deadLetterTopic(retryGroup, message);
        if (deadLetters !== undefined) {
          topic = deadLetters;
          queueId = deadLetterQueue;
          properties = setProperty(properties, property.delayLevel, "-1");
        }
      }
      properties = this.#withSystemProperties(properties);
    }
    const transactionId = getProperty(properties, property.uniqueKey);
    const isOfTransaction = !message.batch && this.#isHalf(message, properties);
    // Of two that begin, both are half messages: the commit is what comes once.
    if (isOfTransaction) key = undefined;
    const items = message.batch && topic.dedup !== undefined ? batchItems(message.body) : undefined;
    if (items !== undefined) {
      this.#appendBatchOnce(message, items, topic, queueId, properties, listener);
      return;
    }
    const known = key === undefined ? undefined : this.#dedup.find(topic, key);
    if (known !== undefined) {
      this.#answerOnce([known], topic, known.uniqueKey, listener);
      return;
    }
    let storedIn = topic;
    let storedQueueId = queueId;
    let handle: string | undefined;
    if (isOfTransaction) {
      storedIn = this.#topics.findOrCreateForGroup(transactionHalfTopic, 1, 0);
      storedQueueId = 0;
      properties = halfProperties(topic.config.topicName, queueId, properties);
    } else if (!message.batch) {
      checkDelayLevel(properties);
      const { topicName } = topic.config;
      const isOfLevel = delayLevelOf(properties) > 0;
      const timer = isOfLevel ? undefined : this.#timers.park(topicName, queueId, properties);
      const parked = isOfLevel ? park(topicName, queueId, properties, this.#levels) : timer;
      if (parked !== undefined) {
        storedIn = this.#topics.find(parked.topic)!;
        storedQueueId = parked.queueId;
        properties = parked.properties;
      }
      if (timer !== undefined && retryGroup === undefined) {
        handle = recallHandle(topicName, this.#settings.brokerName, timer.outMs, transactionId!);
      }
    }
    const sysFlag = isOfTransaction ? message.sysFlag & ~transactionBits : message.sysFlag;
    const stored = { ...message, sysFlag };
    if (key !== undefined) {
      const first = this.#dedup.add(topic, { key, queueId, uniqueKey: transactionId, recallHandle: handle });
      this.#appendFirsts(stored, storedIn, storedQueueId, properties, topic, [first]);
      this.#answerOnce([first], topic, transactionId, listener);
      return;
    }
    const listening = new Sending(
      ...([listener, this.#storeHostHex, queueId, transactionId, this.#topics, topic, handle] as const),
      innerBatch !== undefined,
    );
    this.#append(stored, storedIn, storedQueueId, properties, undefined, listening, innerBatch);
  }

  /** Those messages of a batch whose keys are not known become a batch of their own. */
  #appendBatchOnce(
    message: SendMessage,
    items: readonly BatchItem[],
    topic: Topic,
    queueId: number,
    properties: string,
    listener: SendListener,
  ): void {
    const firsts: FirstMessage[] = [];
    const added: FirstMessage[] = [];
    const news: BatchItem[] = [];
    try {
      for (const item of items) {
        const key = this.#dedup.keyOf(topic, item.properties);
        let first = key === undefined ? undefined : this.#dedup.find(topic, key);
        if (first === undefined) {
          const uniqueKey = getProperty(item.properties, property.uniqueKey);
          first = this.#dedup.add(topic, { key, queueId, uniqueKey, recallHandle: undefined });
          added.push(first);
          news.push(item);
        }
        firsts.push(first);
      }
    } catch (error) {
      this.#dedup.forget(topic, added);
      throw error;
    }
    if (added.length > 0 || firsts.length === 0) {
      const body = added.length === firsts.length ? message.body : joinItems(news);
      this.#appendFirsts({ ...message, body }, topic, queueId, properties, topic, added);
    }
    this.#answerOnce(firsts, topic, getProperty(properties, property.uniqueKey), listener);
  }

  /** Appends messages that are remembered; they are not, if it throws. */
  #appendFirsts(
    message: SendMessage,
    storedIn: Topic,
    storedQueueId: number,
    properties: string,
    topic: Topic,
    firsts: readonly FirstMessage[],
  ): void {
    try {
      this.#append(message, storedIn, storedQueueId, properties, undefined, this.#dedup.storing(topic, firsts));
    } catch (error) {
      this.#dedup.forget(topic, firsts);
      throw error;
    }
  }

  #answerOnce(
    firsts: readonly FirstMessage[],
    topic: Topic,
    transactionId: string | undefined,
    listener: SendListener,
  ): void {
    const answer = new OnceAnswer({
      ...{ listener, firsts, topic, transactionId },
      ...{ storeHostHex: this.#storeHostHex, topics: this.#topics },
    });
    for (const first of firsts) this.#dedup.whenKept(first, answer);
  }

  /** Throws what the first half of a transaction can't be. */
  #isHalf({ sysFlag, reconsumeTimes }: SendMessage, properties: string): boolean {
    if (!isHalf(properties, reconsumeTimes, delayLevelOf(properties))) {
      const type = sysFlag & transactionBits;
      // Such a record is in no queue: nobody would ever see it (Apache stores it).
      if (type === transactionType.none || type === transactionType.commit) return false;
      throw new WasmqError("MESSAGE_ILLEGAL", `sysFlag ${sysFlag} is of a transaction, but TRAN_MSG is not true`);
    }
    if (this.#settings.rejectTransactionMessage) {
      throw new WasmqError(
        "NO_PERMISSION",
        `the broker[${this.#settings.brokerName}] sending transaction message is forbidden`,
      );
    }
    if (delayLevelOf(properties) > 0 || asksForTimer(properties)) {
      throw new WasmqError("MESSAGE_ILLEGAL", "a message of a transaction can't be delayed");
    }
    return true;
  }

  #append(
    message: SendMessage,
    topic: Topic,
    queueId: number,
    properties: string | Uint8Array,
    moreProperties: Uint8Array | undefined,
    listener: AppendListener,
    innerBatch?: number,
  ): void {
    this.#store.append(
      {
        topic: topic.config.topicName,
        topicBytes: topic.nameBytes,
        flag: message.flag,
        sysFlag: message.sysFlag,
        bornTimestamp: message.bornTimestamp,
        bornHost: message.bornHost,
        storeHost: this.#settings.storeHost,
        reconsumeTimes: message.reconsumeTimes,
        preparedTransactionOffset: 0,
        body: message.body,
        properties,
        moreProperties,
        batch: message.batch && innerBatch === undefined,
        innerBatch,
      },
      queueId,
      listener,
    );
  }

  #topicOf(message: SendMessage): Topic {
    const { topic: name } = message;
    if (isClosedToClients(name)) {
      throw new WasmqError("NO_PERMISSION", `Sending message to topic[${name}] is forbidden.`);
    }
    const topic = this.#topics.find(name) ?? this.#newTopic(message);
    if ((topic.config.perm & perm.write) === 0) {
      throw new WasmqError("NO_PERMISSION", `the topic[${name}] is not writable`);
    }
    // Others are taken from those who have not heard yet: routes show a broker that is not to be written to as such.
    if ((this.#settings.brokerPermission & perm.write) === 0 && topic.config.order) {
      throw new WasmqError("NO_PERMISSION", `the broker[${this.#settings.brokerName}] sending message is forbidden`);
    }
    if (!message.batch && groupOfRetryTopic(name) === undefined && name.length > sentTopicCharsMax) {
      throw new WasmqError("MESSAGE_ILLEGAL", `message topic length too long ${name.length}`);
    }
    return topic;
  }

  #newTopic({ topic: name, defaultTopic, defaultTopicQueueNums, unitMode }: SendMessage): Topic {
    checkTopicName(name);
    if (this.#settings.autoCreateTopicEnable || defaultTopic !== autoCreateTopic) {
      const topic = this.#topics.createInSend(name, defaultTopic, defaultTopicQueueNums, unitMode);
      if (topic !== undefined) return topic;
    }
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
  readonly #recallHandle: string | undefined;
  readonly #isInnerBatch: boolean;

  constructor(
    listener: SendListener,
    storeHostHex: string,
    queueId: number,
    transactionId: string | undefined,
    topics: Topics,
    topic: Topic,
    recallHandle?: string,
    isInnerBatch = false,
  ) {
    this.#recallHandle = recallHandle;
    this.#isInnerBatch = isInnerBatch;
    this.#topics = topics;
    this.#topic = topic;
    this.#listener = listener;
    this.#storeHostHex = storeHostHex;
    this.#queueId = queueId;
    this.#transactionId = transactionId;
  }

  stored(message: StoredMessage): void {
    answerOnceSaved(this.#topics, this.#topic, () => this.#sent(message), this.#listener);
  }

  flushTimedOut(message: StoredMessage): void {
    this.#listener.flushTimedOut(this.#sent(message));
  }

  failed(error: WasmqError): void {
    this.#listener.failed(error);
  }

  #sent(message: StoredMessage): SentMessage {
    let messageId = offsetMessageId(this.#storeHostHex, message.physicalOffset);
    let next = message.physicalOffset;
    for (let i = 1; i < message.sizes.length; i++) {
      next += message.sizes[i - 1]!;
      messageId += `,${offsetMessageId(this.#storeHostHex, next)}`;
    }
    return {
      messageId,
      queueId: this.#queueId,
      queueOffset: message.queueOffset,
      transactionId: this.#transactionId,
      batchUniqId: this.#isInnerBatch ? this.#transactionId : undefined,
      recallHandle: this.#recallHandle,
    };
  }
}

/** How many messages stand in a body. Throws MESSAGE_ILLEGAL for one that is no batch, or has more than one record may. */
function innerBatchCount(body: Uint8Array): number {
  const count = batchItems(body)?.length ?? 0;
  if (count > 0 && count <= innerBatchMessagesMax) return count;
  throw new WasmqError("MESSAGE_ILLEGAL", `the body is no well-formed batch of 1 to ${innerBatchMessagesMax} messages`);
}

/**
 * What a batch can't be (SendMessageProcessor.sendBatchMessage, CommitLog.asyncPutMessages). Its properties are those of the request,
 * and end with it: each message in it has its own, of which none is looked at.
 */
function checkBatch({ topic, sysFlag }: SendMessage, properties: string): void {
  if (topic.length > sentTopicCharsMax) {
    throw new WasmqError("MESSAGE_ILLEGAL", `message topic length too long ${topic.length}`);
  }
  if (groupOfRetryTopic(topic) !== undefined) {
    throw new WasmqError("MESSAGE_ILLEGAL", `batch request does not support retry group ${topic}`);
  }
  if ((sysFlag & transactionBits) !== 0) throw new WasmqError("MESSAGE_ILLEGAL", "a batch is part of no transaction");
  checkDelayLevel(properties);
  if (delayLevelOf(properties) > 0) throw new WasmqError("MESSAGE_ILLEGAL", "a batch can't be delayed");
}
