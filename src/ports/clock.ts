export interface Clock {
  /** Wall-clock milliseconds since 1970. May jump. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic(): number;
  /** What local time is ahead of UTC at a time, in milliseconds; missing where local time is UTC. */
  readonly zoneOffsetMs?: (atMs: number) => number;
}
