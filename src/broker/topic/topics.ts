import { queuesPerTopicMax } from "../../limits.ts";
import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { encodeUtf8 } from "../../ports/text.ts";
import { type ConfigFile, type ConfigValue, otherMembers, tableIn } from "../../store/config-file.ts";
import type { StoredQueue } from "../../store/store.ts";
import { type DataVersion, firstVersion, nextVersion, readVersion } from "../data-version.ts";
import { checkTopicName, isRetryOrDeadLetterTopic, isTopicName } from "../names.ts";
import { autoCreateTopic } from "./system-topics.ts";
import {
  batchQueueType,
  type DedupRule,
  dedupRule,
  isOfBatches,
  makeTopicConfig,
  perm,
  queueTypeAttribute,
  readTopicConfig,
  reserveTimeMs,
  simpleQueueType,
  type TopicConfig,
  topicDoubt,
  topicSysFlag,
} from "./topic-config.ts";

/** A topic and what is derived from it once. */
export interface Topic {
  readonly config: TopicConfig;
  readonly nameBytes: Uint8Array;
  /** Undefined: as long as they are there. */
  readonly reserveTimeMs: number | undefined;
  /** Undefined: every message is stored. */
  readonly dedup: DedupRule | undefined;
  /** Whether its queues are BatchConsumeQueues. */
  readonly isOfBatches: boolean;
  /** Which change of the table brought it: those up to a number are in topics.json. */
  readonly change: number;
}

/** The broker's topics, kept in topics.json (TopicConfigManager). */
export class Topics {
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #topicsMax: number;
  readonly #retryLater: () => void;
  readonly #file: ConfigFile;
  readonly #table = new Map<string, Topic>();
  /** Of topics.json: members of another broker's version, and topics whose names none may have here; written again as they came. */
  #others: ConfigValue = {};
  readonly #leftOut = new Map<string, unknown>();
  #version: DataVersion;
  #haveReserveTimes = false;
  #changes = 0;
  #changesSaved = 0;
  #saving: Promise<void> | undefined;
  #changed: (topic: TopicConfig) => void = () => {};
  #deleted: (topic: string) => void = () => {};

  /** `topicsMax`: MemoryBudget. `retryLater` is told that `persist` is to be called again in a while. */
  constructor(file: ConfigFile, clock: Clock, telemetry: Telemetry, topicsMax: number, retryLater: () => void) {
    this.#file = file;
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#topicsMax = topicsMax;
    this.#retryLater = retryLater;
    this.#version = firstVersion(clock);
  }

  /** Who is told, at once, that a topic is new or changed. */
  onChange(changed: (topic: TopicConfig) => void): void {
    this.#changed = changed;
  }

  /** Who is told, at once, that a topic is none any more. */
  onDelete(deleted: (topic: string) => void): void {
    this.#deleted = deleted;
  }

