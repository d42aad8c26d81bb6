import { describe, expect, test } from "vitest";
import type { Clock } from "../../src/ports/clock.ts";

export interface ClockFactory {
  readonly name: string;
  readonly clock: Clock;
}

/** What every host's Clock promises (src/ports/clock.ts). */
export function describeClock({ name, clock }: ClockFactory): void {
  describe(`Clock: ${name}`, () => {
    test("now is the wall clock, in milliseconds since 1970", async () => {
      const before = Date.now();
      const now = clock.now();
      const after = Date.now();
      expect(now).toBeGreaterThanOrEqual(before - 1);
      expect(now).toBeLessThanOrEqual(after + 1);
    });

    test("monotonic never goes back, within a turn and from turn to turn", async () => {
      let last = clock.monotonic();
      expect(Number.isFinite(last)).toBe(true);
      let back = 0;
      for (let turn = 0; turn < 20; turn++) {
        for (let i = 0; i < 1_000; i++) {
          const next = clock.monotonic();
          if (next < last) back++;
          last = next;
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      expect(back).toBe(0);
    });

    test("the time zone is the host's", () => {
      const noon = new Date(2026, 5, 15, 12).getTime();
      expect(noon + (clock.zoneOffsetMs?.(noon) ?? 0)).toBe(Date.UTC(2026, 5, 15, 12));
    });

    test("monotonic counts milliseconds", async () => {
      const start = clock.monotonic();
      await new Promise((resolve) => setTimeout(resolve, 100));
      // Timers round, and come late on a busy machine; seconds or nanoseconds would be far off.
      expect(clock.monotonic() - start).toBeGreaterThan(95);
      expect(clock.monotonic() - start).toBeLessThan(100_000);
    });
  });
}
