/** Faults with figures: what each costs those who behave, what is told to whom, and what is kept. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { memoryOf } from "../../bench/proc.ts";
import type { RemotingClient } from "../lib/remoting-client.ts";
import { backlogTopic, type PeerKind, type PeersReport } from "./bad-peers.ts";
import { BrokerProcess } from "./broker-process.ts";
import { type DiskFault, FailingDisk } from "./disk.ts";
import { Ledger } from "./ledger.ts";

const stalledMs = 1_000;
const program = fileURLToPath(new URL("bad-peers.ts", import.meta.url));

export interface Fault {
  readonly name: string;
  readonly peers?: { readonly kind: PeerKind; readonly count: number; readonly areStopped?: boolean };
  /** The disk's; from the moment the peers are at it. */
  readonly disk?: DiskFault;
  readonly flush?: "async" | "sync";
  /** Of the broker's broker.conf. */
  readonly settings?: string;
  readonly descriptors?: number;
  /** Messages of 4 KB in queue 0 of the topic that bad readers read. */
  readonly backlog?: number;
}

/** Milliseconds until an answer. */
export interface Latency {
  /** Without any answer Infinity. */
  readonly p99: number;
  readonly count: number;
}

export interface FaultFigures {
  readonly name: string;
  /** Of the broker, bytes: before the fault, and the most while it lasted. */
  readonly resident: { readonly before: number; readonly most: number };
  /** One that sends a message after the other: only what was acknowledged, since a refusal is quick. */
  readonly sender: { readonly before: Latency; readonly meanwhile: Latency };
  /** One that pulls again and again. */
  readonly reader: { readonly before: Latency; readonly meanwhile: Latency };
  readonly peers: PeersReport | undefined;
  /** What the sender was told instead of success, by code and remark. */
  readonly refused: Readonly<Record<string, number>>;
  /** Messages acknowledged to the sender, and those of them that are gone after SIGKILL and a start without the fault. */
  readonly acked: number;
  readonly missing: number;
}

/** Bad peers (bad-peers.ts) in a process. */
class BadPeers {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(kind: PeerKind, port: number, count: number): Promise<BadPeers> {
    const child = fork(program, [kind, String(port), String(count)]);
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`the ${kind} ended with ${code}`);
    });
    ended.catch(() => {});
    await Promise.race([once(child, "message"), ended]);
    return new BadPeers(child);
  }

  stopRunning(): void {
    this.#child.kill("SIGSTOP");
  }

  async report(): Promise<PeersReport> {
    this.#child.kill("SIGCONT");
    // What arrived in the meantime is heard first.
    await pause(100);
    this.#child.send("report");
    return (await once(this.#child, "message"))[0] as PeersReport;
  }

  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
  }
}

