import { jsonBodyBytesMax, jsonDepthMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import { decodeUtf8, encodeUtf8 } from "../../ports/text.ts";

/**
 * Reads a JSON body. Throws SYSTEM_ERROR for one that is no JSON object, too large or too deep. Clients of other languages write
 * some 64-bit numbers in nanoseconds, beyond what a JavaScript number holds: subVersion comes as text when it is that long. Java writes
 * numbers that are keys of a map without quotes.
 */
export function readBody(bytes: Uint8Array, bytesMax = jsonBodyBytesMax): Record<string, unknown> {
  if (bytes.length > bytesMax) {
    throw new WasmqError("SYSTEM_ERROR", `a body of ${bytes.length} bytes: allowed are ${bytesMax}`);
  }
  checkDepth(bytes);
  const json = decodeUtf8(bytes).replaceAll(/"subVersion":\s*(\d{16,})/g, '"subVersion":"$1"');
  let value: unknown;
  try {
    value = parseJson(json);
  } catch {
    throw new WasmqError("SYSTEM_ERROR", "the body is no JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new WasmqError("SYSTEM_ERROR", "the body is no JSON object");
  }
  return value as Record<string, unknown>;
}

/** Without white space: some clients take bodies apart by hand. */
export function writeBody(value: unknown): Uint8Array {
  return encodeUtf8(JSON.stringify(value));
}

/** The objects of an array, or none for anything else. */
export function objects(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value)) return [];
  return value.filter((item): item is Record<string, unknown> => typeof item === "object" && item !== null);
}

/** The objects of a body's list. Throws SYSTEM_ERROR where there is none, as Apache's decoder does. */
export function listOf(body: Readonly<Record<string, unknown>>, name: string): Record<string, unknown>[] {
  const list = body[name];
  if (!Array.isArray(list)) throw new WasmqError("SYSTEM_ERROR", `the body has no ${name}`);
  return objects(list);
}

export function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** A parser's work grows with the depth; no client's body has much of it. */
function checkDepth(bytes: Uint8Array): void {
  let depth = 0;
  let inText = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (inText) {
      if (byte === backslash) i++;
      else if (byte === quote) inText = false;
    } else if (byte === quote) inText = true;
    else if (byte === openBrace || byte === openBracket) {
      if (++depth > jsonDepthMax)
        throw new WasmqError("SYSTEM_ERROR", `the body is nested deeper than ${jsonDepthMax}`);
    } else if (byte === closeBrace || byte === closeBracket) depth--;
  }
}

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return JSON.parse(quoteKeys(json));
  }
}

/** Puts integer keys in quotes. Goes over the text once, whatever it is: a peer may have written it to be slow. */
function quoteKeys(json: string): string {
  let quoted = "";
  let copied = 0;
  for (let at = 0; at < json.length; at++) {
    const char = json.charCodeAt(at);
    if (char === quote) at = endOfText(json, at);
    else if ((char === openBrace || char === comma) && mayBeginKey(json.charCodeAt(at + 1))) {
      integerKey.lastIndex = at + 1;
      const key = integerKey.exec(json)?.[1];
      if (key === undefined) continue;
      const keyAt = json.indexOf(key, at + 1);
      quoted += `${json.slice(copied, keyAt)}"${key}"`;
      copied = keyAt + key.length;
      at = copied - 1;
    }
  }
  return quoted + json.slice(copied);
}

/** A digit, a minus or white space: what is none of these needs no closer look. */
function mayBeginKey(char: number): boolean {
  return (char >= 0x30 && char <= 0x39) || char === 0x2d || char === 0x20 || (char >= 0x09 && char <= 0x0d);
}

/** Java's longs have 20 characters. */
const integerKey = /[ \n\r\t]{0,64}(-?\d{1,20})[ \n\r\t]{0,64}:/y;

/** The place of the closing quote of a JSON text, or the end of all. */
function endOfText(json: string, openAt: number): number {
  for (let at = openAt + 1; at < json.length; at++) {
    const char = json.charCodeAt(at);
    if (char === backslash) at++;
    else if (char === quote) return at;
  }
  return json.length;
}