  /**
   * Reads topics.json and adds those of `system` that are missing, and those that have only queues: a crash came between
   * their first message and the file.
   */
  async load(system: readonly TopicConfig[], queues: Iterable<StoredQueue>): Promise<void> {
    const saved = await this.#file.load((value) => firstDoubt(tableIn(value, tableMember)));
    this.#version = readVersion(saved?.["dataVersion"], this.#clock);
    this.#others = otherMembers(saved, "dataVersion", tableMember);
    for (const [name, value] of saved === undefined ? [] : Object.entries(tableIn(saved, tableMember))) {
      // A name becomes a folder of the store: a file that came from elsewhere must not choose one outside.
      if (isTopicName(name)) this.#put(readTopicConfig(name, value));
      else {
        this.#leftOut.set(name, value);
        this.#telemetry.log("warn", "topics.json has a name that no topic may have: it is left out", { topic: name });
      }
    }
    const isMissing = ({ topicName }: TopicConfig): boolean => !this.#table.has(topicName);
    const missing = system.filter(isMissing);
    for (const config of missing) this.#put(config);
    const queueNums = this.#table.get(autoCreateTopic)?.config.writeQueueNums ?? 0;
    const found = [...queues];
    const guessed = topicsOf(found, Math.min(queueNums, clientsQueueNums)).filter(isMissing);
    for (const config of guessed) this.#put(config);
    missing.push(...guessed);
    for (const { topic, isOfBatches: ofBatches } of found) {
      const known = this.#table.get(topic)?.config;
      if (known === undefined || isOfBatches(known) === ofBatches) continue;
      // An Apache broker opens no store whose topics are of another kind than their queues.
      const attributes = { ...known.attributes, [queueTypeAttribute]: ofBatches ? batchQueueType : simpleQueueType };
      missing.push(this.#put({ ...known, attributes }).config);
    }
    if (missing.length > 0) await this.#save();
    else this.#changesSaved = this.#changes;
  }

  find(topic: string): Topic | undefined {
    return this.#table.get(topic);
  }

  all(): IterableIterator<Topic> {
    return this.#table.values();
  }

  /** The store time before which messages of a topic are expired (its reserve.time); undefined where none are. */
  notBefore(topic: string): number | undefined {
    if (!this.#haveReserveTimes) return undefined;
    const reserveMs = this.#table.get(topic)?.reserveTimeMs;
    return reserveMs === undefined ? undefined : this.#clock.now() - reserveMs;
  }

  /** Whether any topic has a reserve.time, or had. */
  get haveReserveTimes(): boolean {
    return this.#haveReserveTimes;
  }

  /** Tells one state of all topics from another. */
  get version(): DataVersion {
    return this.#version;
  }

  /**
   * Adds or replaces a topic. It can be used at once; topics.json follows. Throws INVALID_PARAMETER for a name that no topic
   * may have: names become folders of the store.
   */
  put(config: TopicConfig): Topic {
    checkTopicName(config.topicName);
    if (!this.#table.has(config.topicName) && this.#table.size >= this.#topicsMax) {
      throw new WasmqError("SYSTEM_ERROR", `the broker has its ${this.#topicsMax} topics, no more are made`);
    }
    const topic = this.#put(config);
    this.#version = nextVersion(this.#version, this.#clock);
    this.persist();
    this.#changed(config);
    return topic;
  }

  /** Takes a topic out. Ends when topics.json has it no more, as `saved` does; undefined if there is none. */
  delete(topic: string): Promise<void> | undefined {
    if (!this.#table.delete(topic)) return undefined;
    this.#version = nextVersion(this.#version, this.#clock);
    this.#deleted(topic);
    return this.#saveUntil(++this.#changes);
  }

  /** What all topics allow has changed (brokerPermission): another state of them to NameServers. */
  touch(): void {
    this.#version = nextVersion(this.#version, this.#clock);
    this.#changes++;
    void this.persist();
    for (const { config } of this.#table.values()) this.#changed(config);
  }

  /**
   * Ends when topics.json has the topic; undefined if it has it already. What is promised to be kept of a topic is not to be
   * told before: after a crash nobody would find it. Rejects with SYSTEM_ERROR or, for want of room, SERVICE_NOT_AVAILABLE; the next call tries again.
   */
  saved(topic: Topic): Promise<void> | undefined {
    return topic.change <= this.#changesSaved ? undefined : this.#saveUntil(topic.change);
  }

  /** Writes topics.json if it lacks anything. Trouble is told, and `retryLater`: the next call tries again. */
  async persist(): Promise<void> {
    try {
      await this.#saveUntil(this.#changes);
    } catch (error) {
      this.#telemetry.log("error", (error as WasmqError).message);
      this.#retryLater();
    }
  }

  /**
   * Makes the topic of a first send, after the pattern of `defaultTopic` (TopicConfigManager.createTopicInSendMessageMethod).
   * Undefined if the pattern is missing or none to inherit from.
   */
  createInSend(topic: string, defaultTopic: string, queueNumsWanted: number, unitMode: boolean): Topic | undefined {
    const pattern = this.#table.get(defaultTopic)?.config;
    if (pattern === undefined || (pattern.perm & perm.inherit) === 0) return undefined;
    const queueNums = Math.max(0, Math.min(queueNumsWanted, pattern.writeQueueNums, queuesPerTopicMax));
    return this.put(
      makeTopicConfig(topic, queueNums, {
        perm: pattern.perm & ~perm.inherit,
        topicFilterType: pattern.topicFilterType,
        topicSysFlag: unitMode ? topicSysFlag.unit : 0,
      }),
    );
  }

  /** The topic a consumer group sends messages back to; made if missing (createTopicInSendMessageBackMethod). */
  findOrCreateForGroup(topic: string, queueNums: number, sysFlag: number): Topic {
    return this.#table.get(topic) ?? this.put(makeTopicConfig(topic, queueNums, { topicSysFlag: sysFlag }));
  }

  /** Gives a topic so many queues, if it has others. */
  setQueues(topic: string, queueNums: number): void {
    const known = this.#table.get(topic)?.config;
    if (known === undefined || (known.readQueueNums === queueNums && known.writeQueueNums === queueNums)) return;
    this.put({ ...known, readQueueNums: queueNums, writeQueueNums: queueNums });
  }

  /** Administrators of a NameServer say that these topics are ordered (TopicConfigManager.updateOrderTopicConfig). */
  setOrdered(topics: Iterable<string>): void {
    for (const topic of topics) {
      const known = this.#table.get(topic)?.config;
      if (known !== undefined && !known.order) this.put({ ...known, order: true });
    }
  }

  #put(config: TopicConfig): Topic {
    const topic = {
      config,
      nameBytes: encodeUtf8(config.topicName),
      reserveTimeMs: reserveTimeMs(config),
      dedup: dedupRule(config),
      isOfBatches: isOfBatches(config),
      change: ++this.#changes,
    };
    this.#table.set(config.topicName, topic);
    if (topic.reserveTimeMs !== undefined) this.#haveReserveTimes = true;
    return topic;
  }

  async #saveUntil(change: number): Promise<void> {
    while (this.#changesSaved < change) {
      this.#saving ??= this.#save();
      await this.#saving;
    }
  }

  async #save(): Promise<void> {
    const changes = this.#changes;
    try {
      await this.#file.save(() => ({
        ...this.#others,
        dataVersion: this.#version,
        [tableMember]: Object.fromEntries([
          ...this.#leftOut,
          ...[...this.#table].map(([name, topic]) => [name, topic.config] as const),
        ]),
      }));
      this.#changesSaved = changes;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const code =
        error instanceof WasmqError && error.code === "STORE_FULL" ? "SERVICE_NOT_AVAILABLE" : "SYSTEM_ERROR";
      throw new WasmqError(code, `topics.json could not be written: ${reason}`, { cause: error });
    } finally {
      this.#saving = undefined;
    }
  }
}

