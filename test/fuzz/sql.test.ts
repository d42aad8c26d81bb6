/** SQL92 expressions of chance: none crashes the parser or holds it up. */
import { expect, test } from "vitest";
import { fuzzSql } from "./sql.ts";

/** The same each time, and one of chance: its failure says how to replay it. */
test.each([1, Date.now() % 2 ** 31])("20,000 expressions, seed %i", { timeout: 120_000 }, (seed) => {
  const { inputs, understood } = fuzzSql({ seed, inputs: 20_000 });
  expect(understood).toBeGreaterThan(inputs / 10);
  expect(understood).toBeLessThan(inputs * 0.7);
});
