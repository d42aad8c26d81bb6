// A host in a record: 4 or 16 address bytes, then the port as i32 (MessageExt.socketAddress2ByteBuffer).

/**
 * The bytes of an IP address and a port: 8 for IPv4, also when it comes mapped into IPv6 (`::ffff:1.2.3.4`), 20 for IPv6. A zone
 * (`%eth0`) is dropped. Throws RangeError on what is no IP address or no port.
 */
export function encodeHost(address: string, port: number): Uint8Array {
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new RangeError(`not a port: ${port}`);
  const ip = parseIpv4(address) ?? unmap(parseIpv6(address));
  if (ip === undefined) throw new RangeError(`not an IP address: ${address}`);
  const host = new Uint8Array(ip.length + 4);
  host.set(ip);
  host[ip.length + 2] = port >>> 8;
  host[ip.length + 3] = port & 255;
  return host;
}

/** The inverse: the address as it is usually written (RFC 5952 for IPv6), and the port. */
export function decodeHost(host: Uint8Array): { address: string; port: number } {
  const ipLength = host.length - 4;
  if (ipLength !== 4 && ipLength !== 16) throw new RangeError(`not a host: ${host.length} bytes`);
  const port = new DataView(host.buffer, host.byteOffset + ipLength, 4).getInt32(0);
  const ip = host.subarray(0, ipLength);
  return { address: ipLength === 4 ? ip.join(".") : formatIpv6(ip), port };
}

function parseIpv4(text: string): number[] | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes = parts.map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
  return bytes.every((byte) => byte < 256) ? bytes : undefined;
}

function parseIpv6(text: string): number[] | undefined {
  const [address = ""] = text.split("%");
  const halves = address.split("::");
  if (halves.length > 2) return undefined;
  const [left, right] = halves.map(parseGroups);
  if (left === undefined || (halves.length === 2 && right === undefined)) return undefined;
  if (right === undefined) return left.length === 16 ? left : undefined;
  const gap = 16 - left.length - right.length;
  return gap >= 2 ? [...left, ...new Array<number>(gap).fill(0), ...right] : undefined;
}

/** Bytes of groups between colons; the last may be an IPv4 address. */
function parseGroups(text: string): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [index, group] of groups.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >>> 8, value & 255);
    } else {
      const embedded = index === groups.length - 1 ? parseIpv4(group) : undefined;
      if (embedded === undefined) return undefined;
      bytes.push(...embedded);
    }
  }
  return bytes;
}

function unmap(ip: number[] | undefined): number[] | undefined {
  const mapped = ip?.slice(0, 10).every((byte) => byte === 0) && ip[10] === 255 && ip[11] === 255;
  return mapped ? ip?.slice(12) : ip;
}

function formatIpv6(ip: Uint8Array): string {
  const groups: string[] = [];
  for (let index = 0; index < 16; index += 2) groups.push(((ip[index]! << 8) | ip[index + 1]!).toString(16));
  const text = groups.join(":");
  const runs = text.match(/(?<![0-9a-f])0(:0)+(?![0-9a-f])/g) ?? [];
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), "");
  if (longest === "") return text;
  const at = text.search(new RegExp(`(?<![0-9a-f])${longest}(?![0-9a-f])`));
  return `${text.slice(0, at).replace(/:$/, "")}::${text.slice(at + longest.length).replace(/^:/, "")}`;
}