const tableMember = "topicConfigTable";

/** The topics that topics.json says have BatchConsumeQueues; none, where it can't be read, which `Topics.load` tells. */
export async function topicsOfBatches(file: ConfigFile): Promise<ReadonlySet<string>> {
  const saved = await file.load((value) => firstDoubt(tableIn(value, tableMember))).catch(() => undefined);
  const table = saved === undefined ? {} : tableIn(saved, tableMember);
  const configs = Object.entries(table).map(([name, value]) => readTopicConfig(name, value));
  return new Set(configs.filter(isOfBatches).map(({ topicName }) => topicName));
}

function firstDoubt(table: ConfigValue): string | undefined {
  for (const [name, value] of Object.entries(table)) {
    const doubt = topicDoubt(name, value);
    if (doubt !== undefined) return doubt;
  }
  return undefined;
}

/** How many queues clients ask for when their first message makes a topic, unless they were told otherwise (defaultTopicQueueNums). */
const clientsQueueNums = 4;

/**
 * Configs that fit queues whose topic has none. Clients may have been told of more queues than have messages, and go on to send to them:
 * they get `likely` ones, but for topics of groups, which have one.
 */
function topicsOf(queues: Iterable<StoredQueue>, likely: number): TopicConfig[] {
  const queueNums = new Map<string, number>();
  for (const { topic, queueId } of queues) {
    if (isTopicName(topic) && queueId < queuesPerTopicMax) {
      queueNums.set(
        topic,
        Math.max(queueNums.get(topic) ?? (isRetryOrDeadLetterTopic(topic) ? 1 : likely), queueId + 1),
      );
    }
  }
  return Array.from(queueNums, ([topic, count]) => makeTopicConfig(topic, count));
}
