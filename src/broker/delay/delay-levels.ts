import { WasmqError } from "../../ports/error.ts";

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** RocketMQ's setting `messageDelayLevel`, at its default. */
export const defaultDelayLevels = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h";

/** The delay of each level, in milliseconds; level 1 is the first (ScheduleMessageService.parseDelayLevel). */
export class DelayLevels {
  readonly #delaysMs: readonly number[];

  /** Throws INVALID_PARAMETER for a setting that can't be. */
  constructor(setting: string) {
    this.#delaysMs = setting
      .trim()
      .split(/\s+/)
      .map((text) => {
        const match = /^(\d+)([smhd])$/.exec(text);
        if (match === null) {
          throw new WasmqError("INVALID_PARAMETER", `messageDelayLevel: ${text} is no delay; write 1s, 5m, 2h or 1d`);
        }
        return Number(match[1]) * unitMs[match[2]!]!;
      });
  }

  get count(): number {
    return this.#delaysMs.length;
  }

  /** A level beyond the last is the last. */
  clip(level: number): number {
    return Math.min(level, this.count);
  }

  delayMs(level: number): number {
    return this.#delaysMs[this.clip(level) - 1] ?? 1_000;
  }
}
