import { talliesShare } from "../limits.ts";
import { WasmqError } from "../ports/error.ts";
import type { Ports } from "../ports/ports.ts";
import type { DueQueue, Later } from "../store/due-queue.ts";
import { type Eventually, whenReady } from "../store/eventually.ts";
import type { Store } from "../store/store.ts";
import { ConsumeProgress } from "./admin/consume-progress.ts";
import { GroupAdmin } from "./admin/group-admin.ts";
import { LiveSettings } from "./admin/live-settings.ts";
import { OffsetResets } from "./admin/offset-reset.ts";
import { RuntimeInfo } from "./admin/runtime-info.ts";
import { TopicAdmin } from "./admin/topic-admin.ts";
import { Assignments } from "./assignment/assignments.ts";
import { RequestModes } from "./assignment/request-modes.ts";
import { type Client, type ClientInfo, checkClientId } from "./client/client.ts";
import { type ConsumerHeartbeat, Consumers } from "./client/consumers.ts";
import { Memberships } from "./client/memberships.ts";
import { Producers } from "./client/producers.ts";
import { DedupWindows } from "./dedup/dedup-windows.ts";
import { DelayLevels } from "./delay/delay-levels.ts";
import { DelayDelivery } from "./delay/delivery.ts";
import { ConsumerFilters, compileFilter } from "./filter/consumer-filters.ts";
import { isTagExpression } from "./filter/subscription.ts";
import { UniqueKeys } from "./message/unique-key.ts";
import { retryTopicOf } from "./names.ts";
import { ConsumerOffsets } from "./offset/consumer-offsets.ts";
import { QueueLocks, type QueueName } from "./orderly/queue-locks.ts";
import { Popping } from "./pop/popping.ts";
import { noSuchFilter, Pulls } from "./pull/pull.ts";
import { Queries } from "./query/queries.ts";
import { Replies } from "./reply/replies.ts";
import { SendBacks } from "./retry/send-back.ts";
import { Send } from "./send/send.ts";
import type { BrokerSettings } from "./settings.ts";
import { BrokerStats } from "./stats/broker-stats.ts";
import { SubscriptionGroups } from "./subscription-group/subscription-groups.ts";
import { TimerParking } from "./timer/park.ts";
import { Recalls } from "./timer/recall.ts";
import { type TimerProgress, Timers } from "./timer/timers.ts";
import {
  autoCreateTopic,
  isLightTopic,
  isSystemTopic,
  scheduleTopic,
  systemTopicNames,
  systemTopics,
  timerTopic,
  transactionHalfTopic,
} from "./topic/system-topics.ts";
import { hasQueue } from "./topic/topic-config.ts";
import { Topics } from "./topic/topics.ts";
import { Transactions } from "./transaction/transactions.ts";

/** How often silent clients are looked for (ClientHousekeepingService). */
const clientScanPeriodMs = 10_000;

/** What a client's heartbeat says (HeartbeatData). */
export interface Heartbeat extends ClientInfo {
  readonly producerGroups: readonly string[];
  readonly consumers: readonly ConsumerHeartbeat[];
  /** See `Consumers.register`. */
  readonly fingerprint: number;
}

