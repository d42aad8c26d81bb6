import { sparseRangesMax } from "../limits.ts";
import { WasmqError } from "../ports/error.ts";
import { encodeUtf8 } from "../ports/text.ts";
import { blockBytes, encodeHeader, encodePax, encodeTime, paddingOf } from "./tar-header.ts";

/** A file of an archive: what of it is not zeros, as start, end, start, end, ...; all but its end on whole blocks. */
export interface TarFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
  readonly ranges: readonly number[];
}

/**
 * All that precedes the bytes of the file's ranges, which follow one after the other and are padded by `paddingOf` their sum. A
 * file with zeros left out is a sparse one of version 1.0:
 *
 *   extended header   GNU.sparse.major=1 .minor=0 .name=the path .realsize=bytes
 *   header            another name, and the size of what follows
 *   map               count, then offset and length of each range: decimal, a line feed behind each; padded to whole blocks
 *   ranges
 */
export function startOfFile(file: TarFile): Uint8Array {
  const { name, sizeBytes, modifiedAtMs, ranges } = file;
  const records = new Map([["mtime", encodeTime(modifiedAtMs)]]);
  let dataBytes = 0;
  for (let i = 0; i < ranges.length; i += 2) dataBytes += ranges[i + 1]! - ranges[i]!;
  if (dataBytes === sizeBytes) {
    records.set("path", name);
    return concatenate([...extended(file, records), encodeHeader(shortName(name), "0", sizeBytes, modifiedAtMs)]);
  }
  const map = encodeMap(ranges, sizeBytes);
  records.set("GNU.sparse.major", "1").set("GNU.sparse.minor", "0");
  records.set("GNU.sparse.name", name).set("GNU.sparse.realsize", String(sizeBytes));
  return concatenate([
    ...extended(file, records),
    encodeHeader(shortName(`GNUSparseFile.0/${name}`), "0", map.length + dataBytes, modifiedAtMs),
    map,
  ]);
}

/** Two empty blocks. */
export function endOfArchive(): Uint8Array {
  return new Uint8Array(2 * blockBytes);
}

function extended({ name, modifiedAtMs }: TarFile, records: ReadonlyMap<string, string>): Uint8Array[] {
  const body = encodePax(records);
  const header = encodeHeader(shortName(`PaxHeaders/${name}`), "x", body.length, modifiedAtMs);
  return [header, body, new Uint8Array(paddingOf(body.length))];
}

function encodeMap(ranges: readonly number[], sizeBytes: number): Uint8Array {
  if (ranges.length / 2 > sparseRangesMax) {
    throw new WasmqError("STORE_UNREADABLE", `a file has more than ${sparseRangesMax} ranges of data`);
  }
  const numbers: number[] = [];
  for (let i = 0; i < ranges.length; i += 2) numbers.push(ranges[i]!, ranges[i + 1]! - ranges[i]!);
  // By an empty range GNU tar learns that the file ends in zeros.
  if (ranges.at(-1) !== sizeBytes) numbers.push(sizeBytes, 0);
  const text = encodeUtf8(`${[numbers.length / 2, ...numbers].join("\n")}\n`);
  const map = new Uint8Array(text.length + paddingOf(text.length));
  map.set(text);
  return map;
}

/** What fits into a header, for readers that know no extended ones. */
function shortName(name: string): string {
  return name.replace(/[^ -~]/g, "_").slice(0, 99);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
