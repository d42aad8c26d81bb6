import type { Clock } from "../../ports/clock.ts";

export const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
