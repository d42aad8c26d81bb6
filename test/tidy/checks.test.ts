import { expect, test } from "vitest";
import {
  deadFiles,
  emptyRows,
  featureCycles,
  forbiddenImports,
  missingHostFiles,
  silentSkips,
  strayPlatform,
  wrongReferences,
} from "./checks.ts";
import { computedImport, sourceTree } from "./source-tree.ts";

const table = { "src/a": [], "src/b": ["src/a", "node:*"], "src/b.ts": [] };

/** Each way in which one file can name another. */
const imports = [
  'import "../b/b.ts";',
  'import { b } from "../b/b.ts";',
  'import type { B } from "../b/b.ts";',
  'export { b } from "../b/b.ts";',
  'export * from "../b/b.ts";',
  'const b = await import("../b/b.ts");',
  'let b: import("../b/b.ts").B;',
  'const b = require("../b/b.ts");',
  'new Worker(new URL("../b/b.ts", import.meta.url));',
  'import b from "../b/b?url";',
];

test.each(imports)("a forbidden import is found: %s", (text) => {
  const tree = sourceTree({
    "src/a/a.ts": `// first line\n${text}`,
    "src/b/b.ts": 'import "../a/a.ts"; import "node:fs";',
  });
  expect(forbiddenImports(tree, table)).toEqual(["src/a/a.ts:2: src/a may not import src/b/b.ts"]);
});

test("packages and names made at run time are imports too", () => {
  const tree = sourceTree({
    "src/a/a.ts": 'import "left-pad";\nawait import(name);',
    "src/b/b.ts": 'import "nodes";',
  });
  expect(forbiddenImports(tree, table)).toEqual([
    "src/a/a.ts:1: src/a may not import left-pad",
    `src/a/a.ts:2: src/a may not import ${computedImport}`,
    "src/b/b.ts:1: src/b may not import nodes",
  ]);
});

test("a folder whose name begins like an allowed one, and one without a row", () => {
  const tree = sourceTree({ "src/b/b.ts": 'import "../ab/x.ts"; import "../a/x.ts"', "src/c/c.ts": "" });
  expect(forbiddenImports(tree, table)).toEqual([
    "src/b/b.ts:1: src/b may not import src/ab/x.ts",
    "src/c/c.ts: the import table has no row for it",
  ]);
});

test("a row without code, and code that is called planned", () => {
  const tree = sourceTree({ "src/a/a.ts": "", "src/b/b.ts": "" });
  expect(emptyRows(tree, table, [])).toEqual(["src/b.ts"]);
  expect(emptyRows(tree, table, ["src/b.ts", "src/a"])).toEqual(["src/a"]);
});

test("references that the table does not allow, or that are missing", () => {
  const tree = sourceTree({ "src/a/a.ts": "", "src/b/b.ts": 'import "../a/a.ts";' });
  const rows = { "src/a": [], "src/b": ["src/a"] };
  const wrong = (a: string[] | undefined, b: string[]): string[] => {
    const projects = new Map([["src/b", b], ...(a === undefined ? [] : [["src/a", a] as const])]);
    return wrongReferences(tree, rows, projects, {});
  };
  expect(wrong([], ["src/a"])).toEqual([]);
  expect(wrong(["src/b"], ["src/a"])).toEqual(["src/a references src/b, against the import table"]);
  expect(wrong([], [])).toEqual(["src/b imports src/a/a.ts and does not reference src/a"]);
  expect(wrong(undefined, [])).toEqual(["src/a/a.ts: its folder has no tsconfig.json"]);
});

test("a file that only its own circle imports is dead", () => {
  const tree = sourceTree({
    "src/main.ts": 'import "./used.ts";',
    "src/used.ts": "",
    "src/left.ts": 'import "./right.ts";',
    "src/right.ts": 'import "./left.ts";',
    "src/free.ts": "",
  });
  const judged = (path: string): boolean => path !== "src/free.ts";
  expect(deadFiles(tree, ["src/main.ts", "src/gone.ts"], judged)).toEqual([
    "src/gone.ts: the entry point is not there",
    "src/left.ts: nothing imports it",
    "src/right.ts: nothing imports it",
  ]);
});

