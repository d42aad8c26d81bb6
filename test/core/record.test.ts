import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeRecordModel } from "../model/record.ts";
import { recordArbitrary } from "./arbitraries.ts";
import { message, newCore, noise, take, toEncode, utf8 } from "./setup.ts";

describe.each([true, false])("with propertyCrc %s", (propertyCrc) => {
  const core = newCore({ propertyCrc });
  const region = core.allocate(1 << 20);

  test("a record is the twin's bytes, is valid, and decodes to what went in", () => {
    fc.assert(
      fc.property(recordArbitrary, fc.nat(64), fc.maxSafeNat(), fc.boolean(), (record, at, offset, asBytes) => {
        const physicalOffset = Math.min(offset, Number.MAX_SAFE_INTEGER - 100000);
        const expected = encodeRecordModel(record, physicalOffset, propertyCrc)!;
        const given = asBytes ? { ...record, properties: utf8(record.properties) } : record;
        const { size, tagsLow, tagsHigh } = core.encodeRecord(region, at, physicalOffset, given);
        expect(take(region, at, size)).toEqual(expected.bytes);
        expect([tagsLow, tagsHigh]).toEqual([expected.tags, expected.tags >> 31]);
        expect(core.checkRecord(region, at, at + size, physicalOffset)).toBe("valid");
        expect(core.checkRecord(region, at, at + size, physicalOffset + 1)).toBe("wrong-offset");
        expect(core.recordSize(region, at)).toBe(size);

        const decoded = core.decodeRecord(region, at, at + size)!;
        const { topic, properties, sysFlag, ...same } = record;
        expect(decoded).toMatchObject({ ...same, size, physicalOffset, topic: new TextDecoder().decode(topic) });
        expect(decoded.sysFlag & ~0x30).toBe(sysFlag & ~0x30);
        expect([decoded.tagsLow, decoded.tagsHigh]).toEqual([tagsLow, tagsHigh]);
      }),
      { numRuns: 300 },
    );
  });

  test("nothing beyond recordSizeMax is touched", () => {
    fc.assert(
      fc.property(recordArbitrary, (record) => {
        const room = core.recordSizeMax(record);
        const exact = core.allocate(room);
        region.bytes.fill(0xee, 0, room + 256);
        core.encodeRecord(region, 64, 0, record);
        expect(new Set(take(region, 0, 64))).toEqual(new Set([0xee]));
        expect(new Set(take(region, 64 + room, 64))).toEqual(new Set([0xee]));
        expect(core.encodeRecord(exact, 0, 0, record).size).toBeLessThanOrEqual(room);
        expect(() => core.encodeRecord(exact, 1, 0, record)).toThrow(RangeError);
      }),
      { numRuns: 100 },
    );
  });

  test("properties fit up to 32767 bytes, their CRC included", () => {
    const room = 32767 - (propertyCrc ? 20 : 0);
    const entry = (length: number) => `k\u0001${"v".repeat(length - 3)}\u0002`;
    for (const properties of [entry(room), utf8(entry(room))]) {
      const { size } = core.encodeRecord(region, 0, 0, message({ properties }));
      expect(core.checkRecord(region, 0, size, 0)).toBe("valid");
      expect(core.decodeRecord(region, 0, size)?.properties).toHaveLength(32767);
    }
    const tooLong = [entry(room + 1), entry(32768), entry(100000), `k\u0001${"é".repeat(16384)}`, "中".repeat(32767)];
    for (const properties of tooLong) {
      expect(core.encodeRecord(region, 0, 0, message({ properties }))).toEqual({ size: -1, tagsHigh: 0, tagsLow: 0 });
      expect(core.encodeRecord(region, 0, 0, message({ properties: utf8(properties) })).size).toBe(-1);
    }
    // One byte less than the room, and the last 0x02 missing: with the CRC it is added, and just fits.
    const open = entry(room).slice(0, -1);
    expect(core.encodeRecord(region, 0, 0, message({ properties: open })).size).toBeGreaterThan(0);
  });

  test("a topic of 127 bytes is V1, of 128 V2, of 32768 refused", () => {
    for (const [length, magic] of [
      [0, 0xdaa320a7],
      [127, 0xdaa320a7],
      [128, 0xdaa320ab],
      [32767, 0xdaa320ab],
    ] as const) {
      const topic = new Uint8Array(length).fill(84);
      const { size } = core.encodeRecord(region, 0, 0, message({ topic }));
      const decoded = core.decodeRecord(region, 0, size)!;
      expect([decoded.magic >>> 0, decoded.topic.length]).toEqual([magic, length]);
    }
    expect(core.encodeRecord(region, 0, 0, message({ topic: new Uint8Array(32768) })).size).toBe(-1);
  });
});

