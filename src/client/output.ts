/** What has been inflated so far: grows with what it is given, never by what a frame claims. Throws an `Error` above `bytesMax`. */
export class Output {
  readonly #bytesMax: number;
  #bytes: Uint8Array;
  length = 0;

  /** `body` is what is inflated: hardly less comes out. */
  constructor(body: Uint8Array, bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#bytes = new Uint8Array(Math.min(Math.max(1024, body.length), bytesMax));
  }

  append(from: Uint8Array, at: number, length: number): void {
    this.#reserve(length);
    const bytes = this.#bytes;
    const to = this.length;
    if (length > callBytes) bytes.set(from.subarray(at, at + length), to);
    else for (let i = 0; i < length; i++) bytes[to + i] = from[at + i]!;
    this.length = to + length;
  }

  fill(byte: number, length: number): void {
    this.#reserve(length);
    this.#bytes.fill(byte, this.length, this.length + length);
    this.length += length;
  }

  /** A match longer than its distance repeats what it has just written. */
  repeat(distance: number, length: number): void {
    this.#reserve(length);
    const bytes = this.#bytes;
    const to = this.length;
    const from = to - distance;
    if (length > callBytes && distance >= length) bytes.copyWithin(to, from, from + length);
    else if (length > callBytes && distance === 1) bytes.fill(bytes[from]!, to, to + length);
    else for (let i = 0; i < length; i++) bytes[to + i] = bytes[from + i]!;
    this.length = to + length;
  }

  /** Without the room that is left, if that is much: a message is kept for as long as its application likes. */
  bytes(): Uint8Array {
    const isFull = this.length > this.#bytes.length * 0.9;
    return isFull ? this.#bytes.subarray(0, this.length) : this.#bytes.slice(0, this.length);
  }

  #reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.#bytes.length) return;
    if (needed > this.#bytesMax) throw new Error(`it holds more than ${this.#bytesMax} bytes`);
    const larger = new Uint8Array(Math.min(this.#bytesMax, Math.max(needed, 2 * this.#bytes.length)));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
  }
}

/** Up to here a loop copies faster than a call does. */
const callBytes = 64;
