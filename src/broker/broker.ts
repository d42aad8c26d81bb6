import { WasmqError } from "../ports/error.ts";
import type { Ports } from "../ports/ports.ts";
import type { DueQueue, Later } from "../store/due-queue.ts";
import type { Store } from "../store/store.ts";
import { type Client, type ClientInfo, checkClientId } from "./client/client.ts";
import { type ConsumerHeartbeat, Consumers } from "./client/consumers.ts";
import { Producers } from "./client/producers.ts";
import { DelayLevels } from "./delay/delay-levels.ts";
import { DelayDelivery } from "./delay/delivery.ts";
import { isTagExpression } from "./filter/subscription.ts";
import { UniqueKeys } from "./message/unique-key.ts";
import { retryTopicOf } from "./names.ts";
import { ConsumerOffsets } from "./offset/consumer-offsets.ts";
import { QueueLocks, type QueueName } from "./orderly/queue-locks.ts";
import { noSuchFilter, Pulls } from "./pull/pull.ts";
import { SendBacks } from "./retry/send-back.ts";
import { Send } from "./send/send.ts";
import type { BrokerSettings } from "./settings.ts";
import { SubscriptionGroups } from "./subscription-group/subscription-groups.ts";
import { scheduleTopic, systemTopics } from "./topic/system-topics.ts";
import { hasQueue } from "./topic/topic-config.ts";
import { Topics } from "./topic/topics.ts";

/** A client of which nothing was heard for this long is gone (ClientHousekeepingService, every 10 s, 120 s of silence). */
const clientSilenceMsMax = 120_000;
const clientScanPeriodMs = 10_000;

/** What a client's heartbeat says (HeartbeatData). */
export interface Heartbeat extends ClientInfo {
  readonly producerGroups: readonly string[];
  readonly consumers: readonly ConsumerHeartbeat[];
}

/** The broker: its features, each in a folder of its own, and what happens when clients come and go. */
export class Broker {
  readonly settings: BrokerSettings;
  readonly store: Store;
  readonly topics: Topics;
  readonly groups: SubscriptionGroups;
  readonly producers: Producers;
  readonly consumers: Consumers;
  readonly offsets: ConsumerOffsets;
  readonly locks: QueueLocks;
  readonly sending: Send;
  readonly pulls: Pulls;
  readonly sendBacks: SendBacks;
  readonly #ports: Ports;
  readonly #persistLater: Later;
  readonly #levels: DelayLevels;
  readonly #delivery: DelayDelivery;
  #scannedAtMs = 0;

