import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { goldenCommitLog } from "../golden/golden.ts";
import { stateModel } from "../model/record.ts";
import { logOf, recordArbitrary } from "./arbitraries.ts";
import { indices, message, newCore, noise, take } from "./setup.ts";

const core = newCore();
const region = core.allocate(1 << 20);

/** Places in and next to a record that hold lengths, flags and magics. */
const telling = fc.oneof(fc.nat(), fc.constantFrom(0, 1, 2, 3, 4, 7, 28, 35, 39, 84, 85, 86, 87, 88));
const mutation = fc.tuple(fc.nat(3), telling, fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 127, 128, 255)));

test("the core and the twin agree on every place of a mutated log", () => {
  fc.assert(
    fc.property(
      fc.array(recordArbitrary, { minLength: 1, maxLength: 4 }),
      fc.array(mutation, { maxLength: 4 }),
      fc.integer({ min: -3, max: 120 }),
      fc.nat(2 ** 40),
      fc.nat(15),
      (records, mutations, cut, physicalOffset, crcs) => {
        const { log, starts } = logOf(records, physicalOffset, (index) => (crcs >> index) % 2 === 1);
        for (const [record, at, byte] of mutations) log[(starts[record % starts.length]! + at) % log.length] = byte;
        // What lies behind the limit must not matter, so it is noise.
        const limit = Math.max(0, log.length - cut);
        region.bytes.set(noise(256), log.length);
        region.bytes.set(log);
        const visible = take(region, 0, limit);

        let at = 0;
        let count = 0;
        while (at < limit && stateModel(visible.subarray(at), physicalOffset + at) === "valid") {
          at += new DataView(visible.buffer).getInt32(at);
          count++;
        }
        const scan = core.scanRecords(region, 0, limit, physicalOffset);
        const state = at < limit ? stateModel(visible.subarray(at), physicalOffset + at) : "valid";
        expect([scan.count, scan.stoppedAt, scan.state]).toEqual([count, at, state]);

        let found = -1;
        for (let place = 0; place < limit && found < 0; place++) {
          const expected = stateModel(visible.subarray(place), physicalOffset + place);
          if (expected === "valid") found = place;
          if (expected !== "bad-magic" || place % 16 === 0) {
            expect(core.checkRecord(region, place, limit, physicalOffset + place)).toBe(expected);
          }
          const adds = expected === "valid" || expected === "bad-crc" || expected === "wrong-offset";
          if (adds || place % 64 === 0) expect(core.decodeRecord(region, place, limit) !== undefined).toBe(adds);
        }
        expect(core.findRecord(region, 0, limit, physicalOffset)).toBe(found);
      },
    ),
    { numRuns: 300 },
  );
});

describe("lengths that lie", () => {
  const { size } = core.encodeRecord(region, 0, 0, message());
  const sound = take(region, 0, size);
  const lies = [0, 1, -1, 7, 8, 90, 91, 0x7fffffff, -0x80000000, 0x7fffffff - 80, -91, size - 1, size + 1];

  test.each([
    ["size", 0],
    ["body length", 84],
  ])("%s", (_, at) => {
    for (const lie of lies) {
      region.bytes.set(sound);
      new DataView(region.bytes.buffer, region.address).setInt32(at, lie);
      const state = stateModel(take(region, 0, size), 0);
      expect(state).not.toBe("valid");
      expect(core.checkRecord(region, 0, size, 0)).toBe(state);
      expect(core.scanRecords(region, 0, size, 0).state).toBe(state);
      expect(core.decodeRecord(region, 0, size)).toBeUndefined();
      expect(core.findRecord(region, 0, size, 0)).toBe(-1);
    }
  });

  test("a limit beyond the region is the region's end", () => {
    const small = core.allocate(size - 1);
    small.bytes.set(sound.subarray(0, size - 1));
    expect(core.checkRecord(small, 0, 1e9, 0)).toBe("incomplete");
    expect(core.scanRecords(small, 0, 1e9, 0).state).toBe("incomplete");
    expect(core.findRecord(small, 0, 1e9, 0)).toBe(-1);
    expect(core.decodeRecord(small, 0, 1e9)).toBeUndefined();
    expect(core.checkRecord(small, -1, 10, 0)).toBe("incomplete");
    expect(core.checkRecord(small, size + 100, 1e9, 0)).toBe("incomplete");
    expect(core.scanRecords(small, 50, 20, 0).count).toBe(0);
    expect(core.findRecord(small, 50, 20, 0)).toBe(-1);
  });
});

