/** Headers scanned where they stand say what JSON.parse says, and what is not scanned is left to it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Header } from "../../src/protocol/remoting/header.ts";
import { readHeader } from "../../src/protocol/remoting/header-json.ts";
import { HeaderMemory } from "../../src/protocol/remoting/header-memory.ts";
import { scanHeader } from "../../src/protocol/remoting/scan-json.ts";

const utf8 = new TextEncoder();
const names = ["a", "i", "queueId", "__proto__", ""];

const memory = new HeaderMemory();

/** Scanned as a part of something longer: nothing beyond its end may count. */
function scanned(text: string, around = '}"}'): Header | undefined {
  const bytes = utf8.encode(`${around}${text}${around}`);
  const from = utf8.encode(around).length;
  return scanHeader(bytes, from, bytes.length - from, memory);
}

function all({ fields, ...header }: Header) {
  const values = names.map((name) => ({
    text: fields.optionalText(name),
    bytes: bytesOf(() => fields.optionalBytes(name)),
    int: bytesOf(() => fields.optionalInt(name)),
    long: bytesOf(() => fields.optionalLong(name)),
    flag: fields.flag(name),
  }));
  return { ...header, values };
}

function bytesOf<T>(read: () => T): T | string | number[] | undefined {
  try {
    const value = read();
    return value instanceof Uint8Array ? [...value] : value;
  } catch (error) {
    return (error as Error).message;
  }
}

function sameAsParsed(text: string): boolean {
  const found = scanned(text);
  if (found === undefined) return false;
  const parsed = readHeader(utf8.encode(text));
  expect(parsed, text).toBeDefined();
  expect(all(found), text).toEqual(all(parsed!));
  return true;
}

const value = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.constantFrom(
    "KEYS\u0001k\u0002TAGS\u0001A\u0002",
    "true",
    "TRUE",
    "-1",
    "007",
    "\\",
    '"',
    "\u0003",
    "9007199254740993",
  ),
  fc.integer().map(String),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.boolean(),
  fc.constant(null),
);
const header = fc.record(
  {
    code: fc.oneof(fc.integer(), fc.constantFrom(2 ** 31, 1.5, "310", null)),
    opaque: fc.integer(),
    flag: fc.integer(),
    language: fc.oneof(fc.constantFrom("JAVA", "GO", "é"), fc.integer()),
    version: fc.integer(),
    remark: fc.string({ maxLength: 5 }),
    extFields: fc.dictionary(fc.constantFrom(...names, "other"), value, { maxKeys: 6 }),
  },
  { requiredKeys: [] },
);

test("what is scanned reads as what is parsed, whatever is in it", () => {
  let scannedCount = 0;
  fc.assert(
    fc.property(header, (given) => {
      if (sameAsParsed(JSON.stringify(given))) scannedCount++;
    }),
    { numRuns: 3_000 },
  );
  // Not a test of nothing: codes that are no ints and nested or missing values are for the parser, the rest is scanned.
  expect(scannedCount).toBeGreaterThan(200);
});

test("one changed, left out or added byte makes no header of what the parser takes for none", () => {
  const text = JSON.stringify({
    code: 310,
    extFields: { a: "PG", i: "UNIQ_KEY\u0001AB\u0002", queueId: "12" },
    flag: 0,
    language: "JAVA",
    opaque: 7,
    serializeTypeCurrentRPC: "JSON",
    version: 395,
  });
  expect(sameAsParsed(text)).toBe(true);
  fc.assert(
    fc.property(
      fc.nat(text.length),
      fc.constantFrom(...'{}[]":,\\u019-+.eE tn\u0001'),
      fc.constantFrom("replace", "insert", "drop"),
      (at, char, how) => {
        const rest = text.slice(how === "insert" ? at : at + 1);
        sameAsParsed(text.slice(0, at) + (how === "drop" ? "" : char) + rest);
      },
    ),
    { numRuns: 5_000 },
  );
});

test("headers of clients are scanned", () => {
  // Java 4.9.1 and 5.5.0, Go, C++ (numbers without quotes): the worked frames of the protocol.
  for (const text of [
    '{"code":34,"flag":0,"language":"JAVA","opaque":9,"serializeTypeCurrentRPC":"JSON","version":395}',
    '{"code":11,"extFields":{"queueId":"2","maxMsgBytes":"2147483647","a":"G","i":"T"},"flag":0,"language":"JAVA","opaque":8,"serializeTypeCurrentRPC":"JSON","version":513}',
    '{"code":105,"language":"GO","version":317,"opaque":1,"flag":0,"remark":"","extFields":{"a":"T"}}',
    '{"code":310,"language":"CPP","version":333,"opaque":4,"flag":0,"extFields":{"a":"g","queueId":3,"i":"UNIQ_KEY\\u0001A\\u0002"}}',
  ]) {
    expect(sameAsParsed(text), text).toBe(true);
  }
});
