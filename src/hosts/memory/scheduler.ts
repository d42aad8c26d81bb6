import { Round } from "../../ports/round.ts";
import type { Scheduler } from "../../ports/scheduler.ts";

/** Timers hold 31 bits of milliseconds; a longer wait is woken early and asks again. */
const waitMsMax = 2 ** 31 - 1;

/** The timers that every JavaScript runtime has. `soon` is the end of the current task. */
export class TimerScheduler implements Scheduler {
  #wake: () => void = () => {};
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #round = new Round();

  onWake(wake: () => void): void {
    this.#wake = wake;
  }

  wakeAt(atMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#wake(), Math.min(Math.max(0, atMs - Date.now()), waitMsMax));
  }

  soon(task: () => void): void {
    if (this.#round.add(task)) queueMicrotask(() => this.#round.run());
  }

  /** Ends the timer, so that nothing keeps the process alive. */
  stop(): void {
    clearTimeout(this.#timer);
  }
}
