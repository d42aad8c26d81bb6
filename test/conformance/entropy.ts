import { describe, expect, test } from "vitest";
import type { Entropy } from "../../src/ports/entropy.ts";

export interface EntropyFactory {
  readonly name: string;
  readonly entropy: Entropy;
}

/** What every host's Entropy promises (src/ports/entropy.ts). */
export function describeEntropy({ name, entropy }: EntropyFactory): void {
  describe(`Entropy: ${name}`, () => {
    test("is at least 0, less than 1, and everywhere between", () => {
      const tenths = new Array<number>(10).fill(0);
      const count = 10_000;
      for (let i = 0; i < count; i++) {
        const value = entropy.random();
        if (!(value >= 0 && value < 1)) throw new Error(`${value} is not in [0, 1)`);
        tenths[Math.floor(value * 10)]!++;
      }
      // 1,000 are expected in each with a standard deviation of 30: a fair source misses this once in 10^20 runs.
      for (const found of tenths) expect(Math.abs(found - count / 10)).toBeLessThan(300);
    });
  });
}
