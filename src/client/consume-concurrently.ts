import { type AssignedQueue, onceMore, type Pulled } from "./assigned-queue.ts";
import { sleep } from "./clock.ts";
import type { Consumption, Listening } from "./listening.ts";

/** How long a message waits here that could not be given back (ConsumeMessageConcurrentlyService.submitConsumeRequestLater). */
const againMs = 5_000;

/** Listeners side by side, over all queues; what fails is given back to the group for later. */
export class ConcurrentConsumption implements Consumption {
  readonly #listening: Listening;
  /** Those with messages that wait for a listener, each once. */
  readonly #ready = new Set<AssignedQueue>();
  readonly #running = new Set<Promise<void>>();

  constructor(listening: Listening) {
    this.#listening = listening;
  }

  assigned(): void {}

  arrived(assigned: AssignedQueue): void {
    if (assigned.hasNext) this.#ready.add(assigned);
    this.#run();
  }

  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }

  #run(): void {
    const { concurrency, batchMax } = this.#listening.options;
    for (const assigned of this.#ready) {
      if (this.#running.size >= concurrency) return;
      this.#ready.delete(assigned);
      if (assigned.isDropped) continue;
      const batch = assigned.take(batchMax);
      if (assigned.hasNext) this.#ready.add(assigned);
      if (batch.length === 0) continue;
      const running = this.#consume(assigned, batch).finally(() => {
        this.#running.delete(running);
        this.#run();
      });
      this.#running.add(running);
    }
  }

  async #consume(assigned: AssignedQueue, batch: readonly Pulled[]): Promise<void> {
    const { result, delayLevel } = await this.#listening.call(assigned, batch);
    if (result === "ABANDONED") return;
    // Of a queue that was dropped meanwhile nothing is given back: who has the queue next has the messages again.
    if (result !== "SUCCESS" && assigned.isDropped && !this.#listening.isBroadcasting) return;
    const left = result === "SUCCESS" ? [] : await this.#giveBack(batch, delayLevel);
    assigned.done(batch.filter((pulled) => !left.includes(pulled)));
    if (left.length > 0) void this.#again(assigned, left);
  }

  /** Those that could not be given back. */
  async #giveBack(batch: readonly Pulled[], delayLevel: number): Promise<readonly Pulled[]> {
    // A broadcast message has no group to go back to (ConsumeMessageConcurrentlyService.processConsumeResult).
    if (this.#listening.isBroadcasting) return [];
    const left = await Promise.all(
      batch.map(async (pulled) => {
        try {
          await this.#listening.sendBack(pulled.message, delayLevel);
          return [];
        } catch (error) {
          this.#listening.failed(error, "send back");
          return [pulled];
        }
      }),
    );
    return left.flat();
  }

  async #again(assigned: AssignedQueue, left: readonly Pulled[]): Promise<void> {
    try {
      await sleep(this.#listening.clock, againMs, assigned.dropping);
    } catch {
      return;
    }
    for (const pulled of left) pulled.message = onceMore(pulled.message);
    const running = this.#consume(assigned, left).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}
