import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { underLoad } from "./big-store.ts";
import { brokerPom, classpathOf, missingJavaTool } from "./java.ts";
import { cpuUs } from "./proc.ts";
import type { BenchRow } from "./rows.ts";
import { freePort, javaOpens, type Spawned, spawned, wasmqCli } from "./server.ts";

const run = promisify(execFile);

const GB = 1e9;
const ROUNDS = 3;
const LOOK_MS = 5;
const START_DEADLINE_MS = 600_000;
/** A process id that no system gives: whoever wrote `abort` is gone. */
const GONE = "4194305";

type Owner = "wasmq" | "Apache";

/** What is known of what was flushed: all, or nothing. */
const CHECKPOINTS = ["recent", "absent"] as const;
const CACHES = ["warm", "cold"] as const;

interface Opened {
  /** From the spawn of the process until it says that it serves. */
  readonly ms: number;
  /** User and system time of the process until then: what moves least with the machine. */
  readonly cpuMs: number;
  /** Of wasmq, what it says of its recovery. */
  readonly recovered: { readonly ms: number; readonly records: number } | undefined;
}

/** Start-up after a crash on a store of so many gigabytes, wasmq beside Apache RocketMQ 5.5.0 on the same files. */
export async function benchRecovery(gigabytes: number): Promise<BenchRow[]> {
  const missing = await missingJavaTool();
  if (missing !== undefined) console.log(`Apache RocketMQ is left out: ${missing}`);
  const classpath = missing === undefined ? await classpathOf(brokerPom) : undefined;
  const owners: readonly Owner[] = classpath === undefined ? ["wasmq"] : ["wasmq", "Apache"];
  const directory = mkdtempSync(join(tmpdir(), "wasmq-bench-recovery-"));
  const remove = (): void => rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  process.once("exit", remove);
  try {
    const empty = new CrashedStore(join(directory, "empty"), classpath);
    const full = new CrashedStore(join(directory, "full"), classpath);
    await full.fill(gigabytes * GB);
    const bytes = full.logBytes();
    const rows: BenchRow[] = [{ name: "the CommitLog", value: bytes / GB, unit: "GB" }];
    for (const owner of owners) {
      rows.push({ name: `${owner}, start-up with an empty store`, value: seconds(await empty.open(owner)), unit: "s" });
    }
    for (const checkpoint of CHECKPOINTS) {
      for (const cache of CACHES) {
        const took = new Map<Owner, Opened[]>(owners.map((owner) => [owner, []]));
        for (let round = 0; round < ROUNDS; round++) {
          for (const owner of owners) {
            await full.restore(checkpoint === "recent");
            if (cache === "cold") await full.chill();
            else await full.warm();
            took.get(owner)!.push(await full.open(owner));
          }
        }
        rows.push(
          ...compared(`checkpoint ${checkpoint}, cache ${cache}`, took, checkpoint === "absent" ? bytes : undefined),
        );
      }
    }
    return rows;
  } finally {
    process.off("exit", remove);
    remove();
  }
}

/** `scanned`: the bytes that recovery looks at, where they are known. */
function compared(name: string, took: ReadonlyMap<Owner, readonly Opened[]>, scanned: number | undefined): BenchRow[] {
  const rows: BenchRow[] = [];
  const ours = took.get("wasmq")!;
  const theirs = took.get("Apache");
  const value = medianOf(ours.map(seconds));
  const cpu = (opened: readonly Opened[]): number => medianOf(opened.map(({ cpuMs }) => cpuMs)) / 1000;
  if (theirs === undefined) {
    rows.push({ name: `wasmq, start-up, ${name}`, value, unit: "s" });
  } else {
    const apache = medianOf(theirs.map(seconds));
    const ratio = medianOf(ours.map((one, round) => one.ms / theirs[round]!.ms));
    const beside = `Apache (${apache.toFixed(1)} s)`;
    rows.push({ name: `wasmq, start-up, ${name}`, value, unit: "s", ratio: { beside, value: ratio } });
    rows.push({ name: `wasmq by Apache, start-up, ${name}`, value: ratio, unit: "", goal: "<= 1" });
    rows.push({ name: `Apache, CPU of it, ${name}`, value: cpu(theirs), unit: "s" });
  }
  rows.push({ name: `wasmq, CPU of it, ${name}`, value: cpu(ours), unit: "s" });
  const recovered = ours.flatMap(({ recovered }) => recovered ?? []);
  if (recovered.length > 0) {
    rows.push({
      name: `wasmq, recovery alone, ${name}`,
      value: medianOf(recovered.map(({ ms }) => ms)) / 1000,
      unit: "s",
    });
    if (scanned !== undefined) {
      rows.push({
        name: `wasmq, scanned, ${name}`,
        value: scanned / 1e6 / medianOf(recovered.map(({ ms }) => ms)),
        unit: "GB/s",
      });
      rows.push({ name: `wasmq, scanned, ${name}`, value: recovered[0]!.records / 1e6, unit: "million records" });
    }
  }
  return rows;
}

