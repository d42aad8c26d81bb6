import { decodeUtf8 } from "../../ports/text.ts";
import { Fields } from "./fields.ts";

/** A header as a peer wrote it (RemotingCommand). */
export interface Header {
  readonly code: number;
  readonly opaque: number;
  readonly isResponse: boolean;
  readonly isOneway: boolean;
  readonly language: string;
  readonly version: number;
  readonly fields: Fields;
}

/** The version answered: V5_5_0 of org.apache.rocketmq.common.MQVersion. */
const version = 513;

const responseBit = 1;
const onewayBit = 2;

/** Reads a JSON header; undefined if it is none. */
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
    fields: new Fields(extFields),
  };
}

/**
 * The header of a response. `extFields` is JSON text of an object whose values are strings, or empty for none; it is always
 * there, since the Java client reads it unasked in answers to sends.
 */
export function writeResponse(code: number, opaque: number, extFields: string, remark: string | undefined): string {
  const said = remark === undefined ? "" : `,"remark":${JSON.stringify(remark)}`;
  return `{"code":${code},"extFields":{${extFields}},"flag":${responseBit},"language":"JAVA","opaque":${opaque}${said},"serializeTypeCurrentRPC":"JSON","version":${version}}`;
}

/** The header of a one-way request of ours. */
export function writeOneway(code: number, opaque: number, extFields: string): string {
  return `{"code":${code},"extFields":{${extFields}},"flag":${onewayBit},"language":"JAVA","opaque":${opaque},"serializeTypeCurrentRPC":"JSON","version":${version}}`;
}

/** Fields as JSON text without braces. Go and C++ clients read nothing but strings as values. */
export function writeFields(fields: Readonly<Record<string, string | number | boolean>>): string {
  let text = "";
  for (const name in fields) {
    text += `${text === "" ? "" : ","}${JSON.stringify(name)}:${JSON.stringify(String(fields[name]))}`;
  }
  return text;
}

function isInt32(value: unknown): value is number {
  return typeof value === "number" && (value | 0) === value;
}
