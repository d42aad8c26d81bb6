import { afterEach, describe, expect, test } from "vitest";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { type GoldenStore, goldenFile, goldenPaths } from "../golden/golden.ts";
import { type InProcessClient, messagesOf, type PulledMessage } from "../lib/in-process-client.ts";
import { copyOf, MemoryBroker } from "../lib/memory-broker.ts";

/** Small files, so that every boundary is met early: some 20 records a CommitLog file, 50 units a ConsumeQueue file. */
const small = { store: { mappedFileSizeCommitLog: 8192, mappedFileSizeConsumeQueue: 1000 } };

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const broker of running.splice(0)) await broker.stop();
});

async function start(storage = new MemoryLogStorage(), options: object = small): Promise<MemoryBroker> {
  const broker = await MemoryBroker.start(options, storage);
  running.push(broker);
  return broker;
}

/** All messages of a queue, in order. */
async function all(client: InProcessClient, topic: string, queueId = 0): Promise<PulledMessage[]> {
  const messages: PulledMessage[] = [];
  for (let offset = 0; ; ) {
    const answer = await client.pull("G", topic, queueId, offset, { subscription: "*" });
    if (answer.code === 19) return messages;
    messages.push(...messagesOf(answer));
    offset = Number(answer.fields["nextBeginOffset"]);
  }
}

async function fill(client: InProcessClient, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await client.send("T", `m${i}`, { queueId: i % 3, properties: { TAGS: i % 2 === 0 ? "A" : "B" } });
  }
}

async function bodies(client: InProcessClient): Promise<string[]> {
  const found: string[] = [];
  for (const queueId of [0, 1, 2]) {
    const messages = await all(client, "T", queueId);
    expect(messages.map(({ queueOffset }) => queueOffset)).toEqual(messages.map((_, i) => i));
    found.push(...messages.map(({ body }) => body));
  }
  return found.sort(byNumber);
}

const byNumber = (a: string, b: string): number => Number(a.slice(1)) - Number(b.slice(1));
const upTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `m${i}`);

function segments(storage: MemoryLogStorage): string[] {
  return [...storage.files.keys()].filter((name) => name.startsWith("commitlog/")).sort();
}

function flip(storage: MemoryLogStorage, file: string, at: number): void {
  const byte = new Uint8Array(1);
  storage.readNow(file, at, byte);
  byte[0]! ^= 0x10;
  storage.write([{ file, at, bytes: byte }]);
}

describe("a clean stop", () => {
  test("leaves everything, and the queues go on where they were", async () => {
    const before = await start();
    const client = before.connect();
    await fill(client, 150);
    await client.consume("G", { T: "*" });
    await client.request(15, { consumerGroup: "G", topic: "T", queueId: "1", commitOffset: "7" });
    await before.stop();
    expect(before.storage.files.has("abort")).toBe(false);
    expect(segments(before.storage).length).toBeGreaterThan(3);

    const after = await start(before.storage);
    const again = after.connect();
    expect(await bodies(again)).toEqual(upTo(150));
    const committed = await again.request(14, { consumerGroup: "G", topic: "T", queueId: "1" });
    expect(committed.fields["offset"]).toBe("7");
    expect((await again.send("T", "m150")).fields["queueOffset"]).toBe("50");
    expect(await bodies(again)).toEqual(upTo(151));
  });

  test("of Apache's that left a unit out (store-format.md, trap 2) loses nothing", async () => {
    const before = await start();
    await fill(before.connect(), 10);
    await before.stop();
    const queue = "consumequeue/T/0/00000000000000000000";
    before.storage.write([{ file: queue, at: 3 * 20, bytes: new Uint8Array(20) }]);
    expect(await bodies((await start(before.storage)).connect())).toEqual(upTo(10));
  });
});

