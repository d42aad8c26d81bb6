import { WasmqError } from "../ports/error.ts";
import { decodeUtf8, encodeUtf8 } from "../ports/text.ts";

/*
 * A tar header, one block (POSIX.1-2024, pax interchange format; GNU's additions in the right column):
 *
 *    0  100  name                    |
 *  100    8  mode                    |
 *  108    8  uid                     |
 *  116    8  gid                     |
 *  124   12  size of what follows    |
 *  136   12  mtime, seconds          |
 *  148    8  sum of all bytes        |
 *  156    1  typeflag                |
 *  157  100  linkname                |
 *  257    8  "ustar\0" "00"          |  257  8   "ustar  \0"
 *  265   80  uname, gname, dev       |
 *  345  155  prefix of the name      |  386  96  four ranges of an old sparse file: offset and length, 12 bytes each
 *                                    |  482   1  1: a block with 21 more ranges follows (its last word is at 504)
 *                                    |  483  12  the sparse file's real size
 *
 * Numbers are octal text, or, with the first bit set, big-endian bytes.
 */
export const blockBytes = 512;

const sparseAt = 386;
const sparseMoreAt = 482;
const realSizeAt = 483;
export const oldSparseRangesPerBlock = 21;

export interface TarHeader {
  readonly name: string;
  /** One character: "0" a file, "5" a folder, "x" an extended header, ... */
  readonly type: string;
  /** Bytes that follow, without the padding to whole blocks. */
  readonly size: number;
  readonly modifiedAtMs: number;
  /** Of type "S", the sparse files of GNU's own format. */
  readonly oldSparse: { readonly ranges: number[]; readonly more: boolean; readonly realSize: number } | undefined;
}

/** Name and value of each record of an extended header. */
export type PaxRecords = ReadonlyMap<string, string>;

/** A header; the name must fit, as that of an entry whose true name stands in its extended header does. */
export function encodeHeader(name: string, type: string, size: number, modifiedAtMs: number): Uint8Array {
  const block = new Uint8Array(blockBytes);
  const put = (at: number, text: string): void => block.set(encodeUtf8(text), at);
  put(0, name);
  put(100, "0000644\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, `${octal(size, 11)}\0`);
  put(136, `${octal(Math.max(0, Math.floor(modifiedAtMs / 1000)), 11)}\0`);
  put(156, type);
  put(257, "ustar\x0000");
  put(148, `${octal(sumOf(block), 6)}\0 `);
  return block;
}

/** Throws STORE_UNREADABLE for a block that is no header. */
export function decodeHeader(block: Uint8Array): TarHeader {
  if (block[0] === 0x1f && block[1] === 0x8b) throw unreadable("it is compressed: unpack it with gunzip first");
  if (readNumber(block, 148, 8) !== sumOf(block)) throw unreadable("the checksum of an entry is wrong");
  const gnu = readText(block, 257, 8) === "ustar  ";
  const posix = !gnu && readText(block, 257, 5) === "ustar";
  const prefix = posix ? readText(block, 345, 155) : "";
  const name = readText(block, 0, 100);
  const type = block[156] === 0 ? "0" : String.fromCharCode(block[156]!);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    type,
    size: readNumber(block, 124, 12),
    modifiedAtMs: readNumber(block, 136, 12) * 1000,
    oldSparse:
      type === "S" && gnu
        ? {
            ranges: decodeOldSparse(block, sparseAt, 4),
            more: block[sparseMoreAt] !== 0,
            realSize: readNumber(block, realSizeAt, 12),
          }
        : undefined,
  };
}

/** Up to `count` ranges: offset, length, offset, length, ...; an unused place ends them. */
export function decodeOldSparse(block: Uint8Array, at: number, count: number): number[] {
  const ranges: number[] = [];
  for (let i = 0; i < count; i++) {
    if (block[at + 24 * i + 12] === 0) break;
    ranges.push(readNumber(block, at + 24 * i, 12), readNumber(block, at + 24 * i + 12, 12));
  }
  return ranges;
}

/** Whether another block of ranges follows this one. */
export function oldSparseGoesOn(block: Uint8Array): boolean {
  return block[24 * oldSparseRangesPerBlock] !== 0;
}

/** Each record is its own length in decimal, a space, name=value and a line feed. */
export function encodePax(records: PaxRecords): Uint8Array {
  const parts: string[] = [];
  for (const [name, value] of records) {
    const rest = encodeUtf8(` ${name}=${value}\n`).length;
    let length = rest + 1;
    while (rest + String(length).length !== length) length = rest + String(length).length;
    parts.push(`${length} ${name}=${value}\n`);
  }
  return encodeUtf8(parts.join(""));
}

/** Throws STORE_UNREADABLE for what is none. */
export function decodePax(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 || space - at > 9 ? "" : decodeUtf8(bytes.subarray(at, space));
    const end = at + Number(digits);
    if (!/^\d+$/.test(digits) || end > bytes.length || end <= space + 1 || bytes[end - 1] !== 0x0a) {
      throw unreadable("an extended header is damaged");
    }
    const record = decodeUtf8(bytes.subarray(space + 1, end - 1));
    const equals = record.indexOf("=");
    if (equals < 1) throw unreadable("an extended header is damaged");
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at = end;
  }
  return records;
}

/** A time as extended headers have it: decimal seconds, here to the microsecond. */
export function encodeTime(atMs: number): string {
  const micros = Math.round(atMs * 1000);
  const seconds = Math.floor(micros / 1_000_000);
  return `${seconds}.${String(micros - seconds * 1_000_000).padStart(6, "0")}`;
}

/** Milliseconds; throws STORE_UNREADABLE for what is no time. */
export function decodeTime(text: string): number {
  const match = /^(-?\d{1,12})(?:\.(\d{1,20}))?$/.exec(text);
  if (match === null) throw unreadable(`${JSON.stringify(text)} is no time`);
  return Number(match[1]) * 1000 + Number(`0.${match[2] ?? "0"}`) * 1000;
}

/** A decimal number of bytes; throws STORE_UNREADABLE for what is none. */
export function decodeDecimal(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw unreadable(`${JSON.stringify(text.slice(0, 40))} is no size`);
  return Number(text);
}

export function unreadable(what: string): WasmqError {
  return new WasmqError("STORE_UNREADABLE", `the archive can't be read: ${what}`);
}

/** Bytes to the next whole block. */
export function paddingOf(size: number): number {
  return (blockBytes - (size % blockBytes)) % blockBytes;
}

/** All bytes of a header, its own sum counted as spaces. */
function sumOf(block: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < blockBytes; i++) if (i < 148 || i >= 156) sum += block[i]!;
  return sum;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

function readText(block: Uint8Array, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return decodeUtf8(end < 0 ? field : field.subarray(0, end));
}

function readNumber(block: Uint8Array, at: number, length: number): number {
  if ((block[at]! & 0x80) !== 0) {
    let value = block[at]! & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + block[at + i]!;
    if (!Number.isSafeInteger(value)) throw unreadable("a number of an entry is out of bounds");
    return value;
  }
  const text = readText(block, at, length).trim();
  if (!/^[0-7]*$/.test(text)) throw unreadable("a number of an entry is none");
  return text === "" ? 0 : Number.parseInt(text, 8);
}
