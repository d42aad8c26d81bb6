/**
 * One bit of a store has turned. Whatever the byte says: no message is served that was not sent, and none is missing but the one whose record is
 * damaged; and a check says where.
 */
import fc from "fast-check";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import type { CheckReport } from "../../src/ports/check.ts";
import { type GoldenStore, goldenFile, goldenPaths } from "../golden/golden.ts";
import { WaitingStorage } from "../lib/faulty-storage.ts";
import { copyOf, MemoryBroker } from "../lib/memory-broker.ts";
import { messagesOf, succeeded } from "../lib/remoting-client.ts";
import {
  checked,
  flipped,
  type Message,
  repaired,
  type SmallStore,
  served,
  smallSizes,
  smallStore,
} from "../lib/small-store.ts";

vi.setConfig({ testTimeout: 60_000 });

const key = ({ topic, queueId, queueOffset }: Message): string => `${topic}/${queueId}/${queueOffset}`;

let store: SmallStore;

beforeAll(async () => {
  store = await smallStore();
});

/** Compares with what was sent; the messages that are missing. */
function missingOf(found: readonly Message[], wanted: readonly Message[] = store.messages): Message[] {
  const sent = new Map(wanted.map((message) => [key(message), message]));
  const seen = new Set<string>();
  for (const message of found) {
    expect(message).toEqual(sent.get(key(message)));
    expect(seen.has(key(message)), `${key(message)} twice`).toBe(false);
    seen.add(key(message));
  }
  return wanted.filter((message) => !seen.has(key(message)));
}

/** Where the log ends. */
function logEnd(): number {
  return Math.max(...store.messages.map(({ physicalOffset }) => physicalOffset)) + 1;
}

test("a store as it was left is sound", async () => {
  const report = await checked(store.storage);
  expect(report.findings).toEqual([]);
  expect(report).toMatchObject({ severity: "none", records: 60, queues: 3, units: 60, uncovered: { records: 0 } });
});

describe("a bit of the CommitLog", () => {
  const starts = (): Message[] => [...store.messages].sort((a, b) => a.physicalOffset - b.physicalOffset);
  /** The record that holds a byte, if one does. */
  const recordAt = (offset: number): Message | undefined => {
    const before = starts().filter(({ physicalOffset }) => physicalOffset <= offset);
    return before.at(-1);
  };

  test.each([["after a clean stop"], ["after a crash"]])("takes its message at most, %s", async (how) => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(7), async (anywhere, bit) => {
        const offset = anywhere % logEnd();
        const start = offset - (offset % 4096);
        const file = `commitlog/${String(start).padStart(20, "0")}`;
        const damaged = flipped(store.storage, file, offset - start, bit);
        if (how === "after a crash") damaged.create("abort", 1);
        const report = await checked(damaged);
        const { messages } = await served(damaged);
        const missing = missingOf(messages);
        const victim = recordAt(offset);
        expect(missing.map(key)).toEqual(missing.length === 0 ? [] : [key(victim!)]);
        if (missing.length > 0) {
          expect(report.severity).toBe("damage");
          const found = report.findings.filter(({ code }) => code === "RECORD_DAMAGED" || code === "TORN_TAIL");
          expect(found).toHaveLength(1);
          expect(found[0]!.file).toBe(file);
          expect(found[0]!.offset).toBeLessThanOrEqual(offset - start);
          expect(found[0]!.offset! + found[0]!.bytes!).toBeGreaterThan(offset - start);
          expect(report.findings.find(({ code }) => code === "MESSAGE_LOST")).toMatchObject({
            topic: victim!.topic,
            queueId: victim!.queueId,
            queueOffset: victim!.queueOffset,
          });
        } else {
          // Behind a file's last record nothing is said, but by the blank.
          expect(["none", "note", "warning"]).toContain(report.severity);
        }
      }),
      { numRuns: 25 },
    );
  });

  test("beside a message that is lost already is told of, too", async () => {
    const [, , lost, next] = store.messages.filter(({ topic, queueId }) => topic === "T" && queueId === 0);
    const inBody = ({ physicalOffset }: Message): [string, number, number] => {
      const within = physicalOffset % 4096;
      return [`commitlog/${String(physicalOffset - within).padStart(20, "0")}`, within + 20, 3];
    };
    for (const [first, second] of [
      [lost!, next!],
      [next!, lost!],
    ] as const) {
      const damaged = flipped(store.storage, ...inBody(first));
      damaged.create("abort", 1);
      damaged.delete("checkpoint");
      expect(missingOf((await served(damaged)).messages).map(key)).toEqual([key(first)]);
      // After a clean stop only the end of the log is looked at: the damage is met by who reads.
      const { messages, logged } = await served(flipped(damaged, ...inBody(second)));
      expect(missingOf(messages).map(key).sort()).toEqual([key(first), key(second)].sort());
      expect(logged.filter((line) => line.includes("a damaged record is not served"))).toHaveLength(1);
    }
  });

  test("in the last record leaves its queue offset to nobody else", async () => {
    const last = starts().at(-1)!;
    const start = last.physicalOffset - (last.physicalOffset % 4096);
    const file = `commitlog/${String(start).padStart(20, "0")}`;
    const damaged = flipped(store.storage, file, last.physicalOffset - start + 20, 3);
    const { messages } = await served(damaged);
    expect(missingOf(messages).map(key)).toEqual([key(last)]);
    expect(damaged.list("damaged").map(({ name }) => name)).toEqual([
      `damaged/${String(last.physicalOffset).padStart(20, "0")}`,
    ]);
    expect((await checked(damaged)).counts).toEqual({ QUEUE_GAP: 1 });
  });
});

