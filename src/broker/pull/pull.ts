import { pullHoldMsMax, pullUnitsMax } from "../../limits.ts";
import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import type { DueQueue } from "../../store/due-queue.ts";
import { whenReady } from "../../store/eventually.ts";
import type { GetResult, GetStatus } from "../../store/reader.ts";
import type { Store } from "../../store/store.ts";
import type { Client } from "../client/client.ts";
import type { Consumers } from "../client/consumers.ts";
import { type ConsumerFilters, compileFilter } from "../filter/consumer-filters.ts";
import type { SqlFilter } from "../filter/sql-filter.ts";
import { isTagExpression, type Subscription, subscribeByTags } from "../filter/subscription.ts";
import type { ConsumerOffsets } from "../offset/consumer-offsets.ts";
import type { BrokerSettings } from "../settings.ts";
import type { BrokerStats } from "../stats/broker-stats.ts";
import type { SubscriptionGroupConfig, SubscriptionGroups } from "../subscription-group/subscription-groups.ts";
import { perm } from "../topic/topic-config.ts";
import type { Topics } from "../topic/topics.ts";
import { ExpiredMessages } from "./expired.ts";
import { HeldPulls } from "./held-pulls.ts";
import { ReadTurns } from "./read-turns.ts";

/** A consumer's request for messages of one queue (PullMessageRequestHeader). */
export interface Pull {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly offset: number;
  readonly messagesMax: number;
  readonly bytesMax: number | undefined;
  /** The offset to commit on the way, or undefined. */
  readonly commitOffset: number | undefined;
  /** How long to wait for messages where there are none; 0 for not at all. */
  readonly suspendMs: number;
  /** The subscription the request itself carries, or undefined to go by the group's. */
  readonly expression: { readonly text: string; readonly type: string | undefined } | undefined;
  readonly subscriptionVersion: bigint;
  /** It comes from a lite pull consumer. */
  readonly isLite: boolean;
  /** When it was asked, if that was before the broker started; undefined for now. */
  readonly askedAtMs?: number | undefined;
}

export type PullOutcome = "FOUND" | "NOT_FOUND" | "RETRY_IMMEDIATELY" | "OFFSET_MOVED";

export interface PullResult {
  readonly outcome: PullOutcome;
  readonly status: GetStatus | "OFFSET_RESET";
  readonly nextOffset: number;
  readonly minOffset: number;
  readonly maxOffset: number;
  readonly topicSysFlag: number;
  readonly groupSysFlag: number;
  /** Stored records, one behind the other. */
  readonly records: Uint8Array;
}

/** Told once, now or when messages have come or the time is up. */
export interface PullListener {
  /** There are no messages yet: the answer takes a while. May be told again. */
  held?(): void;
  pulled(result: PullResult): void;
  failed(error: WasmqError): void;
}

const noBytes = new Uint8Array(0);

/** Serves messages to consumers, and holds their requests while there are none (PullMessageProcessor, PullRequestHoldService). */
export class Pulls {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #groups: SubscriptionGroups;
  readonly #consumers: Consumers;
  readonly #filters: ConsumerFilters;
  readonly #offsets: ConsumerOffsets;
  readonly #clock: Clock;
  readonly #stats: BrokerStats;
  readonly #settings: BrokerSettings;
  readonly #held: HeldPulls<Held>;
  readonly #reads: ReadTurns;
  readonly expired: ExpiredMessages;

  constructor(given: {
    store: Store;
    topics: Topics;
    groups: SubscriptionGroups;
    consumers: Consumers;
    filters: ConsumerFilters;
    offsets: ConsumerOffsets;
    clock: Clock;
    stats: BrokerStats;
    telemetry: Telemetry;
    dues: DueQueue;
    settings: BrokerSettings;
  }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#groups = given.groups;
    this.#consumers = given.consumers;
    this.#filters = given.filters;
    this.#offsets = given.offsets;
    this.#clock = given.clock;
    this.#stats = given.stats;
    this.#settings = given.settings;
    const { budget } = given.settings;
    this.#held = new HeldPulls(given.dues, budget, (held) => this.#answer(held, "last"));
    this.#reads = new ReadTurns(budget);
    this.expired = new ExpiredMessages(given.clock, given.telemetry);
  }

