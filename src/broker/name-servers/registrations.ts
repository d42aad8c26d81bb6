import type { Telemetry } from "../../ports/telemetry.ts";
import type { Due, DueQueue } from "../../store/due-queue.ts";
import type { DataVersion } from "../data-version.ts";
import type { BrokerSettings } from "../settings.ts";
import { autoCreateTopic } from "../topic/system-topics.ts";
import { perm, type TopicConfig } from "../topic/topic-config.ts";
import type { Topics } from "../topic/topics.ts";

/** What a broker tells a NameServer of itself (RegisterBrokerRequestHeader, TopicConfigSerializeWrapper). */
export interface BrokerRegistration {
  readonly clusterName: string;
  readonly brokerName: string;
  /** `host:port`, as clients are told it. */
  readonly address: string;
  readonly version: DataVersion;
  readonly topics: readonly TopicConfig[];
}

/** Of a topic, at one broker (QueueData). */
export interface BrokerQueues {
  readonly brokerName: string;
  readonly readQueueNums: number;
  readonly perm: number;
}

/** A NameServer elsewhere, on whatever wire. Its connection is opened when it is asked something. */
export interface NameServerLink {
  readonly address: string;
  /** Who is told that an open connection is gone: the NameServer has forgotten the broker then. */
  onLost(lost: () => void): void;
  /** The ordered topics that administrators left with the NameServer. Rejects when it can't be reached, or refuses. */
  register(registration: BrokerRegistration): Promise<readonly string[]>;
  /** Which brokers have a topic, undefined for one that the NameServer does not know. Rejects when it can't be reached, or refuses. */
  queues(topic: string): Promise<readonly BrokerQueues[] | undefined>;
  /** Takes leave, if a connection is open. Never rejects, and ends soon. */
  unregister(registration: BrokerRegistration): Promise<void>;
  close(): void;
}

/** After a failure, doubled with each; a NameServer that is started again is found soon after. */
const firstPauseMs = 1_000;
const pauseMsMax = 10_000;
/** After a connection that was open is lost: not at once, since many may come back together. */
const lostPauseMs = 200;

/**
 * Keeps the broker known to NameServers elsewhere (BrokerController.registerBrokerAll): all of it at the start and every
 * `periodMs`, topics that are new or changed at once. Each NameServer has its own pace: one that is down holds up no other.
 */
export class Registrations {
  readonly #links: readonly NameServerLink[];
  readonly #each: readonly Registration[];
  readonly #soon: (task: () => void) => void;
  #changed = new Map<string, TopicConfig>();

  constructor(given: {
    readonly links: readonly NameServerLink[];
    readonly topics: Topics;
    readonly settings: BrokerSettings;
    /** `host:port`, as clients are told it. */
    readonly address: string;
    readonly periodMs: number;
    readonly dues: DueQueue;
    readonly soon: (task: () => void) => void;
    readonly telemetry: Telemetry;
  }) {
    this.#soon = given.soon;
    this.#links = given.links;
    const { topics, settings, address } = given;
    const { clusterName, brokerName } = settings;
    const registration = (configs: Iterable<TopicConfig>): BrokerRegistration => ({
      clusterName,
      brokerName,
      address,
      version: topics.version,
      topics: registered(configs, settings),
    });
    this.#each = given.links.map((link) => new Registration({ ...given, link, registration }));
  }

  start(): void {
    for (const registration of this.#each) registration.begin();
  }

  /** A topic is new or changed. Those of one turn are told together. */
  changed(topic: TopicConfig): void {
    if (this.#changed.size === 0) {
      this.#soon(() => {
        const changed = this.#changed;
        this.#changed = new Map();
        for (const registration of this.#each) registration.changed(changed.values());
      });
    }
    this.#changed.set(topic.topicName, topic);
  }