describe("the door", () => {
  const core = newCore();

  test("regions keep their bytes when the memory grows, and stand apart", () => {
    const first = core.allocate(100);
    first.bytes.fill(7);
    const second = core.allocate(8 << 20);
    const third = core.allocate(0);
    expect(first.bytes).toEqual(new Uint8Array(100).fill(7));
    for (const region of [first, second, third]) expect(region.address % 64).toBe(0);
    expect(second.address - (first.address + first.byteLength)).toBeGreaterThanOrEqual(64);
    expect(third.address - (second.address + second.byteLength)).toBeGreaterThanOrEqual(64);
    expect(() => core.allocate(-1)).toThrow(RangeError);
    expect(() => core.allocate(1.5)).toThrow(RangeError);
    expect(() => core.allocate(2 ** 31)).toThrow(RangeError);
  });

  test("a large body keeps its two CRCs", () => {
    const region = core.allocate(5 << 20);
    for (const length of [255, 256, 511, 512, 513, 65535, 65536, 65537, 1 << 20, (4 << 20) + 3]) {
      const { size } = core.encodeRecord(region, 0, 9, message({ body: noise(length) }));
      expect(core.checkRecord(region, 0, size, 9)).toBe("valid");
      expect(core.decodeRecord(region, 0, size)?.bodyCrc).toBe(core.crc32(noise(length)) & 0x7fffffff);
    }
  });

  test("the CRC of all, and the tags, at every length of what is behind the body", () => {
    const region = core.allocate(4096);
    const wrong = [];
    for (const hostBytes of [8, 20]) {
      for (let length = 0; length <= 400; length++) {
        const properties = length < 5 ? "" : `k\u0001${"v".repeat(length - 5)}\u0002TAGS\u0001${length}`;
        const record = message({
          bornHost: noise(hostBytes, 2),
          storeHost: noise(hostBytes, 3),
          topic: new Uint8Array(0),
          body: noise(256 + length),
        });
        const expected = encodeRecordModel({ ...record, properties }, 7, true)!;
        const { size, tagsLow } = core.encodeRecord(region, 0, 7, { ...record, properties });
        const same = size === expected.bytes.length && expected.bytes.every((byte, at) => byte === region.bytes[at]);
        if (!same || tagsLow !== expected.tags) wrong.push([hostBytes, length]);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("a record read from a region can be written again, over itself too", () => {
    const region = core.allocate(4096);
    const { size } = core.encodeRecord(region, 0, 0, message({ body: noise(700) }));
    const before = take(region, 0, size);
    const record = core.decodeRecord(region, 0, size)!;
    core.encodeRecord(region, 0, 0, { ...toEncode(record), body: region.bytes.subarray(88, 788) });
    expect(take(region, 0, size)).toEqual(before);
  });

  test("as it is served, without the property CRC, a record is the one that was encoded without it", () => {
    const [guarded, plain] = [newCore(), newCore({ propertyCrc: false })];
    const [region, plainRegion] = [guarded.allocate(8192), plain.allocate(8192)];
    const into = guarded.allocate(8192);
    fc.assert(
      fc.property(recordArbitrary, (record) => {
        // The last entry is the broker's own.
        const properties = `${closed(record.properties)}WAIT\u0001true`;
        const { size } = guarded.encodeRecord(region, 64, 4096, { ...record, properties });
        const expected = plain.encodeRecord(plainRegion, 64, 4096, {
          ...record,
          // With a property behind it, the last separator is always there.
          properties: closed(guarded.decodeRecord(region, 64, 64 + size)!.properties.slice(0, -20)),
        });
        const served = guarded.serveRecord(region, 64, 4096, size, into, 128);
        expect(served).toBe(size - 20);
        expect(guarded.checkRecord(region, 64, 64 + size, 4096)).toBe("valid");
        expect(guarded.checkRecord(into, 128, 128 + served, 4096)).toBe("valid");
        expect(take(into, 128, served)).toEqual(take(plainRegion, 64, expected.size));
        // One without the property is served as it is.
        expect(guarded.serveRecord(into, 128, 4096, served, region, 64)).toBe(served);
        expect(take(region, 64, served)).toEqual(take(into, 128, served));
        // Neither damage, nor another place, nor another size than the unit says.
        region.bytes[64]! ^= 1;
        expect(guarded.serveRecord(region, 64, 4096, served, into, 128)).toBe(0);
        expect(guarded.serveRecord(into, 128, 4097, served, region, 64)).toBe(0);
        expect(guarded.serveRecord(into, 128, 4096, served + 1, region, 64)).toBe(0);
      }),
    );
    function closed(properties: string): string {
      return properties === "" || properties.endsWith("\u0002") ? properties : `${properties}\u0002`;
    }
  });

  test("hosts", () => {
    expect([...core.encodeHost("1.2.3.4", 10911)]).toEqual([1, 2, 3, 4, 0, 0, 0x2a, 0x9f]);
    expect(core.encodeHost("::ffff:1.2.3.4", 80)).toEqual(core.encodeHost("1.2.3.4", 80));
    expect(core.encodeHost("::FFFF:102:304", 80)).toEqual(core.encodeHost("1.2.3.4", 80));
    expect([...core.encodeHost("::", 0)]).toEqual(new Array(20).fill(0));
    expect(core.encodeHost("fe80::1%eth0", 1)).toEqual(core.encodeHost("fe80:0:0:0:0:0:0:1", 1));
    for (const wrong of [
      "",
      "1.2.3",
      "1.2.3.256",
      "host",
      "1::2::3",
      ":::",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "g::",
    ]) {
      expect(() => core.encodeHost(wrong, 1), wrong).toThrow(RangeError);
    }
    expect(() => core.encodeHost("1.2.3.4", 65536)).toThrow(RangeError);
    expect(() => core.encodeHost("1.2.3.4", -1)).toThrow(RangeError);
    const region = core.allocate(4096);
    expect(() => core.encodeRecord(region, 0, 0, message({ bornHost: new Uint8Array(9) }))).toThrow(RangeError);
  });
});
