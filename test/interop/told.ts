import { expect } from "vitest";
import type { ToldLine } from "./scenarios.ts";

/** What a scenario told of one thing. */
export function all(told: readonly ToldLine[], what: string): readonly ToldLine[] {
  return told.filter((line) => line.what === what);
}

/** The same, where it is to have told it once. */
export function only(told: readonly ToldLine[], what: string): ToldLine {
  const lines = all(told, what);
  expect(lines, what).toHaveLength(1);
  return lines[0]!;
}
