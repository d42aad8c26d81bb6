import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import type { ConfigFile } from "../../store/config-file.ts";
import { type DataVersion, firstVersion, nextVersion, readVersion } from "../data-version.ts";
import { checkGroupName } from "../names.ts";

/** SubscriptionGroupConfig, with the names it has in subscriptionGroup.json and on the wire. Unknown members are kept. */
export interface SubscriptionGroupConfig {
  readonly groupName: string;
  readonly consumeEnable: boolean;
  readonly consumeFromMinEnable: boolean;
  readonly consumeBroadcastEnable: boolean;
  readonly consumeMessageOrderly: boolean;
  readonly retryQueueNums: number;
  readonly retryMaxTimes: number;
  readonly notifyConsumerIdsChangedEnable: boolean;
  readonly [other: string]: unknown;
}

function makeConfig(groupName: string): SubscriptionGroupConfig {
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
  /** Members of the file that other brokers wrote and that are handed on unread. */
  #forbiddenTable: unknown = {};

  /** `groupsMax`: MemoryBudget.subscriptionGroupsMax. */
  constructor(file: ConfigFile, clock: Clock, telemetry: Telemetry, groupsMax: number) {
    this.#groupsMax = groupsMax;
    this.#file = file;
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#version = firstVersion(clock);
  }

  async load(): Promise<void> {
    const saved = (await this.#file.load()) as
      | { subscriptionGroupTable?: Record<string, object>; forbiddenTable?: unknown; dataVersion?: unknown }
      | undefined;
    this.#version = readVersion(saved?.dataVersion, this.#clock);
    this.#forbiddenTable = saved?.forbiddenTable ?? {};
    for (const [name, value] of Object.entries(saved?.subscriptionGroupTable ?? {})) {
      this.#table.set(name, { ...makeConfig(name), ...value, groupName: name });
    }
    const missing = systemGroups.filter((group) => !this.#table.has(group));
    for (const group of missing) this.#table.set(group, makeConfig(group));
    if (missing.length > 0) await this.#save();
  }

  find(group: string): SubscriptionGroupConfig | undefined {
    return this.#table.get(group);
  }

  /** The config of a group; made when a consumer first names it (autoCreateSubscriptionGroup). */
  findOrCreate(group: string): SubscriptionGroupConfig {
    const found = this.#table.get(group);
    if (found !== undefined) return found;
    checkGroupName(group);
    if (this.#table.size >= this.#groupsMax) {
      throw new WasmqError("SYSTEM_ERROR", `the broker has its ${this.#groupsMax} groups, no more are made`);
    }
    const config = makeConfig(group);
    this.#table.set(group, config);
    this.#version = nextVersion(this.#version, this.#clock);
    this.#save().catch((error) =>
      this.#telemetry.log("error", "subscriptionGroup.json could not be written", { error: `${error}` }),
    );
    return config;
  }

  #save(): Promise<void> {
    return this.#file.save(() => ({
      dataVersion: this.#version,
      forbiddenTable: this.#forbiddenTable,
      subscriptionGroupTable: Object.fromEntries(this.#table),
    }));
  }
}
