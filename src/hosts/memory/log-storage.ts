import { WasmqError } from "../../ports/error.ts";
import type { FileStat, LogStorage, StorageUsage, StorageWrite } from "../../ports/log-storage.ts";

/** Files are sparse: memory is taken in pieces of this size, where something is written. */
const pieceBytes = 64 * 1024;

interface MemoryFile {
  sizeBytes: number;
  modifiedAtMs: number;
  readonly pieces: Map<number, Uint8Array>;
}

/**
 * The shortest reading of the port: files in memory, gone with the process. `files` may be given to another instance, which
 * then sees what this one left, as a restart does. `now` is the wall clock that files have their times of.
 */
export class MemoryLogStorage implements LogStorage {
  readonly supports = { atomicBatch: true };
  readonly owner = "0";
  readonly files: Map<string, MemoryFile>;
  /** As a disk of this size would: what is written beyond it finds no room. */
  totalBytes = Number.POSITIVE_INFINITY;
  readonly #now: () => number;

  constructor(files: MemoryLogStorage["files"] = new Map(), now: () => number = () => Date.now()) {
    this.files = files;
    this.#now = now;
  }

  lock(): void {}

  list(folder: string): FileStat[] {
    const below = folder === "" ? "" : `${folder}/`;
    return [...this.files]
      .filter(([name]) => name.startsWith(below))
      .map(([name, { sizeBytes, modifiedAtMs, pieces }]) => ({
        name,
        sizeBytes,
        modifiedAtMs,
        dataBytesMax: dataEnd(pieces, sizeBytes),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  create(file: string, sizeBytes: number): void {
    if (this.files.has(file)) throw new WasmqError("STORE_UNWRITABLE", `${file} exists already`);
    this.files.set(file, { sizeBytes, modifiedAtMs: this.#now(), pieces: new Map() });
  }

  write(batch: readonly StorageWrite[]): void {
    this.#checkRoom(batch);
    for (const { file, at, bytes } of batch) {
      const found = this.files.get(file);
      if (found === undefined) throw new WasmqError("STORE_UNWRITABLE", `${file} is missing`);
      let done = 0;
      while (done < bytes.length) {
        const index = Math.floor((at + done) / pieceBytes);
        const within = (at + done) % pieceBytes;
        const length = Math.min(bytes.length - done, pieceBytes - within);
        let piece = found.pieces.get(index);
        if (piece === undefined) {
          piece = new Uint8Array(pieceBytes);
          found.pieces.set(index, piece);
        }
        piece.set(bytes.subarray(done, done + length), within);
        done += length;
      }
      found.sizeBytes = Math.max(found.sizeBytes, at + bytes.length);
      found.modifiedAtMs = this.#now();
    }
  }

  readNow(file: string, at: number, into: Uint8Array): number {
    const found = this.files.get(file);
    if (found === undefined || at >= found.sizeBytes) return 0;
    const length = Math.min(into.length, found.sizeBytes - at);
    let done = 0;
    while (done < length) {
      const index = Math.floor((at + done) / pieceBytes);
      const within = (at + done) % pieceBytes;
      const count = Math.min(length - done, pieceBytes - within);
      const piece = found.pieces.get(index);
      if (piece === undefined) into.fill(0, done, done + count);
      else into.set(piece.subarray(within, within + count), done);
      done += count;
    }
    return length;
  }

  read(file: string, at: number, into: Uint8Array): number {
    return this.readNow(file, at, into);
  }

  rename(from: string, to: string): void {
    const found = this.files.get(from);
    if (found === undefined) throw new WasmqError("STORE_UNWRITABLE", `${from} is missing`);
    this.files.delete(from);
    this.files.set(to, found);
  }

  delete(file: string): void {
    this.files.delete(file);
  }

  sync(): void {}

  setModified(file: string, atMs: number): void {
    const found = this.files.get(file);
    if (found === undefined) throw new WasmqError("STORE_UNWRITABLE", `${file} is missing`);
    found.modifiedAtMs = atMs;
  }

  usage(): StorageUsage | undefined {
    const { totalBytes } = this;
    if (totalBytes === Number.POSITIVE_INFINITY) return undefined;
    return { path: "memory", usedBytes: this.#usedBytes(), totalBytes, isEstimate: false };
  }

  close(): void {}

  #usedBytes(): number {
    let used = 0;
    for (const { pieces } of this.files.values()) used += pieces.size;
    return used * pieceBytes;
  }

  /** A batch is written whole or not at all. */
  #checkRoom(batch: readonly StorageWrite[]): void {
    if (this.totalBytes === Number.POSITIVE_INFINITY) return;
    const added = new Set<string>();
    for (const { file, at, bytes } of batch) {
      for (let index = Math.floor(at / pieceBytes); index * pieceBytes < at + bytes.length; index++) {
        if (this.files.get(file)?.pieces.has(index) === false) added.add(`${file}/${index}`);
      }
    }
    if (added.size > 0 && this.#usedBytes() + added.size * pieceBytes > this.totalBytes) {
      throw new WasmqError("STORE_FULL", `there is room for ${this.totalBytes} bytes`);
    }
  }
}

function dataEnd(pieces: ReadonlyMap<number, Uint8Array>, sizeBytes: number): number {
  let last = -1;
  for (const index of pieces.keys()) last = Math.max(last, index);
  return Math.min(sizeBytes, (last + 1) * pieceBytes);
}
