import { fileTimeLagMsMax, openHandlesMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { FileStat, LogStorage, StorageUsage, StorageWrite } from "../../ports/log-storage.ts";
import { asStorageError, originUsage } from "./full.ts";
import { type NamedFile, OpfsJournal, type SyncAccessHandle } from "./opfs-journal.ts";
import { StoreLock } from "./store-lock.ts";

/** Of a dedicated Worker; no other place has handles that read and write at once. */
interface WorkerFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<SyncAccessHandle>;
}

interface StoredFile extends NamedFile {
  /** Bytes that are really there; those between it and `sizeBytes` are zero. */
  dataEnd: number;
  /** The time that the journal has. */
  savedAtMs: number;
}

/** For as long as the handles of a Worker that is gone may still be open. */
const handleRetryMs = 50;

/** Whether this is a place that can have such a storage: a dedicated Worker of a browser with OPFS. */
export function hasOpfs(): boolean {
  return typeof FileSystemFileHandle === "function" && "createSyncAccessHandle" in FileSystemFileHandle.prototype;
}

/**
 * The store's files in the origin private file system, in the folder `wasmq/<name>`. What they are called, how large they
 * are and when they were written stands in a journal (`opfs-journal.ts`); their bytes are in files with numbers for names.
 * So a rename replaces at once or not at all, a file of zeros takes no room, and times can be set: OPFS itself has none of it.
 *
 * A write is in the operating system's hands when it ends. `sync` flushes; a file's bytes are removed only once the journal
 * that no longer names it is flushed.
 */
export class OpfsLogStorage implements LogStorage {
  readonly supports = { atomicBatch: false };
  readonly owner = "0";
  readonly #name: string;
  readonly #lockWaitMs: number;
  readonly #lock: StoreLock;
  readonly #files = new Map<string, StoredFile>();
  /** Open data files by id, the least recently used first. */
  readonly #open = new Map<number, SyncAccessHandle>();
  readonly #opening = new Map<number, Promise<SyncAccessHandle>>();
  /** Files that no name leads to any more, once the journal is flushed. */
  #doomed: number[] = [];
  #folder: FileSystemDirectoryHandle | undefined;
  #journal: OpfsJournal | undefined;
  #nextId = 1;
  /** Changes of names come one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  /** `lockWaitMs`: for how long `lock` waits for who had the store before. */
  constructor(name: string, lockWaitMs = 0) {
    this.#name = name;
    this.#lockWaitMs = lockWaitMs;
    this.#lock = new StoreLock(`opfs:${name}`);
  }

  async lock(): Promise<void> {
    await this.#lock.take(this.#lockWaitMs);
    try {
      const root = await navigator.storage.getDirectory();
      const stores = await root.getDirectoryHandle("wasmq", { create: true });
      this.#folder = await stores.getDirectoryHandle(encodeURIComponent(this.#name), { create: true });
      await this.#load();
    } catch (error) {
      await this.close();
      throw asStorageError(error);
    }
  }

