import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { IndexHead, Region } from "../../src/core/core.ts";
import { goldenFile, goldenPaths, goldenStores } from "../golden/golden.ts";
import { type IndexedRecord, IndexFileModel, IndexModel, indexHashModel, indexKeysModel } from "../model/index-file.ts";
import { decodeUtf8Model } from "../model/java-string.ts";
import { encodeRecordModel } from "../model/record.ts";
import { recordArbitrary } from "./arbitraries.ts";
import { newCore, take, utf8 } from "./setup.ts";

const core = newCore();
const { index } = core;
const log = core.allocate(256 * 1024);
const entries = core.allocate(20 * 4096);

/** Puts a log's records file after file, as the store does, in portions of `room` entries; the files. */
function indexed(head: IndexHead, from: number, limit: number, physicalOffset: number, room: Region): Uint8Array[] {
  const files: Uint8Array[] = [];
  const file = () => {
    const bytes = new Uint8Array(index.fileBytes(head.slots, head.entriesMax));
    files.push(bytes);
    return bytes;
  };
  head.clear();
  let current = file();
  let first = physicalOffset;
  let at = from;
  let keysDone = 0;
  for (;;) {
    const before = head.header.indexCount;
    const put = head.put(log, at, limit, physicalOffset + at - from, room, first, keysDone);
    const { count, end, position } = put;
    keysDone = put.keysDone;
    current.set(take(room, 0, count * 20), index.entryPlace(head.slots, before));
    current.set(head.region.bytes);
    at = position;
    first = physicalOffset + at - from;
    if (end === "done") return files;
    if (end === "no-room") continue;
    const { endTimestamp, endPhyOffset } = head.header;
    head.clear();
    head.header = {
      beginTimestamp: endTimestamp,
      endTimestamp,
      beginPhyOffset: endPhyOffset,
      endPhyOffset,
      hashSlotCount: 0,
      indexCount: 1,
    };
    current = file();
  }
}

describe("Apache's own IndexFiles (test/golden)", () => {
  test("a geometry of 8 slots and 16 entries: files follow each other as Apache's do, byte for byte", () => {
    const [file, ...others] = goldenPaths("store_index", "commitlog").map(goldenFile);
    expect(others).toEqual([]);
    log.bytes.set(file!);
    const golden = goldenPaths("store_index", "index").map(goldenFile);
    expect(golden.length).toBeGreaterThan(2);
    expect(indexed(index.head(8, 16), 0, file!.length, 0, entries)).toEqual(golden);
  });

  test.each(goldenStores.filter((store) => store !== "store_index"))(
    "%s: it is what the core makes of the CommitLog, byte for byte",
    (store) => {
      const golden = goldenFile(goldenPaths(store, "index")[0]!);
      const head = index.head(100, 400);
      const made = new Uint8Array(golden.length);
      let physicalOffset = 0;
      for (const file of goldenPaths(store, "commitlog").map(goldenFile)) {
        log.bytes.set(file);
        const before = head.header.indexCount;
        const { count, end } = head.put(log, 0, file.length, physicalOffset, entries);
        expect(end).toBe("done");
        made.set(take(entries, 0, count * 20), index.entryPlace(100, before));
        physicalOffset += file.length;
      }
      made.set(head.region.bytes);
      expect(made).toEqual(golden);
    },
  );

  test("its keys are found by their chains, and by a look at all entries", () => {
    const golden = goldenFile(goldenPaths("store", "index")[0]!);
    const region = core.allocate(20 * 400);
    region.bytes.set(golden.subarray(index.entryPlace(100, 0)));
    const wanted = (key: string) => ({
      keyHash: index.keyHash(utf8("TopicA"), utf8(key), false),
      slots: 100,
      fromSeconds: 0,
      toSeconds: 10,
    });
    const slot = (keyHash: number) => {
      const place = index.slotPlace(100, keyHash);
      const four = core.allocate(64);
      four.bytes.set(golden.subarray(place, place + 4));
      return index.decodeSlot(four, 0);
    };
    for (const [key, offsets] of [
      ["k1", [0x66]],
      ["7F0000010001251A69D70000000A0001", [0x66]],
      ["T#TagB", [0x2c5, 0x241, 0x1bd]],
      ["bk1", [0x241]],
      ["k3", []],
    ] as const) {
      const { keyHash } = wanted(key);
      const found = index.followChain(region, 0, slot(keyHash), wanted(key));
      expect([...found.offsets.subarray(0, found.count)], key).toEqual([...offsets]);
      expect(found).toMatchObject({ next: 0, isDamaged: false });
      const all = index.findEntries(region, 0, 24, wanted(key));
      expect([...all.offsets.subarray(0, all.count)], key).toEqual([...offsets]);
    }
    expect(index.keyHash(utf8("TopicA"), utf8("TagB"), true)).toBe(indexHashModel("TopicA#T#TagB"));
  });
});

