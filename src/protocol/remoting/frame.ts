import { frameBytesMax, headerBytesMax } from "../../limits.ts";

/*
 * A frame (RemotingCommand, NettyDecoder), big-endian:
 *
 *   0  i32  length of all that follows
 *   4  u8   how the header is written: 0 JSON, 1 ROCKETMQ
 *   5  u24  length of the header
 *   8  header, then body
 */
const lengthBytes = 4;
const prefixBytes = 8;

/** SerializeType. */
export const serializeType = { json: 0, rocketmq: 1 } as const;

/** A frame within what arrived. Views of its parts are made when they are asked for: most are read where they stand. */
export class Frame {
  /** What it came with: the frame is [start, end) of it, the body [bodyAt, end). */
  readonly source: Uint8Array;
  readonly start: number;
  readonly bodyAt: number;
  readonly end: number;

  constructor(source: Uint8Array, start: number, bodyAt: number, end: number) {
    this.source = source;
    this.start = start;
    this.bodyAt = bodyAt;
    this.end = end;
  }

  get serializeType(): number {
    return this.source[this.start + 4]!;
  }

  get headerAt(): number {
    return this.start + prefixBytes;
  }

  /** The whole of it. */
  get bytes(): Uint8Array {
    return this.source.subarray(this.start, this.end);
  }

  get header(): Uint8Array {
    return this.source.subarray(this.headerAt, this.bodyAt);
  }

  get body(): Uint8Array {
    return this.source.subarray(this.bodyAt, this.end);
  }
}

/** Why a peer's bytes are no frames; the connection can't go on. */
export class FrameError extends Error {}

/** The unfinished frames of all connections of a broker. */
export class PartialFrames {
  readonly #bytesMax: number;
  readonly #bytesMin: number;
  readonly #held = new Map<FrameReader, number>();
  #bytes = 0;

  /** `bytesMax`: MemoryBudget.partialFrameBytesTotalMax, or what one end of one line may hold; `bytesMin` is not counted. */
  constructor(bytesMax: number, bytesMin = 0) {
    this.#bytesMax = bytesMax;
    this.#bytesMin = bytesMin;
  }

  /**
   * Counts what a reader holds now. When all together hold too much, those that hold the most give way; if that is the reader
   * itself, FrameError is thrown.
   */
  holds(reader: FrameReader, bytes: number): void {
    this.#bytes -= this.#held.get(reader) ?? 0;
    if (bytes < this.#bytesMin) {
      this.#held.delete(reader);
      return;
    }
    this.#held.set(reader, bytes);
    this.#bytes += bytes;
    while (this.#bytes > this.#bytesMax) {
      let largest = reader;
      for (const [other, held] of this.#held) if (held > this.#held.get(largest)!) largest = other;
      if (largest === reader) throw new FrameError(tooMany);
      largest.giveWay();
    }
  }
}

const tooMany = "too many bytes of unfinished frames";

/**
 * Cuts a stream into frames. Whole frames are handed on as views of what arrived; only an unfinished one is copied, into a
 * buffer that grows as its bytes come, never by what its length claims.
 */
export class FrameReader {
  readonly #handle: (frame: Frame) => void;
  readonly #partials: PartialFrames;
  readonly #gaveWay: (reason: string) => void;
  #partial = new Uint8Array(0);
  #partialLength = 0;

  /** `gaveWay` is told that the connection can't go on, since others needed the room of its unfinished frame. */
  constructor(partials: PartialFrames, handle: (frame: Frame) => void, gaveWay: (reason: string) => void) {
    this.#partials = partials;
    this.#handle = handle;
    this.#gaveWay = gaveWay;
  }

  /** The bytes that arrived last are the beginning of a frame, or its middle. */
  get isUnfinished(): boolean {
    return this.#partialLength > 0;
  }

  /** Throws FrameError when what arrived can't be a frame. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (this.#partialLength > 0 && at < bytes.length) at += this.#continue(bytes, at);
    while (bytes.length - at >= prefixBytes) {
      const end = at + lengthBytes + frameLength(bytes, at);
      if (end > bytes.length) break;
      this.#handle(frameOf(bytes, at, end));
      at = end;
    }
    if (at < bytes.length) {
      if (bytes.length - at >= lengthBytes) frameLength(bytes, at);
      this.#keep(bytes.subarray(at));
    }
  }

  /** Gives back what an unfinished frame holds. */
  end(): void {
    this.#release();
  }

  /** Drops the unfinished frame for the sake of others. */
  giveWay(): void {
    this.#release();
    this.#gaveWay(tooMany);
  }

  /** Adds to the unfinished frame; the number of bytes taken. */
  #continue(bytes: Uint8Array, at: number): number {
    const wanted =
      this.#partialLength < prefixBytes
        ? prefixBytes - this.#partialLength
        : lengthBytes + frameLength(this.#partial, 0) - this.#partialLength;
    const taken = Math.min(wanted, bytes.length - at);
    this.#keep(bytes.subarray(at, at + taken));
    if (this.#partialLength >= lengthBytes) {
      const end = lengthBytes + frameLength(this.#partial, 0);
      if (this.#partialLength >= prefixBytes && this.#partialLength === end) {
        const frame = frameOf(this.#partial, 0, end);
        this.#release();
        this.#handle(frame);
      }
    }
    return taken;
  }

  #keep(bytes: Uint8Array): void {
    const length = this.#partialLength + bytes.length;
    if (length > this.#partial.length) {
      const capacity = Math.max(length, Math.min(2 * this.#partial.length, frameBytesMax));
      this.#partials.holds(this, capacity);
      const larger = new Uint8Array(capacity);
      larger.set(this.#partial.subarray(0, this.#partialLength));
      this.#partial = larger;
    }
    this.#partial.set(bytes, this.#partialLength);
    this.#partialLength = length;
  }

  #release(): void {
    this.#partials.holds(this, 0);
    this.#partial = new Uint8Array(0);
    this.#partialLength = 0;
  }
}

/** The checked length field. NettyDecoder counts the field itself into the limit. */
function frameLength(bytes: Uint8Array, at: number): number {
  const length = readInt32(bytes, at);
  if (length < prefixBytes - lengthBytes || length > frameBytesMax - lengthBytes) {
    throw new FrameError(`a frame of ${length} bytes: allowed are 4 to ${frameBytesMax - lengthBytes}`);
  }
  return length;
}

function frameOf(bytes: Uint8Array, at: number, end: number): Frame {
  const headerLength = (bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!;
  const bodyAt = at + prefixBytes + headerLength;
  if (bodyAt > end) throw new FrameError("a header longer than its frame");
  if (headerLength > headerBytesMax) throw new FrameError(`a header of more than ${headerBytesMax} bytes`);
  return new Frame(bytes, at, bodyAt, end);
}

/** Writes the eight bytes before header and body. */
export function writePrefix(
  into: Uint8Array,
  at: number,
  serializeType: number,
  headerLength: number,
  bodyLength: number,
): void {
  writeInt32(into, at, 4 + headerLength + bodyLength);
  into[at + 4] = serializeType;
  into[at + 5] = headerLength >>> 16;
  into[at + 6] = headerLength >>> 8;
  into[at + 7] = headerLength;
}

export { prefixBytes };

function readInt32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function writeInt32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}
