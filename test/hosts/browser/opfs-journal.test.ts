import { expect, test } from "vitest";
import { OpfsJournal, type SyncAccessHandle } from "../../../src/hosts/browser/opfs-journal.ts";

/** A file in memory that may be full. */
class MemoryHandle implements SyncAccessHandle {
  bytes = new Uint8Array(0);
  sizeMax = Number.POSITIVE_INFINITY;

  read(into: Uint8Array, { at }: { at: number }): number {
    const read = this.bytes.subarray(at, at + into.length);
    into.set(read);
    return read.length;
  }

  write(bytes: Uint8Array, { at }: { at: number }): number {
    if (at + bytes.length > this.bytes.length) this.truncate(at + bytes.length);
    this.bytes.set(bytes, at);
    return bytes.length;
  }

  truncate(sizeBytes: number): void {
    if (sizeBytes > this.sizeMax) throw new DOMException("full", "QuotaExceededError");
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(this.bytes.subarray(0, sizeBytes));
    this.bytes = bytes;
  }

  getSize(): number {
    return this.bytes.length;
  }

  flush(): void {}
  close(): void {}
}

type Handles = [MemoryHandle, MemoryHandle];

function opened(handles: Handles, mustHaveFiles = true): { journal: OpfsJournal; names: string[] } {
  const journal = new OpfsJournal(handles, mustHaveFiles);
  return { journal, names: journal.load().map(({ name, id }) => `${name}=${id}`) };
}

function copyOf(handles: Handles): Handles {
  return handles.map(({ bytes }) => Object.assign(new MemoryHandle(), { bytes: bytes.slice() })) as Handles;
}

const file = (name: string, id: number) => ({ name, id, sizeBytes: 10, modifiedAtMs: 1 });
const currentOf = (handles: Handles) => handles.find(({ bytes }) => bytes.length > 0)!;
const endOf = (handle: MemoryHandle) => handle.bytes.indexOf(0);

test("cut anywhere, it has the changes up to there", () => {
  const handles: Handles = [new MemoryHandle(), new MemoryHandle()];
  const { journal } = opened(handles, false);
  const states: { end: number; names: string[] }[] = [];
  const state = (names: string[]) => states.push({ end: endOf(currentOf(handles)), names });
  state([]);
  journal.add(file("a", 1));
  state(["a=1"]);
  journal.add(file("é%", 2));
  state(["a=1", "é%=2"]);
  journal.rename("é%", "a");
  state(["a=2"]);
  journal.touch("a", 5, 20);
  state(["a=2"]);
  journal.remove("a");
  state([]);
  const written = currentOf(handles).bytes;
  for (let length = states[0]!.end; length <= states.at(-1)!.end; length++) {
    const cut = copyOf(handles);
    currentOf(cut).bytes = Uint8Array.from(written, (byte, at) => (at < length ? byte : 0));
    const expected = states.findLast(({ end }) => end <= length)!.names;
    expect(opened(cut).names).toEqual(expected);
    // And what is left of it goes on.
    const again = opened(cut);
    again.journal.add(file("z", 9));
    expect(opened(cut).names).toEqual([...expected, "z=9"]);
  }
});

test("a fault in what was flushed is told, one in what was not ends the journal", () => {
  const handles: Handles = [new MemoryHandle(), new MemoryHandle()];
  const { journal } = opened(handles, false);
  journal.add(file("a", 1));
  journal.flush();
  const flushedEnd = endOf(currentOf(handles));
  journal.add(file("b", 2));
  journal.add(file("c", 3));
  const end = endOf(currentOf(handles));
  const damagedAt = (at: number) => {
    const copy = copyOf(handles);
    currentOf(copy).bytes[at]! ^= 1;
    return copy;
  };
  expect(() => opened(damagedAt(flushedEnd - 5))).toThrow(/damaged/);
  expect(() => opened(damagedAt(3))).toThrow(/damaged/);
  expect(opened(damagedAt(flushedEnd + 5)).names).toEqual(["a=1"]);
  expect(opened(damagedAt(end - 5)).names).toEqual(["a=1", "b=2"]);
});

test("without room, what is there is kept and can be removed, at the start and later", () => {
  const handles: Handles = [new MemoryHandle(), new MemoryHandle()];
  const { journal } = opened(handles, false);
  for (let id = 1; id <= 200; id++) journal.add(file(`f${id}`, id));
  for (const handle of handles) handle.sizeMax = handle.bytes.length;
  let added = 200;
  expect(() => {
    for (;;) {
      journal.add(file(`f${added + 1}`, added + 1));
      added++;
    }
  }).toThrow(expect.objectContaining({ code: "STORE_FULL" }));
  const names = Array.from({ length: added }, (_, i) => `f${i + 1}=${i + 1}`);
  const full = copyOf(handles);
  for (const handle of full) handle.sizeMax = handle.bytes.length;
  expect(opened(full).names).toEqual(names);
  for (const handle of handles) handle.sizeMax = Number.POSITIVE_INFINITY;
  journal.remove("f1");
  expect(opened(copyOf(handles)).names).toEqual(names.slice(1));
});
