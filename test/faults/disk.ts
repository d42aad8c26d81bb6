import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("disk-shim.c", import.meta.url));

export type DiskOperation =
  | "open"
  | "create"
  | "write"
  | "sync"
  | "syncdir"
  | "truncate"
  | "rename"
  | "mkdir"
  | "close";

export interface DiskFault {
  readonly on: DiskOperation;
  /** A part of the path; default: all. */
  readonly path?: string;
  /** "short": half of a write goes through, the rest finds no room. Default: none, only a delay. */
  readonly error?: "EIO" | "ENOSPC" | "EROFS" | "short";
  readonly delayMs?: number;
}

/** Why there can be no such disk here, or undefined. */
export function missingShim(): string | undefined {
  const missing =
    process.platform !== "linux"
      ? "the failing disk is made for Linux"
      : spawnSync("gcc", ["--version"]).status === 0
        ? undefined
        : "there is no gcc to compile test/faults/disk-shim.c";
  if (missing !== undefined && process.env["CI"] !== undefined)
    throw new Error(`tests of disks need it on CI: ${missing}`);
  if (missing !== undefined) console.warn(`tests of disks skipped: ${missing}`);
  return missing;
}

/** A folder whose disk fails when it is told to, for processes started with `env` (disk-shim.c). */
export class FailingDisk {
  /** For a store. */
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  readonly #folder: string;
  readonly #rules: string;
  readonly #log: string;
  readonly #durable: string;

  /** `isDurable`: what was synced is kept apart, for `losePower`; costs a copy of each file at each sync. */
  constructor({ isDurable = false } = {}) {
    this.#folder = mkdtempSync(join(tmpdir(), "wasmq-disk-"));
    this.root = join(this.#folder, "disk");
    this.#rules = join(this.#folder, "rules");
    this.#log = join(this.#folder, "log");
    this.#durable = join(this.#folder, "durable");
    for (const folder of [
      this.root,
      join(this.#durable, "data"),
      join(this.#durable, "dirs"),
      join(this.#durable, "next"),
    ]) {
      mkdirSync(folder, { recursive: true });
    }
    this.env = {
      LD_PRELOAD: compiled(),
      DISK_SHIM_ROOT: this.root,
      DISK_SHIM_RULES: this.#rules,
      DISK_SHIM_LOG: this.#log,
      ...(isDurable ? { DISK_SHIM_DURABLE: this.#durable } : {}),
    };
  }

  /** From now on these faults, and no others. */
  fails(...faults: readonly DiskFault[]): void {
    const lines = faults.map(({ on, path = "*", error, delayMs = 0 }) => {
      const code = error === undefined ? 0 : error === "short" ? error : constants.errno[error];
      return `${on} ${path} ${code} ${delayMs}\n`;
    });
    // At once: it is read at every moment.
    writeFileSync(`${this.#rules}.next`, lines.join(""));
    renameSync(`${this.#rules}.next`, this.#rules);
  }

  /** What was done to the disk: `OPERATION PATH-BELOW-ROOT ERRNO`. */
  log(): string[] {
    if (!existsSync(this.#log)) return [];
    const lines = readFileSync(this.#log, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => line.replace(`${this.root}/`, ""));
  }

  forgetLog(): void {
    rmSync(this.#log, { force: true });
  }

  /**
   * Makes the disk what POSIX promises after a loss of power: of each file what was last synced, and under the names that its folder had
   * when that was last synced. No process may be using it.
   */
  losePower(): void {
    const before = `${this.root}.before`;
    renameSync(this.root, before);
    mkdirSync(this.root);
    this.#restore("", before);
    rmSync(before, { recursive: true });
    this.settle();
  }

  /** What is there is what lasts, as after a `sync` of the whole system. */
  settle(): void {
    rmSync(this.#durable, { recursive: true });
    for (const folder of ["data", "dirs", "next"]) mkdirSync(join(this.#durable, folder), { recursive: true });
    this.#keepAll(this.root);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #restore(folder: string, before: string): void {
    const list = join(this.#durable, "dirs", join(this.root, folder).replaceAll("/", "%"));
    if (!existsSync(list)) return;
    for (const line of readFileSync(list, "utf8").split("\n").slice(0, -1)) {
      const [type, inode, name] = line.split(" ") as [string, string, string];
      const path = join(folder, name);
      if (type === "d") {
        mkdirSync(join(this.root, path));
        this.#restore(path, before);
        continue;
      }
      const data = join(this.#durable, "data", inode);
      // Sparse as it was: cp makes holes again.
      if (existsSync(data)) spawnSync("cp", ["--sparse=always", data, join(this.root, path)]);
      else writeFileSync(join(this.root, path), "");
    }
  }

  #keepAll(folder: string): void {
    const lines = readdirSync(folder, { withFileTypes: true }).map((entry) => {
      const path = join(folder, entry.name);
      const inode = statSync(path).ino;
      if (entry.isDirectory()) this.#keepAll(path);
      else spawnSync("cp", ["--sparse=always", path, join(this.#durable, "data", String(inode))]);
      return `${entry.isDirectory() ? "d" : "f"} ${inode} ${entry.name}\n`;
    });
    writeFileSync(join(this.#durable, "dirs", folder.replaceAll("/", "%")), lines.join(""));
  }
}

/** Compiled once for a version of the source and a machine's compiler, beside what is built. */
function compiled(): string {
  const library = fileURLToPath(new URL("../../build/test/disk-shim.so", import.meta.url));
  if (existsSync(library) && statSync(library).mtimeMs > statSync(source).mtimeMs) return library;
  mkdirSync(dirname(library), { recursive: true });
  const fresh = `${library}.${process.pid}`;
  const { status, stderr } = spawnSync("gcc", ["-O1", "-shared", "-fPIC", "-o", fresh, source, "-ldl", "-lpthread"]);
  if (status !== 0) throw new Error(`gcc could not compile ${basename(source)}: ${stderr}`);
  renameSync(fresh, library);
  return library;
}
