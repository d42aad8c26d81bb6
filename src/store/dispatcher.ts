import type { Region, Scan } from "../core/core.ts";
import { decodeUtf8 } from "../ports/text.ts";
import { innerBatchFlag, messagesOfBatch } from "./inner-batch.ts";
import type { StoreOptions } from "./options.ts";

const transactionBits = 0xc;
const transactionPrepared = 0x4;
const transactionRollback = 0xc;

/** A record's place in its queue, and the unit that stands there for it. */
export interface Dispatched {
  topic: string;
  queueId: number;
  queueOffset: number;
  physicalOffset: number;
  size: number;
  tagsHigh: number;
  tagsLow: number;
  storeTimestamp: number;
  /** One, but for a batch in one record. */
  messages: number;
  /** Only a BatchConsumeQueue has a place for it. */
  isInnerBatch: boolean;
}

/** Why a valid record has no place in a ConsumeQueue. */
export type Undispatched =
  /** Of a transaction that was not committed. */
  | "transaction"
  /** Its topic names no folder. */
  | "no-topic"
  /** It is a batch in one record, and does not say of how many messages. */
  | "no-batch";

/** The one place where it is said which unit a record of the CommitLog gets (CommitLogDispatcherBuildConsumeQueue). */
export class Dispatcher {
  readonly #tagsCodeOf: StoreOptions["tagsCodeOf"];
  #lastTopicBytes = new Uint8Array(0);
  #lastTopic = "";
  readonly #message = new ScannedMessage();

  constructor({ tagsCodeOf }: Pick<StoreOptions, "tagsCodeOf">) {
    this.#tagsCodeOf = tagsCodeOf;
  }

  /** Of the record at `index` of a scan in `window`, whose positions count from `base` of the CommitLog; or why there is none. */
  place(scan: Scan, index: number, base: number, window: Region): Dispatched | Undispatched {
    const sysFlag = scan.sysFlag(index);
    const transaction = sysFlag & transactionBits;
    if (transaction === transactionPrepared || transaction === transactionRollback) return "transaction";
    const topic = this.topicOf(scan, index, window);
    if (!isFolderName(topic)) return "no-topic";
    const message = this.#message;
    message.of(topic, scan, index, window);
    const isInnerBatch = (sysFlag & innerBatchFlag) !== 0;
    const messages = isInnerBatch ? messagesOfBatch(message.properties) : 1;
    if (messages === undefined) return "no-batch";
    let tagsHigh = scan.tagsHigh(index);
    let tagsLow = scan.tagsLow(index);
    const code = this.#tagsCodeOf?.(message, scan.storeTimestamp(index));
    if (code !== undefined) {
      tagsHigh = Math.floor(code / 2 ** 32);
      tagsLow = code | 0;
    }
    return {
      topic,
      queueId: scan.queueId(index),
      queueOffset: scan.queueOffset(index),
      physicalOffset: base + scan.at(index),
      size: scan.size(index),
      tagsHigh,
      tagsLow,
      storeTimestamp: scan.storeTimestamp(index),
      messages,
      isInnerBatch,
    };
  }

  /** Most neighbours are of one topic: its text is made once. */
  topicOf(scan: Scan, index: number, window: Region): string {
    const at = scan.topicAt(index);
    const length = scan.topicLength(index);
    const { bytes } = window;
    const last = this.#lastTopicBytes;
    let same = last.length === length;
    for (let i = 0; same && i < length; i++) same = bytes[at + i] === last[i];
    if (!same) {
      this.#lastTopicBytes = bytes.slice(at, at + length);
      this.#lastTopic = decodeUtf8(this.#lastTopicBytes);
    }
    return this.#lastTopic;
  }
}

/** A message of a scan; its properties are hardly ever asked for. One object for all of them. */
class ScannedMessage {
  topic = "";
  #scan: Scan | undefined;
  #index = 0;
  #window: Region | undefined;

  of(topic: string, scan: Scan, index: number, window: Region): void {
    this.topic = topic;
    this.#scan = scan;
    this.#index = index;
    this.#window = window;
  }

  get properties(): Uint8Array {
    const at = this.#scan!.propertiesAt(this.#index);
    return this.#window!.bytes.subarray(at, at + this.#scan!.propertiesLength(this.#index));
  }
}

/** A topic names a folder: bytes off the disk must not name another one. */
function isFolderName(topic: string): boolean {
  return topic.length > 0 && topic !== "." && topic !== ".." && !/[/\\\0]/.test(topic);
}
