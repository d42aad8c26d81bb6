import { WasmqError } from "../../ports/error.ts";
import { type Eventually, whenReady } from "../../store/eventually.ts";
import type { Consumers, MessageModel } from "../client/consumers.ts";
import type { BrokerQueues } from "../name-servers/registrations.ts";
import { groupOfRetryTopic } from "../names.ts";
import type { BrokerSettings } from "../settings.ts";
import type { SubscriptionGroups } from "../subscription-group/subscription-groups.ts";
import { perm } from "../topic/topic-config.ts";
import type { Topics } from "../topic/topics.ts";
import type { RequestMode, RequestModeConfig, RequestModes } from "./request-modes.ts";

/** What a member of a group asks which of a topic's queues are its own for (QueryAssignmentRequestBody). */
export interface AssignmentQuery {
  readonly topic: string;
  readonly group: string;
  readonly clientId: string;
  readonly messageModel: MessageModel;
  /** AVG or AVG_BY_CIRCLE. */
  readonly strategyName: string;
}

/** -1 in the place of a queue's number: all of the topic's queues at that broker. */
export interface AssignedQueue {
  readonly topic: string;
  readonly brokerName: string;
  readonly queueId: number;
}

export interface Assignment {
  readonly mode: RequestMode;
  readonly queues: readonly AssignedQueue[];
}

/** Where a topic is, of all brokers; undefined for one that is nowhere. */
export type QueuesOf = (topic: string) => Eventually<readonly BrokerQueues[] | undefined>;

/**
 * Shares the queues of a topic between the members of a group, for clients that leave it to the broker (clientRebalance=false;
 * QueryAssignmentProcessor).
 */
export class Assignments {
  readonly #topics: Topics;
  readonly #groups: SubscriptionGroups;
  readonly #consumers: Consumers;
  readonly #settings: BrokerSettings;
  readonly #modes: RequestModes;
  #queuesOf: QueuesOf;

  constructor(given: {
    topics: Topics;
    groups: SubscriptionGroups;
    consumers: Consumers;
    settings: BrokerSettings;
    modes: RequestModes;
  }) {
    this.#topics = given.topics;
    this.#groups = given.groups;
    this.#consumers = given.consumers;
    this.#settings = given.settings;
    this.#modes = given.modes;
    this.#queuesOf = (topic) => this.#own(topic);
  }

  /** Asks others for where topics are, who know of other brokers too. */
  askForQueues(queuesOf: QueuesOf): void {
    this.#queuesOf = queuesOf;
  }

  /** Undefined where nothing can be said: the client goes on with what it has. */
  query(query: AssignmentQuery): Eventually<Assignment | undefined> {
    return whenReady(this.#queuesOf(query.topic), (brokers) => this.#share(query, brokers));
  }

  #share(query: AssignmentQuery, brokers: readonly BrokerQueues[] | undefined): Assignment | undefined {
    const { topic, group, messageModel } = query;
    const config = this.#modeOf(topic, group);
    const queues = queuesAt(topic, brokers ?? []);
    if (queues.length === 0) return undefined;
    if (messageModel === "BROADCASTING" || !this.#settings.serverLoadBalancerEnable)
      return { mode: config.mode, queues };
    const members = this.#consumers.memberIds(group).sort();
    const strategy = strategies.get(query.strategyName);
    // Whoever does not say who he is has no part (AbstractAllocateMessageQueueStrategy.check).
    if (members.length === 0 || strategy === undefined || query.clientId === "") return undefined;
    const shared =
      config.mode === "POP"
        ? allocateForPop(strategy, query.clientId, queues, members, config.popShareQueueNum)
        : strategy(query.clientId, queues, members);
    return { mode: config.mode, queues: shared };
  }

  /**
   * Sets how a group gets a topic's messages (401). Rejects with NO_PERMISSION for a retry topic, TOPIC_NOT_EXIST, SUBSCRIPTION_GROUP_NOT_EXIST.
   */
  async setMode(topic: string, group: string, config: RequestModeConfig): Promise<void> {
    if (groupOfRetryTopic(topic) !== undefined) {
      throw new WasmqError("NO_PERMISSION", "retry topic is not allowed to set mode");
    }
    if (this.#topics.find(topic) === undefined) throw new WasmqError("TOPIC_NOT_EXIST", `topic[${topic}] not exist`);
    this.#groups.findOrCreate(group);
    await this.#modes.set(topic, group, config);
  }

  #modeOf(topic: string, group: string): RequestModeConfig {
    const { defaultMessageRequestMode: mode, defaultPopShareQueueNum: popShareQueueNum } = this.#settings;
    const isRetry = groupOfRetryTopic(topic) !== undefined;
    return this.#modes.find(topic, group) ?? { mode: isRetry ? "PULL" : mode, popShareQueueNum };
  }

  #own(topic: string): readonly BrokerQueues[] | undefined {
    const config = this.#topics.find(topic)?.config;
    if (config === undefined) return undefined;
    const { readQueueNums, perm } = config;
    return [{ brokerName: this.#settings.brokerName, readQueueNums, perm }];
  }
}

/** Those that can be read, in the order in which all brokers share them. */
function queuesAt(topic: string, brokers: readonly BrokerQueues[]): AssignedQueue[] {
  return brokers
    .filter((broker) => (broker.perm & perm.read) !== 0)
    .sort((a, b) => (a.brokerName < b.brokerName ? -1 : 1))
    .flatMap(({ brokerName, readQueueNums }) =>
      Array.from({ length: readQueueNums }, (_, queueId) => ({ topic, brokerName, queueId })),
    );
}

type Strategy = (
  clientId: string,
  queues: readonly AssignedQueue[],
  members: readonly string[],
) => readonly AssignedQueue[];

/** By the names that clients have for them (AllocateMessageQueueAveragely, AllocateMessageQueueAveragelyByCircle). */
const strategies: ReadonlyMap<string, Strategy> = new Map<string, Strategy>([
  [
    "AVG",
    (clientId, queues, members) => {
      const index = members.indexOf(clientId);
      if (index < 0) return [];
      const least = Math.floor(queues.length / members.length);
      const more = queues.length % members.length;
      const start = index * least + Math.min(index, more);
      return queues.slice(start, start + least + (index < more ? 1 : 0));
    },
  ],
  [
    "AVG_BY_CIRCLE",
    (clientId, queues, members) => {
      const index = members.indexOf(clientId);
      return index < 0 ? [] : queues.filter((_, i) => i % members.length === index);
    },
  ],
]);

/** QueryAssignmentProcessor.allocate4Pop. */
function allocateForPop(
  strategy: Strategy,
  clientId: string,
  queues: readonly AssignedQueue[],
  members: readonly string[],
  shareWith: number,
): readonly AssignedQueue[] {
  if (shareWith <= 0 || shareWith >= members.length - 1) {
    const brokers = new Map(queues.map((queue) => [queue.brokerName, { ...queue, queueId: -1 }]));
    return [...brokers.values()];
  }
  const index = members.indexOf(clientId);
  if (members.length > queues.length) return index < 0 ? [] : [queues[index % queues.length]!];
  const shared = new Set(strategy(clientId, queues, members));
  for (let i = 1; index >= 0 && i <= shareWith; i++) {
    for (const queue of strategy(members[(index + i) % members.length]!, queues, members)) shared.add(queue);
  }
  return [...shared];
}
