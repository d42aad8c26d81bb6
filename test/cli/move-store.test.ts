/** A store on its way between directories and archives: by the wasmq command, and as GNU tar packs and unpacks it. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  createReadStream,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { exportStore } from "../../src/archive/export-store.ts";
import { importStore } from "../../src/archive/import-store.ts";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { NodeLogStorage } from "../../src/hosts/node/log-storage.ts";
import { concatenated, contentsOf } from "../archive/archives.ts";
import { Command, type Ended, sendOne, temporaryFolder } from "./command.ts";

vi.setConfig({ testTimeout: 60_000 });

const main = join(import.meta.dirname, "../../dist/cli/main.js");

const zeros = Buffer.alloc(1 << 20);

let folder: string;

beforeEach(() => {
  folder = temporaryFolder();
});

function wasmq(...args: readonly string[]): Promise<Ended> {
  return new Command(process.execPath, [main, ...args]).end();
}

async function started(store: string): Promise<{ command: Command; broker: string }> {
  const command = new Command(process.execPath, [main, "--store", store, "--namesrv-port", "0", "--broker-port", "0"]);
  return { command, broker: (await command.says(/^The broker\[broker-a, (\S+)\] boot success$/m))[1]! };
}

/** A store as wasmq leaves it: a CommitLog file of 1 GiB with next to nothing in it. */
async function writtenStore(messages = 3): Promise<string> {
  const store = join(folder, "store");
  const { command, broker } = await started(store);
  for (let i = 0; i < messages; i++) expect(await sendOne(broker, "Moved")).toMatchObject({ code: 0 });
  expect((await command.stop()).code).toBe(0);
  return store;
}

interface Found {
  readonly size: number;
  readonly mtimeMs: number;
  readonly allocated: number;
  readonly sha256: string;
}

async function filesBelow(directory: string): Promise<Record<string, Found>> {
  const found: Record<string, Found> = {};
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const { size, mtimeMs, blocks } = statSync(path);
    const hash = createHash("sha256");
    let at = 0;
    for await (const piece of createReadStream(path, { highWaterMark: zeros.length })) {
      // A file of 1 GiB is zeros mostly.
      if (!zeros.subarray(0, piece.length).equals(piece)) hash.update(`${at}:`).update(piece);
      at += piece.length;
    }
    found[path.slice(directory.length + 1)] = { size, mtimeMs, allocated: blocks * 512, sha256: hash.digest("hex") };
  }
  return found;
}

/** The same bytes and times, and no more room taken than some blocks of a file system. */
function expectSame(copy: Record<string, Found>, original: Record<string, Found>): void {
  const { "broker.conf": conf, ...files } = copy;
  expect(conf).toBeDefined();
  const { "broker.conf": _, ...expected } = original;
  expect(Object.keys(files).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, { size, mtimeMs, allocated, sha256 }] of Object.entries(expected)) {
    expect({ name, size: files[name]!.size, sha256: files[name]!.sha256 }).toEqual({ name, size, sha256 });
    expect(Math.abs(files[name]!.mtimeMs - mtimeMs), `time of ${name}`).toBeLessThan(0.01);
    if (process.platform === "linux") {
      expect(files[name]!.allocated, `room of ${name}`).toBeLessThanOrEqual(allocated + 64 * 1024);
    }
  }
}

