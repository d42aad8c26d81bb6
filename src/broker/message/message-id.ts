/**
 * The id of a stored message: the address of its broker and its offset in the CommitLog, in upper-case hex
 * (MessageDecoder.createMessageId): 32 digits with IPv4, 56 with IPv6. Tools take it apart and go to that address.
 */
export function offsetMessageId(storeHost: Uint8Array, physicalOffset: number): string {
  return hostHex(storeHost) + hex32(Math.floor(physicalOffset / 2 ** 32)) + hex32(physicalOffset >>> 0);
}

/** The store host is the same in nearly every call: its hex is made once. */
const hexOfHost = new WeakMap<Uint8Array, string>();

function hostHex(host: Uint8Array): string {
  let hex = hexOfHost.get(host);
  if (hex === undefined) {
    hex = Array.from(host, (byte) => byte.toString(16).padStart(2, "0"))
      .join("")
      .toUpperCase();
    hexOfHost.set(host, hex);
  }
  return hex;
}

function hex32(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, "0");
}
