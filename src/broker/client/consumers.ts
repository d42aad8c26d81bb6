import type { Subscription } from "../filter/subscription.ts";
import type { Client, ClientInfo } from "./client.ts";

export type MessageModel = "CLUSTERING" | "BROADCASTING";

/** What a heartbeat says of one consumer group (ConsumerData). */
export interface ConsumerHeartbeat {
  readonly group: string;
  readonly consumeType: string;
  readonly messageModel: MessageModel;
  readonly consumeFromWhere: string;
  /** Undefined for a heartbeat without subscriptions: those known stay. */
  readonly subscriptions: readonly Subscription[] | undefined;
}

/** A consumer group with members online (ConsumerGroupInfo). */
export interface ConsumerGroup {
  readonly group: string;
  messageModel: MessageModel;
  consumeType: string;
  consumeFromWhere: string;
  readonly members: Map<Client, { info: ClientInfo; seenAtMs: number }>;
  readonly subscriptions: Map<string, Subscription>;
}

/**
 * Who consumes in which group (ConsumerManager). When a group's members or subscriptions change, its members are told, so
 * that they share the queues anew.
 */
export class Consumers {
  readonly #groups = new Map<string, ConsumerGroup>();
  readonly #notifies: (group: string) => boolean;

  /** `notifies` tells whether a group wants to hear of changes (notifyConsumerIdsChangedEnable). */
  constructor(notifies: (group: string) => boolean) {
    this.#notifies = notifies;
  }

  find(group: string): ConsumerGroup | undefined {
    return this.#groups.get(group);
  }

  /** The ids of the members, each once, in the order they came. */
  memberIds(group: string): string[] {
    const ids = new Set<string>();
    for (const { info } of this.#groups.get(group)?.members.values() ?? []) ids.add(info.clientId);
    return [...ids];
  }

  /** True if a member or a subscription is new, changed or gone; the members are told then, if `notifies`. */
  register(client: Client, info: ClientInfo, heartbeat: ConsumerHeartbeat, nowMs: number, notifies: boolean): boolean {
    let group = this.#groups.get(heartbeat.group);
    if (group === undefined) {
      group = {
        group: heartbeat.group,
        messageModel: heartbeat.messageModel,
        consumeType: heartbeat.consumeType,
        consumeFromWhere: heartbeat.consumeFromWhere,
        members: new Map(),
        subscriptions: new Map(),
      };
      this.#groups.set(heartbeat.group, group);
    }
    group.messageModel = heartbeat.messageModel;
    group.consumeType = heartbeat.consumeType;
    group.consumeFromWhere = heartbeat.consumeFromWhere;
    const known = group.members.get(client);
    group.members.set(client, { info, seenAtMs: nowMs });
    const subscribed = heartbeat.subscriptions !== undefined && updateSubscriptions(group, heartbeat.subscriptions);
    const changed = known?.info.clientId !== info.clientId || subscribed;
    if (changed && notifies) this.#notify(group);
    return changed;
  }

  unregister(group: string, client: Client): void {
    const found = this.#groups.get(group);
    if (found?.members.delete(client) !== true) return;
    if (found.members.size === 0) this.#groups.delete(group);
    this.#notify(found);
  }

  disconnected(client: Client): void {
    for (const group of [...this.#groups.keys()]) this.unregister(group, client);
  }

  /** Forgets consumers of which nothing was heard since `beforeMs`. */
  expire(beforeMs: number): void {
    for (const { group, members } of [...this.#groups.values()]) {
      for (const [client, { seenAtMs }] of [...members]) {
        if (seenAtMs < beforeMs) this.unregister(group, client);
      }
    }
  }

  #notify(group: ConsumerGroup): void {
    if (group.messageModel === "BROADCASTING" || !this.#notifies(group.group)) return;
    for (const client of group.members.keys()) client.notifyConsumerIdsChanged(group.group);
  }
}

/** A newer subscription replaces an older one of its topic; topics no longer named are forgotten (ConsumerGroupInfo.updateSubscription). */
function updateSubscriptions(group: ConsumerGroup, subscriptions: readonly Subscription[]): boolean {
  let changed = false;
  const named = new Set<string>();
  for (const subscription of subscriptions) {
    named.add(subscription.topic);
    const known = group.subscriptions.get(subscription.topic);
    if (known === undefined || subscription.version > known.version) {
      group.subscriptions.set(subscription.topic, subscription);
      changed ||= known === undefined || known.expression !== subscription.expression;
    }
  }
  for (const topic of [...group.subscriptions.keys()]) {
    if (!named.has(topic)) {
      group.subscriptions.delete(topic);
      changed = true;
    }
  }
  return changed;
}
