import {
  archiveChunkBytes,
  archiveHeaderBytesMax,
  archivePathBytesMax,
  sparseRangesMax,
  storeFileBytesMax,
} from "../limits.ts";
import { WasmqError } from "../ports/error.ts";
import { decodeUtf8 } from "../ports/text.ts";
import { ByteSource } from "./byte-source.ts";
import {
  blockBytes,
  decodeDecimal,
  decodeHeader,
  decodeOldSparse,
  decodePax,
  decodeTime,
  oldSparseGoesOn,
  oldSparseRangesPerBlock,
  type PaxRecords,
  paddingOf,
  type TarHeader,
  unreadable,
} from "./tar-header.ts";

/** A file of an archive. Its bytes are read before the next file is asked for, or never. */
export interface TarEntry {
  /** The path, without `./` before it; it leads nowhere else. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
  /** The bytes in their order, and where they stand in the file; what lies between is zeros. */
  readonly data: AsyncIterable<{ readonly at: number; readonly bytes: Uint8Array }>;
}

/** An archive's end is padded to some 10 KiB; what follows beyond this is not waited for. */
const afterEndBytesMax = 1024 * 1024;

/**
 * The files of a tar stream: v7, ustar, pax, GNU's long names, sparse files of GNU's own format and of version 1.0. Folders are
 * passed over. Throws STORE_UNREADABLE for an archive that is damaged or cut off, and INVALID_PARAMETER for what a store does
 * not have: paths that lead out of it, links, devices, files larger than any of a store's.
 */
export async function* readTar(stream: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const source = new ByteSource(stream);
  let ended = false;
  try {
    let forAll: PaxRecords = new Map();
    let forNext: Map<string, string> = new Map();
    for (;;) {
      const block = await source.takeOrEnd(blockBytes);
      if (block === undefined) throw unreadable("it ends without its last block");
      if (block.every((byte) => byte === 0)) break;
      const header = decodeHeader(block);
      if (header.type === "x" || header.type === "g") {
        const records = decodePax(await body(source, header));
        if (header.type === "g") forAll = new Map([...forAll, ...records]);
        else forNext = new Map([...forNext, ...records]);
        if (forAll.size + forNext.size > 100) throw unreadable("it has too many extended headers");
      } else if (header.type === "L") {
        forNext.set("path", decodeUtf8(await body(source, header)).replace(/\0.*$/s, ""));
      } else if (header.type === "K") {
        await body(source, header);
      } else {
        const records = new Map([...forAll, ...forNext]);
        forNext = new Map();
        const name = records.get("GNU.sparse.name") ?? records.get("path") ?? header.name;
        if (header.type === "5" || (header.type === "0" && name.endsWith("/"))) {
          checkedPath(name);
          await source.skip(header.size + paddingOf(header.size));
        } else {
          yield* file(source, header, records, checkedPath(name));
        }
      }
    }
    ended = true;
  } finally {
    await (ended ? source.finish(afterEndBytesMax) : source.stop());
  }
}

async function body(source: ByteSource, { size }: TarHeader): Promise<Uint8Array> {
  if (size > archiveHeaderBytesMax) throw unreadable(`an extended header has ${size} bytes`);
  const bytes = await source.take(size);
  await source.skip(paddingOf(size));
  return bytes;
}

async function* file(
  source: ByteSource,
  header: TarHeader,
  records: PaxRecords,
  name: string,
): AsyncGenerator<TarEntry> {
  if (!"07S".includes(header.type)) {
    const what = "12".includes(header.type) ? "a link: pack what it leads to (tar --dereference)" : "no file";
    throw new WasmqError("INVALID_PARAMETER", `${name} in the archive is ${what}`);
  }
  const time = records.get("mtime");
  const size = records.get("size");
  let left = size === undefined ? header.size : decodeDecimal(size);
  const padding = paddingOf(left);
  let sizeBytes = left;
  let ranges: Ranges | undefined;
  if (header.oldSparse !== undefined) {
    sizeBytes = header.oldSparse.realSize;
    ranges = await oldSparseRanges(source, header.oldSparse);
  } else if (header.type === "S" || [...records.keys()].some((key) => key.startsWith("GNU.sparse."))) {
    if (records.get("GNU.sparse.major") !== "1" || records.get("GNU.sparse.minor") !== "0") {
      throw new WasmqError("INVALID_PARAMETER", `${name} is a sparse file of a version other than 1.0`);
    }
    sizeBytes = decodeDecimal(records.get("GNU.sparse.realsize") ?? "");
    const map = await sparseMap(source, left);
    ranges = map.ranges;
    left -= map.bytes;
  }
  if (sizeBytes > storeFileBytesMax) {
    throw new WasmqError("INVALID_PARAMETER", `${name} in the archive has ${sizeBytes} bytes`);
  }
  ranges ??= sizeBytes === 0 ? [] : [0, sizeBytes];
  checkRanges(name, ranges, sizeBytes, left);
  const data = dataOf(source, ranges);
  yield {
    name,
    sizeBytes,
    modifiedAtMs: time === undefined ? header.modifiedAtMs : decodeTime(time),
    data,
  };
  // Whoever has not read all of it: the next header is behind it.
  for await (const _ of data);
  await source.skip(padding);
}

