import type { Region } from "../core/core.ts";
import type { StoreContext } from "./context.ts";
import { type Eventually, whenReady } from "./eventually.ts";
import type { Segments } from "./segments.ts";

/** A piece of one CommitLog file in the core's memory. */
interface Window {
  /** Its place in the region. */
  readonly at: number;
  /** The bytes [start, end) of the CommitLog are here; none where both are NaN. */
  start: number;
  end: number;
  usedAt: number;
}

/**
 * Pieces of the CommitLog in the core's memory: what was written last and what was read last, so that records are checked where
 * they stand, consumers at the end of the log read no file, and those that drain several queues of one backlog read it once and
 * not once a queue.
 *
 * Windows are of one size, aligned to it within their CommitLog file, and hold its bytes as the storage does.
 */
export class LogWindows {
  readonly region: Region;
  readonly #segments: Segments;
  readonly #windowBytes: number;
  readonly #windows: Window[] = [];
  readonly #byStart = new Map<number, Window>();
  /** By start: windows on their way from a storage that takes a while. */
  readonly #coming = new Map<number, Promise<Uint8Array>>();
  #last: Window;
  #uses = 0;
  /** Where the log ends as the storage has it. */
  #logEnd = 0;

  constructor({ core, options }: StoreContext, segments: Segments) {
    const { logWindowBytes, logWindows } = options;
    this.#segments = segments;
    this.#windowBytes = logWindowBytes;
    this.region = core.allocate(logWindowBytes * logWindows);
    for (let i = 0; i < logWindows; i++) {
      this.#windows.push({ at: i * logWindowBytes, start: Number.NaN, end: Number.NaN, usedAt: 0 });
    }
    this.#last = this.#windows[0]!;
  }

  /** Begins where recovery found the log's end. */
  startAt(logEnd: number): void {
    this.#logEnd = logEnd;
  }

  /** The log begins at `logMinOffset`: what was before it is not there any more. */
  forgetBefore(logMinOffset: number): void {
    for (const window of this.#windows) if (window.start < logMinOffset) this.#drop(window);
  }

  /** How far before the end of the log a byte stands. */
  distance(offset: number): number {
    return this.#logEnd - offset;
  }

  /** Takes the bytes at the end of the log that the storage has: they stand at `offset` there, and in `from` from `at` on. */
  wrote(offset: number, length: number, from: Region, at: number): void {
    const { bytes } = from;
    this.#logEnd = offset + length;
    for (let done = 0; done < length; ) {
      const next = offset + done;
      const start = this.#startOf(next);
      if (start === undefined) return;
      const taken = Math.min(length - done, start + this.#windowBytes - next);
      let window = this.#byStart.get(start);
      // A window begins with the bytes at its start: what was before them is not here.
      if (window === undefined && next === start) window = this.#emptied(start);
      if (window !== undefined && window.end === next) {
        this.region.bytes.set(bytes.subarray(at + done, at + done + taken), window.at + next - start);
        window.end += taken;
      }
      done += taken;
    }
  }

  /** Where in the region [offset, offset + size) stands, or -1 where it does not, or not in one piece. */
  find(offset: number, size: number): number {
    let window: Window | undefined = this.#last;
    if (!(offset >= window.start && offset < window.end)) {
      const start = this.#startOf(offset);
      window = start === undefined ? undefined : this.#byStart.get(start);
      if (window === undefined) return -1;
      this.#last = window;
      window.usedAt = ++this.#uses;
    }
    return offset + size <= window.end ? window.at + offset - window.start : -1;
  }

  /** Whether one window can hold all of [offset, offset + size). */
  canHold(offset: number, size: number): boolean {
    const start = this.#startOf(offset);
    return start !== undefined && offset + size <= start + this.#windowBytes;
  }

  /** Brings in the window that holds the byte at `offset`. False if its bytes must be waited for (`come`). */
  load(offset: number): boolean {
    const start = this.#startOf(offset);
    if (start === undefined) return true;
    const known = this.#byStart.get(start);
    const window = known ?? this.#emptied(start);
    const into = this.region.bytes.subarray(window.at, window.at + this.#lengthAt(start));
    const read = this.#segments.readNow(start, into);
    if (read === undefined) {
      if (known === undefined) this.#drop(window);
      return false;
    }
    window.end = Math.max(window.end, start + read);
    return true;
  }

  /** The bytes of the window that holds the byte at `offset`, and where they begin, for a storage that takes a while. */
  come(offset: number): Eventually<{ readonly offset: number; readonly bytes: Uint8Array }> {
    const start = this.#startOf(offset);
    if (start === undefined) return { offset, bytes: new Uint8Array(0) };
    let coming = this.#coming.get(start);
    if (coming === undefined) {
      const into = new Uint8Array(this.#lengthAt(start));
      const read = whenReady(this.#segments.read(start, into), (length) => into.subarray(0, length));
      if (!(read instanceof Promise)) return { offset: start, bytes: this.#put(start, read) };
      coming = read.then((bytes) => this.#put(start, bytes)).finally(() => this.#coming.delete(start));
      this.#coming.set(start, coming);
    }
    return coming.then((bytes) => ({ offset: start, bytes }));
  }

  #put(start: number, bytes: Uint8Array): Uint8Array {
    // Its segment is gone, or nothing of it could be read.
    if (bytes.length === 0) return bytes;
    const window = this.#byStart.get(start) ?? this.#emptied(start);
    // What was written meanwhile is newer than what was read.
    if (window.end < start + bytes.length) {
      this.region.bytes.set(bytes, window.at);
      window.end = start + bytes.length;
    }
    return bytes;
  }

  /** Of the window of `start`: what the log has, which is not all that its file has. */
  #lengthAt(start: number): number {
    const segment = this.#segments.holding(start)!;
    const fileEnd = segment.startOffset + this.#segments.fileSize;
    return Math.max(0, Math.min(start + this.#windowBytes, fileEnd, this.#logEnd) - start);
  }

  #startOf(offset: number): number | undefined {
    const segment = this.#segments.holding(offset);
    if (segment === undefined) return undefined;
    return offset - ((offset - segment.startOffset) % this.#windowBytes);
  }

  /** The window that was used least recently, for the bytes from `start` on. */
  #emptied(start: number): Window {
    let oldest = this.#windows[0]!;
    for (const window of this.#windows) if (window.usedAt < oldest.usedAt) oldest = window;
    this.#byStart.delete(oldest.start);
    this.#byStart.set(start, oldest);
    oldest.start = start;
    oldest.end = start;
    oldest.usedAt = ++this.#uses;
    return oldest;
  }

  #drop(window: Window): void {
    this.#byStart.delete(window.start);
    window.start = Number.NaN;
    window.end = Number.NaN;
    window.usedAt = 0;
  }
}
