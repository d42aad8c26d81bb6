import {
  closeSync,
  fdatasync,
  fsync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join, sep } from "node:path";
import { promisify } from "node:util";
import { openFilesMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { FileStat, LogStorage, StorageWrite } from "../../ports/log-storage.ts";
import { StoreLock } from "./store-lock.ts";

const fdatasyncOf = promisify(fdatasync);
const fsyncOf = promisify(fsync);

/** The unit in which `stat` counts a file's allocated space. */
const blockBytes = 512;

/**
 * The store's files as files of a directory. Writes and reads are synchronous: with the page cache between, they take
 * microseconds, where a trip through the thread pool takes some 65. Syncs go through the pool.
 */
export class NodeLogStorage implements LogStorage {
  readonly supports = { atomicBatch: false };
  readonly owner = String(process.pid);
  readonly #root: string;
  readonly #lock: StoreLock;
  /** Open files, the least recently used first. */
  readonly #open = new Map<string, number>();
  /** Files being synced: they stay open. */
  readonly #inUse = new Map<string, number>();
  /** Folders whose entries changed since they were synced. */
  readonly #changedFolders = new Set<string>();

  constructor(root: string) {
    this.#root = root;
    this.#lock = new StoreLock(root);
  }

  lock(): void {
    try {
      mkdirSync(this.#root, { recursive: true });
      this.#lock.take();
    } catch (error) {
      if (error instanceof WasmqError) throw error;
      throw new WasmqError("STORE_UNREADABLE", `the store ${this.#root} can't be used: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  list(folder: string): FileStat[] {
    const found: FileStat[] = [];
    const walk = (name: string): void => {
      for (const entry of entriesOf(join(this.#root, name))) {
        const below = name === "" ? entry.name : `${name}/${entry.name}`;
        if (entry.isDirectory()) {
          walk(below);
        } else if (entry.isFile()) {
          const { size, mtimeMs, blocks } = statSync(join(this.#root, below));
          found.push({ name: below, sizeBytes: size, modifiedAtMs: mtimeMs, dataBytesMax: blocks * blockBytes });
        }
      }
    };
    walk(folder);
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  create(file: string, sizeBytes: number): void {
    const path = join(this.#root, file);
    const folder = dirname(path);
    const made = mkdirSync(folder, { recursive: true });
    if (made !== undefined) this.#changedBetween(dirname(made), folder);
    this.#makeRoom();
    const descriptor = openSync(path, "wx+");
    this.#open.set(file, descriptor);
    this.#changedFolders.add(folder);
    if (sizeBytes > 0) ftruncateSync(descriptor, sizeBytes);
  }

  write(batch: readonly StorageWrite[]): void {
    for (const { file, at, bytes } of batch) {
      const descriptor = this.#descriptor(file);
      let done = 0;
      while (done < bytes.length) done += writeSync(descriptor, bytes, done, bytes.length - done, at + done);
    }
  }

  readNow(file: string, at: number, into: Uint8Array): number {
    let descriptor: number;
    try {
      descriptor = this.#descriptor(file);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return 0;
      throw error;
    }
    let done = 0;
    while (done < into.length) {
      const read = readSync(descriptor, into, done, into.length - done, at + done);
      if (read === 0) break;
      done += read;
    }
    return done;
  }

  read(file: string, at: number, into: Uint8Array): number {
    return this.readNow(file, at, into);
  }

  rename(from: string, to: string): void {
    this.#forget(from);
    this.#forget(to);
    renameSync(join(this.#root, from), join(this.#root, to));
    this.#changedFolders.add(dirname(join(this.#root, from)));
    this.#changedFolders.add(dirname(join(this.#root, to)));
  }

  delete(file: string): void {
    this.#forget(file);
    const path = join(this.#root, file);
    rmSync(path, { force: true });
    this.#changedFolders.add(dirname(path));
  }

  async sync(files: readonly string[]): Promise<void> {
    const folders = [...this.#changedFolders];
    this.#changedFolders.clear();
    try {
      for (const file of files) {
        const descriptor = this.#descriptor(file);
        this.#inUse.set(file, (this.#inUse.get(file) ?? 0) + 1);
        try {
          await fdatasyncOf(descriptor);
        } finally {
          const uses = this.#inUse.get(file)! - 1;
          if (uses === 0) this.#inUse.delete(file);
          else this.#inUse.set(file, uses);
        }
      }
      for (const folder of folders) await syncFolder(folder);
    } catch (error) {
      for (const folder of folders) this.#changedFolders.add(folder);
      throw error;
    }
  }

  close(): void {
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
    this.#lock.release();
  }

  #descriptor(file: string): number {
    const known = this.#open.get(file);
    if (known !== undefined) {
      this.#open.delete(file);
      this.#open.set(file, known);
      return known;
    }
    this.#makeRoom();
    const descriptor = openSync(join(this.#root, file), "r+");
    this.#open.set(file, descriptor);
    return descriptor;
  }

  #makeRoom(): void {
    if (this.#open.size < openFilesMax) return;
    for (const [file, descriptor] of this.#open) {
      if (this.#inUse.has(file)) continue;
      this.#open.delete(file);
      closeSync(descriptor);
      return;
    }
  }

  #forget(file: string): void {
    const descriptor = this.#open.get(file);
    if (descriptor === undefined) return;
    this.#open.delete(file);
    closeSync(descriptor);
  }

  /** Every folder from `top` down to `bottom` got an entry. */
  #changedBetween(top: string, bottom: string): void {
    for (let folder = bottom; folder.length >= top.length; folder = dirname(folder)) {
      this.#changedFolders.add(folder);
      if (folder === top || folder === dirname(folder)) return;
    }
  }
}

function entriesOf(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** Makes created, renamed and deleted names last. Windows can't, and needs not. */
async function syncFolder(path: string): Promise<void> {
  if (sep === "\\") return;
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  try {
    await fsyncOf(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
