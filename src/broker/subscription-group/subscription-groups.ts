import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { type ConfigFile, type ConfigValue, isObject, otherMembers, tableIn } from "../../store/config-file.ts";
import { type DataVersion, firstVersion, nextVersion, readVersion } from "../data-version.ts";
import { isGroupName } from "../names.ts";

/** SubscriptionGroupConfig, with the names it has in subscriptionGroup.json and on the wire. Unknown members are kept. */
export interface SubscriptionGroupConfig {
  readonly groupName: string;
  readonly consumeEnable: boolean;
  readonly consumeFromMinEnable: boolean;
  readonly consumeBroadcastEnable: boolean;
  readonly consumeMessageOrderly: boolean;
  readonly groupSysFlag: number;
  readonly retryQueueNums: number;
  readonly retryMaxTimes: number;
  readonly notifyConsumerIdsChangedEnable: boolean;
  readonly attributes: Readonly<Record<string, string>>;
  readonly [other: string]: unknown;
}

export function makeGroupConfig(groupName: string): SubscriptionGroupConfig {
  return {
    attributes: {},
    brokerId: 0,
    consumeBroadcastEnable: true,
    consumeEnable: true,
    consumeFromMinEnable: true,
    consumeMessageOrderly: false,
    consumeTimeoutMinute: 15,
    groupName,
    groupRetryPolicy: { type: "CUSTOMIZED" },
    groupSysFlag: 0,
    notifyConsumerIdsChangedEnable: true,
    retryMaxTimes: 16,
    retryQueueNums: 1,
    whichBrokerWhenConsumeSlowly: 1,
  };
}

const tableMember = "subscriptionGroupTable";
const forbiddenMember = "forbiddenTable";

/** Of what is forbidden to a group in a topic: to read (PermName.INDEX_PERM_READ). */
const forbiddenRead = 1 << 2;

/** The first group that is none, or is named otherwise than where it stands. */
function firstDoubt(table: ConfigValue): string | undefined {
  for (const [name, value] of Object.entries(table)) {
    if (!isObject(value)) return `group ${name} is none`;
    const { groupName = name } = value;
    if (groupName !== name) return `group ${name} is named ${groupName}`;
  }
  return undefined;
}

/** Groups that Apache's broker has from its first start (SubscriptionGroupManager.init). */
const systemGroups = [
  "TOOLS_CONSUMER",
  "FILTERSRV_CONSUMER",
  "SELF_TEST_C_GROUP",
  "CID_ONS-HTTP-PROXY",
  "CID_ONSAPI_PULL",
  "CID_ONSAPI_PERMISSION",
  "CID_ONSAPI_OWNER",
  "CID_RMQ_SYS_TRANS",
];

/** The configs of the consumer groups, kept in subscriptionGroup.json (SubscriptionGroupManager). */
export class SubscriptionGroups {
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #file: ConfigFile;
  readonly #table = new Map<string, SubscriptionGroupConfig>();
  #version: DataVersion;
  readonly #groupsMax: number;
  readonly #retryLater: () => void;
  readonly #createsGroups: () => boolean;
  #dirty = false;
  /** Members of the file that other brokers wrote and that are handed on unread. */
  #others: ConfigValue = {};
  /** By group and topic: bits of what its members may not do. */
  readonly #forbidden = new Map<string, Map<string, number>>();

  /**
   * `groupsMax`: MemoryBudget.subscriptionGroupsMax. `retryLater` is told that `persist` is to be called again in a while.
   * `createsGroups`: autoCreateSubscriptionGroup.
   */
  constructor(
    file: ConfigFile,
    clock: Clock,
    telemetry: Telemetry,
    groupsMax: number,
    retryLater: () => void,
    createsGroups: () => boolean,
  ) {
    this.#groupsMax = groupsMax;
    this.#retryLater = retryLater;
    this.#createsGroups = createsGroups;
    this.#file = file;
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#version = firstVersion(clock);
  }

