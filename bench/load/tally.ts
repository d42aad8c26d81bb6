import type { Figures } from "../figures.ts";
import { LatencyHistogram } from "../latency.ts";
import { Usage, type Watched } from "../usage.ts";

export interface LoadResult {
  messages: number;
  seconds: number;
  figures: Figures;
  maxUs: number;
  errors: number;
  /** What went wrong first. */
  error?: string;
}

/** What all connections of a run count into. */
export class Tally {
  readonly latency = new LatencyHistogram();
  messages = 0;
  busy = 0;
  errors = 0;
  error: string | undefined;
  maxUs = 0;
  stopping = false;

  done(us: number, messages = 1): void {
    this.messages += messages;
    this.latency.add(us);
    if (us > this.maxUs) this.maxUs = us;
  }

  fail(error: string, count = 1): void {
    this.errors += count;
    this.error ??= error;
  }

  reset(): void {
    this.latency.reset();
    this.messages = 0;
    this.busy = 0;
    this.maxUs = 0;
  }

  get errorFigures(): Pick<LoadResult, "errors" | "error"> {
    return this.error === undefined ? { errors: this.errors } : { errors: this.errors, error: this.error };
  }
}

/** The time, and what both sides use, from here on. */
export function startClock(server: Watched | undefined): { result(tally: Tally): LoadResult } {
  const startMs = performance.now();
  const own = process.cpuUsage();
  const usage = server === undefined ? undefined : new Usage(server);
  return {
    result(tally) {
      const seconds = (performance.now() - startMs) / 1000;
      const ownUsed = process.cpuUsage(own);
      const messages = Math.max(1, tally.messages);
      return {
        messages: tally.messages,
        seconds,
        figures: {
          rate: tally.messages / seconds,
          meanUs: tally.latency.meanUs,
          p50Us: tally.latency.percentileUs(50),
          p99Us: tally.latency.percentileUs(99),
          refused: tally.busy,
          clientCpuUs: (ownUsed.user + ownUsed.system) / messages,
          ...usage?.perMessage(messages),
        },
        maxUs: tally.maxUs,
        errors: 0,
      };
    },
  };
}
