/** String.hashCode with arbitrary precision, wrapped once at the end. */
export function hashCodeModel(text: string): number {
  let hash = 0n;
  for (let index = 0; index < text.length; index++) hash = hash * 31n + BigInt(text.charCodeAt(index));
  return Number(BigInt.asIntN(32, hash));
}

/**
 * `new String(bytes, UTF_8)`. The web's decoder does the same but for an encoded surrogate, ED A0..BF 80..BF, and the start of one
 * (ED A0..BF): one U+FFFD in Java, one for each byte on the web. A private-use stand-in keeps the two apart.
 */
export function decodeUtf8Model(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let text = "";
  let from = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] !== 0xed || !between(bytes[at + 1], 0xa0, 0xbf)) continue;
    text += `${decoder.decode(bytes.subarray(from, at))}\ufffd`;
    from = at + (between(bytes[at + 2], 0x80, 0xbf) ? 3 : 2);
    at = from - 1;
  }
  return text + decoder.decode(bytes.subarray(from));
}

function between(byte: number | undefined, low: number, high: number): boolean {
  return byte !== undefined && byte >= low && byte <= high;
}
