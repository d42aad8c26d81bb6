import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server as NetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { RemotingClient } from "./remoting-client.ts";
import { countingSyncs } from "./syncs.ts";
import type { Watched } from "./usage.ts";

export type FlushMode = "async" | "sync";

export interface ServerOptions {
  flush?: FlushMode;
  /** 0 or absent: a free one. */
  namesrvPort?: number;
  brokerPort?: number;
  startDeadlineMs?: number;
  /** The library of `syncLibrary`: with it `syncFile` is there. */
  syncLibrary?: string | undefined;
  /** Options of the Node that runs wasmq. */
  nodeOptions?: readonly string[];
}

/** A process that is measured, with a store that is gone after `stop`. */
export interface MeasuredProcess extends Watched {
  /** What it printed, both streams; for messages about a failure. */
  output(): string;
  running(): boolean;
  /** Asks it to end and says how it did: the exit code, or the signal that was needed. */
  stop(): Promise<number | string>;
  /** Ends it at once: what it has not written to the disk yet is never written. */
  kill(): Promise<void>;
}

/** A broker of RocketMQ's protocol with its NameServer; the process is the broker's. */
export interface Server extends MeasuredProcess {
  readonly namesrvPort: number;
  readonly brokerPort: number;
}

export const wasmqCli = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const NAMESRV_STARTED = /The Name Server\[127\.0\.0\.1:(\d+)\] boot success/;
const BROKER_STARTED = /The broker\[broker-a, 127\.0\.0\.1:(\d+)\] boot success/;
const STOP_DEADLINE_MS = 10_000;
const OUTPUT_CHARS_MAX = 64 * 1024;
const PORT_TRIES_MAX = 200;
const GET_ROUTEINFO_BY_TOPIC = 105;

/** A server that may not have finished starting. */
export interface Spawned extends MeasuredProcess {
  readonly child: ChildProcess;
}

export function spawnWasmq(options: ServerOptions = {}): Spawned {
  const directory = mkdtempSync(join(tmpdir(), "wasmq-bench-"));
  const args = [
    ...(options.nodeOptions ?? []),
    wasmqCli,
    ...["--store", directory],
    ...["--namesrv-port", String(options.namesrvPort ?? 0)],
    ...["--broker-port", String(options.brokerPort ?? 0)],
    ...(options.flush === undefined ? [] : ["--flush", options.flush]),
  ];
  return spawned({ command: process.execPath, args, directory, syncLibrary: options.syncLibrary });
}

export async function startWasmq(options: ServerOptions = {}): Promise<Server> {
  const wasmq = spawnWasmq(options);
  const started = await waitFor(
    wasmq,
    () => {
      const namesrv = NAMESRV_STARTED.exec(wasmq.output());
      const broker = BROKER_STARTED.exec(wasmq.output());
      return namesrv && broker ? { namesrvPort: Number(namesrv[1]), brokerPort: Number(broker[1]) } : undefined;
    },
    options.startDeadlineMs ?? 10_000,
  );
  return serverOf(wasmq, started, []);
}

/**
 * Apache RocketMQ (rocketmq-broker and rocketmq-namesrv with what they depend on, as java's -cp takes them), on loopback and
 * with a store of its own. Its heap is the 2 GiB that a machine of two cores can spare, else it has its defaults.
 */
export async function startApache(classpath: string, options: ServerOptions = {}): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), "rocketmq-bench-"));
  const namesrvPort = options.namesrvPort || (await freePort());
  // Its fast channel is two below, its replication one above.
  const brokerPort = options.brokerPort || (await freePort([-2, 0, 1]));
  const conf = (name: string, lines: readonly string[]): string => {
    const path = join(directory, name);
    writeFileSync(path, `${lines.join("\n")}\n`);
    return path;
  };
  const java = (main: string, heap: readonly string[], args: readonly string[], library?: string): Spawned =>
    spawned({
      command: "java",
      args: [...heap, ...javaOpens, `-Duser.home=${directory}`, "-cp", classpath, main, ...args],
      env: { ROCKETMQ_HOME: directory, NAMESRV_ADDR: `127.0.0.1:${namesrvPort}` },
      directory,
      syncLibrary: library,
    });
  const namesrvConf = conf("namesrv.conf", [`listenPort=${namesrvPort}`, "bindAddress=127.0.0.1"]);
  const brokerConf = conf("broker.conf", [
    "brokerName=broker-a",
    "brokerIP1=127.0.0.1",
    "bindAddress=127.0.0.1",
    `listenPort=${brokerPort}`,
    `namesrvAddr=127.0.0.1:${namesrvPort}`,
    "autoCreateTopicEnable=true",
    // As wasmq has it by default.
    "enablePropertyFilter=true",
    `storePathRootDir=${join(directory, "store")}`,
    `storePathCommitLog=${join(directory, "store", "commitlog")}`,
    `flushDiskType=${options.flush === "sync" ? "SYNC_FLUSH" : "ASYNC_FLUSH"}`,
  ]);
  const deadlineMs = options.startDeadlineMs ?? 60_000;
  const namesrv = java("org.apache.rocketmq.namesrv.NamesrvStartup", ["-Xmx256m"], ["-c", namesrvConf]);
  let broker: Spawned | undefined;
  try {
    await waitFor(namesrv, () => namesrv.output().includes("boot success") || undefined, deadlineMs);
    const heap = ["-Xms2g", "-Xmx2g"];
    broker = java("org.apache.rocketmq.broker.BrokerStartup", heap, ["-c", brokerConf], options.syncLibrary);
    const { output } = broker;
    await waitFor(broker, () => output().includes("boot success") || undefined, deadlineMs);
    await untilRouted(namesrvPort, deadlineMs);
  } catch (error) {
    await broker?.stop();
    await namesrv.stop();
    throw error;
  }
  return serverOf(broker, { namesrvPort, brokerPort }, [namesrv]);
}