  /**
   * Throws what is wrong with the request (SUBSCRIPTION_GROUP_NOT_EXIST, NO_PERMISSION, TOPIC_NOT_EXIST, INVALID_PARAMETER,
   * SUBSCRIPTION_*, FILTER_DATA_*); the listener is not called then.
   */
  pull(pull: Pull, client: Client, listener: PullListener): void {
    const { topicSysFlag, groupSysFlag, wanted } = this.#check(pull);
    const { maxTransferBytesOnMessageInMemory, maxTransferCountOnMessageInMemory } = this.#settings;
    const isReset = this.#offsets.hasReset(pull.group, pull.topic, pull.queueId);
    if (pull.commitOffset !== undefined && pull.commitOffset >= 0 && !isReset) {
      this.#offsets.commit(pull.group, pull.topic, pull.queueId, pull.commitOffset);
    }
    this.#answer(
      {
        group: pull.group,
        topic: pull.topic,
        queueId: pull.queueId,
        offset: pull.offset,
        messagesMax: Math.max(1, Math.min(pull.messagesMax, maxTransferCountOnMessageInMemory)),
        bytesMax: Math.min(pull.bytesMax ?? maxTransferBytesOnMessageInMemory, maxTransferBytesOnMessageInMemory),
        tagHashes: wanted.tagHashes,
        filter: wanted.filter,
        ownFilterBytes: wanted.ownFilterBytes,
        topicSysFlag,
        groupSysFlag,
        client,
        listener,
        suspendUntilMs: this.#suspendUntilMs(pull),
      },
      pull.askedAtMs === undefined ? "first" : "again",
    );
  }

  /** Messages became visible in a queue: those who wait for it look again. */
  arrived(topic: string, queueId: number): void {
    for (const held of this.#held.take(topic, queueId)) this.#answer(held, "again");
  }

  /** Nobody is left to answer. */
  disconnected(client: Client): void {
    this.#held.drop(client);
    this.#reads.drop(client);
  }

  /** On the monotonic clock. */
  #suspendUntilMs(pull: Pull): number {
    if (pull.suspendMs <= 0) return Number.NEGATIVE_INFINITY;
    const { longPollingEnable, shortPollingTimeMs } = this.#settings;
    const holdMs = longPollingEnable ? Math.min(pull.suspendMs, pullHoldMsMax) : shortPollingTimeMs;
    // What the wall clock says of the time before may be anything, if somebody has set it since.
    const heldMs = pull.askedAtMs === undefined ? 0 : Math.max(0, this.#clock.now() - pull.askedAtMs);
    return this.#clock.monotonic() + holdMs - heldMs;
  }

  #answer(held: Held, pass: Pass): void {
    const resetTo = this.#offsets.takeReset(held.group, held.topic, held.queueId);
    if (resetTo !== undefined) {
      held.listener.pulled({
        outcome: "OFFSET_MOVED",
        status: "OFFSET_RESET",
        nextOffset: resetTo,
        ...this.#store.range(held.topic, held.queueId),
        topicSysFlag: held.topicSysFlag,
        groupSysFlag: held.groupSysFlag,
        records: noBytes,
      });
      return;
    }
    const failed = (error: unknown): void => {
      held.listener.failed(error instanceof WasmqError ? error : new WasmqError("SYSTEM_ERROR", String(error)));
    };
    if (held.client.isBehind) {
      this.#putOff(held);
      return;
    }
    if (this.#reads.areTaken) {
      if (!this.#reads.wait(held.client, () => this.#answer(held, pass))) this.#putOff(held);
      return;
    }
    // A read that throws at once must not reach those who wake the held: an arrival, an alarm.
    try {
      const outcome = whenReady(
        this.#store.get(held.topic, held.queueId, held.offset, {
          messagesMax: held.messagesMax,
          bytesMax: held.bytesMax,
          unitsMax: pullUnitsMax,
          tagHashes: held.tagHashes,
          filter: held.filter,
          notBefore: this.#topics.notBefore(held.topic),
        }),
        (result) => this.#answerWith(held, result, pass),
      );
      if (outcome instanceof Promise) this.#reads.take(outcome.catch(failed));
    } catch (error) {
      failed(error);
    }
  }

  #answerWith(held: Held, result: GetResult, pass: Pass): void {
    if (result.expired > 0) this.expired.add(held.topic, result.expired);
    let outcome = outcomeOf(result.status, held.offset);
    // Of those who are held already, only messages that match end the wait (PullRequestHoldService.notifyMessageArriving).
    const waits = outcome === "NOT_FOUND" || (outcome === "RETRY_IMMEDIATELY" && pass === "again");
    if (waits && pass !== "last" && held.suspendUntilMs > this.#clock.monotonic()) {
      // More to look at (a pass has its limit, and messages may have come while it waited for its bytes): nobody may ever
      // wake the one who waits for what is there already.
      if (result.nextOffset < this.#store.range(held.topic, held.queueId).maxOffset) outcome = "RETRY_IMMEDIATELY";
      else {
        held.offset = result.nextOffset;
        if (this.#held.hold(held, held.topic, held.queueId, held.suspendUntilMs)) {
          held.listener.held?.();
          return;
        }
      }
    }
    if (outcome === "FOUND") {
      const { messages, nextOffset, records } = result;
      this.#stats.got(held.topic, held.group, held.queueId, nextOffset, messages, records.length);
    } else this.#stats.gotNothing();
    const { topic, queueId } = held;
    const isBehindEnd = result.status === "OFFSET_OVERFLOW_BADLY";
    held.listener.pulled({
      outcome,
      status: result.status,
      nextOffset: isBehindEnd ? this.#offsets.endOf(topic, queueId, result.maxOffset) : result.nextOffset,
      minOffset: result.minOffset,
      maxOffset: result.maxOffset,
      topicSysFlag: held.topicSysFlag,
      groupSysFlag: held.groupSysFlag,
      records: result.records,
    });
  }

  /** Answers without messages: the client asks again once it has read what it was sent before. */
  #putOff({ topic, queueId, offset, topicSysFlag, groupSysFlag, listener }: Held): void {
    listener.pulled({
      outcome: "RETRY_IMMEDIATELY",
      status: "NO_MATCHED_MESSAGE",
      nextOffset: offset,
      ...this.#store.range(topic, queueId),
      topicSysFlag,
      groupSysFlag,
      records: noBytes,
    });
  }

  #check(pull: Pull): { readonly topicSysFlag: number; readonly groupSysFlag: number; readonly wanted: Wanted } {
    const { brokerPermission, brokerName, litePullMessageEnable } = this.#settings;
    if ((brokerPermission & perm.read) === 0) {
      throw new WasmqError("NO_PERMISSION", `the broker[${brokerName}] pulling message is forbidden`);
    }
    if (pull.isLite && !litePullMessageEnable) {
      throw new WasmqError("NO_PERMISSION", `the broker[${brokerName}] for lite pull consumer is forbidden`);
    }
    const group = this.#groups.findOrCreate(pull.group);
    if (!group.consumeEnable) {
      throw new WasmqError("NO_PERMISSION", `subscription group no permission, ${pull.group}`);
    }
    const topic = this.#topics.find(pull.topic)?.config;
    if (topic === undefined) {
      throw new WasmqError("TOPIC_NOT_EXIST", `topic[${pull.topic}] not exist, apply first please!`);
    }
    if ((topic.perm & perm.read) === 0) {
      throw new WasmqError("NO_PERMISSION", `the topic[${pull.topic}] pulling message is forbidden`);
    }
    if (pull.queueId < 0 || pull.queueId >= topic.readQueueNums) {
      throw new WasmqError(
        "INVALID_PARAMETER",
        `queueId[${pull.queueId}] is illegal, topic:[${pull.topic}] topicConfig.readQueueNums:[${topic.readQueueNums}]`,
      );
    }
    const { topicSysFlag } = topic;
    return { topicSysFlag, groupSysFlag: group.groupSysFlag, wanted: this.#wanted(pull, group) };
  }

  #wanted(pull: Pull, group: SubscriptionGroupConfig): Wanted {
    if (pull.expression !== undefined) {
      const of = { topic: pull.topic, version: pull.subscriptionVersion };
      return wantedBy(pull.expression, of, (tag) => this.#store.core.hashCode(tag), this.#settings);
    }
    const consumers = this.#consumers.find(pull.group);
    if (consumers === undefined) {
      throw new WasmqError("SUBSCRIPTION_NOT_EXIST", `the consumer's group info not exist: ${pull.group}`);
    }
    if (consumers.messageModel === "BROADCASTING" && !group.consumeBroadcastEnable) {
      throw new WasmqError("NO_PERMISSION", `the consumer group[${pull.group}] can not consume by broadcast way`);
    }
    if (!this.#groups.mayRead(pull.group, pull.topic)) {
      throw new WasmqError("NO_PERMISSION", `the consumer group[${pull.group}] is forbidden for topic[${pull.topic}]`);
    }
    const subscription = consumers.subscriptions.get(pull.topic);
    if (subscription === undefined) {
      throw new WasmqError(
        "SUBSCRIPTION_NOT_EXIST",
        `the consumer's subscription not exist: ${pull.group}, ${pull.topic}`,
      );
    }
    if (subscription.version < pull.subscriptionVersion) {
      throw new WasmqError("SUBSCRIPTION_NOT_LATEST", `the consumer's subscription not latest: ${pull.group}`);
    }
    if (isTagExpression(subscription.expressionType)) return byTags(subscription);
    const filter = this.#filters.find(pull.topic, pull.group);
    if (filter === undefined) {
      throw new WasmqError(
        "FILTER_DATA_NOT_EXIST",
        "The broker's consumer filter data is not exist!Your expression may be wrong!",
      );
    }
    if (filter.version < pull.subscriptionVersion) {
      throw new WasmqError("FILTER_DATA_NOT_LATEST", `the consumer's consumer filter data not latest: ${pull.group}`);
    }
    if (!this.#settings.enablePropertyFilter) throw noSuchFilter(subscription.expressionType);
    return { tagHashes: undefined, filter: filter.filter, ownFilterBytes: 0 };
  }
}

