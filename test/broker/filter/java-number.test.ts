/** As Java 17 has them; test/interop/sql-filter.test.ts compares more. */
import { expect, test } from "vitest";
import {
  compareJavaDoubles,
  parseJavaDouble,
  parseJavaInteger,
  parseJavaLong,
} from "../../../src/broker/filter/java-number.ts";

test.each([
  ["5", 5n],
  ["+5", 5n],
  ["-0", 0n],
  ["007", 7n],
  ["2147483647", 2147483647n],
  ["-9223372036854775808", -(2n ** 63n)],
  ["9007199254740993", 9007199254740993n],
  ["٣٤", 34n],
  ["１２", 12n],
  ["෦෧᥆", 10n],
  [`-${"0".repeat(40)}12`, -12n],
])("%s is a whole number", (text, value) => {
  expect(parseJavaLong(text)).toBe(value);
  expect(parseJavaInteger(text)).toBe(BigInt.asIntN(32, value) === value ? Number(value) : undefined);
});

test.each(["", "+", "-", "--5", "5 ", " 5", "5L", "5.0", "1e3", "0x5", "a", "1٣x", "\u{1d7d6}", "9223372036854775808"])(
  "%j is none",
  (text) => {
    expect(parseJavaLong(text)).toBe(undefined);
    expect(parseJavaInteger(text)).toBe(undefined);
  },
);

test.each([
  ["5", 5],
  [" \t5.\u0000", 5],
  [".5f", 0.5],
  ["-1.5e3D", -1500],
  ["1e400", Number.POSITIVE_INFINITY],
  ["-1e-400", -0],
  ["NaN", Number.NaN],
  ["-Infinity", Number.NEGATIVE_INFINITY],
  ["0x1.8p1", 3],
  ["-0X.8P-1d", -0.25],
  ["0x1p-1074", 2 ** -1074],
  ["0x1p-1075", 0],
  ["0x1.8p-1075", 2 ** -1074],
  ["0x1.ffffffffffffffp1023", Number.POSITIVE_INFINITY],
  ["0x1.fffffffffffffp1023", Number.MAX_VALUE],
  ["0x1.00000000000008p0", 1],
  ["0x1.000000000000081p0", 1 + 2 ** -52],
  ["0x0p99999999999", 0],
  [`0x${"0".repeat(300)}1p0`, 1],
  [`0x1${"0".repeat(300)}p-1200`, 1],
])("%j is a Double", (text, value) => {
  expect(parseJavaDouble(text)).toBe(value);
});

test.each(["", ".", "5 5", "5L", "1e", "٣", "infinity", "nan", "0x1", "0x.p1", "0xgp1", "\u00a05", "--5", "1_000"])(
  "%j is no Double",
  (text) => {
    expect(parseJavaDouble(text)).toBe(undefined);
  },
);

test("Doubles are in order, -0 before 0 and NaN behind all", () => {
  const sorted = [Number.NEGATIVE_INFINITY, -1, -0, 0, 1, Number.POSITIVE_INFINITY, Number.NaN];
  for (const [i, a] of sorted.entries()) {
    for (const [j, b] of sorted.entries()) expect(Math.sign(compareJavaDoubles(a, b))).toBe(Math.sign(i - j));
  }
});
