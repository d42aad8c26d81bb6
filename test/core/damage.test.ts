/** Whatever bit of a record turns, the record is not taken for a valid one. */
import { expect, test } from "vitest";
import type { RecordToEncode } from "../../src/core/core.ts";
import { message, newCore, take, utf8 } from "./setup.ts";

const core = newCore();
const region = core.allocate(1 << 16);
const v6 = core.encodeHost("2001:db8::1", 1234);

const records: Readonly<Record<string, Partial<RecordToEncode>>> = {
  plain: {},
  "without a body": { body: utf8("") },
  "without properties": { properties: "" },
  "with neither": { body: utf8(""), properties: "" },
  "of a body that reads as lengths": { body: Uint8Array.of(0, 1, 0, 0, 0, 1, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0) },
  "of one byte": { body: Uint8Array.of(0), properties: "" },
  "of IPv6": { bornHost: v6, storeHost: v6 },
  "of a long topic": { topic: utf8("t".repeat(128)) },
  "of many properties": {
    properties: "KEYS\u0001a b c\u0002TAGS\u0001TagA\u0002UNIQ_KEY\u00017F000001\u0002WAIT\u0001true",
  },
  "of 300 bytes": { body: new Uint8Array(300).fill(7) },
};

test.each(Object.keys(records))("a bit of a record %s", (name) => {
  const physicalOffset = 123_456;
  const { size } = core.encodeRecord(region, 0, physicalOffset, message(records[name]));
  const sound = take(region, 0, size);
  expect(core.checkRecord(region, 0, size, physicalOffset)).toBe("valid");
  for (const more of [0, 200]) {
    // What stands behind a record is another one, mostly.
    core.encodeRecord(region, size, physicalOffset + size, message());
    const passed: string[] = [];
    for (let bit = 0; bit < 8 * size; bit++) {
      region.bytes.set(sound);
      region.bytes[bit >> 3]! ^= 1 << (bit & 7);
      const state = core.checkRecord(region, 0, size + more, physicalOffset);
      if (state === "valid" || state === "blank") passed.push(`${bit}: ${state}`);
    }
    expect(passed).toEqual([]);
  }
});

test("a record whose end never reached the medium, wherever it is cut", () => {
  for (const changes of Object.values(records)) {
    const { size } = core.encodeRecord(region, 0, 4096, message(changes));
    const sound = take(region, 0, size);
    for (let from = 0; from < size; from++) {
      region.bytes.set(sound);
      region.bytes.fill(0, from, size);
      const state = core.checkRecord(region, 0, size, 4096);
      expect(state, `zeros from ${from} of ${size}`).not.toBe("valid");
    }
  }
});

test("a record whose end is what a sector held before", () => {
  // Left by a loss of power: bytes of bodies, behind properties and in the middle of their names.
  const stale = [
    "UNIQ_KE\u0019 '.5<CJQX_fmt{\u00a5\u00ac\u00b3\u00ba",
    "UNIQ_KEY\u0001key988537\u0002__C\u00fb\u0002\t\u0010\u0017\u001e%,3:AHOV]dk",
    "TAGS\u0001TagA\u0002\u0001 without a name \u0001",
    "TAGS\u0001TagA\u0002\u0002",
    "without a value",
    "TAGS\u0001TKEYS\u0001k1\u0002__CRC32#\u00017644604",
    "UNIQ_KEY\u0001key9885\u0002__CC\u00f3\u00fa\u0001\u0008\u000f\u0016\u001d",
    "TAGS\u0001TagA\u0002a\u0001cut\u00e2\u0082",
    "TAGS\u0001TagA\u0002a\u0001\u0080\u0002",
  ];
  const plain = newCore({ propertyCrc: false });
  const window = plain.allocate(4096);
  for (const properties of stale) {
    const last = Uint8Array.from(properties, (character) => character.charCodeAt(0));
    const sound = `a\u0001${"b".repeat(last.length - 2)}`;
    const { size } = plain.encodeRecord(window, 0, 0, message({ properties: sound }));
    expect(plain.checkRecord(window, 0, size, 0)).toBe("valid");
    window.bytes.set(last, size - last.length);
    expect([properties, plain.checkRecord(window, 0, size, 0)]).toEqual([properties, "bad-crc"]);
  }
});

test("what is written without a property CRC is valid, whatever its properties", () => {
  const plain = newCore({ propertyCrc: false });
  const window = plain.allocate(4096);
  for (const [given, kept] of [
    ["TAGS\u0001TagA\u0002nothing", "TAGS\u0001TagA\u0002"],
    ["nothing\u0002a\u0001b", "nothing\u0002a\u0001b"],
    ["nothing", ""],
    ["TAGS\u0001TagA\u0002ключ\u0001値 €😀\u0002", "TAGS\u0001TagA\u0002ключ\u0001値 €😀\u0002"],
    ["a\u0001\u0002\u0002\u0001", "a\u0001\u0002"],
  ] as const) {
    const { size } = plain.encodeRecord(window, 0, 0, message({ properties: given }));
    expect(plain.checkRecord(window, 0, size, 0)).toBe("valid");
    expect(plain.decodeRecord(window, 0, size)?.properties).toBe(kept);
  }
});

test("what Apache writes without a property CRC is valid, and its body is what is covered", () => {
  const plain = newCore({ propertyCrc: false });
  const window = plain.allocate(4096);
  for (const properties of ["", "TAGS\u0001TagA\u0002", "a\u0001b", "WAIT\u0001true\u0002"]) {
    const { size } = plain.encodeRecord(window, 0, 0, message({ properties }));
    const scan = plain.scanRecords(window, 0, size, 0);
    expect([scan.count, scan.coveredBytes(0)]).toEqual([1, 5]);
  }
  const { size } = core.encodeRecord(region, 0, 0, message());
  expect(core.scanRecords(region, 0, size, 0).coveredBytes(0)).toBe(size);
});

test("a record is served as the message of its queue and place, and as no other", () => {
  const into = core.allocate(4096);
  const { size } = core.encodeRecord(region, 0, 0, message());
  const serve = (topic: string, queueId: number, queueOffset: number): number =>
    core.serveRecord(region, 0, 0, size, into, 0, utf8(topic), queueId, queueOffset);
  expect(serve("TopicA", 1, 7)).toBeGreaterThan(0);
  expect(serve("TopicB", 1, 7)).toBe(0);
  expect(serve("Topic", 1, 7)).toBe(0);
  expect(serve("TopicAA", 1, 7)).toBe(0);
  expect(serve("TopicA", 0, 7)).toBe(0);
  expect(serve("TopicA", 1, 6)).toBe(0);
  // Encoding stages the topic where serving compares it.
  core.encodeRecord(region, size, size, message({ topic: utf8("TopicB") }));
  expect(serve("TopicA", 1, 7)).toBeGreaterThan(0);
});
