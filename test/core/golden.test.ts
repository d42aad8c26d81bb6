import { describe, expect, test } from "vitest";
import {
  goldenCommitLog,
  goldenFile,
  goldenPaths,
  goldenRecords,
  goldenSettings,
  goldenStores,
} from "../golden/golden.ts";
import { parsePropertiesModel } from "../model/properties.ts";
import { encodeBatchModel } from "../model/record.ts";
import { indices, message, newCore, take, toEncode, utf8 } from "./setup.ts";

/** What a store adds to the properties it is given: that of a batch, of light queues, of the checksum. */
const added = ["INNER_BASE", "INNER_MULTI_QUEUE_OFFSET", "__CRC32#"];

describe.each(goldenStores)("%s, as Apache RocketMQ wrote it", (store) => {
  const core = newCore({ propertyCrc: store === "store_crc" });
  const log = goldenCommitLog(store);
  const region = core.allocate(log.length);
  const into = core.allocate(8192);
  region.bytes.set(log);

  /** Positions of all records, across the files' ends. */
  function positions(): number[] {
    const found: number[] = [];
    const { mappedFileSizeCommitLog: fileSize } = goldenSettings(store);
    for (let start = 0; start < log.length; start += fileSize!) {
      const scan = core.scanRecords(region, start, start + fileSize!, start);
      found.push(...indices(scan.count).map((index) => scan.at(index)));
    }
    return found;
  }

  test("every record is valid, and there is one for each message", () => {
    expect(positions()).toEqual(goldenRecords(store).map(({ physicalOffset }) => physicalOffset));
  });

  test("every record is what Apache was given", () => {
    const propertiesOf = (text: string) => {
      const properties = parsePropertiesModel(text);
      for (const key of added) properties.delete(key);
      return properties;
    };
    for (const { body, bornHost, storeHost, properties, ...sent } of goldenRecords(store)) {
      const record = core.decodeRecord(region, sent.physicalOffset, log.length)!;
      expect(record).toMatchObject(sent);
      expect(record.body).toEqual(Uint8Array.from(atob(body), (char) => char.charCodeAt(0)));
      expect(record.bornHost).toEqual(core.encodeHost(...bornHost));
      expect(record.storeHost).toEqual(core.encodeHost(...storeHost));
      const given = propertiesOf(properties);
      // Waiting is over once the message is there (DefaultMessageStore with LMQ).
      if (given.has("INNER_MULTI_DISPATCH")) given.delete("WAIT");
      expect(propertiesOf(record.properties)).toEqual(given);
    }
  });

  test("every record, decoded and encoded again, is the same bytes", () => {
    for (const at of positions()) {
      const record = core.decodeRecord(region, at, log.length)!;
      expect(record.physicalOffset).toBe(at);
      expect(core.recordSizeMax(toEncode(record))).toBeGreaterThanOrEqual(record.size);
      for (const properties of [record.properties, utf8(record.properties)]) {
        const encoded = core.encodeRecord(into, 3, at, { ...toEncode(record), properties });
        expect(encoded).toEqual({ size: record.size, tagsHigh: record.tagsHigh, tagsLow: record.tagsLow });
        expect(take(into, 3, record.size)).toEqual(take(region, at, record.size));
      }
    }
  });

  test("a scan reads what a decoder reads", () => {
    const scan = core.scanRecords(region, 0, log.length, 0);
    for (const index of indices(scan.count)) {
      const record = core.decodeRecord(region, scan.at(index), log.length)!;
      const text = (at: number, length: number) => new TextDecoder().decode(take(region, at, length));
      expect({
        size: scan.size(index),
        queueId: scan.queueId(index),
        queueOffset: scan.queueOffset(index),
        storeTimestamp: scan.storeTimestamp(index),
        sysFlag: scan.sysFlag(index),
        tagsHigh: scan.tagsHigh(index),
        tagsLow: scan.tagsLow(index),
        topic: text(scan.topicAt(index), scan.topicLength(index)),
        properties: text(scan.propertiesAt(index), scan.propertiesLength(index)),
      }).toEqual(
        Object.fromEntries(
          (
            [
              ...["size", "queueId", "queueOffset", "storeTimestamp", "sysFlag"],
              ...["tagsHigh", "tagsLow", "topic", "properties"],
            ] as const
          ).map((field) => [field, record[field as keyof typeof record]]),
        ),
      );
    }
  });

  test("ConsumeQueue units, decoded and encoded again, are the same bytes and point to their records", () => {
    const units = core.allocate(1000);
    for (const path of goldenPaths(store, "consumequeue")) {
      const [, , topic] = path.split("/");
      units.bytes.set(goldenFile(path));
      const count = core.scanUnits(units, 0, 50);
      expect(count).toBeGreaterThan(0);
      for (const index of indices(count)) {
        const at = index * core.unitSize;
        const { physicalOffset, size, tagsHigh, tagsLow } = core.decodeUnit(units, at);
        core.encodeUnit(into, 1, physicalOffset, size, tagsHigh, tagsLow);
        expect(take(into, 1, 20)).toEqual(take(units, at, 20));

        const record = core.decodeRecord(region, physicalOffset, log.length)!;
        expect(record.size).toBe(size);
        if (!topic!.startsWith("%LMQ%")) expect([record.topic, record.queueOffset]).toEqual([topic, index]);
        const tagsCodeIsSomethingElse = topic === "SCHEDULE_TOPIC_XXXX" || store === "store_ext";
        if (!tagsCodeIsSomethingElse) expect([record.tagsHigh, record.tagsLow]).toEqual([tagsHigh, tagsLow]);
      }
    }
  });
});