describe("wasmq export and import", () => {
  test("an archive: GNU tar unpacks it, wasmq imports it, and a broker goes on with it", async () => {
    const store = await writtenStore();
    const original = await filesBelow(store);
    const archive = join(folder, "moved.tar");
    expect(await wasmq("export", "--store", store, archive)).toEqual({
      code: 0,
      stdout: "",
      // A slow machine says in between how far it is.
      stderr: expect.stringMatching(/^(\d+\.\d MB so far\n)*exported: \d+\.\d MB\n$/),
    });
    expect(statSync(archive).size).toBeLessThan(200_000);
    expect(existsSync(`${archive}.part`)).toBe(false);

    const unpacked = join(folder, "unpacked");
    mkdirSync(unpacked);
    execFileSync("tar", ["xf", archive, "-C", unpacked]);
    expectSame(await filesBelow(unpacked), original);

    const imported = join(folder, "imported");
    expect(await wasmq("import", archive, "--store", imported)).toMatchObject({ code: 0, stdout: "" });
    expectSame(await filesBelow(imported), original);
    for (const directory of [unpacked, imported]) {
      const { command, broker } = await started(directory);
      const { extFields } = await sendOne(broker, "Moved");
      // One of four queues: together they hold what was there, and now one more.
      expect(Number((extFields as Record<string, string>)["queueOffset"])).toBeLessThanOrEqual(3);
      expect((await command.stop()).stderr).toContain("clean=true");
    }
  });

  test("a directory is as good as an archive, either way", async () => {
    const store = await writtenStore(1);
    const original = await filesBelow(store);
    const out = join(folder, "out");
    expect((await wasmq("export", "--store", store, out)).code).toBe(0);
    expectSame(await filesBelow(out), original);
    const back = join(folder, "back");
    expect((await wasmq("import", out, "--store", back)).code).toBe(0);
    expectSame(await filesBelow(back), original);
    expect(readFileSync(join(back, "broker.conf"), "utf8")).toBe(readFileSync(join(out, "broker.conf"), "utf8"));
  });

  test("standard output into standard input", async () => {
    const store = await writtenStore(1);
    const there = join(folder, "there");
    const line = `"${process.execPath}" "${main}" export --store "${store}" - | "${process.execPath}" "${main}" import - --store "${there}"`;
    expect(await new Command("sh", ["-c", line]).end()).toMatchObject({ code: 0, stdout: "" });
    expectSame(await filesBelow(there), await filesBelow(store));
  });

  test.each([
    [["export"], 2, /is needed/],
    [["export", "a.tar", "b.tar"], 2, /one FILE\.tar, directory or - is needed/],
    [["export", "--store", "x", "--from", "http://h", "a.tar"], 2, /--store or --from, not both/],
    [["export", "--from", "ftp://h", "a.tar"], 2, /--from is an http\(s\) URL, not ftp:\/\/h/],
    [["export", "--store", "memory", "a.tar"], 2, /a store in memory is gone with its process/],
    [["import", "--store", "x"], 2, /is needed/],
    [["import", "nowhere.tar", "--store", "x"], 1, /ENOENT.*nowhere\.tar/],
    [["import", "nowhere", "--store", "x"], 1, /there is no store in nowhere \(STORE_UNREADABLE\)/],
    [["export", "--store", "nowhere", "a.tar"], 1, /there is no store in nowhere \(STORE_UNREADABLE\)/],
  ] as const)("%s: one line, and nothing is left", async (args, code, line) => {
    const ended = await new Command(process.execPath, [main, ...args], { cwd: folder }).end();
    expect({ code: ended.code, stdout: ended.stdout }, ended.stderr).toEqual({ code, stdout: "" });
    expect(ended.stderr).toMatch(/^wasmq: .*\n$/);
    expect(ended.stderr).toMatch(line);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a store in use is not exported, and one that is not empty takes no import", async () => {
    const store = join(folder, "store");
    const { command, broker } = await started(store);
    await sendOne(broker, "Busy");
    const inUse = await wasmq("export", "--store", store, join(folder, "busy.tar"));
    expect(inUse).toMatchObject({ code: 1, stderr: expect.stringMatching(/\(STORE_LOCKED\)\n$/) });
    await command.stop();
    const archive = join(folder, "store.tar");
    await wasmq("export", "--store", store, archive);
    const before = await filesBelow(store);
    const again = await wasmq("import", archive, "--store", store);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringMatching(/is not empty.*\(INVALID_PARAMETER\)\n$/) });
    expect(await filesBelow(store)).toEqual(before);
    expect(existsSync(join(folder, "busy.tar"))).toBe(false);
  });

  test("an archive that is cut off leaves nothing, killed in the middle leaves what can't be opened", async () => {
    const store = await writtenStore(1);
    const archive = join(folder, "store.tar");
    await wasmq("export", "--store", store, archive);
    const { size } = statSync(archive);
    const cut = join(folder, "cut.tar");
    writeFileSync(cut, readFileSync(archive).subarray(0, size - 3 * 512));
    const there = join(folder, "there");
    expect(await wasmq("import", cut, "--store", there)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^wasmq: the archive can't be read: .*\(STORE_UNREADABLE\)\n$/),
    });
    expect(existsSync(there)).toBe(false);

    // An import whose archive never comes to its end, and which dies then.
    const feeding = new Command(process.execPath, [main, "import", "-", "--store", there]);
    feeding.write(readFileSync(archive).subarray(0, size - 4096));
    await vi.waitFor(() => expect(existsSync(join(there, "import.unfinished"))).toBe(true), 20_000);
    await feeding.stop("SIGKILL");
    const refused = await wasmq("--store", there, "--namesrv-port", "0", "--broker-port", "0");
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/an import into this store has not ended.*\(STORE_UNREADABLE\)\n$/),
    });
    expect((await wasmq("export", "--store", there, join(folder, "half.tar"))).code).toBe(1);
    expect((await wasmq("import", archive, "--store", there)).code).toBe(0);
    expectSame(await filesBelow(there), await filesBelow(store));
  });
});

