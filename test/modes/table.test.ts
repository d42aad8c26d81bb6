import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { clients, modes } from "./modes.ts";
import { cellKey, cellsOf, judge, type ModeTest, updated, withCells } from "./table.ts";

const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");

const passed = (broker: string, title: string, more: Partial<ModeTest> = {}): ModeTest => ({
  file: "clients.test.ts",
  titles: ["official clients", broker, `${broker}, client 5.5.0`, title],
  state: "passed",
  isKnownGap: false,
  ...more,
});
const ordered = cellKey(modes.find(({ tags }) => tags.includes("ordered"))!.name, "Java 5.5.0");
const tags = cellKey("Tags", "Java 5.5.0");

test("the README's table is as it would be written", () => {
  expect(withCells(readme, cellsOf(readme))).toBe(readme);
});

test("no tag is two modes'", () => {
  const all = modes.flatMap((mode) => mode.tags);
  expect(new Set(all).size).toBe(all.length);
  expect(new Set(modes.map(({ name }) => name)).size).toBe(modes.length);
});

test("a cell is judged by what passed on both brokers, on wasmq alone, or is a known gap", () => {
  const both = [passed("Apache", "in order #ordered"), passed("wasmq", "in order #ordered")];
  expect(judge(both).cells).toEqual(new Map([[ordered, "✓"]]));
  expect(judge(both.slice(1)).cells).toEqual(new Map([[ordered, "(✓)"]]));
  expect(judge(both.slice(0, 1))).toMatchObject({ cells: new Map(), declared: new Set() });
  expect(judge([{ ...passed("x", "#ordered"), titles: ["mqadmin 5.5.0, Apache and wasmq #ordered"] }]).cells).toEqual(
    new Map([[ordered, "✓"]]),
  );
  const gap = passed("wasmq", "always #ordered #tags", { isKnownGap: true });
  expect(judge([...both, gap]).cells).toEqual(
    new Map([
      [ordered, "gap"],
      [tags, "gap"],
    ]),
  );
});

test("what failed or was skipped says nothing", () => {
  for (const state of ["failed", "skipped"] as const) {
    const judged = judge([passed("Apache", "a #tags"), passed("wasmq", "a #tags", { state })]);
    expect(judged).toMatchObject({ cells: new Map(), declared: new Set([tags]) });
  }
});

test("a file's name, or a folder's, is a tag where titles have none", () => {
  const titles = ["wasmq, JavaScript client", "commits"];
  const found = (file: string) => [...judge([passed("", "", { file, titles })]).cells.keys()];
  expect(found("transactions.test.ts")).toEqual(["Transactions | JavaScript"]);
  expect(found("pop/revive.test.ts")).toEqual(["POP | JavaScript"]);
  expect(found("clients.test.ts")).toEqual([]);
});

test("a tag that is no mode, and one of a test that names no client or broker, are told", () => {
  expect(judge([passed("wasmq", "a #ordred")]).wrong).toEqual([expect.stringContaining("#ordred is no mode")]);
  expect(judge([passed("wasmq", "a #tags", { titles: ["a #tags"] })]).wrong).toEqual([
    expect.stringContaining("no title names a client and a broker"),
  ]);
  expect(judge([passed("wasmq", "message #1 of C#")]).wrong).toEqual([]);
});

test("a run changes the cells that it is about; a whole one takes away those that no test stands behind", () => {
  const before = new Map([
    [ordered, "✓"],
    [tags, "✓"],
  ]);
  const run = judge([passed("wasmq", "a #tags")]);
  expect(updated(before, run, false)).toEqual(
    new Map([
      [ordered, "✓"],
      [tags, "(✓)"],
    ]),
  );
  expect(updated(before, run, true)).toEqual(new Map([[tags, "(✓)"]]));
  expect(cellsOf(withCells(readme, before))).toEqual(before);
  expect(clients.map(({ name }) => name)).toContain("JavaScript");
});
