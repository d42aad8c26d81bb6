import { type AssignedQueue, onceMore, type Pulled } from "./assigned-queue.ts";
import { Budget } from "./budget.ts";
import { sleep } from "./clock.ts";
import type { Consumption, Listening, Outcome } from "./listening.ts";

/** One listener at a time for each queue, in the order of its offsets; what fails is tried again before anything behind it. */
export class OrderlyConsumption implements Consumption {
  readonly #listening: Listening;
  readonly #slots: Budget;
  readonly #running = new Set<Promise<void>>();

  constructor(listening: Listening) {
    this.#listening = listening;
    this.#slots = new Budget(listening.options.concurrency, Number.POSITIVE_INFINITY);
  }

  assigned(assigned: AssignedQueue): void {
    const running = this.#consumeAll(assigned).finally(() => this.#running.delete(running));
    this.#running.add(running);
    assigned.released = running;
  }

  arrived(): void {}

  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #consumeAll(assigned: AssignedQueue): Promise<void> {
    const { batchMax } = this.#listening.options;
    for (;;) {
      await assigned.arrival();
      if (assigned.isDropped) return;
      const batch = assigned.take(batchMax);
      for (let left = batch; left.length > 0; left = left.filter(({ isDone }) => !isDone)) {
        await this.#consume(assigned, left);
        if (assigned.isDropped) return;
      }
    }
  }

  /** Marks as done what is behind us. */
  async #consume(assigned: AssignedQueue, batch: readonly Pulled[]): Promise<void> {
    const listening = this.#listening;
    try {
      await this.#slots.take(0, assigned.dropping);
    } catch {
      // Dropped while it waited.
      return;
    }
    let result: Outcome = "ABANDONED";
    try {
      if (listening.isLocked(assigned)) result = (await listening.call(assigned, batch)).result;
    } finally {
      this.#slots.give(0);
    }
    // The lock is held until this returns, so that a success counts also if the queue is to be another's.
    if (result === "SUCCESS") assigned.done(batch);
    else if (result === "RECONSUME_LATER" && !assigned.isDropped) await this.#failed(assigned, batch);
  }

  /** ConsumeMessageOrderlyService.checkReconsumeTimes. */
  async #failed(assigned: AssignedQueue, batch: readonly Pulled[]): Promise<void> {
    const listening = this.#listening;
    for (const pulled of batch) {
      const { message } = pulled;
      if (message.reconsumeTimes >= listening.options.maxReconsumeTimes) {
        try {
          await listening.bury(message);
          assigned.done([pulled]);
          continue;
        } catch (error) {
          listening.failed(error, "dead letter");
        }
      }
      pulled.message = onceMore(message);
    }
    if (batch.every(({ isDone }) => isDone)) return;
    await sleep(listening.clock, listening.options.suspendMs, assigned.dropping).catch(() => {});
  }
}