const keyWord = fc.oneof(
  fc.constantFrom("a", "b", "Aa", "BB", "", " ", "  k"),
  fc.string({ unit: "grapheme", maxLength: 6 }),
);
const keyed = fc
  .tuple(
    recordArbitrary,
    fc.array(fc.tuple(fc.constantFrom("KEYS", "UNIQ_KEY", "TAGS", "KEY"), keyWord), { maxLength: 5 }),
    keyWord,
  )
  .map(([record, more, last]) => ({
    ...record,
    sysFlag: record.sysFlag & ~0x30,
    bornHost: record.bornHost.slice(0, 8),
    storeHost: record.storeHost.slice(0, 8),
    storeTimestamp: record.storeTimestamp % 1e13,
    properties: `${record.properties}\u0002KEYS\u0001${last} x y\u0002${more.map((pair) => pair.join("\u0001")).join("\u0002")}`,
  }));

test("files made of any records are the twin's, whatever the portions", () => {
  fc.assert(
    fc.property(
      fc.array(keyed, { maxLength: 12 }),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 2, max: 40 }),
      fc.integer({ min: 1, max: 20 }),
      fc.nat(1e6),
      (records, slots, entriesMax, room, physicalOffset) => {
        const model = new IndexModel(slots, entriesMax);
        let length = 0;
        for (const record of records) {
          const { bytes } = encodeRecordModel(record, physicalOffset + length, false)!;
          log.bytes.set(bytes, length);
          model.put({
            topic: decodeUtf8Model(record.topic),
            properties: record.properties,
            sysFlag: record.sysFlag,
            physicalOffset: physicalOffset + length,
            storeTimestamp: record.storeTimestamp,
          });
          length += bytes.length;
        }
        const head = index.head(slots, entriesMax);
        const files = indexed(head, 0, length, physicalOffset, { ...entries, byteLength: room * 20 });
        const made = model.files.length === 0 ? [new Uint8Array(0)] : model.files.map(({ bytes }) => bytes);
        if (model.files.length > 0) expect(files).toEqual(made);
        else expect(files[0]!.every((byte) => byte === 0)).toBe(true);
      },
    ),
    { numRuns: 200 },
  );
});

test("a record has the keys that it is indexed by, and no others", () => {
  const at = core.allocate(64 * 1024);
  fc.assert(
    fc.property(keyed, keyWord, (record, other) => {
      const { bytes } = encodeRecordModel(record, 7, false)!;
      at.bytes.set(bytes);
      const topic = decodeUtf8Model(record.topic);
      const keys = indexKeysModel({ ...record, sysFlag: 0, topic, physicalOffset: 7 } as IndexedRecord);
      const has = (key: string, isTag: boolean) =>
        index.storeTimeIfHas(at, 0, bytes.length, record.topic, utf8(key), isTag) !== undefined;
      for (const key of [other, "x", "y", "z"]) {
        if (key.includes(" ") || key === "" || record.topic.length === 0) continue;
        // `T#...` as a key and a tag have one place in the index; the record tells them apart.
        if (!key.startsWith("T#")) expect(has(key, false)).toBe(keys.includes(`${topic}#${key}`));
        expect(has(key, true)).toBe(keys.at(-1) === `${topic}#T#${key}`);
      }
    }),
    { numRuns: 300 },
  );
});