  constructor(ports: Ports, store: Store, dues: DueQueue, settings: BrokerSettings) {
    const { clock, entropy, telemetry } = ports;
    const { budget } = settings;
    this.#ports = ports;
    this.settings = settings;
    this.store = store;
    this.#levels = new DelayLevels(settings.messageDelayLevel);
    this.#persistLater = dues.later(settings.flushConsumerOffsetIntervalMs, () => void this.#persist());
    const persistLater = () => this.#persistLater.ask();
    this.topics = new Topics(store.configFile("topics.json"), clock, telemetry, budget.topicsMax, persistLater);
    this.groups = new SubscriptionGroups(
      store.configFile("subscriptionGroup.json"),
      clock,
      telemetry,
      budget.subscriptionGroupsMax,
    );
    this.producers = new Producers();
    this.consumers = new Consumers((group) => this.groups.find(group)?.notifyConsumerIdsChangedEnable !== false);
    this.offsets = new ConsumerOffsets(
      store,
      this.topics,
      store.configFile("consumerOffset.json"),
      clock,
      budget.consumerOffsetsMax,
      persistLater,
    );
    this.locks = new QueueLocks(clock, budget.queueLocksMax);
    const { topics, groups, consumers, offsets, locks } = this;
    const levels = this.#levels;
    this.sending = new Send({
      store,
      topics,
      groups,
      locks,
      levels,
      uniqueKeys: new UniqueKeys(clock, entropy),
      entropy,
      settings,
    });
    this.pulls = new Pulls({ store, topics, groups, consumers, offsets, clock, dues, heldMax: budget.heldPullsMax });
    this.sendBacks = new SendBacks({ store, topics, groups, levels, entropy, settings });
    this.#delivery = new DelayDelivery({
      store,
      levels,
      file: store.configFile("delayOffset.json"),
      persistDelayMs: settings.flushDelayOffsetIntervalMs,
      clock,
      telemetry,
      dues,
    });
  }

  /** Reads the config files and begins to serve. The store is open. */
  async start(): Promise<void> {
    const { brokerName, clusterName } = this.settings;
    const system = systemTopics({ cluster: clusterName, broker: brokerName, delayLevels: this.#levels.count });
    await this.topics.load(system, this.store.queues());
    await this.groups.load();
    await this.offsets.load();
    this.store.onArrival((topic, queueId) => {
      if (topic === scheduleTopic) this.#delivery.arrived(queueId);
      this.pulls.arrived(topic, queueId);
    });
    await this.#delivery.start();
  }

  /** Writes the config files. The store stays open. */
  async stop(): Promise<void> {
    this.#persistLater.stop();
    await this.#delivery.stop();
    await this.topics.persist();
    await this.offsets.persist();
  }

  /**
   * Registers a client's groups (ClientManageProcessor.heartBeat). The retry topic of a consumer group is made at once.
   * `resumedFromMs`: the client said so before the broker started, and nobody is told what all know.
   */
  heartbeat(client: Client, heartbeat: Heartbeat, resumedFromMs?: number): void {
    const nowMs = resumedFromMs ?? this.#ports.clock.now();
    if (resumedFromMs === undefined) this.#expireClients(nowMs);
    const { clientId, language, version } = heartbeat;
    const info = { clientId, language, version };
    checkClientId(clientId);
    for (const group of heartbeat.producerGroups) this.producers.register(group, client, info, nowMs);
    for (const consumer of heartbeat.consumers) {
      const config = this.groups.findOrCreate(consumer.group);
      this.topics.findOrCreateForGroup(retryTopicOf(consumer.group), config.retryQueueNums, 0);
      this.consumers.register(client, info, consumer, nowMs, resumedFromMs === undefined);
    }
  }

  /**
   * Locks queues for a client of a group, or renews its locks; those that it holds afterwards. Queues that this broker does not
   * have are never held.
   */
  lock(group: string, clientId: string, queues: readonly QueueName[], atMs = this.#ports.clock.now()): QueueName[] {
    checkClientId(clientId);
    this.groups.findOrCreate(group);
    return this.locks.lock(
      group,
      clientId,
      queues.filter(({ topic, queueId }) => {
        const found = this.topics.find(topic);
        return found !== undefined && hasQueue(found.config, queueId);
      }),
      atMs,
    );
  }

  /** Keeps how far a group is (ConsumerManageProcessor.updateConsumerOffset). A negative offset tells nothing. */
  commitOffset(group: string, topic: string, queueId: number, offset: number): void {
    const { config } = this.existingTopic(topic);
    this.existingGroup(group);
    if (!hasQueue(config, queueId)) {
      throw new WasmqError("INVALID_PARAMETER", `queueId[${queueId}] is illegal, topic[${topic}] has no such queue`);
    }
    if (offset >= 0) this.offsets.commit(group, topic, queueId, offset);
  }

  /** Takes a client out of the groups it names (ClientManageProcessor.unregisterClient). */
  unregister(client: Client, producerGroup: string | undefined, consumerGroup: string | undefined): void {
    if (producerGroup !== undefined) this.producers.unregister(producerGroup, client);
    if (consumerGroup !== undefined) this.consumers.unregister(consumerGroup, client);
  }

  /** A client's connection is gone. */
  disconnected(client: Client): void {
    this.producers.disconnected(client);
    this.consumers.disconnected(client);
    this.pulls.disconnected(client);
  }

  /** Throws if the broker can't filter by such an expression (ClientManageProcessor.checkClientConfig). */
  checkExpressionType(expressionType: string | undefined): void {
    if (!isTagExpression(expressionType)) throw noSuchFilter(expressionType);
  }

  /** The topic, or TOPIC_NOT_EXIST. */
  existingTopic(topic: string) {
    const found = this.topics.find(topic);
    if (found === undefined) {
      throw new WasmqError("TOPIC_NOT_EXIST", `topic[${topic}] not exist, apply first please!`);
    }
    return found;
  }

  /** The config of a group, or SUBSCRIPTION_GROUP_NOT_EXIST. */
  existingGroup(group: string) {
    const found = this.groups.find(group);
    if (found === undefined) {
      throw new WasmqError("SUBSCRIPTION_GROUP_NOT_EXIST", `subscription group not exist, ${group}`);
    }
    return found;
  }

  async #persist(): Promise<void> {
    await this.topics.persist();
    try {
      await this.offsets.persist();
    } catch (error) {
      this.#ports.telemetry.log("error", "consumerOffset.json could not be written", { error: `${error}` });
      this.#persistLater.ask();
    }
  }

  /** Done when somebody is heard of: while everybody is silent there is nobody to share a silent one's queues. */
  #expireClients(nowMs: number): void {
    if (nowMs >= this.#scannedAtMs && nowMs - this.#scannedAtMs < clientScanPeriodMs) return;
    this.#scannedAtMs = nowMs;
    const beforeMs = nowMs - clientSilenceMsMax;
    this.producers.expire(beforeMs);
    this.consumers.expire(beforeMs);
    this.locks.expire();
  }
}
