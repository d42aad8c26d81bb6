import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Figures } from "../figures.ts";
import type { LoadResult } from "../load/tally.ts";
import type { MeasuredProcess } from "../server.ts";

const LOAD = fileURLToPath(new URL("../load.ts", import.meta.url));
/** A load ends by itself; this is for a server that stops answering. */
const LOAD_OVERTIME_MS = 20_000;

export interface LoadTarget {
  readonly server: MeasuredProcess;
  readonly protocol: "remoting" | "resp" | "nats";
  readonly port: number;
}

export interface LoadShape {
  readonly topic: string;
  readonly connections: number;
  readonly window: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  /** A property of each message: NAME=VALUE. */
  readonly property?: string;
}

/** Our generator's senders, in a process of its own. */
export async function sendGenerated(target: LoadTarget, shape: LoadShape): Promise<Figures> {
  const args = [
    ...["--topic", shape.topic, "--connections", String(shape.connections), "--window", String(shape.window)],
    ...["--warmup-ms", String(shape.warmupMs), "--duration-ms", String(shape.durationMs)],
    ...(shape.property === undefined ? [] : ["--property", shape.property]),
  ];
  return load(target, args, shape.warmupMs + shape.durationMs);
}

/** Our generator's puller, for as long as there are messages. */
export async function drainGenerated(target: LoadTarget, topic: string, durationMs: number): Promise<Figures> {
  return load(target, ["--pull", "--topic", topic, "--duration-ms", String(durationMs)], durationMs);
}

async function load({ server, protocol, port }: LoadTarget, args: readonly string[], ms: number): Promise<Figures> {
  const to = ["--protocol", protocol, "--port", String(port), "--pid", String(server.pid)];
  const syncs = server.syncFile === undefined ? [] : ["--sync-file", server.syncFile];
  const result = await run(server, [...to, ...syncs, ...args], ms);
  // A rate that counts refusals as work done is no rate.
  if (result.errors > 0) throw new Error(`load ${args.join(" ")}: ${result.errors} errors, first: ${result.error}`);
  return result.figures;
}

function run(server: MeasuredProcess, args: readonly string[], expectedMs: number): Promise<LoadResult> {
  const child = spawn(process.execPath, [LOAD, ...args], {
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
      if (code !== 0) reject(new Error(`load ${args.join(" ")}: ${signal ?? code}\n${server.output()}`));
      else resolve(JSON.parse(output) as LoadResult);
    });
  });
}
