import { chunkBytesMax, fileTimeLagMsMax, objectBytesMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { FileStat, LogStorage, StorageUsage, StorageWrite } from "../../ports/log-storage.ts";
import { free, type ObjectStorage, type SqlStorage } from "./platform.ts";

/*
 * Two tables. A file's bytes are rows of `chunk`, each keyed by where it begins: file id * 2^31 + offset. What no chunk covers reads as
 * zeros; chunks never overlap. A row costs money for being written, not for its size, so that all bytes of a commit that follow
 * each other are one row, and small appends grow the last row.
 */
const schema = `
  CREATE TABLE IF NOT EXISTS file (id INTEGER PRIMARY KEY, name TEXT NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS chunk (at INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
`;

const fileSpan = 2 ** 31;
/** Keys stay exact numbers. */
const fileIdsMax = 2 ** 22;

/** An append to a shorter last chunk rewrites it: SQLite writes whole pages of this size in any case. */
const grownBytesMax = 4096;

interface StoredFile {
  readonly id: number;
  size: number;
  /** Where the last chunk begins and ends; undefined until it is looked up. */
  tail: { at: number; end: number } | undefined;
  modifiedAtMs: number;
  /** What the table has. */
  storedModifiedAtMs: number;
}

/**
 * The store's files in a Durable Object's SQLite. Reading takes no waiting. A write ends when it is durable, so that both flush modes
 * promise the same, and all that arrives during one commit becomes the next one.
 */
export class DurableObjectLogStorage implements LogStorage {
  readonly supports = { atomicBatch: true };
  readonly owner = "0";
  readonly #storage: ObjectStorage;
  readonly #sql: SqlStorage;
  readonly #files = new Map<string, StoredFile>();
  readonly #freeIds: number[] = [];
  #nextId = 0;

  constructor(storage: ObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
  }

  /** The platform runs one object of a name at a time. */
  lock(): void {
    this.#sql.exec(schema);
    this.#files.clear();
    this.#freeIds.length = 0;
    this.#nextId = 0;
    for (const row of this.#sql.exec("SELECT id, name, size, modified FROM file ORDER BY id")) {
      const id = row["id"] as number;
      while (this.#nextId < id) this.#freeIds.push(this.#nextId++);
      this.#nextId = id + 1;
      const modifiedAtMs = row["modified"] as number;
      this.#files.set(row["name"] as string, {
        id,
        size: row["size"] as number,
        tail: undefined,
        modifiedAtMs,
        storedModifiedAtMs: modifiedAtMs,
      });
    }
  }

  list(folder: string): FileStat[] {
    const below = folder === "" ? "" : `${folder}/`;
    return [...this.#files]
      .filter(([name]) => name.startsWith(below))
      .map(([name, file]) => ({
        name,
        sizeBytes: file.size,
        modifiedAtMs: file.modifiedAtMs,
        dataBytesMax: this.#tailOf(file).end,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  create(name: string, sizeBytes: number): void {
    if (this.#files.has(name)) throw new WasmqError("STORE_UNWRITABLE", `${name} exists already`);
    if (sizeBytes > fileSpan) {
      throw new WasmqError("STORE_UNWRITABLE", `${name}: a file of ${sizeBytes} bytes, at most ${fileSpan} are held`);
    }
    const id = this.#freeIds.at(-1) ?? this.#nextId;
    if (id >= fileIdsMax) throw new WasmqError("STORE_UNWRITABLE", `no more than ${fileIdsMax} files are held`);
    const nowMs = Date.now();
    this.#atomically(() => {
      this.#sql.exec("INSERT INTO file (id, name, size, modified) VALUES (?, ?, ?, ?)", id, name, sizeBytes, nowMs);
    });
    if (this.#freeIds.pop() === undefined) this.#nextId++;
    const times = { modifiedAtMs: nowMs, storedModifiedAtMs: nowMs };
    this.#files.set(name, { id, size: sizeBytes, tail: { at: 0, end: 0 }, ...times });
  }

  write(batch: readonly StorageWrite[]): Promise<void> {
    const nowMs = Date.now();
    const before = new Map<StoredFile, StoredFile>();
    try {
      this.#atomically(() => {
        for (const { file: name, at, bytes } of batch) {
          const file = this.#existing(name);
          if (at + bytes.length > fileSpan) {
            throw new WasmqError("STORE_UNWRITABLE", `${name} would grow beyond ${fileSpan} bytes`);
          }
          if (!before.has(file)) before.set(file, { ...file });
          this.#put(file, at, bytes);
          file.modifiedAtMs = nowMs;
        }
        for (const [file, { size }] of before) {
          if (file.size !== size || nowMs - file.storedModifiedAtMs > fileTimeLagMsMax) this.#storeRow(file);
        }
      });
    } catch (error) {
      for (const [file, was] of before) Object.assign(file, was);
      throw error;
    }
    return this.#storage.sync();
  }

  readNow(name: string, at: number, into: Uint8Array): number {
    const file = this.#files.get(name);
    if (file === undefined || at >= file.size) return 0;
    const length = Math.min(into.length, file.size - at);
    const base = file.id * fileSpan;
    const from = base + at;
    const to = from + length;
    let filled = 0;
    const rows = this.#sql.exec(
      `SELECT at, substr(bytes, max(at, ?1) - at + 1, ?2 - max(at, ?1)) AS bytes FROM chunk
        WHERE at >= coalesce((SELECT max(at) FROM chunk WHERE at >= ?3 AND at <= ?1), ?1) AND at < ?2 ORDER BY at`,
      from,
      to,
      base,
    );
    for (const row of rows) {
      const start = Math.max(row["at"] as number, from) - from;
      const bytes = new Uint8Array(row["bytes"] as ArrayBuffer);
      if (bytes.length === 0) continue;
      if (start > filled) into.fill(0, filled, start);
      into.set(bytes, start);
      filled = start + bytes.length;
      free(bytes.buffer);
    }
    into.fill(0, filled, length);
    return length;
  }

  read(name: string, at: number, into: Uint8Array): number {
    return this.readNow(name, at, into);
  }

  rename(from: string, to: string): void {
    const file = this.#existing(from);
    const replaced = this.#files.get(to);
    this.#atomically(() => {
      if (replaced !== undefined) this.#deleteRows(replaced);
      this.#sql.exec("UPDATE file SET name = ? WHERE id = ?", to, file.id);
    });
    if (replaced !== undefined) this.#freeIds.push(replaced.id);
    this.#files.delete(from);
    this.#files.set(to, file);
  }

  delete(name: string): void {
    const file = this.#files.get(name);
    if (file === undefined) return;
    this.#atomically(() => this.#deleteRows(file));
    this.#files.delete(name);
    this.#freeIds.push(file.id);
  }

  sync(): Promise<void> {
    return this.#storage.sync();
  }

  setModified(name: string, atMs: number): void {
    const file = this.#existing(name);
    file.modifiedAtMs = atMs;
    this.#atomically(() => this.#storeRow(file));
  }

  /** The limit is the documented one, and smaller for some accounts: what the platform refuses counts. */
  usage(): StorageUsage {
    return {
      path: "the object's storage",
      usedBytes: this.#sql.databaseSize,
      totalBytes: objectBytesMax,
      isEstimate: true,
    };
  }

  close(): Promise<void> {
    this.#atomically(() => {
      for (const file of this.#files.values()) {
        if (file.modifiedAtMs !== file.storedModifiedAtMs) this.#storeRow(file);
      }
    });
    return this.#storage.sync();
  }

  #existing(name: string): StoredFile {
    const file = this.#files.get(name);
    if (file === undefined) throw new WasmqError("STORE_UNWRITABLE", `${name} is missing`);
    return file;
  }

  #put(file: StoredFile, at: number, bytes: Uint8Array): void {
    const tail = this.#tailOf(file);
    let done = at < tail.end ? this.#overwrite(file, at, bytes.subarray(0, tail.end - at)) : 0;
    const tailLength = tail.end - tail.at;
    if (done < bytes.length && at + done === tail.end && tailLength > 0 && tailLength < grownBytesMax) {
      const added = bytes.subarray(done, done + chunkBytesMax - tailLength);
      const grown = new Uint8Array(tailLength + added.length);
      this.#readChunk(file, tail.at, grown);
      grown.set(added, tailLength);
      this.#sql.exec("UPDATE chunk SET bytes = ? WHERE at = ?", grown, file.id * fileSpan + tail.at);
      done += added.length;
      file.tail = { at: tail.at, end: at + done };
    }
    while (done < bytes.length) {
      const piece = bytes.subarray(done, done + chunkBytesMax);
      this.#sql.exec("INSERT INTO chunk (at, bytes) VALUES (?, ?)", file.id * fileSpan + at + done, piece);
      file.tail = { at: at + done, end: at + done + piece.length };
      done += piece.length;
    }
    file.size = Math.max(file.size, at + bytes.length);
  }

  /** Writes over chunks, and into the gaps between them, before the end of the last one. Returns the number of bytes. */
  #overwrite(file: StoredFile, at: number, bytes: Uint8Array): number {
    const base = file.id * fileSpan;
    const from = base + at;
    const to = from + bytes.length;
    const rows = this.#sql
      .exec(
        `SELECT at, length(bytes) AS length FROM chunk
          WHERE at >= coalesce((SELECT max(at) FROM chunk WHERE at >= ?3 AND at <= ?1), ?1) AND at < ?2 ORDER BY at`,
        from,
        to,
        base,
      )
      .toArray();
    let filled = from;
    const fillGap = (until: number): void => {
      while (filled < until) {
        const end = Math.min(until, filled + chunkBytesMax);
        this.#sql.exec(
          "INSERT INTO chunk (at, bytes) VALUES (?, ?)",
          filled,
          bytes.subarray(filled - from, end - from),
        );
        filled = end;
      }
    };
    for (const row of rows) {
      const start = row["at"] as number;
      const end = start + (row["length"] as number);
      if (end <= filled) continue;
      fillGap(Math.min(start, to));
      const changed = new Uint8Array(end - start);
      this.#readChunk(file, start - base, changed);
      const until = Math.min(end, to);
      changed.set(bytes.subarray(filled - from, until - from), filled - start);
      this.#sql.exec("UPDATE chunk SET bytes = ? WHERE at = ?", changed, start);
      filled = until;
    }
    fillGap(to);
    return bytes.length;
  }

  #readChunk(file: StoredFile, at: number, into: Uint8Array): void {
    const [row] = this.#sql.exec("SELECT bytes FROM chunk WHERE at = ?", file.id * fileSpan + at);
    into.set(new Uint8Array(row!["bytes"] as ArrayBuffer));
  }

  #tailOf(file: StoredFile): { at: number; end: number } {
    if (file.tail === undefined) {
      const base = file.id * fileSpan;
      const [row] = this.#sql
        .exec(
          "SELECT at, length(bytes) AS length FROM chunk WHERE at >= ? AND at < ? ORDER BY at DESC LIMIT 1",
          base,
          base + fileSpan,
        )
        .toArray();
      const at = row === undefined ? 0 : (row["at"] as number) - base;
      file.tail = { at, end: at + ((row?.["length"] as number | undefined) ?? 0) };
    }
    return file.tail;
  }

  #storeRow(file: StoredFile): void {
    const { id, size, modifiedAtMs } = file;
    this.#sql.exec("UPDATE file SET size = ?, modified = ? WHERE id = ?", size, modifiedAtMs, id);
    file.storedModifiedAtMs = modifiedAtMs;
  }

  #deleteRows(file: StoredFile): void {
    const base = file.id * fileSpan;
    this.#sql.exec("DELETE FROM chunk WHERE at >= ? AND at < ?", base, base + fileSpan);
    this.#sql.exec("DELETE FROM file WHERE id = ?", file.id);
  }

  #atomically(body: () => void): void {
    try {
      this.#storage.transactionSync(body);
    } catch (error) {
      if (error instanceof Error && /SQLITE_FULL|disk is full/i.test(error.message)) {
        throw new WasmqError("STORE_FULL", "the object's storage is full", { cause: error });
      }
      throw error;
    }
  }
}
