/** The wasmq command as a shell, a service manager and a container see it: what it prints, and how it ends. */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Command, type Ended, routeBy, sendOne, temporaryFolder } from "./command.ts";

// A start takes a tenth of a second; on a machine that is busy with the other suites, many times that.
vi.setConfig({ testTimeout: 60_000 });

const main = join(import.meta.dirname, "../../dist/cli/main.js");
const freePorts = ["--namesrv-port", "0", "--broker-port", "0"];
const address = String.raw`(\d+\.\d+\.\d+\.\d+:\d+)`;

/** Whose right to read and write is not the superuser's, to whom every file is open. */
const nobody = 65_534;
const isRoot = process.getuid?.() === 0;

interface Booted {
  readonly command: Command;
  readonly namesrv: string;
  readonly broker: string;
}

function wasmq(...args: readonly string[]): Command {
  return new Command(process.execPath, [main, ...args]);
}

async function boot(...args: readonly string[]): Promise<Booted> {
  const command = wasmq(...freePorts, ...args);
  const namesrv = (await command.says(new RegExp(`^The Name Server\\[${address}\\] boot success$`, "m")))[1]!;
  const broker = (await command.says(new RegExp(`^The broker\\[[^,]+, ${address}\\] boot success$`, "m")))[1]!;
  return { command, namesrv, broker };
}

/** It failed, and said why in one line that a person can use. */
function expectRefusal(ended: Ended, why: RegExp): void {
  expect(ended.code, ended.stderr).toBe(1);
  expect(ended.stdout).toBe("");
  const said = ended.stderr.split("\n").filter((line) => line !== "" && !/^\d{4}-\S+Z (INFO|WARN) /.test(line));
  expect(said).toEqual([expect.stringMatching(/^wasmq: /)]);
  expect(said[0]).toMatch(why);
}

describe("called wrongly", () => {
  test("--help shows the options and succeeds", async () => {
    for (const args of [["--help"], ["-h"], ["start", "--help"]]) {
      const { code, stdout, stderr } = await wasmq(...args).end();
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toMatch(/^Usage: wasmq/);
      for (const option of ["--store", "--bind", "--namesrv-port", "--flush", "--help"])
        expect(stdout).toContain(option);
    }
  });

  test.each([
    [["--nonsense"], /^wasmq: .*'--nonsense'/],
    [["nonsense"], /^wasmq: there is no command nonsense/],
    [["start", "nonsense"], /^wasmq: .*'nonsense'/],
    [["--store"], /^wasmq: .*--store/],
  ] as const)("%s: one line, then the usage", async (args, line) => {
    const { code, stdout, stderr } = await wasmq(...args).end();
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(line);
    expect(stderr.split("\n").slice(1, 3)).toEqual(["", expect.stringMatching(/^Usage: wasmq/)]);
  });

  test.each([
    [["--namesrv-port", "65536"], "--namesrv-port is a number from 0 to 65535, not 65536"],
    [["--broker-port", "http"], "--broker-port is a number from 0 to 65535, not http"],
    [["--broker-port=-1"], "--broker-port is a number from 0 to 65535, not -1"],
    [["--broker-port", "0x10"], "--broker-port is a number from 0 to 65535, not 0x10"],
    [["--flush", "maybe"], "--flush is async or sync, not maybe"],
    [["--store="], "--store needs a value"],
  ] as const)("%s: one line", async (args, line) => {
    const ended = await wasmq(...args).end();
    expect(ended).toEqual({ code: 2, stdout: "", stderr: `wasmq: ${line}\n` });
  });
});