/**
 * A broker that boots before its client has found a NameServer registers nowhere, says "success" all the same, and tries again
 * after 10 s.
 */
async function untilRouted(namesrvPort: number, deadlineMs: number): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  const client = await RemotingClient.connect({ port: namesrvPort });
  try {
    for (;;) {
      const answer = await client.request(GET_ROUTEINFO_BY_TOPIC, { topic: "TBW102" });
      if (answer.code === 0) return;
      if (performance.now() > endMs) throw new Error(`the NameServer has no broker: ${answer.remark}`);
      await sleep(100);
    }
  } finally {
    await client.close();
  }
}

/** What the distribution's runbroker.sh passes on a modular JVM. */
export const javaOpens = [
  ...[
    "java.nio",
    "sun.nio.ch",
    "java.lang",
    "java.util",
    "jdk.internal.misc",
    "jdk.internal.ref",
    "sun.net.util",
  ].flatMap((name) => [`--add-opens=java.base/${name}=ALL-UNNAMED`, `--add-exports=java.base/${name}=ALL-UNNAMED`]),
];

function serverOf(
  main: Spawned,
  ports: { namesrvPort: number; brokerPort: number },
  others: readonly Spawned[],
): Server {
  return {
    ...main,
    ...ports,
    async stop() {
      const ended = await main.stop();
      for (const other of others) await other.stop();
      return ended;
    },
    async kill() {
      for (const one of [main, ...others]) await one.kill();
    },
  };
}

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  /** Beside this process's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Gone after `stop`. */
  readonly directory: string;
  readonly syncLibrary?: string | undefined;
}

export function spawned({ command, args, env, directory, syncLibrary }: Command): Spawned {
  const syncFile = syncLibrary === undefined ? undefined : join(directory, "syncs");
  const counting = syncFile === undefined ? {} : countingSyncs(syncLibrary!, syncFile);
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env, ...counting },
  });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
  };
  child.stdout!.on("data", keep);
  child.stderr!.on("data", keep);
  child.on("error", (error) => keep(Buffer.from(String(error))));
  // A bench that is interrupted leaves no server and no store behind.
  const abandon = (): void => {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  process.once("exit", abandon);
  const ended = new Promise<number | string>((resolve) => {
    child.once("exit", (code, signal) => resolve(code ?? signal ?? "unknown"));
    child.once("error", () => resolve("not started"));
  });
  const remove = (): void => {
    process.off("exit", abandon);
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  const running = (): boolean => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  return {
    child,
    pid: child.pid ?? 0,
    syncFile,
    output: () => output,
    running,
    async stop() {
      child.kill("SIGTERM");
      const kill = setTimeout(() => child.kill("SIGKILL"), STOP_DEADLINE_MS);
      const how = await ended;
      clearTimeout(kill);
      remove();
      return how;
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
      remove();
    },
  };
}

export async function waitFor<T>(server: Spawned, started: () => T | undefined, deadlineMs: number): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const value = started();
    if (value !== undefined) return value;
    const running = server.running();
    if (!running || performance.now() > endMs) {
      await server.stop();
      throw new Error(`the server ${running ? "did not start" : "ended"}:\n${server.output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A port P such that nobody listens on P + each offset now: for a server whose clients must know the port before it has started. */
export async function freePort(offsets: readonly number[] = [0]): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES_MAX; tries++) {
    const first = await listening(0);
    const port = first === undefined ? 0 : (first.address() as AddressInfo).port;
    const others = await Promise.all(
      offsets.filter((offset) => offset !== 0).map((offset) => listening(port + offset)),
    );
    const held = [first, ...others].filter((server) => server !== undefined);
    await Promise.all(held.map((server) => new Promise((done) => server.close(done))));
    if (first !== undefined && others.every((server) => server !== undefined)) return port;
  }
  throw new Error(`no free port in ${PORT_TRIES_MAX} tries`);
}

function listening(port: number): Promise<NetServer | undefined> {
  return new Promise((resolve) => {
    if (port < 0 || port > 65_535) return resolve(undefined);
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