  list(folder: string): FileStat[] {
    const below = folder === "" ? "" : `${folder}/`;
    return [...this.#files.values()]
      .filter(({ name }) => name.startsWith(below))
      .map(({ name, sizeBytes, modifiedAtMs, dataEnd }) => ({ name, sizeBytes, modifiedAtMs, dataBytesMax: dataEnd }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  create(name: string, sizeBytes: number): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#files.has(name)) throw new WasmqError("STORE_UNWRITABLE", `${name} exists already`);
      const modifiedAtMs = Date.now();
      const file = { id: this.#nextId++, name, sizeBytes, modifiedAtMs, savedAtMs: modifiedAtMs, dataEnd: 0 };
      await this.#handle(file.id);
      try {
        this.#log.add(file);
      } catch (error) {
        this.#doomed.push(file.id);
        throw error;
      }
      this.#files.set(name, file);
    });
  }

  write(batch: readonly StorageWrite[]): void | Promise<void> {
    for (let i = 0; i < batch.length; i++) {
      const { file, at, bytes } = batch[i]!;
      const stored = this.#file(file);
      const handle = this.#opened(stored.id);
      if (handle === undefined) return this.#handle(stored.id).then(() => this.write(batch.slice(i)));
      this.#writeAll(stored, handle, at, bytes);
    }
  }

  readNow(name: string, at: number, into: Uint8Array): number | undefined {
    const file = this.#files.get(name);
    if (file === undefined || at >= file.sizeBytes) return 0;
    const length = Math.min(into.length, file.sizeBytes - at);
    const wanted = Math.max(0, Math.min(length, file.dataEnd - at));
    let done = 0;
    if (wanted > 0) {
      const handle = this.#opened(file.id);
      if (handle === undefined) return undefined;
      while (done < wanted) {
        const read = handle.read(into.subarray(done, wanted), { at: at + done });
        if (read === 0) break;
        done += read;
      }
    }
    into.fill(0, done, length);
    return length;
  }

  async read(name: string, at: number, into: Uint8Array): Promise<number> {
    for (;;) {
      const read = this.readNow(name, at, into);
      if (read !== undefined) return read;
      await this.#handle(this.#file(name).id);
    }
  }

  rename(from: string, to: string): Promise<void> {
    return this.#inTurn(async () => {
      const file = this.#file(from);
      const replaced = from === to ? undefined : this.#files.get(to);
      this.#log.rename(from, to);
      this.#files.delete(from);
      file.name = to;
      this.#files.set(to, file);
      if (replaced !== undefined) this.#doomed.push(replaced.id);
    });
  }

