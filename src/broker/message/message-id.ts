/**
 * The id of a stored message: the address of its broker and its offset in the CommitLog, in upper-case hex
 * (MessageDecoder.createMessageId): 32 digits with IPv4, 56 with IPv6. Tools take it apart and go to that address.
 */
export function offsetMessageId(storeHostHex: string, physicalOffset: number): string {
  return storeHostHex + hex32(Math.floor(physicalOffset / 2 ** 32)) + hex32(physicalOffset >>> 0);
}

export function hostHex(host: Uint8Array): string {
  return Array.from(host, (byte) => byte.toString(16).padStart(2, "0"))
    .join("")
    .toUpperCase();
}

/** By byte. */
const hexBytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0").toUpperCase());

function hex32(value: number): string {
  return (
    hexBytes[value >>> 24]! + hexBytes[(value >>> 16) & 255]! + hexBytes[(value >>> 8) & 255]! + hexBytes[value & 255]!
  );
}
