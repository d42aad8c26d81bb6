import { dedupMessageBytes } from "../../limits.ts";
import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import type { AppendListener, StoredMessage } from "../../store/commit-log.ts";
import type { Store } from "../../store/store.ts";
import { getProperty, hasProperty, property } from "../message/properties.ts";
import type { Topic, Topics } from "../topic/topics.ts";
import { type FirstListener, FirstMessage, type Sent } from "./first-message.ts";
import { readWindows } from "./read-windows.ts";

/** What is remembered of a topic, in the order in which it was sent. */
interface Window {
  /** The property that the keys are values of. */
  readonly keyName: string;
  readonly firsts: Map<string, FirstMessage>;
}

/**
 * Which messages were sent within the window of their topic (`dedup.window.sec`), by key. It is all in memory, and at a start read out of the
 * store: what was answered before a crash is in the CommitLog, so that there is nothing else to keep.
 */
export class DedupWindows {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #brokerName: string;
  readonly #bytesMax: number;
  readonly #windows = new Map<string, Window>();
  #bytes = 0;

  /** `bytesMax`: MemoryBudget.dedupBytesMax. */
  constructor(given: {
    store: Store;
    topics: Topics;
    clock: Clock;
    telemetry: Telemetry;
    settings: { readonly brokerName: string; readonly budget: { readonly dedupBytesMax: number } };
  }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#clock = given.clock;
    this.#telemetry = given.telemetry;
    this.#brokerName = given.settings.brokerName;
    this.#bytesMax = given.settings.budget.dedupBytesMax;
  }

  /** Remembers what the store has of the windows of all topics; where that is more than the bound, the newest of it. */
  async load(): Promise<void> {
    const startedAt = this.#clock.monotonic();
    const found = await readWindows({
      ...{ store: this.#store, topics: this.#topics, brokerName: this.#brokerName },
      nowMs: this.#clock.now(),
      bytesMax: this.#bytesMax,
      bytesOf,
    });
    if (found === undefined) return;
    let messages = 0;
    for (const { topic, sent, sinceMs, physicalOffset, queueOffset } of found.messages) {
      const { firsts } = this.#windowOf(topic);
      if (sent.key === undefined || firsts.has(sent.key)) continue;
      const first = new FirstMessage(sent, sinceMs);
      first.stored(physicalOffset, queueOffset, false);
      firsts.set(first.key!, first);
      this.#bytes += bytesOf(sent);
      messages++;
    }
    const ms = Math.round(this.#clock.monotonic() - startedAt);
    this.#telemetry.log("info", "messages that are stored once were read", { messages, ms });
    if (found.isCut) {
      this.#telemetry.log("warn", "not all messages within their dedup.window.sec are remembered: the newest are", {
        messages,
        dedupBytesMax: this.#bytesMax,
      });
    }
  }

  /**
   * The key by which a message to a topic is stored once; undefined for one that is stored in any case. One that was parked before, and
   * is sent on by a consumer, can't be told from what was parked and delivered.
   */
  keyOf({ dedup }: Topic, properties: string): string | undefined {
    if (dedup === undefined) return undefined;
    const key = getProperty(properties, dedup.keyName);
    return key === undefined || key === "" || hasProperty(properties, property.realTopic) ? undefined : key;
  }

  /** The message with a key that was sent to a topic within its window; it may be on its way to the store. */
  find(topic: Topic, key: string): FirstMessage | undefined {
    const { firsts } = this.#windowOf(topic);
    const first = firsts.get(key);
    return first === undefined || this.#isOver(topic, first) ? undefined : first;
  }

  /**
   * Remembers a message that `find` does not know, before it is appended with `storing`. Throws SYSTEM_BUSY where as much is remembered as may
   * be.
   */
  add(topic: Topic, sent: Sent): FirstMessage {
    const first = new FirstMessage(sent, this.#clock.now());
    if (sent.key === undefined) return first;
    const window = this.#windowOf(topic);
    this.#drop(window, window.firsts.get(sent.key));
    this.#forgetOld(topic, window);
    const bytes = bytesOf(sent);
    if (this.#bytes + bytes > this.#bytesMax) this.#forgetAllOld();
    if (this.#bytes + bytes > this.#bytesMax) {
      throw new WasmqError(
        "SYSTEM_BUSY",
        `[OVERLOAD]what is remembered of messages within their dedup.window.sec takes ${this.#bytes} bytes ` +
          `(dedupBytesMax: ${this.#bytesMax}): topic[${topic.config.topicName}] takes no more until some are forgotten`,
      );
    }
    window.firsts.set(first.key!, first);
    this.#bytes += bytes;
    return first;
  }

  /** What appends these messages, in a row, gives to the store. */
  storing(topic: Topic, firsts: readonly FirstMessage[]): AppendListener {
    const stored = ({ physicalOffset, queueOffset, sizes }: StoredMessage, isOverdue: boolean): void => {
      let at = physicalOffset;
      firsts.forEach((first, i) => {
        first.stored(at, queueOffset + i, isOverdue);
        at += sizes[i] ?? 0;
      });
    };
    return {
      stored: (message) => stored(message, false),
      flushTimedOut: (message) => stored(message, true),
      failed: (error) => {
        this.forget(topic, firsts);
        for (const first of firsts) first.failed(error);
      },
    };
  }

  /** See `FirstMessage.whenKept`. */
  whenKept(first: FirstMessage, listener: FirstListener): void {
    first.whenKept(listener, this.#store.end);
  }

  /** These were not stored. */
  forget({ config }: Topic, firsts: readonly FirstMessage[]): void {
    const window = this.#windows.get(config.topicName);
    for (const first of firsts) if (window !== undefined) this.#drop(window, first);
  }

  /** A topic is deleted: one of its name that is made later has had no messages. */
  forgetTopic(topicName: string): void {
    const window = this.#windows.get(topicName);
    if (window === undefined) return;
    for (const first of window.firsts.values()) this.#bytes -= bytesOf(first);
    this.#windows.delete(topicName);
  }

  /** Keys by another property have nothing to do with those by this one. */
  #windowOf({ config: { topicName }, dedup }: Topic): Window {
    const keyName = dedup?.keyName ?? "";
    const known = this.#windows.get(topicName);
    if (known?.keyName === keyName) return known;
    this.forgetTopic(topicName);
    const window = { keyName, firsts: new Map<string, FirstMessage>() };
    this.#windows.set(topicName, window);
    return window;
  }

  #isOver({ dedup }: Topic, first: FirstMessage): boolean {
    return !first.isOnItsWay && this.#clock.now() - first.sinceMs >= (dedup?.windowMs ?? 0);
  }

  #forgetOld(topic: Topic, window: Window): void {
    for (const first of window.firsts.values()) {
      if (!this.#isOver(topic, first)) return;
      this.#drop(window, first);
    }
  }

  #forgetAllOld(): void {
    for (const [topicName, window] of this.#windows) {
      const topic = this.#topics.find(topicName);
      if (topic?.dedup === undefined) this.forgetTopic(topicName);
      else this.#forgetOld(topic, window);
    }
  }

  #drop({ firsts }: Window, first: FirstMessage | undefined): void {
    if (first?.key === undefined || firsts.get(first.key) !== first) return;
    firsts.delete(first.key);
    this.#bytes -= bytesOf(first);
  }
}

/** What a message costs that is remembered. */
function bytesOf({ key = "", uniqueKey = "", recallHandle = "" }: Sent): number {
  return dedupMessageBytes + key.length + (uniqueKey === key ? 0 : uniqueKey.length) + recallHandle.length;
}