describe("wasmq export --from", () => {
  let server: Server | undefined;
  afterEach(async () => {
    server?.closeAllConnections();
    await new Promise((done) => (server === undefined ? done(undefined) : server.close(done)));
    server = undefined;
  });

  async function serve(archive: Uint8Array, token: string): Promise<string> {
    server = createServer((request, response) => {
      if (request.headers.authorization !== `Bearer ${token}`) {
        response.writeHead(401).end("a token is needed");
      } else if (request.url === "/elsewhere") {
        response.writeHead(302, { location: "/export" }).end();
      } else {
        response.writeHead(200, { "content-type": "application/x-tar" });
        response.end(request.url === "/cut" ? archive.subarray(0, archive.length - 2048) : archive);
      }
    });
    await new Promise<void>((done) => server!.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(server!.address() as AddressInfo).port}`;
  }

  test("takes what the address sends to one who has the token, as a file or as a directory", async () => {
    const store = await writtenStore(1);
    const storage = new NodeLogStorage(store);
    const archive = await concatenated(exportStore(storage));
    storage.close();
    const url = await serve(archive, "secret");
    const file = join(folder, "from.tar");
    expect((await wasmq("export", "--from", `${url}/export`, "--token", "secret", file)).code).toBe(0);
    expect(readFileSync(file).equals(archive)).toBe(true);
    const environment = { ...process.env, WASMQ_TOKEN: "secret" };
    const directory = join(folder, "from");
    const args = [main, "export", "--from", `${url}/export`, directory];
    expect((await new Command(process.execPath, args, { env: environment }).end()).code).toBe(0);
    expectSame(await filesBelow(directory), await filesBelow(store));

    const failed = join(folder, "failed.tar");
    for (const [path, token, line] of [
      ["/export", "wrong", /answered 401: a token is needed \(SERVICE_NOT_AVAILABLE\)/],
      ["/elsewhere", "secret", /can't be read: .*redirect.* \(SERVICE_NOT_AVAILABLE\)/],
      ["/cut", "secret", /the archive can't be read: .*\(STORE_UNREADABLE\)/],
    ] as const) {
      const ended = await wasmq("export", "--from", `${url}${path}`, "--token", token, failed);
      expect(ended).toMatchObject({ code: 1, stderr: expect.stringMatching(line) });
      expect(readdirSync(folder).filter((name) => name.startsWith("failed"))).toEqual([]);
    }
  });
});

describe("archives that GNU tar makes of a stopped broker's directory", () => {
  // Longer than a name in a header may be.
  const longTopic = `%RETRY%${"group-".repeat(15)}`;
  const files = [
    "commitlog/00000000000000000000",
    `consumequeue/${longTopic}/0/00000000000000000000`,
    "config/topics.json",
  ];

  /** Holes at the begin, in the middle and at the end; enough pieces for more than one block of GNU's old sparse ranges. */
  function makeStore(): string {
    const store = join(folder, "apache", "store");
    for (const name of [...files, "checkpoint", "lock"]) {
      const path = join(store, name);
      mkdirSync(join(path, ".."), { recursive: true });
      const descriptor = openSync(path, "w");
      if (name.startsWith("commitlog")) {
        for (let i = 1; i < 60; i++) writeSync(descriptor, `piece ${i}`, i * 65_536);
        ftruncateSync(descriptor, 16 * 1024 * 1024);
      } else if (name.startsWith("consumequeue")) {
        writeSync(descriptor, "unit", 0);
        ftruncateSync(descriptor, 120_000);
      } else {
        writeSync(descriptor, `{"of":"${name}"}`);
      }
      closeSync(descriptor);
      utimesSync(path, 1_600_000_000.5, 1_600_000_000.5);
    }
    return store;
  }

  for (const format of ["ustar", "oldgnu", "gnu", "posix"]) {
    // In ustar nothing can be sparse.
    for (const sparse of format === "ustar" ? [false] : [false, true]) {
      test(`${format}${sparse ? ", sparse" : ""}: from above the store and from within it`, async () => {
        const store = makeStore();
        for (const what of [
          ["-C", folder, "apache/store"],
          ["-C", join(folder, "apache"), "./store"],
          ["-C", store, "."],
        ]) {
          const archive = join(folder, "packed.tar");
          execFileSync("tar", ["cf", archive, `--format=${format}`, ...(sparse ? ["--sparse"] : []), ...what]);
          if (sparse) expect(statSync(archive).size).toBeLessThan(1_000_000);
          const to = new MemoryLogStorage();
          expect(await importStore(createReadStream(archive), to)).toMatchObject({
            mappedFileSizeCommitLog: 16 * 1024 * 1024,
            mappedFileSizeConsumeQueue: 120_000,
          });
          const from = new NodeLogStorage(store);
          const same = new MemoryLogStorage();
          await importStore(exportStore(from), same);
          from.close();
          expect(contentsOf(to, "")).toEqual(contentsOf(same, ""));
          expect(to.list("").map(({ name }) => name)).toEqual([...files, "checkpoint", "broker.conf"].sort());
          const times = new Set(to.list("").map(({ modifiedAtMs }) => Math.floor(modifiedAtMs / 1000)));
          expect(times).toEqual(new Set([1_600_000_000]));
          // Zeros that the archive spells out take no room here.
          expect(to.files.get(files[0]!)!.pieces.size).toBeLessThan(64);
        }
      });
    }
  }

  test("sparse files of versions before 1.0 are refused with a word about it", async () => {
    const store = makeStore();
    for (const version of ["0.0", "0.1"]) {
      const archive = join(folder, "old.tar");
      execFileSync("tar", [
        "cf",
        archive,
        "--format=posix",
        "--sparse",
        `--sparse-version=${version}`,
        "-C",
        store,
        ".",
      ]);
      const to = new MemoryLogStorage();
      await expect(importStore(createReadStream(archive), to)).rejects.toMatchObject({
        code: "INVALID_PARAMETER",
        message: expect.stringContaining("sparse"),
      });
      expect(to.list("")).toEqual([]);
    }
  });

  test("compressed ones, and those with files of different sizes, are refused", async () => {
    const store = makeStore();
    const zipped = join(folder, "packed.tar.gz");
    execFileSync("tar", ["czf", zipped, "-C", store, "."]);
    await expect(importStore(createReadStream(zipped), new MemoryLogStorage())).rejects.toMatchObject({
      code: "STORE_UNREADABLE",
      message: expect.stringContaining("gunzip"),
    });
    const other = join(store, "commitlog/00000000000016777216");
    writeFileSync(other, "");
    truncateSync(other, 1024 * 1024);
    const archive = join(folder, "packed.tar");
    execFileSync("tar", ["cf", archive, "-C", store, "."]);
    await expect(importStore(createReadStream(archive), new MemoryLogStorage())).rejects.toMatchObject({
      code: "STORE_UNREADABLE",
      message: expect.stringContaining("1048576"),
    });
  });
});
