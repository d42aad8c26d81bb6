import { WasmqError } from "../../ports/error.ts";
import { encodeUtf8 } from "../../ports/text.ts";
import type { AppendListener } from "../../store/commit-log.ts";
import type { Store } from "../../store/store.ts";
import { getProperty, property, setProperty } from "../message/properties.ts";
import type { ConsumerOffsets } from "../offset/consumer-offsets.ts";
import type { BrokerSettings } from "../settings.ts";
import { reviveQueues, reviveTopicOf, timerTopic } from "../topic/system-topics.ts";
import { hasQueue } from "../topic/topic-config.ts";
import type { Topics } from "../topic/topics.ts";
import {
  type Acknowledgement,
  ackTag,
  ackUniqueKey,
  batchAckTag,
  type CheckPoint,
  checkPointTag,
  checkPointUniqueKey,
  decodeCheckPoint,
  encodeAck,
  encodeCheckPoint,
} from "./check-point.ts";

/** Whose offsets tell how far the revive topic is read (PopAckConstants.REVIVE_GROUP). */
export const reviveGroup = "CID_RMQ_SYS_REVIVE_GROUP";

/** A check point comes before the acknowledgements of its messages (PopAckConstants.ackTimeInterval). */
const checkPointLeadMs = 1_000;

/** RocketMQ's timerPrecisionMs. */
const timerPrecisionMs = 1_000;

/** Units looked at for check points at a time when the broker starts. */
const recoveredUnitsMax = 800;

/**
 * Keeps which messages were popped and acknowledged, as messages for the revive topic that are due when the popped ones are to come again
 * (PopMessageProcessor.buildCkMsg, AckMessageProcessor.appendAck): until then they wait with the timer messages.
 */
export class ReviveLog {
  readonly topic: string;
  readonly #topicBytes: Uint8Array;
  readonly #timerTopicBytes = encodeUtf8(timerTopic);
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #offsets: ConsumerOffsets;
  readonly #settings: BrokerSettings;
  readonly #now: () => number;
  #next = 0;

  constructor(given: {
    store: Store;
    topics: Topics;
    offsets: ConsumerOffsets;
    settings: BrokerSettings;
    now: () => number;
  }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#offsets = given.offsets;
    this.#settings = given.settings;
    this.#now = given.now;
    this.topic = reviveTopicOf(given.settings.clusterName);
    this.#topicBytes = encodeUtf8(this.topic);
  }

  /** The queue of the revive topic for one pop: all take turns. */
  nextQueue(): number {
    this.#next = (this.#next + 1) % reviveQueues;
    return this.#next;
  }

