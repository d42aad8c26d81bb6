import { Unzlib, zlibSync } from "fflate";
import { Decompress as Unzstd } from "fzstd";
import { inflatedBodyBytesMax, zstdBlocksMax, zstdWindowBytesMax } from "../limits.ts";
import { ClientError } from "./error.ts";
import { inflateLz4 } from "./lz4.ts";

/** Bits of a message's sysFlag (MessageSysFlag). */
export const compressedBit = 1;
const compressionMask = 7 << 8;
const zlibOfOldClients = 0;
const lz4 = 1 << 8;
const zstd = 2 << 8;
const zlib = 3 << 8;

/** Bodies from this size on are worth trying (DefaultMQProducer.compressMsgBodyOverHowmuch). */
export const compressFromBytes = 4096;

/** What Java's producer makes of a large body: zlib, level 5. Undefined if it does not get smaller. */
export function compress(body: Uint8Array): { readonly body: Uint8Array; readonly sysFlag: number } | undefined {
  const smaller = zlibSync(body, { level: 5 });
  return smaller.length < body.length ? { body: smaller, sysFlag: compressedBit | zlib } : undefined;
}

/** The body as it was before its producer compressed it. Throws MESSAGE_UNREADABLE, also for one that inflates to too much. */
export function inflate(body: Uint8Array, sysFlag: number): Uint8Array {
  if ((sysFlag & compressedBit) === 0) return body;
  const how = sysFlag & compressionMask;
  try {
    if (how === zlib || how === zlibOfOldClients) return inflateZlib(body);
    if (how === lz4) return inflateLz4(body, inflatedBodyBytesMax);
    if (how === zstd) return inflateZstd(body);
  } catch (error) {
    // The libraries say what is wrong with the bytes by errors of their own kinds.
    throw new ClientError("MESSAGE_UNREADABLE", `a compressed body can't be inflated: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new ClientError("MESSAGE_UNREADABLE", `a body compressed in an unknown way, ${how >> 8}`);
}

/** Deflate makes at most 1,032 bytes of one: fed in slices, it can't overrun the bound by much before that is seen. */
const zlibSliceBytes = 4096;

function inflateZlib(body: Uint8Array): Uint8Array {
  const out = new Pieces();
  let ended = false;
  const stream = new Unzlib((piece, final) => {
    out.add(piece);
    ended = final;
  });
  for (let at = 0; at < body.length; at += zlibSliceBytes) {
    stream.push(body.subarray(at, at + zlibSliceBytes), at + zlibSliceBytes >= body.length);
  }
  if (!ended) throw new Error("it is cut off");
  return out.join();
}

function inflateZstd(body: Uint8Array): Uint8Array {
  checkZstd(body);
  const out = new Pieces();
  new Unzstd((piece) => out.add(piece)).push(body, true);
  return out.join();
}

class Pieces {
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;

  add(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (this.#bytes > inflatedBodyBytesMax) throw new Error(`it holds more than ${inflatedBodyBytesMax} bytes`);
    this.#pieces.push(piece);
  }

  join(): Uint8Array {
    if (this.#pieces.length === 1) return this.#pieces[0]!;
    const all = new Uint8Array(this.#bytes);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }
}

/*
 * A Zstandard frame (RFC 8878, 3.1.1), little-endian:
 *
 *   0  u32  magic
 *   4  u8   bits 0-1 size of the dictionary's id, 2 a checksum ends the frame, 5 no window byte, 6-7 size of the content's size
 *      u8   window: exponent and mantissa
 *      0, 1, 2 or 4 bytes of dictionary, 0, 1, 2, 4 or 8 bytes of content size
 *      blocks: u24 with bit 0 last, bits 1-2 raw, RLE or compressed, bits 3-23 size
 *
 * The library believes what a frame says of its window, and moves all of it after each block: both are looked at first. What it
 * believes inside a block is not: a forged one keeps it busy for minutes. Damage never gets here, since the CRC is checked before.
 */
function checkZstd(body: Uint8Array): void {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (view.getUint32(0, true) !== 0xfd2fb528) throw new Error("it is no Zstandard frame");
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  let at = 5;
  let window = 0;
  if (!isSingleSegment) {
    const byte = view.getUint8(at++);
    window = 2 ** (10 + (byte >> 3)) * (1 + (byte & 7) / 8);
  }
  at += [0, 1, 2, 4][descriptor & 3]!;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  if (isSingleSegment) {
    window =
      sizeBytes === 1 ? view.getUint8(at) : sizeBytes === 2 ? view.getUint16(at, true) + 256 : view.getUint32(at, true);
    if (sizeBytes === 8 && view.getUint32(at + 4, true) !== 0) window = Number.POSITIVE_INFINITY;
  }
  if (window > (isSingleSegment ? inflatedBodyBytesMax : zstdWindowBytesMax))
    throw new Error(`its window has ${window} bytes`);
  at += sizeBytes;
  for (let blocks = 1; ; blocks++) {
    if (blocks > zstdBlocksMax) throw new Error(`it has more than ${zstdBlocksMax} blocks`);
    const block = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const isRle = ((block >> 1) & 3) === 1;
    at += 3 + (isRle ? 1 : block >> 3);
    if ((block & 1) !== 0) break;
  }
  if ((descriptor & 4) !== 0) at += 4;
  if (at !== body.length) throw new Error("it does not end where its last block does");
}