describe("a crash", () => {
  test.each([0, 1, 19, 60, 200])("after %i messages loses none", async (count) => {
    const before = await start();
    await fill(before.connect(), count);
    const left = copyOf(before.storage);
    expect(left.files.has("abort")).toBe(true);
    const client = (await start(left)).connect();
    if (count > 0) expect(await bodies(client)).toEqual(upTo(count));
    await client.send("T", `m${count}`, { queueId: count % 3 });
    expect(await bodies(client)).toEqual(upTo(count + 1));
  });

  test("again and again, with and without the ConsumeQueues and the checkpoint", async () => {
    let storage = new MemoryLogStorage();
    let count = 0;
    for (let round = 0; round < 12; round++) {
      const broker = await start(storage);
      const client = broker.connect();
      for (let i = 0; i < 17; i++) {
        await client.send("T", `m${count}`, { queueId: count % 3 });
        count++;
      }
      expect(await bodies(client)).toEqual(upTo(count));
      storage = copyOf(broker.storage);
      for (const name of [...storage.files.keys()]) {
        if (round % 3 === 1 && name.startsWith("consumequeue/")) storage.delete(name);
        if (round % 4 === 1 && name === "checkpoint") storage.delete(name);
      }
    }
  });

  test("torn in the last record takes that one, and its bytes do not come back", async () => {
    const before = await start();
    const client = before.connect();
    await fill(client, 30);
    const sent = await client.send("T", "torn".padEnd(500, "x"), { queueId: 0 });
    const at = Number.parseInt(sent.fields["msgId"]!.slice(16), 16);
    const left = copyOf(before.storage);
    const segment = segments(left).at(-1)!;
    left.write([{ file: segment, at: (at % 8192) + 300, bytes: new Uint8Array(200) }]);

    const after = await start(left);
    const again = after.connect();
    expect(await bodies(again)).toEqual(upTo(30));
    expect(after.logged.join()).toMatch(/torn tail/);
    const rest = new Uint8Array(8192 - (at % 8192));
    left.readNow(segment, at % 8192, rest);
    expect(rest.every((byte) => byte === 0)).toBe(true);
    expect((await again.send("T", "m30", { queueId: 0 })).fields["msgId"]).toBe(sent.fields["msgId"]);
    expect(await bodies(again)).toEqual(upTo(31));
  });

  test("damage in the middle takes what is damaged, says so, and keeps the rest at its offsets", async () => {
    const before = await start();
    const client = before.connect();
    await fill(client, 90);
    const [, , victim] = await all(client, "T", 1);
    const left = copyOf(before.storage);
    for (const name of [...left.files.keys()]) if (name.startsWith("consumequeue/")) left.delete(name);
    flip(left, segments(left)[Math.floor(victim!.physicalOffset / 8192)]!, (victim!.physicalOffset % 8192) + 90);

    const after = await start(left);
    const again = after.connect();
    expect(after.logged.join()).toMatch(/error: damaged bytes in the CommitLog are skipped/);
    const kept = await all(again, "T", 1);
    expect(kept.map(({ queueOffset }) => queueOffset)).toEqual([0, 1, ...Array.from({ length: 27 }, (_, i) => i + 3)]);
    expect((await all(again, "T", 0)).length + (await all(again, "T", 2)).length).toBe(60);
    expect((await again.send("T", "next", { queueId: 1 })).fields["queueOffset"]).toBe("30");
  });

  test.each([3, 5, 9, 17, 33])("damage in the middle of %i messages hides none before it", async (count) => {
    const before = await start();
    const client = before.connect();
    for (let i = 0; i < count; i++) await client.send("T", `m${i}`);
    const victim = (await all(client, "T"))[Math.floor(count / 2)]!;
    for (const queuesToo of [true, false]) {
      const left = copyOf(before.storage);
      for (const name of [...left.files.keys()]) if (queuesToo && name.startsWith("consumequeue/")) left.delete(name);
      const file = segments(left)[Math.floor(victim.physicalOffset / 8192)]!;
      flip(left, file, (victim.physicalOffset % 8192) + 90);
      const again = (await start(left)).connect();
      const kept = (await all(again, "T")).map(({ queueOffset }) => queueOffset);
      expect(kept).toEqual([...Array(count).keys()].filter((offset) => offset !== victim.queueOffset));
      for (const boundary of ["LOWER", "UPPER"]) {
        const fields = { topic: "T", queueId: "0", timestamp: "0", boundaryType: boundary };
        expect((await again.request(29, fields)).fields["offset"]).toBe("0");
      }
    }
  });

  test("of a log from which everything was damaged goes on where it was", async () => {
    const before = await start();
    const client = before.connect();
    await fill(client, 90);
    const left = copyOf(before.storage);
    for (const name of segments(left).slice(0, 2)) left.delete(name);
    for (const name of [...left.files.keys()]) if (name.startsWith("consumequeue/")) left.delete(name);
    const cut = await start(left);
    const kept = await all(cut.connect(), "T", 1);
    expect(kept.length).toBeGreaterThan(0);
    const min = kept[0]!.queueOffset;
    expect(min).toBeGreaterThan(0);
    expect(kept.map(({ queueOffset }) => queueOffset)).toEqual(Array.from({ length: 30 - min }, (_, i) => i + min));
    const first = await cut.connect().request(31, { topic: "T", queueId: "1" });
    expect(first.fields["offset"]).toBe(String(min));
    await cut.stop();
    const again = await start(copyOf(left));
    expect((await all(again.connect(), "T", 1)).map(({ queueOffset }) => queueOffset)[0]).toBe(min);
  });

  test("damage met while reading is not served, and reported", async () => {
    const broker = await start();
    const client = broker.connect();
    await fill(client, 9);
    const [, victim] = await all(client, "T", 0);
    flip(broker.storage, segments(broker.storage)[0]!, victim!.physicalOffset + 90);
    expect((await all(client, "T", 0)).map(({ queueOffset }) => queueOffset)).toEqual([0, 2]);
    expect(broker.logged.join()).toMatch(/a damaged record is not served/);
    expect((await client.request(33, { offset: String(victim!.physicalOffset) })).code).toBe(1);
  });

  test("leaves an empty file made in advance, as Apache does: it is taken away", async () => {
    const before = await start();
    await fill(before.connect(), 5);
    const left = copyOf(before.storage);
    left.create("commitlog/00000000000000008192", 8192);
    left.create("commitlog/00000000000000016384", 0);
    expect(await bodies((await start(left)).connect())).toEqual(upTo(5));
    expect(segments(left)).toEqual(["commitlog/00000000000000000000"]);
  });

  test("delayed messages are delivered after it", async () => {
    const before = await start();
    const client = before.connect();
    await client.send("T", "now");
    await client.send("T", "later", { queueId: 2, properties: { DELAY: "1" } });
    const left = copyOf(before.storage);
    await before.stop();
    for (const name of [...left.files.keys()]) if (name.startsWith("consumequeue/")) left.delete(name);
    const again = (await start(left)).connect();
    const answer = await again.pull("G", "T", 2, 0, { subscription: "*", suspendMs: 5_000 });
    expect(messagesOf(answer).map(({ body }) => body)).toEqual(["later"]);
  });
});

