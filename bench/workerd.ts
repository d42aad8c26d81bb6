import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const packages = createRequire(import.meta.url);
const START_DEADLINE_MS = 60_000;
const OUTPUT_CHARS_MAX = 64 * 1024;

/** A Worker as `wrangler deploy` would upload it: `worker.js` and the modules that it imports. */
export async function bundleWorker(into: string, configPath = "wrangler.toml"): Promise<void> {
  const wrangler = join(packages.resolve("wrangler/package.json"), "../bin/wrangler.js");
  const args = [wrangler, "deploy", "--dry-run", "--outdir", into, "--config", join(root, configPath)];
  const env = { ...process.env, CI: "1", WRANGLER_SEND_METRICS: "false" };
  await promisify(execFile)(process.execPath, args, { cwd: root, env });
}

export interface WorkerdOptions {
  /** What `bundleWorker` made. */
  readonly bundle: string;
  /** Where the objects are kept, in SQLite; made if it is missing. */
  readonly store: string;
  /** Of 127.0.0.1. */
  readonly port: number;
  /** The classes of the objects, by the names under which the Worker has them. */
  readonly objects: Readonly<Record<string, string>>;
  /** Texts are what secrets are too. */
  readonly vars?: Readonly<Record<string, string | number>>;
}

/** The objects of wrangler.toml. */
export const edgeObjects = { BROKER: "BrokerObject", NAME_SERVER: "NameServerObject" } as const;

/** A bare workerd in a process of its own, which does not outlive this one. */
export class Workerd {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #guard: ChildProcess;
  readonly #ended: Promise<void>;
  #output = "";

  private constructor(config: string, port: number) {
    this.port = port;
    const { default: binary } = packages("workerd") as { readonly default: string };
    this.#child = spawn(binary, ["serve", config, "--control-fd=3"], {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
    };
    this.#child.stdout!.on("data", keep);
    this.#child.stderr!.on("data", keep);
    this.#guard = guard(this.#child.pid!);
    this.#ended = new Promise((resolve) => {
      this.#child.once("close", () => {
        this.#guard.kill("SIGKILL");
        resolve();
      });
    });
  }

  /** Ends when it listens. */
  static async start(options: WorkerdOptions): Promise<Workerd> {
    mkdirSync(options.store, { recursive: true });
    const config = join(options.bundle, `${options.port}.capnp`);
    writeFileSync(config, configOf(options));
    const workerd = new Workerd(config, options.port);
    try {
      await workerd.#listening();
    } catch (error) {
      await workerd.kill();
      throw error;
    }
    return workerd;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** `127.0.0.1:port` */
  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** What it printed, both streams. */
  output(): string {
    return this.#output;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  #listening(): Promise<void> {
    const control = this.#child.stdio[3] as Readable;
    let told = "";
    return new Promise((resolve, reject) => {
      const failed = (why: string): void => reject(new Error(`workerd ${why}\n${this.#output}`));
      const late = setTimeout(() => failed(`did not listen within ${START_DEADLINE_MS} ms`), START_DEADLINE_MS);
      control.on("data", (chunk: Buffer) => {
        told += chunk.toString();
        if (!told.includes('"listen"')) return;
        clearTimeout(late);
        resolve();
      });
      void this.#ended.then(() => {
        clearTimeout(late);
        failed("ended before it listened");
      });
    });
  }
}

/** Names and values go into Cap'n Proto's text format, whose strings are written as JSON's are. */
function configOf({ bundle, store, port, objects, vars = {} }: WorkerdOptions): string {
  const text = (value: string) => JSON.stringify(value);
  const modules = readdirSync(bundle)
    .filter((name) => /\.(js|wasm)$/.test(name))
    .sort((a) => (a === "worker.js" ? -1 : 1))
    .map((name) => `(name = ${text(name)}, ${name.endsWith(".js") ? "esModule" : "wasm"} = embed ${text(name)})`);
  const namespaces = Object.values(objects).map(
    (name) => `(className = ${text(name)}, uniqueKey = ${text(name)}, enableSql = true)`,
  );
  const bindings = [
    ...Object.entries(objects).map(([name, kind]) => `(name = ${text(name)}, durableObjectNamespace = ${text(kind)})`),
    ...Object.entries(vars).map(([name, value]) =>
      typeof value === "string"
        ? `(name = ${text(name)}, text = ${text(value)})`
        : `(name = ${text(name)}, json = ${text(JSON.stringify(value))})`,
    ),
  ];
  return `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "objects", disk = (path = ${text(store)}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [${modules.join(", ")}],
  compatibilityDate = "2026-10-01",
  durableObjectNamespaces = [${namespaces.join(", ")}],
  durableObjectStorage = (localDisk = "objects"),
  bindings = [${bindings.join(", ")}],
);
`;
}

/** Kills the process when this one has gone, even by SIGKILL: it waits on a pipe from here. */
function guard(pid: number): ChildProcess {
  const watching = spawn("sh", ["-c", 'cat >/dev/null; kill -9 "$1" 2>/dev/null', "guard", String(pid)], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  watching.on("error", () => {});
  watching.unref();
  return watching;
}
