import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RemotingClient } from "../lib/remoting-client.ts";
import { openSocket } from "../lib/socket-wire.ts";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const startMsMax = 30_000;
const started =
  /The Name Server\[127\.0\.0\.1:(\d+)\] boot success[\s\S]*The broker\[broker-a, 127\.0\.0\.1:(\d+)\] boot success/;

export interface BrokerProcessOptions {
  /** Default: a folder that is gone with `remove`. */
  readonly store?: string;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** How many descriptors it may have (`ulimit -n`). */
  readonly descriptors?: number;
  /** A command that is given the broker's, and becomes it. */
  readonly within?: readonly string[];
}

export interface Ending {
  /** The exit code, or the signal that ended it. */
  readonly how: number | string;
  readonly ms: number;
}

/** The wasmq command in a process of its own. */
export class BrokerProcess {
  readonly store: string;
  namesrvPort = 0;
  brokerPort = 0;
  #child: ChildProcess;
  #output = "";
  readonly #folder: string | undefined;
  readonly #ended: Promise<number | string>;

  private constructor(options: BrokerProcessOptions) {
    this.#folder = options.store === undefined ? mkdtempSync(join(tmpdir(), "wasmq-faults-")) : undefined;
    this.store = options.store ?? join(this.#folder!, "store");
    const args = [main, "--store", this.store, "--namesrv-port", "0", "--broker-port", "0", ...(options.args ?? [])];
    const { descriptors, within = [] } = options;
    const limit = descriptors === undefined ? [] : ["sh", "-c", `ulimit -n ${descriptors}; exec "$@"`, "sh"];
    const [file, ...all] = [...within, ...limit, process.execPath, ...args] as [string, ...string[]];
    const env = options.env === undefined ? process.env : { ...process.env, ...options.env };
    this.#child = spawn(file, all, { env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text;
      });
    }
    this.#ended = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => resolve(signal ?? code ?? -1));
      this.#child.once("error", (error) => resolve(error.message));
    });
  }

  /** Ends when it serves. Rejects if it ends before, with what it said. */
  static async start(options: BrokerProcessOptions = {}): Promise<BrokerProcess> {
    const broker = new BrokerProcess(options);
    const deadline = performance.now() + startMsMax;
    for (;;) {
      const ports = started.exec(broker.#output);
      if (ports !== null) {
        broker.namesrvPort = Number(ports[1]);
        broker.brokerPort = Number(ports[2]);
        return broker;
      }
      const pause = new Promise<undefined>((resolve) => setTimeout(resolve, 10));
      const ended = await Promise.race([broker.#ended, pause]);
      if (ended === undefined && performance.now() < deadline) continue;
      await broker.kill();
      broker.remove();
      throw new Error(`the broker did not start (${ended ?? "too late"}):\n${broker.#output}`);
    }
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** All it said, on both streams. */
  get output(): string {
    return this.#output;
  }

  connect(): Promise<RemotingClient> {
    return RemotingClient.open((events) => openSocket(this.brokerPort, events));
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Ending> {
    const startedAt = performance.now();
    this.#child.kill(signal);
    return { how: await this.#ended, ms: Math.round(performance.now() - startedAt) };
  }

  async kill(): Promise<void> {
    await this.stop("SIGKILL");
  }

  /** Its folder, if it had one of its own. */
  remove(): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }
}
