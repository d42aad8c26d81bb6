import { WasmqError } from "../ports/error.ts";
import type { FileStat, LogStorage } from "../ports/log-storage.ts";
import { type Eventually, whenReady } from "./eventually.ts";
import { fileNameOffset, offsetFileName } from "./file-name.ts";
import { sizeAdvice } from "./settings.ts";

/** A file of the CommitLog: bytes [startOffset, startOffset + fileSize) of it. */
export interface Segment {
  readonly file: string;
  readonly startOffset: number;
  readonly dataBytesMax: number;
  /** Ends when the file is there; undefined once it is. */
  creating: Promise<void> | undefined;
}

/** The files of the CommitLog, as one range of bytes (MappedFileQueue). */
export class Segments {
  readonly fileSize: number;
  /** Where what is written to the log ends: inside of its last file, or of the one before where the storage has no room for more. */
  writtenEnd = 0;
  readonly #storage: LogStorage;
  readonly #list: Segment[] = [];

  constructor(storage: LogStorage, fileSize: number) {
    this.#storage = storage;
    this.fileSize = fileSize;
  }

  get list(): readonly Segment[] {
    return this.#list;
  }

  /** The offset of the first byte that is kept; 0 for an empty log. */
  get minOffset(): number {
    return this.#list[0]?.startOffset ?? 0;
  }

  /** Where the files end: the offset at which the next one begins. */
  get endOffset(): number {
    const last = this.#list.at(-1);
    return last === undefined ? 0 : last.startOffset + this.fileSize;
  }

  /**
   * Takes over the files that are there. Rejects with STORE_UNREADABLE for a file that is none of the log's or whose size is not
   * the configured one, as Apache refuses such a store (MappedFileQueue.load); empty files at its end are deleted, as Apache does with one:
   * power was lost between making them and giving them their size.
   */
  async load(stats: readonly FileStat[]): Promise<void> {
    const usable = [...stats];
    const empty: string[] = [];
    for (let last = usable.at(-1); last?.sizeBytes === 0; last = usable.at(-1)) {
      if (fileNameOffset(last.name) === undefined) break;
      empty.push(last.name);
      usable.pop();
    }
    for (const stat of usable) {
      const startOffset = fileNameOffset(stat.name);
      if (startOffset === undefined) {
        throw new WasmqError("STORE_UNREADABLE", `${stat.name} is no file of a CommitLog: move it out of the store`);
      }
      if (stat.sizeBytes !== this.fileSize) {
        throw new WasmqError(
          "STORE_UNREADABLE",
          `${stat.name} has ${stat.sizeBytes} bytes, but mappedFileSizeCommitLog is ${this.fileSize}: ${sizeAdvice("mappedFileSizeCommitLog")}`,
        );
      }
      if (this.#list.length > 0 && startOffset !== this.endOffset) {
        throw new WasmqError(
          "STORE_UNREADABLE",
          `${stat.name} does not follow the file before it, which ends at offset ${this.endOffset}`,
        );
      }
      this.#list.push({ file: stat.name, startOffset, dataBytesMax: stat.dataBytesMax, creating: undefined });
    }
    for (const name of empty) await this.#storage.delete(name);
  }

  /** Adds the next segment. Throws what the storage does, then or through `creating`; the segment is none of the list's then. */
  add(): Segment {
    const startOffset = this.endOffset;
    const segment: Segment = {
      file: offsetFileName("commitlog", startOffset),
      startOffset,
      dataBytesMax: this.fileSize,
      creating: undefined,
    };
    // One after the other: a loss of power may leave the first of several new files, and never the second alone.
    const before = this.#list.at(-1)?.creating;
    const create = () => this.#storage.create(segment.file, this.fileSize);
    const created = before === undefined ? create() : before.then(create);
    this.#list.push(segment);
    if (created instanceof Promise) {
      segment.creating = created.then(
        () => {
          segment.creating = undefined;
        },
        (error) => {
          // It went with the one before it, if that could not be made either.
          const at = this.#list.indexOf(segment);
          if (at >= 0) this.#list.splice(at);
          throw error;
        },
      );
      // Who writes to the segment hears of it.
      segment.creating.catch(() => {});
    }
    return segment;
  }

  /** The segment that holds a byte, or undefined if none does. */
  holding(offset: number): Segment | undefined {
    const first = this.#list[0];
    if (first === undefined || offset < first.startOffset) return undefined;
    return this.#list[Math.floor((offset - first.startOffset) / this.fileSize)];
  }

  /** Deletes the segments that begin at `offset` or after it, but for the first: it tells where an emptied log goes on. */
  async deleteFrom(offset: number): Promise<void> {
    while (this.#list.length > 1 && this.#list.at(-1)!.startOffset >= offset) {
      await this.#storage.delete(this.#list.at(-1)!.file);
      this.#list.pop();
    }
  }

  /** The first segment, where it is written to its end and another one that is there follows it: the last tells where the log goes on. */
  get deletable(): Segment | undefined {
    const [first, second] = this.#list;
    if (first === undefined || second === undefined || second.creating !== undefined) return undefined;
    return this.writtenEnd >= second.startOffset ? first : undefined;
  }

  /** Deletes the first segment, which is `deletable`. After a rejection it may be there still. */
  async deleteFirst(): Promise<void> {
    const first = this.deletable;
    if (first === undefined) throw new Error("the last segment is never deleted");
    // Nobody is to begin to read it.
    this.#list.shift();
    try {
      await this.#storage.delete(first.file);
    } catch (error) {
      this.#list.unshift(first);
      throw error;
    }
  }

  /** Reads bytes of one segment, fewer than asked for at its end; undefined where they must be waited for (`read`). */
  readNow(offset: number, into: Uint8Array): number | undefined {
    const segment = this.holding(offset);
    if (segment === undefined) return 0;
    const at = offset - segment.startOffset;
    return this.#storage.readNow(segment.file, at, this.#within(at, into));
  }

  /**
   * The same, off the way of everybody else: for bytes that may have to be fetched. 0 where the segment is deleted meanwhile: what was
   * read then is not to be relied upon.
   */
  read(offset: number, into: Uint8Array): Eventually<number> {
    const segment = this.holding(offset);
    if (segment === undefined) return 0;
    const at = offset - segment.startOffset;
    const read = this.#storage.read(segment.file, at, this.#within(at, into));
    return whenReady(read, (length) => (this.holding(offset) === segment ? length : 0));
  }

  #within(at: number, into: Uint8Array): Uint8Array {
    return into.length > this.fileSize - at ? into.subarray(0, this.fileSize - at) : into;
  }
}