  /** Which brokers have a topic, as the first NameServer says that can be reached. Rejects when none can. */
  async queues(topic: string): Promise<readonly BrokerQueues[] | undefined> {
    let failure: unknown;
    for (const link of this.#links) {
      try {
        return await link.queues(topic);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /** Takes leave of all. */
  async stop(): Promise<void> {
    await Promise.all(this.#each.map((registration) => registration.stop()));
  }
}

/** A broker's topics as clients may know them. */
export function registered(configs: Iterable<TopicConfig>, settings: BrokerSettings): TopicConfig[] {
  const { brokerPermission, autoCreateTopicEnable } = settings;
  const found: TopicConfig[] = [];
  for (const config of configs) {
    // Who is told of it sends first messages of new topics here, which are refused.
    if (config.topicName === autoCreateTopic && !autoCreateTopicEnable) continue;
    const isRestricted = (brokerPermission & perm.readWrite) !== perm.readWrite;
    found.push(isRestricted ? { ...config, perm: config.perm & brokerPermission } : config);
  }
  return found;
}

/** One NameServer. */
class Registration {
  readonly #link: NameServerLink;
  readonly #topics: Topics;
  readonly #registration: (configs: Iterable<TopicConfig>) => BrokerRegistration;
  readonly #periodMs: number;
  readonly #dues: DueQueue;
  readonly #telemetry: Telemetry;
  #isAllWanted = true;
  #wanted = new Map<string, TopicConfig>();
  #isUnderWay = false;
  #isStopped = false;
  #failures = 0;
  #due: Due | undefined;

  constructor(given: {
    readonly link: NameServerLink;
    readonly topics: Topics;
    readonly registration: (configs: Iterable<TopicConfig>) => BrokerRegistration;
    readonly periodMs: number;
    readonly dues: DueQueue;
    readonly telemetry: Telemetry;
  }) {
    this.#link = given.link;
    this.#topics = given.topics;
    this.#registration = given.registration;
    this.#periodMs = given.periodMs;
    this.#dues = given.dues;
    this.#telemetry = given.telemetry;
    this.#link.onLost(() => {
      this.#isAllWanted = true;
      if (!this.#isUnderWay) this.#after(lostPauseMs);
    });
  }

  begin(): void {
    void this.#run();
  }

  changed(topics: Iterable<TopicConfig>): void {
    for (const topic of topics) this.#wanted.set(topic.topicName, topic);
    // While it can't be reached, all of the broker is due in a while.
    if (this.#failures === 0) void this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#due !== undefined) this.#dues.cancel(this.#due);
    await this.#link.unregister(this.#registration([]));
    this.#link.close();
  }

  async #run(): Promise<void> {
    if (this.#isUnderWay || this.#isStopped) return;
    this.#isUnderWay = true;
    try {
      while (!this.#isStopped && (this.#isAllWanted || this.#wanted.size > 0)) await this.#tell();
      this.#failures = 0;
      this.#after(this.#periodMs);
    } catch (error) {
      this.#isAllWanted = true;
      if (this.#failures++ === 0 && !this.#isStopped) {
        this.#telemetry.log("warn", "the broker could not register at a name server, and tries again", {
          nameServer: this.#link.address,
          error: error instanceof Error ? error.message : String(error),
        });
      }
      this.#after(Math.min(firstPauseMs * 2 ** (this.#failures - 1), pauseMsMax, this.#periodMs));
    } finally {
      this.#isUnderWay = false;
    }
  }

  async #tell(): Promise<void> {
    const isAll = this.#isAllWanted;
    const configs = isAll ? Array.from(this.#topics.all(), ({ config }) => config) : [...this.#wanted.values()];
    this.#isAllWanted = false;
    this.#wanted.clear();
    const registration = this.#registration(configs);
    if (registration.topics.length === 0) return;
    try {
      const ordered = await this.#link.register(registration);
      if (!isAll) return;
      if (this.#failures > 0) {
        this.#telemetry.log("info", "the broker is registered", { nameServer: this.#link.address });
      }
      this.#topics.setOrdered(ordered);
    } catch (error) {
      if (isAll) throw error;
      // A NameServer that does not know the broker takes no single topic from it.
      this.#isAllWanted = true;
    }
  }

  #after(delayMs: number): void {
    if (this.#isStopped) return;
    if (this.#due !== undefined) this.#dues.cancel(this.#due);
    this.#due = this.#dues.after(delayMs, () => {
      this.#isAllWanted = true;
      void this.#run();
    });
  }
}