describe("a bit of a unit", () => {
  const files = (): string[] => store.storage.list("consumequeue").map(({ name }) => name);

  test("takes no message with it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(399), fc.nat(7), async (which, at, bit) => {
        const names = files();
        const file = names[which % names.length]!;
        const damaged = flipped(store.storage, file, at, bit);
        const report = await checked(damaged);
        const { messages } = await served(damaged);
        expect(missingOf(messages)).toEqual([]);
        expect(report.findings.length).toBe(1);
        expect(report.severity).toBe("warning");
        const [found] = report.findings;
        expect(found!.file).toBe(file);
        expect(found!.offset).toBe(at - (at % 20));
      }),
      { numRuns: 30 },
    );
  });

  test("is put right on the medium by who reads it", async () => {
    const [file] = files();
    const damaged = flipped(store.storage, file!, 5 * 20 + 6, 4);
    const { messages, logged } = await served(damaged);
    expect(missingOf(messages)).toEqual([]);
    expect(logged.join()).toMatch(/a unit of a ConsumeQueue was wrong and is put right/);
    expect((await checked(damaged)).findings).toEqual([]);
  });

  test("whole units, and pages of them, come back", async () => {
    for (const [from, to] of [
      [0, 20],
      [100, 300],
      [0, 400],
      [380, 400],
    ] as const) {
      for (const file of files()) {
        const damaged = copyOf(store.storage);
        damaged.write([{ file, at: from, bytes: new Uint8Array(to - from) }]);
        const { messages } = await served(damaged);
        expect(missingOf(messages), `${file} without ${from} to ${to}`).toEqual([]);
        expect((await checked(damaged)).findings).toEqual([]);
      }
    }
  });
});

