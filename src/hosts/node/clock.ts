import { performance } from "node:perf_hooks";
import type { Clock } from "../../ports/clock.ts";

export const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  zoneOffsetMs: (atMs) => -60_000 * new Date(atMs).getTimezoneOffset(),
};
