import type { Clock } from "../ports/clock.ts";

/** Tells one state of a table from another (org.apache.rocketmq.remoting.protocol.DataVersion). */
export interface DataVersion {
  readonly counter: number;
  readonly stateVersion: number;
  readonly timestamp: number;
}

export function firstVersion(clock: Clock): DataVersion {
  return { counter: 0, stateVersion: 0, timestamp: clock.now() };
}

export function nextVersion(version: DataVersion, clock: Clock): DataVersion {
  return { counter: version.counter + 1, stateVersion: 0, timestamp: clock.now() };
}

/** The version in a config file, or the first one where there is none or a strange one. */
export function readVersion(value: unknown, clock: Clock): DataVersion {
  const { counter, stateVersion, timestamp } = (value ?? {}) as Partial<Record<keyof DataVersion, unknown>>;
  if (typeof counter !== "number" || typeof timestamp !== "number") return firstVersion(clock);
  return { counter, stateVersion: typeof stateVersion === "number" ? stateVersion : 0, timestamp };
}
