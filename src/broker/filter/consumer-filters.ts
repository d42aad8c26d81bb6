import type { Clock } from "../../ports/clock.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { type ConfigFile, type ConfigValue, isObject, otherMembers, tableIn } from "../../store/config-file.ts";
import { bloomFilterData } from "./bloom-filter-data.ts";
import { refused } from "./sql-error.ts";
import { compileSql, type SqlFilter } from "./sql-filter.ts";
import { isTagExpression, type Subscription } from "./subscription.ts";

/** What a group filters a topic by (ConsumerFilterData). */
export interface ConsumerFilter {
  readonly group: string;
  readonly topic: string;
  readonly expression: string;
  readonly expressionType: string;
  readonly filter: SqlFilter;
  readonly bornTimeMs: number;
  /** When the group went away, or let go of the topic; 0 while it is there. */
  deadTimeMs: number;
  /** Of the subscription it was made of. */
  version: bigint;
  /** Not heard of since the broker started: taken for dead, but not written down as such. */
  isPresumed: boolean;
}

/** Of a type that can be compiled; others have none. */
const sqlExpression = "SQL92";

/**
 * Compiles an expression of a type that is not tags. Throws SUBSCRIPTION_PARSE_FAILED for one that can't be understood, nor its type
 * (FilterFactory).
 */
export function compileFilter(expressionType: string, expression: string): SqlFilter {
  if (expressionType !== sqlExpression) throw refused(`there are no expressions of type ${expressionType}`);
  return compileSql(expression);
}

const tableMember = "filterDataByTopic";

/**
 * What the groups filter by whose heartbeats bring expressions, kept in consumerFilter.json (ConsumerFilterManager). A heartbeat with an
 * expression that can't be understood is heard all the same: its group has no filter, and is told when it pulls. The filter of a group
 * that went away is kept for a day, for its messages' Bloom filters in Apache's broker.
 */
export class ConsumerFilters {
  readonly #file: ConfigFile;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #bytesMax: number;
  readonly #cleanMs: number;
  readonly #persistLater: () => void;
  /** By group, then by topic. */
  readonly #groups = new Map<string, Map<string, ConsumerFilter>>();
  #others: ConfigValue = {};
  #byteLength = 0;
  #dirty = false;

  /** `bytesMax`: MemoryBudget.filterBytesMax; `cleanMs`: filterDataCleanTimeSpan. `persistLater` is told that there is something to persist. */
  constructor(given: {
    file: ConfigFile;
    clock: Clock;
    telemetry: Telemetry;
    bytesMax: number;
    cleanMs: number;
    persistLater: () => void;
  }) {
    this.#file = given.file;
    this.#clock = given.clock;
    this.#telemetry = given.telemetry;
    this.#bytesMax = given.bytesMax;
    this.#cleanMs = given.cleanMs;
    this.#persistLater = given.persistLater;
  }

