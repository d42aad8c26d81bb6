import type { Clock } from "../../src/ports/clock.ts";
import type { Entropy } from "../../src/ports/entropy.ts";
import { Round } from "../../src/ports/round.ts";
import type { Scheduler } from "../../src/ports/scheduler.ts";
import type { Loop } from "./loop.ts";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";

/** When every run begins, by its wall clock. */
const beginMs = 1_700_000_000_000;

/** The loop's time; the wall clock jumps when it is told to. */
export class VirtualClock implements Clock {
  readonly #loop: Loop;
  /** How far the wall clock is ahead. */
  aheadMs = 0;

  constructor(loop: Loop) {
    this.#loop = loop;
  }

  now(): number {
    return Math.floor(beginMs + this.#loop.nowMs + this.aheadMs);
  }

  monotonic(): number {
    return this.#loop.nowMs;
  }
}

/** Wakes at the time asked for, or late, early, or twice, as the port allows. Nothing of a dead one comes any more. */
export class VirtualScheduler implements Scheduler {
  readonly #loop: Loop;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #tally: Tally;
  readonly #round = new Round();
  #wake: () => void = () => {};
  /** Of the wake that counts; those asked for before it are void. */
  #asked = 0;
  isDead = false;

  constructor(loop: Loop, clock: Clock, random: Random, tally: Tally) {
    this.#loop = loop;
    this.#clock = clock;
    this.#random = random;
    this.#tally = tally;
  }

  onWake(wake: () => void): void {
    this.#wake = wake;
  }

  wakeAt(atMs: number): void {
    const asked = ++this.#asked;
    const random = this.#random;
    const delayMs = Math.max(0, atMs - this.#clock.now());
    const wake = () => {
      if (asked === this.#asked && !this.isDead) this.#wake();
    };
    if (random.chance(0.1)) {
      this.#tally.count("wake: late");
      this.#loop.after(delayMs + random.below(5_000), wake);
    } else {
      if (random.chance(0.05)) {
        this.#tally.count("wake: early");
        this.#loop.after(delayMs * random.next(), wake);
      }
      this.#loop.after(delayMs, wake);
    }
    if (random.chance(0.1)) {
      this.#tally.count("wake: twice");
      this.#loop.after(delayMs, () => {
        if (!this.isDead) this.#wake();
      });
    }
  }

  soon(task: () => void): void {
    if (!this.#round.add(task)) return;
    this.#loop.after(0, () => {
      if (!this.isDead) this.#round.run();
    });
  }
}

/** For a store that is only looked at: nothing is ever due, and what is to be soon is at once. */
export class IdleScheduler implements Scheduler {
  readonly #round = new Round();

  onWake(_wake: () => void): void {}

  wakeAt(): void {}

  soon(task: () => void): void {
    if (this.#round.add(task)) queueMicrotask(() => this.#round.run());
  }
}

export function entropyOf(random: Random): Entropy {
  return { random: () => random.next() };
}
