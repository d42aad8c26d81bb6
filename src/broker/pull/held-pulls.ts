import type { Due, DueQueue } from "../../store/due-queue.ts";
import type { Client } from "../client/client.ts";

/** Requests that wait for messages of a queue, until some come or their time is up (PullRequestHoldService). */
export class HeldPulls<T extends { readonly client: Client }> {
  readonly #dues: DueQueue;
  readonly #heldMax: number;
  readonly #expired: (held: T) => void;
  readonly #queues = new Map<string, Set<Waiting<T>>>();
  #count = 0;

  /** `heldMax`: MemoryBudget.heldPullsMax. */
  constructor(dues: DueQueue, heldMax: number, expired: (held: T) => void) {
    this.#dues = dues;
    this.#heldMax = heldMax;
    this.#expired = expired;
  }

  /** False if as many are held as may be. */
  hold(held: T, topic: string, queueId: number, untilMs: number): boolean {
    if (this.#count >= this.#heldMax) return false;
    const key = keyOf(topic, queueId);
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = new Set();
      this.#queues.set(key, queue);
    }
    const waiting: Waiting<T> = {
      held,
      due: this.#dues.at(untilMs, () => {
        this.#remove(key, waiting);
        this.#expired(held);
      }),
    };
    queue.add(waiting);
    this.#count++;
    return true;
  }

  /** Those who wait for a queue; they are held no longer. */
  take(topic: string, queueId: number): T[] {
    const key = keyOf(topic, queueId);
    const queue = this.#queues.get(key);
    if (queue === undefined) return [];
    this.#queues.delete(key);
    this.#count -= queue.size;
    return Array.from(queue, ({ held, due }) => {
      this.#dues.cancel(due);
      return held;
    });
  }

  /** Forgets what a client waits for. */
  drop(client: Client): void {
    for (const [key, queue] of this.#queues) {
      for (const waiting of queue) {
        if (waiting.held.client !== client) continue;
        this.#dues.cancel(waiting.due);
        this.#remove(key, waiting);
      }
    }
  }

  #remove(key: string, waiting: Waiting<T>): void {
    const queue = this.#queues.get(key);
    if (queue?.delete(waiting) !== true) return;
    this.#count--;
    if (queue.size === 0) this.#queues.delete(key);
  }
}

interface Waiting<T> {
  readonly held: T;
  readonly due: Due;
}

function keyOf(topic: string, queueId: number): string {
  return `${topic}@${queueId}`;
}
