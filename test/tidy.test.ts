/** What keeps the source in the shape that the architecture page draws; how each check fails is shown in tidy/. */
import { globSync, readFileSync } from "node:fs";
import { join, posix, sep } from "node:path";
import { expect, test } from "vitest";
import {
  deadFiles,
  emptyRows,
  featureCycles,
  forbiddenImports,
  type ImportTable,
  missingHostFiles,
  silentSkips,
  strayPlatform,
  wrongReferences,
} from "./tidy/checks.ts";
import { type SourceTree, sourceTree } from "./tidy/source-tree.ts";

const ports = ["src/ports", "src/limits.ts"];
const engine = [...ports, "src/wasmq.ts", "src/archive"];

/** Who may import what, besides its own folder. */
const importTable: ImportTable = {
  assembly: [],
  "src/limits.ts": [],
  "src/ports": [],
  "src/core": ["src/ports"],
  "src/store": ["src/core", ...ports],
  "src/broker": ["src/store", ...ports],
  "src/namesrv": ["src/store", ...ports],
  "src/protocol/remoting": ["src/broker", "src/namesrv", ...ports, "fflate"],
  "src/protocol/grpc": ["src/broker", "src/namesrv", ...ports],
  "src/protocol/http": ["src/broker", "src/namesrv", ...ports],
  "src/wasmq.ts": ["src/core", "src/store", "src/broker", "src/namesrv", "src/protocol/remoting", ...ports],
  "src/archive": ["src/store", ...ports],
  "src/config": ports,
  "src/hosts/memory": engine,
  // The store that is gone with the process (`store: "memory"`) is the memory host's.
  "src/hosts/node": [...engine, "src/config", "node:*", "build/core.wasm", "src/hosts/memory/log-storage.ts"],
  "src/hosts/durable-object": [...engine, "cloudflare:*", "build/core.wasm"],
  "src/hosts/browser": [...engine, "build/core.wasm", "src/client/carrier.ts", "idb"],
  "src/client": [...ports, "src/protocol/remoting/frame.ts", "src/protocol/remoting/codes.ts", "fflate"],
  "src/client/tcp.ts": ["src/client", "src/ports", "node:net"],
  "src/cli": ["node:*", "src/hosts/node", "src/archive", "src/client", "src/protocol/http"],
  edge: ["cloudflare:*", "hono", "src/hosts/durable-object", "src/archive", "src/client", "src/limits.ts"],
  "web-demo": ["src/hosts/browser", "src/client", "src/protocol/http", "vite"],
};

/** Rows ahead of their code; a row leaves this list with its first file. */
const planned = ["src/protocol/grpc", "src/protocol/http"];

/** Files that nothing imports, and what starts or reads them instead. */
const entryPoints: Readonly<Record<string, string>> = {
  "assembly/index.ts": "compiled to build/core.wasm",
  "src/cli/main.ts": "the wasmq command",
  "edge/worker.ts": "the Worker that wrangler.toml names",
  "web-demo/main.ts": "the program of web-demo/index.html",
  "web-demo/vite.config.ts": "how vite builds web-demo",
  "src/hosts/node/index.ts": "what the package exports",
  "src/hosts/node/core-module.ts": "#core-wasm on Node",
  "src/hosts/durable-object/core-module.ts": "#core-wasm in a Worker",
  "src/hosts/durable-object/wasm.d.ts": "tells the compiler what a bundler makes of a .wasm file",
  "src/hosts/browser/core-module.ts": "#core-wasm in a page",
  "src/hosts/browser/index.ts": "what the package exports as ./browser",
  "test/hosts/browser/opfs-worker.ts": "a Worker of the tests in the page",
  "test/hosts/browser/broker-worker.ts": "another",
  "test/counts/reporter.ts": "the reporter that vitest.config.ts names",
  "test/hosts/browser/page/page.ts": "the page that e2e/ builds",
  "src/hosts/memory/host.ts": "starts the broker in tests, on every runtime",
  "src/hosts/memory/network.ts": "by which those tests connect to it",
  "src/client/index.ts": "what the package exports as ./client",
  "src/client/tcp.ts": "what the package exports as ./client/tcp",
  "test/fuzz/main.ts": "npm run fuzz",
  "test/faults/main.ts": "npm run faults",
  "test/simulator/main.ts": "npm run simulate",
  "test/simulator/mutant-main.ts": "test/simulator/simulator.test.ts, a process each",
  "test/interop/differential/main.ts": "npm run differential",
  "test/faults/bad-peers.ts": "a process that test/faults/faults.ts starts",
  "test/interop/record-frames.ts": "records test/golden/frames.ts",
  "test/interop/record-stores.ts": "records test/golden/stores",
  "bench/main.ts": "npm run bench",
  "bench/browser/page.ts": "the page that bench/browser.ts builds",
  "bench/edge/worker.ts": "the Worker that bench/edge/wrangler.toml names",
};