test("the hash of a key is never negative", () => {
  // String.hashCode of this is -2^31, whose absolute value Java's int can't hold.
  const text = "polygenelubricants";
  expect(indexHashModel(text)).toBe(0);
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), fc.boolean(), (topic, key, isTag) => {
      const whole = isTag ? `${topic}#T#${key}` : `${topic}#${key}`;
      expect(index.keyHash(utf8(topic), utf8(key), isTag)).toBe(indexHashModel(whole));
    }),
  );
});

test("slots made of a file's entries are the file's, up to the first entry that is not where it belongs", () => {
  const hash = fc.integer({ min: 0, max: 12 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(hash, fc.nat(3)), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 7 }),
      fc.nat(),
      fc.nat(159),
      (steps, slots, where, bit) => {
        const model = new IndexFileModel(slots, 100);
        let offset = 0;
        for (const [value, step] of steps) {
          offset += step;
          // One character: its code is its hash.
          model.put(String.fromCharCode(value), offset, 1_000);
        }
        const region = core.allocate(20 * 100);
        const place = index.entryPlace(slots, 1);
        const head = index.head(slots, 100);
        region.bytes.set(model.bytes.subarray(place));
        const options = { after: 0, below: offset + 1, trusting: false };
        expect(head.replay(region, 1, steps.length, options)).toEqual({ count: steps.length, after: offset });
        expect(take(head.region, 40, 4 * slots)).toEqual(model.bytes.slice(40, 40 + 4 * slots));
        expect(head.header.hashSlotCount).toBe(new DataView(model.bytes.buffer).getInt32(32));

        const entry = where % steps.length;
        const byte = entry * 20 + (bit >> 3);
        region.bytes[byte]! ^= 1 << (bit & 7);
        head.clear();
        // Another hash may be of the same slot, and seconds, and offsets that stay in order, can't be told from others.
        const { count } = head.replay(region, 1, steps.length, options);
        if (bit >= 128) expect(count).toBe(entry);
        else expect(count).toBeGreaterThanOrEqual(entry);
      },
    ),
    { numRuns: 300 },
  );
});

test("a chain that is damaged ends, and says so", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 400, maxLength: 400 }), fc.nat(19), fc.nat(1000), (bytes, next, keyHash) => {
      entries.bytes.set(bytes);
      const wanted = { keyHash, slots: 3, fromSeconds: -1, toSeconds: 0x7fffffff };
      const found = index.followChain(entries, 0, next, wanted);
      expect(found.count).toBeLessThanOrEqual(20);
      expect(found.next).toBe(0);
      expect(index.findEntries(entries, 0, 20, wanted).count).toBeLessThanOrEqual(20);
    }),
  );
});

test("a header comes back as it was written", () => {
  const head = index.head(3, 10);
  const header = {
    beginTimestamp: 1_795_368_323_634,
    endTimestamp: 1_795_368_323_635,
    beginPhyOffset: 2 ** 50,
    endPhyOffset: 2 ** 51,
    hashSlotCount: 7,
    indexCount: 9,
  };
  head.header = header;
  expect(head.header).toEqual(header);
  expect(index.decodeHeader(head.region, 0)).toEqual(header);
  head.clear();
  expect(head.header.indexCount).toBe(1);
});

test("what changed is told once, by pages of the file", () => {
  const head = index.head(5_000, 10);
  const record = encodeRecordModel(
    {
      queueId: 0,
      flag: 0,
      queueOffset: 0,
      sysFlag: 0,
      bornTimestamp: 1,
      bornHost: new Uint8Array(8),
      storeTimestamp: 1,
      storeHost: new Uint8Array(8),
      reconsumeTimes: 0,
      preparedTransactionOffset: 0,
      topic: utf8("T"),
      body: new Uint8Array(0),
      properties: "KEYS\u0001k\u0002",
    },
    0,
    false,
  )!;
  log.bytes.set(record.bytes);
  head.put(log, 0, record.bytes.length, 0, entries);
  const place = index.slotPlace(5_000, index.keyHash(utf8("T"), utf8("k"), false));
  const from = place - (place % 4096);
  const ranges = [Math.max(40, from), Math.min(20_040, from + 4096)];
  expect(head.takeChanged()).toEqual(ranges);
  expect(head.takeChanged()).toEqual([]);
  head.putBackChanged(ranges);
  expect(head.takeChanged()).toEqual(ranges);
});
