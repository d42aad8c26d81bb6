import type { Clock } from "../ports/clock.ts";
import type { Scheduler } from "../ports/scheduler.ts";

/** Something that is to run at a time. Held by whoever may want to cancel it. */
export interface Due {
  readonly atMs: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Everything that is due some time, on the host's one alarm: a binary heap by time. */
export class DueQueue {
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #heap: Due[] = [];
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #running = false;

  constructor(clock: Clock, scheduler: Scheduler) {
    this.#clock = clock;
    this.#scheduler = scheduler;
    scheduler.onWake(() => this.#wake());
  }

  at(atMs: number, run: () => void): Due {
    const due: Due = { atMs, run, cancelled: false };
    this.#heap.push(due);
    this.#up(this.#heap.length - 1);
    this.#arm();
    return due;
  }

  after(delayMs: number, run: () => void): Due {
    return this.at(this.#clock.now() + delayMs, run);
  }

  /** Runs `run` every `periodMs`, counted from the end of the last run, until the returned function is called. */
  every(periodMs: number, run: () => void): () => void {
    let due = this.after(periodMs, again);
    const queue = this;
    function again(): void {
      run();
      if (!due.cancelled) due = queue.after(periodMs, again);
    }
    return () => {
      due.cancelled = true;
    };
  }

  #wake(): void {
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
    this.#running = true;
    try {
      const now = this.#clock.now();
      for (let due = this.#heap[0]; due !== undefined && (due.cancelled || due.atMs <= now); due = this.#heap[0]) {
        this.#pop();
        if (!due.cancelled) due.run();
      }
    } finally {
      this.#running = false;
      this.#arm();
    }
  }

  #arm(): void {
    const first = this.#heap[0];
    if (this.#running || first === undefined || first.atMs >= this.#wakeAtMs) return;
    this.#wakeAtMs = first.atMs;
    this.#scheduler.wakeAt(first.atMs);
  }

  #pop(): void {
    const last = this.#heap.pop()!;
    if (this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#down(0);
  }

  #up(index: number): void {
    const heap = this.#heap;
    const due = heap[index]!;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (heap[parent]!.atMs <= due.atMs) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = due;
  }

  #down(index: number): void {
    const heap = this.#heap;
    const due = heap[index]!;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.atMs < heap[child]!.atMs) child++;
      if (heap[child]!.atMs >= due.atMs) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = due;
  }
}
