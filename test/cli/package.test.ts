/** The package as npm makes it, in a project that has nothing else: what is in it, and that it runs and type-checks there. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, sep } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { sourceTree } from "../tidy/source-tree.ts";
import { Command, routeBy, sendOne } from "./command.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const root = join(import.meta.dirname, "../..");
const bin = join(root, "node_modules/.bin");

let folder: string;
let project: string;
let installed: string;
/** Paths in the tarball, with `/` between folders. */
let packed: string[];
let environment: NodeJS.ProcessEnv;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "wasmq-package-"));
  project = join(folder, "project");
  installed = join(project, "node_modules/wasmq");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "name": "project", "private": true, "type": "module" }');
  // Nothing of the npm that runs this test. What the package depends on was fetched when this repository was installed.
  environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
  environment["npm_config_prefer_offline"] = "true";
  // As in a shell of that project: the command must come from there.
  environment["PATH"] = (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((place) => !place.includes(`node_modules${sep}.bin`))
    .join(delimiter);
  npm(root, "pack", "--ignore-scripts", "--pack-destination", folder);
  const tarballs = globSync("*.tgz", { cwd: folder });
  expect(tarballs).toHaveLength(1);
  npm(project, "install", "--ignore-scripts", "--no-audit", "--no-fund", join(folder, tarballs[0]!));
  packed = globSync("**", { cwd: installed, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(installed.length + 1))
    .map((path) => path.split(sep).join("/"))
    .sort();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("what is in it", () => {
  test("dist, the core, and what a reader needs", () => {
    expect(packed.filter((path) => !path.startsWith("dist/"))).toEqual([
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "build/core.wasm",
      "package.json",
    ]);
  });

  test("dist is what the sources of today compile to", () => {
    const sources = globSync("**/*.ts", { cwd: join(root, "src") })
      .map((path) => path.split(sep).join("/"))
      .filter((path) => !path.endsWith(".d.ts"));
    const compiled = sources.flatMap((path) => {
      const name = `dist/${path.slice(0, -".ts".length)}`;
      return [`${name}.d.ts`, `${name}.js`, `${name}.js.map`];
    });
    const built = packed.filter((path) => path.startsWith("dist/"));
    expect(
      compiled.filter((path) => !built.includes(path)),
      "not built",
    ).toEqual([]);
    const stale = built.filter((path) => !compiled.includes(path));
    expect(stale, "left over from sources that are gone: remove dist and build, then build again").toEqual([]);
  });

  test("all that dist imports is inside, or is what it depends on", () => {
    const { dependencies } = JSON.parse(read("package.json")) as { dependencies: Record<string, string> };
    const code = packed.filter((path) => /\.(js|d\.ts)$/.test(path));
    const texts = Object.fromEntries(packed.map((path) => [path, code.includes(path) ? read(path) : ""]));
    const tree = sourceTree(Object.fromEntries(Object.entries(texts).filter(([path]) => code.includes(path))));
    const outside = [...tree.values()].flatMap(({ path, imports }) =>
      imports
        .map(({ name }) => name)
        // A declaration may name its neighbour as the source does.
        .filter(
          (name) => !(name in texts) && !(path.endsWith(".d.ts") && name.replace(/(?<!\.d)\.ts$/, ".d.ts") in texts),
        )
        .filter((name) => !name.startsWith("node:") && !(name in dependencies))
        .map((name) => `${path}: ${name}`),
    );
    expect(outside).toEqual([]);
  });

  test("no paths of the machine that built it", () => {
    expect(packed.filter((path) => read(path).includes(root))).toEqual([]);
  });

  test("what package.json names is there", () => {
    const { bin, exports, imports } = JSON.parse(read("package.json")) as Record<string, unknown>;
    const paths = [bin, exports, imports].flatMap((value) => JSON.stringify(value).match(/(?<=":"\.\/)[^"]+/g) ?? []);
    expect(paths.length).toBeGreaterThan(4);
    expect(paths.filter((path) => !existsSync(join(installed, path)))).toEqual([]);
  });
});

describe("installed", () => {
  test("npx wasmq starts and stops", async () => {
    const store = join(folder, "store");
    const args = ["--no-install", "wasmq", "--store", store, "--namesrv-port", "0", "--broker-port", "0"];
    // Stopped as in a terminal, where Ctrl-C reaches npx and what it runs alike.
    const command = new Command("npx", args, { cwd: project, env: environment, detached: true });
    const [, namesrv] = await command.says(/^The Name Server\[(127\.0\.0\.1:\d+)\] boot success$/m);
    const [, broker] = await command.says(/^The broker\[broker-a, (127\.0\.0\.1:\d+)\] boot success$/m);
    expect((await routeBy(namesrv!)).brokerDatas).toHaveLength(1);
    expect(await sendOne(broker!, "Npx")).toMatchObject({ code: 0 });
    command.killGroup("SIGINT");
    const { stdout } = await command.end();
    expect(stdout).toMatch(/The broker has stopped\n$/);
    expect(existsSync(join(store, "abort"))).toBe(false);
    expect(existsSync(join(store, "lock"))).toBe(false);
  });

  test("startWasmq in a program of one's own", async () => {
    writeFileSync(
      join(project, "program.js"),
      `import { startWasmq, WasmqError } from "wasmq";
      const wasmq = await startWasmq({ store: "memory", namesrvPort: 0, brokerPort: 0 });
      console.log("at", wasmq.namesrvAddress, wasmq.brokerAddress);
      const taken = { store: "memory", namesrvPort: Number(wasmq.namesrvAddress.split(":")[1]), brokerPort: 0 };
      const error = await startWasmq(taken).catch((error) => error);
      console.log(error instanceof WasmqError && error.code);
      process.stdin.on("end", async () => {
        await wasmq.stop();
        console.log("stopped");
      }).resume();\n`,
    );
    const command = new Command(process.execPath, ["program.js"], { cwd: project, env: environment });
    const [, namesrv, broker] = await command.says(/^at (\S+) (\S+)$/m);
    await command.says(/^ADDRESS_IN_USE$/m);
    expect((await routeBy(namesrv!)).brokerDatas[0]!.brokerAddrs).toEqual({ "0": broker });
    expect(await sendOne(broker!, "Program")).toMatchObject({ code: 0 });
    command.closeInput();
    // Nothing of it keeps the process alive, nor says anything on its own.
    expect(await command.end()).toMatchObject({ code: 0, stderr: "", stdout: expect.stringMatching(/\nstopped\n$/) });
  });

  test.each([
    ["without @types/node", []],
    ["with @types/node", ["node"]],
  ])("its types check %s, without DOM and with no library skipped", async (_name, types) => {
    for (const name of ["@types/node", "undici-types"]) {
      const link = join(project, "node_modules", name);
      rmSync(link, { force: true });
      mkdirSync(join(link, ".."), { recursive: true });
      if (types.length > 0) symlinkSync(join(root, "node_modules", name), link, "junction");
    }
    const compilerOptions = {
      ...{ target: "ES2023", lib: ["ES2023"], types, module: "NodeNext", moduleResolution: "NodeNext" },
      ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, noEmit: true },
    };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.ts"] }));
    writeFileSync(
      join(project, "program.ts"),
      `import { type ErrorCode, startWasmq, type Telemetry, type Wasmq, WasmqError, type WasmqOptions } from "wasmq";
      const lines: string[] = [];
      const telemetry: Telemetry = { log: (level, event, fields) => lines.push(level + event + Object.keys(fields ?? {})) };
      const options: WasmqOptions = { store: "memory", namesrvPort: 0, brokerPort: 0, flush: "sync", telemetry };
      try {
        const wasmq: Wasmq = await startWasmq(options);
        const address: string = wasmq.namesrvAddress;
        await wasmq.stop();
      } catch (error) {
        if (!(error instanceof WasmqError)) throw error;
        const code: ErrorCode = error.code;
      }
      // @ts-expect-error: wrong options are found, so these are types and not any.
      await startWasmq({ brokerPort: "10911" });\n`,
    );
    const { code, stdout } = await new Command(process.execPath, [join(bin, "tsc"), "-p", project]).end();
    expect(stdout).toBe("");
    expect(code).toBe(0);
  });
});

function read(path: string): string {
  return readFileSync(join(installed, path), "utf8");
}

function npm(cwd: string, ...args: readonly string[]): void {
  execFileSync("npm", args, { cwd, env: environment, stdio: "pipe", shell: process.platform === "win32" });
}