describe("what Apache leaves behind", () => {
  test("bytes of records that it had cut off stay cut off", async () => {
    const before = await start();
    const client = before.connect();
    for (let i = 0; i < 10; i++) await client.send("T", `old${i}`.padEnd(100, "x"));
    const old = await all(client, "T");
    await before.stop();
    // Apache finds m4 damaged, ends the log there, stores one shorter message, and stops cleanly: all later bytes are stale.
    const stale = copyOf(before.storage);
    const log = "commitlog/00000000000000000000";
    const cut = old[4]!.physicalOffset;
    stale.write([{ file: log, at: cut, bytes: new Uint8Array(8192 - cut) }]);
    const apache = await start(stale);
    for (const name of [...stale.files.keys()]) if (name.startsWith("consumequeue/")) expect(name).toMatch(/T\/0/);
    await apache.connect().send("T", "new");
    await apache.stop();
    const end = old[4]!.physicalOffset + 160;
    const rest = new Uint8Array(8192 - old[6]!.physicalOffset);
    before.storage.readNow(log, old[6]!.physicalOffset, rest);
    expect(old[6]!.physicalOffset).toBeGreaterThan(end);

    for (const clean of [true, false]) {
      const left = copyOf(stale);
      left.write([{ file: log, at: old[6]!.physicalOffset, bytes: rest }]);
      if (!clean) left.create("abort", 1);
      const after = await start(left);
      const bodies = (await all(after.connect(), "T")).map(({ body }) => body.replaceAll("x", ""));
      expect(bodies, `clean: ${clean}`).toEqual(["old0", "old1", "old2", "old3", "new"]);
    }
  });

  test("a topic whose queue is one of batches gets no ConsumeQueue, which Apache would refuse", async () => {
    const before = await start();
    await fill(before.connect(), 5);
    await before.connect().send("B", "plain");
    const left = copyOf(before.storage);
    for (const name of [...left.files.keys()]) if (name.startsWith("consumequeue/")) left.delete(name);
    left.create("batchconsumequeue/B/0/00000000000000000000", 46 * 50);
    const after = await start(left);
    expect(await bodies(after.connect())).toEqual(upTo(5));
    await after.stop();
    expect([...left.files.keys()].filter((name) => name.startsWith("consumequeue/B"))).toEqual([]);
  });

  test("folders beside its files are left alone", async () => {
    const storage = new MemoryLogStorage();
    storage.create("commitlog/lost+found/x", 5);
    storage.create("index/20261122172523614", 8440);
    storage.create("timerwheel", 100);
    await fill((await start(storage)).connect(), 3);
    expect(storage.files.get("index/20261122172523614")!.sizeBytes).toBe(8440);
  });
});

