import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import type { RemotingFrame } from "../../bench/frame.ts";
import { RemotingClient } from "../../bench/remoting-client.ts";

/** Far above what a start or a stop takes; a busy machine gets that long. */
const deadlineMs = 20_000;

const running = new Set<Command>();
const folders: string[] = [];
const clients: RemotingClient[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  for (const command of running) command.kill("SIGKILL");
  await Promise.all([...running].map((command) => command.ended));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "wasmq-cli-"));
  folders.push(folder);
  return folder;
}

export interface Ended {
  /** The exit code, or the signal that ended it. */
  readonly code: number | NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command in a process of its own, which does not outlive the test. */
export class Command {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #what: string;
  #stdout = "";
  #stderr = "";
  #end: Ended | undefined;
  #heard: () => void = () => {};

  constructor(file: string, args: readonly string[], options: SpawnOptions = {}) {
    this.#what = [file, ...args].join(" ");
    this.#child = spawn(file, args, { ...options, stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stdin!.on("error", () => {});
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
      this.#heard();
    });
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.ended = new Promise((resolve) => {
      const end = (code: Ended["code"]): void => {
        running.delete(this);
        this.#end = { code, stdout: this.#stdout, stderr: this.#stderr };
        this.#heard();
        resolve(this.#end);
      };
      this.#child.once("close", (code, signal) => end(signal ?? code));
      this.#child.once("error", (error) => {
        this.#stderr += error.message;
        end(null);
      });
    });
    running.add(this);
  }

  /** What is matched in standard output, once it is there. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const found = new Promise<RegExpExecArray>((resolve, reject) => {
      this.#heard = () => {
        const match = pattern.exec(this.#stdout);
        if (match !== null) resolve(match);
        else if (this.#end !== undefined) reject(new Error(`it ended (${this.#end.code}) before it said ${pattern}`));
      };
      this.#heard();
    });
    return this.#inTime(found, `saying ${pattern}`);
  }

  /** Waits until it ends by itself, or by what it was sent. */
  end(): Promise<Ended> {
    return this.#inTime(this.ended, "its end");
  }

  stop(signal: "SIGTERM" | "SIGINT" | "SIGKILL" = "SIGTERM"): Promise<Ended> {
    this.kill(signal);
    return this.end();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** To it and all it started, as Ctrl-C in a terminal does; it must have been started `detached`. */
  killGroup(signal: NodeJS.Signals): void {
    process.kill(-this.#child.pid!, signal);
  }

  write(bytes: Uint8Array): void {
    this.#child.stdin!.write(bytes);
  }

  closeInput(): void {
    this.#child.stdin!.end();
  }

  async #inTime<T>(awaited: Promise<T>, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`waited ${deadlineMs} ms for ${what}`)), deadlineMs);
    });
    try {
      return await Promise.race([awaited, late]);
    } catch (error) {
      const said = `${this.#stdout}\n${this.#stderr}`.trim();
      throw new Error(`${this.#what}: ${error instanceof Error ? error.message : error}\n${said}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A connection that ends with the test. */
export async function connectTo(address: string): Promise<RemotingClient> {
  const [host, port] = address.split(":");
  const client = await RemotingClient.connect({ host: host!, port: Number(port) });
  clients.push(client);
  return client;
}

/** SEND_MESSAGE_V2 (310) of one small message; its fields are SendMessageRequestHeaderV2's. */
export async function sendOne(brokerAddress: string, topic: string): Promise<RemotingFrame> {
  const fields = {
    ...{ a: "cli-test", b: topic, c: "TBW102", d: "4", e: "0", f: "0", g: String(Date.now()) },
    ...{ h: "0", i: "TAGS\u0001TagA\u0002", j: "0", k: "false", l: "0", m: "false" },
  };
  return (await connectTo(brokerAddress)).request(310, fields, Buffer.from("hello"));
}

export interface Route {
  readonly brokerDatas: readonly {
    readonly brokerName: string;
    readonly cluster: string;
    readonly brokerAddrs: Readonly<Record<string, string>>;
  }[];
}

/** GET_ROUTEINFO_BY_TOPIC (105) of the topic that every broker has. */
export async function routeBy(namesrvAddress: string): Promise<Route> {
  const { code, remark, body } = await (await connectTo(namesrvAddress)).request(105, { topic: "TBW102" });
  if (code !== 0) throw new Error(`no route: ${code} ${remark}`);
  return JSON.parse(body.toString()) as Route;
}