function seconds({ ms }: Opened): number {
  return ms / 1000;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** A store with `abort` in it, that is brought back to what it was after each opening: CommitLogs stay, the rest is copied. */
class CrashedStore {
  readonly #store: string;
  readonly #saved: string;
  /** What servers need beside the store. */
  readonly #scratch: string;
  readonly #classpath: string | undefined;
  #segments: readonly string[] = [];

  constructor(directory: string, classpath: string | undefined) {
    this.#store = join(directory, "store");
    this.#saved = join(directory, "saved");
    this.#scratch = join(directory, "scratch");
    this.#classpath = classpath;
    for (const folder of [this.#store, this.#saved]) mkdirSync(folder, { recursive: true });
  }

  /** Has wasmq write so many bytes of CommitLog and stop: with `abort` put back, that is a crash of whom nothing was left to flush. */
  async fill(bytes: number): Promise<void> {
    const port = await freePort();
    const server = this.#spawnWasmq(port);
    await served(server);
    await underLoad(server, port, "send", () => this.logBytes() >= bytes);
    // Gigabytes that the disk has yet to take: it may need longer than a stop is given elsewhere.
    server.child.kill("SIGTERM");
    while (server.running()) await sleep(LOOK_MS);
    const how = await server.stop();
    if (how !== 0) throw new Error(`wasmq ended by ${how}\n${server.output()}`);
    this.#segments = readdirSync(join(this.#store, "commitlog")).sort();
    for (const name of readdirSync(this.#store)) {
      if (name !== "commitlog") await run("cp", ["-a", "--sparse=auto", join(this.#store, name), this.#saved]);
    }
    writeFileSync(join(this.#saved, "abort"), GONE);
  }

  /** What is in the CommitLog; its files are sparse. */
  logBytes(): number {
    const folder = join(this.#store, "commitlog");
    let names: string[];
    try {
      names = readdirSync(folder);
    } catch {
      return 0;
    }
    return names.reduce((sum, name) => sum + statSync(join(folder, name)).blocks * 512, 0);
  }

  async restore(withCheckpoint: boolean): Promise<void> {
    for (const name of readdirSync(this.#store)) {
      if (name !== "commitlog") rmSync(join(this.#store, name), { recursive: true, force: true });
    }
    // Apache makes files ahead.
    for (const name of readdirSync(join(this.#store, "commitlog"))) {
      if (!this.#segments.includes(name)) rmSync(join(this.#store, "commitlog", name));
    }
    for (const name of readdirSync(this.#saved)) {
      if (name === "checkpoint" && !withCheckpoint) continue;
      await run("cp", ["-a", "--sparse=auto", join(this.#saved, name), this.#store]);
    }
    // What waits to be written is neither to be paid for by who opens the store, nor kept in the cache by it.
    await run("sync", files(this.#store));
  }

  /** Reads the CommitLog, so that the system has as much of it in memory as it can. */
  async warm(): Promise<void> {
    for (const name of this.#segments)
      await run("dd", [`if=${join(this.#store, "commitlog", name)}`, "of=/dev/null", "bs=1M"]);
  }

  /** Has the system forget the files (posix_fadvise, POSIX_FADV_DONTNEED): without privilege, and nobody else's. */
  async chill(): Promise<void> {
    for (const file of files(this.#store))
      await run("dd", [`of=${file}`, "oflag=nocache", "conv=notrunc,fdatasync", "count=0"]);
  }

  /** Opens it, and kills who has opened it. */
  async open(owner: Owner): Promise<Opened> {
    const port = await freePort([-2, 0, 1]);
    const startMs = performance.now();
    const server = owner === "wasmq" ? this.#spawnWasmq(port) : this.#spawnApache(port);
    await served(server);
    const ms = performance.now() - startMs;
    const cpuMs = cpuUs(server.pid) / 1000;
    const told = /the store is open .*$/m.exec(server.output())?.[0] ?? "";
    await server.kill();
    const number = (name: string): number => Number(new RegExp(` ${name}=(\\d+)`).exec(told)?.[1]);
    const recovered = owner === "wasmq" ? { ms: number("ms"), records: number("recordsChecked") } : undefined;
    return { ms, cpuMs, recovered };
  }

  #spawnWasmq(port: number): Spawned {
    mkdirSync(this.#scratch, { recursive: true });
    const args = [wasmqCli, "broker", "--store", this.#store, "--broker-port", String(port)];
    return spawned({ command: process.execPath, args, directory: this.#scratch });
  }

  #spawnApache(port: number): Spawned {
    mkdirSync(this.#scratch, { recursive: true });
    const conf = join(this.#scratch, "broker.conf");
    const settings = {
      ...{ brokerName: "broker-a", brokerIP1: "127.0.0.1", bindAddress: "127.0.0.1", listenPort: port },
      ...{ storePathRootDir: this.#store, storePathCommitLog: join(this.#store, "commitlog") },
    };
    writeFileSync(
      conf,
      Object.entries(settings)
        .map(([key, value]) => `${key}=${value}\n`)
        .join(""),
    );
    const home = [`-Duser.home=${this.#scratch}`, "-cp", this.#classpath!];
    return spawned({
      command: "java",
      args: ["-Xms2g", "-Xmx2g", ...javaOpens, ...home, "org.apache.rocketmq.broker.BrokerStartup", "-c", conf],
      env: { ROCKETMQ_HOME: this.#scratch },
      directory: this.#scratch,
    });
  }
}

async function served(server: Spawned): Promise<void> {
  const endMs = performance.now() + START_DEADLINE_MS;
  while (!server.output().includes("boot success")) {
    if (!server.running() || performance.now() > endMs)
      throw new Error(`the broker did not start:\n${server.output()}`);
    await sleep(LOOK_MS);
  }
}

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
