import type { Clock } from "../../ports/clock.ts";

/** The platform's clocks move while the object waits for something, and stand while it works. */
export const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
