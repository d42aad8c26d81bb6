import { heldPopsPerQueueMax, type MemoryBudget } from "../../limits.ts";
import type { DueQueue } from "../../store/due-queue.ts";
import type { Client } from "../client/client.ts";
import { popRetryTopicOf } from "../names.ts";
import { type HeldPull, HeldPulls } from "../pull/held-pulls.ts";
import { SetMap } from "../set-map.ts";

/** One that waits for messages of a topic in the name of a group; a negative queue id is all queues. */
export interface WaitsForMessages extends HeldPull {
  readonly topic: string;
  readonly group: string;
  readonly queueId: number;
}

/** In the place of a queue's number. */
const allQueues = -1;

/**
 * Requests of groups that wait for messages of a topic (PopLongPollingService). Of a group one is woken at a time: the messages of a pop
 * are its own, and the others would find none.
 */
export class HeldPops<T extends WaitsForMessages> {
  readonly #held: HeldPulls<T>;
  readonly #wake: (held: T) => void;
  /** Who is to hear of messages in which topic: groups wait for their retry topics as well. */
  readonly #groups = new SetMap<string, Waiters>();
  readonly #waiters = new Map<string, Waiters>();

  /** `wake`: it is held no longer, since messages came or its time is up. The bounds are those of pulls. */
  constructor(dues: DueQueue, budget: MemoryBudget, wake: (held: T) => void) {
    this.#wake = wake;
    this.#held = new HeldPulls(dues, budget, (held) => {
      this.#forget(held);
      wake(held);
    });
  }

  /** Until `untilMs` of the monotonic clock. False if as many are held as may be. */
  hold(held: T, untilMs: number): boolean {
    const key = keyOf(held.topic, held.group);
    const queueId = Math.max(held.queueId, allQueues);
    if (this.#held.waiting(key, queueId) > heldPopsPerQueueMax) return false;
    if (!this.#held.hold(held, key, queueId, untilMs)) return false;
    let waiters = this.#waiters.get(key);
    if (waiters === undefined) {
      waiters = { key, topic: held.topic, group: held.group, queues: new Map() };
      this.#waiters.set(key, waiters);
      for (const topic of topicsOf(waiters)) this.#groups.add(topic, waiters);
    }
    waiters.queues.set(queueId, (waiters.queues.get(queueId) ?? 0) + 1);
    return true;
  }

  /** Messages became visible in a queue. */
  arrived(topic: string, queueId: number): void {
    for (const waiters of [...this.#groups.of(topic)]) {
      this.#wakeFirst(waiters.key, allQueues);
      // What is to be consumed again comes with whichever queue is asked for.
      if (topic === waiters.topic) this.#wakeFirst(waiters.key, queueId);
      else for (const waited of [...waiters.queues.keys()]) if (waited >= 0) this.#wakeFirst(waiters.key, waited);
    }
  }

  /** Wakes the first of a group that waits for a queue, or for all; false if nobody does. */
  wake(topic: string, group: string, queueId: number): boolean {
    return this.#wakeFirst(keyOf(topic, group), Math.max(queueId, allQueues));
  }

  /** How many of a group wait for a queue, or for all. */
  waiting(topic: string, group: string, queueId: number): number {
    return this.#held.waiting(keyOf(topic, group), Math.max(queueId, allQueues));
  }

  /** Forgets what a client waits for. */
  drop(client: Client): void {
    for (const held of this.#held.drop(client)) this.#forget(held);
  }

  #wakeFirst(key: string, queueId: number): boolean {
    const held = this.#held.takeFirst(key, queueId);
    if (held === undefined) return false;
    this.#forget(held);
    this.#wake(held);
    return true;
  }

  #forget(held: T): void {
    const key = keyOf(held.topic, held.group);
    const waiters = this.#waiters.get(key)!;
    const queueId = Math.max(held.queueId, allQueues);
    const left = waiters.queues.get(queueId)! - 1;
    if (left > 0) waiters.queues.set(queueId, left);
    else waiters.queues.delete(queueId);
    if (waiters.queues.size > 0) return;
    this.#waiters.delete(key);
    for (const topic of topicsOf(waiters)) this.#groups.delete(topic, waiters);
  }
}

interface Waiters {
  readonly key: string;
  readonly topic: string;
  readonly group: string;
  /** By queue, how many. */
  readonly queues: Map<number, number>;
}

function keyOf(topic: string, group: string): string {
  return `${topic}@${group}`;
}

function topicsOf({ topic, group }: Waiters): string[] {
  return [topic, popRetryTopicOf(group, topic, 1), popRetryTopicOf(group, topic, 2)];
}