describe("a store that is none", () => {
  test.each([
    ["a file of another size", (s: MemoryLogStorage) => s.create("commitlog/00000000000000000000", 8191), /8191 bytes/],
    [
      "a stray file",
      (s: MemoryLogStorage) => s.create("commitlog/notes.txt", 5),
      /notes\.txt is no file of a CommitLog/,
    ],
    ["a gap", (s: MemoryLogStorage) => s.create("commitlog/00000000000000024576", 8192), /does not follow/],
    [
      "a queue file of another size",
      (s: MemoryLogStorage) => s.create("consumequeue/T/0/00000000000000000000", 20),
      /20 bytes/,
    ],
    ["no log to its queues", (s: MemoryLogStorage) => s.delete("commitlog/00000000000000000000"), /no CommitLog/],
    ["a log of something else", overwrite, /it is no CommitLog/],
    ["torn topics", (s: MemoryLogStorage) => s.create("config/topics.json", 40), /topics\.json/],
  ])("is refused with its reason: %s", async (_, spoil, reason) => {
    const before = await start();
    if (/gap|queues|else/.test(_)) await fill(before.connect(), 1);
    await before.stop();
    const left = copyOf(before.storage);
    if (_ === "torn topics")
      for (const name of [...left.files.keys()]) if (name.startsWith("config/topics")) left.delete(name);
    spoil(left);
    await expect(MemoryBroker.start(small, left)).rejects.toThrow(reason);
  });

  test("a torn config file is replaced by the version before it", async () => {
    const before = await start();
    const client = before.connect();
    await client.send("T", "m0");
    await client.send("U", "m0");
    await before.stop();
    const { storage } = before;
    expect(storage.files.has("config/topics.json.bak")).toBe(true);
    storage.delete("config/topics.json");
    storage.create("config/topics.json", 300);
    const after = await start(storage);
    expect(await all(after.connect(), "T")).toMatchObject([{ body: "m0" }]);
    expect(after.logged.join()).toMatch(/the version before it is used/);
  });

  test("Apache's unquoted keys are read", async () => {
    const storage = new MemoryLogStorage();
    const json = new TextEncoder().encode('{"offsetTable":{"T@G":{0:10,1:11},"%RETRY%G@G":{0:1}}}');
    storage.create("config/consumerOffset.json", json.length);
    storage.write([{ file: "config/consumerOffset.json", at: 0, bytes: json }]);
    const client = (await start(storage)).connect();
    const query = { consumerGroup: "G", topic: "T", queueId: "1" };
    expect((await client.request(14, query)).fields["offset"]).toBe("11");
  });
});

describe("Apache's own store (test/golden)", () => {
  const sizes = { store: { mappedFileSizeCommitLog: 4096, mappedFileSizeConsumeQueue: 1000 } };
  /** Topics whose ConsumeQueues have other units than ours: inner batches, and queues beside the main one. */
  const others = /^(BatchTopic|%LMQ%)/;

  function golden(store: GoldenStore, folders: readonly string[]): MemoryLogStorage {
    const storage = new MemoryLogStorage();
    for (const path of folders.flatMap((folder) => goldenPaths(store, folder))) {
      const bytes = goldenFile(path);
      const file = path.slice(store.length + 1);
      storage.create(file, bytes.length);
      storage.write([{ file, at: 0, bytes }]);
    }
    // Its one delayed message, long due, counts as delivered: the log is to stay as it is.
    const delivered = new TextEncoder().encode('{"offsetTable":{3:1}}');
    storage.create("config/delayOffset.json", delivered.length);
    storage.write([{ file: "config/delayOffset.json", at: 0, bytes: delivered }]);
    return storage;
  }

  test.each(["store", "store_crc"] as const)(
    "%s: the ConsumeQueues made of its CommitLog are Apache's, byte for byte",
    async (store) => {
      const storage = golden(store, ["commitlog"]);
      await (await start(storage, sizes)).stop();
      const queues = goldenPaths(store, "consumequeue").filter((path) => !others.test(path.split("/")[2]!));
      expect(queues.length).toBeGreaterThan(3);
      for (const path of queues) {
        const ours = new Uint8Array(1000);
        storage.readNow(path.slice(store.length + 1), 0, ours);
        expect(ours, path).toEqual(goldenFile(path));
      }
    },
  );

  test("it opens as it is, and its log and queues stay as they are", async () => {
    const storage = golden("store", ["commitlog", "consumequeue"]);
    await (await start(storage, sizes)).stop();
    for (const path of [...goldenPaths("store", "commitlog"), ...goldenPaths("store", "consumequeue")]) {
      const golden = goldenFile(path);
      const ours = new Uint8Array(golden.length);
      storage.readNow(path.slice("store/".length), 0, ours);
      expect(ours, path).toEqual(golden);
    }
  });
});

function overwrite(storage: MemoryLogStorage): void {
  storage.write([{ file: "commitlog/00000000000000000000", at: 0, bytes: new Uint8Array(8192).fill(7) }]);
  for (const name of [...storage.files.keys()]) if (name.startsWith("consumequeue/")) storage.delete(name);
}
