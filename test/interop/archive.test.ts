/** Stores that were moved as an archive: from hosts that keep small files to Apache, and from Apache to wasmq. */
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { expectAllConsumed } from "./acked-load.ts";
import { startApache } from "./apache-broker.ts";
import { JavaClients } from "./java-client.ts";
import { type RunningBroker, removeDirectory, type StartBroker, temporaryDirectory } from "./running-broker.ts";
import { missingTool } from "./toolchain.ts";
import { startWasmq } from "./wasmq-broker.ts";

const run = promisify(execFile);
const timeoutMs = 360_000;
const main = path.join(import.meta.dirname, "../../dist/cli/main.js");

/** What hosts without mapped files use: CommitLog files of 16 MiB and ConsumeQueue files of 6,000 units. */
const smallSizes = { mappedFileSizeCommitLog: 16 * 1024 * 1024, mappedFileSizeConsumeQueue: 6_000 * 20 };
const smallConf = Object.entries(smallSizes)
  .map(([key, value]) => `${key}=${value}\n`)
  .join("");

/** 20 MB: they take two CommitLog files of 16 MiB. */
const load = { topic: "Moved", keys: "moved-", count: 1_000, "random-bytes": 20_000 };

describe.skipIf((await missingTool()) !== undefined)("a store moved as an archive", () => {
  let client: JavaClients;
  let directory: string;
  let opened: RunningBroker[];

  beforeAll(async () => {
    client = await JavaClients.of("5.5.0");
  }, timeoutMs);
  afterAll(() => client?.close(), timeoutMs);
  beforeEach(async () => {
    directory = await temporaryDirectory("archive");
    opened = [];
  });
  afterEach(async () => {
    for (const broker of opened) await broker.close();
    await removeDirectory(directory);
  }, timeoutMs);

  const open = async (start: StartBroker, store: string, conf?: string): Promise<RunningBroker> => {
    const broker = await start({ store, ...(conf === undefined ? {} : { conf }) });
    opened.push(broker);
    return broker;
  };

  const wasmq = async (...args: readonly string[]): Promise<void> => {
    await run(process.execPath, [main, ...args]);
  };

  const keysOf = (lines: readonly { readonly index: number }[], prefix: string): string[] =>
    lines.map((line) => `${prefix}${line.index}`);

  for (const how of ["stopped", "killed"] as const) {
    test(`wasmq writes small files and is ${how}; Apache opens them by the archive's broker.conf`, {
      timeout: timeoutMs,
    }, async () => {
      const store = path.join(directory, "store");
      await mkdir(store);
      await writeFile(path.join(store, "broker.conf"), smallConf);
      const first = await open(startWasmq, store);
      const sent = keysOf(await client.produce(first.namesrv, load), "moved-");
      await (how === "stopped" ? first.stop() : first.kill());
      expect(await readdir(path.join(store, "commitlog"))).toHaveLength(2);

      const archive = path.join(directory, "store.tar");
      const moved = path.join(directory, "moved");
      await wasmq("export", "--store", store, archive);
      await rm(store, { recursive: true });
      await mkdir(moved);
      await run("tar", ["xf", archive, "-C", moved]);
      expect((await readdir(moved)).includes("abort")).toBe(how === "killed");

      const conf = await readFile(path.join(moved, "broker.conf"), "utf8");
      const second = await open(startApache, moved, conf);
      await expectAllConsumed(client, second.namesrv, "Moved", "AtApache", sent);
      const more = await client.produce(second.namesrv, { ...load, keys: "more-", count: 800 });
      expect(more.every(({ status }) => status === "SEND_OK")).toBe(true);
      await expectAllConsumed(client, second.namesrv, "Moved", "AllAtApache", [...sent, ...keysOf(more, "more-")]);
      await second.stop();
      const files = await readdir(path.join(moved, "commitlog"));
      expect(files.length).toBeGreaterThan(2);

      // And it comes home as Apache left it.
      const home = path.join(directory, "home");
      await wasmq("import", moved, "--store", home);
      const third = await open(startWasmq, home);
      await expectAllConsumed(client, third.namesrv, "Moved", "AtHome", [...sent, ...keysOf(more, "more-")]);
    });
  }

  test("Apache's directory as tar packs it, with its own sizes or the usual ones, is imported and served", {
    timeout: timeoutMs,
  }, async () => {
    for (const conf of ["", smallConf]) {
      const name = conf === "" ? "usual" : "small";
      const store = path.join(directory, name);
      const first = await open(startApache, store, conf);
      const sent = keysOf(await client.produce(first.namesrv, load), "moved-");
      await first.stop();
      const archive = path.join(directory, `${name}.tar`);
      await run("tar", ["cf", archive, "--sparse", "-C", directory, name]);

      const imported = path.join(directory, `${name}-imported`);
      await wasmq("import", archive, "--store", imported);
      const second = await open(startWasmq, imported);
      await expectAllConsumed(client, second.namesrv, "Moved", "AtWasmq", sent);
      const more = await client.produce(second.namesrv, { ...load, keys: "more-", count: 10 });
      await expectAllConsumed(client, second.namesrv, "Moved", "AllAtWasmq", [...sent, ...keysOf(more, "more-")]);
      await second.stop();
      const said = await readFile(path.join(imported, "broker.conf"), "utf8");
      expect(said).toContain(`mappedFileSizeCommitLog=${conf === "" ? 2 ** 30 : smallSizes.mappedFileSizeCommitLog}\n`);
    }
  });
});
