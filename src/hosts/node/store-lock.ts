import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { WasmqError } from "../../ports/error.ts";
import { codeOf, isOutOfRoom } from "./errno.ts";

/** What Apache's broker writes into its lock file, which it locks with fcntl; Node has no such call. */
const apacheContent = "lock";

/**
 * The store's lock: `lock` holds the process id of its owner and when that process began, so that a dead owner's lock never
 * stands in the way of a restart, even when its process id is in use again. A live Apache broker is recognised by the process
 * id in its `abort` file. Best effort: an Apache broker started on a store that is in use here is not kept out.
 */
export class StoreLock {
  readonly #root: string;
  readonly #path: string;
  readonly #mine = `${process.pid} ${startOf(process.pid) ?? "?"}\n`;
  #held = false;

  constructor(root: string) {
    this.#root = root;
    this.#path = join(root, "lock");
  }

  /** Throws STORE_LOCKED while another live process has the store. */
  take(): void {
    if (this.#create(this.#path)) {
      this.#checkApache();
      this.#held = true;
      return;
    }
    // Two that find the same dead owner's lock must not both put theirs in its place: one at a time.
    const takeover = `${this.#path}.takeover`;
    if (!this.#create(takeover, "even if empty")) {
      const other = ownerOf(readText(takeover));
      if (other !== undefined && isAlive(other)) throw this.#locked(other.pid, "wasmq");
      rmSync(takeover, { force: true });
      if (!this.#create(takeover, "even if empty")) throw this.#locked(0, "wasmq");
    }
    try {
      const content = readText(this.#path);
      const owner = ownerOf(content);
      if (owner !== undefined && isAlive(owner)) throw this.#locked(owner.pid, "wasmq");
      if (content.startsWith(apacheContent)) this.#checkApache();
      this.#replace();
      this.#held = true;
    } finally {
      rmSync(takeover, { force: true });
    }
  }

  /** Throws STORE_LOCKED while another live process has the store; takes nothing, and leaves every file as it is. */
  check(): void {
    const owner = ownerOf(readText(this.#path));
    if (owner !== undefined && isAlive(owner)) throw this.#locked(owner.pid, "wasmq");
    const apache = this.#apache();
    if (apache !== undefined) throw this.#locked(apache, "an Apache RocketMQ broker");
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    rmSync(this.#path, { force: true });
  }

  /** False if it is there. A full disk has room for a file, and none for what is to be in it: of use only where nobody needs to read it. */
  #create(path: string, how: "with its owner" | "even if empty" = "with its owner"): boolean {
    try {
      writeFileSync(path, this.#mine, { flag: "wx" });
      return true;
    } catch (error) {
      if (codeOf(error) === "EEXIST") return false;
      if (isOutOfRoom(error) && existsSync(path)) {
        if (how === "even if empty") return true;
        rmSync(path, { force: true });
      }
      throw error;
    }
  }

  /** Puts ours in the place of a dead owner's. */
  #replace(): void {
    const fresh = `${this.#path}.${process.pid}`;
    try {
      writeFileSync(fresh, this.#mine);
      renameSync(fresh, this.#path);
    } catch (error) {
      rmSync(fresh, { force: true });
      if (!isOutOfRoom(error)) throw error;
      // What is written over takes no room; the rest of a longer one is a line of its own.
      const descriptor = openSync(this.#path, "r+");
      try {
        writeSync(descriptor, this.#mine, 0);
        ftruncateSync(descriptor, this.#mine.length);
      } finally {
        closeSync(descriptor);
      }
    }
  }

  /** The process id of the live Apache broker that has the store. */
  #apache(): number | undefined {
    const pid = Number(readText(join(this.#root, "abort")).trim());
    if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return undefined;
    return /(^|[/\\])java/.test(commandOf(pid)) ? pid : undefined;
  }

  #checkApache(): void {
    const pid = this.#apache();
    if (pid === undefined) return;
    rmSync(this.#path, { force: true });
    throw this.#locked(pid, "an Apache RocketMQ broker");
  }

  #locked(pid: number, who: string): WasmqError {
    return new WasmqError("STORE_LOCKED", `the store ${this.#root} is in use by ${who} (process ${pid})`);
  }
}

interface Owner {
  readonly pid: number;
  readonly start: string;
}

function ownerOf(content: string): Owner | undefined {
  const match = /^(\d+) (.+)$/m.exec(content);
  return match === null ? undefined : { pid: Number(match[1]), start: match[2]! };
}

function isAlive({ pid, start }: Owner): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    if (codeOf(error) !== "EPERM") return false;
  }
  const found = startOf(pid);
  return found === undefined || start === "?" || found === start;
}

/** When a process began, in the host's own words; undefined where it can't be told. */
function startOf(pid: number): string | undefined {
  if (process.platform === "linux") {
    // Field 22, counted behind the command's name, which may hold spaces and parentheses (proc(5)).
    const stat = readText(`/proc/${pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  }
  if (process.platform === "win32") return undefined;
  try {
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim() || undefined;
  } catch {
    return undefined;
  }
}

function commandOf(pid: number): string {
  if (process.platform === "linux") return readText(`/proc/${pid}/cmdline`).split("\0")[0] ?? "";
  try {
    return execFileSync("ps", ["-o", "comm=", "-p", String(pid)], { encoding: "utf8" }).trim();
  } catch {
    return "";
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