test.each([
  "Date.now();",
  "new Date();",
  "let at: Date;",
  "const { now } = Date;",
  "globalThis.setTimeout(f);",
  'globalThis["setTimeout"](f);',
  "const task = { queueMicrotask };",
  "f(setImmediate);",
  "console.log();",
  "process.exit();",
  "let bytes: Buffer | undefined;",
  "Math.random();",
  'Math["random"]();',
  "const { random } = Math;",
  "performance.now();",
])("a stray platform name is found: %s", (text) => {
  expect(strayPlatform(sourceTree({ "src/a.ts": text }))).toHaveLength(1);
});

test("names that only look like the platform's are left alone", () => {
  const tree = sourceTree({
    "src/a.ts": `// Date.now() in a comment
      const process = "ours";
      class Batch { process(): void {} console = 1; }
      batch.process(); const record = { Date: 1 }; "setTimeout"; Math.min(1, 2); clock.performance;`,
  });
  expect(strayPlatform(tree)).toEqual(["src/a.ts:2: process"]);
});

test("circles between features are found, those within one are its own business", () => {
  const tree = sourceTree({
    "src/broker/broker.ts": 'import "./pull/pull.ts"; import "./send/send.ts";',
    "src/broker/pull/pull.ts": 'import "./held.ts"; import "../topic/topics.ts";',
    "src/broker/pull/held.ts": 'import "./pull.ts";',
    "src/broker/topic/topics.ts": 'import "../names.ts";',
    "src/broker/send/send.ts": 'import type { Broker } from "../broker.ts";',
    "src/broker/names.ts": "",
  });
  expect(featureCycles(tree, "src/broker")).toEqual([
    "broker.ts -> send -> broker.ts (src/broker/broker.ts:1, src/broker/send/send.ts:1)",
  ]);
});

test("a host that lacks a file", () => {
  const paths = [
    "src/hosts/x/clock.ts",
    "src/hosts/x/core-module.ts",
    "src/hosts/y/core-module.ts",
    "src/hosts/y/wasm.d.ts",
  ];
  const names = ["clock", "core-module", "host"];
  expect(missingHostFiles(paths, names, {})).toEqual(["src/hosts/x/host.ts is missing"]);
  expect(missingHostFiles(paths, names, { "src/hosts/x/host.ts": "a reason" })).toEqual([]);
  expect(missingHostFiles(paths, names, { "src/hosts/x/host.ts": "a reason", "src/hosts/x/clock.ts": "none" })).toEqual(
    ["src/hosts/x/clock.ts needs no exception"],
  );
});

test.each([
  ['test.skip("name", run);', "skip"],
  ['describe.skipIf(noJava)("name", run);', "skipIf"],
  ['test.runIf(java).each([1])("name", run);', "runIf"],
  ['test.todo("name");', "todo"],
  ['it.concurrent.skip("name", run);', "skip"],
  ['test("name", { skip: true }, run);', "skip"],
  ['test("name", (context) => { context.skip(); });', "skip"],
  ['test("name", ({ skip }) => { skip(); });', "skip"],
  ['test.each(["a reason"]).skip("name", run);', "skip"],
])("a silent skip is found: %s", (text, how) => {
  expect(silentSkips(sourceTree({ "test/a.test.ts": text }))).toEqual([
    `test/a.test.ts:1: ${how} without a reason beside it`,
  ]);
});

test("only is never right, whatever the reason", () => {
  const text =
    '// The others take long.\ntest.only("name", run);\ndescribe("name", { only: true }, run); // so does this';
  expect(silentSkips(sourceTree({ "test/a.test.ts": text }))).toEqual([
    "test/a.test.ts:2: only",
    "test/a.test.ts:3: only",
  ]);
});

test.each([
  '// Apache has no such bound.\ntest.skip("name", run);',
  'test.skip("name", run); // Apache has no such bound',
  'describe.skipIf((await missingTool()) !== undefined)("name", run);',
  'test("name", (context) => { context.skip(isRoot, "root may read everything"); });',
  'test("name", ({ skip }) => { skip(`no java`); });',
  'test("name", (context) => { context.skip(true, reason); });',
])("a skip with a reason is fine: %s", (text) => {
  expect(silentSkips(sourceTree({ "test/a.test.ts": text }))).toEqual([]);
});
