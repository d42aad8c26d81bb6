import { WasmqError } from "../../ports/error.ts";
import type { FileStat, LogStorage, StorageWrite } from "../../ports/log-storage.ts";

/** Files are sparse: memory is taken in pieces of this size, where something is written. */
const pieceBytes = 64 * 1024;

interface MemoryFile {
  sizeBytes: number;
  modifiedAtMs: number;
  readonly pieces: Map<number, Uint8Array>;
}

/**
 * The shortest reading of the port: files in memory, gone with the process. `files` may be given to another instance, which
 * then sees what this one left, as a restart does.
 */
export class MemoryLogStorage implements LogStorage {
  readonly supports = { atomicBatch: true };
  readonly owner = "0";
  readonly files: Map<string, MemoryFile>;

  constructor(files: MemoryLogStorage["files"] = new Map()) {
    this.files = files;
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
    this.files.set(file, { sizeBytes, modifiedAtMs: Date.now(), pieces: new Map() });
  }

  write(batch: readonly StorageWrite[]): void {
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
      found.modifiedAtMs = Date.now();
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

  close(): void {}
}

function dataEnd(pieces: ReadonlyMap<number, Uint8Array>, sizeBytes: number): number {
  let last = -1;
  for (const index of pieces.keys()) last = Math.max(last, index);
  return Math.min(sizeBytes, (last + 1) * pieceBytes);
}
