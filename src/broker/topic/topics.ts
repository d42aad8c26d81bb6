import { queuesPerTopicMax } from "../../limits.ts";
import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { encodeUtf8 } from "../../ports/text.ts";
import type { ConfigFile } from "../../store/config-file.ts";
import { type DataVersion, firstVersion, nextVersion, readVersion } from "../data-version.ts";
import { checkTopicName, isTopicName } from "../names.ts";
import { makeTopicConfig, perm, readTopicConfig, type TopicConfig, topicSysFlag } from "./topic-config.ts";

/** A topic and what is derived from it once. */
export interface Topic {
  readonly config: TopicConfig;
  readonly nameBytes: Uint8Array;
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
  #version: DataVersion;
  #changes = 0;
  #changesSaved = 0;
  #saving: Promise<void> | undefined;
  #changed: (topic: TopicConfig) => void = () => {};

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

  /**
   * Reads topics.json and adds those of `system` that are missing, and those that have only queues: a crash came between
   * their first message and the file.
   */
  async load(system: readonly TopicConfig[], queues: Iterable<{ topic: string; queueId: number }>): Promise<void> {
    const saved = (await this.#file.load()) as { topicConfigTable?: Record<string, unknown>; dataVersion?: unknown };
    this.#version = readVersion(saved?.dataVersion, this.#clock);
    for (const [name, value] of Object.entries(saved?.topicConfigTable ?? {})) {
      // A name becomes a folder of the store: a file that came from elsewhere must not choose one outside.
      if (isTopicName(name)) this.#put(readTopicConfig(name, value));
      else
        this.#telemetry.log("warn", "topics.json has a name that no topic may have: it is left out", { topic: name });
    }
    const missing = [...system, ...topicsOf(queues)].filter((config) => !this.#table.has(config.topicName));
    for (const config of missing) this.#put(config);
    if (missing.length > 0) await this.#save();
    else this.#changesSaved = this.#changes;
  }

  find(topic: string): Topic | undefined {
    return this.#table.get(topic);
  }

  all(): IterableIterator<Topic> {
    return this.#table.values();
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

  #put(config: TopicConfig): Topic {
    const topic = { config, nameBytes: encodeUtf8(config.topicName), change: ++this.#changes };
    this.#table.set(config.topicName, topic);
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
        dataVersion: this.#version,
        topicConfigTable: Object.fromEntries([...this.#table].map(([name, topic]) => [name, topic.config])),
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

/** Configs that fit queues whose topic has none. */
function topicsOf(queues: Iterable<{ topic: string; queueId: number }>): TopicConfig[] {
  const queueNums = new Map<string, number>();
  for (const { topic, queueId } of queues) {
    if (isTopicName(topic) && queueId < queuesPerTopicMax) {
      queueNums.set(topic, Math.max(queueNums.get(topic) ?? 0, queueId + 1));
    }
  }
  return Array.from(queueNums, ([topic, count]) => makeTopicConfig(topic, count));
}
