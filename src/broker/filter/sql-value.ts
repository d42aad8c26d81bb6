import { compareJavaDoubles, JavaDouble, parseJavaDouble, parseJavaInteger, parseJavaLong } from "./java-number.ts";

/**
 * What a part of an expression is worth for one message: a text, a Boolean, an Integer (number), a Long (bigint), a Double, or unknown
 * (null). `failed`: Apache throws an exception there, and the message does not match, whatever stands around.
 */
export type Value = string | boolean | number | bigint | JavaDouble | null | typeof failed;

/** Three-valued logic, and what fails. */
export type Truth = boolean | null | typeof failed;

export const failed = Symbol("failed");

/** `=` (ComparisonExpression.doCreateEqual): two unknowns are equal. */
export function equals(left: Value, right: Value): Truth {
  if (left === failed || right === failed) return failed;
  if (left === null) return right === null ? true : null;
  if (right === null) return false;
  const order = compare(left, right);
  return order === failed ? failed : order === 0;
}

/** Of `<`, `<=`, `>` and `>=` (ComparisonExpression.evaluate): two texts are compared as Doubles. */
export function order(left: NonNullable<Value>, right: NonNullable<Value>): number | typeof failed {
  return typeof left === "string" && typeof right === "string" ? compareAsDoubles(left, right) : compare(left, right);
}

export function negated(value: Value): Value {
  if (value === failed) return failed;
  // Java's int and long have no counterpart to their least values, which no literal has.
  if (typeof value === "number") return 0 - value;
  if (typeof value === "bigint") return -value;
  return value instanceof JavaDouble ? new JavaDouble(-value.value) : null;
}

/**
 * ComparisonExpression.__compare, for values that are neither unknown nor failed: a text becomes what stands on the other side. That is
 * not the same from both sides: a Boolean on the left fails before a text.
 */
export function compare(left: NonNullable<Value>, right: NonNullable<Value>): number | typeof failed {
  if (left === failed || right === failed) return failed;
  if (typeof left === "boolean") return compareBoolean(left, right);
  if (typeof left === "string") {
    if (typeof right === "string") return left < right ? -1 : left > right ? 1 : 0;
    if (typeof right === "boolean") return Number(isTrue(left)) - Number(right);
    const number = asTypeOf(right, left);
    return number === undefined ? failed : compareNumbers(number, right);
  }
  if (typeof right === "boolean") return -1;
  if (typeof right !== "string") return compareNumbers(left, right);
  const number = asTypeOf(left, right);
  return number === undefined ? failed : compareNumbers(left, number);
}

type JavaNumber = number | bigint | JavaDouble;

function compareBoolean(left: boolean, right: NonNullable<Value>): number | typeof failed {
  if (typeof right === "boolean") return Number(left) - Number(right);
  return typeof right === "string" ? failed : -1;
}

/** Boolean.valueOf. */
function isTrue(text: string): boolean {
  return text.length === 4 && text.toLowerCase() === "true";
}

/** The text as a number of the other's type. */
function asTypeOf(other: JavaNumber, text: string): JavaNumber | undefined {
  if (typeof other === "number") return parseJavaInteger(text);
  if (typeof other === "bigint") return parseJavaLong(text);
  const value = parseJavaDouble(text);
  return value === undefined ? undefined : new JavaDouble(value);
}

function compareNumbers(left: JavaNumber, right: JavaNumber): number {
  if (left instanceof JavaDouble || right instanceof JavaDouble) {
    return compareJavaDoubles(doubleOf(left), doubleOf(right));
  }
  return left < right ? -1 : left > right ? 1 : 0;
}

function doubleOf(value: JavaNumber): number {
  return value instanceof JavaDouble ? value.value : Number(value);
}

function compareAsDoubles(left: string, right: string): number | typeof failed {
  const a = parseJavaDouble(left);
  const b = parseJavaDouble(right);
  return a === undefined || b === undefined ? failed : compareJavaDoubles(a, b);
}
