/** `wasmq check`: what it says of sound and damaged stores, by its exit code, and what --repair makes of them. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { CheckReport } from "../../src/ports/check.ts";
import { Command, connectTo, type Ended, sendOne, temporaryFolder } from "./command.ts";

vi.setConfig({ testTimeout: 60_000 });

const main = join(import.meta.dirname, "../../dist/cli/main.js");
const log = "commitlog/00000000000000000000";

let folder: string;
let store: string;

beforeEach(() => {
  folder = temporaryFolder();
  store = join(folder, "store");
});

function wasmq(...args: readonly string[]): Promise<Ended> {
  return new Command(process.execPath, [main, ...args]).end();
}

async function started(): Promise<{ command: Command; broker: string }> {
  const command = new Command(process.execPath, [main, "--store", store, "--namesrv-port", "0", "--broker-port", "0"]);
  return { command, broker: (await command.says(/^The broker\[broker-a, (\S+)\] boot success$/m))[1]! };
}

/** A store of some messages in queue 0; where each of their records begins. */
async function written(messages = 5): Promise<number[]> {
  const { command, broker } = await started();
  const places: number[] = [];
  for (let i = 0; i < messages; i++) {
    const { extFields } = await sendOne(broker, "Checked");
    places.push(Number.parseInt((extFields as Record<string, string>)["msgId"]!.slice(16), 16));
  }
  expect((await command.stop()).code).toBe(0);
  return places;
}

/** What a check could change: names, sizes, times and the first 64 KiB of each file. */
function contents(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(store, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const { size, mtimeMs } = statSync(path);
    const bytes = Buffer.alloc(65536);
    const file = openSync(path, "r");
    readSync(file, bytes, 0, bytes.length, 0);
    closeSync(file);
    found[path] = `${size} ${mtimeMs} ${createHash("sha256").update(bytes).digest("hex")}`;
  }
  return found;
}

function flip(file: string, at: number): void {
  const opened = openSync(join(store, file), "r+");
  const byte = Buffer.alloc(1);
  readSync(opened, byte, 0, 1, at);
  byte[0]! ^= 0x10;
  writeSync(opened, byte, 0, 1, at);
  closeSync(opened);
}

async function reportOf(ended: Promise<Ended>): Promise<CheckReport & { code: Ended["code"] }> {
  const { code, stdout, stderr } = await ended;
  expect(stderr).toBe("");
  return { ...JSON.parse(stdout), code };
}

