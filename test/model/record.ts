import { crc32Model } from "./crc32.ts";
import { entriesModel, tagsCodeModel, withoutCrcModel } from "./properties.ts";

// The record, spelt out a second time and on purpose: field after field as section 2 of RocketMQ's format goes, no offsets.

export interface RecordModel {
  queueId: number;
  flag: number;
  queueOffset: number;
  sysFlag: number;
  bornTimestamp: number;
  bornHost: Uint8Array;
  storeTimestamp: number;
  storeHost: Uint8Array;
  reconsumeTimes: number;
  preparedTransactionOffset: number;
  topic: Uint8Array;
  body: Uint8Array;
  properties: string;
}

/** Bytes of the record, or undefined where the core refuses. */
export function encodeRecordModel(
  record: RecordModel,
  physicalOffset: number,
  propertyCrc: boolean,
): { bytes: Uint8Array; tags: number } | undefined {
  const v2 = record.topic.length > 127;
  let text = withoutCrcModel(record.properties);
  const tags = tagsCodeModel(text);
  if (!propertyCrc) text = entriesModel(text);
  if (propertyCrc && text !== "" && !text.endsWith("\u0002")) text += "\u0002";
  const properties = new TextEncoder().encode(text);
  const propertiesLength = properties.length + (propertyCrc ? 20 : 0);
  if (propertiesLength > 32767 || record.topic.length > 32767) return undefined;
  const hosts = (record.bornHost.length === 20 ? 0x10 : 0) | (record.storeHost.length === 20 ? 0x20 : 0);
  const bytes = new Writer()
    .i32(0) // size, below
    .i32(v2 ? 0xdaa320ab : 0xdaa320a7)
    .i32(crc32Model(record.body) & 0x7fffffff)
    .i32(record.queueId)
    .i32(record.flag)
    .i64(record.queueOffset)
    .i64(physicalOffset)
    .i32((record.sysFlag & ~0x30) | hosts)
    .i64(record.bornTimestamp)
    .raw(record.bornHost)
    .i64(record.storeTimestamp)
    .raw(record.storeHost)
    .i32(record.reconsumeTimes)
    .i64(record.preparedTransactionOffset)
    .i32(record.body.length)
    .raw(record.body)
    .raw(v2 ? [record.topic.length >> 8, record.topic.length & 255] : [record.topic.length])
    .raw(record.topic)
    .raw([propertiesLength >> 8, propertiesLength & 255])
    .raw(properties).bytes;
  const size = bytes.length + (propertyCrc ? 20 : 0);
  bytes.splice(0, 4, ...new Writer().i32(size).bytes);
  if (propertyCrc) {
    const crc = crc32Model(Uint8Array.from(bytes)) & 0x7fffffff;
    const digits = [...String(crc)].reverse().join("").padEnd(10, "0");
    bytes.push(...new TextEncoder().encode(`__CRC32#\u0001${digits}\u0002`));
  }
  return { bytes: Uint8Array.from(bytes), tags };
}

export type StateModel = "valid" | "blank" | "incomplete" | "bad-magic" | "bad-length" | "bad-crc" | "wrong-offset";

