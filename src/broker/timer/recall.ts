import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import { encodeUtf8 } from "../../ports/text.ts";
import type { Store } from "../../store/store.ts";
import { property, setProperty } from "../message/properties.ts";
import type { BrokerSettings } from "../settings.ts";
import type { Topics } from "../topic/topics.ts";
import { long, type TimerParking } from "./park.ts";
import { parseRecallHandle } from "./recall-handle.ts";

/** A producer's wish to take a message back (RecallMessageRequestHeader). */
export interface Recall {
  readonly producerGroup: string | undefined;
  readonly topic: string;
  /** Told when the message was sent. */
  readonly recallHandle: string;
  readonly bornHost: Uint8Array;
}

/** RecallMessageProcessor.RECALL_MESSAGE_TAG. */
const recallTag = "_RECALL_TAG_";

/** Takes back messages that wait for their time (RecallMessageProcessor). */
export class Recalls {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #timers: TimerParking;
  readonly #clock: Clock;
  readonly #settings: BrokerSettings;

  constructor(given: { store: Store; topics: Topics; timers: TimerParking; clock: Clock; settings: BrokerSettings }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#timers = given.timers;
    this.#clock = given.clock;
    this.#settings = given.settings;
  }

  /**
   * Puts a mark into the slot in which the message waits: both are gone when it is over. The message's unique key, once the mark is kept;
   * whether the message is there nobody looks. Rejects with NO_PERMISSION unless recalls are on (recallMessageEnable), TOPIC_NOT_EXIST,
   * ILLEGAL_OPERATION for a handle of something else and for one whose time is over, SYSTEM_ERROR if the mark could not be kept.
   */
  async recall({ producerGroup, topic, recallHandle, bornHost }: Recall): Promise<string> {
    const { recallMessageEnable, brokerName, timerMaxDelaySec, appendTopicForTimerDeleteKey } = this.#settings;
    if (!recallMessageEnable) {
      throw new WasmqError("NO_PERMISSION", "recall failed, operation is forbidden (recallMessageEnable)");
    }
    if (this.#topics.find(topic) === undefined) {
      throw new WasmqError("TOPIC_NOT_EXIST", `recall failed, the topic[${topic}] not exist`);
    }
    const handle = parseRecallHandle(recallHandle);
    if (handle === undefined) throw new WasmqError("ILLEGAL_OPERATION", "recall handle is invalid");
    if (handle.topic !== topic) throw new WasmqError("ILLEGAL_OPERATION", "recall failed, topic not match");
    if (handle.brokerName !== brokerName) {
      throw new WasmqError("ILLEGAL_OPERATION", "recall failed, broker service not available");
    }
    const nowMs = this.#clock.now();
    const leftMs = long(handle.time) - nowMs;
    if (!(leftMs > 0 && leftMs < timerMaxDelaySec * 1_000)) {
      throw new WasmqError("ILLEGAL_OPERATION", "recall failed, timestamp invalid");
    }
    const { uniqueKey } = handle;
    let properties = "";
    for (const [name, value] of [
      [property.tags, recallTag],
      [property.timerDeleteUniqueKey, appendTopicForTimerDeleteKey ? `${topic}+${uniqueKey}` : uniqueKey],
      [property.uniqueKey, uniqueKey],
      [property.timerDeliverMs, handle.time],
      [property.bornTimestamp, String(nowMs)],
      [property.producerGroup, producerGroup ?? ""],
    ] as const) {
      if (value !== "") properties = setProperty(properties, name, value);
    }
    try {
      await this.#mark(topic, properties, bornHost, nowMs);
    } catch (error) {
      throw new WasmqError("SYSTEM_ERROR", `recall failed, execute error: ${(error as Error).message}`, {
        cause: error,
      });
    }
    return uniqueKey;
  }

  async #mark(topic: string, properties: string, bornHost: Uint8Array, bornTimestamp: number): Promise<void> {
    const parked = this.#timers.park(topic, 0, properties);
    if (parked === undefined) throw new WasmqError("MESSAGE_ILLEGAL", "its time is over");
    await new Promise<void>((resolve, reject) => {
      this.#store.append(
        {
          topic: parked.topic,
          topicBytes: encodeUtf8(parked.topic),
          ...{ flag: 0, sysFlag: 0, bornTimestamp, bornHost },
          storeHost: this.#settings.storeHost,
          ...{ reconsumeTimes: 0, preparedTransactionOffset: 0 },
          body: encodeUtf8("0"),
          properties: parked.properties,
          batch: false,
        },
        parked.queueId,
        // Not yet on the medium, as SYNC_FLUSH wants it, it counts all the same.
        { stored: () => resolve(), failed: reject, flushTimedOut: () => resolve() },
      );
    });
  }
}
