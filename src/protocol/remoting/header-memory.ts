import { readText } from "./ascii.ts";

/** Longer ones are hardly ever the same twice. */
const charsMax = 64;
const slots = 512;

/**
 * What reading headers keeps from one to the next. Names of topics and groups come again with each request: comparing costs a tenth of a
 * text that is made anew and looked up by what is in it; at most 512 of 64 characters are kept, and one takes the place of another. And bytes
 * to unescape properties into: V8 makes room for more than 64 of them by a call to the allocator.
 */
export class HeaderMemory {
  readonly #texts: (string | undefined)[] = new Array(slots).fill(undefined);
  #bytes = new Uint8Array(1_024);

  /** Lent until the next call. A header bounds them (`headerBytesMax`). */
  bytes(length: number): Uint8Array {
    if (length > this.#bytes.length) this.#bytes = new Uint8Array(length);
    return this.#bytes;
  }

  /** The text at [at, end). */
  text(bytes: Uint8Array, at: number, end: number): string {
    const length = end - at;
    if (length === 0 || length > charsMax) return readText(bytes, at, end);
    const slot = (31 * length + 17 * bytes[at]! + 7 * bytes[end - 1]! + bytes[at + (length >> 1)]!) & (slots - 1);
    const known = this.#texts[slot];
    if (known !== undefined && isSame(known, bytes, at, end)) return known;
    const text = readText(bytes, at, end);
    // A character a byte: what is longer in bytes is not ASCII, and compared with nothing.
    if (text.length === length) this.#texts[slot] = text;
    return text;
  }
}

function isSame(text: string, bytes: Uint8Array, at: number, end: number): boolean {
  if (text.length !== end - at) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[at + i]) return false;
  return true;
}
