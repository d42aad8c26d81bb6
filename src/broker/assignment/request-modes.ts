import { WasmqError } from "../../ports/error.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { type ConfigFile, type ConfigValue, isObject, otherMembers, tableIn } from "../../store/config-file.ts";

/** How the members of a group get a topic's messages (org.apache.rocketmq.common.message.MessageRequestMode). */
export type RequestMode = "PULL" | "POP";

/** What an administrator has set for a group and a topic (SetMessageRequestModeRequestBody). */
export interface RequestModeConfig {
  readonly mode: RequestMode;
  /** With POP: how many neighbours in the group share the queues of each; 0 and less: all share all. */
  readonly popShareQueueNum: number;
}

const tableMember = "messageRequestModeMap";

/** Kept in messageRequestMode.json (MessageRequestModeManager). */
export class RequestModes {
  readonly #file: ConfigFile;
  readonly #telemetry: Telemetry;
  readonly #modesMax: number;
  /** By topic and group. */
  readonly #table = new Map<string, Map<string, RequestModeConfig>>();
  #others: ConfigValue = {};
  #count = 0;

  /** `modesMax`: MemoryBudget.subscriptionGroupsMax. */
  constructor(file: ConfigFile, telemetry: Telemetry, modesMax: number) {
    this.#file = file;
    this.#telemetry = telemetry;
    this.#modesMax = modesMax;
  }

  async load(): Promise<void> {
    const saved = await this.#file.load((value) => void tableIn(value, tableMember));
    this.#others = otherMembers(saved, tableMember);
    for (const [topic, groups] of saved === undefined ? [] : Object.entries(tableIn(saved, tableMember))) {
      for (const [group, value] of isObject(groups) ? Object.entries(groups) : []) {
        const config = readConfig(value);
        if (config !== undefined) this.#put(topic, group, config);
        else
          this.#telemetry.log("warn", "messageRequestMode.json has a strange entry: it is left out", { topic, group });
      }
    }
  }

  find(topic: string, group: string): RequestModeConfig | undefined {
    return this.#table.get(topic)?.get(group);
  }

  /** Ends when it is kept. Rejects with SYSTEM_ERROR for one more than are kept, and with the storage's trouble. */
  async set(topic: string, group: string, config: RequestModeConfig): Promise<void> {
    if (this.#count >= this.#modesMax && this.find(topic, group) === undefined) {
      throw new WasmqError("SYSTEM_ERROR", `the broker keeps its ${this.#modesMax} request modes, no more are taken`);
    }
    this.#put(topic, group, config);
    await this.#file.save(() => ({ ...this.#others, [tableMember]: this.#print() }));
  }

  #put(topic: string, group: string, config: RequestModeConfig): void {
    const groups = this.#table.get(topic);
    if (groups?.has(group) !== true) this.#count++;
    if (groups === undefined) this.#table.set(topic, new Map([[group, config]]));
    else groups.set(group, config);
  }

  #print(): ConfigValue {
    const groupsOf = (topic: string, groups: ReadonlyMap<string, RequestModeConfig>): ConfigValue =>
      Object.fromEntries(
        Array.from(groups, ([consumerGroup, { mode, popShareQueueNum }]) => [
          consumerGroup,
          { consumerGroup, mode, popShareQueueNum, topic },
        ]),
      );
    return Object.fromEntries(Array.from(this.#table, ([topic, groups]) => [topic, groupsOf(topic, groups)]));
  }
}

function readConfig(value: unknown): RequestModeConfig | undefined {
  if (!isObject(value)) return undefined;
  const { mode, popShareQueueNum } = value;
  if (mode !== "PULL" && mode !== "POP") return undefined;
  return { mode, popShareQueueNum: typeof popShareQueueNum === "number" ? popShareQueueNum : 0 };
}
