/*
 * Numbers out of text as Java reads them, which compares properties by them. Undefined where Java throws NumberFormatException.
 */

/** A java.lang.Double; Integers are numbers and Longs are bigints here. */
export class JavaDouble {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** Integer.valueOf. */
export function parseJavaInteger(text: string): number | undefined {
  const value = parseDigits(text);
  return value !== undefined && value >= -2_147_483_648 && value <= 2_147_483_647 ? Number(value) : undefined;
}

/** Long.valueOf. */
export function parseJavaLong(text: string): bigint | undefined {
  const value = parseDigits(text);
  return value !== undefined && value >= longMin && value <= longMax ? BigInt(value) : undefined;
}

/** Double.valueOf: white space around it, a type's letter behind it, hexadecimal, NaN and Infinity are understood. */
export function parseJavaDouble(text: string): number | undefined {
  const trimmed = trim(text);
  if (decimal.test(trimmed)) return Number(withoutType(trimmed));
  const special = /^([+-]?)(NaN|Infinity)$/.exec(trimmed);
  if (special !== null) return Number(special[2]) * (special[1] === "-" ? -1 : 1);
  return parseHexadecimal(trimmed);
}

/** Double.compareTo: -0 is before 0, and NaN is behind all else. */
export function compareJavaDoubles(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b && a !== 0) return 0;
  return rank(a) - rank(b);
}

export const longMin = -(2n ** 63n);
export const longMax = 2n ** 63n - 1n;

/** Of two that are neither less nor greater. */
function rank(value: number): number {
  if (Number.isNaN(value)) return 2;
  return Object.is(value, -0) ? 0 : 1;
}

/** A whole number, a bigint if it may be more than a number holds; undefined for one that no Long holds, too. */
function parseDigits(text: string): number | bigint | undefined {
  const sign = text.charCodeAt(0);
  const isNegative = sign === minus;
  let at = isNegative || sign === plus ? 1 : 0;
  // Zeros in front may be many, and count for nothing.
  while (at < text.length - 1 && digitOf(text.charCodeAt(at)) === 0) at++;
  const length = text.length - at;
  if (length === 0 || length > longDigitsMax) return undefined;
  let value = 0;
  let digits = "";
  for (; at < text.length; at++) {
    const digit = digitOf(text.charCodeAt(at));
    if (digit < 0) return undefined;
    value = value * 10 + digit;
    if (length > exactDigitsMax) digits += digit;
  }
  if (length <= exactDigitsMax) return isNegative ? 0 - value : value;
  return isNegative ? -BigInt(digits) : BigInt(digits);
}

/** Of 2^63-1, and of what every number of as many digits is exact with. */
const longDigitsMax = 19;
const exactDigitsMax = 15;

/** Character.digit(char, 10): digits of all scripts of the first plane, -1 for none. */
function digitOf(char: number): number {
  if (char >= asciiZero && char <= asciiZero + 9) return char - asciiZero;
  if (char < otherZeros[0]!) return -1;
  const zero = otherZeros.findLast((one) => one <= char)!;
  return char - zero <= 9 ? char - zero : -1;
}

/** The zeros of Arabic and what follows, up to the full-width one. Nine more digits follow each. */
const otherZeros = [
  0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20,
  0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0,
  0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
];

/** No part of these can be had in two ways: long texts that are none are told in one pass. */
const decimal = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?[fFdD]?$/;
const hexadecimal = /^([+-]?)0[xX](?:([\da-fA-F]+)\.?|([\da-fA-F]*)\.([\da-fA-F]+))[pP]([+-]?)(\d+)[fFdD]?$/;

function withoutType(text: string): string {
  return /[fFdD]$/.test(text) ? text.slice(0, -1) : text;
}

/** String.trim: all up to the space is white. */
function trim(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && text.charCodeAt(from) <= 0x20) from++;
  while (from < to && text.charCodeAt(to - 1) <= 0x20) to--;
  return from === 0 && to === text.length ? text : text.slice(from, to);
}

function parseHexadecimal(text: string): number | undefined {
  const parts = hexadecimal.exec(text);
  if (parts === null) return undefined;
  const [, sign, whole = parts[3]!, , fraction = "", exponentSign, exponentDigits] = parts;
  const significand = BigInt(`0x0${whole}${fraction}`);
  const exponent = Number(exponentDigits) * (exponentSign === "-" ? -1 : 1) - 4 * fraction.length;
  const value = significand === 0n ? 0 : roundToDouble(significand, exponent);
  return sign === "-" ? -value : value;
}

/** The nearest double to `significand` times two to the `exponent`, the even one of two. */
function roundToDouble(significand: bigint, exponent: number): number {
  const bits = significand.toString(2).length;
  if (bits + exponent > 1_025) return Number.POSITIVE_INFINITY;
  if (bits + exponent < -1_080) return 0;
  const dropped = Math.max(bits - 53, -1_074 - exponent, 0);
  let kept = significand >> BigInt(dropped);
  if (dropped > 0) {
    const half = 1n << BigInt(dropped - 1);
    const rest = significand - (kept << BigInt(dropped));
    if (rest > half || (rest === half && (kept & 1n) === 1n)) kept++;
  }
  // In two steps: two to the exponent alone may be more, or less, than a double holds.
  const scale = exponent + dropped;
  const step = Math.trunc(scale / 2);
  return Number(kept) * 2 ** step * 2 ** (scale - step);
}

const plus = 0x2b;
const minus = 0x2d;
const asciiZero = 0x30;