/** The broker: its features, each in a folder of its own, and what happens when clients come and go. */
export class Broker {
  readonly settings: BrokerSettings;
  readonly store: Store;
  readonly topics: Topics;
  readonly groups: SubscriptionGroups;
  readonly producers: Producers;
  readonly consumers: Consumers;
  readonly filters: ConsumerFilters;
  readonly offsets: ConsumerOffsets;
  readonly stats: BrokerStats;
  readonly locks: QueueLocks;
  readonly sending: Send;
  readonly pulls: Pulls;
  readonly queries: Queries;
  readonly sendBacks: SendBacks;
  readonly replies: Replies;
  readonly topicAdmin: TopicAdmin;
  readonly groupAdmin: GroupAdmin;
  readonly progress: ConsumeProgress;
  readonly offsetResets: OffsetResets;
  readonly runtimeInfo: RuntimeInfo;
  readonly liveSettings: LiveSettings;
  readonly transactions: Transactions;
  readonly recalls: Recalls;
  readonly popping: Popping;
  readonly requestModes: RequestModes;
  readonly assignments: Assignments;
  readonly #ports: Ports;
  readonly #persistLater: Later;
  readonly #dedup: DedupWindows;
  readonly #levels: DelayLevels;
  readonly #delivery: DelayDelivery;
  readonly #timers: Timers;
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
      persistLater,
      () => settings.autoCreateSubscriptionGroup,
    );
    const members = new Memberships(budget.groupMembersMax);
    this.producers = new Producers(members);
    this.consumers = new Consumers(
      members,
      budget.subscriptionBytesMax,
      (group) =>
        settings.notifyConsumerIdsChangedEnable && this.groups.find(group)?.notifyConsumerIdsChangedEnable !== false,
      (group) => this.filters.unregister(group),
    );
    this.filters = new ConsumerFilters({
      file: store.configFile("consumerFilter.json"),
      clock,
      telemetry,
      bytesMax: budget.filterBytesMax,
      cleanMs: settings.filterDataCleanTimeSpanMs,
      persistLater,
    });
    this.offsets = new ConsumerOffsets(
      store,
      this.topics,
      { file: store.configFile("consumerOffset.json"), lmqFile: store.configFile("lmqConsumerOffset.json") },
      ports,
      budget.consumerOffsetsMax,
      persistLater,
    );
    this.locks = new QueueLocks(clock, budget.queueLocksMax);
    this.stats = new BrokerStats(clock, settings.clusterName, Math.ceil(budget.topicsMax * talliesShare));
    const { topics, groups, consumers, filters, offsets, locks, stats } = this;
    const levels = this.#levels;
    const { timerCongestNumEachSlot = budget.timersPerSlotMax } = settings;
    const timers = new TimerParking({ ...settings, timerCongestNumEachSlot }, clock, (slotMs) =>
      this.#timers.waitingIn(slotMs),
    );
    this.#timers = new Timers({
      ...{ store, clock, telemetry, dues },
      rules: settings,
      storage: ports.storage,
      metricsFile: store.configFile("timermetrics"),
    });
    this.#dedup = new DedupWindows({ store, topics, clock, telemetry, settings });
    const dedup = this.#dedup;
    this.recalls = new Recalls({ store, topics, timers, clock, settings });
    this.sending = new Send({
      store,
      topics,
      groups,
      locks,
      levels,
      timers,
      dedup,
      uniqueKeys: new UniqueKeys(clock, entropy),
      entropy,
      settings,
    });
    this.sendBacks = new SendBacks({ store, topics, groups, levels, entropy, settings, stats });
    this.replies = new Replies({ sending: this.sending, producers: this.producers, store, clock, telemetry, settings });
    this.pulls = new Pulls({
      ...ports,
      store,
      topics,
      groups,
      consumers,
      filters,
      offsets,
      stats,
      dues,
      settings,
    });
    this.queries = new Queries(store, topics, settings);
    this.popping = new Popping({
      ...{ store, topics, groups, offsets, ports, dues, settings },
      deliveredUntilMs: () => this.#timers.deliveredUntilMs,
    });
    const modes = new RequestModes(
      store.configFile("messageRequestMode.json"),
      telemetry,
      budget.subscriptionGroupsMax,
    );
    this.requestModes = modes;
    this.assignments = new Assignments({ topics, groups, consumers, settings, modes });
    this.transactions = new Transactions({
      ...ports,
      store,
      topics,
      dedup,
      producers: this.producers,
      offsets,
      levels,
      timers,
      settings,
      dues,
    });
    this.#delivery = new DelayDelivery({
      store,
      levels,
      file: store.configFile("delayOffset.json"),
      persistDelayMs: settings.flushDelayOffsetIntervalMs,
      clock,
      telemetry,
      dues,
    });
    const ownTopics = systemTopicNames(this.#topicNames(), settings);
    this.topicAdmin = new TopicAdmin({ store, topics, dedup, offsets, stats, systemTopics: ownTopics });
    this.groupAdmin = new GroupAdmin(groups, offsets, stats);
    const pause = () => new Promise<void>((resolve) => ports.scheduler.soon(resolve));
    const nowMs = () => clock.now();
    this.progress = new ConsumeProgress({ store, topics, groups, consumers, offsets, stats, nowMs, pause });
    const { pulls, popping } = this;
    this.offsetResets = new OffsetResets({ store, topics, groups, consumers, offsets, pulls, popping, settings });
    this.runtimeInfo = new RuntimeInfo({
      ...{ store, stats, clock },
      timers: () => this.#timers.progress,
      delayOffsets: () => this.#delivery.offsets(),
    });
    this.liveSettings = new LiveSettings(settings, () => topics.touch());
  }

  /** How far messages with times of their own are; undefined where there is no timer wheel. */
  get timerProgress(): TimerProgress | undefined {
    return this.#timers.progress;
  }

  /** Reads the config files and begins to serve. The store is open. */
  async start(): Promise<void> {
    const { defaultTopicQueueNums } = this.settings;
    await this.topics.load(systemTopics(this.#topicNames(), this.settings), this.store.queues());
    // Apache goes by what the store has, and the setting means nothing from the second start on.
    if (defaultTopicQueueNums !== undefined) this.topics.setQueues(autoCreateTopic, defaultTopicQueueNums);
    await this.groups.load();
    await this.filters.load();
    await this.offsets.load();
    await this.requestModes.load();
    await this.#dedup.load();
    this.store.onArrival((topic, queueId, messages, bytes) => {
      this.stats.put(topic, messages, bytes);
      if (topic === scheduleTopic) this.#delivery.arrived(queueId);
      else if (topic === timerTopic) this.#timers.arrived();
      else if (topic === transactionHalfTopic) this.transactions.arrived();
      this.pulls.arrived(topic, queueId);
      this.popping.arrived(topic, queueId);
    });
    await this.#delivery.start();
    await this.popping.start();
    await this.#timers.start();
    this.transactions.start();
  }

  /** Writes the config files. The store stays open. Rejects if progress could not be kept, with all else done. */
  async stop(): Promise<void> {
    this.#persistLater.stop();
    try {
      const { transactions, popping } = this;
      const parts = [this.#delivery, this.#timers, transactions, popping];
      const stopped = await Promise.allSettled(parts.map((part) => part.stop()));
      for (const each of stopped) if (each.status === "rejected") throw each.reason;
    } finally {
      await this.topics.persist();
      await this.groups.persist();
      await this.filters.persist();
      await this.offsets.persist();
    }
  }

  /**
   * Registers a client's groups (ClientManageProcessor.heartBeat). The retry topic of a consumer group is made at once.
   * `resumedFromMs`: the client said so before the broker started, and nobody is told what all know. True if the client is to name
   * its subscriptions the next time too.
   */
  heartbeat(client: Client, heartbeat: Heartbeat, resumedFromMs?: number): boolean {
    const nowMs = resumedFromMs ?? this.#ports.clock.now();
    if (resumedFromMs === undefined) this.#expireClients(nowMs);
    const { clientId, fingerprint, language, version } = heartbeat;
    const info = { clientId, language, version };
    checkClientId(clientId);
    for (const group of heartbeat.producerGroups) this.producers.register(group, client, info, nowMs);
    let isNews = fingerprint === 0;
    for (const consumer of heartbeat.consumers) {
      if (this.settings.rejectPullConsumerEnable && consumer.consumeType === "CONSUME_ACTIVELY") continue;
      // Told when it pulls; the client's other groups are heard.
      if (!this.settings.autoCreateSubscriptionGroup && this.groups.find(consumer.group) === undefined) continue;
      const config = this.groups.findOrCreate(consumer.group);
      this.topics.findOrCreateForGroup(retryTopicOf(consumer.group), config.retryQueueNums, 0);
      const notifies = resumedFromMs === undefined;
      if (this.consumers.register(client, info, consumer, fingerprint, nowMs, notifies)) isNews = true;
      if (consumer.subscriptions !== undefined) this.filters.register(consumer.group, consumer.subscriptions);
    }
    return isNews;
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

  /** Keeps how far a group is (ConsumerManageProcessor.updateConsumerOffset). A negative offset tells nothing, nor does one from before a reset. */
  commitOffset(group: string, topic: string, queueId: number, offset: number): void {
    const { config } = this.existingTopic(topic);
    this.existingGroup(group);
    if (!hasQueue(config, queueId)) {
      throw new WasmqError("INVALID_PARAMETER", `queueId[${queueId}] is illegal, topic[${topic}] has no such queue`);
    }
    if (offset < 0 || this.offsets.hasReset(group, topic, queueId)) return;
    this.offsets.commit(group, topic, queueId, offset);
  }

  /** The record at an offset of the CommitLog as a client gets it; undefined for none, and for one past its topic's reserve.time. */
  recordAt(offset: number): Eventually<Uint8Array | undefined> {
    if (!this.topics.haveReserveTimes) return this.store.rawRecordAt(offset);
    return whenReady(this.store.recordAt(offset), (record) => {
      if (record === undefined) return undefined;
      const notBefore = this.topics.notBefore(record.topic);
      if (notBefore === undefined || record.storeTimestamp >= notBefore) return this.store.rawRecordAt(offset);
      this.pulls.expired.add(record.topic, 1);
      return undefined;
    });
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
    this.popping.disconnected(client);
    this.queries.disconnected(client);
  }

  /** Throws if the broker can't filter by such an expression (ClientManageProcessor.checkClientConfig). Tags are not looked at. */
  checkExpression(expressionType: string | undefined, expression: string): void {
    if (isTagExpression(expressionType)) return;
    if (!this.settings.enablePropertyFilter) throw noSuchFilter(expressionType);
    compileFilter(expressionType, expression);
  }

  /** Takes away the queues of topics that are none of the broker's (DefaultMessageStore.cleanUnusedTopic). Their messages stay in the log. */
  async cleanUnusedTopics(): Promise<void> {
    const unused = new Set<string>();
    for (const { topic } of this.store.queues()) {
      if (this.topics.find(topic) === undefined && !isSystemTopic(topic) && !isLightTopic(topic)) unused.add(topic);
    }
    for (const topic of unused) await this.store.deleteQueues(topic);
  }

  /** The topic, or TOPIC_NOT_EXIST. */
  existingTopic(topic: string) {
    const found = this.topics.find(topic);
    if (found === undefined) {
      throw new WasmqError("TOPIC_NOT_EXIST", `Topic ${topic} not exist!`);
    }
    return found;
  }

  /** The config of a group, or SUBSCRIPTION_GROUP_NOT_EXIST. */
  existingGroup(group: string) {
    const found = this.groups.find(group);
    if (found === undefined) {
      throw new WasmqError("SUBSCRIPTION_GROUP_NOT_EXIST", `Group ${group} not exist!`);
    }
    return found;
  }

  #topicNames() {
    const { brokerName, clusterName } = this.settings;
    return { cluster: clusterName, broker: brokerName, delayLevels: this.#levels.count };
  }

  async #persist(): Promise<void> {
    await this.topics.persist();
    await this.groups.persist();
    await this.filters.persist();
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
    const beforeMs = nowMs - this.settings.channelExpiredTimeoutMs;
    this.producers.expire(beforeMs);
    this.consumers.expire(beforeMs);
    this.locks.expire();
  }
}
