import { WasmqError } from "../../ports/error.ts";
import type { Store } from "../../store/store.ts";
import type { ClientInfo } from "../client/client.ts";
import type { ConsumerGroup, Consumers } from "../client/consumers.ts";
import type { ConsumerOffsets } from "../offset/consumer-offsets.ts";
import type { Popping } from "../pop/popping.ts";
import type { Pulls } from "../pull/pull.ts";
import type { BrokerSettings } from "../settings.ts";
import type { SubscriptionGroups } from "../subscription-group/subscription-groups.ts";
import type { Topics } from "../topic/topics.ts";

/** Where a group is to go on in a topic (ResetOffsetRequestHeader). */
export interface OffsetReset {
  readonly topic: string;
  readonly group: string;
  /** At the first message stored at or after it; negative for the end. */
  readonly timestamp: number;
  /** Without it a group is never brought forward; means nothing where offsets are reset in the broker. */
  readonly isForce: boolean;
  /** Negative for all queues. */
  readonly queueId: number;
  /** Where in that one queue. */
  readonly offset: number | undefined;
}

/** The first version whose consumers do what they are told: V3_0_7_SNAPSHOT. */
const firstVersionThatResets = 28;

/** Lets groups go on elsewhere (AdminBrokerProcessor.resetOffset, Broker2Client.resetOffset). */
export class OffsetResets {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #groups: SubscriptionGroups;
  readonly #consumers: Consumers;
  readonly #offsets: ConsumerOffsets;
  readonly #pulls: Pulls;
  readonly #popping: Popping;
  readonly #settings: BrokerSettings;

  constructor(given: {
    store: Store;
    topics: Topics;
    groups: SubscriptionGroups;
    consumers: Consumers;
    offsets: ConsumerOffsets;
    pulls: Pulls;
    popping: Popping;
    settings: BrokerSettings;
  }) {
    this.#store = given.store;
    this.#topics = given.topics;
    this.#groups = given.groups;
    this.#consumers = given.consumers;
    this.#offsets = given.offsets;
    this.#pulls = given.pulls;
    this.#popping = given.popping;
    this.#settings = given.settings;
  }

  /**
   * The new offset of each queue. With useServerSideResetOffset they hold from now on, whether or not anybody is online: members hear of it
   * when they pull, and those that wait for messages at once. Otherwise all members are told, and commit them; rejects then with
   * CONSUMER_NOT_ONLINE for a group without any. Rejects with TOPIC_NOT_EXIST, SUBSCRIPTION_GROUP_NOT_EXIST or SYSTEM_ERROR.
   */
  async reset(reset: OffsetReset): Promise<ReadonlyMap<number, number>> {
    return this.#settings.useServerSideResetOffset ? this.#resetHere(reset) : this.#tellMembers(reset);
  }

  async #resetHere({ topic, group, timestamp, queueId, offset }: OffsetReset): Promise<ReadonlyMap<number, number>> {
    const config = this.#topics.find(topic)?.config;
    if (config === undefined) throw new WasmqError("TOPIC_NOT_EXIST", `Topic ${topic} does not exist`);
    if (this.#groups.find(group) === undefined) {
      throw new WasmqError("SUBSCRIPTION_GROUP_NOT_EXIST", `Group ${group} does not exist`);
    }
    const offsets = new Map<number, number>();
    if (queueId >= 0) {
      if (queueId >= config.readQueueNums) {
        throw new WasmqError("INVALID_PARAMETER", `queueId[${queueId}] is illegal, topic[${topic}] has no such queue`);
      }
      offsets.set(queueId, this.#inRange(topic, queueId, offset) ?? (await this.#find(topic, queueId, timestamp)));
    } else {
      for (let id = 0; id < config.readQueueNums; id++) offsets.set(id, await this.#find(topic, id, timestamp));
    }
    if (offsets.size === 0) throw new WasmqError("SYSTEM_ERROR", "No queues to reset.");
    for (const [id, to] of offsets) {
      this.#offsets.reset(group, topic, id, to);
      this.#pulls.arrived(topic, id);
    }
    await this.#popping.reset(topic, group, offsets.keys());
    return offsets;
  }

  async #tellMembers({ topic, group, timestamp, isForce }: OffsetReset): Promise<ReadonlyMap<number, number>> {
    const config = this.#topics.find(topic)?.config;
    if (config === undefined) {
      const why = `[reset-offset] reset offset failed, no topic in this broker. topic=${topic}`;
      throw new WasmqError("TOPIC_NOT_EXIST", why);
    }
    const offsets = new Map<number, number>();
    for (let queueId = 0; queueId < config.writeQueueNums; queueId++) {
      const known = this.#offsets.find(group, topic, queueId);
      if (known === undefined) throw new WasmqError("SYSTEM_ERROR", `THe consumer group <${group}> not exist`);
      const found = await this.#find(topic, queueId, timestamp);
      offsets.set(queueId, isForce || found < known ? found : known);
    }
    const members = this.#consumers.find(group)?.members ?? new Map();
    if (members.size === 0) {
      throw new WasmqError(
        "CONSUMER_NOT_ONLINE",
        `Consumer not online, so can not reset offset, Group: ${group} Topic: ${topic} Timestamp: ${timestamp}`,
      );
    }
    this.#tell(members, { topic, group, timestamp, offsets });
    return offsets;
  }

  #tell(
    members: ConsumerGroup["members"],
    reset: { topic: string; group: string; timestamp: number; offsets: ReadonlyMap<number, number> },
  ): void {
    for (const [client, { info }] of members) {
      if (info.version < firstVersionThatResets) throw tooOld(info);
      client.tellReset({ ...reset, brokerName: this.#settings.brokerName, language: info.language });
    }
  }

  /** The offset itself, if it is one. Throws SYSTEM_ERROR for one that is beyond the queue. */
  #inRange(topic: string, queueId: number, offset: number | undefined): number | undefined {
    if (offset === undefined || offset === -1) return undefined;
    const { minOffset, maxOffset } = this.#store.range(topic, queueId);
    if (offset < minOffset || offset > maxOffset) {
      const range = `[${minOffset}-${maxOffset}]`;
      throw new WasmqError("SYSTEM_ERROR", `Target offset ${offset} not in consume queue range ${range}`);
    }
    return offset;
  }

  async #find(topic: string, queueId: number, timestamp: number): Promise<number> {
    if (timestamp < 0) return this.#store.range(topic, queueId).maxOffset;
    return this.#store.offsetByTime(topic, queueId, timestamp, "LOWER");
  }
}

function tooOld({ version }: ClientInfo): WasmqError {
  return new WasmqError("SYSTEM_ERROR", `the client does not support this feature. version=${version}`);
}
