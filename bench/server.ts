import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export type FlushMode = "async" | "sync";

export interface ServerOptions {
  flush?: FlushMode;
  /** 0 or absent: a free one. */
  namesrvPort?: number;
  brokerPort?: number;
  startDeadlineMs?: number;
}

/** A server in a process of its own, with a store that is gone after `stop`. */
export interface Server {
  readonly pid: number;
  readonly namesrvPort: number;
  readonly brokerPort: number;
  /** What it printed, both streams; for messages about a failure. */
  output(): string;
  running(): boolean;
  /** Asks it to end and says how it did: the exit code, or the signal that was needed. */
  stop(): Promise<number | string>;
}

const WASMQ_CLI = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const NAMESRV_STARTED = /The Name Server\[127\.0\.0\.1:(\d+)\] boot success/;
const BROKER_STARTED = /The broker\[broker-a, 127\.0\.0\.1:(\d+)\] boot success/;
const STOP_DEADLINE_MS = 10_000;
const OUTPUT_CHARS_MAX = 64 * 1024;

/** A wasmq that may not have finished starting; `bench/main.ts` times it from here. */
export interface Spawned {
  readonly child: ChildProcess;
  output(): string;
  stop(): Promise<number | string>;
}

export function spawnWasmq(options: ServerOptions = {}): Spawned {
  const directory = mkdtempSync(join(tmpdir(), "wasmq-bench-"));
  const args = [
    WASMQ_CLI,
    ...["--store", directory],
    ...["--namesrv-port", String(options.namesrvPort ?? 0)],
    ...["--broker-port", String(options.brokerPort ?? 0)],
    ...(options.flush === undefined ? [] : ["--flush", options.flush]),
  ];
  return spawned(spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] }), directory);
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
 * Apache RocketMQ from a directory of jars (rocketmq-broker and rocketmq-namesrv with what they depend on), on loopback
 * and with a store of its own. The process measured is the broker's.
 */
export async function startApache(jarDirectory: string, options: ServerOptions = {}): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), "rocketmq-bench-"));
  mkdirSync(join(directory, "conf"));
  const namesrvPort = options.namesrvPort || (await freePort());
  // It opens two more, at -2 and +1, which a free port does not promise: a clash shows as a failed start.
  const brokerPort = options.brokerPort || (await freePort());
  const conf = (name: string, lines: readonly string[]): string => {
    const path = join(directory, name);
    writeFileSync(path, `${lines.join("\n")}\n`);
    return path;
  };
  const java = (main: string, heap: readonly string[], args: readonly string[]): ChildProcess =>
    spawn("java", [...heap, ...JAVA_OPENS, `-Duser.home=${directory}`, "-cp", join(jarDirectory, "*"), main, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ROCKETMQ_HOME: directory, NAMESRV_ADDR: `127.0.0.1:${namesrvPort}` },
    });
  const namesrvConf = conf("namesrv.conf", [`listenPort=${namesrvPort}`, "bindAddress=127.0.0.1"]);
  const brokerConf = conf("broker.conf", [
    "brokerName=broker-a",
    "brokerIP1=127.0.0.1",
    "bindAddress=127.0.0.1",
    `listenPort=${brokerPort}`,
    `namesrvAddr=127.0.0.1:${namesrvPort}`,
    "autoCreateTopicEnable=true",
    `storePathRootDir=${join(directory, "store")}`,
    `storePathCommitLog=${join(directory, "store", "commitlog")}`,
    `flushDiskType=${options.flush === "sync" ? "SYNC_FLUSH" : "ASYNC_FLUSH"}`,
  ]);
  const deadlineMs = options.startDeadlineMs ?? 60_000;
  const namesrv = spawned(java("org.apache.rocketmq.namesrv.NamesrvStartup", ["-Xmx256m"], ["-c", namesrvConf]), "");
  const broker = spawned(
    java("org.apache.rocketmq.broker.BrokerStartup", ["-Xms2g", "-Xmx2g"], ["-c", brokerConf]),
    directory,
  );
  await waitFor(namesrv, () => namesrv.output().includes("boot success") || undefined, deadlineMs);
  await waitFor(broker, () => broker.output().includes("boot success") || undefined, deadlineMs);
  return serverOf(broker, { namesrvPort, brokerPort }, [namesrv]);
}

const JAVA_OPENS = [
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
    pid: main.child.pid!,
    ...ports,
    output: main.output,
    running: () => main.child.exitCode === null && main.child.signalCode === null,
    async stop() {
      const ended = await main.stop();
      for (const other of others) await other.stop();
      return ended;
    },
  };
}

function spawned(child: ChildProcess, directory: string): Spawned {
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
  };
  child.stdout!.on("data", keep);
  child.stderr!.on("data", keep);
  child.on("error", (error) => keep(Buffer.from(String(error))));
  const ended = new Promise<number | string>((resolve) => {
    child.once("exit", (code, signal) => resolve(code ?? signal ?? "unknown"));
    child.once("error", () => resolve("not started"));
  });
  return {
    child,
    output: () => output,
    async stop() {
      child.kill("SIGTERM");
      const kill = setTimeout(() => child.kill("SIGKILL"), STOP_DEADLINE_MS);
      const how = await ended;
      clearTimeout(kill);
      if (directory !== "") rmSync(directory, { recursive: true, force: true });
      return how;
    },
  };
}

async function waitFor<T>(server: Spawned, started: () => T | undefined, deadlineMs: number): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const value = started();
    if (value !== undefined) return value;
    const ended = server.child.exitCode !== null || server.child.signalCode !== null || server.child.pid === undefined;
    if (ended || performance.now() > endMs) {
      await server.stop();
      throw new Error(`the server ${ended ? "ended" : "did not start"}:\n${server.output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A port nobody listens on now: for a server whose clients must know the port before it has started. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}