describe("started and stopped", () => {
  test("two boot lines with the ports it took, which answer", async () => {
    const { command, namesrv, broker } = await boot("--store", "memory");
    await command.says(
      /^The Name Server\[127\.0\.0\.1:\d+\] boot success\nThe broker\[broker-a, 127\.0\.0\.1:\d+\] boot success\n/,
    );
    const [data] = (await routeBy(namesrv)).brokerDatas;
    expect(data).toMatchObject({ brokerName: "broker-a", cluster: "DefaultCluster", brokerAddrs: { "0": broker } });
    expect(await sendOne(broker, "Booted")).toMatchObject({ code: 0 });
  });

  test.each(["SIGTERM", "SIGINT"] as const)("%s ends it with 0 and leaves no abort and no lock", async (signal) => {
    const store = join(temporaryFolder(), "deep", "store");
    const { command, broker } = await boot("--store", store);
    expect(existsSync(join(store, "abort"))).toBe(true);
    expect(existsSync(join(store, "lock"))).toBe(true);
    // With a client connected, as there is one in life.
    expect(await sendOne(broker, "Stopped")).toMatchObject({ code: 0 });
    const { code, stdout } = await command.stop(signal);
    expect(code).toBe(0);
    expect(stdout).toMatch(/The broker has stopped\n$/);
    expect(readdirSync(store)).not.toContain("abort");
    expect(readdirSync(store)).not.toContain("lock");
    const again = await boot("--store", store);
    expect((await again.command.stop()).stderr).toContain("clean=true");
  });

  test("after kill -9 it starts again at once, with what was acknowledged", async () => {
    const store = temporaryFolder();
    const first = await boot("--store", store);
    expect(await sendOne(first.broker, "Killed")).toMatchObject({ code: 0, extFields: { queueOffset: "0" } });
    expect((await first.command.stop("SIGKILL")).code).toBe("SIGKILL");
    expect(readdirSync(store)).toEqual(expect.arrayContaining(["abort", "lock"]));
    const second = await boot("--store", store);
    expect(await sendOne(second.broker, "Killed")).toMatchObject({ code: 0, extFields: { queueOffset: "1" } });
    const { code, stderr } = await second.command.stop();
    expect(code).toBe(0);
    expect(stderr).toContain("clean=false");
  });
});

