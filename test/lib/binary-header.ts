/** A header of serialize type ROCKETMQ, read and written apart from the broker's own codec (RocketMQSerializable). */
export interface BinaryHeader {
  readonly code: number;
  readonly language: number;
  readonly version: number;
  readonly opaque: number;
  readonly flag: number;
  readonly remark: string | undefined;
  readonly fields: Readonly<Record<string, string>>;
}

const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function encodeBinaryHeader(header: Partial<BinaryHeader> & { readonly code: number }): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  const number = (value: number, size: number): void => {
    for (let shift = 8 * (size - 1); shift >= 0; shift -= 8) bytes.push((value >>> shift) & 0xff);
  };
  const text = (value: string, lengthSize: number): void => {
    const encoded = encoder.encode(value);
    number(encoded.length, lengthSize);
    bytes.push(...encoded);
  };
  number(header.code, 2);
  number(header.language ?? 0, 1);
  number(header.version ?? 513, 2);
  number(header.opaque ?? 0, 4);
  number(header.flag ?? 0, 4);
  text(header.remark ?? "", 4);
  const lengthAt = bytes.length;
  number(0, 4);
  for (const [name, value] of Object.entries(header.fields ?? {})) {
    text(name, 2);
    text(value, 4);
  }
  const encoded = Uint8Array.from(bytes);
  new DataView(encoded.buffer).setInt32(lengthAt, encoded.length - lengthAt - 4);
  return encoded;
}

/** Throws for what RocketMQ's clients would choke on. */
export function decodeBinaryHeader(bytes: Uint8Array): BinaryHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 13;
  const text = (lengthSize: number): string => {
    const length = lengthSize === 2 ? view.getInt16(at) : view.getInt32(at);
    at += lengthSize + length;
    if (length < 0 || at > bytes.length) throw new Error(`a length of ${length} at ${at - length - lengthSize}`);
    return utf8.decode(bytes.subarray(at - length, at));
  };
  const remark = text(4);
  const end = at + 4 + view.getInt32(at);
  if (end !== bytes.length) throw new Error(`fields end at ${end}, the header at ${bytes.length}`);
  const fields: Record<string, string> = {};
  for (at += 4; at < end; ) {
    const name = text(2);
    fields[name] = text(4);
  }
  return {
    code: view.getInt16(0),
    language: view.getUint8(2),
    version: view.getInt16(3),
    opaque: view.getInt32(5),
    flag: view.getInt32(9),
    remark: remark === "" ? undefined : remark,
    fields,
  };
}
