import { decodeUtf8, encodeUtf8, encodeUtf8Into } from "../../ports/text.ts";
import { lastAscii, longTextCharsMin, writeBytes, writeDecimal } from "./ascii.ts";
import { JsonFields } from "./fields.ts";
import { FrameError, serializeType } from "./frame.ts";
import { type Header, type HeaderCodec, onewayBit, ownVersion, responseBit } from "./header.ts";
import { scanHeader } from "./scan-json.ts";

/** What of a header with these names is the same each time. */
export interface JsonNames {
  /** The header up to the fields that differ; each field has a comma behind it. */
  readonly start: Uint8Array;
  /** What stands before each value. */
  readonly names: readonly Uint8Array[];
  /** Without values: the bytes of all. */
  readonly bytesMax: number;
}

/** Headers as JSON (RemotingSerializable), what clients write unless they are told otherwise. */
export const jsonHeaders: HeaderCodec = {
  serializeType: serializeType.json,

  read(bytes, from, to, memory) {
    const header = scanHeader(bytes, from, to, memory) ?? readHeader(bytes.subarray(from, to));
    if (header === undefined) throw new FrameError("a header that is no JSON object with code and opaque");
    return header;
  },

  remark(bytes, from, to) {
    const { remark } = JSON.parse(decodeUtf8(bytes.subarray(from, to))) as { readonly remark?: unknown };
    return typeof remark === "string" ? remark : undefined;
  },

  bytesMax({ fields: { names, values }, remark }) {
    let bytes = names.json.bytesMax + (remark === undefined ? 0 : quotedBytesMax(remark));
    for (const value of values) bytes += typeof value === "string" ? quotedBytesMax(value) : numberCharsMax;
    return bytes;
  },

  write({ code, flag, opaque, fields: { names, values }, remark }, into, at) {
    const { start, names: before } = names.json;
    into.set(start, at);
    let end = at + start.length;
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (value === undefined) continue;
      end = writeBytes(before[i]!, into, end);
      if (typeof value === "number") {
        into[end++] = quote;
        end = writeDecimal(value, into, end);
        into[end++] = quote;
      } else end = writeQuoted(value, into, end);
      into[end++] = comma;
    }
    if (into[end - 1] === comma) end--;
    end = writeBytes(afterFields, into, end);
    end = writeDecimal(code, into, end);
    end = writeBytes(beforeFlag, into, end);
    end = writeDecimal(flag, into, end);
    end = writeBytes(beforeOpaque, into, end);
    end = writeDecimal(opaque, into, end);
    if (remark !== undefined) {
      end = writeBytes(beforeRemark, into, end);
      end = writeQuoted(remark, into, end);
    }
    into[end++] = closeBrace;
    return end;
  },
};

/** Reads a JSON header, however it is written; undefined if it is none. */
export function readHeader(bytes: Uint8Array): Header | undefined {
  let value: unknown;
  try {
    value = JSON.parse(decodeUtf8(bytes));
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { code, opaque, flag, language, version, extFields } = value as Record<string, unknown>;
  if (!isInt32(code) || !isInt32(opaque)) return undefined;
  const bits = isInt32(flag) ? flag : 0;
  return {
    code,
    opaque,
    isResponse: (bits & responseBit) !== 0,
    isOneway: (bits & onewayBit) !== 0,
    language: typeof language === "string" ? language : "JAVA",
    version: isInt32(version) ? version : 0,
    fields: new JsonFields(extFields),
  };
}

/** extFields are always there: the Java client reads them unasked in answers to sends. */
export function jsonNames(names: readonly string[], constants: Readonly<Record<string, string>>): JsonNames {
  const same = Object.entries(constants).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)},`);
  const start = encodeUtf8(
    `{"language":"JAVA","serializeTypeCurrentRPC":"JSON","version":${ownVersion},"extFields":{${same.join("")}`,
  );
  const before = names.map((name) => encodeUtf8(`${JSON.stringify(name)}:`));
  const around = [afterFields, beforeFlag, beforeOpaque, beforeRemark];
  return {
    start,
    names: before,
    bytesMax: [start, ...before, ...around].reduce(
      (sum, { length }) => sum + length,
      before.length + 3 * numberCharsMax + 1,
    ),
  };
}

/** Quotes, and whatever JSON has escapes for, are rare: only a text with one of them is put together as JSON. */
function writeQuoted(text: string, into: Uint8Array, at: number): number {
  let end = at;
  into[end++] = quote;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (isSpecial(unit)) return at + encodeUtf8Into(JSON.stringify(text), into, at);
    into[end++] = unit;
  }
  into[end++] = quote;
  return end;
}

/** What `writeQuoted` takes at most: `\u0001` for one character is the most, and encodeUtf8Into wants three bytes for each. */
function quotedBytesMax(text: string): number {
  return text.length >= longTextCharsMin && isPlain(text) ? text.length + 2 : 3 * (6 * text.length + 2);
}

function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (isSpecial(text.charCodeAt(i))) return false;
  return true;
}

function isSpecial(unit: number): boolean {
  return unit < space || unit > lastAscii || unit === quote || unit === backslash;
}

function isInt32(value: unknown): value is number {
  return typeof value === "number" && (value | 0) === value;
}

const afterFields = encodeUtf8('},"code":');
const beforeFlag = encodeUtf8(',"flag":');
const beforeOpaque = encodeUtf8(',"opaque":');
const beforeRemark = encodeUtf8(',"remark":');
/** Digits and sign of the longest number, with its quotes. */
const numberCharsMax = 26;
const space = 0x20;
const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const closeBrace = 0x7d;