describe("addresses and names that clients are told", () => {
  test("--advertise", async () => {
    const { namesrv, broker, command } = await boot(
      "--store",
      "memory",
      "--bind",
      "127.0.0.2",
      "--advertise",
      "127.0.0.1",
    );
    expect([namesrv, broker]).toEqual([
      expect.stringMatching(/^127\.0\.0\.1:/),
      expect.stringMatching(/^127\.0\.0\.1:/),
    ]);
    const [data] = (await routeBy(namesrv.replace("127.0.0.1", "127.0.0.2"))).brokerDatas;
    expect(data!.brokerAddrs).toEqual({ "0": broker });
    expect((await command.stop()).code).toBe(0);
  });

  test("--advertise another machine's address while only this one is served: told, as bindAddress and brokerIP1 too", async () => {
    const { command } = await boot("--store", "memory", "--advertise", "192.0.2.1");
    const { stderr } = await command.stop();
    expect(stderr).toMatch(/told to come to 192\.0\.2\.1, but the broker listens on 127\.0\.0\.1.*set --bind/);
  });

  test("--bind: the address a client came by", async () => {
    const { namesrv, broker } = await boot("--store", "memory", "--bind", "127.0.0.2");
    expect(namesrv).toMatch(/^127\.0\.0\.2:/);
    expect((await routeBy(namesrv)).brokerDatas[0]!.brokerAddrs).toEqual({ "0": broker });
    expect(await sendOne(broker, "Bound")).toMatchObject({ code: 0 });
    await expect(routeBy(namesrv.replace("127.0.0.2", "127.0.0.1"))).rejects.toThrow("ECONNREFUSED");
  });

  test("--broker-name and --cluster", async () => {
    const { command, namesrv, broker } = await boot(
      "--store",
      "memory",
      "--broker-name",
      "north-1",
      "--cluster",
      "Orders",
    );
    await command.says(new RegExp(`^The broker\\[north-1, ${broker}\\] boot success$`, "m"));
    expect((await routeBy(namesrv)).brokerDatas).toMatchObject([{ brokerName: "north-1", cluster: "Orders" }]);
  });

  test("a host that is none, an address that is not this machine's, a name with spaces", async () => {
    const start = (...args: readonly string[]) => wasmq("--store", "memory", ...freePorts, ...args).end();
    expectRefusal(await start("--advertise", "host.invalid"), /the host host\.invalid to advertise can't be resolved/);
    // TEST-NET-1 (RFC 5737): nobody's.
    expectRefusal(await start("--bind", "192.0.2.1"), /can't listen on 192\.0\.2\.1/);
    expectRefusal(await start("--broker-name", "a b"), /illegal characters/);
    expectRefusal(await start("--cluster", "a b"), /illegal characters/);
  });
});

describe("a port that is taken", () => {
  let other: Server | undefined;
  afterEach(() => new Promise<void>((resolve) => (other === undefined ? resolve() : other.close(() => resolve()))));

  test.each(["--namesrv-port", "--broker-port"])("%s", async (option) => {
    const port = await new Promise<number>((resolve) => {
      other = createServer().listen(0, "127.0.0.1", function (this: Server) {
        const bound = this.address();
        resolve(typeof bound === "object" && bound !== null ? bound.port : 0);
      });
    });
    const store = join(temporaryFolder(), "store");
    const ended = await wasmq("--store", store, ...freePorts, option, String(port)).end();
    expectRefusal(ended, new RegExp(`port ${port} of 127\\.0\\.0\\.1 is taken`));
    expect(existsSync(store), "nothing was written").toBe(false);
  });
});

describe("a store that can't be used", () => {
  const startOn = (store: string): Promise<Ended> => wasmq("--store", store, ...freePorts).end();

  test("one in use: by whom, and that one goes on", async () => {
    const store = temporaryFolder();
    const first = await boot("--store", store);
    expectRefusal(await startOn(store), /is in use by wasmq \(process \d+\)/);
    expect(await sendOne(first.broker, "StillThere")).toMatchObject({ code: 0 });
    expect(readdirSync(store)).toContain("lock");
    expect((await first.command.stop()).code).toBe(0);
  });

  test("a file where its directory should be", async () => {
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, "");
    expectRefusal(await startOn(file), /can't be used/);
    expectRefusal(await startOn(join(file, "store")), /can't be used/);
  });

  test("a file of the CommitLog of a wrong size", async () => {
    const store = temporaryFolder();
    mkdirSync(join(store, "commitlog"));
    writeFileSync(join(store, "commitlog", "0".repeat(20)), "short");
    expectRefusal(await startOn(store), /commitlog\/0{20} has 5 bytes, but mappedFileSizeCommitLog is \d+/);
    expect(readdirSync(store), "the store is given back as it was").toEqual(["commitlog"]);
  });

  test.each(["topics.json", "subscriptionGroup.json"])("a torn %s without the version before it", async (name) => {
    const store = temporaryFolder();
    const { command } = await boot("--store", store);
    await command.stop();
    const file = join(store, "config", name);
    rmSync(`${file}.bak`, { force: true });
    const whole = readFileSync(file);
    writeFileSync(file, whole.subarray(0, whole.length / 2));
    expectRefusal(await startOn(store), new RegExp(`${name} is no JSON.*${name}\\.bak`));
    expect(readdirSync(store)).not.toContain("lock");
    // Put right, it is as good as before.
    writeFileSync(file, whole);
    await (await boot("--store", store)).command.stop();
  });

  test.each(["abort", "checkpoint", "config", "lock"])("a wrong kind of thing: %s", async (name) => {
    const store = temporaryFolder();
    const { command, broker } = await boot("--store", store);
    await sendOne(broker, "Kinds");
    await command.stop();
    rmSync(join(store, name), { recursive: true, force: true });
    if (name === "config") writeFileSync(join(store, name), "");
    else mkdirSync(join(store, name));
    expectRefusal(await startOn(store), new RegExp(name));
  });

  test("no right to write or to read", async (context) => {
    const folder = temporaryFolder();
    // The superuser may read and write all; so the command runs as somebody else then.
    const as = isRoot ? { uid: nobody, gid: nobody, cwd: "/" } : {};
    const { code } = await new Command(process.execPath, [main, "--help"], as).end();
    context.skip(code !== 0, "run by the superuser from where nobody else may read");
    const start = (store: string): Promise<Ended> =>
      new Command(process.execPath, [main, "--store", store, ...freePorts], as).end();

    chmodSync(folder, 0o555);
    expectRefusal(await start(join(folder, "store")), /the store \S+ can't be used: EACCES/);
    expectRefusal(await start(folder), /the store \S+ can't be used: EACCES/);

    const store = temporaryFolder();
    const { command, broker } = await boot("--store", store);
    await sendOne(broker, "Rights");
    await command.stop();
    for (const unreadable of ["config/topics.json", "commitlog", `commitlog/${"0".repeat(20)}`]) {
      const copy = temporaryFolder();
      chmodSync(copy, 0o777);
      cpSync(store, copy, { recursive: true, filter: (path) => !path.includes("commitlog/") });
      chmodSync(join(copy, "config"), 0o777);
      writeFileSync(join(copy, "commitlog", "0".repeat(20)), "");
      chmodSync(join(copy, unreadable), 0);
      expectRefusal(await start(copy), /EACCES/);
      chmodSync(join(copy, unreadable), 0o700);
    }
  });
});
