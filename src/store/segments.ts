import { WasmqError } from "../ports/error.ts";
import type { FileStat, LogStorage } from "../ports/log-storage.ts";
import type { Eventually } from "./eventually.ts";
import { fileNameOffset, offsetFileName } from "./file-name.ts";

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
   * Takes over the files that are there. Throws STORE_UNREADABLE for a file that is none of the log's or whose size is not
   * the configured one, as Apache refuses such a store (MappedFileQueue.load); an empty last file is deleted, as Apache does.
   */
  load(stats: readonly FileStat[]): Eventually<void> {
    const usable = [...stats];
    const last = usable.at(-1);
    const emptyLast = last !== undefined && last.sizeBytes === 0 && fileNameOffset(last.name) !== undefined;
    if (emptyLast) usable.pop();
    for (const stat of usable) {
      const startOffset = fileNameOffset(stat.name);
      if (startOffset === undefined) {
        throw new WasmqError("STORE_UNREADABLE", `${stat.name} is no file of a CommitLog: move it out of the store`);
      }
      if (stat.sizeBytes !== this.fileSize) {
        throw new WasmqError(
          "STORE_UNREADABLE",
          `${stat.name} has ${stat.sizeBytes} bytes, but mappedFileSizeCommitLog is ${this.fileSize}`,
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
    return emptyLast ? this.#storage.delete(last.name) : undefined;
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
    const created = this.#storage.create(segment.file, this.fileSize);
    this.#list.push(segment);
    if (created instanceof Promise) {
      segment.creating = created.then(
        () => {
          segment.creating = undefined;
        },
        (error) => {
          this.#list.splice(this.#list.indexOf(segment));
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

  /** Reads bytes of one segment; fewer than asked for at its end. */
  read(offset: number, into: Uint8Array): Eventually<number> {
    const segment = this.holding(offset);
    if (segment === undefined) return 0;
    const at = offset - segment.startOffset;
    const within = into.length > this.fileSize - at ? into.subarray(0, this.fileSize - at) : into;
    return this.#storage.readNow(segment.file, at, within) ?? this.#storage.read(segment.file, at, within);
  }
}
