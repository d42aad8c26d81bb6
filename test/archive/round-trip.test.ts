/** A store that leaves one storage and arrives in another is the same store. */
import { describe, expect, test, vi } from "vitest";
import { exportStore } from "../../src/archive/export-store.ts";
import { importStore } from "../../src/archive/import-store.ts";
import { readTar } from "../../src/archive/tar-reader.ts";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { brokerConfFile, parseBrokerConf } from "../../src/store/settings.ts";
import { WaitingStorage } from "../lib/faulty-storage.ts";
import { copyOf, MemoryBroker } from "../lib/memory-broker.ts";
import { concatenated, contentsOf, inPieces, settings } from "./archives.ts";

// Far above what it takes; a machine that is busy with other suites gets that long.
vi.setConfig({ testTimeout: 60_000 });

const small = { mappedFileSizeCommitLog: 64 * 1024, mappedFileSizeConsumeQueue: 20 * 100 };

async function written(): Promise<MemoryLogStorage> {
  const broker = await MemoryBroker.start({ store: small });
  const client = broker.connect();
  for (let i = 0; i < 300; i++) await client.send("Moved", `message ${i} ${"x".repeat(900)}`);
  await broker.stop();
  return broker.storage;
}

async function moved(from: MemoryLogStorage): Promise<MemoryLogStorage> {
  const to = new MemoryLogStorage();
  // What IndexFiles have room for, their sizes don't tell.
  await importStore(exportStore(from, { maxHashSlotNum: 5_000, maxIndexNum: 20_000 }), to);
  return to;
}

describe("a stopped store", () => {
  test("arrives with every byte, size and time, and knows its sizes", async () => {
    const from = await written();
    expect(from.list("commitlog").length).toBeGreaterThan(3);
    for (const [index, { name }] of from.list("").entries()) from.setModified(name, 1_600_000_000_000.25 + index);
    const to = new MemoryLogStorage();
    expect(await importStore(exportStore(from), to)).toMatchObject(small);
    expect(contentsOf(to, brokerConfFile)).toEqual(contentsOf(from, brokerConfFile));
    const times = (storage: MemoryLogStorage) =>
      storage
        .list("")
        .filter(({ name }) => name !== brokerConfFile)
        .map(({ name, modifiedAtMs }) => [name, modifiedAtMs]);
    expect(times(to)).toEqual(times(from));
    // Zeros take no memory where they take none at home.
    const pieces = (storage: MemoryLogStorage) =>
      [...storage.files]
        .filter(([name]) => name !== brokerConfFile)
        .reduce((sum, [, file]) => sum + file.pieces.size, 0);
    expect(pieces(to)).toBeLessThanOrEqual(pieces(from));
  });

  test("is opened by a broker of other sizes with its own, and goes on", async () => {
    const storage = await moved(await written());
    const broker = await MemoryBroker.start({}, storage);
    const client = broker.connect();
    const before = storage.list("commitlog").length;
    for (let i = 300; i < 400; i++) await client.send("Moved", `message ${i} ${"x".repeat(900)}`);
    await broker.stop();
    expect(storage.list("commitlog").length).toBeGreaterThan(before);
    expect(new Set(storage.list("commitlog").map(({ sizeBytes }) => sizeBytes))).toEqual(new Set([64 * 1024]));
    expect(broker.logged.filter((line) => !line.startsWith("info"))).toEqual([]);
  });

  test("arrives through a storage that takes its time, in pieces of any size", async () => {
    const from = await written();
    const archive = await concatenated(exportStore(new WaitingStorage(from)));
    for (const size of [1, 511, 100_000]) {
      const to = new MemoryLogStorage();
      await importStore(inPieces(archive, size), size === 1 ? to : new WaitingStorage(to));
      expect(contentsOf(to, brokerConfFile)).toEqual(contentsOf(from, brokerConfFile));
    }
  });

  test("holds no run of 4 KiB of zeros, and files of their full size whatever the host keeps", async () => {
    const from = new MemoryLogStorage();
    from.create("commitlog/00000000000000000000", 10_000);
    from.write([{ file: "commitlog/00000000000000000000", at: 5_000, bytes: Uint8Array.of(1, 2, 3) }]);
    from.create("consumequeue/T/0/00000000000000000000", 0);
    const archive = await concatenated(exportStore(from, { mappedFileSizeCommitLog: 2 ** 30, ...settings(6_000_000) }));
    expect(archive.length).toBeLessThan(20_000);
    const files = [];
    for await (const { name, sizeBytes, data } of readTar(inPieces(archive, 777))) {
      const runs = [];
      for await (const { at, bytes } of data) runs.push([at, bytes.length]);
      files.push({ name, sizeBytes, first: runs[0]?.[0] });
    }
    expect(files).toEqual([
      { name: brokerConfFile, sizeBytes: expect.any(Number), first: 0 },
      { name: "consumequeue/T/0/00000000000000000000", sizeBytes: 6_000_000, first: undefined },
      { name: "commitlog/00000000000000000000", sizeBytes: 2 ** 30, first: 4096 },
    ]);
  });

  test("keeps what else its broker.conf says, but for the place it was in", async () => {
    const from = await moved(await written());
    const conf = "messageDelayLevel=3s 5s\nstorePathRootDir=/elsewhere\nmaxIndexNum = 400\n";
    from.delete(brokerConfFile);
    from.create(brokerConfFile, 0);
    from.write([{ file: brokerConfFile, at: 0, bytes: new TextEncoder().encode(conf) }]);
    const to = new MemoryLogStorage();
    expect(await importStore(exportStore(from, { brokerName: "moved" }), to)).toMatchObject({
      ...small,
      brokerName: "moved",
      messageDelayLevel: "3s 5s",
    });
    const bytes = new Uint8Array(4096);
    const text = bytes.subarray(0, to.read(brokerConfFile, 0, bytes));
    expect(Object.fromEntries(parseBrokerConf(text))).toEqual({
      brokerName: "moved",
      brokerClusterName: "DefaultCluster",
      brokerId: "0",
      autoCreateTopicEnable: "true",
      mappedFileSizeCommitLog: "65536",
      mappedFileSizeConsumeQueue: "2000",
      mapperFileSizeBatchConsumeQueue: "13800000",
      maxHashSlotNum: "5000000",
      maxIndexNum: "400",
      maxMessageSize: "4194304",
      messageDelayLevel: "3s 5s",
    });
  });

  test("is not exported with sizes that are not its own", async () => {
    const from = await written();
    for (const wrong of [
      { mappedFileSizeCommitLog: 32 * 1024 },
      { mappedFileSizeCommitLog: 2 ** 30 },
      settings(4_000),
    ]) {
      await expect(concatenated(exportStore(from, wrong))).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
    }
  });
});

