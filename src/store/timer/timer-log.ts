import type { TimerFormats, TimerUnit } from "../../core/core.ts";
import { WasmqError } from "../../ports/error.ts";
import type { FileStat, LogStorage, StorageWrite } from "../../ports/log-storage.ts";
import { type Eventually, whenReady } from "../eventually.ts";
import { fileNameOffset, offsetFileName } from "../file-name.ts";

/** Units that wait for their write are held in pieces of so many. */
const pieceUnits = 1024;

/** Units read around one that is asked for: those of one slot came together as a rule. */
const readUnits = 64;

const zeroedAtOnceBytes = 64 * 1024;

/** Bytes of the log that only memory holds. */
interface Piece {
  readonly position: number;
  readonly bytes: Uint8Array;
  length: number;
}

interface LogFile {
  readonly name: string;
  readonly start: number;
  /** The time of the latest slot that a unit in it is of. */
  latestSlotMs: number;
  /** False until it is on the storage. */
  exists: boolean;
}

/**
 * The timer log (TimerLog): a unit for each message that was put onto the wheel, in order. Positions are bytes of all its files. What is
 * appended is read again at once and is on the storage after `write`.
 */
export class TimerLog {
  readonly #storage: LogStorage;
  readonly #formats: TimerFormats;
  #fileBytes: number;
  #files: LogFile[] = [];
  #end = 0;
  /** Newer ones last; those of a write that is under way are among them until it has ended. */
  #pieces: Piece[] = [];
  #unsynced = new Set<string>();
  /** What was read last. */
  #read: { readonly position: number; readonly bytes: Uint8Array } = { position: 0, bytes: new Uint8Array(0) };
  /** The last piece of a write that has begun: nothing more goes into it. */
  #closed: Piece | undefined;
  /** See `#room`. */
  #roomAt = 0;

  /** `fileBytes`: of new files where there are none; a log goes on with the size it has. */
  constructor(storage: LogStorage, formats: TimerFormats, fileBytes: number) {
    this.#storage = storage;
    this.#formats = formats;
    this.#fileBytes = fileBytes;
  }

  get end(): number {
    return this.#end;
  }

  get isEmpty(): boolean {
    return this.#files.length === 0;
  }

  /** Files follow the one in which the units end: a crash came between them. */
  get isTorn(): boolean {
    const last = this.#files.at(-1);
    return last !== undefined && this.#end < last.start;
  }

  get unwrittenBytes(): number {
    return this.#pieces.reduce((sum, { length }) => sum + length, 0);
  }