/** The client runs with the application, and has its platform's time and chance in these files. */
const clientPlatform = ["src/client/clock.ts", "src/client/in-process.ts"];

/** Each host's files, the same name for the same job. */
const hostFiles = ["log-storage", "network", "clock", "scheduler", "entropy", "core-module", "host"];
const hostFileExceptions: Readonly<Record<string, string>> = {
  "src/hosts/memory/core-module.ts": "it runs on any platform and is handed the module by whoever starts it",
};

const root = join(import.meta.dirname, "..");
const texts = Object.fromEntries(
  globSync("{assembly,src,bench,test,edge,web-demo}/**/*.ts", { cwd: root })
    .map((path) => path.split(sep).join("/"))
    .filter((path) => !path.includes("node_modules/"))
    .sort()
    .map((path) => [path, readFileSync(join(root, path), "utf8")]),
);
const tree = sourceTree(texts);
const product = below("assembly", "src", "edge", "web-demo");

test("the source is found", () => {
  expect(below("src").size).toBeGreaterThan(50);
  expect(below("assembly").size).toBeGreaterThan(10);
});

test("imports go the ways of the import table", () => {
  expect(forbiddenImports(product, importTable)).toEqual([]);
  expect(emptyRows(product, importTable, planned), "rows that are wrongly (not) among the planned").toEqual([]);
});

test("the compiler keeps the import table too: a folder's references agree with it", () => {
  const projects = new Map<string, readonly string[]>();
  for (const found of globSync("src/**/tsconfig.json", { cwd: root })) {
    const folder = posix.dirname(found.split(sep).join("/"));
    const { references } = JSON.parse(readFileSync(join(root, found), "utf8")) as { references: { path: string }[] };
    projects.set(
      folder,
      references.map(({ path }) => posix.join(folder, path)),
    );
  }
  expect(wrongReferences(below("src"), importTable, projects, { "src/limits.ts": "src/ports" })).toEqual([]);
});

test("the core asks its host for nothing but abort", () => {
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(readFileSync(join(root, "build/core.wasm"))));
  expect(imports.filter(({ module, name }) => `${module}.${name}` !== "env.abort")).toEqual([]);
});

test("every file is used, and what is built by more than tests", () => {
  const entries = Object.keys(entryPoints);
  const tests = Object.keys(texts).filter((path) => path.endsWith(".test.ts"));
  expect(deadFiles(tree, entries, (path) => product.has(path))).toEqual([]);
  expect(deadFiles(tree, [...entries, ...tests], (path) => !product.has(path))).toEqual([]);
});

test("the platform's clock, timers, chance and console are named in hosts and the command line only", () => {
  const withPorts = new Map(
    [...below("assembly", "src")].filter(
      ([path]) => !/^src\/(hosts|cli)\//.test(path) && !clientPlatform.includes(path),
    ),
  );
  expect(strayPlatform(withPorts)).toEqual([]);
});

test("features of the broker don't import each other in circles", () => {
  expect(featureCycles(tree, "src/broker")).toEqual([]);
});

test("hosts have the same file names", () => {
  expect(missingHostFiles(tree.keys(), hostFiles, hostFileExceptions)).toEqual([]);
});

test("each host runs the one behaviour suite", () => {
  const hosts = [...tree.keys()].flatMap((path) => /^src\/hosts\/([^/]+)\/host\.ts$/.exec(path)?.[1] ?? []);
  expect(hosts.length).toBeGreaterThan(1);
  const suite = "test/behaviour/behaviour.ts";
  const calls = (host: string) =>
    tree.get(`test/hosts/${host}/behaviour.test.ts`)?.imports.some(({ name }) => name === suite);
  expect(hosts.filter((host) => calls(host) !== true)).toEqual([]);
});

test("a test that is left out has its reason beside it", () => {
  expect(silentSkips(below("test"))).toEqual([]);
});

function below(...folders: readonly string[]): SourceTree {
  return new Map([...tree].filter(([path]) => folders.some((folder) => path.startsWith(`${folder}/`))));
}
