import { WasmqError } from "../../ports/error.ts";
import { decodeUtf8, encodeUtf8 } from "../../ports/text.ts";
import { asStorageError } from "./full.ts";

/** FileSystemSyncAccessHandle, of dedicated Workers only. */
export interface SyncAccessHandle {
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(sizeBytes: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

export interface NamedFile {
  /** The name of the file that has the bytes. */
  readonly id: number;
  name: string;
  sizeBytes: number;
  modifiedAtMs: number;
}

/*
 * A journal: lines of a checksum (FNV-1a of the rest, 8 hex digits), a space, JSON and a line feed; zeros behind the last.
 *
 *   {"generation": g, "files": n}                       first: the n lines that follow are all files there were
 *   {"add": name, "id": i, "size": bytes, "at": ms}
 *   {"rename": from, "to": name}                        replaces
 *   {"remove": name}
 *   {"touch": name, "at": ms, "size": bytes}
 *
 * There are two, written in turn: when one has grown, the files there are begin the other one, with the next generation.
 * The whole one of the higher generation counts. A line that is not whole ends it: loss of power may keep any part of what was
 * not flushed. But a line with `"flushed": true` says that all before it was; one that is not whole before that is damage.
 */
type Line = Change & { readonly flushed?: true };

type Change =
  | { readonly generation: number; readonly files: number }
  | { readonly add: string; readonly id: number; readonly size: number; readonly at: number }
  | { readonly rename: string; readonly to: string }
  | { readonly remove: string }
  | { readonly touch: string; readonly at: number; readonly size: number };

/** A journal grows by this much at a time, so that files can be deleted when there is no more room for anything. */
const growthBytes = 64 * 1024;

/** Below this a journal is not begun anew; above it, when it is four times what it began with. */
const renewedBytesMin = 256 * 1024;

/** The names, sizes and times of the files of an OPFS store: one line is one change, and there or not. */
export class OpfsJournal {
  readonly #handles: readonly [SyncAccessHandle, SyncAccessHandle];
  readonly #mustHaveFiles: boolean;
  readonly #files = new Map<string, NamedFile>();
  #current = 0;
  #generation = 0;
  #end = 0;
  #size = 0;
  #renewAtBytes = renewedBytesMin;
  #isDirty = false;

  /** `mustHaveFiles`: there is data, so a store without a journal is a damaged one. */
  constructor(handles: readonly [SyncAccessHandle, SyncAccessHandle], mustHaveFiles: boolean) {
    this.#handles = handles;
    this.#mustHaveFiles = mustHaveFiles;
  }

  /** The files there are. Throws STORE_UNREADABLE where that can't be known. */
  load(): readonly Readonly<NamedFile>[] {
    const journals = this.#handles
      .map((handle) => readLines(handle))
      .map(({ lines, end, damaged }) => {
        const [first] = lines;
        const isWhole = first !== undefined && "generation" in first && lines.length > first.files;
        return { lines, end, damaged, generation: isWhole ? first.generation : 0 };
      });
    const [a, b] = journals as [(typeof journals)[0], (typeof journals)[0]];
    this.#current = a.generation >= b.generation ? 0 : 1;
    const { generation, lines, end, damaged } = journals[this.#current]!;
    if (damaged || (generation === 0 && this.#mustHaveFiles)) {
      throw new WasmqError("STORE_UNREADABLE", "the journal of the store's files is damaged");
    }
    this.#generation = generation;
    if (generation > 0) for (const line of lines) this.#apply(line);
    this.#size = this.#handles[this.#current]!.getSize();
    this.#end = end;
    try {
      this.#renew();
    } catch (error) {
      // A store without room for a new journal goes on with the one it has.
      if (!(error instanceof WasmqError) || generation === 0) throw error;
    }
    return [...this.#files.values()].map((file) => ({ ...file }));
  }

  add({ name, id, sizeBytes, modifiedAtMs }: NamedFile): void {
    this.#append({ add: name, id, size: sizeBytes, at: modifiedAtMs });
  }

  rename(from: string, to: string): void {
    this.#append({ rename: from, to });
  }

  remove(name: string): void {
    this.#append({ remove: name });
  }

  touch(name: string, atMs: number, sizeBytes: number): void {
    this.#append({ touch: name, at: atMs, size: sizeBytes });
  }

  flush(): void {
    if (!this.#isDirty) return;
    this.#handles[this.#current]!.flush();
    this.#isDirty = false;
  }

  close(): void {
    for (const handle of this.#handles) handle.close();
  }

  #append(change: Change): void {
    this.#write(printLine(this.#isDirty ? change : { ...change, flushed: true }));
    this.#apply(change);
    if (this.#end > this.#renewAtBytes) {
      try {
        this.#renew();
      } catch (error) {
        // Without room for a new one, the old one goes on.
        if (!(error instanceof WasmqError)) throw error;
        this.#renewAtBytes = 2 * this.#end;
      }
    }
  }

  #write(bytes: Uint8Array): void {
    const handle = this.#handles[this.#current]!;
    try {
      if (this.#end + bytes.length > this.#size) {
        const size = this.#size + Math.ceil(bytes.length / growthBytes) * growthBytes;
        handle.truncate(size);
        this.#size = size;
      }
      writeAll(handle, bytes, this.#end);
    } catch (error) {
      throw asStorageError(error);
    }
    this.#end += bytes.length;
    this.#isDirty = true;
  }

  /** Begins the other journal with what there is. Until it is whole and flushed, this one counts. */
  #renew(): void {
    const lines = [...this.#files.values()].map(({ name, id, sizeBytes, modifiedAtMs }) =>
      printLine({ add: name, id, size: sizeBytes, at: modifiedAtMs }),
    );
    lines.unshift(printLine({ generation: this.#generation + 1, files: lines.length }));
    const bytes = new Uint8Array(lines.reduce((sum, line) => sum + line.length, 0));
    let end = 0;
    for (const line of lines) {
      bytes.set(line, end);
      end += line.length;
    }
    const next = this.#handles[1 - this.#current]!;
    const size = (Math.floor(end / growthBytes) + 1) * growthBytes;
    try {
      next.truncate(0);
      next.truncate(size);
      writeAll(next, bytes, 0);
      next.flush();
    } catch (error) {
      next.truncate(0);
      throw asStorageError(error);
    }
    this.#handles[this.#current]!.truncate(0);
    this.#current = 1 - this.#current;
    this.#generation++;
    this.#end = end;
    this.#size = size;
    this.#renewAtBytes = Math.max(renewedBytesMin, 4 * end);
    this.#isDirty = false;
  }

  #apply(line: Change): void {
    if ("add" in line) {
      this.#files.set(line.add, { id: line.id, name: line.add, sizeBytes: line.size, modifiedAtMs: line.at });
    } else if ("rename" in line) {
      const file = this.#files.get(line.rename);
      if (file === undefined) return;
      this.#files.delete(line.rename);
      this.#files.set(line.to, { ...file, name: line.to });
    } else if ("remove" in line) {
      this.#files.delete(line.remove);
    } else if ("touch" in line) {
      const file = this.#files.get(line.touch);
      if (file === undefined) return;
      file.sizeBytes = line.size;
      file.modifiedAtMs = line.at;
    }
  }
}

function printLine(line: Line): Uint8Array {
  const json = JSON.stringify(line);
  return encodeUtf8(`${checksum(json)} ${json}\n`);
}

/** The lines up to the first that is not whole, and where that one begins. */
function readLines(handle: SyncAccessHandle): { lines: Line[]; end: number; damaged: boolean } {
  const bytes = new Uint8Array(handle.getSize());
  let length = 0;
  for (let read = 1; read > 0 && length < bytes.length; length += read) {
    read = handle.read(bytes.subarray(length), { at: length });
  }
  const texts = decodeUtf8(bytes.subarray(0, length)).split("\n");
  const parsed = texts.map(readLine);
  const firstBad = parsed.indexOf(undefined);
  return {
    lines: parsed.slice(0, firstBad) as Line[],
    end: texts.slice(0, firstBad).reduce((sum, text) => sum + encodeUtf8(text).length + 1, 0),
    damaged: parsed.slice(firstBad).some((line) => line?.flushed === true),
  };
}

/** Behind the last line feed is never a line, so there always is one that is none. */
function readLine(text: string): Line | undefined {
  const json = text.slice(9);
  return text.slice(0, 9) === `${checksum(json)} ` ? (JSON.parse(json) as Line) : undefined;
}

function checksum(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}

function writeAll(handle: SyncAccessHandle, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    const written = handle.write(bytes.subarray(done), { at: at + done });
    if (written === 0) throw new WasmqError("STORE_FULL", "the journal could not be written on");
    done += written;
  }
}
