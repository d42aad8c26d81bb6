import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import type { MessageToStore, StoredMessage } from "../../store/commit-log.ts";
import type { Due, DueQueue } from "../../store/due-queue.ts";
import type { DecodedRecord, Store } from "../../store/store.ts";
import type { Producers } from "../client/producers.ts";
import { hostHex, offsetMessageId } from "../message/message-id.ts";
import { getProperty, property, setProperty } from "../message/properties.ts";
import type { BrokerSettings } from "../settings.ts";
import { transactionCheckMaxTopic, transactionHalfTopic } from "../topic/system-topics.ts";
import type { Topics } from "../topic/topics.ts";
import { checkTimesOf, copyOf, destinationOf, immunityMsOf, isCommitted } from "./half.ts";
import type { HalfQueue } from "./half-queue.ts";
import type { OpLog } from "./op-log.ts";

/** Half messages under way at once: enough to share writes. */
const underWayMax = 64;

/**
 * The first look after a start comes this soon: the memory may have been lost while something was due, and producers that are connected
 * are heard again first.
 */
const firstLookMs = 3_000;

/** What is to be done with a half message that has not ended, and in how many milliseconds it, or its copy, is to be looked at again. */
type Verdict =
  /** Its time has not come, nor that of those behind it. */
  | { readonly what: "wait"; readonly leftMs: number }
  /** It wants to be left alone for longer than others: it is stored again, behind those. */
  | { readonly what: "postpone"; readonly leftMs: number }
  /** It is stored again, and a producer is asked. */
  | { readonly what: "ask"; readonly times: number; readonly leftMs: number }
  | { readonly what: "give-up" };

/**
 * Asks producers about transactions that they left without an end (TransactionalMessageServiceImpl.check). Looks are transactionCheckInterval
 * apart, and none is taken while nothing is due. Each begins at the first half message that no look was over, and ends at one whose time
 * has not come.
 */
export class CheckBacks {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #producers: Producers;
  readonly #halves: HalfQueue;
  readonly #ops: OpLog;
  readonly #settings: BrokerSettings;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #dues: DueQueue;
  readonly #moved: () => void;
  #due: Due | undefined;
  #looking: Promise<void> | undefined;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  /** What came before is of another life, which may not have noted all that it did. */
  #startedAt = 0;
  #stopped = false;

  /** `moved`: the positions are others. */
  constructor(given: {
    store: Store;
    topics: Topics;
    producers: Producers;
    halves: HalfQueue;
    ops: OpLog;
    settings: BrokerSettings;
    clock: Clock;
    telemetry: Telemetry;
    dues: DueQueue;
    moved: () => void;
  }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#producers = given.producers;
    this.#halves = given.halves;
    this.#ops = given.ops;
    this.#settings = given.settings;
    this.#clock = given.clock;
    this.#telemetry = given.telemetry;
    this.#dues = given.dues;
    this.#moved = given.moved;
  }

