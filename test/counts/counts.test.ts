import { expect, test } from "vitest";
import { behaviourTitle } from "../behaviour/title.ts";
import { type CountedTest, countTests } from "./counts.ts";

function behaviour(runtime: string, host: string, passed: number, skipped = 0): CountedTest[] {
  return Array.from({ length: passed + skipped }, (_, i) => ({
    runtime,
    titles: [`${behaviourTitle}${host}`, "sending", `test ${i}`],
    state: i < passed ? "passed" : "skipped",
    note: i < passed ? undefined : "rows hold 2 MB",
  }));
}

test("tests are counted by runtime, those of behaviour by host beside Node's", () => {
  const { lines, tooFew } = countTests([
    { runtime: "node", titles: ["crc"], state: "failed" },
    ...behaviour("node", "node", 20),
    ...behaviour("workerd", "durable object", 19, 1),
    ...behaviour("workerd", "memory", 20),
  ]);
  expect(lines).toEqual([
    "tests of each runtime:",
    "  node                         20 passed, 1 failed, 0 skipped",
    "  workerd                      39 passed, 0 failed, 1 skipped",
    "tests of behaviour on each host:",
    "  node in node                 20 run, 0 left out, 100 % of Node's",
    "  durable object in workerd    19 run, 1 left out, 95 % of Node's",
    "    left out: sending > test 19: rows hold 2 MB",
    "  memory in workerd            20 run, 0 left out, 100 % of Node's",
  ]);
  expect(tooFew).toEqual([]);
});

test("a host in another runtime that shows less than nine tenths is named", () => {
  const node = behaviour("node", "node", 20);
  expect(countTests([...node, ...behaviour("browser", "OPFS", 18, 2)]).tooFew).toEqual([]);
  expect(countTests([...node, ...behaviour("browser", "OPFS", 17, 3)]).tooFew).toEqual(["OPFS in browser"]);
  expect(countTests([...node, ...behaviour("browser", "OPFS", 17)]).tooFew).toEqual(["OPFS in browser"]);
});

test("without Node's own there is nothing to compare with", () => {
  const { lines, tooFew } = countTests(behaviour("browser", "OPFS", 3));
  expect(tooFew).toEqual([]);
  expect(lines.at(-1)).toBe("  OPFS in browser              3 run, 0 left out");
});
