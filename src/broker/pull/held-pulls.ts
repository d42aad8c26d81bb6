import type { MemoryBudget } from "../../limits.ts";
import type { Due, DueQueue } from "../../store/due-queue.ts";
import type { Client } from "../client/client.ts";
import { SetMap } from "../set-map.ts";

/** Requests that wait for messages of a queue, until some come or their time is up (PullRequestHoldService). */
export class HeldPulls<T extends HeldPull> {
  readonly #dues: DueQueue;
  readonly #budget: HeldBudget;
  readonly #expired: (held: T) => void;
  readonly #queues = new SetMap<string, Waiting<T>>();
  /** The same by who waits: one that goes away costs no look at all the others. */
  readonly #clients = new SetMap<Client, Waiting<T>>();
  #count = 0;
  #filterBytes = 0;

  constructor(dues: DueQueue, budget: HeldBudget, expired: (held: T) => void) {
    this.#dues = dues;
    this.#budget = budget;
    this.#expired = expired;
  }

  /** Until `untilMs` of the monotonic clock. False if as many are held as may be, of all or of this client, or as many bytes of filters. */
  hold(held: T, topic: string, queueId: number, untilMs: number): boolean {
    const { heldPullsMax, heldPullsPerConnectionMax, filterBytesMax } = this.#budget;
    if (this.#count >= heldPullsMax || this.#clients.count(held.client) >= heldPullsPerConnectionMax) return false;
    if (held.ownFilterBytes > 0 && this.#filterBytes + held.ownFilterBytes > filterBytesMax) return false;
    const waiting: Waiting<T> = {
      held,
      key: keyOf(topic, queueId),
      due: this.#dues.at(untilMs, () => {
        this.#remove(waiting);
        this.#expired(held);
      }),
    };
    this.#queues.add(waiting.key, waiting);
    this.#clients.add(held.client, waiting);
    this.#count++;
    this.#filterBytes += held.ownFilterBytes;
    return true;
  }

  /** Those who wait for a queue; they are held no longer. */
  take(topic: string, queueId: number): T[] {
    return Array.from(this.#queues.of(keyOf(topic, queueId)), (waiting) => {
      this.#dues.cancel(waiting.due);
      this.#remove(waiting);
      return waiting.held;
    });
  }

  /** The one who waits for a queue for the longest time; it is held no longer. */
  takeFirst(topic: string, queueId: number): T | undefined {
    for (const waiting of this.#queues.of(keyOf(topic, queueId))) {
      this.#dues.cancel(waiting.due);
      this.#remove(waiting);
      return waiting.held;
    }
    return undefined;
  }

  /** How many wait for a queue. */
  waiting(topic: string, queueId: number): number {
    return this.#queues.count(keyOf(topic, queueId));
  }

  /** Forgets what a client waits for: that is given back. */
  drop(client: Client): T[] {
    return Array.from(this.#clients.of(client), (waiting) => {
      this.#dues.cancel(waiting.due);
      this.#remove(waiting);
      return waiting.held;
    });
  }

  #remove(waiting: Waiting<T>): void {
    if (!this.#queues.delete(waiting.key, waiting)) return;
    this.#clients.delete(waiting.held.client, waiting);
    this.#count--;
    this.#filterBytes -= waiting.held.ownFilterBytes;
  }
}

export interface HeldPull {
  readonly client: Client;
  /** What a filter takes that came with the pull and is nobody else's; 0 for none. */
  readonly ownFilterBytes: number;
}

type HeldBudget = Pick<MemoryBudget, "heldPullsMax" | "heldPullsPerConnectionMax" | "filterBytesMax">;

interface Waiting<T> {
  readonly held: T;
  readonly key: string;
  readonly due: Due;
}

function keyOf(topic: string, queueId: number): string {
  return `${topic}@${queueId}`;
}