  start(): void {
    this.#startedAt = this.#store.range(transactionHalfTopic, 0).maxOffset;
    if (this.#halves.position >= this.#startedAt) return;
    this.#lookAfter(Math.min(firstLookMs, this.#settings.transactionCheckIntervalMs));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#due !== undefined) this.#dues.cancel(this.#due);
    await this.#looking;
  }

  /** A half message came. A look that is being taken sees by itself whether any did. */
  arrived(): void {
    if (this.#looking === undefined) this.#lookAfter(this.#settings.transactionTimeOutMs);
  }

  #lookAfter(delayMs: number): void {
    if (this.#stopped) return;
    const nextMs = this.#lookedAtMs + this.#settings.transactionCheckIntervalMs;
    const atMs = Math.max(this.#clock.monotonic() + delayMs, nextMs);
    if (this.#due !== undefined) {
      if (this.#due.atMs <= atMs) return;
      this.#dues.cancel(this.#due);
    }
    this.#due = this.#dues.at(atMs, () => {
      this.#due = undefined;
      this.#lookedAtMs = this.#clock.monotonic();
      this.#looking = this.#look()
        .catch((error) => {
          this.#telemetry.log("error", "transactions could not be looked after", { error: String(error) });
          return this.#settings.transactionCheckIntervalMs;
        })
        .then((leftMs) => {
          this.#looking = undefined;
          if (leftMs !== undefined) this.#lookAfter(leftMs);
        });
    });
  }

  /** In how many milliseconds something is due again; undefined if all have ended. */
  async #look(): Promise<number | undefined> {
    const { maxOffset } = this.#store.range(transactionHalfTopic, 0);
    let leftMs: number | undefined;
    const soonest = (ms: number): void => {
      leftMs = Math.min(leftMs ?? ms, ms);
    };
    let copies = 0;
    let waits = false;
    let offset = this.#first();
    while (offset < maxOffset && !waits && !this.#stopped) {
      const under: Promise<void>[] = [];
      let failure: unknown;
      try {
        for (; offset < maxOffset && under.length < underWayMax; offset++) {
          if (this.#halves.isOver(offset)) continue;
          const half = await this.#store.messageAt(transactionHalfTopic, 0, offset);
          if (half === undefined) continue;
          const verdict = await this.#verdictOn(half);
          if (verdict === undefined) continue;
          if (verdict.what !== "give-up") soonest(verdict.leftMs);
          if (verdict.what === "wait") {
            waits = true;
            break;
          }
          if (verdict.what !== "give-up") copies++;
          // Caught at once: it may fail while the next half message is still being read.
          under.push(
            this.#carryOut(half, verdict).catch((error) => {
              failure ??= error;
            }),
          );
        }
      } finally {
        await Promise.all(under);
      }
      if (failure !== undefined) throw failure;
      this.#advance(offset);
    }
    const isNews = this.#store.range(transactionHalfTopic, 0).maxOffset > maxOffset + copies;
    if (isNews) soonest(this.#settings.transactionTimeOutMs);
    return leftMs;
  }

  #first(): number {
    return Math.max(this.#halves.position, this.#store.range(transactionHalfTopic, 0).minOffset);
  }

  #advance(offset: number): void {
    if (offset === this.#halves.position) return;
    this.#halves.advance(offset);
    this.#ops.advance(offset);
    this.#moved();
  }

  /** Undefined for nothing: it has ended. */
  async #verdictOn(half: DecodedRecord): Promise<Verdict | undefined> {
    const verdict = this.#judge(half);
    const offset = half.queueOffset;
    if (verdict.what !== "wait" && offset < this.#startedAt) {
      const next = await this.#nextOf(half);
      if (next === "committed") {
        this.#halves.end(offset);
        this.#ops.note(offset);
        // Noted as ended, it would take the word of a producer that names it for the end of what stands further behind.
      } else if (next !== undefined && this.#halves.renew(offset, next) === "ended") this.#ops.note(next);
    }
    // It was read, and looked for, while others had their turn.
    if (this.#halves.isOver(offset)) return undefined;
    if (!this.#halves.isEnding(offset)) return verdict;
    return { what: "wait", leftMs: this.#settings.transactionCheckIntervalMs };
  }

  /** TransactionalMessageServiceImpl.check, needDiscard and needSkip. */
  #judge({ properties, bornTimestamp, storeTimestamp }: DecodedRecord): Verdict {
    const { transactionCheckMax, transactionTimeOutMs, transactionCheckIntervalMs, fileReservedTimeMs } =
      this.#settings;
    const nowMs = this.#clock.now();
    const ageMs = nowMs - bornTimestamp;
    const times = checkTimesOf(properties);
    // A broker that is started often, as that of a Durable Object, does not ask each time.
    const askedAgoMs = nowMs - storeTimestamp;
    if (times !== undefined && times > 0 && askedAgoMs >= 0 && askedAgoMs < transactionCheckIntervalMs / 2) {
      return { what: "wait", leftMs: transactionCheckIntervalMs - askedAgoMs };
    }
    if ((times !== undefined && times >= transactionCheckMax) || ageMs > fileReservedTimeMs) return { what: "give-up" };
    const immunityMs = immunityMsOf(properties, transactionTimeOutMs);
    if (immunityMs !== undefined && ageMs <= immunityMs) {
      return { what: "postpone", leftMs: Math.min(immunityMs, immunityMs - ageMs) };
    }
    if (immunityMs === undefined && ageMs >= 0 && ageMs <= transactionTimeOutMs) {
      return { what: "wait", leftMs: transactionTimeOutMs - ageMs + 1 };
    }
    return { what: "ask", times: Math.max(times ?? 0, 0) + 1, leftMs: transactionCheckIntervalMs };
  }

  /**
   * What a life before did with a half message, and could not keep how far it was any more: it committed the transaction, or stored the half
   * message again, where this is told. Two messages are one if they have their unique key, their birth and their sender in common.
   */
  async #nextOf(half: DecodedRecord): Promise<"committed" | number | undefined> {
    const uniqueKey = getProperty(half.properties, property.uniqueKey) ?? "";
    const topic = getProperty(half.properties, property.realTopic) ?? "";
    if (uniqueKey === "" || topic === "") return undefined;
    const isSame = (other: DecodedRecord): boolean =>
      other.bornTimestamp === half.bornTimestamp &&
      hostHex(other.bornHost) === hostHex(half.bornHost) &&
      getProperty(other.properties, property.uniqueKey) === uniqueKey;
    const since = half.storeTimestamp;
    const inQueue = await this.#store.messagesByKey(topic, uniqueKey, since);
    if (inQueue.some((message) => isSame(message) && isCommitted(message))) return "committed";
    const halves = await this.#store.messagesByKey(transactionHalfTopic, uniqueKey, since);
    const copies = halves.filter((other) => isSame(other) && other.queueOffset > half.queueOffset);
    return copies.length === 0 ? undefined : Math.min(...copies.map(({ queueOffset }) => queueOffset));
  }

  async #carryOut(half: DecodedRecord, verdict: Exclude<Verdict, { what: "wait" }>): Promise<void> {
    try {
      if (verdict.what === "postpone") await this.#postpone(half);
      else if (verdict.what === "ask") await this.#ask(half, verdict.times);
    } catch (error) {
      // With what a copy says besides, its properties are too long: tried again, it would hold up all others.
      if (!(error instanceof WasmqError) || error.code !== "MESSAGE_ILLEGAL") throw error;
      await this.#giveUp(half);
      return;
    }
    if (verdict.what === "give-up") await this.#giveUp(half);
  }

  /** DefaultTransactionalMessageCheckListener.resolveDiscardMsg. */
  async #giveUp(half: DecodedRecord): Promise<void> {
    const topic = this.#topics.findOrCreateForGroup(transactionCheckMaxTopic, 1, 0);
    await this.#append(copyOf(half, transactionCheckMaxTopic, topic.nameBytes));
    await this.#topics.saved(topic);
    this.#halves.giveUp(half.queueOffset);
    this.#telemetry.log("warn", "a transaction was left without an end: its message is given up", {
      topic: getProperty(half.properties, property.realTopic) ?? "",
      uniqueKey: getProperty(half.properties, property.uniqueKey) ?? "",
    });
  }

  /** TransactionalMessageBridge.renewImmunityHalfMessageInner. */
  async #postpone(half: DecodedRecord): Promise<void> {
    const { properties, queueOffset } = half;
    const first = getProperty(properties, property.preparedQueueOffset) ?? String(queueOffset);
    await this.#renew(half, setProperty(properties, property.preparedQueueOffset, first), () => {});
  }

  /** TransactionalMessageServiceImpl.putBackHalfMsgQueue and AbstractTransactionalMessageCheckListener.sendCheckMessage. */
  async #ask(half: DecodedRecord, times: number): Promise<void> {
    const properties = setProperty(half.properties, property.transactionCheckTimes, String(times));
    await this.#renew(half, properties, ({ queueOffset, physicalOffset }) => {
      const group = getProperty(properties, property.producerGroup) ?? "";
      const client = this.#producers.next(group);
      if (client === undefined) {
        this.#telemetry.log("warn", "nobody is there to be asked about a transaction", { group });
        return;
      }
      const { topic, queueId } = destinationOf(half);
      // Only as it is told: Apache's broker, which need not wait for the copy, says so in what it goes on with.
      const told = setProperty(properties, property.waitStoreMessageOk, "false");
      client.checkTransactionState({
        halfTopic: transactionHalfTopic,
        brokerName: this.#settings.brokerName,
        queueOffset,
        physicalOffset,
        uniqueKey: getProperty(properties, property.uniqueKey),
        offsetMessageId: offsetMessageId(hostHex(half.storeHost), physicalOffset),
        record: this.#store.asRecord({ ...half, queueId, queueOffset, properties: told }, topic, physicalOffset),
      });
    });
  }

  /** `stored` is told where the copy stands, unless the transaction has ended meanwhile, or is about to. */
  async #renew(half: DecodedRecord, properties: string, stored: (copy: StoredMessage) => void): Promise<void> {
    await this.#append(copyOf(half, transactionHalfTopic, undefined, properties), (copy) => {
      const state = this.#halves.renew(half.queueOffset, copy.queueOffset);
      if (state === "open") stored(copy);
      else if (state === "ended") this.#ops.note(copy.queueOffset);
    });
  }

  #append(message: MessageToStore, stored: (copy: StoredMessage) => void = () => {}): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#store.append(message, 0, {
        stored: (copy) => {
          try {
            stored(copy);
            resolve();
          } catch (error) {
            reject(error);
          }
        },
        failed: reject,
      });
    });
  }
}
