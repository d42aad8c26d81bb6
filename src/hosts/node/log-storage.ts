import {
  closeSync,
  existsSync,
  fdatasync,
  fsync,
  ftruncateSync,
  mkdirSync,
  openSync,
  read,
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
import { rm } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { promisify } from "node:util";
import { openFilesMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { FileStat, LogStorage, StorageUsage, StorageWrite } from "../../ports/log-storage.ts";
import { codeOf, isOutOfRoom } from "./errno.ts";
import { StoreLock } from "./store-lock.ts";

const fdatasyncOf = promisify(fdatasync);
const fsyncOf = promisify(fsync);
const readOf = promisify(read);

/**
 * File systems (statfs(2), `f_type`) whose blocks hold a file's bytes as they are: ext2 to ext4, XFS, tmpfs, overlayfs.
 * Elsewhere compression may put more bytes into a block than it has.
 */
const plainFileSystems = new Set([0xef53, 0x58465342, 0x01021994, 0x794c7630]);

const syncsAtOnce = 2;

const logFolder = "commitlog/";

/** The unit in which `stat` counts a file's allocated space. */
const blockBytes = 512;

/**
 * The store's files as files of a directory. Writes and reads are synchronous: with the page cache between, they take
 * microseconds, where a trip through the thread pool takes some 65. Syncs, and reads of what is not in that cache, go through the pool.
 */
export class NodeLogStorage implements LogStorage {
  readonly supports = { atomicBatch: false };
  readonly owner = String(process.pid);
  readonly #root: string;
  readonly #lock: StoreLock;
  /** Open files, the least recently used first. */
  readonly #open = new Map<string, number>();
  /** Descriptors at work in the thread pool, and how often: they stay open. */
  readonly #inUse = new Map<number, number>();
  /** Of those, whose files are gone: closed with the end of their work. */
  readonly #forgotten = new Set<number>();
  /**
   * Files of the CommitLog that were written and not synced since, with the number of the last write: they stay open too. What the system
   * fails to write behind is told to descriptors that were open then; of one opened later only perhaps (fsync(2)).
   */
  readonly #unsynced = new Map<string, number>();
  #writes = 0;
  /** Folders whose entries changed and are not known to last, with the number of their last change. */
  readonly #changedFolders = new Map<string, number>();
  #changes = 0;
  /** Whether a device (links lead to several) has one of the `plainFileSystems`. */
  readonly #plainDevices = new Map<number, boolean>();

  readonly #openMax: number;

  readonly #openFlags: "r" | "r+";

  /** `openMax`: files that are kept open. With "read" every change fails, and `checkLock` takes the place of `lock`. */
  constructor(root: string, openMax = openFilesMax, access: "read" | "write" = "write") {
    this.#openMax = openMax;
    this.#openFlags = access === "read" ? "r" : "r+";
    this.#root = resolve(root);
    this.#lock = new StoreLock(root);
  }

  lock(): void {
    try {
      this.#makeFolder(this.#root);
      this.#lock.take();
      // Who had the store before may have died between making a file and syncing its name.
      for (const folder of [this.#root, join(this.#root, "commitlog"), join(this.#root, "config")]) {
        if (existsSync(folder)) this.#changedFolders.set(folder, ++this.#changes);
      }
    } catch (error) {
      if (error instanceof WasmqError) throw error;
      throw new WasmqError("STORE_UNREADABLE", `the store ${this.#root} can't be used: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  /** Throws STORE_LOCKED while another live process has the store; changes nothing. */
  checkLock(): void {
    this.#lock.check();
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
          const stat = statOf(path, entry.isFile());
          if (stat === undefined) continue;
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
    this.#changed(folder);
    try {
      if (sizeBytes > 0) ftruncateSync(descriptor, sizeBytes);
    } catch (error) {
      // Half a file would be in the way of the next try.
      closeSync(descriptor);
      rmSync(path, { force: true });
      throw orFull(atPath(error, path));
    }
    this.#open.set(file, descriptor);
  }

  write(batch: readonly StorageWrite[]): void {
    for (const { file, at, bytes } of batch) {
      const descriptor = this.#descriptor(file);
      if (file.startsWith(logFolder)) this.#unsynced.set(file, ++this.#writes);
      let done = 0;
      try {
        while (done < bytes.length) done += writeSync(descriptor, bytes, done, bytes.length - done, at + done);
      } catch (error) {
        throw orFull(atPath(error, join(this.#root, file)));
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
    try {
      while (done < into.length) {
        const read = readSync(descriptor, into, done, into.length - done, at + done);
        if (read === 0) break;
        done += read;
      }
    } catch (error) {
      throw atPath(error, join(this.#root, file));
    }
    return done;
  }

  async read(file: string, at: number, into: Uint8Array): Promise<number> {
    let descriptor: number;
    try {
      descriptor = this.#descriptor(file);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return 0;
      throw error;
    }
    return this.#using(descriptor, async () => {
      let done = 0;
      while (done < into.length) {
        const { bytesRead } = await readOf(descriptor, into, done, into.length - done, at + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    });
  }

  rename(from: string, to: string): void {
    this.#forget(from);
    this.#forget(to);
    renameSync(join(this.#root, from), join(this.#root, to));
    this.#changed(dirname(join(this.#root, from)));
    this.#changed(dirname(join(this.#root, to)));
  }

  delete(file: string): void | Promise<void> {
    this.#forget(file);
    const path = join(this.#root, file);
    if (file.startsWith(logFolder)) return this.#deleteLarge(file, path);
    rmSync(path, { force: true });
    this.#changed(dirname(path));
  }

  /** Giving back the blocks of a gigabyte takes the file system tens of milliseconds. */
  async #deleteLarge(file: string, path: string): Promise<void> {
    await rm(path, { force: true });
    // Somebody may have read it meanwhile.
    this.#forget(file);
    this.#changed(dirname(path));
  }

  async sync(files: readonly string[]): Promise<void> {
    // Also those that another sync is about: it may fail, or have begun before a change.
    const folders = this.#changedFoldersAbove(files);
    if (files.length === 1) await this.#syncFile(files[0]!);
    else await eachOf(files, (file) => this.#syncFile(file));
    await eachOf(folders, async (folder) => {
      const change = this.#changedFolders.get(folder);
      // Another sync has made it last meanwhile.
      if (change === undefined) return;
      await this.#syncFolder(folder);
      if (this.#changedFolders.get(folder) === change) this.#changedFolders.delete(folder);
    });
  }

  setModified(file: string, atMs: number): void {
    utimesSync(join(this.#root, file), atMs / 1000, atMs / 1000);
  }

  /** As `df` counts (UtilAll.getDiskPartitionSpaceUsedPercent). Links may lead to other disks: the fuller one counts. */
  usage(): StorageUsage | undefined {
    let fullest: StorageUsage | undefined;
    for (const folder of ["commitlog", "consumequeue", ""]) {
      const path = join(this.#root, folder);
      if (!existsSync(path)) continue;
      const { bsize, blocks, bfree, bavail } = statfsSync(path);
      const usedBytes = (blocks - bfree) * bsize;
      const totalBytes = usedBytes + bavail * bsize;
      if (fullest === undefined || usedBytes / totalBytes > fullest.usedBytes / fullest.totalBytes) {
        fullest = { path, usedBytes, totalBytes, isEstimate: false };
      }
    }
    return fullest !== undefined && fullest.totalBytes > 0 ? fullest : undefined;
  }

  close(): void {
    try {
      for (const file of this.#open.keys()) this.#forget(file);
    } finally {
      this.#lock.release();
    }
  }

  /** Keeps the descriptor open until `work` has ended: another file could get its number. */
  async #using<T>(descriptor: number, work: () => Promise<T>): Promise<T> {
    this.#inUse.set(descriptor, (this.#inUse.get(descriptor) ?? 0) + 1);
    try {
      return await work();
    } finally {
      const uses = this.#inUse.get(descriptor)! - 1;
      if (uses > 0) {
        this.#inUse.set(descriptor, uses);
      } else {
        this.#inUse.delete(descriptor);
        if (this.#forgotten.delete(descriptor)) closeSync(descriptor);
      }
    }
  }

  #close(descriptor: number): void {
    if (this.#inUse.has(descriptor)) this.#forgotten.add(descriptor);
    else closeSync(descriptor);
  }

  #descriptor(file: string): number {
    const known = this.#open.get(file);
    if (known !== undefined) {
      this.#open.delete(file);
      this.#open.set(file, known);
      return known;
    }
    this.#makeRoom();
    const descriptor = this.#openFile(join(this.#root, file), this.#openFlags);
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
    if (this.#open.size >= this.#openMax) this.#closeIdle();
  }

  /** Closes the file that was used least recently and is not at work; false if there is none. */
  #closeIdle(): boolean {
    for (const [file, descriptor] of this.#open) {
      if (this.#inUse.has(descriptor) || this.#unsynced.has(file)) continue;
      this.#open.delete(file);
      closeSync(descriptor);
      return true;
    }
    return false;
  }

  #forget(file: string): void {
    this.#unsynced.delete(file);
    const descriptor = this.#open.get(file);
    if (descriptor === undefined) return;
    this.#open.delete(file);
    this.#close(descriptor);
  }

  /** The folders whose entries lead to the files; trouble with others is no trouble of theirs. */
  #changedFoldersAbove(files: readonly string[]): string[] {
    if (this.#changedFolders.size === 0) return [];
    const above = new Set<string>();
    for (const file of files) {
      for (let path = join(this.#root, file); dirname(path) !== path; path = dirname(path)) above.add(dirname(path));
    }
    return [...this.#changedFolders.keys()].filter((folder) => above.has(folder));
  }

  async #syncFile(file: string): Promise<void> {
    const descriptor = this.#descriptor(file);
    const lastWrite = this.#unsynced.get(file);
    try {
      await this.#using(descriptor, () => fdatasyncOf(descriptor));
      if (lastWrite !== undefined && this.#unsynced.get(file) === lastWrite) this.#unsynced.delete(file);
    } catch (error) {
      throw atPath(error, join(this.#root, file));
    }
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
    } catch (error) {
      throw atPath(error, path);
    } finally {
      closeSync(descriptor);
    }
  }

  /** Makes a folder and those above it: each got an entry, and the one above the highest as well. */
  #makeFolder(path: string): void {
    let highest: string | undefined;
    try {
      highest = mkdirSync(path, { recursive: true });
    } catch (error) {
      // Some may be there already: the next try would not tell.
      for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) this.#changed(folder);
      throw orFull(error);
    }
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

/** Syncs of many files overlap, by half of Node's thread pool: the other half is for those who wait. Rejects once none is under way. */
async function eachOf(paths: readonly string[], sync: (path: string) => Promise<void>): Promise<void> {
  const rest = paths[Symbol.iterator]();
  const turns = Array.from({ length: syncsAtOnce }, async () => {
    for (const path of rest) await sync(path);
  });
  for (const turn of await Promise.allSettled(turns)) if (turn.status === "rejected") throw turn.reason;
}

/** Undefined for a file that is deleted meanwhile, off the event loop. */
function statOf(path: string, mayBeGone: boolean): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (mayBeGone && codeOf(error) === "ENOENT") return undefined;
    throw error;
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What a call on a descriptor answered, with the file it was about: the system names it only where it was given one. */
function atPath(error: unknown, path: string): unknown {
  if (error instanceof Error && !("path" in error)) {
    error.message += ` '${path}'`;
    Object.assign(error, { path });
  }
  return error;
}

/** By its stable name, if it is that there is no room. */
function orFull(error: unknown): unknown {
  if (!isOutOfRoom(error)) return error;
  return new WasmqError("STORE_FULL", messageOf(error), { cause: error });
}
