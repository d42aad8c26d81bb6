/** What was counted within a while (StatsSnapshot). */
export interface Sum {
  readonly count: number;
  readonly bytes: number;
  /** How often something was added: a batch is once. */
  readonly times: number;
}

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
export const day = 24 * hour;

/** How far apart marks are at least that are this old: none of a minute ago is nearer to the next than ten seconds, and so on. */
const steps = [
  { ageMs: 0, stepMs: 10 * second },
  { ageMs: minute + 10 * second, stepMs: 10 * minute },
  { ageMs: hour + 10 * minute, stepMs: hour },
] as const;

/** What was counted before a time. */
interface Mark extends Sum {
  readonly atMs: number;
}

/**
 * Counts messages, and tells how many came within the last minute, hour or day, as near as marks are to each other (StatsItem). A mark is
 * made when something is counted, so that what is not used costs nothing: some forty at most.
 */
export class Tally {
  count = 0;
  bytes = 0;
  times = 0;
  #nextMarkAtMs = 0;
  #marks: Mark[] = [];

  add(count: number, bytes: number, nowMs: number, times = 1): void {
    // A clock that was set back would make no mark for as long.
    if (nowMs >= this.#nextMarkAtMs || nowMs < this.#nextMarkAtMs - steps[0].stepMs) this.#mark(nowMs);
    this.count += count;
    this.bytes += bytes;
    this.times += times;
  }

  /** What was counted in the last `windowMs`. */
  within(windowMs: number, nowMs: number): Sum {
    const from = this.#marks.find(({ atMs }) => atMs >= nowMs - windowMs) ?? this;
    return { count: this.count - from.count, bytes: this.bytes - from.bytes, times: this.times - from.times };
  }

  #mark(nowMs: number): void {
    const { count, bytes, times } = this;
    this.#nextMarkAtMs = nowMs + steps[0].stepMs;
    const kept: Mark[] = [];
    for (const mark of this.#marks) {
      const ageMs = nowMs - mark.atMs;
      if (ageMs < 0 || ageMs > day + hour) continue;
      const { stepMs } = steps.findLast((step) => ageMs >= step.ageMs)!;
      const before = kept.at(-1);
      if (before === undefined || mark.atMs - before.atMs >= stepMs) kept.push(mark);
    }
    kept.push({ atMs: nowMs, count, bytes, times });
    this.#marks = kept;
  }
}

/** The windows that RocketMQ tells of. */
export const windows = { minute, hour, day } as const;
