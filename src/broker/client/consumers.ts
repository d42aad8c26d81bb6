import { groupsPerClientMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Subscription } from "../filter/subscription.ts";
import { SetMap } from "../set-map.ts";
import type { Client, ClientInfo } from "./client.ts";
import type { Memberships } from "./memberships.ts";

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
  /** Of the last heartbeat's client; 0: it has none. */
  fingerprint: number;
  readonly members: Map<Client, { info: ClientInfo; seenAtMs: number }>;
  readonly subscriptions: Map<string, Subscription>;
}

/**
 * Who consumes in which group (ConsumerManager). When a group's members or subscriptions change, its members are told, so
 * that they share the queues anew.
 */
export class Consumers {
  readonly #groups = new Map<string, ConsumerGroup>();
  /** The groups that a client is in. */
  readonly #clients = new SetMap<Client, string>();
  readonly #members: Memberships;
  readonly #subscriptionBytesMax: number;
  #subscriptionBytes = 0;
  readonly #notifies: (group: string) => boolean;
  readonly #gone: (group: string) => void;

  /**
   * `subscriptionBytesMax`: MemoryBudget. `notifies` tells whether a group wants to hear of changes (notifyConsumerIdsChangedEnable);
   * `gone` is told of a group whose last member went away.
   */
  constructor(
    members: Memberships,
    subscriptionBytesMax: number,
    notifies: (group: string) => boolean,
    gone: (group: string) => void,
  ) {
    this.#members = members;
    this.#subscriptionBytesMax = subscriptionBytesMax;
    this.#notifies = notifies;
    this.#gone = gone;
  }

  find(group: string): ConsumerGroup | undefined {
    return this.#groups.get(group);
  }

  /** The groups whose members subscribe to a topic (ConsumerManager.queryTopicConsumeByWho). */
  subscribersOf(topic: string): string[] {
    return [...this.#groups.values()].filter((group) => group.subscriptions.has(topic)).map(({ group }) => group);
  }

  /** The member of a group with this id that came last. */
  member(group: string, clientId: string): { client: Client; info: ClientInfo } | undefined {
    const members = [...(this.#groups.get(group)?.members ?? [])];
    const found = members.findLast(([, { info }]) => info.clientId === clientId);
    return found && { client: found[0], info: found[1].info };
  }

  /** The ids of the members, each once, in the order they came. */
  memberIds(group: string): string[] {
    const ids = new Set<string>();
    for (const { info } of this.#groups.get(group)?.members.values() ?? []) ids.add(info.clientId);
    return [...ids];
  }

  /**
   * If a member or a subscription is new, changed or gone, the members are told, if `notifies`. Throws INVALID_PARAMETER for a client in
   * too many groups; SYSTEM_ERROR when there are too many members or subscriptions, which leaves the group as it was.
   *
   * `fingerprint` is the client's hash of all its subscriptions (HeartbeatData.computeHeartbeatFingerprint), 0 from clients that make
   * none. False if the group had it already: until they change, the client need not name its subscriptions again. Unlike Apache, a
   * group of which nobody has named any is not false either (ClientManageProcessor.heartBeatV2): after a restart of the broker its
   * members would go on without, and be refused every pull.
   */
  register(
    client: Client,
    info: ClientInfo,
    heartbeat: ConsumerHeartbeat,
    fingerprint: number,
    nowMs: number,
    notifies: boolean,
  ): boolean {
    const found = this.#groups.get(heartbeat.group);
    const isNews = found === undefined ? heartbeat.subscriptions === undefined : found.fingerprint !== fingerprint;
    const group: ConsumerGroup = found ?? {
      group: heartbeat.group,
      messageModel: heartbeat.messageModel,
      consumeType: heartbeat.consumeType,
      consumeFromWhere: heartbeat.consumeFromWhere,
      fingerprint,
      members: new Map(),
      subscriptions: new Map(),
    };
    const known = group.members.get(client);
    const before = bytesOf(group.subscriptions.values());
    const more = heartbeat.subscriptions === undefined ? 0 : bytesOf(heartbeat.subscriptions) - before;
    if (more > 0 && this.#subscriptionBytes + more > this.#subscriptionBytesMax) {
      throw new WasmqError(
        "SYSTEM_ERROR",
        `the broker keeps its ${this.#subscriptionBytesMax} bytes of subscriptions, no more are taken`,
      );
    }
    if (known === undefined) {
      if (this.#clients.count(client) >= groupsPerClientMax) {
        throw new WasmqError("INVALID_PARAMETER", `a client may have ${groupsPerClientMax} consumer groups`);
      }
      this.#members.join();
      this.#clients.add(client, heartbeat.group);
    }
    this.#groups.set(heartbeat.group, group);
    group.messageModel = heartbeat.messageModel;
    group.consumeType = heartbeat.consumeType;
    group.consumeFromWhere = heartbeat.consumeFromWhere;
    group.fingerprint = fingerprint;
    group.members.set(client, { info, seenAtMs: nowMs });
    const subscribed = heartbeat.subscriptions !== undefined && updateSubscriptions(group, heartbeat.subscriptions);
    this.#subscriptionBytes += bytesOf(group.subscriptions.values()) - before;
    const changed = known?.info.clientId !== info.clientId || subscribed;
    if (changed && notifies) this.#notify(group);
    return isNews;
  }

  unregister(group: string, client: Client): void {
    const found = this.#groups.get(group);
    if (found?.members.delete(client) !== true) return;
    this.#members.leave();
    this.#clients.delete(client, group);
    if (found.members.size === 0) {
      this.#groups.delete(group);
      this.#subscriptionBytes -= bytesOf(found.subscriptions.values());
      this.#gone(group);
    }
    this.#notify(found);
  }

  disconnected(client: Client): void {
    for (const group of this.#clients.of(client)) this.unregister(group, client);
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

/** What subscriptions take of the memory, the maps around them included. */
function bytesOf(subscriptions: Iterable<Subscription>): number {
  let bytes = 0;
  for (const { topic, expression, expressionType, tagHashes } of subscriptions) {
    bytes += 200 + 2 * (topic.length + expression.length + expressionType.length) + (tagHashes?.byteLength ?? 0);
  }
  return bytes;
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
