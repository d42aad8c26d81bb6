import { decodeUtf8 } from "../../ports/text.ts";

/** A message of a batch as it came. */
export interface BatchItem {
  readonly bytes: Uint8Array;
  readonly properties: string;
}

const bodyLengthAt = 16;
const bodyAt = 20;
const itemBytesMin = 22;

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
    items.push({ bytes, properties: decodeUtf8(body.subarray(propertiesAt + 2, propertiesAt + 2 + length)) });
    at += size;
  }
  return items;
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
