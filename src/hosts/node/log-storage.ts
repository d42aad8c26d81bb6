import {
  closeSync,
  existsSync,
  fdatasync,
  fsync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statfsSync,
  statSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { promisify } from "node:util";
import { openFilesMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { FileStat, LogStorage, StorageWrite } from "../../ports/log-storage.ts";
import { StoreLock } from "./store-lock.ts";

const fdatasyncOf = promisify(fdatasync);
const fsyncOf = promisify(fsync);

/**
 * File systems (statfs(2), `f_type`) whose blocks hold a file's bytes as they are: ext2 to ext4, XFS, tmpfs, overlayfs.
 * Elsewhere compression may put more bytes into a block than it has.
 */
const plainFileSystems = new Set([0xef53, 0x58465342, 0x01021994, 0x794c7630]);

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
  /** Folders whose entries changed and are not known to last, with the number of their last change. */
  readonly #changedFolders = new Map<string, number>();
  #changes = 0;
  /** Whether a device (links lead to several) has one of the `plainFileSystems`. */
  readonly #plainDevices = new Map<number, boolean>();

  constructor(root: string) {
    this.#root = resolve(root);
    this.#lock = new StoreLock(root);
  }

  lock(): void {
    try {
      this.#makeFolder(this.#root);
      this.#lock.take();
      // Who had the store before may have died between making a file and syncing its name.
      for (const folder of [this.#root, join(this.#root, "commitlog")]) {
        if (existsSync(folder)) this.#changedFolders.set(folder, ++this.#changes);
      }
    } catch (error) {
      if (error instanceof WasmqError) throw error;
      throw new WasmqError("STORE_UNREADABLE", `the store ${this.#root} can't be used: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  list(folder: string): FileStat[] {
    const found: FileStat[] = [];
    /** `through` are the real paths of the folders that led here: a link to one of them would lead here again. */
    const walk = (name: string, through: readonly string[]): void => {
      for (const entry of readdirSync(join(this.#root, name), { withFileTypes: true })) {
        const below = name === "" ? entry.name : `${name}/${entry.name}`;
        const path = join(this.#root, below);
        if (entry.isDirectory()) {
          walk(below, [...through, join(through.at(-1)!, entry.name)]);
        } else if (entry.isFile() || entry.isSymbolicLink()) {
          // Follows links: a CommitLog on another disk often is one. A link to nothing is an error, not an empty log.
          const stat = statSync(path);
          if (stat.isFile()) {
            found.push(this.#fileStat(below, path, stat));
          } else if (stat.isDirectory()) {
            const real = realpathSync(path);
            if (!through.includes(real)) walk(below, [...through, real]);
          }
        }
      }
    };
    const top = realPathOf(join(this.#root, folder));
    if (top !== undefined) walk(folder, [top]);
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  create(file: string, sizeBytes: number): void {
    const path = join(this.#root, file);
    const folder = dirname(path);
    this.#makeFolder(folder);
    this.#makeRoom();
    let descriptor: number;
    try {
      descriptor = this.#openFile(path, "wx+");
    } catch (error) {
      throw orFull(error);
    }
    this.#open.set(file, descriptor);
    this.#changed(folder);
    if (sizeBytes > 0) ftruncateSync(descriptor, sizeBytes);
  }

  write(batch: readonly StorageWrite[]): void {
    for (const { file, at, bytes } of batch) {
      const descriptor = this.#descriptor(file);
      let done = 0;
      try {
        while (done < bytes.length) done += writeSync(descriptor, bytes, done, bytes.length - done, at + done);
      } catch (error) {
        throw orFull(error);
      }
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
    this.#changed(dirname(join(this.#root, from)));
    this.#changed(dirname(join(this.#root, to)));
  }

  delete(file: string): void {
    this.#forget(file);
    const path = join(this.#root, file);
    rmSync(path, { force: true });
    this.#changed(dirname(path));
  }

  async sync(files: readonly string[]): Promise<void> {
    // Also those that another sync is about: it may fail, or have begun before a change.
    const folders = [...this.#changedFolders.keys()];
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
    for (const folder of folders) {
      const change = this.#changedFolders.get(folder);
      // Another sync has made it last meanwhile.
      if (change === undefined) continue;
      await this.#syncFolder(folder);
      if (this.#changedFolders.get(folder) === change) this.#changedFolders.delete(folder);
    }
  }

  setModified(file: string, atMs: number): void {
    utimesSync(join(this.#root, file), atMs / 1000, atMs / 1000);
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
    const descriptor = this.#openFile(join(this.#root, file), "r+");
    this.#open.set(file, descriptor);
    return descriptor;
  }

  /** Where the process has no descriptor left (connections take them too), files that are idle give theirs. */
  #openFile(path: string, flags: string): number {
    for (;;) {
      try {
        return openSync(path, flags);
      } catch (error) {
        if (!isOutOfDescriptors(error) || !this.#closeIdle()) throw error;
      }
    }
  }

  #makeRoom(): void {
    if (this.#open.size >= openFilesMax) this.#closeIdle();
  }

  /** Closes the file that was used least recently and is not being synced; false if there is none. */
  #closeIdle(): boolean {
    for (const [file, descriptor] of this.#open) {
      if (this.#inUse.has(file)) continue;
      this.#open.delete(file);
      closeSync(descriptor);
      return true;
    }
    return false;
  }

  #forget(file: string): void {
    const descriptor = this.#open.get(file);
    if (descriptor === undefined) return;
    this.#open.delete(file);
    closeSync(descriptor);
  }

  /** Makes created, renamed and deleted names last. Windows can't, and needs not. */
  async #syncFolder(path: string): Promise<void> {
    if (sep === "\\") return;
    let descriptor: number;
    try {
      descriptor = this.#openFile(path, "r");
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

  /** Makes a folder and those above it: each got an entry, and the one above the highest as well. */
  #makeFolder(path: string): void {
    const highest = mkdirSync(path, { recursive: true });
    if (highest === undefined) return;
    for (let folder = path; folder.length >= highest.length; folder = dirname(folder)) this.#changed(folder);
    this.#changed(dirname(highest));
  }

  #fileStat(name: string, path: string, { size, mtimeMs, blocks, dev }: Stats): FileStat {
    let plain = this.#plainDevices.get(dev);
    if (plain === undefined) {
      plain = process.platform === "linux" && plainFileSystems.has(statfsSync(path).type);
      this.#plainDevices.set(dev, plain);
    }
    return { name, sizeBytes: size, modifiedAtMs: mtimeMs, dataBytesMax: plain ? blocks * blockBytes : size };
  }

  #changed(folder: string): void {
    this.#changedFolders.set(folder, ++this.#changes);
  }
}

function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function isOutOfDescriptors(error: unknown): boolean {
  return codeOf(error) === "EMFILE" || codeOf(error) === "ENFILE";
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** No room on the disk, or in the user's share of it, by its stable name. */
function orFull(error: unknown): unknown {
  const code = codeOf(error);
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  return new WasmqError("STORE_FULL", "the disk is full", { cause: error });
}
