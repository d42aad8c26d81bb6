import { Output } from "./output.ts";

/*
 * An LZ4 frame (lz4_Frame_format.md, as LZ4FrameOutputStream writes it), little-endian:
 *
 *   0  u32  magic
 *   4  u8   bits 6-7 version 1, 5 blocks are independent, 4 block checksums, 3 content size, 2 content checksum, 0 dictionary
 *   5  u8   bits 4-6 largest block: 4 to 7 are 64 KiB to 4 MiB
 *      u64  content size, if any
 *      u8   checksum of the header
 *      blocks: u32 size with bit 31 for one that is not compressed, then its bytes, then its checksum if any
 *      u32  0 ends the frame, then the content's checksum if any
 *
 * The checksums are passed over: the message's own CRC has been checked.
 */
const magic = 0x184d2204;

/** Throws an `Error` for what is no whole frame or holds more than `bytesMax`. */
export function inflateLz4(frame: Uint8Array, bytesMax: number): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0, true) !== magic) throw new Error("it is no LZ4 frame");
  const flags = view.getUint8(4);
  if (flags >> 6 !== 1) throw new Error("its version is unknown");
  if ((flags & 1) !== 0) throw new Error("it needs a dictionary");
  const blockBytesMax = 1 << (8 + 2 * ((view.getUint8(5) >> 4) & 7));
  if (blockBytesMax < 1 << 16) throw new Error("its block size is unknown");
  const out = new Output(frame, bytesMax);
  let at = 6 + ((flags & 8) !== 0 ? 8 : 0) + 1;
  for (;;) {
    const size = view.getUint32(at, true);
    at += 4;
    if (size === 0) break;
    const bytes = size & 0x7fffffff;
    if (bytes > blockBytesMax || at + bytes > frame.length) throw new Error("it is cut off");
    const block = frame.subarray(at, at + bytes);
    if (size >>> 31 !== 0) out.append(block, 0, bytes);
    else inflateBlock(block, out, (flags & 0x20) !== 0 ? out.length : 0, blockBytesMax);
    at += bytes + ((flags & 16) !== 0 ? 4 : 0);
  }
  if (at + ((flags & 4) !== 0 ? 4 : 0) !== frame.length) throw new Error("it does not end where its last block does");
  return out.bytes();
}

/**
 * Sequences of a block: a token of two half bytes (literals, match length less 4), each 15 going on in further bytes while those
 * are 255; the literals; u16 how far back the match is. The last sequence ends after its literals. Matches reach back to
 * `windowStart` at most.
 */
function inflateBlock(block: Uint8Array, out: Output, windowStart: number, blockBytesMax: number): void {
  const end = out.length + blockBytesMax;
  let at = 0;
  const lengthFrom = (half: number): number => {
    let length = half;
    if (half === 15) {
      let byte: number | undefined;
      do {
        byte = block[at++];
        if (byte === undefined) throw new Error("it is cut off");
        length += byte;
      } while (byte === 255);
    }
    return length;
  };
  for (;;) {
    const token = block[at++];
    if (token === undefined) throw new Error("it is cut off");
    const literals = lengthFrom(token >> 4);
    if (at + literals > block.length) throw new Error("it is cut off");
    if (out.length + literals > end) throw new Error("a block is larger than it may be");
    out.append(block, at, literals);
    at += literals;
    if (at === block.length) return;
    if (at + 2 > block.length) throw new Error("it is cut off");
    const distance = block[at]! | (block[at + 1]! << 8);
    at += 2;
    const length = lengthFrom(token & 15) + 4;
    if (out.length + length > end) throw new Error("a block is larger than it may be");
    if (distance === 0 || out.length - distance < windowStart) throw new Error("a match reaches back too far");
    out.repeat(distance, length);
  }
}
