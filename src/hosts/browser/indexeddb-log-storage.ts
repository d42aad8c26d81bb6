import { type DBSchema, type IDBPDatabase, type IDBPTransaction, openDB } from "idb";
import { fileTimeLagMsMax, pageCacheBytesMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { FileStat, LogStorage, StorageUsage, StorageWrite } from "../../ports/log-storage.ts";
import { asStorageError, originUsage } from "./full.ts";
import { type Page, PageCache } from "./page-cache.ts";
import { StoreLock } from "./store-lock.ts";

/*
 * The database, version 1:
 *
 *   files   id -> FileRecord
 *   chunks  [id, at] -> bytes of the file from `at` on
 *   synced  0 -> 0 or nothing, changed by `sync` and read by nobody
 *
 * Chunks do not overlap and none crosses a page, so that a page is found by the range of its keys alone. Where no chunk is,
 * a file is zero.
 */
interface Schema extends DBSchema {
  files: { key: number; value: FileRecord };
  chunks: { key: [number, number]; value: Uint8Array };
  synced: { key: number; value: number };
}

interface FileRecord {
  readonly name: string;
  readonly sizeBytes: number;
  /** Wall-clock milliseconds; up to `fileTimeLagMsMax` older than the last write while the file is open. */
  readonly modifiedAtMs: number;
}

interface StoredFile extends FileRecord {
  readonly id: number;
  name: string;
  sizeBytes: number;
  modifiedAtMs: number;
  /** The time that the database has. */
  savedAtMs: number;
  /** No chunk reaches behind it. */
  dataEnd: number;
}

/** What a batch makes of a page; nobody sees it before the batch is kept. */
interface StagedPage {
  readonly file: StoredFile;
  readonly index: number;
  readonly page: Page;
  bytes: Uint8Array;
  end: number;
  /** The first byte that changes. */
  from: number;
}

/** Reading pages while a batch changes some of them: those are not kept in memory. */
interface Fetch {
  readonly id: number;
  readonly from: number;
  readonly to: number;
  readonly changed: Set<number>;
}

export type Durability = "strict" | "relaxed";

/**
 * What one read brings, and the largest chunk. Chromium keeps values of 64 KiB and more, as they are serialized, in files of their
 * own: it flushes such a file in a strict transaction that puts it and in no later one, so that `sync` could not keep its word.
 */
const pageBytes = 60 * 1024;

/** Pages of one file, by number: 120 GiB. */
const pagesPerFileMax = 2 ** 21;

/** Appends go into the last chunk while it is below this: few records to read, and little written twice. */
const growingChunkBytesMax = 8 * 1024;

/**
 * The store's files in an IndexedDB database: one transaction a batch.
 *
 * "strict" asks the browser to flush each transaction to the medium before it ends, so that `sync` has nothing left to do.
 * "relaxed" ends a transaction once the operating system has it; `sync` is a strict transaction behind it.
 */
export class IndexedDbLogStorage implements LogStorage {
  readonly supports = { atomicBatch: true };
  readonly owner = "0";
  readonly #name: string;
  readonly #durability: Durability;
  readonly #lockWaitMs: number;
  readonly #lock: StoreLock;
  readonly #files = new Map<string, StoredFile>();
  readonly #cache = new PageCache(pageCacheBytesMax);
  readonly #fetches = new Set<Fetch>();
  /** Pages of the batch that is being kept, by key. */
  #staged = new Map<number, StagedPage>();
  #database: IDBPDatabase<Schema> | undefined;
  #nextId = 1;
  /** Changes of files come one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  /** `lockWaitMs`: for how long `lock` waits for who had the store before. */
  constructor(name: string, durability: Durability, lockWaitMs = 0) {
    this.#name = name;
    this.#durability = durability;
    this.#lockWaitMs = lockWaitMs;
    this.#lock = new StoreLock(`indexeddb:${name}`);
  }

  async lock(): Promise<void> {
    await this.#lock.take(this.#lockWaitMs);
    try {
      this.#database = await openDB<Schema>(this.#name, 1, {
        upgrade(database) {
          for (const store of ["files", "chunks", "synced"] as const) database.createObjectStore(store);
        },
      });
      await this.#loadFiles();
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
      await this.#change(["files"], (tx) => [saveFile(tx, file)]);
      this.#files.set(name, file);
    });
  }

  write(batch: readonly StorageWrite[]): Promise<void> {
    return this.#inTurn(async () => {
      try {
        await this.#write(batch);
      } finally {
        this.#staged = new Map();
      }
    });
  }

  readNow(name: string, at: number, into: Uint8Array): number | undefined {
    const file = this.#files.get(name);
    if (file === undefined || at >= file.sizeBytes) return 0;
    const length = Math.min(into.length, file.sizeBytes - at);
    const dataEnd = Math.min(at + length, file.dataEnd);
    for (let index = Math.floor(at / pageBytes); index * pageBytes < dataEnd; index++) {
      if (!this.#cache.has(pageKey(file.id, index))) return undefined;
    }
    this.#copyCached(file, at, into.subarray(0, length));
    return length;
  }

  async read(name: string, at: number, into: Uint8Array): Promise<number> {
    const read = this.readNow(name, at, into);
    if (read !== undefined) return read;
    const file = this.#files.get(name)!;
    const length = Math.min(into.length, file.sizeBytes - at);
    const missing = this.#copyCached(file, at, into.subarray(0, length));
    const pages = await this.#fetch(file, missing[0]!, missing.at(-1)!);
    for (const index of missing) copyPage(pages.get(index), index, at, into.subarray(0, length));
    return length;
  }

  rename(from: string, to: string): Promise<void> {
    return this.#inTurn(async () => {
      const file = this.#files.get(from);
      if (file === undefined) throw new WasmqError("STORE_UNWRITABLE", `${from} is missing`);
      const replaced = from === to ? undefined : this.#files.get(to);
      await this.#change(["files", "chunks"], (tx) => [
        saveFile(tx, { ...file, name: to }),
        ...(replaced === undefined ? [] : deleteFile(tx, replaced)),
      ]);
      this.#files.delete(from);
      this.#files.set(to, file);
      file.name = to;
      file.savedAtMs = file.modifiedAtMs;
      if (replaced !== undefined) this.#forget(replaced);
    });
  }

  delete(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const file = this.#files.get(name);
      if (file === undefined) return;
      await this.#change(["files", "chunks"], (tx) => deleteFile(tx, file));
      this.#files.delete(name);
      this.#forget(file);
    });
  }

  /** Whatever the files: a strict transaction carries all before it to the medium. It needs no turn, as it changes no file. */
  async sync(): Promise<void> {
    if (this.#durability === "strict") return;
    try {
      await this.#change(["synced"], (tx) => [tx.objectStore("synced").put(0, 0)], "strict");
    } catch (error) {
      if (!(error instanceof WasmqError)) throw error;
      // What is written already needs no room, and a transaction that only deletes is let through without.
      await this.#change(["synced"], (tx) => [tx.objectStore("synced").delete(0)], "strict");
    }
  }

  setModified(name: string, atMs: number): Promise<void> {
    return this.#inTurn(async () => {
      const file = this.#files.get(name);
      if (file === undefined) throw new WasmqError("STORE_UNWRITABLE", `${name} is missing`);
      await this.#change(["files"], (tx) => [saveFile(tx, { ...file, modifiedAtMs: atMs })]);
      file.modifiedAtMs = atMs;
      file.savedAtMs = atMs;
    });
  }

  usage(): Promise<StorageUsage | undefined> {
    return originUsage();
  }

  async close(): Promise<void> {
    try {
      const late = () => [...this.#files.values()].filter(({ modifiedAtMs, savedAtMs }) => modifiedAtMs !== savedAtMs);
      await this.#inTurn(async () => {
        if (this.#database === undefined || late().length === 0) return;
        // Without room they stay a minute behind at most.
        await this.#change(["files"], (tx) => late().map((file) => saveFile(tx, file))).catch(() => {});
      });
    } finally {
      this.#database?.close();
      this.#database = undefined;
      this.#files.clear();
      this.#cache.clear();
      await this.#lock.release();
    }
  }

  async #loadFiles(): Promise<void> {
    const tx = this.#open.transaction(["files", "chunks"]);
    const [ids, records] = await Promise.all([tx.objectStore("files").getAllKeys(), tx.objectStore("files").getAll()]);
    const lastChunks = await Promise.all(
      ids.map((id) => tx.objectStore("chunks").openKeyCursor(chunksOf(id, 0, pagesPerFileMax), "prev")),
    );
    ids.forEach((id, i) => {
      const { name, sizeBytes, modifiedAtMs } = records[i]!;
      const last = lastChunks[i];
      const dataEnd = last ? Math.min(sizeBytes, (Math.floor(last.key[1] / pageBytes) + 1) * pageBytes) : 0;
      this.#files.set(name, { id, name, sizeBytes, modifiedAtMs, savedAtMs: modifiedAtMs, dataEnd });
      this.#nextId = Math.max(this.#nextId, id + 1);
    });
  }

  async #write(batch: readonly StorageWrite[]): Promise<void> {
    const files = new Map<StoredFile, number>();
    for (const { file: name, at, bytes } of batch) {
      const file = this.#files.get(name);
      if (file === undefined) throw new WasmqError("STORE_UNWRITABLE", `${name} is missing`);
      const end = at + bytes.length;
      if (end > pagesPerFileMax * pageBytes) throw new WasmqError("STORE_UNWRITABLE", `${name} would be too large`);
      files.set(file, Math.max(files.get(file) ?? file.sizeBytes, end));
      for (let done = 0; done < bytes.length; ) {
        const index = Math.floor((at + done) / pageBytes);
        const within = (at + done) % pageBytes;
        const count = Math.min(bytes.length - done, pageBytes - within);
        const staged =
          this.#staged.get(pageKey(file.id, index)) ?? this.#stage(file, index, await this.#page(file, index));
        put(staged, within, bytes.subarray(done, done + count));
        done += count;
      }
    }
    const now = Date.now();
    const changed = [...files].filter(
      ([file, sizeBytes]) => sizeBytes !== file.sizeBytes || now - file.savedAtMs >= fileTimeLagMsMax,
    );
    const pages = [...this.#staged.values()].map((staged) => ({ staged, chunk: chunkOf(staged) }));
    const make = (tx: Transaction): Promise<unknown>[] => {
      const chunks = tx.objectStore("chunks");
      const made: Promise<unknown>[] = [];
      for (const { staged, chunk } of pages) {
        const { file, index, bytes } = staged;
        if (chunk.alone) made.push(chunks.delete(chunksOf(file.id, index, index + 1)));
        // The bytes of their own, or all of what they are a view of would be stored.
        if (chunk.end > chunk.at) {
          made.push(chunks.put(bytes.slice(chunk.at, chunk.end), [file.id, index * pageBytes + chunk.at]));
        }
      }
      for (const [file, sizeBytes] of changed) made.push(saveFile(tx, { ...file, sizeBytes, modifiedAtMs: now }));
      return made;
    };
    const stores: StoreName[] = changed.length > 0 ? ["files", "chunks"] : ["chunks"];
    await this.#change(stores, make);
    for (const { staged, chunk } of pages) {
      const { file, index, page, bytes } = staged;
      page.bytes = bytes;
      page.end = chunk.end;
      page.lastChunkAt = chunk.at;
      this.#cache.set(pageKey(file.id, index), page);
      file.dataEnd = Math.max(file.dataEnd, index * pageBytes + chunk.end);
    }
    for (const [file, sizeBytes] of files) {
      file.sizeBytes = sizeBytes;
      file.modifiedAtMs = now;
    }
    for (const [file] of changed) file.savedAtMs = now;
  }

  /** A page as it is kept. Behind the last chunk there is nothing to be fetched. */
  async #page(file: StoredFile, index: number): Promise<Page> {
    const cached = this.#cache.get(pageKey(file.id, index));
    if (cached !== undefined) return cached;
    if (index * pageBytes >= file.dataEnd) return emptyPage();
    return (await this.#fetch(file, index, index)).get(index)!;
  }

  #stage(file: StoredFile, index: number, page: Page): StagedPage {
    const staged = { file, index, page, bytes: page.bytes, end: page.end, from: pageBytes };
    this.#staged.set(pageKey(file.id, index), staged);
    for (const fetch of this.#fetches) if (fetch.id === file.id) fetch.changed.add(index);
    return staged;
  }

  /** Reads the pages `from` to `to` and keeps in memory those that nothing changes meanwhile. */
  async #fetch({ id }: StoredFile, from: number, to: number): Promise<Map<number, Page>> {
    const fetch: Fetch = { id, from, to, changed: new Set() };
    for (const { file, index } of this.#staged.values()) if (file.id === id) fetch.changed.add(index);
    this.#fetches.add(fetch);
    try {
      const chunks = this.#open.transaction("chunks").store;
      const range = chunksOf(id, from, to + 1);
      const [keys, values] = await Promise.all([chunks.getAllKeys(range), chunks.getAll(range)]);
      const pages = new Map<number, Page>();
      for (let index = from; index <= to; index++) pages.set(index, emptyPage());
      keys.forEach(([, at], i) => {
        const page = pages.get(Math.floor(at / pageBytes))!;
        const within = at % pageBytes;
        if (within === 0) {
          page.bytes = values[i]!;
        } else {
          reserve(page, within + values[i]!.length);
          page.bytes.set(values[i]!, within);
        }
        page.end = within + values[i]!.length;
        page.lastChunkAt = within;
      });
      for (const [index, page] of pages) {
        const key = pageKey(id, index);
        if (!fetch.changed.has(index) && !this.#cache.has(key)) this.#cache.set(key, page);
      }
      return pages;
    } finally {
      this.#fetches.delete(fetch);
    }
  }

  /** Copies what memory has of the file's bytes from `at` on, and names the pages that it has not. */
  #copyCached(file: StoredFile, at: number, into: Uint8Array): number[] {
    const missing: number[] = [];
    for (let index = Math.floor(at / pageBytes); index * pageBytes < at + into.length; index++) {
      const page = this.#cache.get(pageKey(file.id, index));
      if (page === undefined && index * pageBytes < file.dataEnd) missing.push(index);
      else copyPage(page, index, at, into);
    }
    return missing;
  }

  #forget(file: StoredFile): void {
    for (let index = 0; index * pageBytes < file.dataEnd; index++) this.#cache.delete(pageKey(file.id, index));
  }

  /** One transaction; it is kept, or it never was: STORE_FULL, or the error of the browser. */
  async #change(
    stores: StoreName[],
    make: (tx: Transaction) => Promise<unknown>[],
    durability = this.#durability,
  ): Promise<void> {
    try {
      const tx = this.#open.transaction(stores, "readwrite", { durability });
      try {
        // Why it was aborted, the transaction tells; its requests only that it was.
        for (const request of make(tx)) request.catch(() => {});
        tx.commit();
      } catch (error) {
        tx.done.catch(() => {});
        tx.abort();
        throw error;
      }
      await tx.done;
    } catch (error) {
      throw asStorageError(error);
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  get #open(): IDBPDatabase<Schema> {
    if (this.#database === undefined) throw new Error("the storage is not open");
    return this.#database;
  }
}

type StoreName = "files" | "chunks" | "synced";
type Transaction = IDBPTransaction<Schema, StoreName[], "readwrite">;

function saveFile(tx: Transaction, { id, name, sizeBytes, modifiedAtMs }: StoredFile): Promise<unknown> {
  return tx.objectStore("files").put({ name, sizeBytes, modifiedAtMs }, id);
}

function deleteFile(tx: Transaction, { id }: StoredFile): Promise<unknown>[] {
  return [tx.objectStore("files").delete(id), tx.objectStore("chunks").delete(chunksOf(id, 0, pagesPerFileMax))];
}

/** The chunks of the pages [from, to) of a file. */
function chunksOf(id: number, from: number, to: number): IDBKeyRange {
  return IDBKeyRange.bound([id, from * pageBytes], [id, to * pageBytes], false, true);
}

function pageKey(id: number, index: number): number {
  return id * pagesPerFileMax + index;
}

function emptyPage(): Page {
  return { bytes: new Uint8Array(0), end: 0, lastChunkAt: 0 };
}

function copyPage(page: Page | undefined, index: number, at: number, into: Uint8Array): void {
  const start = index * pageBytes;
  const from = Math.max(at, start);
  const until = Math.min(at + into.length, start + pageBytes);
  const dataUntil = Math.max(from, Math.min(until, start + (page?.end ?? 0)));
  if (page !== undefined) into.set(page.bytes.subarray(from - start, dataUntil - start), from - at);
  into.fill(0, dataUntil - at, until - at);
}

/**
 * Puts bytes into a staged page. Behind the page's end they go where they will be: nobody looks there yet. What is there
 * already is changed in a copy.
 */
function put(staged: StagedPage, within: number, bytes: Uint8Array): void {
  const { page } = staged;
  if (within < page.end && staged.bytes === page.bytes) staged.bytes = page.bytes.slice();
  const end = within + bytes.length;
  const isCopy = staged.bytes !== page.bytes;
  reserve(isCopy ? staged : page, end);
  if (!isCopy) staged.bytes = page.bytes;
  if (within > staged.end) staged.bytes.fill(0, staged.end, within);
  staged.bytes.set(bytes, within);
  staged.end = Math.max(staged.end, end);
  staged.from = Math.min(staged.from, within);
}

function reserve(into: { bytes: Uint8Array; end: number }, length: number): void {
  if (length <= into.bytes.length) return;
  const larger = new Uint8Array(Math.min(pageBytes, Math.max(length, 2 * into.bytes.length)));
  larger.set(into.bytes);
  into.bytes = larger;
}

/** The one chunk of a page that a batch writes; `alone` when it takes the place of all others. */
function chunkOf({ page, bytes, end, from }: StagedPage): { at: number; end: number; alone: boolean } {
  if (from < page.end) {
    let dataEnd = end;
    while (dataEnd > 0 && bytes[dataEnd - 1] === 0) dataEnd--;
    return { at: 0, end: dataEnd, alone: page.lastChunkAt > 0 || dataEnd === 0 };
  }
  const grows = page.end > 0 && page.end - page.lastChunkAt < growingChunkBytesMax;
  return { at: grows ? page.lastChunkAt : from, end, alone: false };
}
