import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeBatchModel, encodeRecordModel } from "../model/record.ts";
import { propertiesArbitrary, recordArbitrary } from "./arbitraries.ts";
import { message, newCore, take, utf8 } from "./setup.ts";

const items = fc.array(
  fc.record({
    flag: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    body: fc.uint8Array({ maxLength: 400 }),
    properties: propertiesArbitrary,
  }),
  { minLength: 1, maxLength: 12 },
);

test.each([true, false])("each item becomes the twin's record (propertyCrc %s)", (propertyCrc) => {
  const core = newCore({ propertyCrc });
  const region = core.allocate(1 << 20);
  fc.assert(
    fc.property(recordArbitrary, items, fc.nat(64), fc.nat(), (record, batch, at, physicalOffset) => {
      const outer = { ...record, queueOffset: Math.min(record.queueOffset, 2 ** 52), body: encodeBatchModel(batch) };
      const room = core.batchSizeMax(outer);
      region.bytes.fill(0xee, 0, room + 256);
      const encoded = core.encodeBatch(region, at, physicalOffset, outer);
      expect([encoded.count, core.batchCount(outer.body)]).toEqual([batch.length, batch.length]);
      expect(encoded.size).toBeLessThanOrEqual(room);
      let position = 0;
      for (const [index, item] of batch.entries()) {
        const expected = encodeRecordModel(
          { ...outer, ...item, queueOffset: outer.queueOffset + index, preparedTransactionOffset: 0 },
          physicalOffset + position,
          propertyCrc,
        )!;
        expect(take(region, at + position, encoded.sizeOf(index))).toEqual(expected.bytes);
        expect([encoded.tagsLowOf(index), encoded.tagsHighOf(index)]).toEqual([expected.tags, expected.tags >> 31]);
        position += encoded.sizeOf(index);
      }
      expect(position).toBe(encoded.size);
      expect(new Set(take(region, at + room, 64))).toEqual(new Set([0xee]));
    }),
    { numRuns: 150 },
  );
});

test("more items than one pass of the core takes", () => {
  const core = newCore();
  const body = encodeBatchModel(
    Array.from({ length: 9000 }, (_, index) => ({
      flag: index,
      body: utf8(`${index}`),
      properties: `TAGS\u0001${index}`,
    })),
  );
  const outer = message({ body });
  const region = core.allocate(core.batchSizeMax(outer));
  const batch = core.encodeBatch(region, 0, 1000, outer);
  expect(batch.count).toBe(9000);
  let at = 0;
  for (let index = 0; index < batch.count; index++) {
    expect(core.checkRecord(region, at, batch.size, 1000 + at)).toBe("valid");
    expect(batch.tagsLowOf(index)).toBe(core.hashCode(`${index}`));
    at += batch.sizeOf(index);
  }
  expect(core.decodeRecord(region, at - batch.sizeOf(8999), at)?.queueOffset).toBe(7 + 8999);
  expect(() => batch.sizeOf(9000)).toThrow(RangeError);
});

test("mutated batches are refused or expanded, and never reach beyond their room", () => {
  const core = newCore();
  const region = core.allocate(1 << 20);
  const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(items, flips, fc.nat(40), (batch, changes, cut) => {
      const whole = encodeBatchModel(batch);
      const body = whole.slice(0, Math.max(0, whole.length - cut));
      if (body.length > 0) for (const [at, byte] of changes) body[at % body.length] = byte;
      const outer = message({ body });
      const room = core.batchSizeMax(outer);
      if (room >= 0) region.bytes.fill(0xee, room, room + 64);
      const encoded = core.encodeBatch(region, 0, 0, outer);
      if (room < 0) expect(encoded.count).toBe(-1);
      else expect(new Set(take(region, room, 64))).toEqual(new Set([0xee]));
      if (encoded.count > 0) {
        const scan = core.scanRecords(region, 0, encoded.size, 0);
        expect([scan.count, scan.stoppedAt, scan.state]).toEqual([encoded.count, encoded.size, "valid"]);
      }
    }),
    { numRuns: 500 },
  );
});

test("an empty batch, a lying length and too long properties are refused", () => {
  const core = newCore();
  const region = core.allocate(1 << 17);
  const refused = (body: Uint8Array) => core.encodeBatch(region, 0, 0, message({ body })).count;
  expect(refused(new Uint8Array(0))).toBe(-1);
  expect(refused(new Uint8Array(21))).toBe(-1);
  expect(refused(new Uint8Array(22))).toBe(-1);
  const item = encodeBatchModel([{ flag: 0, body: utf8("x"), properties: "" }]);
  for (const size of [0, -1, 22, 24, 0x7fffffff, -0x80000000]) {
    const body = item.slice();
    new DataView(body.buffer).setInt32(0, size);
    expect(refused(body)).toBe(-1);
  }
  for (const bodyLength of [-1, 0, 2, 0x7fffffff, -0x80000000]) {
    const body = item.slice();
    new DataView(body.buffer).setInt32(16, bodyLength);
    expect(refused(body)).toBe(-1);
  }
  const properties = `k\u0001${"v".repeat(32760)}\u0002`;
  expect(refused(encodeBatchModel([{ flag: 0, body: utf8("x"), properties }]))).toBe(-1);
});