/** What a request wants that says so itself. Throws SUBSCRIPTION_PARSE_FAILED, and SYSTEM_ERROR for a kind of filter that is not served. */
export function wantedBy(
  { text, type }: { readonly text: string; readonly type: string | undefined },
  { topic, version }: { readonly topic: string; readonly version: bigint },
  hashCode: (text: string) => number,
  { enablePropertyFilter }: Pick<BrokerSettings, "enablePropertyFilter">,
): Wanted {
  if (isTagExpression(type)) return byTags(subscribeByTags(topic, text, version, hashCode));
  if (!enablePropertyFilter) throw noSuchFilter(type);
  const filter = compileFilter(type, text);
  return { tagHashes: undefined, filter, ownFilterBytes: filter.byteLength };
}

function byTags({ tagHashes }: Subscription): Wanted {
  return { tagHashes, filter: undefined, ownFilterBytes: 0 };
}

/** Which messages a request wants: all without hashes and filter. */
export interface Wanted {
  readonly tagHashes: Int32Array | undefined;
  readonly filter: SqlFilter | undefined;
  /** See HeldPull. */
  readonly ownFilterBytes: number;
}

/** The first look at a queue, one after messages came, and the one when the time is up. */
type Pass = "first" | "again" | "last";

/** All that is needed to try a pull again, and no more: many are held at once. */
interface Held extends Wanted {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  /** Where to look next: messages that do not match are passed over while it is held. */
  offset: number;
  readonly messagesMax: number;
  readonly bytesMax: number;
  readonly topicSysFlag: number;
  readonly groupSysFlag: number;
  readonly client: Client;
  readonly listener: PullListener;
  readonly suspendUntilMs: number;
}

export function noSuchFilter(expressionType: string | undefined): WasmqError {
  return new WasmqError("SYSTEM_ERROR", `The broker does not support consumer to filter message by ${expressionType}`);
}

/** What a client is to make of a read (PullMessageProcessor.composeResponseHeader). */
function outcomeOf(status: GetStatus, offset: number): PullOutcome {
  switch (status) {
    case "FOUND":
      return "FOUND";
    case "NO_MATCHED_MESSAGE":
    case "MESSAGE_WAS_REMOVING":
      return "RETRY_IMMEDIATELY";
    case "OFFSET_FOUND_NULL":
    case "OFFSET_OVERFLOW_ONE":
      return "NOT_FOUND";
    case "NO_MESSAGE_IN_QUEUE":
    case "NO_MATCHED_LOGIC_QUEUE":
      return offset === 0 ? "NOT_FOUND" : "OFFSET_MOVED";
    case "OFFSET_OVERFLOW_BADLY":
    case "OFFSET_TOO_SMALL":
      return "OFFSET_MOVED";
  }
}
