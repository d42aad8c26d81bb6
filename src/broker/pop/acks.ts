import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Store } from "../../store/store.ts";
import type { ConsumerOffsets } from "../offset/consumer-offsets.ts";
import type { BrokerSettings } from "../settings.ts";
import { reviveQueues } from "../topic/system-topics.ts";
import type { Topics } from "../topic/topics.ts";
import { checkInvisibleTime } from "./check-point.ts";
import type { OrderInfos } from "./order-info.ts";
import { orderlyReviveQueue, type Receipt } from "./receipt.ts";
import type { Listener, ReviveLog } from "./revive-log.ts";

/** A popped message, as its consumer names it: a message of a retry topic is of that topic. */
export interface PoppedMessage {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly offset: number;
  readonly receipt: Receipt;
}

/** Messages of one pop (BatchAck). */
export interface PoppedMessages extends Omit<PoppedMessage, "offset"> {
  /** Distances of the messages from where the pop began. */
  readonly distances: readonly number[];
}

/** From when on, and for how long, a message is its consumer's now. */
export interface Invisibility {
  readonly popTimeMs: number;
  readonly invisibleMs: number;
  readonly reviveQueue: number;
}

export interface ChangeListener {
  changed(invisibility: Invisibility): void;
  failed(error: WasmqError): void;
}

/** What consumers do with messages that they popped (AckMessageProcessor, ChangeInvisibleTimeProcessor). */
export class Acks {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #offsets: ConsumerOffsets;
  readonly #orders: OrderInfos;
  readonly #log: ReviveLog;
  readonly #clock: Clock;
  readonly #settings: BrokerSettings;
  readonly #freed: (topic: string, group: string, queueId: number) => void;

  /** `freed` is told that the next messages of a queue may be popped in order. */
  constructor(given: {
    store: Store;
    topics: Topics;
    offsets: ConsumerOffsets;
    orders: OrderInfos;
    log: ReviveLog;
    clock: Clock;
    settings: BrokerSettings;
    freed: (topic: string, group: string, queueId: number) => void;
  }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#offsets = given.offsets;
    this.#orders = given.orders;
    this.#log = given.log;
    this.#clock = given.clock;
    this.#settings = given.settings;
    this.#freed = given.freed;
  }

  /**
   * A message is consumed: once that is kept it does not come again, unless it was too late. Throws TOPIC_NOT_EXIST, MESSAGE_ILLEGAL for a
   * queue that there is not or, of an orderly pop, for a message that was not popped, NO_MESSAGE for an offset that none has, and
   * as `Store.append` does.
   */
  ack(message: PoppedMessage, listener: Listener): void {
    const { topic, group, queueId, offset, receipt } = message;
    this.#checkQueue(message);
    const { minOffset, maxOffset } = this.#store.range(topic, queueId);
    if (offset < minOffset || offset > maxOffset) {
      const what = `offset is illegal, key:${topic}@${queueId}, commit:${offset}, store:${minOffset}~${maxOffset}`;
      throw new WasmqError("NO_MESSAGE", what);
    }
    if (receipt.reviveQueue === orderlyReviveQueue) {
      this.#ackInOrder(topic, group, queueId, [offset], receipt.popTimeMs, listener);
    } else this.#acknowledge({ ...message, offsets: [offset] }, listener);
  }

