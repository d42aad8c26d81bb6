import { decodeUtf8, encodeUtf8 } from "../../ports/text.ts";

/** A message of a batch as it came. */
export interface BatchItem {
  readonly bytes: Uint8Array;
  readonly body: Uint8Array;
  readonly properties: string;
}

const bodyLengthAt = 16;
const bodyAt = 20;
const itemBytesMin = 22;
const propertiesBytesMax = 32_767;

/**
 * Takes a batch on the wire apart (MessageDecoder.encodeMessages; `assembly/commit-log/batch.ts` has the layout). Undefined for one whose
 * lengths do not add up, which the store refuses.
 */
export function batchItems(body: Uint8Array): BatchItem[] | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const items: BatchItem[] = [];
  for (let at = 0; at < body.length; ) {
    if (body.length - at < itemBytesMin) return undefined;
    const size = view.getInt32(at);
    const bodyLength = view.getInt32(at + bodyLengthAt);
    if (size < itemBytesMin || size > body.length - at) return undefined;
    if (bodyLength < 0 || bodyLength > size - itemBytesMin) return undefined;
    const propertiesAt = at + bodyAt + bodyLength;
    const length = view.getInt16(propertiesAt);
    if (length !== size - itemBytesMin - bodyLength) return undefined;
    const bytes = body.subarray(at, at + size);
    items.push({
      bytes,
      body: bytes.subarray(bodyAt, bodyAt + bodyLength),
      properties: decodeUtf8(body.subarray(propertiesAt + 2, propertiesAt + 2 + length)),
    });
    at += size;
  }
  return items;
}

/** The same message with other properties; undefined where they are too long for one. */
export function withProperties({ bytes, body }: BatchItem, properties: string): BatchItem | undefined {
  const encoded = encodeUtf8(properties);
  if (encoded.length > propertiesBytesMax) return undefined;
  const item = new Uint8Array(itemBytesMin + body.length + encoded.length);
  const view = new DataView(item.buffer);
  item.set(bytes.subarray(0, bodyAt + body.length));
  view.setInt32(0, item.length);
  view.setInt16(bodyAt + body.length, encoded.length);
  item.set(encoded, bodyAt + body.length + 2);
  return { bytes: item, body, properties };
}

/** Those items as a batch. */
export function joinItems(items: readonly BatchItem[]): Uint8Array {
  const joined = new Uint8Array(items.reduce((length, { bytes }) => length + bytes.length, 0));
  let at = 0;
  for (const { bytes } of items) {
    joined.set(bytes, at);
    at += bytes.length;
  }
  return joined;
}
