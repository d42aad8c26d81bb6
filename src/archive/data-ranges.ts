import { archiveChunkBytes, sparseBlockBytes } from "../limits.ts";
import type { LogStorage } from "../ports/log-storage.ts";

/**
 * Where a file holds anything but zeros: start, end, start, end, ... by blocks of `sparseBlockBytes`, the last one cut at the
 * file's end.
 *
 * A file that grows meanwhile has no gap in it for that: what precedes a block that was found was written before it, and is looked
 * at again.
 */
export async function dataRanges(storage: LogStorage, file: string, sizeBytes: number): Promise<number[]> {
  const first = await scan(storage, file, 0, sizeBytes);
  const ranges: number[] = [];
  let at = 0;
  for (let i = 0; i < first.length; i += 2) {
    for (const edge of await scan(storage, file, at, first[i]!)) addEdge(ranges, edge);
    addEdge(ranges, first[i]!);
    addEdge(ranges, first[i + 1]!);
    at = first[i + 1]!;
  }
  return ranges;
}

/** Calls `found` for each run of bytes that is not zeros only, by blocks counted from the file's begin; `at` is where `bytes` stand. */
export function eachDataRun(bytes: Uint8Array, at: number, found: (from: number, to: number) => void): void {
  let from = -1;
  for (let i = 0; i < bytes.length; ) {
    const end = Math.min(bytes.length, i + sparseBlockBytes - ((at + i) % sparseBlockBytes));
    if (!isZero(bytes, i, end)) {
      if (from < 0) from = i;
    } else if (from >= 0) {
      found(from, i);
      from = -1;
    }
    i = end;
  }
  if (from >= 0) found(from, bytes.length);
}

async function scan(storage: LogStorage, file: string, from: number, to: number): Promise<number[]> {
  const ranges: number[] = [];
  const window = new Uint8Array(Math.min(archiveChunkBytes, to - from));
  for (let at = from; at < to; ) {
    const into = window.subarray(0, Math.min(window.length, to - at));
    const read = storage.readNow(file, at, into) ?? (await storage.read(file, at, into));
    eachDataRun(into.subarray(0, read), at, (start, end) => {
      addEdge(ranges, at + start);
      // A host that keeps less than the file's size may end within a block.
      addEdge(ranges, Math.min(to, Math.ceil((at + end) / sparseBlockBytes) * sparseBlockBytes));
    });
    if (read < into.length) break;
    at += read;
  }
  return ranges;
}

/** Ranges that touch become one. */
function addEdge(ranges: number[], edge: number): void {
  if (ranges.length > 0 && ranges.length % 2 === 0 && ranges.at(-1) === edge) ranges.pop();
  else ranges.push(edge);
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  let at = from;
  const aligned = (bytes.byteOffset + from) % 4 === 0;
  if (aligned) {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset + from, (to - from) >> 2);
    for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
    at += words.length * 4;
  }
  for (; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}
