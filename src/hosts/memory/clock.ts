import type { Clock } from "../../ports/clock.ts";

/** The clocks that every JavaScript runtime has. */
export const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  zoneOffsetMs: (atMs) => -60_000 * new Date(atMs).getTimezoneOffset(),
};
