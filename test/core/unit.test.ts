import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeUnitModel } from "../model/record.ts";
import { newCore, take } from "./setup.ts";

const core = newCore();
const region = core.allocate(20 * 70000);
const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

test("a unit is the twin's bytes and comes back", () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), i32, i32, i32, fc.nat(64), (offset, size, tagsHigh, tagsLow, at) => {
      core.encodeUnit(region, at, offset, size, tagsHigh, tagsLow);
      expect(take(region, at, core.unitSize)).toEqual(encodeUnitModel(offset, size, tagsHigh, tagsLow));
      expect(core.decodeUnit(region, at)).toEqual({ physicalOffset: offset, size, tagsHigh, tagsLow });
    }),
  );
});

test("the valid prefix ends at a negative offset or a size below one; pre-blank units belong to it", () => {
  core.encodeUnit(region, 0, 0, 0x7fffffff, 0, 0);
  core.encodeUnit(region, 20, 4096, 91, 0, 5);
  core.encodeUnit(region, 40, 0, 0, 0, 0);
  expect(core.scanUnits(region, 0, 3)).toBe(2);
  expect(core.scanUnits(region, 0, 1)).toBe(1);
  expect(core.scanUnits(region, 0, 0)).toBe(0);
  core.encodeUnit(region, 20, -1, 91, 0, 5);
  expect(core.scanUnits(region, 0, 3)).toBe(1);
  core.encodeUnit(region, 0, 0, -1, 0, 5);
  expect(core.scanUnits(region, 0, 3)).toBe(0);
});

test("a filter finds what comparing each unit finds", () => {
  const hash = fc.constantFrom(0, 1, -1, 2598919, -2147483648, 2147483647, 100, 200, 300);
  const unit = fc.record({
    size: fc.constantFrom(91, 0x7fffffff),
    tagsHigh: fc.constantFrom(0, -1, 1, -(2 ** 31)),
    tagsLow: hash,
  });
  fc.assert(
    fc.property(
      fc.array(unit, { maxLength: 40 }),
      fc.array(hash, { maxLength: 12 }),
      fc.nat(30),
      (units, hashes, at) => {
        for (const [index, { size, tagsHigh, tagsLow }] of units.entries()) {
          core.encodeUnit(region, at + index * 20, index, size, tagsHigh, tagsLow);
        }
        const expected = units.flatMap(({ size, tagsHigh, tagsLow }, index) =>
          size !== 0x7fffffff && ((tagsHigh === tagsLow >> 31 && hashes.includes(tagsLow)) || tagsHigh === -(2 ** 31))
            ? [index]
            : [],
        );
        // Nobody asks for no tags.
        if (hashes.length === 0) expected.length = 0;
        const { count, indices } = core.filterUnits(region, at, units.length, Int32Array.from(hashes));
        expect([...indices.subarray(0, count)]).toEqual(expected);
      },
    ),
    { numRuns: 500 },
  );
});

test("a filter over more units than one pass takes, with few and with many hashes", () => {
  const units = 70000;
  for (let index = 0; index < units; index++) core.encodeUnit(region, index * 20, index, 91, 0, index % 1000);
  for (const hashes of [[7], [7, 9], Array.from({ length: 500 }, (_, index) => 1500 - index)]) {
    const { count, indices } = core.filterUnits(region, 0, units, Int32Array.from(hashes));
    const expected = Array.from({ length: units }, (_, index) => index).filter((index) =>
      hashes.includes(index % 1000),
    );
    expect([...indices.subarray(0, count)]).toEqual(expected);
  }
});

test("units beyond the region are the caller's mistake", () => {
  expect(() => core.decodeUnit(region, region.byteLength - 19)).toThrow(RangeError);
  expect(() => core.scanUnits(region, 0, 70001)).toThrow(RangeError);
  expect(() => core.filterUnits(region, -1, 1, Int32Array.of(1))).toThrow(RangeError);
  expect(() => core.filterUnits(region, 0, 1, new Int32Array(16385))).toThrow(RangeError);
});