  /** The same for messages of one pop; those that there are not are passed over. */
  ackAll(messages: PoppedMessages, listener: Listener): void {
    const { topic, group, queueId, receipt, distances } = messages;
    const { minOffset, maxOffset } = this.#store.range(topic, queueId);
    const offsets = distances
      .map((distance) => receipt.startOffset + distance)
      .filter((offset) => offset >= minOffset && offset <= maxOffset);
    if (offsets.length === 0 || this.#topics.find(topic) === undefined) listener.stored();
    else if (receipt.reviveQueue === orderlyReviveQueue) {
      this.#ackInOrder(topic, group, queueId, offsets, receipt.popTimeMs, listener);
    } else this.#acknowledge({ ...messages, offsets }, listener);
  }

  /**
   * A message is its consumer's for `invisibleMs` from now on. `suspend`: it does not count as consumed once more when it comes again. Throws as
   * `ack` does, and INVALID_PARAMETER for the time.
   */
  changeInvisibility(
    message: PoppedMessage,
    { invisibleMs, suspend }: { invisibleMs: number; suspend: boolean },
    listener: ChangeListener,
  ): void {
    const { topic, group, queueId, offset, receipt } = message;
    this.#checkQueue(message);
    checkInvisibleTime(invisibleMs);
    const { minOffset, maxOffset } = this.#store.range(topic, queueId);
    if (offset < minOffset || offset >= maxOffset) {
      throw new WasmqError("NO_MESSAGE", `there is no message at ${offset} of ${topic}@${queueId}`);
    }
    const { reviveQueue, brokerName } = receipt;
    if (reviveQueue === orderlyReviveQueue) {
      this.#changeInOrder(message, invisibleMs, listener);
      return;
    }
    this.#checkReviveQueue(reviveQueue);
    // A later one than that of the pop it takes the place of: its acknowledgement is not for this one.
    const popTimeMs = Math.max(this.#clock.now(), receipt.popTimeMs + 1);
    const point = {
      ...{ topic, group, queueId, startOffset: offset, popTimeMs, brokerName, invisibleMs, suspend },
      offsets: [offset],
      ackedBits: 0,
    };
    const failed = (error: WasmqError): void => listener.failed(error);
    // Only then: with the one acknowledged and the other not kept, the message would never come again (appendCheckPointThenAckOrigin).
    const acknowledge = (): void => {
      const stored = (): void => listener.changed({ popTimeMs, invisibleMs, reviveQueue });
      try {
        this.#acknowledge({ ...message, offsets: [offset] }, { stored, failed });
      } catch (error) {
        // The message may come twice, and is not lost.
        failed(error as WasmqError);
      }
    };
    this.#log.checkPoint(point, reviveQueue, undefined, { stored: acknowledge, failed });
  }

  #acknowledge(
    { topic, group, queueId, receipt, offsets }: Omit<PoppedMessage, "offset"> & { offsets: readonly number[] },
    listener: Listener,
  ): void {
    const { startOffset, popTimeMs, invisibleMs, reviveQueue, brokerName } = receipt;
    this.#checkReviveQueue(reviveQueue);
    const ack = { topic, group, queueId, startOffset, popTimeMs, brokerName, offsets };
    this.#log.acknowledge(ack, reviveQueue, popTimeMs + invisibleMs, listener);
  }

  #ackInOrder(
    topic: string,
    group: string,
    queueId: number,
    offsets: readonly number[],
    popTimeMs: number,
    listener: Listener,
  ): void {
    let illegal: WasmqError | undefined;
    for (const offset of offsets) {
      const committed = this.#offsets.find(group, topic, queueId) ?? -1;
      if (offset < committed) continue;
      const next = this.#orders.acked(topic, group, queueId, offset, popTimeMs);
      if (typeof next === "number") {
        // It is of before a reset that no pop has heard of.
        if (!this.#offsets.hasReset(group, topic, queueId)) this.#offsets.commit(group, topic, queueId, next);
      } else if (next === "no such message") {
        const what = `offset is illegal, key:${topic}@${group}@${queueId}, old:${committed}, commit:${offset}`;
        illegal = new WasmqError("MESSAGE_ILLEGAL", what);
      }
    }
    if (this.#orders.blockedUntilMs(topic, group, queueId, undefined) === undefined) this.#freed(topic, group, queueId);
    this.#persisted(listener, () => (illegal === undefined ? listener.stored() : listener.failed(illegal)));
  }

  #changeInOrder(message: PoppedMessage, invisibleMs: number, listener: ChangeListener): void {
    const { topic, group, queueId, offset, receipt } = message;
    const { popTimeMs, reviveQueue } = receipt;
    const committed = this.#offsets.find(group, topic, queueId) ?? -1;
    const visibleAtMs = this.#clock.now() + invisibleMs;
    if (offset >= committed) {
      this.#orders.setVisible(message, popTimeMs, visibleAtMs);
      // Those who wait look when it is free: that is at another time now.
      this.#freed(topic, group, queueId);
    }
    this.#persisted(listener, () => listener.changed({ popTimeMs, invisibleMs: visibleAtMs - popTimeMs, reviveQueue }));
  }

  #persisted(listener: { failed(error: WasmqError): void }, done: () => void): void {
    this.#orders.persist().then(done, (error: unknown) => {
      listener.failed(new WasmqError("SYSTEM_ERROR", `consumerOrderInfo.json could not be written: ${error}`));
    });
  }

  #checkQueue({ topic, queueId }: PoppedMessage): void {
    const config = this.#topics.find(topic)?.config;
    if (config === undefined) {
      throw new WasmqError("TOPIC_NOT_EXIST", `topic[${topic}] not exist, apply first please!`);
    }
    if (queueId < 0 || queueId >= config.readQueueNums) {
      throw new WasmqError(
        "MESSAGE_ILLEGAL",
        `queueId[${queueId}] is illegal, topic:[${topic}] topicConfig.readQueueNums:[${config.readQueueNums}]`,
      );
    }
  }

  #checkReviveQueue(reviveQueue: number): void {
    if (reviveQueue < reviveQueues) return;
    const { brokerName } = this.#settings;
    throw new WasmqError("MESSAGE_ILLEGAL", `the broker[${brokerName}] has no revive queue ${reviveQueue}`);
  }
}