describe("a store in use", () => {
  test("is exported as a kill -9 would leave it: recovered, with all that was acknowledged before", async () => {
    const broker = await MemoryBroker.start({ store: small });
    const client = broker.connect();
    for (let i = 0; i < 100; i++) await client.send("Live", `${i} ${"x".repeat(500)}`);
    const to = new MemoryLogStorage();
    let sent = 100;
    // Messages keep coming, to the same topic and to new ones, while it is read.
    const busy = async function* (): AsyncGenerator<Uint8Array> {
      for await (const piece of exportStore(broker.storage)) {
        yield piece;
        await client.send("Live", `${sent++} ${"x".repeat(500)}`);
        await client.send(`Live${sent % 7}`, "new");
      }
    };
    await importStore(busy(), to);
    await broker.stop();
    expect(sent).toBeGreaterThan(110);
    expect(to.files.has("abort")).toBe(true);
    const again = await MemoryBroker.start({}, copyOf(to));
    const pulled = await queueEnd(again, "Live");
    expect(pulled).toBeGreaterThanOrEqual(100);
    expect(pulled).toBeLessThanOrEqual(sent);
    // Every record is in place: nothing was damaged, nothing is of a topic that nobody would find.
    expect(again.logged.filter((line) => line.startsWith("error"))).toEqual([]);
    await again.stop();
  });
});

/** Messages in all queues of a topic. */
async function queueEnd(broker: MemoryBroker, topic: string): Promise<number> {
  let sum = 0;
  for (let queueId = 0; queueId < 4; queueId++) {
    const { fields } = await broker.connect().request(30, { topic, queueId: String(queueId) });
    sum += Number(fields["offset"]);
  }
  return sum;
}
