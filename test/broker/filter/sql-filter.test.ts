/** SQL92 expressions; that all of it is as Apache has it is for test/interop/sql-filter.test.ts to show. */
import { describe, expect, test } from "vitest";
import { compileSql } from "../../../src/broker/filter/sql-filter.ts";
import { sqlCharsMax, sqlDepthMax, sqlPartsMax, sqlTokensMax } from "../../../src/limits.ts";
import { encodeUtf8 } from "../../../src/ports/text.ts";

const properties = { a: "5", f: "1.5", s: "abc", t: "true", big: "3000000000", n: "-3", empty: "" };

function judged(sql: string, of: Record<string, string> = properties): boolean | null | undefined {
  return compileSql(sql).evaluate(new Map(Object.entries(of)));
}

/** By what they are worth; undefined where Apache throws. */
const expressions: readonly (readonly [boolean | null | undefined, string])[] = [
  [true, "a = 5 | a = 5.0 | a = '5' | 5 = a | a = 5L | a > -1 | n = -3 | n = - 3 | n = -+3 | f > 1.0 | 1 < 2 | a > n"],
  [
    true,
    "big = 3000000000 | big > 2147483648 | a between n and 5 | f BETWEEN 1.0 AND 1.5 | a not between 6 and 7 | a <> 6",
  ],
  [
    true,
    "s = 'abc' | s IN ('x', 'abc') | s not in ('x') | s contains 'b' | s STARTSWITH 'ab' | s EndsWith 'c' | t = TRUE",
  ],
  [true, "s NOT CONTAINS 'x' | NOT t | TRUE | 'it''s' = 'it''s' | miss is null | a is not null | empty is not null"],
  [
    true,
    "a = 5 OR miss = 1 | a = 5 OR s > 5 | a = 5 AND s = 'abc' OR s > 5 | NOT (a = 6) | (a = 5) = TRUE | miss = other",
  ],
  [true, "NOT (miss contains 'b') | a = 5 -- as many\n | a /* b */ = /**/ 5"],
  [
    false,
    "a = '5.0' | a <> 5 | big > 5000000000 | t | s | NOT a = 5 | s contains '' | s not contains '' | a is null | 5 = TRUE",
  ],
  [false, "miss contains 'b' | miss not contains 'b' | miss = 1 AND a = 6 | a = 007 | a between -1 and -5"],
  [
    null,
    "miss <> 6 | miss > 5 | 5 > miss | miss in ('a') | miss not in ('a') | miss not between 1 and 2 | miss | NULL",
  ],
  [null, "NOT (miss = 1) | a = 5 AND miss = 1 | miss = 6 OR a = 6 | -s = 5 | a > -(t)"],
  [undefined, "f > 1 | big > 5 | s > 5 | s = 5 | TRUE = a | s > 5 OR a = 5 | s < t | NOT (s > 5) | a > -(s > 5)"],
  // Behind the longest beginning that is an expression anything may stand.
  [true, "a > 4 garbage (( | a = 5) | a = 5 5 # | a > 4 b = 2 | a = 5 -- no end | a = 5 'x''y"],
];

for (const [worth, list] of expressions) {
  test.each(list.split(" | "))(`${worth}: %s`, (sql) => {
    expect(judged(sql)).toBe(worth);
  });
}

test.each([
  ...["", " ", "/* a = 5"],
  ..."5 | 'x' | -a | NOT 5 | 5 AND a = 5 | a OR 5 | a = 5 OR | a = | (a = 5 | + | a NOT 5 | a IS 5 | a IS NOT 5".split(
    " | ",
  ),
  ..."a = NULL | NULL <> a | TRUE = 'x' | s > 'a' | TRUE > a | a > (a = 5) | a CONTAINS b | a = 5 OR -- b".split(" | "),
  ..."a IN (5) | a IN () | 'a' IN ('a') | (a = 5) IN ('x') | a BETWEEN 'a' AND 'b' | a BETWEEN 6 AND 5".split(" | "),
  ..."a BETWEEN 1 AND NULL | a BETWEEN 5.5 AND 5 | a = 0.0 | a = .0 | a = 1e400 | a = 1e-400".split(" | "),
  ..."a = 9223372036854775808 | a = -9223372036854775808 | a = 99999999999999999999L".split(" | "),
  // No tokens, right behind what would do without them.
  ..."a = 5 # | a ! 5 | a = 'x | a 'x | a = 5 /* b | a.b = 5 | `a` = 5 | a = 5 \u00a0".split(" | "),
])("refused: %s", (sql) => {
  let code: string | undefined;
  try {
    compileSql(sql);
  } catch (error) {
    ({ code } = error as { code?: string });
  }
  expect(code).toBe("SUBSCRIPTION_PARSE_FAILED");
});

