import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { LoadResult } from "./load.ts";
import { residentBytes } from "./proc.ts";
import { RemotingClient } from "./remoting-client.ts";
import type { BenchRow } from "./rows.ts";
import { type FlushMode, freePort, type Server, spawnWasmq, startApache, startWasmq } from "./server.ts";

const LOAD = fileURLToPath(new URL("./load.ts", import.meta.url));
const APACHE = "Apache RocketMQ 5.5.0";
/** After its start a server still compiles and collects what starting left behind; then its memory is its own. */
const IDLE_AFTER_MS = 2000;
/** HotSpot doubles Apache's rate within its first half minute under load. */
const APACHE_WARMUP_MS = 30_000;
const LOAD_MS = 3000;
const DRAIN_MS = 8000;
/** A load ends by itself; this is for a server that stops answering. */
const LOAD_OVERTIME_MS = 20_000;
const START_RUNS = 5;

/** A send load and what is asked of it. */
interface Shape {
  name: string;
  connections: number;
  window: number;
  warmupMs: number;
  rateGoal?: string;
  cpuGoal?: string;
}

const SHAPES: readonly Shape[] = [
  {
    name: "pipelined 8 x 64",
    connections: 8,
    window: 64,
    // The first load on a fresh process: V8 needs this long to have compiled the send path.
    warmupMs: 2000,
    rateGoal: ">= 100000",
    cpuGoal: "<= 10",
  },
  { name: "64 senders, one at a time", connections: 64, window: 1, warmupMs: 500 },
  { name: "1 sender, one at a time", connections: 1, window: 1, warmupMs: 500 },
];

/** Send, drain and memory of a running broker over loopback, 1 KB bodies; with `apacheJars` the same of Apache's. */
export async function benchBroker(apacheJars: string | undefined): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const flush of ["async", "sync"] as const) {
    const own = await measureBroker(await startWasmq({ flush }), flush, 0);
    if (apacheJars === undefined) {
      rows.push(...own);
      continue;
    }
    const apache = await measureBroker(await startApache(apacheJars, { flush }), flush, APACHE_WARMUP_MS);
    const beside = new Map(apache.map((row) => [row.name, row.value]));
    rows.push(
      ...own.map((row) => {
        const value = beside.get(row.name);
        return value
          ? { ...row, ratio: { beside: `${APACHE} (${value} ${row.unit})`, value: row.value / value } }
          : row;
      }),
    );
  }
  return rows;
}

export async function measureBroker(server: Server, flush: FlushMode, warmupMs: number): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  try {
    if (flush === "async") {
      await sleep(IDLE_AFTER_MS);
      rows.push({ name: "resident, idle", value: residentMb(server), unit: "MB", goal: "<= 100" });
    }
    if (warmupMs > 0) await load(server, ["--topic", "BenchWarmup", "--duration-ms", String(warmupMs)], warmupMs);
    for (const [index, shape] of SHAPES.entries()) {
      const result = await load(
        server,
        [
          ...["--topic", `BenchLoad${index}`],
          ...["--connections", String(shape.connections), "--window", String(shape.window)],
          ...["--warmup-ms", String(shape.warmupMs), "--duration-ms", String(LOAD_MS)],
        ],
        shape.warmupMs + LOAD_MS,
      );
      rows.push(...sendRows(shape, flush, result));
    }
    if (flush === "async") {
      const drain = await load(
        server,
        ["--pull", "--topic", "BenchLoad0", "--duration-ms", String(DRAIN_MS)],
        DRAIN_MS,
      );
      rows.push({ name: "drain a backlog, 8 queues", value: drain.messagesPerSecond, unit: "msgs/s" });
      rows.push({ name: "drain a backlog, server CPU", value: drain.serverCpuUsPerMessage!, unit: "us/msg" });
      rows.push({ name: "resident, after load", value: residentMb(server), unit: "MB" });
    }
  } finally {
    await server.stop();
  }
  return rows;
}

function sendRows(shape: Shape, flush: FlushMode, result: LoadResult): BenchRow[] {
  const name = `${shape.name}, ${flush} flush`;
  // The goals are those of asynchronous flush: with the disk in the path they would judge the disk.
  const goal = (text: string | undefined) => (text === undefined || flush === "sync" ? {} : { goal: text });
  const rows: BenchRow[] = [
    { name, value: result.messagesPerSecond, unit: "msgs/s", ...goal(shape.rateGoal) },
    { name: `${name}, server CPU`, value: result.serverCpuUsPerMessage!, unit: "us/msg", ...goal(shape.cpuGoal) },
    { name: `${name}, p50`, value: result.p50Us, unit: "us" },
    { name: `${name}, p99`, value: result.p99Us, unit: "us" },
  ];
  if (result.busy > 0) rows.push({ name: `${name}, refused as busy`, value: result.busy, unit: "msgs", goal: "<= 0" });
  return rows;
}

function load(server: Server, args: readonly string[], expectedMs: number): Promise<LoadResult> {
  const target = ["--port", String(server.brokerPort), "--pid", String(server.pid)];
  const child = spawn(process.execPath, [LOAD, ...target, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: expectedMs + LOAD_OVERTIME_MS,
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (code !== 0) return reject(new Error(`load ${args.join(" ")}: ${signal ?? code}\n${server.output()}`));
      const result = JSON.parse(output) as LoadResult;
      // A rate that counts refusals as work done is no rate.
      if (result.errors > 0)
        reject(new Error(`load ${args.join(" ")}: ${result.errors} errors, first: ${result.error}`));
      else resolve(result);
    });
  });
}

/** From the spawn of the process to the first acknowledged message of a client that was already trying to connect. */
export async function benchStart(): Promise<BenchRow[]> {
  const times: number[] = [];
  for (let run = 0; run < START_RUNS; run++) times.push(await startToFirstAck());
  times.sort((a, b) => a - b);
  return [
    {
      name: `start to first ack, median of ${START_RUNS}`,
      value: times[times.length >> 1]!,
      unit: "ms",
      goal: "<= 1000",
    },
    { name: `start to first ack, max of ${START_RUNS}`, value: times.at(-1)!, unit: "ms", goal: "<= 1000" },
  ];
}

async function startToFirstAck(): Promise<number> {
  const [namesrvPort, brokerPort] = [await freePort(), await freePort()];
  const startMs = performance.now();
  const wasmq = spawnWasmq({ namesrvPort, brokerPort });
  try {
    const client = await RemotingClient.connect({ port: brokerPort, connectDeadlineMs: 10_000 });
    const answer = await client.request(
      310,
      // biome-ignore format: the letters of SendMessageRequestHeaderV2, one line
      { a: "P", b: "BenchStart", c: "TBW102", d: "4", e: "0", f: "0", g: String(Date.now()), h: "0", i: "", j: "0", k: "false", m: "false" },
      Buffer.from("hello"),
    );
    const ms = Math.round(performance.now() - startMs);
    await client.close();
    if (answer.code !== 0) throw new Error(`the first message was refused with ${answer.code}: ${answer.remark}`);
    return ms;
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${wasmq.output()}`);
  } finally {
    await wasmq.stop();
  }
}

function residentMb(server: Server): number {
  return Math.round(residentBytes(server.pid) / 1e6);
}
