import { decodeUtf8, encodeUtf8 } from "../../ports/text.ts";
import { textBytesMax, writeBytes, writeDecimal, writeText } from "./ascii.ts";
import { codeOfShort } from "./codes.ts";
import { PlacedFields, Places } from "./fields.ts";
import { FrameError, serializeType } from "./frame.ts";
import { type HeaderCodec, onewayBit, ownVersion, responseBit } from "./header.ts";

/*
 * A header of type ROCKETMQ (RocketMQSerializable), big-endian:
 *
 *    0  i16  code
 *    2  i8   language
 *    3  i16  version
 *    5  i32  opaque
 *    9  i32  flag
 *   13  i32  length of the remark; 0: none
 *   17       remark
 *       i32  length of all extFields
 *            extFields
 *
 * Each of them:
 *
 *       i16  length of the name
 *            name
 *       i32  length of the value; 0: there is none
 *            value
 */
const remarkOffset = 17;
const headerBytesMin = 21;

/** What of a header with these names is the same each time. */
export interface RocketmqNames {
  /** The fields that are always the same, as they stand in the header. */
  readonly constants: Uint8Array;
  /** By name: its length and itself. */
  readonly names: readonly Uint8Array[];
  /** Without values and remark: the bytes of all. */
  readonly bytesMax: number;
}

/** LanguageCode, by number. */
const languages = [
  ...["JAVA", "CPP", "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY", "OTHER", "HTTP", "GO", "PHP", "OMS", "RUST"],
  "NODE_JS",
];
const java = 0;

/** Binary headers, of clients that run with rocketmq.serialize.type=ROCKETMQ. */
export const rocketmqHeaders: HeaderCodec = {
  serializeType: serializeType.rocketmq,

  read(bytes, from, to, memory) {
    if (to - from < headerBytesMin) throw new FrameError(`a binary header of ${to - from} bytes`);
    const remarkAt = from + remarkOffset;
    const fieldsAt = remarkAt + checkedLength(readInt32(bytes, remarkAt - 4), to - from - headerBytesMin) + 4;
    if (checkedLength(readInt32(bytes, fieldsAt - 4), to - fieldsAt) !== to - fieldsAt) {
      throw new FrameError("a binary header longer than what is in it");
    }
    const flag = readInt32(bytes, from + 9);
    return {
      code: codeOfShort(readInt16(bytes, from)),
      opaque: readInt32(bytes, from + 5),
      isResponse: (flag & responseBit) !== 0,
      isOneway: (flag & onewayBit) !== 0,
      language: languages[bytes[from + 2]!] ?? "OTHER",
      version: readInt16(bytes, from + 3),
      fields: new PlacedFields(bytes, placesOf(bytes, fieldsAt, to), memory, false),
    };
  },

  remark(bytes, from) {
    const length = readInt32(bytes, from + remarkOffset - 4);
    if (length === 0) return undefined;
    return decodeUtf8(bytes.subarray(from + remarkOffset, from + remarkOffset + length));
  },

  bytesMax({ fields: { names, values }, remark }) {
    let bytes = names.rocketmq.bytesMax + (remark === undefined ? 0 : textBytesMax(remark));
    for (const value of values) bytes += typeof value === "string" ? textBytesMax(value) : numberCharsMax;
    return bytes;
  },

  write({ code, flag, opaque, fields: { names, values }, remark }, into, at) {
    into[at] = code >>> 8;
    into[at + 1] = code;
    into[at + 2] = java;
    into[at + 3] = ownVersion >>> 8;
    into[at + 4] = ownVersion & 0xff;
    writeInt32(into, at + 5, opaque);
    writeInt32(into, at + 9, flag);
    const fieldsAt = (remark === undefined ? at + remarkOffset : writeText(remark, into, at + remarkOffset)) + 4;
    writeInt32(into, at + remarkOffset - 4, fieldsAt - 4 - at - remarkOffset);
    const { constants, names: before } = names.rocketmq;
    into.set(constants, fieldsAt);
    let end = fieldsAt + constants.length;
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (value === undefined) continue;
      const valueAt = writeBytes(before[i]!, into, end) + 4;
      end = typeof value === "number" ? writeDecimal(value, into, valueAt) : writeText(value, into, valueAt);
      writeInt32(into, valueAt - 4, end - valueAt);
    }
    writeInt32(into, fieldsAt - 4, end - fieldsAt);
    return end;
  },
};

export function rocketmqNames(names: readonly string[], constants: Readonly<Record<string, string>>): RocketmqNames {
  const before = names.map((name) => withLength(name, 2));
  const same = Object.entries(constants).flatMap(([name, value]) => [
    ...[...withLength(name, 2)],
    ...[...withLength(value, 4)],
  ]);
  return {
    constants: Uint8Array.from(same),
    names: before,
    bytesMax: before.reduce((sum, { length }) => sum + length + 4, headerBytesMin + same.length),
  };
}

/** Of each field where its name begins and ends, and its value. Java's decoder makes null of what has no length. */
function placesOf(bytes: Uint8Array, from: number, to: number): Places {
  const places = new Places();
  for (let at = from; at < to; ) {
    if (to - at < 6) throw outOfBlock();
    const nameAt = at + 2;
    const nameEnd = nameAt + checkedLength(readInt16(bytes, at), to - nameAt - 4);
    const valueAt = nameEnd + 4;
    const valueEnd = valueAt + checkedLength(readInt32(bytes, nameEnd), to - valueAt);
    if (nameEnd > nameAt && valueEnd > valueAt) places.add(bytes, nameAt, nameEnd, valueAt, valueEnd);
    at = valueEnd;
  }
  return places;
}

function checkedLength(length: number, max: number): number {
  if (length < 0 || length > max) throw outOfBlock();
  return length;
}

function outOfBlock(): FrameError {
  return new FrameError("a length in a binary header beyond its end");
}

function withLength(text: string, lengthBytes: 2 | 4): Uint8Array {
  const bytes = encodeUtf8(text);
  const all = new Uint8Array(lengthBytes + bytes.length);
  const view = new DataView(all.buffer);
  if (lengthBytes === 2) view.setInt16(0, bytes.length);
  else view.setInt32(0, bytes.length);
  all.set(bytes, lengthBytes);
  return all;
}

function readInt16(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) >> 16) | bytes[at + 1]!;
}

function readInt32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function writeInt32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

/** Digits and sign of the longest number. */
const numberCharsMax = 24;