describe("properties of a record", () => {
  const matches = (sql: string, text: string): boolean => {
    const bytes = encodeUtf8(`##${text}##`);
    return compileSql(sql).matches(bytes, 2, bytes.length - 2);
  };

  test("are found by their whole names, the last one of several, and an empty one is none", () => {
    expect(matches("a = '1'", "aa\u00012\u0002a\u00011\u0002A\u00013\u0002")).toBe(true);
    expect(matches("a = '1'", "a\u00012\u0002a\u00011")).toBe(true);
    expect(matches("a = '2'", "a\u00012\u0002a\u0001\u0002")).toBe(true);
    expect(matches("a IS NULL", "a\u0001\u0002b\u0001\u0002\u00015\u0002a\u0002x")).toBe(true);
    expect(matches("a = 'b\u0001c'", "a\u0001b\u0001c\u0002")).toBe(true);
    expect(matches("a IS NULL", "")).toBe(true);
  });

  test("are texts of any length and script", () => {
    expect(matches("a = 'größer' AND b ENDSWITH '\u{1f600}'", "a\u0001größer\u0002b\u0001\u{1f600}\u0002")).toBe(true);
    const long = "x".repeat(30_000);
    expect(matches(`a STARTSWITH 'xxx' AND a ENDSWITH 'xy'`, `a\u0001${long}y\u0002`)).toBe(true);
    expect(matches("a > 5", `a\u0001${long}\u0002`)).toBe(false);
    expect(matches("a > 5", `a\u0001${"0".repeat(30_000)}7\u0002`)).toBe(true);
  });

  test("of one message leave nothing to the next", () => {
    const filter = compileSql("a = '1' AND b IS NULL");
    const both = encodeUtf8("a\u00011\u0002b\u00011\u0002");
    expect(filter.matches(both, 0, both.length)).toBe(false);
    expect(filter.matches(both, 0, 3)).toBe(true);
    expect(filter.matches(both, 4, both.length)).toBe(false);
  });
});

describe("bounds", () => {
  const list = (count: number) => `a IN (${Array.from({ length: count }, () => "'5'").join(",")})`;
  const row = (count: number) => Array.from({ length: count }, () => "a = 5").join(" AND ");
  const nested = (depth: number) => `${"(".repeat(depth)}a = 5${")".repeat(depth)}`;

  test.each([
    ["characters", (size: number) => `a = 5${" ".repeat(size - 5)}`, sqlCharsMax],
    // A name, IN, the parentheses, the end; a comma for each text but the first.
    ["tokens", (size: number) => list((size - 4) / 2), sqlTokensMax],
    // A property, a literal, a comparison; and the row itself.
    ["parts", (size: number) => row(Math.floor((size - 1) / 3)), sqlPartsMax],
    ["depth of parentheses", (size: number) => nested(size - 1), sqlDepthMax],
    ["depth of NOT", (size: number) => `${"NOT ".repeat(size - 3)}(a = 5)`, sqlDepthMax],
    [
      "depth of comparisons",
      (size: number) => `a = 5${" IS NOT NULL".repeat(Math.floor((size - 2) / 2))}`,
      sqlDepthMax,
    ],
  ] as const)("of %s", (_, make, max) => {
    expect(compileSql(make(max)).evaluate(new Map([["a", "5"]]))).not.toBe(undefined);
    expect(() => compileSql(make(max + 4))).toThrow(/can't be understood/);
  });

  test("the largest and deepest take no more stack than there is", () => {
    expect(compileSql(row(680)).evaluate(new Map([["a", "5"]]))).toBe(true);
    expect(compileSql(nested(sqlDepthMax - 1)).evaluate(new Map([["a", "5"]]))).toBe(true);
    expect(compileSql(list(8_000)).evaluate(new Map([["a", "5"]]))).toBe(true);
    for (const part of ["(", "NOT ", "-", "+", "a = ", "a AND ", "'", "''", "/*", "--", "0", "1e"]) {
      expect(() => compileSql(part.repeat(Math.floor(sqlCharsMax / part.length)))).toThrow(/can't be understood/);
    }
  });
});
