import type { WasmqError } from "../../ports/error.ts";
import type { FirstListener, FirstMessage } from "../dedup/first-message.ts";
import { offsetMessageId } from "../message/message-id.ts";
import type { Topic, Topics } from "../topic/topics.ts";
import type { SendListener, SentMessage } from "./send.ts";

/**
 * One send, of a message or of a batch, until it is known what became of the first message of each key in it. A batch is kept when all in it
 * are; queue and queue offset are those of its first message, wherever that was sent.
 */
export class OnceAnswer implements FirstListener {
  readonly #listener: SendListener;
  readonly #storeHostHex: string;
  readonly #topics: Topics;
  readonly #topic: Topic;
  readonly #firsts: readonly FirstMessage[];
  readonly #transactionId: string | undefined;
  #left: number;
  #isOverdue = false;
  #error: WasmqError | undefined;

  constructor(given: {
    listener: SendListener;
    storeHostHex: string;
    topics: Topics;
    topic: Topic;
    firsts: readonly FirstMessage[];
    transactionId: string | undefined;
  }) {
    this.#listener = given.listener;
    this.#storeHostHex = given.storeHostHex;
    this.#topics = given.topics;
    this.#topic = given.topic;
    this.#firsts = given.firsts;
    this.#transactionId = given.transactionId;
    this.#left = given.firsts.length;
  }

  kept(): void {
    this.#told();
  }

  flushTimedOut(): void {
    this.#isOverdue = true;
    this.#told();
  }

  failed(error: WasmqError): void {
    this.#error ??= error;
    this.#told();
  }

  #told(): void {
    if (--this.#left > 0) return;
    if (this.#error !== undefined) this.#listener.failed(this.#error);
    else if (this.#isOverdue) this.#listener.flushTimedOut(this.#sent());
    else answerOnceSaved(this.#topics, this.#topic, () => this.#sent(), this.#listener);
  }

  #sent(): SentMessage {
    const [{ queueId, queueOffset, recallHandle }] = this.#firsts as [FirstMessage];
    return {
      messageId: this.#firsts.map((first) => offsetMessageId(this.#storeHostHex, first.physicalOffset)).join(","),
      queueId,
      queueOffset,
      transactionId: this.#transactionId,
      recallHandle,
    };
  }
}

/** Tells of a message that is kept, once its topic is too: after a crash nobody would find it. */
export function answerOnceSaved(topics: Topics, topic: Topic, sent: () => SentMessage, listener: SendListener): void {
  const saving = topics.saved(topic);
  if (saving === undefined) listener.sent(sent());
  else {
    saving.then(
      () => listener.sent(sent()),
      (error: WasmqError) => listener.failed(error),
    );
  }
}