  /**
   * Keeps a check point. Once it is kept, the offset of its group goes to `nextOffset`, if one is given. Throws as `Store.append` does, and
   * SYSTEM_ERROR where there is no timer wheel.
   */
  checkPoint(point: CheckPoint, reviveQueue: number, nextOffset: number | undefined, listener: Listener): void {
    this.#checkWheel();
    const { group, topic, queueId } = point;
    const atMs = point.popTimeMs + point.invisibleMs - checkPointLeadMs;
    this.#park(checkPointTag, checkPointUniqueKey(point), encodeCheckPoint(point), reviveQueue, atMs, {
      stored: ({ queueOffset }) => {
        try {
          if (nextOffset !== undefined) this.#offsets.commit(group, topic, queueId, nextOffset);
          // What a crash takes of the offsets is made good by the check points from here on, see `recover`.
          this.#offsets.commit(reviveGroup, timerTopic, 0, queueOffset + 1);
        } catch (error) {
          listener.failed(error as WasmqError);
          return;
        }
        listener.stored();
      },
      failed: (error) => listener.failed(error),
    });
  }

  /** Keeps that messages are consumed. `dueAtMs`: when they would come again. Throws as `Store.append` does. */
  acknowledge(ack: Acknowledgement, reviveQueue: number, dueAtMs: number, listener: Listener): void {
    this.#checkWheel();
    const { offsets } = ack;
    const isSingle = offsets.length === 1;
    const tag = isSingle ? ackTag : batchAckTag;
    this.#park(tag, ackUniqueKey(ack, isSingle ? offsets[0]! : -1), encodeAck(ack), reviveQueue, dueAtMs, {
      stored: () => listener.stored(),
      failed: (error) => listener.failed(error),
    });
  }

  /** Keeps that messages came again: read anew after a crash, their check point asks for nothing more. */
  revived(ack: Acknowledgement, reviveQueue: number, listener: AppendListener): void {
    let properties = setProperty("", property.tags, batchAckTag);
    properties = setProperty(properties, property.uniqueKey, ackUniqueKey(ack, -1));
    this.#append(this.topic, this.#topicBytes, reviveQueue, properties, encodeAck(ack), listener);
  }

  /**
   * Offsets of consumers are written down every few seconds, check points before their messages are handed out: those that came since bring
   * the offsets to where they were, so that nothing is popped that somebody holds, or has acknowledged.
   */
  async recover(): Promise<void> {
    const marked = this.#offsets.find(reviveGroup, timerTopic, 0) ?? 0;
    const { minOffset, maxOffset } = this.#store.range(timerTopic, 0);
    const limits = {
      messagesMax: recoveredUnitsMax,
      bytesMax: Number.POSITIVE_INFINITY,
      unitsMax: recoveredUnitsMax,
      tagHashes: new Int32Array([this.#store.core.hashCode(checkPointTag)]),
    };
    for (let at = Math.max(marked, minOffset); at < maxOffset; ) {
      const { queueOffsets, nextOffset } = await this.#store.get(timerTopic, 0, at, limits);
      for (const offset of queueOffsets) await this.#recoverFrom(offset);
      if (nextOffset <= at) break;
      at = nextOffset;
    }
    if (maxOffset > marked && this.#offsets.find(reviveGroup, timerTopic, 0) !== undefined) {
      this.#offsets.commit(reviveGroup, timerTopic, 0, maxOffset);
    }
  }

  async #recoverFrom(timerOffset: number): Promise<void> {
    const message = await this.#store.messageAt(timerTopic, 0, timerOffset);
    if (message === undefined || getProperty(message.properties, property.realTopic) !== this.topic) return;
    const point = decodeCheckPoint(message.body);
    if (point === undefined) return;
    const { topic, group, queueId, offsets } = point;
    const found = this.#topics.find(topic);
    const last = offsets.at(-1);
    if (last === undefined || found === undefined || !hasQueue(found.config, queueId)) return;
    const known = this.#offsets.find(group, topic, queueId) ?? 0;
    const { maxOffset } = this.#store.range(topic, queueId);
    const next = await this.#store.behindRecord(topic, queueId, last + 1);
    if (last >= known && last < maxOffset) this.#offsets.commit(group, topic, queueId, next);
    this.#offsets.commit(reviveGroup, timerTopic, 0, timerOffset + 1);
  }

  /** Throws SYSTEM_ERROR without a wheel: nothing would come again (PutMessageStatus.WHEEL_TIMER_NOT_ENABLE). */
  #checkWheel(): void {
    if (!this.#settings.timerWheelEnable) {
      throw new WasmqError("SYSTEM_ERROR", "messages can't be popped but in order: timerWheelEnable is false");
    }
  }

  /** As a timer message of the revive topic is parked (HookUtils.transformTimerMessage), due or not: they stay in their order. */
  #park(
    tag: string,
    uniqueKey: string,
    body: Uint8Array,
    reviveQueue: number,
    deliverAtMs: number,
    listener: AppendListener,
  ): void {
    const outMs = Math.floor((deliverAtMs - 1) / timerPrecisionMs) * timerPrecisionMs;
    let properties = setProperty("", property.tags, tag);
    properties = setProperty(properties, property.uniqueKey, uniqueKey);
    properties = setProperty(properties, property.timerDeliverMs, String(deliverAtMs));
    properties = setProperty(properties, property.timerOutMs, String(outMs));
    properties = setProperty(properties, property.realTopic, this.topic);
    properties = setProperty(properties, property.realQueueId, String(reviveQueue));
    this.#append(timerTopic, this.#timerTopicBytes, 0, properties, body, listener);
  }

  #append(
    topic: string,
    topicBytes: Uint8Array,
    queueId: number,
    properties: string,
    body: Uint8Array,
    listener: AppendListener,
  ): void {
    const { storeHost } = this.#settings;
    this.#store.append(
      {
        topic,
        topicBytes,
        flag: 0,
        sysFlag: 0,
        bornTimestamp: this.#now(),
        bornHost: storeHost,
        storeHost,
        reconsumeTimes: 0,
        preparedTransactionOffset: 0,
        body,
        properties,
        batch: false,
      },
      queueId,
      listener,
    );
  }
}

export interface Listener {
  stored(): void;
  failed(error: WasmqError): void;
}
