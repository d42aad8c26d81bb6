import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeUtf8Model, hashCodeModel } from "../model/java-string.ts";
import { newCore, utf8 } from "./setup.ts";

const core = newCore();

test("String.hashCode of strings whose value Java gives", () => {
  const known: [string, number][] = [
    ["", 0],
    ["a", 97],
    ["TagA", 2598919],
    ["TopicA#7F0000010001251A69D70000000A0001", -1846308035],
    ["TopicA#k1", -1903240649],
    ["TopicA#T#TagA", 1924910951],
    ["polygenelubricants", -2147483648],
    ["中文", 646394],
    ["é", 233],
    ["😀", 1772899],
  ];
  for (const [text, hash] of known) {
    expect(hashCodeModel(text)).toBe(hash);
    expect(core.hashCode(text)).toBe(hash);
    expect(core.hashCodeUtf8(utf8(text))).toBe(hash);
  }
});

test("a lone surrogate is a UTF-16 unit like any other", () => {
  expect(core.hashCode("\ud800")).toBe(0xd800);
  expect(core.hashCode("a\udfffb")).toBe(hashCodeModel("a\udfffb"));
});

const unit = fc.oneof(fc.nat(0x7f), fc.nat(0xffff), fc.integer({ min: 0xd7f0, max: 0xe010 }));

test("of any string, and of its UTF-8", () => {
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 80 }), (units) => {
      const text = String.fromCharCode(...units);
      expect(core.hashCode(text)).toBe(hashCodeModel(text));
      if (!/\p{Surrogate}/u.test(text)) expect(core.hashCodeUtf8(utf8(text))).toBe(hashCodeModel(text));
    }),
  );
});

test("malformed UTF-8 is replaced as Java replaces it", () => {
  const byte = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5),
  );
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 12 }), (bytes) => {
      const given = Uint8Array.from(bytes);
      expect(core.hashCodeUtf8(given)).toBe(hashCodeModel(decodeUtf8Model(given)));
    }),
    { numRuns: 2000 },
  );
});

test("an encoded surrogate is one replacement character, as in Java, not three, as on the web", () => {
  expect(core.hashCodeUtf8(Uint8Array.of(0xed, 0xa0, 0x80))).toBe(0xfffd);
});

test("more bytes than the core's window are refused", () => {
  expect(() => core.hashCodeUtf8(new Uint8Array(65537))).toThrow(RangeError);
});
