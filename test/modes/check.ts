import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cellsOf, judge, type ModeTest, updated, withCells } from "./table.ts";

const readmePath = join(import.meta.dirname, "../../README.md");

/**
 * Holds the README's table of modes against a run of test/interop, or writes it where MODES=write says so. What is wrong with it, if
 * anything. `isWhole`: all files of test/interop were run.
 */
export function checkModes(tests: readonly ModeTest[], isWhole: boolean): string[] {
  const readme = readFileSync(readmePath, "utf8");
  const judged = judge(tests);
  const known = cellsOf(readme);
  const cells = updated(known, judged, isWhole);
  const stale = [...new Set([...known.keys(), ...cells.keys()])].filter((key) => known.get(key) !== cells.get(key));
  const told = judged.wrong.map((what) => `the table of modes: ${what}`);
  if (stale.length === 0) return told;
  if (process.env["MODES"] === "write") {
    writeFileSync(readmePath, withCells(readme, cells));
    return told;
  }
  const lines = stale.map((key) => `  ${key}: ${known.get(key) ?? "nothing"}, and is ${cells.get(key) ?? "nothing"}`);
  return [...told, `the README's table of modes is stale (MODES=write writes it):\n${lines.join("\n")}`];
}