  /** All groups are taken for dead until they are heard of. */
  async load(): Promise<void> {
    const saved = await this.#file.load((value) => {
      tableIn(value, tableMember);
      return undefined;
    });
    if (saved === undefined) return;
    this.#others = otherMembers(saved, tableMember);
    const nowMs = this.#clock.now();
    for (const topicData of Object.values(tableIn(saved, tableMember))) {
      if (!isObject(topicData) || !isObject(topicData["groupFilterData"])) continue;
      for (const data of Object.values(topicData["groupFilterData"])) {
        const filter = isObject(data) ? readFilter(data, nowMs) : undefined;
        if (filter !== undefined) this.#put(filter);
      }
    }
  }

  /** The filter that a group's pulls of a topic go by. */
  find(topic: string, group: string): ConsumerFilter | undefined {
    return this.#groups.get(group)?.get(topic);
  }

  /** A heartbeat of a group has all of its subscriptions. Those of topics that it does not name any more are dead. */
  register(group: string, subscriptions: readonly Subscription[]): void {
    const known = this.#groups.get(group);
    for (const subscription of subscriptions) {
      if (!isTagExpression(subscription.expressionType) && subscription.expression !== "") {
        this.#register(group, subscription);
      }
    }
    for (const filter of known?.values() ?? []) {
      if (!subscriptions.some(({ topic }) => topic === filter.topic)) this.#die(filter);
    }
  }

  /** The last member of a group went away. */
  unregister(group: string): void {
    for (const filter of this.#groups.get(group)?.values() ?? []) this.#die(filter);
  }

  /** Writes the file if anything changed since it was written, without what is dead for long. Trouble is told, and tried again. */
  async persist(): Promise<void> {
    // Of trouble with what is being written tells who began it.
    if (!this.#dirty) return this.#file.settled().catch(() => {});
    this.#clean();
    this.#dirty = false;
    try {
      await this.#file.save(() => ({ ...this.#others, [tableMember]: this.#table() }));
    } catch (error) {
      this.#telemetry.log("error", "consumerFilter.json could not be written", { error: `${error}` });
      this.#changed();
    }
  }

  #register(group: string, { topic, expression, expressionType, version }: Subscription): void {
    const known = this.find(topic, group);
    if (known !== undefined) {
      if (version < known.version) return;
      const isSame = known.expression === expression && known.expressionType === expressionType;
      if (version === known.version || isSame) {
        if (version !== known.version) this.#changed();
        known.version = version;
        this.#revive(known);
        return;
      }
      this.#remove(known);
    }
    let filter: SqlFilter;
    try {
      filter = compileFilter(expressionType, expression);
    } catch (error) {
      this.#telemetry.log("warn", "a group subscribes by an expression that can't be understood", {
        ...{ group, topic, error: `${error}` },
      });
      return;
    }
    if (this.#byteLength + filter.byteLength > this.#bytesMax) this.#clean();
    if (this.#byteLength + filter.byteLength > this.#bytesMax) {
      this.#telemetry.log("warn", "the broker has its bytes of filters, no more are taken", {
        ...{ group, topic, bytes: this.#bytesMax },
      });
      return;
    }
    const bornTimeMs = this.#clock.now();
    const life = { bornTimeMs, deadTimeMs: 0, version, isPresumed: false };
    this.#put({ group, topic, expression, expressionType, filter, ...life });
    this.#changed();
  }

  #put(filter: ConsumerFilter): void {
    const topics = this.#groups.get(filter.group) ?? new Map<string, ConsumerFilter>();
    this.#groups.set(filter.group, topics);
    topics.set(filter.topic, filter);
    this.#byteLength += filter.filter.byteLength;
  }

  #remove(filter: ConsumerFilter): void {
    const topics = this.#groups.get(filter.group);
    if (topics?.delete(filter.topic) !== true) return;
    this.#byteLength -= filter.filter.byteLength;
    if (topics.size === 0) this.#groups.delete(filter.group);
    this.#changed();
  }

  #die(filter: ConsumerFilter): void {
    if (isDead(filter)) return;
    // A clock that was set back must not make it live on.
    filter.deadTimeMs = Math.max(this.#clock.now(), filter.bornTimeMs);
    this.#changed();
  }

  #revive(filter: ConsumerFilter): void {
    if (!isDead(filter)) return;
    filter.deadTimeMs = 0;
    if (!filter.isPresumed) this.#changed();
    filter.isPresumed = false;
  }

  #clean(): void {
    const beforeMs = this.#clock.now() - this.#cleanMs;
    for (const topics of [...this.#groups.values()]) {
      for (const filter of [...topics.values()]) {
        if (isDead(filter) && filter.deadTimeMs <= beforeMs) this.#remove(filter);
      }
    }
  }

  #changed(): void {
    if (!this.#dirty) this.#persistLater();
    this.#dirty = true;
  }

  /** As Apache writes it. */
  #table(): ConfigValue {
    const table: Record<string, { groupFilterData: Record<string, ConfigValue>; topic: string }> = Object.create(null);
    for (const topics of this.#groups.values()) {
      for (const filter of topics.values()) {
        const { topic, group } = filter;
        table[topic] ??= { groupFilterData: Object.create(null), topic };
        table[topic].groupFilterData[group] = {
          bloomFilterData: bloomFilterData(group, topic),
          bornTime: filter.bornTimeMs,
          clientVersion: filter.version,
          consumerGroup: group,
          dead: isDead(filter),
          deadTime: filter.deadTimeMs,
          expression: filter.expression,
          expressionType: filter.expressionType,
          topic,
        };
      }
    }
    return table;
  }
}

function isDead({ deadTimeMs, bornTimeMs }: ConsumerFilter): boolean {
  return deadTimeMs >= bornTimeMs;
}

/** ConsumerFilterManager.decode puts the death of those that lived half a minute back. */
const presumedDeadForMs = 30_000;

/** Undefined for what makes no sense, or can't be compiled here: the group's next heartbeat brings it again. */
function readFilter(data: Record<string, unknown>, nowMs: number): ConsumerFilter | undefined {
  const { consumerGroup: group, topic, expression, expressionType, bornTime, deadTime, clientVersion } = data;
  if (typeof group !== "string" || typeof topic !== "string") return undefined;
  if (typeof expression !== "string" || typeof expressionType !== "string") return undefined;
  if (typeof bornTime !== "number" || typeof deadTime !== "number") return undefined;
  if (typeof clientVersion !== "bigint" && !Number.isSafeInteger(clientVersion)) return undefined;
  let filter: SqlFilter;
  try {
    filter = compileFilter(expressionType, expression);
  } catch {
    return undefined;
  }
  const isPresumed = deadTime === 0;
  const deadTimeMs = isPresumed ? Math.max(bornTime, nowMs - presumedDeadForMs) : deadTime;
  const version = BigInt(clientVersion as number | bigint);
  return { group, topic, expression, expressionType, filter, bornTimeMs: bornTime, deadTimeMs, version, isPresumed };
}
