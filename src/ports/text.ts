const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** UTF-8 to text, invalid sequences replaced, as Java's `new String(bytes, UTF_8)` does. */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Writes `text` at byte `at` of `into`, which must have three bytes of room per UTF-16 unit. Returns the bytes written. */
export function encodeUtf8Into(text: string, into: Uint8Array, at: number): number {
  return encoder.encodeInto(text, at === 0 ? into : into.subarray(at)).written;
}
