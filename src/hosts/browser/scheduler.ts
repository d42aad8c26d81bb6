import { Round } from "../../ports/round.ts";
import type { Scheduler } from "../../ports/scheduler.ts";

/** Timers hold 31 bits of milliseconds; a longer wait is woken early and asks again. */
const waitMsMax = 2 ** 31 - 1;

/**
 * `soon` is a task of its own, behind the messages that have arrived already: one write takes what all tabs sent meanwhile,
 * which a microtask would not wait for.
 */
export class WorkerScheduler implements Scheduler {
  #wake: () => void = () => {};
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #round = new Round();
  readonly #turns = new MessageChannel();

  constructor() {
    this.#turns.port1.onmessage = () => this.#round.run();
  }

  onWake(wake: () => void): void {
    this.#wake = wake;
  }

  wakeAt(atMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#wake(), Math.min(Math.max(0, atMs - Date.now()), waitMsMax));
  }

  soon(task: () => void): void {
    if (this.#round.add(task)) this.#turns.port2.postMessage(0);
  }

  /** Ends the timer and the turns. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#turns.port1.close();
  }
}