/** What stands at the start of `bytes`, which end where the reader may look no further. */
export function stateModel(bytes: Uint8Array, physicalOffset: number): StateModel {
  if (bytes.length < 8) return "incomplete";
  const head = new Reader(bytes);
  const size = head.i32();
  const magic = head.i32() >>> 0;
  if (magic === 0xcbd43194) return size < 8 ? "bad-length" : "blank";
  if (magic !== 0xdaa320a7 && magic !== 0xdaa320ab) return "bad-magic";
  if (size < 91) return "bad-length";
  if (size > bytes.length) return "incomplete";

  const record = bytes.subarray(0, size);
  const reader = new Reader(record);
  let fields: { bodyCrc: number; offset: bigint; body: Uint8Array; properties: Uint8Array };
  try {
    reader.raw(8);
    const bodyCrc = reader.i32();
    reader.raw(16);
    const offset = reader.i64();
    const sysFlag = reader.i32();
    reader.raw(8 + (sysFlag & 0x10 ? 20 : 8) + 8 + (sysFlag & 0x20 ? 20 : 8) + 12);
    const body = reader.raw(reader.i32());
    reader.raw(magic === 0xdaa320ab ? reader.i16() : reader.i8());
    const properties = reader.raw(reader.i16());
    if (reader.left !== 0) return "bad-length";
    fields = { bodyCrc, offset, body, properties };
  } catch {
    return "bad-length";
  }

  const last = latin1(fields.properties.slice(-20));
  const named = last.length === 20 && last.startsWith("__CRC32#\u0001");
  if (named && (fields.properties.length === 20 || fields.properties.at(-21) === 2)) {
    const crc = crc32Model(record.subarray(0, size - 20)) & 0x7fffffff;
    const digits = [...String(crc)].reverse().join("").padEnd(10, "0");
    if (last !== `__CRC32#\u0001${digits}\u0002`) return "bad-crc";
  } else if (fields.properties.at(-1) === 0 || resemblance(latin1(record.slice(-20))) >= 16) {
    return "bad-crc";
  } else if (entriesModel(latin1(fields.properties)) !== latin1(fields.properties) || !endsInText(fields.properties)) {
    return "bad-crc";
  } else if (fields.body.length > 0 && fields.bodyCrc !== (crc32Model(fields.body) & 0x7fffffff)) {
    return "bad-crc";
  }
  return fields.offset === BigInt(physicalOffset) ? "valid" : "wrong-offset";
}

/** How many characters of a `__CRC32#` stand where they would. */
function resemblance(last: string): number {
  const pattern = "__CRC32#\u0001..........\u0002";
  return [...pattern].filter((character, at) => (character === "." ? /\d/.test(last[at]!) : character === last[at]))
    .length;
}

/** Items of a MessageBatch body: MessageDecoder.encodeMessages. */
export function encodeBatchModel(items: { flag: number; body: Uint8Array; properties: string }[]): Uint8Array {
  const writer = new Writer();
  for (const { flag, body, properties: text } of items) {
    const properties = new TextEncoder().encode(text);
    writer
      .i32(22 + body.length + properties.length)
      .i32(0)
      .i32(0)
      .i32(flag)
      .i32(body.length)
      .raw(body);
    writer.raw([properties.length >> 8, properties.length & 255]).raw(properties);
  }
  return Uint8Array.from(writer.bytes);
}

/** A ConsumeQueue unit. */
export function encodeUnitModel(offset: number, size: number, tagsHigh: number, tagsLow: number): Uint8Array {
  return Uint8Array.from(new Writer().i64(offset).i32(size).i32(tagsHigh).i32(tagsLow).bytes);
}

export class Writer {
  readonly bytes: number[] = [];

  i32(value: number): this {
    return this.raw([value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
  }

  i64(value: number): this {
    const bits = BigInt.asUintN(64, BigInt(value));
    return this.i32(Number(bits >> 32n)).i32(Number(bits & 0xffffffffn));
  }

  raw(bytes: Iterable<number>): this {
    for (const byte of bytes) this.bytes.push(byte);
    return this;
  }
}

/** Throws RangeError past the end and on negative lengths. */
export class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  i8(): number {
    return this.#view(1).getInt8(0);
  }

  i16(): number {
    return this.#view(2).getInt16(0);
  }

  i32(): number {
    return this.#view(4).getInt32(0);
  }

  i64(): bigint {
    return this.#view(8).getBigInt64(0);
  }

  raw(length: number): Uint8Array {
    if (length < 0 || length > this.left) throw new RangeError(`${length} of ${this.left}`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #view(length: number): DataView {
    const bytes = this.raw(length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** The last entry of properties is UTF-8, and no property CRC that is not whole. */
function endsInText(properties: Uint8Array): boolean {
  const end = properties.at(-1) === 2 ? properties.length - 1 : properties.length;
  try {
    const last = properties.subarray(properties.lastIndexOf(2, end - 1) + 1, end);
    return !new TextDecoder("utf-8", { fatal: true }).decode(last).startsWith("__CRC32#\u0001");
  } catch {
    return false;
  }
}
