const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
const encoder = new TextEncoder();

/** UTF-8 to text, invalid sequences replaced, as Java's `new String(bytes, UTF_8)` does. */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The same, but undefined for bytes that are not UTF-8. */
export function decodeUtf8Strictly(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Writes `text` at byte `at` of `into`, which must have three bytes of room per UTF-16 unit. Returns the bytes written. */
export function encodeUtf8Into(text: string, into: Uint8Array, at: number): number {
  return encoder.encodeInto(text, at === 0 ? into : into.subarray(at)).written;
}
