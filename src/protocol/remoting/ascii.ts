import { decodeUtf8, encodeUtf8Into } from "../../ports/text.ts";

/*
 * Headers are some 200 characters of ASCII: written byte by byte they cost less than as a text that is put together and encoded.
 * All return the end of what they wrote.
 */

/** Room that a text of some length takes is worth a look at it: a list of message ids may have megabytes. */
export const longTextCharsMin = 512;

/** What `writeText` takes at most. */
export function textBytesMax(text: string): number {
  return text.length >= longTextCharsMin && isAscii(text) ? text.length : 3 * text.length;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > lastAscii) return false;
  return true;
}

/** For some dozen bytes: `set` costs more. */
export function writeBytes(bytes: Uint8Array, into: Uint8Array, at: number): number {
  let end = at;
  for (let i = 0; i < bytes.length; i++) into[end++] = bytes[i]!;
  return end;
}

/** `text` has to be ASCII. */
export function writeAscii(text: string, into: Uint8Array, at: number): number {
  let end = at;
  for (let i = 0; i < text.length; i++) into[end++] = text.charCodeAt(i);
  return end;
}

export function writeDecimal(value: number, into: Uint8Array, at: number): number {
  let rest = value | 0;
  if (rest !== value || rest < 0) return writeAscii(String(value), into, at);
  let end = at + 1;
  for (let limit = 10; limit <= rest; limit *= 10) end++;
  for (let digitAt = end - 1; digitAt >= at; digitAt--) {
    const tenth = (rest / 10) | 0;
    into[digitAt] = zero + rest - 10 * tenth;
    rest = tenth;
  }
  return end;
}

/** UTF-8; needs three bytes of room a UTF-16 unit. */
export function writeText(text: string, into: Uint8Array, at: number): number {
  let end = at;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > lastAscii) return at + encodeUtf8Into(text, into, at);
    into[end++] = unit;
  }
  return end;
}

/** The text at [at, end). Short ones of ASCII cost less so than by a decoder. */
export function readText(bytes: Uint8Array, at: number, end: number): string {
  if (end - at > shortBytesMax) return decodeUtf8(bytes.subarray(at, end));
  let text = "";
  for (let i = at; i < end; i++) {
    const byte = bytes[i]!;
    if (byte > lastAscii) return decodeUtf8(bytes.subarray(at, end));
    text += String.fromCharCode(byte);
  }
  return text;
}

const shortBytesMax = 12;
const zero = 0x30;
export const lastAscii = 0x7f;
