/**
 * A disk that fails, is full, or takes its time, under the real command on real files: what it fails at is chosen call by call
 * (disk-shim.c), and what was acknowledged is asked for after SIGKILL, and after a loss of power by the letter of POSIX.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { residentBytes } from "../../bench/proc.ts";
import { messagesOf, type RemotingClient } from "../lib/remoting-client.ts";
import { BrokerProcess } from "./broker-process.ts";
import { type DiskFault, FailingDisk, missingShim } from "./disk.ts";
import { Ledger, readQueue } from "./ledger.ts";

const mib = 1024 * 1024;
const segmentBytes = 32 * 1024;
/** Far above what it takes, for a busy machine. */
const timeoutMs = 60_000;

const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A broker on a disk of its own, with CommitLog files so small that many are made. */
async function start(flush: "async" | "sync", { isDurable = false } = {}) {
  const disk = new FailingDisk({ isDurable });
  ends.push(() => disk.remove());
  const store = join(disk.root, "store");
  mkdirSync(store);
  writeFileSync(
    join(store, "broker.conf"),
    `mappedFileSizeCommitLog=${segmentBytes}\nmappedFileSizeConsumeQueue=20000\n`,
  );
  // The operator's folder has been there for long.
  if (isDurable) disk.settle();
  const again = async (...more: string[]): Promise<BrokerProcess> => {
    const args = ["--flush", flush, ...more];
    const broker = await BrokerProcess.start({ store, args, env: disk.env });
    ends.push(() => broker.kill());
    return broker;
  };
  return { disk, again };
}

