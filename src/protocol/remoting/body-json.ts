import { jsonBodyBytesMax, jsonDepthMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import { decodeUtf8, encodeUtf8 } from "../../ports/text.ts";

/**
 * Reads a JSON body. Throws SYSTEM_ERROR for one that is no JSON object, too large or too deep. Clients of other languages write
 * some 64-bit numbers in nanoseconds, beyond what a JavaScript number holds: subVersion comes as text when it is that long.
 */
export function readBody(bytes: Uint8Array): Record<string, unknown> {
  if (bytes.length > jsonBodyBytesMax) {
    throw new WasmqError("SYSTEM_ERROR", `a body of ${bytes.length} bytes: allowed are ${jsonBodyBytesMax}`);
  }
  checkDepth(bytes);
  let value: unknown;
  try {
    value = JSON.parse(decodeUtf8(bytes).replaceAll(/"subVersion":\s*(\d{16,})/g, '"subVersion":"$1"'));
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
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