  async load(): Promise<void> {
    const saved = await this.#file.load((value) => firstDoubt(tableIn(value, tableMember)));
    this.#version = readVersion(saved?.["dataVersion"], this.#clock);
    this.#others = { ...this.#others, ...otherMembers(saved, "dataVersion", tableMember, forbiddenMember) };
    for (const [group, topics] of Object.entries(asObject(saved?.[forbiddenMember]))) {
      for (const [topic, bits] of Object.entries(asObject(topics))) this.#forbid(group, topic, Number(bits));
    }
    for (const [name, value] of saved === undefined ? [] : Object.entries(tableIn(saved, tableMember))) {
      this.#table.set(name, readGroupConfig(name, value));
    }
    const missing = systemGroups.filter((group) => !this.#table.has(group));
    for (const group of missing) this.#table.set(group, makeGroupConfig(group));
    if (missing.length > 0) await this.#save();
  }

  find(group: string): SubscriptionGroupConfig | undefined {
    return this.#table.get(group);
  }

  /**
   * The config of a group; made when a consumer first names it (autoCreateSubscriptionGroup). Throws SUBSCRIPTION_GROUP_NOT_EXIST
   * where groups are not made so, and for a name that none may have.
   */
  findOrCreate(group: string): SubscriptionGroupConfig {
    const found = this.#table.get(group);
    if (found !== undefined) return found;
    if (!isGroupName(group) || !this.#createsGroups()) {
      throw new WasmqError("SUBSCRIPTION_GROUP_NOT_EXIST", `subscription group [${group}] does not exist`);
    }
    const config = makeGroupConfig(group);
    this.#put(config);
    void this.persist();
    return config;
  }

  all(): IterableIterator<SubscriptionGroupConfig> {
    return this.#table.values();
  }

  /** Tells one state of all groups from another. */
  get version(): DataVersion {
    return this.#version;
  }

  /**
   * Adds or replaces a group, for which names were looked at. Ends when the file has it; rejects with SYSTEM_ERROR if it can't be
   * written, and throws it for a group more than there may be.
   */
  put(config: SubscriptionGroupConfig): Promise<void> {
    this.#put(config);
    return this.#keep();
  }

  /** Takes a group out, and what was forbidden to it. Ends as `put` does. */
  delete(group: string): Promise<void> {
    const wasForbidden = this.#forbidden.delete(group);
    if (!this.#table.delete(group) && !wasForbidden) return Promise.resolve();
    this.#touch();
    return this.#keep();
  }

  /** What is forbidden to groups, as the file and remoting have it. */
  get forbiddenTable(): Readonly<Record<string, Readonly<Record<string, number>>>> {
    return Object.fromEntries(Array.from(this.#forbidden, ([group, topics]) => [group, Object.fromEntries(topics)]));
  }

  /** Whether a group may read a topic. */
  mayRead(group: string, topic: string): boolean {
    return this.#forbidden.size === 0 || ((this.#forbidden.get(group)?.get(topic) ?? 0) & forbiddenRead) === 0;
  }

  /**
   * Forbids a group to read a topic, or allows it: then all that is forbidden to the group is allowed, as by
   * SubscriptionGroupManager.updateForbiddenValue. Ends as `put` does.
   */
  setMayRead(group: string, topic: string, mayRead: boolean): Promise<void> {
    if (mayRead ? !this.#forbidden.delete(group) : !this.mayRead(group, topic)) return Promise.resolve();
    if (!mayRead) {
      if (this.#forbidden.size >= this.#groupsMax || (this.#forbidden.get(group)?.size ?? 0) >= this.#groupsMax) {
        throw new WasmqError("SYSTEM_ERROR", "too much is forbidden already");
      }
      this.#forbid(group, topic, forbiddenRead);
    }
    this.#touch();
    return this.#keep();
  }

  /** Ends when the file has all groups. Rejects with SYSTEM_ERROR, or as the file does, if it can't be written; the next call tries again. */
  saved(): Promise<void> {
    return this.#dirty ? this.#keep() : this.#file.settled();
  }

  /** Writes the file if it lacks a group. Trouble is told, and `retryLater`: the next call tries again. */
  async persist(): Promise<void> {
    // Of trouble with what is being written tells who began it.
    if (!this.#dirty) return this.#file.settled().catch(() => {});
    await this.#keep().catch(() => {});
  }

  #put(config: SubscriptionGroupConfig): void {
    if (!this.#table.has(config.groupName) && this.#table.size >= this.#groupsMax) {
      throw new WasmqError("SYSTEM_ERROR", `the broker has its ${this.#groupsMax} groups, no more are made`);
    }
    this.#table.set(config.groupName, config);
    this.#touch();
  }

  #forbid(group: string, topic: string, bits: number): void {
    const topics = this.#forbidden.get(group) ?? new Map<string, number>();
    this.#forbidden.set(group, topics.set(topic, bits));
  }

  #touch(): void {
    this.#version = nextVersion(this.#version, this.#clock);
    this.#dirty = true;
  }

  async #keep(): Promise<void> {
    this.#dirty = false;
    try {
      await this.#save();
    } catch (error) {
      this.#dirty = true;
      this.#telemetry.log("error", "subscriptionGroup.json could not be written", { error: `${error}` });
      this.#retryLater();
      throw new WasmqError("SYSTEM_ERROR", `subscriptionGroup.json could not be written: ${error}`, { cause: error });
    }
  }

  #save(): Promise<void> {
    return this.#file.save(() => ({
      ...this.#others,
      dataVersion: this.#version,
      [forbiddenMember]: this.forbiddenTable,
      [tableMember]: Object.fromEntries(this.#table),
    }));
  }
}

function readGroupConfig(name: string, value: unknown): SubscriptionGroupConfig {
  const given = asObject(value);
  const attributes = asObject(given["attributes"]) as Record<string, string>;
  return { ...makeGroupConfig(name), ...given, attributes, groupName: name };
}

function asObject(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {};
}
