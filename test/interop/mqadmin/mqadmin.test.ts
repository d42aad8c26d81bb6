import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startApache } from "../apache-broker.ts";
import { missingTool } from "../toolchain.ts";
import { startWasmq } from "../wasmq-broker.ts";
import { AdminTool } from "./admin-tool.ts";
import { allCommands } from "./commands.ts";
import { runAll } from "./run-all.ts";

const setupMs = 400_000;

const commands = allCommands().map((command) => ({ ...command, title: command.words.join(" ") }));
const gaps = readGaps();

describe.skipIf((await missingTool()) !== undefined)("mqadmin 5.5.0, on Apache and on wasmq", () => {
  let tool: AdminTool;
  let names: string[];
  let apache: string[][];
  let wasmq: string[][];

  beforeAll(async () => {
    tool = await AdminTool.start();
    names = (await tool.run(["commands"])).printed.trim().split(" ");
    apache = await on(startApache);
    // Sizes of records and places in the log are compared, too.
    wasmq = await on(() => startWasmq({ conf: "enabledAppendPropCRC=false\n" }));
  }, setupMs);
  afterAll(() => tool?.close());

  async function on(start: typeof startApache): Promise<string[][]> {
    const broker = await start();
    try {
      return await runAll(tool, broker.namesrv);
    } finally {
      await broker.close();
    }
  }

  test("each command is run, or has a reason not to be", () => {
    const run = new Set(commands.map(({ words }) => words[0]!));
    for (const name of names) expect(run.has(name) !== gaps.has(name), name).toBe(true);
    for (const gap of gaps.keys()) {
      expect(names.includes(gap) || commands.some(({ title }) => title === gap), gap).toBe(true);
    }
  });

  test.each(commands.map((command, index) => [command.title, index, command.isSubset === true] as const))(
    "%s",
    (title, index, isSubset) => {
      const expected = apache[index]!;
      const printed = isSubset ? expected.filter((line) => wasmq[index]!.includes(line)) : expected;
      if (gaps.has(title)) expect(wasmq[index]).not.toEqual(printed);
      else expect(wasmq[index]).toEqual(printed);
      if (isSubset) expect(wasmq[index]!.length).toBeGreaterThan(10);
    },
  );
});

/** By command, or by the name of one that is not run: the reason. */
function readGaps(): Map<string, string> {
  const text = readFileSync(path.join(import.meta.dirname, "known-gaps.txt"), "utf8");
  return new Map(
    text
      .split("\n")
      .filter((line) => line.trim() !== "" && !line.startsWith("#"))
      .map((line) => {
        const at = line.indexOf(": ");
        if (at < 0) throw new Error(`known-gaps.txt: not "command: reason": ${line}`);
        return [line.slice(0, at), line.slice(at + 2)];
      }),
  );
}
