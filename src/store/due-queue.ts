import type { Clock } from "../ports/clock.ts";
import type { Scheduler } from "../ports/scheduler.ts";

/** Something that is to run at a time. Held by whoever may want to cancel it. */
export interface Due {
  /** On the monotonic clock: a wall clock that is set must not hold up what was to come after a while. */
  readonly atMs: number;
  run: () => void;
  cancelled: boolean;
}

/** Cancelled entries are taken out once they are so many, and more than those that count. */
const cancelledKeptMax = 1_000;

const nothing = (): void => {};

/** Everything that is due some time, on the host's one alarm: a binary heap by time. */
export class DueQueue {
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  #heap: Due[] = [];
  #cancelled = 0;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #running = false;

  constructor(clock: Clock, scheduler: Scheduler) {
    this.#clock = clock;
    this.#scheduler = scheduler;
    scheduler.onWake(() => this.#wake());
  }

  after(delayMs: number, run: () => void): Due {
    return this.at(this.#clock.monotonic() + delayMs, run);
  }

  /** `atMs` is a time of the monotonic clock: nobody's setting of the wall clock moves it. */
  at(atMs: number, run: () => void): Due {
    const due: Due = { atMs, run, cancelled: false };
    this.#heap.push(due);
    this.#up(this.#heap.length - 1);
    this.#arm();
    return due;
  }

  /** See `Later`. */
  later(delayMs: number, run: () => void): Later {
    return new Later(this, delayMs, run);
  }

  /** It will not run, and what it would have held on to is let go. */
  cancel(due: Due): void {
    if (due.cancelled) return;
    due.cancelled = true;
    due.run = nothing;
    this.#cancelled++;
    if (this.#cancelled > cancelledKeptMax && this.#cancelled > this.#heap.length / 2) this.#compact();
  }

  #wake(): void {
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
    this.#running = true;
    try {
      const now = this.#clock.monotonic();
      for (let due = this.#heap[0]; due !== undefined && (due.cancelled || due.atMs <= now); due = this.#heap[0]) {
        this.#pop();
        if (due.cancelled) {
          this.#cancelled--;
        } else {
          // Run is run: cancelling it from now on must not count.
          due.cancelled = true;
          due.run();
        }
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
    this.#scheduler.wakeAt(this.#clock.now() + Math.max(0, first.atMs - this.#clock.monotonic()));
  }

  #compact(): void {
    // An array in order of time is a heap.
    this.#heap = this.#heap.filter(({ cancelled }) => !cancelled).sort((a, b) => a.atMs - b.atMs);
    this.#cancelled = 0;
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

/**
 * Something that is put off, so that many askings share one run. While nobody asks nothing is due: an idle host sleeps. A delay of
 * Infinity is never over.
 */
export class Later {
  readonly #dues: DueQueue;
  readonly #delayMs: number;
  readonly #run: () => void;
  #due: Due | undefined;
  #stopped = false;

  constructor(dues: DueQueue, delayMs: number, run: () => void) {
    this.#dues = dues;
    this.#delayMs = delayMs;
    this.#run = run;
  }

  /** It runs the delay after the first asking since it last ran. */
  ask(): void {
    if (this.#due !== undefined || this.#stopped || this.#delayMs === Number.POSITIVE_INFINITY) return;
    this.#due = this.#dues.after(this.#delayMs, () => {
      this.#due = undefined;
      this.#run();
    });
  }

  /** It does not run any more, whoever asks. */
  stop(): void {
    this.#stopped = true;
    if (this.#due !== undefined) this.#dues.cancel(this.#due);
    this.#due = undefined;
  }
}