  delete(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const file = this.#files.get(name);
      if (file === undefined) return;
      this.#log.remove(name);
      this.#files.delete(name);
      this.#doomed.push(file.id);
    });
  }

  async sync(files: readonly string[]): Promise<void> {
    for (const name of files) {
      const { id } = this.#file(name);
      (this.#opened(id) ?? (await this.#handle(id))).flush();
    }
    this.#log.flush();
    await this.#inTurn(() => this.#removeDoomed());
  }

  setModified(name: string, atMs: number): void {
    const file = this.#file(name);
    this.#log.touch(name, atMs, file.sizeBytes);
    file.modifiedAtMs = atMs;
    file.savedAtMs = atMs;
  }

  usage(): Promise<StorageUsage | undefined> {
    return originUsage();
  }

  async close(): Promise<void> {
    try {
      await this.#inTurn(async () => {
        if (this.#journal === undefined) return;
        for (const file of this.#files.values()) if (file.modifiedAtMs !== file.savedAtMs) this.#saveTime(file);
        for (const handle of this.#open.values()) handle.flush();
        this.#log.flush();
        await this.#removeDoomed();
      });
    } finally {
      for (const handle of this.#open.values()) handle.close();
      this.#open.clear();
      this.#files.clear();
      this.#journal?.close();
      this.#journal = undefined;
      await this.#lock.release();
    }
  }

  async #load(): Promise<void> {
    const folder = this.#folder!;
    const dataEnds = new Map<number, number>();
    for await (const entry of folder.values()) {
      if (entry.kind === "file" && /^\d+$/.test(entry.name)) {
        dataEnds.set(Number(entry.name), (await (entry as FileSystemFileHandle).getFile()).size);
      }
    }
    const handles = [await openHandle(folder, "journal.0"), await openHandle(folder, "journal.1")] as const;
    this.#journal = new OpfsJournal(handles, dataEnds.size > 0);
    for (const file of this.#journal.load()) {
      const dataEnd = dataEnds.get(file.id) ?? 0;
      const sizeBytes = Math.max(file.sizeBytes, dataEnd);
      this.#files.set(file.name, { ...file, sizeBytes, dataEnd, savedAtMs: file.modifiedAtMs });
      dataEnds.delete(file.id);
      this.#nextId = Math.max(this.#nextId, file.id + 1);
    }
    this.#doomed = [...dataEnds.keys()];
    this.#nextId = Math.max(this.#nextId, ...this.#doomed.map((id) => id + 1));
    await this.#removeDoomed();
  }

  #writeAll(file: StoredFile, handle: SyncAccessHandle, at: number, bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length; ) {
        const written = handle.write(done === 0 ? bytes : bytes.subarray(done), { at: at + done });
        if (written === 0) throw new WasmqError("STORE_FULL", `${file.name} could not be written on`);
        done += written;
      }
    } catch (error) {
      file.dataEnd = Math.max(file.dataEnd, handle.getSize());
      throw asStorageError(error);
    }
    file.dataEnd = Math.max(file.dataEnd, at + bytes.length);
    file.sizeBytes = Math.max(file.sizeBytes, file.dataEnd);
    file.modifiedAtMs = Date.now();
    if (file.modifiedAtMs - file.savedAtMs >= fileTimeLagMsMax) this.#saveTime(file);
  }

  /** Without room for it the time stays behind; nothing else hangs on it. */
  #saveTime(file: StoredFile): void {
    try {
      this.#log.touch(file.name, file.modifiedAtMs, file.sizeBytes);
      file.savedAtMs = file.modifiedAtMs;
    } catch (error) {
      if (!(error instanceof WasmqError)) throw error;
    }
  }

  #opened(id: number): SyncAccessHandle | undefined {
    const handle = this.#open.get(id);
    if (handle === undefined) return undefined;
    this.#open.delete(id);
    this.#open.set(id, handle);
    return handle;
  }

  /** The handle of a data file, opened if it is not. */
  #handle(id: number): Promise<SyncAccessHandle> {
    let opening = this.#opening.get(id);
    if (opening === undefined) {
      opening = this.#openFile(id).finally(() => this.#opening.delete(id));
      this.#opening.set(id, opening);
    }
    return opening;
  }

  async #openFile(id: number): Promise<SyncAccessHandle> {
    const known = this.#opened(id);
    if (known !== undefined) return known;
    let handle: SyncAccessHandle;
    try {
      handle = await openHandle(this.#folder!, String(id));
    } catch (error) {
      throw asStorageError(error);
    }
    for (const [oldest, idle] of this.#open) {
      if (this.#open.size < openHandlesMax) break;
      this.#open.delete(oldest);
      idle.close();
    }
    this.#open.set(id, handle);
    return handle;
  }

  /** What can't be removed now is nobody's, and removed at the next start. */
  async #removeDoomed(): Promise<void> {
    for (const id of this.#doomed.splice(0)) {
      await this.#opening.get(id)?.catch(() => {});
      const handle = this.#open.get(id);
      this.#open.delete(id);
      handle?.close();
      await this.#folder!.removeEntry(String(id)).catch(() => {});
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #file(name: string): StoredFile {
    const file = this.#files.get(name);
    if (file === undefined) throw new WasmqError("STORE_UNWRITABLE", `${name} is missing`);
    return file;
  }

  get #log(): OpfsJournal {
    if (this.#journal === undefined) throw new Error("the storage is not open");
    return this.#journal;
  }
}

async function openHandle(folder: FileSystemDirectoryHandle, name: string): Promise<SyncAccessHandle> {
  const file = (await folder.getFileHandle(name, { create: true })) as WorkerFileHandle;
  for (let attempts = 0; ; attempts++) {
    try {
      return await file.createSyncAccessHandle();
    } catch (error) {
      const isTaken = error instanceof DOMException && error.name === "NoModificationAllowedError";
      if (!isTaken || attempts === handleAttemptsMax) throw error;
      await new Promise((resolve) => setTimeout(resolve, handleRetryMs));
    }
  }
}

const handleAttemptsMax = 40;