/** Offset, length, offset, length, ... */
type Ranges = readonly number[];

async function* dataOf(source: ByteSource, ranges: Ranges): AsyncGenerator<{ at: number; bytes: Uint8Array }> {
  for (let i = 0; i < ranges.length; i += 2) {
    let at = ranges[i]!;
    const end = at + ranges[i + 1]!;
    while (at < end) {
      const bytes = await source.some(Math.min(archiveChunkBytes, end - at));
      // Counted first: a reader that stops here has had them.
      const from = at;
      at += bytes.length;
      yield { at: from, bytes };
    }
  }
}

/** They lie one behind the other within the file, and are as long together as what the archive holds of it. */
function checkRanges(name: string, ranges: Ranges, sizeBytes: number, held: number): void {
  let end = 0;
  let sum = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const at = ranges[i]!;
    const length = ranges[i + 1]!;
    if (at < end || at + length > sizeBytes) throw unreadable(`the ranges of ${name} lie outside of it`);
    end = at + length;
    sum += length;
  }
  if (sum !== held) throw unreadable(`the ranges of ${name} have ${sum} bytes, and the archive ${held}`);
}

async function oldSparseRanges(source: ByteSource, first: { ranges: number[]; more: boolean }): Promise<Ranges> {
  const ranges = [...first.ranges];
  for (let { more } = first; more; ) {
    if (ranges.length / 2 > sparseRangesMax) throw unreadable("a file has too many ranges");
    const block = await source.take(blockBytes);
    for (const number of decodeOldSparse(block, 0, oldSparseRangesPerBlock)) ranges.push(number);
    more = oldSparseGoesOn(block);
  }
  return ranges;
}

/** The map before the data of a sparse file of version 1.0, and how many bytes of the file's `left` it takes. */
async function sparseMap(source: ByteSource, left: number): Promise<{ ranges: Ranges; bytes: number }> {
  const numbers: number[] = [];
  let bytes = 0;
  let digits = "";
  for (let wanted = 1; numbers.length < wanted; ) {
    if (bytes + blockBytes > left) throw unreadable("the map of a sparse file is cut off");
    const block = await source.take(blockBytes);
    bytes += blockBytes;
    for (let i = 0; i < blockBytes && numbers.length < wanted; i++) {
      const byte = block[i]!;
      if (byte !== 0x0a) {
        digits += String.fromCharCode(byte);
        if (digits.length > 15) throw unreadable("the map of a sparse file is damaged");
        continue;
      }
      numbers.push(decodeDecimal(digits));
      digits = "";
      if (numbers.length === 1) {
        if (numbers[0]! > sparseRangesMax) throw unreadable("a file has too many ranges");
        wanted = 1 + 2 * numbers[0]!;
      }
    }
  }
  return { ranges: numbers.slice(1), bytes };
}

/** The path as a store names it. Throws INVALID_PARAMETER for one that leads out of a store or can be none. */
function checkedPath(path: string): string {
  const refuse = (): never => {
    throw new WasmqError("INVALID_PARAMETER", `${JSON.stringify(path.slice(0, 200))} is no path of a store`);
  };
  if (path.length > archivePathBytesMax || path.startsWith("/") || /[\0\\\ufffd]|^[A-Za-z]:/.test(path)) refuse();
  const parts = path.replace(/\/$/, "").split("/");
  while (parts[0] === "." && parts.length > 1) parts.shift();
  if (parts.some((part) => part === "" || part === "..") || parts.includes(".", 1)) refuse();
  return parts.join("/");
}
