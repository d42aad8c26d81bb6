/**
 * The remoting frame, written apart from src/protocol so that a mistake there is not made here as well.
 *
 *   0..3   int32 BE  length of what follows
 *   4      uint8     serialize type: 0 JSON, 1 ROCKETMQ binary
 *   5..7   uint24 BE header length H
 *   8..    header, then the body
 */
export interface RemotingFrame {
  code: number;
  opaque: number;
  flag: number;
  version: number;
  language: string | number | undefined;
  remark: string | undefined;
  extFields: Record<string, string>;
  /** A view of the received bytes; copy it to keep it beyond the callback it came with. */
  body: Buffer;
  serializeType: number;
}

export const FRAME_PREFIX_BYTES = 8;
/** NettyDecoder's limit; it counts the four length bytes. */
export const FRAME_BYTES_MAX = 16 * 1024 * 1024;
export const FLAG_RESPONSE = 1;
export const FLAG_ONEWAY = 2;

const NO_BODY = Buffer.alloc(0);
/** Clients of RocketMQ 5.5.0 call themselves so; a broker answers some codes differently to versions of 4.x. */
const JAVA_CLIENT_VERSION = 513;

export function encodeRequest(
  code: number,
  opaque: number,
  flag: number,
  extFields: Readonly<Record<string, string>> | undefined,
  body: Uint8Array | undefined,
): Buffer {
  const header = JSON.stringify({
    code,
    extFields: extFields ?? {},
    flag,
    language: "JAVA",
    opaque,
    serializeTypeCurrentRPC: "JSON",
    version: JAVA_CLIENT_VERSION,
  });
  return frameOf(0, Buffer.from(header), body ?? NO_BODY);
}

/** Any header bytes under any serialize type: tests of hostile input need frames no honest encoder would make. */
export function frameOf(serializeType: number, header: Uint8Array, body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_PREFIX_BYTES + header.length + body.length);
  frame.writeInt32BE(frame.length - 4, 0);
  frame.writeUInt32BE(((serializeType << 24) | header.length) >>> 0, 4);
  frame.set(header, FRAME_PREFIX_BYTES);
  frame.set(body, FRAME_PREFIX_BYTES + header.length);
  return frame;
}

/** `bytes[start..end)` is one whole frame with its length prefix. Throws on a header it cannot read. */
export function decodeFrame(bytes: Buffer, start: number, end: number): RemotingFrame {
  const serializeType = bytes[start + 4]!;
  const headerStart = start + FRAME_PREFIX_BYTES;
  const headerEnd = headerStart + bytes.readUIntBE(start + 5, 3);
  if (headerEnd > end) throw new Error(`header ends ${headerEnd - end} bytes after its frame`);
  const body = bytes.subarray(headerEnd, end);
  if (serializeType === 1) return decodeBinaryHeader(bytes, headerStart, headerEnd, body);
  if (serializeType !== 0) throw new Error(`serialize type ${serializeType}`);
  const header = JSON.parse(bytes.toString("utf8", headerStart, headerEnd));
  return {
    code: header.code,
    opaque: header.opaque,
    flag: header.flag,
    version: header.version,
    language: header.language,
    remark: header.remark ?? undefined,
    extFields: header.extFields ?? {},
    body,
    serializeType,
  };
}

function decodeBinaryHeader(bytes: Buffer, start: number, end: number, body: Buffer): RemotingFrame {
  const remarkAt = start + 17;
  const remarkEnd = remarkAt + bytes.readInt32BE(remarkAt - 4);
  const extFields: Record<string, string> = {};
  let at = remarkEnd + 4;
  while (at < end) {
    const keyEnd = at + 2 + bytes.readInt16BE(at);
    const valueEnd = keyEnd + 4 + bytes.readInt32BE(keyEnd);
    extFields[bytes.toString("utf8", at + 2, keyEnd)] = bytes.toString("utf8", keyEnd + 4, valueEnd);
    at = valueEnd;
  }
  return {
    code: bytes.readInt16BE(start),
    language: bytes[start + 2]!,
    version: bytes.readInt16BE(start + 3),
    opaque: bytes.readInt32BE(start + 5),
    flag: bytes.readInt32BE(start + 9),
    remark: remarkEnd > remarkAt ? bytes.toString("utf8", remarkAt, remarkEnd) : undefined,
    extFields,
    body,
    serializeType: 1,
  };
}

/** Called with one whole frame, `bytes[start..end)`; the bytes belong to the reader again when the call returns. */
export type OnFrame = (bytes: Buffer, start: number, end: number) => void;

/** Cuts a byte stream into frames, however it was split. A frame inside one chunk is handed on without a copy. */
export class FrameReader {
  readonly #onFrame: OnFrame;
  readonly #held: Buffer[] = [];
  #heldBytes = 0;
  #neededBytes = 4;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  /** The chunk may be a buffer its owner fills again: what must outlive this call is copied. */
  push(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#heldBytes > 0) {
      this.#heldBytes += chunk.length;
      if (this.#heldBytes < this.#neededBytes) {
        this.#held.push(Buffer.from(chunk));
        return;
      }
      this.#held.push(chunk);
      bytes = Buffer.concat(this.#held, this.#heldBytes);
      this.#held.length = 0;
      this.#heldBytes = 0;
    }
    let at = 0;
    let left = bytes.length;
    this.#neededBytes = 4;
    while (left >= 4) {
      const frameBytes = 4 + bytes.readInt32BE(at);
      if (frameBytes < FRAME_PREFIX_BYTES || frameBytes > FRAME_BYTES_MAX) throw new Error(`a frame of ${frameBytes}`);
      this.#neededBytes = frameBytes;
      if (left < frameBytes) break;
      this.#onFrame(bytes, at, at + frameBytes);
      at += frameBytes;
      left -= frameBytes;
      this.#neededBytes = 4;
    }
    if (left > 0) {
      this.#held.push(Buffer.from(bytes.subarray(at)));
      this.#heldBytes = left;
    }
  }
}