/** Starts the command, measures those who behave for `seconds` without the fault and with it, kills it and counts. */
export async function measure(fault: Fault, seconds: number): Promise<FaultFigures> {
  const ends: (() => unknown)[] = [];
  try {
    const disk = fault.disk === undefined ? undefined : new FailingDisk();
    const folder = mkdtempSync(join(tmpdir(), "wasmq-faults-"));
    ends.push(
      () => rmSync(folder, { recursive: true, force: true }),
      () => disk?.remove(),
    );
    const store = join(disk?.root ?? folder, "store");
    mkdirSync(store);
    writeFileSync(join(store, "broker.conf"), fault.settings ?? "");
    const start = async (): Promise<BrokerProcess> => {
      const { flush = "async", descriptors } = fault;
      const broker = await BrokerProcess.start({
        store,
        args: ["--flush", flush, ...(fault.settings === undefined ? [] : ["-c", join(store, "broker.conf")])],
        ...(disk === undefined ? {} : { env: disk.env }),
        ...(descriptors === undefined ? {} : { descriptors }),
      });
      ends.push(() => broker.kill());
      return broker;
    };
    const broker = await start();
    const [sending, reading] = [await broker.connect(), await broker.connect()];
    await sending.send(backlogTopic, "first", { queueId: 1 });
    for (let i = 0; i < (fault.backlog ?? 0); i++) await sending.send(backlogTopic, "m".repeat(4_000));

    const ledger = new Ledger();
    const load = new Load(ledger, sending, reading);
    await pause(500);
    load.phase();
    await pause(seconds * 1_000);
    const before = load.phase();
    const residentBefore = memoryOf(broker.pid).residentBytes;
    forgetPeak(broker.pid);

    let peers: BadPeers | undefined;
    if (fault.peers !== undefined) {
      peers = await BadPeers.start(fault.peers.kind, broker.brokerPort, fault.peers.count);
      ends.push(() => peers!.end());
      if (fault.peers.areStopped) peers.stopRunning();
    }
    if (fault.disk !== undefined) {
      disk!.fails(fault.disk);
      load.phase();
    }
    await pause(seconds * 1_000);
    const meanwhile = load.phase();
    const residentMost = memoryOf(broker.pid).peakBytes;
    const told = await peers?.report();
    const stopped = load.stop();
    await broker.kill();
    await stopped;
    await peers?.end();
    disk?.fails();
    const missing = await ledger.missing(await (await start()).connect());
    return {
      name: fault.name,
      resident: { before: residentBefore, most: residentMost },
      sender: { before: before.sender, meanwhile: meanwhile.sender },
      reader: { before: before.reader, meanwhile: meanwhile.reader },
      peers: told,
      refused: load.refused,
      ...{ acked: ledger.acked, missing: missing.length },
    };
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

/** One sender and one reader who behave, at some hundred requests a second each. */
class Load {
  readonly refused: Record<string, number> = {};
  readonly #taken: Record<"sender" | "reader", number[]> = { sender: [], reader: [] };
  #isOver = false;
  readonly #ended: Promise<unknown>;
  /** When what is not answered yet was asked: after `stalledMs` it counts for as long as it has taken. */
  readonly #asked: Record<"sender" | "reader", number | undefined> = { sender: undefined, reader: undefined };

  constructor(ledger: Ledger, sending: RemotingClient, reading: RemotingClient) {
    this.#ended = Promise.all([
      this.#loop("sender", async () => {
        const { code, remark } = await ledger.send(sending, "T", ledger.count % 4);
        if (code === 0 || this.#isOver) return code === 0;
        const what = `${code} ${(remark ?? "").replace(/'.*\/store\//, "'").replace(/\d+(\.\d+)?/g, "N")}`;
        this.refused[what] = (this.refused[what] ?? 0) + 1;
        return false;
      }),
      this.#loop("reader", async () => (await reading.pull("Good", "T", 0, 0, { subscription: "*" })).code >= 0),
    ]);
  }

  /** What was measured since the last call. */
  phase(): { readonly sender: Latency; readonly reader: Latency } {
    return { sender: this.#latency("sender"), reader: this.#latency("reader") };
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#ended;
  }

  async #loop(who: "sender" | "reader", ask: () => Promise<boolean>): Promise<void> {
    while (!this.#isOver) {
      const startedAt = performance.now();
      this.#asked[who] = startedAt;
      if (await ask()) this.#taken[who].push(performance.now() - startedAt);
      this.#asked[who] = undefined;
      await pause(2);
    }
  }

  #latency(who: "sender" | "reader"): Latency {
    const values = this.#taken[who].splice(0);
    const waiting = performance.now() - (this.#asked[who] ?? Number.POSITIVE_INFINITY);
    if (waiting > stalledMs) values.push(waiting);
    values.sort((a, b) => a - b);
    return { p99: values[Math.ceil(values.length * 0.99) - 1] ?? Number.POSITIVE_INFINITY, count: values.length };
  }
}

/** VmHWM counts from here on (proc(5), clear_refs). */
function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