describe("damage in Apache's logs", () => {
  test.each(["store", "store_crc"] as const)("%s: any one flipped bit is told, and the next record found", (store) => {
    const log = goldenCommitLog(store).slice(0, 2300);
    region.bytes.set(log);
    const scan = core.scanRecords(region, 0, log.length, 0);
    const starts = indices(scan.count).map((index) => scan.at(index));
    const sizes = indices(scan.count).map((index) => scan.size(index));
    const unnoticed: number[] = [];
    for (const [index, start] of starts.entries()) {
      const next = starts[index + 1] ?? -1;
      for (let at = start; at < start + sizes[index]!; at++) {
        region.bytes[at]! ^= 1 << (at % 8);
        const end = starts.at(-1)! + sizes.at(-1)!;
        if (core.checkRecord(region, start, end, start) === "valid") unnoticed.push(at - start);
        else expect(core.findRecord(region, start, end, start)).toBe(next);
        region.bytes[at]! ^= 1 << (at % 8);
      }
      // The property CRC covers all but the name it is found by, with the separators around that; a body CRC leaves the rest of
      // the record uncovered.
      if (store === "store_crc") {
        const name = sizes[index]! - 20;
        expect(unnoticed.every((at) => at >= name - 1 && at <= name + 8)).toBe(true);
        unnoticed.length = 0;
      }
    }
    if (store === "store") expect(unnoticed.length).toBeGreaterThan(0);
  });

  test("a torn tail is incomplete wherever it is torn", () => {
    const log = goldenCommitLog("store_crc");
    region.bytes.set(log);
    const { size } = core.decodeRecord(region, 122, 4096)!;
    for (let limit = 122; limit <= 122 + size; limit++) {
      const scan = core.scanRecords(region, 0, limit, 0);
      const whole = limit === 122 || limit === 122 + size;
      expect([scan.count, scan.state]).toEqual([limit === 122 + size ? 2 : 1, whole ? "valid" : "incomplete"]);
      expect(scan.stoppedAt).toBe(limit === 122 + size ? limit : 122);
    }
  });

  test("zeros after the last record are no record", () => {
    region.bytes.fill(0, 0, 8192);
    region.bytes.set(goldenCommitLog("store_crc"));
    const scan = core.scanRecords(region, 0, 4096, 0);
    expect([scan.count, scan.state]).toEqual([13, "bad-magic"]);
  });
});

test("a full table stops a scan, which goes on from there", () => {
  const large = core.allocate(1 << 20);
  let end = 0;
  while (end < 5000 * 120) end += core.encodeRecord(large, end, end, message({ properties: "", body: noise(8) })).size;
  const first = core.scanRecords(large, 0, end, 0);
  expect([first.count, first.state]).toEqual([4096, "valid"]);
  expect(() => first.at(4096)).toThrow(RangeError);
  const { stoppedAt } = first;
  const second = core.scanRecords(large, stoppedAt, end, stoppedAt);
  expect([second.stoppedAt, second.state]).toEqual([end, "valid"]);
  expect(second.at(0)).toBe(stoppedAt);
});

test("a stale record of another place is told from a damaged one", () => {
  const { size } = core.encodeRecord(region, 0, 5000, message());
  expect(core.checkRecord(region, 0, size, 0)).toBe("wrong-offset");
  expect(core.findRecord(region, 0, size, 0)).toBe(-1);
  expect(core.findRecord(region, 0, size, 5000)).toBe(0);
});
