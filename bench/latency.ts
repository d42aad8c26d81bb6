/** Under 4096 us one count per microsecond; above, 2048 steps per power of two, which is within 0.05 %. */
const EXACT_US = 4096;
const STEPS = EXACT_US / 2;
const POWERS = 20;

/** Counts latencies in memory that does not grow with the run, so the generator never pauses to collect garbage. */
export class LatencyHistogram {
  readonly #counts = new Float64Array(EXACT_US + STEPS * POWERS);
  #total = 0;
  #sumUs = 0;

  add(us: number): void {
    this.#counts[bucketOf(us)]!++;
    this.#total++;
    this.#sumUs += us;
  }

  reset(): void {
    this.#counts.fill(0);
    this.#total = 0;
    this.#sumUs = 0;
  }

  get meanUs(): number {
    return this.#total === 0 ? 0 : this.#sumUs / this.#total;
  }

  percentileUs(percent: number): number {
    const rank = (this.#total * percent) / 100;
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= rank && seen > 0) return lowestOf(bucket);
    }
    return 0;
  }
}

function bucketOf(us: number): number {
  const whole = Math.max(0, Math.floor(us));
  if (whole < EXACT_US) return whole;
  const power = Math.min(POWERS - 1, Math.floor(Math.log2(whole / EXACT_US)));
  const step = Math.floor(whole / 2 ** (power + 1)) - STEPS;
  return EXACT_US + power * STEPS + Math.min(step, STEPS - 1);
}

function lowestOf(bucket: number): number {
  if (bucket < EXACT_US) return bucket;
  const power = Math.floor((bucket - EXACT_US) / STEPS);
  return (STEPS + ((bucket - EXACT_US) % STEPS)) * 2 ** (power + 1);
}
