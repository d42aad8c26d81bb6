import type { Clock } from "../../ports/clock.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { decodeUtf8, encodeUtf8 } from "../../ports/text.ts";
import type { DueQueue, Later } from "../../store/due-queue.ts";
import type { Store } from "../../store/store.ts";
import { getProperty, property } from "../message/properties.ts";
import type { BrokerSettings } from "../settings.ts";
import { transactionOpTopic } from "../topic/system-topics.ts";
import { intOf } from "./half.ts";

/** Other tags than this one mean nothing (TransactionalMessageUtil.REMOVE_TAG). */
const endedTag = "d";
const opProperties = `${property.waitStoreMessageOk}\u0001true\u0002${property.tags}\u0001${endedTag}\u0002`;
const topicBytes = encodeUtf8(transactionOpTopic);

/** Records read before others get a turn. */
const readAtOnce = 64;

/** A record of the op topic. */
interface Op {
  readonly offset: number;
  /** The last of the half messages that it names; -1 for one that says nothing. */
  readonly lastHalf: number;
}

/**
 * Which half messages have ended, as the op topic has it (TransactionalMessageServiceImpl.deletePrepareMessage): each record names some by
 * their queue offsets, as decimal text with a comma behind each. Those that end soon after one another share a record; what is not written
 * when a crash comes is asked about, or found, after it.
 */
export class OpLog {
  /** All records before this offset name half messages that no look need be taken at. Kept as the offset of a consumer group. */
  position = 0;
  readonly #store: Store;
  readonly #settings: BrokerSettings;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #flushLater: Later;
  /** Those from `position` on. */
  #ops: Op[] = [];
  #unwritten: number[] = [];
  #unwrittenChars = 0;
  /** The storage took none of them when it was last tried. */
  #wasRefused = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(given: { store: Store; settings: BrokerSettings; clock: Clock; telemetry: Telemetry; dues: DueQueue }) {
    this.#store = given.store;
    this.#settings = given.settings;
    this.#clock = given.clock;
    this.#telemetry = given.telemetry;
    this.#flushLater = given.dues.later(given.settings.transactionOpBatchIntervalMs, () => void this.flush());
  }

  /** Reads the records from `position` on. `ended` is told each half message; `pause` ends when others have had their turn. */
  async load(ended: (half: number) => void, pause: () => Promise<void>): Promise<void> {
    const { maxOffset } = this.#store.range(transactionOpTopic, 0);
    for (let offset = this.position; offset < maxOffset; offset++) {
      const record = await this.#store.messageAt(transactionOpTopic, 0, offset);
      let lastHalf = -1;
      if (record !== undefined && getProperty(record.properties, property.tags) === endedTag) {
        for (const text of decodeUtf8(record.body).split(",")) {
          const half = intOf(text);
          if (half < 0) continue;
          ended(half);
          lastHalf = Math.max(lastHalf, half);
        }
      }
      this.#ops.push({ offset, lastHalf });
      if (this.#ops.length % readAtOnce === 0) await pause();
    }
  }

  /** Notes that a half message has ended. */
  note(half: number): void {
    this.#add(half);
    const isMuch = this.#unwrittenChars > this.#settings.transactionOpMsgMaxSize;
    if (isMuch && !this.#wasRefused) void this.flush();
    else this.#flushLater.ask();
  }

  /** Writes what is noted. Never rejects: what could not be written is tried again later. */
  flush(): Promise<void> {
    const halves = this.#unwritten;
    this.#unwritten = [];
    this.#unwrittenChars = 0;
    this.#wasRefused = false;
    for (let from = 0; from < halves.length; ) {
      let body = "";
      let to = from;
      while (to < halves.length && body.length < this.#settings.transactionOpMsgMaxSize) body += `${halves[to++]},`;
      this.#writing = this.#write(halves.slice(from, to), body, this.#writing);
      from = to;
    }
    return this.#writing;
  }

  async stop(): Promise<void> {
    await this.flush();
    this.#flushLater.stop();
  }

  /** All half messages before `half` are behind: so are the records that name none from it on. */
  advance(half: number): void {
    let done = 0;
    while (done < this.#ops.length && this.#ops[done]!.offset === this.position && this.#ops[done]!.lastHalf < half) {
      this.position++;
      done++;
    }
    this.#ops = this.#ops.slice(done);
  }

  async #write(halves: readonly number[], body: string, before: Promise<void>): Promise<void> {
    try {
      const offset = await new Promise<number>((resolve, reject) => {
        const { storeHost } = this.#settings;
        this.#store.append(
          {
            topic: transactionOpTopic,
            topicBytes,
            flag: 0,
            sysFlag: 0,
            bornTimestamp: this.#clock.now(),
            bornHost: storeHost,
            storeHost,
            reconsumeTimes: 0,
            preparedTransactionOffset: 0,
            body: encodeUtf8(body),
            properties: opProperties,
            batch: false,
          },
          0,
          { stored: ({ queueOffset }) => resolve(queueOffset), failed: reject },
        );
      });
      await before;
      this.#ops.push({ offset, lastHalf: halves.reduce((last, half) => Math.max(last, half), -1) });
    } catch (error) {
      await before;
      this.#telemetry.log("error", "ended transactions could not be noted", { error: String(error) });
      // Not at once, however many they are.
      this.#wasRefused = true;
      for (const half of halves) this.#add(half);
      this.#flushLater.ask();
    }
  }

  #add(half: number): void {
    this.#unwritten.push(half);
    this.#unwrittenChars += String(half).length + 1;
  }
}