describe("wasmq check", () => {
  test("a sound store: 0, and nothing is changed", async () => {
    await written();
    const before = contents();
    const ended = await wasmq("check", store);
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toMatch(
      /^5 records in \d+ bytes of the CommitLog from 0 on, 5 units of \d queues; .* GB\/s$/m,
    );
    expect(ended.stdout).toMatch(/^The store is sound$/m);
    expect(contents()).toEqual(before);
    expect(await reportOf(wasmq("check", "--store", store, "--json"))).toMatchObject({
      ...{ code: 0, severity: "none", findings: [], records: 5 },
      uncovered: { records: 0, bytes: 0, ranges: [] },
    });
  });

  test("an archive is looked at too", async () => {
    await written();
    const archive = join(folder, "store.tar");
    await wasmq("export", "--store", store, archive);
    expect((await wasmq("check", archive)).stdout).toMatch(/^The store is sound$/m);
    expect((await wasmq("check", archive, "--repair")).code).toBe(64);
  });

  test("a damaged message: 2, with file, offset and what is lost; repaired: 0, and the others are served", async () => {
    const places = await written();
    flip(log, places[2]! + 88);
    const before = contents();
    const report = await reportOf(wasmq("check", store, "--json"));
    expect(report).toMatchObject({ code: 2, severity: "damage" });
    expect(report.findings).toMatchObject([
      { code: "RECORD_DAMAGED", severity: "damage", file: log, offset: places[2], physicalOffset: places[2] },
      { code: "MESSAGE_LOST", severity: "damage", topic: "Checked", physicalOffset: places[2] },
    ]);
    expect(contents()).toEqual(before);
    expect((await wasmq("check", store)).stdout).toMatch(
      /^damage RECORD_DAMAGED: commitlog\/0+ at byte \d+, \d+ bytes, a record whose checksum does not hold/m,
    );

    const repaired = await wasmq("check", store, "--repair");
    expect(repaired.code, repaired.stdout + repaired.stderr).toBe(0);
    expect(repaired.stdout).toMatch(/^repaired: bytes \d+ to \d+ of the CommitLog are damaged/m);
    const kept = readFileSync(join(store, "damaged", String(places[2]).padStart(20, "0")));
    expect(kept.includes("TagA")).toBe(true);
    const after = await reportOf(wasmq("check", store, "--json"));
    expect(after).toMatchObject({ code: 0, severity: "note", records: 5 });
    expect(after.counts).toEqual({ DAMAGE_FILLED: 1, QUEUE_GAP: 1 });

    const { command, broker } = await started();
    const client = await connectTo(broker);
    let served = 0;
    for (const queueId of ["0", "1", "2", "3"]) {
      for (let offset = 0; ; ) {
        const answer = await client.request(11, {
          ...{ consumerGroup: "G", topic: "Checked", queueId, queueOffset: String(offset), maxMsgNums: "32" },
          ...{ sysFlag: "4", commitOffset: "0", suspendTimeoutMillis: "0", subVersion: "0", subscription: "*" },
        });
        if (answer.code !== 0 && answer.code !== 20 && answer.code !== 21) break;
        if (answer.code === 0) served += answer.body.toString("latin1").split("hello").length - 1;
        offset = Number((answer.extFields as Record<string, string>)["nextBeginOffset"]);
      }
    }
    expect(served).toBe(4);
    await command.stop();
  });

  test("ConsumeQueues that are gone: 1; repaired: 0", async () => {
    await written();
    rmSync(join(store, "consumequeue"), { recursive: true });
    const report = await reportOf(wasmq("check", store, "--json"));
    expect(report).toMatchObject({ code: 1, severity: "warning", counts: { UNIT_MISSING: 5 } });
    const { code, stdout } = await wasmq("check", store, "--repair", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ before: { severity: "warning" }, after: { findings: [] } });
  });

  test("a store that is in use: 3, unless --live is said; killed: what recovery does is a warning", async () => {
    const { command, broker } = await started();
    await sendOne(broker, "Busy");
    expect(await wasmq("check", store)).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/\(STORE_LOCKED\)\n$/),
    });
    expect((await wasmq("check", store, "--repair")).code).toBe(3);
    expect([0, 1]).toContain((await wasmq("check", store, "--live")).code);
    await command.stop("SIGKILL");
    const report = await reportOf(wasmq("check", store, "--json"));
    expect(report.counts).toMatchObject({ NOT_STOPPED_CLEANLY: 1 });
    expect([0, 1]).toContain(report.code);
    expect((await wasmq("check", store, "--repair")).code).toBe(0);
    expect((await reportOf(wasmq("check", store, "--json"))).findings).toEqual([]);
  });

  test.each([
    [["check", "nowhere"], 3, /there is no store in nowhere \(STORE_UNREADABLE\)/],
    [["check", "."], 3, /there is no store: neither a CommitLog nor config files/],
    [["check", "a", "b"], 64, /one store, or one FILE\.tar/],
    [["check", "a", "--store", "b"], 64, /--store or STORE, not both/],
    [["check", "--what"], 64, /--what/],
    [["check", "a", "--live", "--repair"], 64, /--repair or --live/],
  ] as const)("%s: one line, and the code %i", async (args, code, said) => {
    const ended = await new Command(process.execPath, [main, ...args], { cwd: folder }).end();
    expect({ code: ended.code, stdout: ended.stdout }, ended.stderr).toEqual({ code, stdout: "" });
    expect(ended.stderr).toMatch(said);
    expect(readdirSync(folder)).toEqual([]);
  });
});
