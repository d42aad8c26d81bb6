import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import { Round } from "../../ports/round.ts";
import type { Scheduler } from "../../ports/scheduler.ts";

/** Timers hold 31 bits of milliseconds; a longer wait is woken early and asks again. */
const waitMsMax = 2 ** 31 - 1;

/**
 * `soon` is the check phase of Node's event loop: by then all sockets that had something to read in this turn were read, so
 * that one write takes the messages of all of them.
 */
export class NodeScheduler implements Scheduler {
  #wake: () => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  readonly #round = new Round();

  onWake(wake: () => void): void {
    this.#wake = wake;
  }

  wakeAt(atMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#wake(), Math.min(Math.max(0, atMs - Date.now()), waitMsMax));
  }

  soon(task: () => void): void {
    if (this.#round.add(task)) setImmediate(() => this.#round.run());
  }

  /** Ends the timer, so that nothing keeps the process alive. */
  stop(): void {
    clearTimeout(this.#timer);
  }
}
