import type { Clock } from "../../ports/clock.ts";
import type { Telemetry } from "../../ports/telemetry.ts";

const toldEveryMs = 60_000;

/** Counts the messages that were passed over for their topic's reserve.time, once for each group that passes them. */
export class ExpiredMessages {
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #counts = new Map<string, number>();
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, telemetry: Telemetry) {
    this.#clock = clock;
    this.#telemetry = telemetry;
  }

  /** By topic, since the start. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** An operator hears of it once in a while, with the topic's count since the start. */
  add(topic: string, messages: number): void {
    const count = (this.#counts.get(topic) ?? 0) + messages;
    this.#counts.set(topic, count);
    const nowMs = this.#clock.monotonic();
    if (nowMs - this.#toldAtMs < toldEveryMs) return;
    this.#toldAtMs = nowMs;
    this.#telemetry.log("info", "expired messages are passed over (reserve.time)", { topic, count });
  }
}