describe("a bit of the index", () => {
  const [slots, entries] = [smallSizes.maxHashSlotNum, smallSizes.maxIndexNum];
  const bytes = 40 + 4 * slots + 20 * entries;

  test("is found where it is, and mended by a repair", async () => {
    const files = store.storage.list("index").map(({ name }) => name);
    expect(files.length).toBe(3);
    const last = new Uint8Array(40);
    store.storage.readNow(files[2]!, 0, last);
    const used = new DataView(last.buffer).getInt32(36);
    await fc.assert(
      fc.asyncProperty(fc.nat(2), fc.nat(), fc.nat(7), async (which, anywhere, bit) => {
        const file = files[which]!;
        // Entry 0 is no one's, and behind the last of the newest file nothing is said.
        const [first, end] = [40 + 4 * slots + 20, which === 2 ? 40 + 4 * slots + 20 * used : bytes];
        const at = anywhere % (end - 20);
        const place = at < first - 20 ? at : at + 20;
        // The seconds of a file's first entry mean nothing, and those of its end are all that counts.
        if ((place >= first + 12 && place < first + 16) || place === 14 || place === 15) return;
        const damaged = flipped(store.storage, file, place, bit);
        const report = await checked(damaged);
        expect(report.severity, `${file} byte ${place}`).toBe("warning");
        expect(report.findings.every(({ code }) => code.startsWith("INDEX_"))).toBe(true);
        const { offset = -1 } = report.findings.find((finding) => finding.file === file)!;
        // The header repeats where the first entry points to: that one of the two is damaged is seen, and not which.
        const repeats = place >= first + 4 && place < first + 12 && offset === 16;
        expect(repeats || (place >= offset && place < offset + 20), `${place} is told as ${offset}`).toBe(true);
        await repaired(damaged);
        expect((await checked(damaged)).findings).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });
});

test("a bit of the checkpoint loses nothing after a crash", async () => {
  // The times by which older stores go, and the offset by which this one does.
  for (const at of [0, 3, 7, 8, 10, 15, 40, 43, 45, 46, 47]) {
    const damaged = flipped(store.storage, "checkpoint", at, at % 8);
    damaged.create("abort", 1);
    // Units of the last second are not written yet.
    for (const { name } of damaged.list("consumequeue")) damaged.delete(name);
    const { messages } = await served(damaged);
    expect(missingOf(messages), `byte ${at}`).toEqual([]);
  }
});

test("a bit of a config file is found, and the version before it is put in its place", async () => {
  const file = "config/topics.json";
  const { sizeBytes } = store.storage.list("config").find(({ name }) => name === file)!;
  for (let at = 0; at < sizeBytes; at += 97) {
    const damaged = flipped(store.storage, file, at, at % 7);
    const report = await checked(damaged);
    expect(
      report.findings.map(({ code, file }) => ({ code, file })),
      `byte ${at}`,
    ).toContainEqual({
      ...{ code: "CONFIG_TORN", file },
    });
    if (at % 5 > 0) continue;
    await repaired(damaged);
    expect((await checked(damaged)).counts["CONFIG_TORN"]).toBeUndefined();
  }
});

describe("a bit of a tags code", () => {
  test("hides a message from who filters by its tag only until it is met", async () => {
    const [file] = store.storage.list("consumequeue").map(({ name }) => name);
    // T/0 has the messages of every third number: tags of one kind, and none.
    const wanted = store.messages.filter(({ topic, queueId, properties }) => {
      return topic === "T" && queueId === 0 && properties["TAGS"] === "Tag0";
    });
    for (let bit = 0; bit < 64; bit += 3) {
      const at = wanted[2]!.queueOffset * 20 + 12 + (bit >> 3);
      const damaged = flipped(store.storage, file!, at, bit & 7);
      expect((await checked(damaged)).findings).toMatchObject([{ code: "UNIT_WRONG", offset: at - (at % 20) }]);
      const { messages } = await served(damaged, "Tag0");
      const found = messages.filter(({ topic, queueId }) => topic === "T" && queueId === 0);
      expect(found, `bit ${bit}`).toEqual(wanted);
      expect((await checked(damaged)).findings).toEqual([]);
    }
  });
});

describe("a store that Apache wrote", () => {
  /** As Apache 5.5.0's golden store lies in test/golden. */
  const golden = (name: GoldenStore): MemoryLogStorage => {
    const storage = new MemoryLogStorage();
    for (const path of ["commitlog", "consumequeue", "config"].flatMap((folder) => goldenPaths(name, folder))) {
      const file = path.slice(name.length + 1);
      const bytes = goldenFile(path);
      storage.create(file, bytes.length);
      storage.write([{ file, at: 0, bytes }]);
    }
    return storage;
  };
  const sizes = { mappedFileSizeCommitLog: 4096, mappedFileSizeConsumeQueue: 1000 };
  /** It was written without a broker around it: there are no topics. */
  const wrong = ({ findings }: CheckReport) =>
    findings.filter(({ severity, file = "" }) => severity !== "note" && /^(commitlog|consumequeue)/.test(file));

  test("is compared, and what nothing covers in it is listed", async () => {
    const report = await checked(golden("store"), sizes);
    expect(wrong(report)).toEqual([]);
    expect(report.uncovered.records).toBe(report.records);
    expect(report.uncovered.ranges.length).toBeGreaterThan(0);
    expect(report.uncovered.ranges.at(-1)!.to).toBe(report.log.to);
    expect(report.uncovered.bytes).toBeGreaterThan(report.records * 90);
  });

  test("is covered whole with enabledAppendPropCRC", async () => {
    const report = await checked(golden("store_crc"), sizes);
    expect(wrong(report)).toEqual([]);
    expect(report.uncovered).toEqual({ records: 0, bytes: 0, ranges: [] });
  });

  test("a bit of what the ConsumeQueue knows too is found all the same", async () => {
    const storage = golden("store");
    // The queue offset of the second record of TopicA, its queue, its topic and its tag.
    for (const at of [102 + 27, 102 + 15, 102 + 98, 102 + 122]) {
      const report = await checked(flipped(storage, "commitlog/00000000000000000000", at, 0), sizes);
      expect(
        report.findings.filter(({ severity }) => severity !== "note"),
        `byte ${at}`,
      ).not.toEqual([]);
    }
  });
});

describe("repair", () => {
  test("makes of whatever was damaged a store that is sound, with all that was intact", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        async (flips, crashed) => {
          let damaged = copyOf(store.storage);
          const victims = new Set<string>();
          for (const [which, anywhere, bit] of flips) {
            const names = damaged
              .list("")
              .map(({ name }) => name)
              .filter((name) => /^(commitlog|consumequeue)\/|^checkpoint$/.test(name));
            const file = names[which % names.length]!;
            const size = file.startsWith("commitlog") ? 4096 : file.startsWith("consume") ? 400 : 48;
            const at = anywhere % size;
            damaged = flipped(damaged, file, at, bit);
            if (!file.startsWith("commitlog/")) continue;
            const offset = Number(file.slice("commitlog/".length)) + at;
            const victim = store.messages.filter(({ physicalOffset }) => physicalOffset <= offset);
            if (victim.length > 0) {
              victims.add(key(victim.reduce((a, b) => (a.physicalOffset > b.physicalOffset ? a : b))));
            }
          }
          if (crashed) damaged.create("abort", 1);
          await repaired(damaged);
          const report = await checked(damaged);
          expect(report.findings.filter(({ severity }) => severity !== "note")).toEqual([]);
          const { messages } = await served(damaged);
          const missing = missingOf(messages).map(key);
          expect(missing.filter((lost) => !victims.has(lost))).toEqual([]);
          // Nobody else gets the offsets of what is lost.
          const again = await checked(damaged);
          expect(again.records).toBeGreaterThanOrEqual(store.messages.length - missing.length);
        },
      ),
      { numRuns: 20 },
    );
  });

  test("keeps the damaged bytes, and has the CommitLog read on behind them without a look", async () => {
    const victim = store.messages.find(({ queueOffset, topic }) => topic === "U" && queueOffset === 4)!;
    const start = victim.physicalOffset - (victim.physicalOffset % 4096);
    const file = `commitlog/${String(start).padStart(20, "0")}`;
    const damaged = flipped(store.storage, file, victim.physicalOffset - start + 40, 2);
    const bytes = new Uint8Array(100);
    damaged.readNow(file, victim.physicalOffset - start, bytes);
    await repaired(damaged);
    const copy = new Uint8Array(100);
    damaged.readNow(`damaged/${String(victim.physicalOffset).padStart(20, "0")}`, 0, copy);
    expect(copy).toEqual(bytes);
    const { damaged: ranges, counts } = await checked(damaged);
    expect({ ranges, counts }).toEqual({ ranges: [], counts: { DAMAGE_FILLED: 1, QUEUE_GAP: 1 } });
  });
});

