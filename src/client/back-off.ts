import type { ClientClock } from "./clock.ts";

/** How long to wait after the `attempt`-th refusal, from 0: twice as long each time, and a random half of it less. */
export function backOffMs(attempt: number, clock: ClientClock, firstMs = 20, mostMs = 3_000): number {
  const whole = Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 20));
  return whole / 2 + (clock.random() * whole) / 2;
}