test("the hosts are those of the addresses", () => {
  const core = newCore();
  const log = goldenCommitLog("store");
  const region = core.allocate(log.length);
  region.bytes.set(log);
  const plain = core.decodeRecord(region, 0, log.length)!;
  expect(plain.bornHost).toEqual(core.encodeHost("127.0.0.1", 1234));
  expect(plain.storeHost).toEqual(core.encodeHost("127.0.0.1", 10911));
  const v6 = core.decodeRecord(region, 841, log.length)!;
  expect(v6.sysFlag).toBe(0x30);
  expect(v6.bornHost).toEqual(core.encodeHost("2001:db8::1", 1234));
  expect(v6.storeHost).toEqual(core.encodeHost("::1", 10911));
});

test.each(["store", "store_crc"] as const)("%s: an old batch expands to Apache's three records", (store) => {
  const core = newCore({ propertyCrc: store === "store_crc" });
  const log = goldenCommitLog(store);
  const region = core.allocate(log.length);
  const into = core.allocate(4096);
  region.bytes.set(log);
  const scan = core.scanRecords(region, 0, log.length, 0);
  const at = scan.at(3);
  const length = scan.size(3) + scan.size(4) + scan.size(5);
  const first = core.decodeRecord(region, at, log.length)!;
  const body = encodeBatchModel(
    [0, 1, 2].map((index) => ({
      flag: 0,
      body: utf8(`batch${index}`),
      properties: `KEYS\u0001bk${index}\u0002WAIT\u0001true\u0002TAGS\u0001TagB\u0002`,
    })),
  );
  const batch = core.encodeBatch(into, 5, at, { ...toEncode(first), body, properties: "" });
  expect([batch.count, batch.size]).toEqual([3, length]);
  expect(take(into, 5, length)).toEqual(take(region, at, length));
  for (const index of [0, 1, 2]) {
    expect(batch.sizeOf(index)).toBe(scan.size(3 + index));
    expect([batch.tagsHighOf(index), batch.tagsLowOf(index)]).toEqual([0, 0x27a808]);
  }
});

test("store: the blank at the end of the first file", () => {
  const core = newCore();
  const log = goldenCommitLog("store");
  const region = core.allocate(log.length);
  const into = core.allocate(64);
  region.bytes.set(log);
  expect(core.checkRecord(region, 3906, 4096, 3906)).toBe("blank");
  expect(core.recordSize(region, 3906)).toBe(190);
  core.encodeBlank(into, 2, 190);
  expect(take(into, 2, 8)).toEqual(take(region, 3906, 8));
  expect(core.decodeRecord(region, 3906, 4096)).toBeUndefined();
});

test("store_crc: the CRC's digits stand in reverse", () => {
  const core = newCore();
  const log = goldenCommitLog("store_crc");
  const region = core.allocate(log.length);
  region.bytes.set(log);
  expect(core.decodeRecord(region, 0, log.length)?.properties).toBe("__CRC32#\u00010208756161\u0002");
});

test("store: a plain message with today's fields is Apache's first record", () => {
  const core = newCore({ propertyCrc: false });
  const into = core.allocate(256);
  const { size } = core.encodeRecord(
    into,
    0,
    0,
    message({ queueId: 0, queueOffset: 0, storeTimestamp: 1_700_000_101_000, properties: "" }),
  );
  expect(take(into, 0, size)).toEqual(goldenCommitLog("store").slice(0, 102));
});