  /** Takes over the files that are there. Rejects with STORE_UNREADABLE for what is none of a timer log's, as Apache does. */
  async load(stats: readonly FileStat[]): Promise<void> {
    // Power was lost between making files and giving them their size.
    const isUnmade = ({ name, sizeBytes }: FileStat) => sizeBytes === 0 && fileNameOffset(name) !== undefined;
    const made = stats.findLastIndex((stat) => !isUnmade(stat)) + 1;
    for (const { name } of stats.slice(made).reverse()) await this.#storage.delete(name);
    for (const { name, sizeBytes } of stats.slice(0, made)) {
      const start = fileNameOffset(name);
      this.#fileBytes = this.#files.length === 0 && sizeBytes > 0 ? sizeBytes : this.#fileBytes;
      const expected = this.#files.at(-1)?.start;
      if (
        start === undefined ||
        sizeBytes !== this.#fileBytes ||
        sizeBytes < this.#formats.unitBytes + this.#formats.blankBytes ||
        (expected !== undefined && start !== expected + this.#fileBytes)
      ) {
        throw new WasmqError("STORE_UNREADABLE", `${name} is no file of a timer log: move it out of the store`);
      }
      this.#files.push({ name, start, latestSlotMs: Number.NEGATIVE_INFINITY, exists: true });
    }
    this.#end = this.#files[0]?.start ?? 0;
  }

  /** Shows every unit and its position, from the first to the last, behind which the log then ends. Units are reused. */
  async scan(visit: (unit: TimerUnit, position: number) => void): Promise<void> {
    const { loadedBytesMax, unitBytes } = this.#formats;
    const block = new Uint8Array(loadedBytesMax);
    for (const file of this.#files) {
      for (let at = 0; at < this.#fileBytes; ) {
        const length = await this.#storage.read(file.name, at, block.subarray(0, this.#fileBytes - at));
        this.#formats.load(block.subarray(0, length));
        let inBlock = 0;
        for (; ; inBlock += unitBytes) {
          const unit = this.#formats.unitAt(inBlock);
          if (unit === undefined) break;
          // Torn by a loss of power: its end is missing, and with it what its slot would be.
          if (unit !== "blank" && unit.recordSize <= 0) break;
          if (unit === "blank") {
            inBlock = -1;
            break;
          }
          visit(unit, file.start + at + inBlock);
          file.latestSlotMs = Math.max(file.latestSlotMs, unit.writeTime + unit.delay);
        }
        if (inBlock < 0) {
          this.#end = file.start + this.#fileBytes;
          break;
        }
        at += inBlock;
        this.#end = file.start + at;
        // What could not be looked at since the block ended is looked at with the next one.
        const wasWhole = inBlock + unitBytes > length && length === loadedBytesMax && inBlock > 0;
        if (!wasWhole) return;
      }
      if (this.#end < file.start + this.#fileBytes) return;
    }
  }

  /** Ends the log at a position, and leaves nothing behind it that could be taken for units. */
  async cut(position: number): Promise<void> {
    for (const file of this.#files.splice(Math.max(1, this.#indexOf(position) + 1))) {
      await this.#storage.delete(file.name);
    }
    const last = this.#files.at(-1);
    if (last === undefined) return;
    const zeros = new Uint8Array(zeroedAtOnceBytes);
    const from = Math.max(0, position - last.start);
    const until = await this.#dataEnd(last);
    for (let at = from; at < until; at += zeros.length) {
      const bytes = zeros.subarray(0, Math.min(zeros.length, this.#fileBytes - at));
      await this.#storage.write([{ file: last.name, at, bytes }]);
    }
    await this.#storage.sync([last.name]);
    this.#end = Math.max(position, last.start);
  }

  /** Appends a unit, whose slot's time is `writeTime` + `delay`; its position. */
  append(unit: TimerUnit): number {
    const { unitBytes, blankBytes } = this.#formats;
    const left = this.#files.length === 0 ? 0 : this.#files.at(-1)!.start + this.#fileBytes - this.#end;
    if (left < unitBytes + blankBytes) {
      if (left >= blankBytes) {
        this.#formats.putBlank(this.#room(blankBytes), this.#roomAt, left);
      }
      this.#end += left;
      const name = offsetFileName("timerlog", this.#end);
      this.#files.push({ name, start: this.#end, latestSlotMs: Number.NEGATIVE_INFINITY, exists: false });
    }
    const position = this.#end;
    this.#formats.putUnit(this.#room(unitBytes), this.#roomAt, unit);
    this.#end += unitBytes;
    const file = this.#files.at(-1)!;
    file.latestSlotMs = Math.max(file.latestSlotMs, unit.writeTime + unit.delay);
    return position;
  }

  /** The unit at a position, undefined where there is none. Reused. */
  unitAt(position: number): Eventually<TimerUnit | undefined> {
    const { unitBytes } = this.#formats;
    const piece = this.#pieces.findLast((each) => each.position <= position);
    if (piece !== undefined) {
      return position + unitBytes > piece.position + piece.length
        ? undefined
        : this.#unitIn(piece.bytes, position - piece.position);
    }
    const read = this.#read;
    if (position >= read.position && position + unitBytes <= read.position + read.bytes.length) {
      return this.#unitIn(read.bytes, position - read.position);
    }
    const file = this.#files[this.#indexOf(position)];
    if (file === undefined || position < file.start || position + unitBytes > file.start + this.#fileBytes) {
      return undefined;
    }
    // A slot is read from its last unit back.
    const from = Math.max(file.start, position - (readUnits - 1) * unitBytes);
    const bytes = new Uint8Array(position + unitBytes - from);
    return whenReady(this.#storage.read(file.name, from - file.start, bytes), (length) => {
      this.#read = { position: from, bytes: bytes.subarray(0, length) };
      return position + unitBytes > from + length ? undefined : this.#unitIn(bytes, position - from);
    });
  }

  /** Writes what was appended. After a rejection it is written by the next call. */
  async write(): Promise<void> {
    const pieces = [...this.#pieces];
    if (pieces.length === 0) return;
    // What is appended meanwhile goes into a piece of its own.
    this.#closed = pieces.at(-1)!;
    for (const file of this.#files) {
      if (file.exists) continue;
      await this.#storage.create(file.name, this.#fileBytes);
      file.exists = true;
      this.#unsynced.add(file.name);
    }
    const batch: StorageWrite[] = pieces.map(({ position, bytes, length }) => {
      const file = this.#files[this.#indexOf(position)]!;
      this.#unsynced.add(file.name);
      return { file: file.name, at: position - file.start, bytes: bytes.subarray(0, length) };
    });
    await this.#storage.write(batch);
    this.#pieces = this.#pieces.slice(pieces.length);
    this.#read = { position: 0, bytes: new Uint8Array(0) };
  }

  /** Makes last what was written. */
  async sync(): Promise<void> {
    if (this.#unsynced.size === 0) return;
    const files = [...this.#unsynced];
    await this.#storage.sync(files);
    for (const file of files) this.#unsynced.delete(file);
  }

  /** Deletes the files, from the first on and never the last, all of whose units are of slots before a time. */
  async deleteBefore(slotMs: number): Promise<void> {
    while (this.#files.length > 1 && this.#files[0]!.latestSlotMs < slotMs && this.#files[1]!.exists) {
      await this.#storage.delete(this.#files[0]!.name);
      this.#files.shift();
    }
  }

  /** Where `length` bytes at the log's end go, from `#roomAt` on. */
  #room(length: number): Uint8Array {
    let piece = this.#pieces.at(-1);
    if (
      piece === undefined ||
      piece === this.#closed ||
      piece.position + piece.length !== this.#end ||
      piece.length + length > piece.bytes.length ||
      this.#end === this.#files.at(-1)!.start
    ) {
      piece = { position: this.#end, bytes: new Uint8Array(pieceUnits * this.#formats.unitBytes), length: 0 };
      this.#pieces.push(piece);
    }
    this.#roomAt = piece.length;
    piece.length += length;
    return piece.bytes;
  }

  #unitIn(bytes: Uint8Array, at: number): TimerUnit | undefined {
    this.#formats.load(bytes.subarray(at, at + this.#formats.unitBytes));
    const unit = this.#formats.unitAt(0);
    return unit === "blank" ? undefined : unit;
  }

  #indexOf(position: number): number {
    const first = this.#files[0];
    return first === undefined ? -1 : Math.floor((position - first.start) / this.#fileBytes);
  }

  async #dataEnd(file: LogFile): Promise<number> {
    const stats = await this.#storage.list("timerlog");
    return Math.min(this.#fileBytes, stats.find(({ name }) => name === file.name)?.dataBytesMax ?? this.#fileBytes);
  }
}
