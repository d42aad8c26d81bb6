import type { Clock } from "../../src/ports/clock.ts";
import { Round } from "../../src/ports/round.ts";
import type { Scheduler } from "../../src/ports/scheduler.ts";

/** Clocks that stand until they are moved, and a host whose one alarm comes to the millisecond. */
export class VirtualTime {
  /** What local time is ahead of UTC. */
  zoneOffsetMs = 0;
  #nowMs: number;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #wake: () => void = () => {};
  readonly #round = new Round();

  readonly clock: Clock = {
    now: () => this.#nowMs,
    monotonic: () => this.#nowMs,
    zoneOffsetMs: () => this.zoneOffsetMs,
  };

  readonly scheduler: Scheduler = {
    onWake: (wake) => {
      this.#wake = wake;
    },
    wakeAt: (atMs) => {
      this.#wakeAtMs = atMs;
    },
    soon: (task) => {
      if (this.#round.add(task)) queueMicrotask(() => this.#round.run());
    },
  };

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** What the alarm is set to; Infinity while nothing is due. */
  get wakeAtMs(): number {
    return this.#wakeAtMs;
  }

  /** Lets time pass, wake after wake; what each of them began has ended, as far as nothing else is waited for, before the next. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settled();
    while (this.#wakeAtMs <= untilMs) {
      this.#nowMs = Math.max(this.#nowMs, this.#wakeAtMs);
      this.#wakeAtMs = Number.POSITIVE_INFINITY;
      this.#wake();
      await settled();
    }
    this.#nowMs = untilMs;
  }

  /** The host sleeps for so long: what was due meanwhile comes when that is over, at once. */
  async sleep(ms: number): Promise<void> {
    await settled();
    this.#nowMs += ms;
    await this.pass(0);
  }

  /** To a time of day, in UTC, of the day that it is, or of the next where that is over. */
  async passTo(hour: number, minute = 0, second = 0, ms = 0): Promise<void> {
    const day = 24 * 3_600_000;
    const at = ((hour * 60 + minute) * 60 + second) * 1_000 + ms;
    await this.pass((at - (this.#nowMs % day) + day) % day);
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
}
