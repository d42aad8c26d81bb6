import type { Ports } from "../../ports/ports.ts";
import type { DueQueue } from "../../store/due-queue.ts";
import type { Store } from "../../store/store.ts";
import type { Client } from "../client/client.ts";
import type { ConsumerOffsets } from "../offset/consumer-offsets.ts";
import type { BrokerSettings } from "../settings.ts";
import type { SubscriptionGroups } from "../subscription-group/subscription-groups.ts";
import { hasQueue } from "../topic/topic-config.ts";
import type { Topics } from "../topic/topics.ts";
import { Acks } from "./acks.ts";
import { Notifications } from "./notifications.ts";
import { OrderInfos } from "./order-info.ts";
import { Peeks } from "./peeks.ts";
import { PopQueues } from "./pop-queues.ts";
import { Pops } from "./pops.ts";
import { Revival } from "./revival.ts";
import { ReviveLog } from "./revive-log.ts";

/** POP, put together: consumers that share queues message by message. */
export class Popping {
  readonly pops: Pops;
  readonly acks: Acks;
  readonly peeks: Peeks;
  readonly notifications: Notifications;
  readonly #orders: OrderInfos;
  readonly #offsets: ConsumerOffsets;
  readonly #log: ReviveLog;
  readonly #revival: Revival;

  constructor(given: {
    store: Store;
    topics: Topics;
    groups: SubscriptionGroups;
    offsets: ConsumerOffsets;
    ports: Ports;
    dues: DueQueue;
    settings: BrokerSettings;
    /** See `Timers.deliveredUntilMs`. */
    deliveredUntilMs: () => number;
  }) {
    const { store, topics, groups, offsets, dues, settings } = given;
    const { clock, entropy, telemetry } = given.ports;
    this.#offsets = offsets;
    this.#log = new ReviveLog({ store, topics, offsets, settings, now: () => clock.now() });
    this.#orders = new OrderInfos({
      file: store.configFile("consumerOrderInfo.json"),
      clock,
      telemetry,
      isKnown: (topic, group, queueId) => {
        const config = topics.find(topic)?.config;
        return config !== undefined && hasQueue(config, queueId) && groups.find(group) !== undefined;
      },
    });
    const log = this.#log;
    const orders = this.#orders;
    const queues = new PopQueues({ store, topics, groups, offsets, orders, entropy, clock, settings });
    this.pops = new Pops({ store, topics, groups, offsets, orders, queues, log, clock, dues, settings });
    this.acks = new Acks({
      ...{ store, topics, offsets, orders, log, clock, settings },
      freed: (topic, group, queueId) => this.pops.freed(topic, group, queueId),
    });
    this.peeks = new Peeks({ store, queues, settings });
    this.notifications = new Notifications({ queues, clock, dues, settings });
    this.#revival = new Revival({
      ...{ store, topics, groups, offsets, settings, log, clock, telemetry, dues },
      deliveredUntilMs: given.deliveredUntilMs,
    });
  }

  /** Topics, groups and offsets are loaded. */
  async start(): Promise<void> {
    await this.#orders.load();
    await this.#log.recover();
    // They are written down before offsets are.
    for (const { group, topic, queueId, offset } of this.#orders.nextOffsets()) {
      if (offset > (this.#offsets.find(group, topic, queueId) ?? 0))
        this.#offsets.commit(group, topic, queueId, offset);
    }
    this.#revival.start();
  }

  async stop(): Promise<void> {
    await this.#revival.stop();
    await this.#orders.persist();
  }

  /** Messages became visible in a queue. */
  arrived(topic: string, queueId: number): void {
    if (topic === this.#log.topic) this.#revival.arrived(queueId);
    this.pops.arrived(topic, queueId);
    this.notifications.arrived(topic, queueId);
  }

  /** Offsets of a group in a topic were reset. Ends when what was popped in order before can't bring them back after a crash. Rejects as a file does. */
  async reset(topic: string, group: string, queueIds: Iterable<number>): Promise<void> {
    for (const queueId of queueIds) {
      this.#orders.forget(topic, group, queueId);
      this.pops.freed(topic, group, queueId);
      this.notifications.arrived(topic, queueId);
    }
    await this.#orders.persist();
  }

  disconnected(client: Client): void {
    this.pops.disconnected(client);
    this.notifications.disconnected(client);
  }
}