test("the unit of a lost message, torn where it repeats its neighbour's, hides none from who has to wait for records", async () => {
  const storage = new MemoryLogStorage();
  const broker = await MemoryBroker.start({}, storage);
  const client = broker.connect();
  for (const body of ["lost", "kept"]) await client.send("T", body, { queueId: 0 });
  await broker.stop();
  storage.write([{ file: "commitlog/00000000000000000000", at: 20, bytes: Uint8Array.of(1) }]);
  const unit = new Uint8Array(20);
  const queueFile = "consumequeue/T/0/00000000000000000000";
  storage.readNow(queueFile, 20, unit);
  // The size is another message's.
  new DataView(unit.buffer).setInt32(8, 90);
  storage.write([{ file: queueFile, at: 0, bytes: unit }]);
  const again = await MemoryBroker.start({ store: { logWindowBytes: 64 } }, new WaitingStorage(storage));
  const pulled = await again.connect().pull("G", "T", 0, 0, { subscription: "*" });
  expect(messagesOf(pulled).map(({ queueOffset, body }) => [queueOffset, body])).toEqual([[1, "kept"]]);
  await again.stop();
});

test("a damaged unit is put right although the one of a lost message before it repeats it", async () => {
  const storage = new MemoryLogStorage();
  const store = { mappedFileSizeCommitLog: 8192 };
  const broker = await MemoryBroker.start({ store }, storage);
  const client = broker.connect();
  for (const body of ["lost", "kept", "last"]) await client.send("T", body, { queueId: 0 });
  for (let i = 0; i < 2; i++) await client.send("U", "u".repeat(5_000));
  await broker.stop();
  // Of the first file, which a start after a clean stop does not look at.
  storage.write([{ file: "commitlog/00000000000000000000", at: 20, bytes: Uint8Array.of(1) }]);
  const unit = new Uint8Array(20);
  const queueFile = "consumequeue/T/0/00000000000000000000";
  storage.readNow(queueFile, 20, unit);
  storage.write([{ file: queueFile, at: 0, bytes: unit.slice() }]);
  unit[9]! ^= 4;
  storage.write([{ file: queueFile, at: 20, bytes: unit }]);
  const again = await MemoryBroker.start({ store: { ...store, logWindowBytes: 64 } }, new WaitingStorage(storage));
  const pulled = await again.connect().pull("G", "T", 0, 1, { subscription: "*" });
  expect(messagesOf(pulled).map(({ queueOffset, body }) => [queueOffset, body])).toEqual([
    [1, "kept"],
    [2, "last"],
  ]);
  expect(again.logged).toContain("warn: a unit of a ConsumeQueue was wrong and is put right");
  await again.stop();
});

test("a topic that is made anew behind a log that was cut keeps what it gets, though it was deleted further back", async () => {
  const bodies = async (storage: MemoryLogStorage): Promise<string[]> => {
    const broker = await MemoryBroker.start({ store: smallSizes }, storage);
    const got = messagesOf(await broker.connect().pull("G", "T", 0, 0, { subscription: "*" }));
    await broker.stop();
    return got.map(({ body }) => body);
  };
  const first = await MemoryBroker.start({ store: smallSizes });
  await first.connect().send("T", "kept");
  const lost = await first.connect().send("T", "lost");
  succeeded(await first.connect().request(215, { topic: "T" }));
  const cut = copyOf(first.storage);
  const at = Number(BigInt(`0x${lost.fields["msgId"]!.slice(-16)}`));
  cut.write([{ file: "commitlog/00000000000000000000", at, bytes: new Uint8Array(1_000) }]);
  const second = await MemoryBroker.start({ store: smallSizes }, cut);
  await second.connect().send("T", "anew");
  expect(await bodies(copyOf(second.storage))).toEqual(["anew"]);
  expect(await bodies(copyOf(first.storage))).toEqual([]);
  await first.stop();
  await second.stop();
});