/** Eight that send one message after the other until told to stop; all answers that were no success. */
function load(ledger: Ledger, clients: readonly RemotingClient[], topic: string) {
  let isOver = false;
  const refused: { code: number; remark: string | undefined }[] = [];
  const sender = async (client: RemotingClient, index: number): Promise<void> => {
    while (!isOver) {
      const { code, remark } = await ledger.send(client, topic, index % 4);
      if (code === 0) continue;
      refused.push({ code, remark });
      if (code < 0) return;
      await pause(5);
    }
  };
  const all = Promise.all(clients.map(sender));
  return {
    refused,
    async stop() {
      isOver = true;
      await all;
    },
  };
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited too long for ${what}`);
    await pause(10);
  }
}

async function clientsOf(broker: BrokerProcess, count: number): Promise<RemotingClient[]> {
  return Promise.all(Array.from({ length: count }, () => broker.connect()));
}

describe.skipIf(missingShim() !== undefined)("the disk", { timeout: timeoutMs }, () => {
  test("SYNC_FLUSH: what was acknowledged outlives loss of power at any moment, new files and topics too", async () => {
    const { disk, again } = await start("sync", { isDurable: true });
    const ledger = new Ledger();
    for (let life = 0; life < 4; life++) {
      const broker = await again();
      const clients = await clientsOf(broker, 8);
      expect(await ledger.missing(clients[0]!), `after loss of power ${life}`).toEqual([]);
      const before = ledger.acked;
      const loads = [load(ledger, clients, "T"), load(ledger, clients.slice(0, 2), `New-${life}`)];
      await until(() => ledger.acked > before + 300 + 40 * life, "answers");
      await broker.kill();
      await Promise.all(loads.map((one) => one.stop()));
      disk.losePower();
    }
    expect(ledger.acked).toBeGreaterThan(1_000);
  });

  test("loss of power while expired files go leaves a log without gaps, and offsets that go on", async () => {
    const { disk, again } = await start("sync", { isDurable: true });
    const config = join(disk.root, "expiring.conf");
    const hours = Array.from({ length: 24 }, (_, hour) => hour).join(";");
    writeFileSync(config, `fileReservedTime=0\ndeleteWhen=${hours}\ncleanResourceInterval=100\ndeleteFileBatchMax=3\n`);
    disk.settle();
    let next = 0;
    let first = 0;
    for (let life = 0; life < 4; life++) {
      const broker = await again("--config", config);
      const client = await broker.connect();
      const fields = { topic: "T", queueId: "0" };
      const ends = async (code: number) => Number((await client.request(code, fields)).fields["offset"]);
      const { min, max } = { min: await ends(31), max: await ends(30) };
      expect(max).toBeGreaterThanOrEqual(next);
      expect(min).toBeGreaterThanOrEqual(first);
      expect((await readQueue(client, "T", 0)).length).toBeLessThanOrEqual(max - min);
      let isOver = false;
      const sending = (async () => {
        while (!isOver) {
          const { code, fields: sent } = await client.trySend("T", "x".repeat(1_000));
          if (code !== 0) return;
          expect(Number(sent["queueOffset"])).toBeGreaterThanOrEqual(next);
          next = Number(sent["queueOffset"]) + 1;
        }
      })();
      const before = next;
      await until(async () => next > before + 150 && (await ends(31)) > min, "deletions");
      first = await ends(31);
      await broker.kill();
      isOver = true;
      await sending;
      disk.losePower();
    }
    expect(first).toBeGreaterThan(100);
    const broker = await again();
    const kept = await readQueue(await broker.connect(), "T", 0);
    expect(kept.length).toBeGreaterThan(0);
    expect((await broker.stop()).how).toBe(0);
  });

  test("SYNC_FLUSH: a new CommitLog file's name is synced before the first message in it is acknowledged", async () => {
    const { disk, again } = await start("sync");
    const broker = await again();
    const client = await broker.connect();
    const ledger = new Ledger();
    let files = 0;
    for (let i = 0; i < 400 && files < 3; i++) {
      disk.forgetLog();
      expect((await ledger.send(client, "T")).code).toBe(0);
      const log = disk.log();
      const created = log.findIndex((line) => /^create store\/commitlog\/\d+ 0$/.test(line));
      if (created < 0) continue;
      files++;
      const file = log[created]!.split(" ")[1]!;
      expect(log.indexOf(`sync ${file} 0`)).toBeGreaterThan(created);
      expect(log.indexOf("syncdir store/commitlog 0")).toBeGreaterThan(created);
    }
    expect(files).toBe(3);
    // So are config files, which get their names last.
    disk.forgetLog();
    expect((await ledger.send(client, "Another")).code).toBe(0);
    const log = disk.log();
    const renamed = log.indexOf("rename store/config/topics.json 0");
    expect(log.indexOf("sync store/config/topics.json.tmp 0")).toBeLessThan(renamed);
    expect(log.lastIndexOf("syncdir store/config 0")).toBeGreaterThan(renamed);
    expect((await broker.stop()).how).toBe(0);
  });

  describe.each<{ name: string; flush: "async" | "sync"; fault: DiskFault; told: RegExp }>([
    {
      name: "a sync that fails, SYNC_FLUSH",
      flush: "sync",
      fault: { on: "sync", path: "commitlog", error: "EIO" },
      told: /the CommitLog could not be flushed: EIO: i\/o error, fdatasync '.*\/store\/commitlog\/\d{20}'/,
    },
    {
      name: "a sync that fails, ASYNC_FLUSH",
      flush: "async",
      fault: { on: "sync", path: "commitlog", error: "EIO" },
      told: /the CommitLog could not be flushed: EIO: i\/o error, fdatasync '.*\/store\/commitlog\/\d{20}'/,
    },
    {
      name: "a sync of the folder that fails",
      flush: "sync",
      fault: { on: "syncdir", path: "commitlog", error: "EIO" },
      told: /the CommitLog could not be flushed: EIO: i\/o error, fsync '.*\/store\/commitlog'/,
    },
    {
      name: "a write that fails",
      flush: "async",
      fault: { on: "write", path: "commitlog", error: "EIO" },
      told: /the CommitLog could not be written: EIO: i\/o error, write '.*\/store\/commitlog\/\d{20}'/,
    },
    {
      name: "a file that can't be made",
      flush: "async",
      fault: { on: "create", path: "commitlog", error: "EIO" },
      told: /a CommitLog file could not be made: EIO: i\/o error, open '.*\/store\/commitlog\/\d{20}'/,
    },
  ])("$name", ({ flush, fault, told }) => {
    test("refuses messages with the file and the error, serves on, and has all that it acknowledged when it starts again", async () => {
      const { disk, again } = await start(flush);
      const broker = await again();
      const clients = await clientsOf(broker, 8);
      const ledger = new Ledger();
      const senders = load(ledger, clients, "T");
      await until(() => ledger.acked > 100, "answers");
      disk.fails(fault);
      await until(() => senders.refused.length > 20, "refusals");
      // It stays so, whatever the disk does then: what has failed is not tried again as if nothing was.
      disk.fails();
      const acked = ledger.acked;
      await until(() => senders.refused.length > 60, "more refusals");
      await senders.stop();
      expect(ledger.acked).toBe(acked);
      for (const { code, remark } of senders.refused) {
        expect(code).toBe(14);
        expect(remark).toMatch(told);
      }
      expect(broker.output.match(new RegExp(`ERROR the store takes no messages: ${told.source}`, "g"))?.length).toBe(1);
      // Consumers go on: those that are behind, and offsets.
      expect(await ledger.missing(clients[0]!)).toEqual([]);
      const committed = await clients[0]!.pull("G", "T", 0, 0, { subscription: "*", commit: 1 });
      expect(messagesOf(committed).length).toBeGreaterThan(0);
      const stopped = await broker.stop();
      expect(stopped.how, "the exit code says that not all is well").toBe(1);
      expect(stopped.ms).toBeLessThan(15_000);
      expect(broker.output).toContain("wasmq: not stopped cleanly");

      const next = await again();
      const client = await next.connect();
      expect(await ledger.missing(client)).toEqual([]);
      expect((await client.request(14, { consumerGroup: "G", topic: "T", queueId: "0" })).fields["offset"]).toBe("1");
      expect((await ledger.send(client, "T")).code).toBe(0);
      expect(next.output).toContain("what it may not have kept was written again");
      expect((await next.stop()).how).toBe(0);
    });
  });

  test("what a failed sync may have lost is written and synced again by the next start, or keeps it from starting", async () => {
    const { disk, again } = await start("async", { isDurable: true });
    const broker = await again();
    const clients = await clientsOf(broker, 4);
    const ledger = new Ledger();
    disk.fails({ on: "sync", path: "commitlog", error: "EIO" });
    const senders = load(ledger, clients, "T");
    await until(() => senders.refused.length > 0, "refusals");
    await broker.kill();
    await senders.stop();
    expect(ledger.acked).toBeGreaterThan(0);
    await expect(again()).rejects.toThrow(/can't be used: EIO: i\/o error, fdatasync '.*commitlog/);
    disk.fails();
    await (await again()).kill();
    // Without a second write a second sync would have nothing to do, and say so.
    disk.losePower();
    expect(await ledger.missing(await (await again()).connect())).toEqual([]);
  });

  test("trouble with config files refuses what depends on them, and no more", async () => {
    const { disk, again } = await start("sync");
    const broker = await again();
    const client = await broker.connect();
    const ledger = new Ledger();
    expect((await ledger.send(client, "Known")).code).toBe(0);
    for (const fault of [
      { on: "create", path: "topics.json", error: "EIO" },
      { on: "truncate", path: "topics.json", error: "EIO" },
      { on: "write", path: "topics.json", error: "EIO" },
      { on: "sync", path: "topics.json", error: "EIO" },
      { on: "rename", path: "topics.json", error: "EIO" },
      { on: "syncdir", path: "store/config", error: "EIO" },
    ] as const satisfies readonly DiskFault[]) {
      disk.fails(fault);
      const topic = `New-${fault.on}`;
      const refused = await ledger.send(client, topic);
      expect(refused, fault.on).toMatchObject({
        code: 1,
        remark: expect.stringMatching(/topics\.json.*EIO: i\/o error/),
      });
      expect((await ledger.send(client, "Known")).code, fault.on).toBe(0);
      disk.fails();
      expect((await ledger.send(client, topic)).code, fault.on).toBe(0);
    }
    // Half a file of a failed write is no version of it.
    disk.fails({ on: "write", path: "topics.json", error: "short" });
    expect((await ledger.send(client, "Cut")).code).toBe(14);
    await broker.kill();
    disk.fails();
    const next = await again();
    expect(await ledger.missing(await next.connect())).toEqual([]);
    expect((await next.stop()).how).toBe(0);
  });

  test("offsets that can't be written are written once they can", async () => {
    const { disk, again } = await start("async");
    const broker = await again();
    const client = await broker.connect();
    await client.send("T", "m");
    disk.fails({ on: "rename", path: "consumerOffset.json", error: "EIO" });
    await client.pull("G", "T", 0, 0, { subscription: "*", commit: 1 });
    await until(() => /consumerOffset\.json could not be written.*EIO/.test(broker.output), "trouble");
    disk.fails();
    const log = disk.log().length;
    await until(() => disk.log().slice(log).includes("rename store/config/consumerOffset.json 0"), "the file");
    await broker.kill();
    const next = await (await again()).connect();
    expect((await next.request(14, { consumerGroup: "G", topic: "T", queueId: "0" })).fields["offset"]).toBe("1");
  });

  test("a disk that is full in the middle of a write, or while a file is made, takes messages again once there is room", async () => {
    const { disk, again } = await start("sync");
    const broker = await again();
    const clients = await clientsOf(broker, 4);
    const ledger = new Ledger();
    const senders = load(ledger, clients, "T");
    for (const fault of [
      { on: "write", path: "commitlog", error: "short" },
      { on: "create", path: "commitlog", error: "ENOSPC" },
      { on: "truncate", path: "commitlog", error: "ENOSPC" },
      { on: "write", path: "commitlog", error: "ENOSPC" },
    ] as const satisfies readonly DiskFault[]) {
      const before = { acked: ledger.acked, refused: senders.refused.length };
      await until(() => ledger.acked > before.acked + 100, "answers");
      disk.fails(fault);
      await until(() => senders.refused.length > before.refused + 5, `refusals, ${fault.on}`);
      expect(await ledger.missing(clients[0]!)).toEqual([]);
      disk.fails();
      const refused = ledger.acked;
      await until(() => ledger.acked > refused + 50, `answers after ${fault.on}`);
    }
    for (const { code, remark } of senders.refused) {
      expect(code).toBe(14);
      expect(remark).toMatch(/the disk is full: ENOSPC: no space left on device, .* '.*\/store\/commitlog\/\d+'/);
    }
    await broker.kill();
    await senders.stop();
    const next = await again();
    expect(await ledger.missing(await next.connect())).toEqual([]);
    expect((await next.stop()).how).toBe(0);
  });

  test("syncs of seconds: memory stays, consumers go on, senders hear soon that it is busy, and what is acknowledged is kept", async () => {
    const { disk, again } = await start("sync", { isDurable: false });
    const broker = await again();
    const ledger = new Ledger();
    const [reader, prober, ...floods] = await clientsOf(broker, 6);
    await ledger.send(reader!, "T");
    const residentBefore = residentBytes(broker.pid);
    let residentMost = residentBefore;
    disk.fails({ on: "sync", path: "commitlog", delayMs: 2_500 });
    // Whatever is answered makes room for another one: 4,000 at a time on each connection.
    const codes = new Map<number, number>();
    const remarks = new Set<string>();
    let isOver = false;
    const acked: Promise<unknown>[] = [];
    const flood = async (client: RemotingClient): Promise<void> => {
      while (!isOver) {
        const { code, remark } = await ledger.send(client, "T", 1);
        codes.set(code, (codes.get(code) ?? 0) + 1);
        if (code !== 0) remarks.add(remark?.replace(/\d+/g, "N") ?? "");
        if (code === 2) await pause(20);
      }
    };
    for (const client of floods) for (let i = 0; i < 4_000; i++) acked.push(flood(client));
    const pulls: number[] = [];
    const refusals: number[] = [];
    const untilMs = performance.now() + 4_000;
    while (performance.now() < untilMs) {
      const startedAt = performance.now();
      expect((await reader!.pull("G", "T", 0, 0, { subscription: "*" })).code).toBe(0);
      pulls.push(performance.now() - startedAt);
      const sentAt = performance.now();
      const probe = ledger.send(prober!, "T", 2).then(({ code }) => {
        if (code === 2) refusals.push(performance.now() - sentAt);
      });
      await Promise.race([probe, pause(20)]);
      residentMost = Math.max(residentMost, residentBytes(broker.pid));
    }
    isOver = true;
    disk.fails();
    await Promise.all(acked);
    // At the least one send is part of the first sync, and its sender is refused each 20 ms of the 1.5 s that are left.
    expect(codes.get(2)).toBeGreaterThan(20);
    expect([...remarks].join("\n")).toMatch(/^\[PC_SYNCHRONIZED\]broker busy.*osPageCacheBusyTimeOutMills/m);
    expect((residentMost - residentBefore) / mib).toBeLessThan(200);
    // Nobody waits for the syncs, on a busy machine either; means, since that may hold up any single one.
    expect(mean(pulls)).toBeLessThan(1_500);
    expect(refusals.length).toBeGreaterThan(5);
    expect(mean(refusals)).toBeLessThan(1_500);
    await until(async () => (await ledger.send(prober!, "T")).code === 0, "the end of the flow control");
    await broker.kill();
    expect(await ledger.missing(await (await again()).connect())).toEqual([]);
  });

  test("SIGTERM while the disk is slow ends cleanly; while it hangs, in its time and with a code that says so", async () => {
    const { disk, again } = await start("sync");
    const slow = await again();
    const ledger = new Ledger();
    expect((await ledger.send(await slow.connect(), "T")).code).toBe(0);
    disk.fails({ on: "sync", delayMs: 200 });
    const inSlow = ledger.send(await slow.connect(), "T");
    await pause(50);
    expect((await slow.stop()).how).toBe(0);
    expect((await inSlow).code).toBe(0);

    disk.fails();
    const hanging = await again("--stop-timeout", "1");
    const client = await hanging.connect();
    expect((await ledger.send(client, "T")).code).toBe(0);
    disk.fails({ on: "sync", delayMs: 120_000 });
    const never = ledger.send(client, "T");
    await pause(50);
    const { how, ms } = await hanging.stop();
    expect(how).toBe(1);
    expect(ms).toBeLessThan(15_000);
    expect(hanging.output).toMatch(/not stopped cleanly: the disk did not do what was left in 1 s/);
    expect((await never).code).not.toBe(0);
    disk.fails();
    expect(await ledger.missing(await (await again()).connect())).toEqual([]);
  });
});

// Mounting needs root; the same errors on any machine are among the above.
test.skipIf(process.getuid?.() !== 0 || process.platform !== "linux")(
  "a file system that is full: what is there is served, after a kill too, and messages are taken again once there is room",
  { timeout: timeoutMs },
  async ({ skip }) => {
    const mountPoint = mkdtempSync(join(tmpdir(), "wasmq-full-"));
    ends.push(() => rmSync(mountPoint, { recursive: true, force: true }));
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", mountPoint]);
    if (mounted.status !== 0) skip(`no file system can be mounted here: ${mounted.stderr}`);
    ends.push(() => void spawnSync("umount", ["-l", mountPoint]));
    const store = join(mountPoint, "store");
    mkdirSync(store);
    // No look at the disk's watermarks comes before the write that fails.
    writeFileSync(join(store, "broker.conf"), "cleanResourceInterval=3600000\n");
    const broker = await BrokerProcess.start({ store });
    ends.push(() => broker.kill());
    const clients = await clientsOf(broker, 4);
    const ledger = new Ledger();
    const senders = load(ledger, clients, "T");
    await until(() => senders.refused.length > 50, "a full disk");
    // A machine that is busy with something else may be told to be so (SYSTEM_BUSY).
    const refused = senders.refused.filter(({ code }) => code !== 2);
    expect([...new Set(refused.map(({ code }) => code))]).toEqual([14]);
    expect(refused[0]!.remark).toMatch(/the disk is full: ENOSPC: no space left on device, write '.*commitlog/);
    expect(broker.output).toMatch(/ERROR the store takes no messages: the disk is full: ENOSPC/);
    expect(await ledger.missing(clients[0]!)).toEqual([]);
    const acked = ledger.acked;
    expect(statSync(mountPoint).isDirectory()).toBe(true);
    spawnSync("mount", ["-o", "remount,size=64m", mountPoint]);
    await until(() => ledger.acked > acked + 500, "answers once there is room");
    await broker.kill();
    await senders.stop();
    const next = await BrokerProcess.start({ store });
    ends.push(() => next.kill());
    expect(await ledger.missing(await next.connect())).toEqual([]);
    await next.kill();

    // Killed on a full disk, it starts again there and is read.
    const filler = join(mountPoint, "filler");
    const filled = spawnSync("dd", ["if=/dev/zero", `of=${filler}`, "bs=4096"], { encoding: "utf8" });
    expect(filled.stderr).toMatch(/No space left/);
    const settings = `${mountPoint}.conf`;
    writeFileSync(settings, "cleanResourceInterval=500\n");
    ends.push(() => rmSync(settings));
    const full = await BrokerProcess.start({ store, args: ["-c", settings] });
    ends.push(() => full.kill());
    expect(full.output).toMatch(/ERROR the store takes no messages: the disk is full: ENOSPC/);
    const client = await full.connect();
    expect(await ledger.missing(client)).toEqual([]);
    expect(await client.trySend("T", "refused")).toMatchObject({ code: 14, remark: expect.stringMatching(/is full/) });
    rmSync(filler);
    await until(async () => (await client.trySend("T", "taken")).code === 0, "room");
    expect((await full.stop()).how).toBe(0);
  },
);

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
