/** The index: what is in its files, what is found in it after whatever became of it, and what trouble with it costs. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { Core } from "../../src/core/core.ts";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { serverBudget, smallBudget } from "../../src/limits.ts";
import type { LogStorage } from "../../src/ports/log-storage.ts";
import { timeFileName } from "../../src/store/file-name.ts";
import { queried } from "../behaviour/queries.ts";
import { all } from "../behaviour/queues.ts";
import { deleteAll, flip, namesIn, readFile } from "../behaviour/store-files.ts";
import { coreModule } from "../core/setup.ts";
import { WaitingStorage } from "../lib/faulty-storage.ts";
import { copyOf, MemoryBroker } from "../lib/memory-broker.ts";
import { encodeBatch, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import { IndexModel } from "../model/index-file.ts";

vi.setConfig({ testTimeout: 60_000 });

const slots = 7;
const entriesMax = 40;
const fileBytes = 40 + 4 * slots + 20 * entriesMax;
const small = {
  mappedFileSizeCommitLog: 8192,
  mappedFileSizeConsumeQueue: 1000,
  maxHashSlotNum: slots,
  maxIndexNum: entriesMax,
};

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const broker of running.splice(0)) await broker.stop().catch(() => {});
});

async function startOn<S extends LogStorage>(storage: S, store: object = {}, budget = serverBudget) {
  const broker = await MemoryBroker.start({ budget, store: { ...small, ...store } }, storage);
  running.push(broker);
  return { broker, client: broker.connect() };
}

/** Sends m<from> to m<to - 1>: each with a key of its own, one that every third has, and a tag. */
async function send(client: RemotingClient, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    await client.send("T", `m${i}`, { queueId: i % 2, properties: { KEYS: `k${i} of${i % 3}`, TAGS: `t${i % 2}` } });
  }
}

/** Every message is found by its key, and nothing else is. */
async function expectFound(client: RemotingClient, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) expect(await queried(client, "T", `k${i}`), `k${i}`).toEqual([`m${i}`]);
  expect(await queried(client, "T", `k${to}`)).toEqual([]);
}

/** The files of a store's index as the twin makes them of its CommitLog. */
async function modelOf(storage: LogStorage): Promise<Uint8Array[]> {
  const core = new Core(coreModule);
  const region = core.allocate(small.mappedFileSizeCommitLog);
  const model = new IndexModel(slots, entriesMax);
  for (const [file, name] of (await namesIn(storage, "commitlog")).entries()) {
    region.bytes.set(await readFile(storage, name));
    const base = file * small.mappedFileSizeCommitLog;
    const scan = core.scanRecords(region, 0, region.byteLength, base);
    for (let i = 0; i < scan.count; i++) {
      const { topic, properties, sysFlag, physicalOffset, storeTimestamp } = core.decodeRecord(
        region,
        scan.at(i),
        region.byteLength,
      )!;
      model.put({ topic, properties, sysFlag, physicalOffset, storeTimestamp });
    }
  }
  return model.files.map(({ bytes }) => bytes);
}

async function indexOf(storage: LogStorage): Promise<Uint8Array[]> {
  return Promise.all((await namesIn(storage, "index")).map((name) => readFile(storage, name)));
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Storages whose batches are whole, and others, that take their time. */
const storages = [
  { name: "whole batches", make: (inner: MemoryLogStorage): LogStorage => inner },
  { name: "a storage that waits", make: (inner: MemoryLogStorage): LogStorage => new WaitingStorage(inner) },
];

describe.each(storages)("on $name", ({ make }) => {
  test("the files are the twin's, byte for byte, over stops and kills", async () => {
    let inner = new MemoryLogStorage();
    let { broker, client } = await startOn(make(inner));
    await send(client, 0, 30);
    await broker.stop();
    expect(await indexOf(inner)).toEqual(await modelOf(inner));

    ({ broker, client } = await startOn(make(inner)));
    await send(client, 30, 45);
    inner = copyOf(inner);
    ({ broker, client } = await startOn(make(inner)));
    await send(client, 45, 70);
    await broker.stop();
    const files = await indexOf(inner);
    expect(files).toEqual(await modelOf(inner));
    expect(files.length).toBeGreaterThan(4);
  });

  test("a batch's messages are indexed, and so are delayed ones, where they wait and where they are delivered", async () => {
    const inner = new MemoryLogStorage();
    const { broker, client } = await startOn(make(inner));
    await client.send("T", "delayed", { properties: { KEYS: "later", DELAY: "1" } });
    expect(await queried(client, "SCHEDULE_TOPIC_XXXX", "later")).toEqual(["delayed"]);
    expect(await queried(client, "T", "later")).toEqual([]);
    const batch = encodeBatch([
      { body: "first", properties: { KEYS: "a both" } },
      { body: "second", properties: { KEYS: "b both", TAGS: "B" } },
    ]);
    const header = {
      a: "PG",
      b: "T",
      c: "TBW102",
      d: "4",
      e: "0",
      f: "0",
      g: "1700000000000",
      h: "0",
      i: "",
      m: "true",
    };
    succeeded(await client.request(320, header, batch));
    expect(await queried(client, "T", "both")).toEqual(["first", "second"]);
    expect(await queried(client, "T", "B", { indexType: "T" })).toEqual(["second"]);
    await until(async () => (await queried(client, "T", "later")).length > 0);
    expect(await queried(client, "T", "later")).toEqual(["delayed"]);
    await broker.stop();
    expect(await indexOf(inner)).toEqual(await modelOf(inner));
  });

  test("killed at any moment, all that was acked is found", async () => {
    const inner = new MemoryLogStorage();
    const store = { flushIntervalConsumeQueueMs: 3, flushConsumeQueueThoroughIntervalMs: 11 };
    const { client } = await startOn(make(inner), store);
    for (let i = 0; i < 60; i++) {
      await send(client, i, i + 1);
      if (i % 11 !== 6) continue;
      const after = await startOn(make(copyOf(inner)), store);
      await expectFound(after.client, Math.max(0, i - 12), i + 1);
      expect(await queried(after.client, "T", "of0")).toHaveLength(Math.floor(i / 3) + 1);
      await after.broker.stop();
    }
  });

  test("entries of records that are lost are dropped, through several files", async () => {
    const inner = new MemoryLogStorage();
    const first = await startOn(make(inner));
    await send(first.client, 0, 60);
    await first.broker.stop();
    const found = async (count: number) => {
      const { broker, client } = await startOn(make(inner));
      await expectFound(client, 0, count);
      await send(client, count, count + 3);
      await expectFound(client, 0, count + 3);
      await broker.stop();
      expect(await indexOf(inner)).toEqual(await modelOf(inner));
    };
    const names = await namesIn(inner, "commitlog");
    inner.delete(names.at(-1)!);
    await deleteAll(inner, "consumequeue/", "checkpoint");
    inner.create("abort", 1);
    const left = names.length - 1;
    const kept = (await modelOf(inner)).length;
    expect(kept).toBeLessThan((await namesIn(inner, "index")).length);
    const core = new Core(coreModule);
    const region = core.allocate(small.mappedFileSizeCommitLog);
    let count = 0;
    for (let file = 0; file < left; file++) {
      region.bytes.set(await readFile(inner, names[file]!));
      count += core.scanRecords(region, 0, region.byteLength, file * small.mappedFileSizeCommitLog).count;
    }
    await found(count);
  });
});

test("files of an index that is gone are made again of what recovery walks over", async () => {
  const inner = new MemoryLogStorage();
  const { client } = await startOn(inner);
  await send(client, 0, 40);
  const killed = copyOf(inner);
  await deleteAll(killed, "index/");
  const after = await startOn(new WaitingStorage(killed));
  await expectFound(after.client, 0, 40);
});

test("slots that have turned by a bit before a kill are right again after it, also on the medium", async () => {
  const inner = new MemoryLogStorage();
  const { broker, client } = await startOn(inner);
  await send(client, 0, 6);
  await broker.stop();
  const [name] = await namesIn(inner, "index");
  const whole = await readFile(inner, name!);
  for (let at = 40; at < 40 + 4 * slots; at += 3) {
    const killed = copyOf(inner);
    await flip(killed, name!, at);
    killed.create("abort", 1);
    const { broker: after } = await startOn(killed);
    await after.stop();
    expect(await readFile(killed, name!), `byte ${at}`).toEqual(whole);
    await expectFound((await startOn(killed)).client, 0, 6);
  }
});

test("of messages stored within one second those are found that were stored within the time asked for, to the millisecond", async () => {
  const { client } = await startOn(new MemoryLogStorage(), { maxIndexNum: 100 });
  const times: number[] = [];
  for (let i = 0; i < 120; i++) {
    await client.send("T", `m${i}`, { queueId: 0, properties: { KEYS: i % 4 === 0 ? "rare all" : "all" } });
    if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  for (const { storeTimestamp } of await all(client, "T")) times.push(storeTimestamp);
  expect(new Set(times).size).toBeGreaterThan(20);
  const instants = [...new Set(times)].filter((_, i) => i % 7 === 0);
  for (const beginTimestamp of [0, ...instants]) {
    for (const endTimestamp of [...instants, times.at(-1)! + 1]) {
      for (const [key, every] of [
        ["all", 1],
        ["rare", 4],
      ] as const) {
        const expected = times.flatMap((time, i) =>
          i % every === 0 && time >= beginTimestamp && time <= endTimestamp ? [`m${i}`] : [],
        );
        const found = await queried(client, "T", key, { beginTimestamp, endTimestamp, maxNum: 20 });
        expect(found, `${key} ${beginTimestamp} ${endTimestamp}`).toEqual(expected.slice(-20));
      }
    }
  }
});

describe("damage", () => {
  test.each(["a clean stop", "a kill"])(
    "after %s, a turned bit crashes nothing and no answer is wrong",
    async (end) => {
      const inner = new MemoryLogStorage();
      const first = await startOn(inner);
      await send(first.client, 0, 40);
      if (end === "a clean stop") await first.broker.stop();
      const names = await namesIn(inner, "index");
      for (let at = 0; at < fileBytes; at += 37) {
        const damaged = copyOf(inner);
        for (const name of names) await flip(damaged, name, at);
        const { broker, client } = await startOn(damaged);
        let missed = 0;
        for (let i = 0; i < 40; i += 3) {
          const found = await queried(client, "T", `k${i}`);
          if (found.length === 0) missed++;
          else expect(found).toEqual([`m${i}`]);
        }
        // In each file one entry, or the time of one, may be another's.
        expect(missed, `byte ${at}`).toBeLessThanOrEqual(names.length);
        await send(client, 40, 42);
        await expectFound(client, 40, 42);
        await broker.stop();
      }
    },
  );

  test("a file of another geometry, and what is no IndexFile, are told, left alone and not read", async () => {
    const inner = new MemoryLogStorage();
    inner.create("index/20991122172523614", 8440);
    inner.create("index/notes", 5);
    const { broker, client } = await startOn(inner);
    await send(client, 0, 3);
    await expectFound(client, 0, 3);
    await broker.stop();
    expect(await namesIn(inner, "index")).toEqual([
      "index/20991122172523614",
      "index/20991122172523615",
      "index/notes",
    ]);
    expect(broker.logged.join("\n")).toMatch(/error: index\/20991122172523614 is not read: it has 8440 bytes/);
    expect(broker.logged.join("\n")).toMatch(/warn: index\/notes is no IndexFile/);
  });
});

describe("trouble", () => {
  test("an index that can't be written is told, keeps no send from being answered, and is whole after the next start", async () => {
    const storage = new WaitingStorage();
    const store = { flushIntervalConsumeQueueMs: 5, flushConsumeQueueThoroughIntervalMs: 20 };
    const { broker, client } = await startOn(storage, store);
    await send(client, 0, 20);
    storage.failsFor = /^index\//;
    await send(client, 20, 40);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(broker.logged.join("\n")).toMatch(/error: the index could not be written/);
    await expectFound(client, 0, 40);
    await broker.stop();
    expect(storage.inner.files.has("abort")).toBe(true);
    expect(broker.logged.join("\n")).toMatch(/the index may lag behind/);
    storage.failsFor = undefined;

    const again = await startOn(storage, store);
    await expectFound(again.client, 0, 40);
    await again.broker.stop();
    expect(storage.inner.files.has("abort")).toBe(false);
    expect(await indexOf(storage.inner)).toEqual(await modelOf(storage.inner));
  });

  test("with more to write than there is room for, indexing stops until the next start", async () => {
    const storage = new WaitingStorage();
    const store = { mappedFileSizeCommitLog: 4 * 1024 * 1024, maxHashSlotNum: 200_000, maxIndexNum: 4_000_000 };
    const { client, broker } = await startOn(storage, store, smallBudget);
    storage.failsFor = /^index\//;
    const hasStopped = () => /error: the index can't be written: messages are not indexed/.test(broker.logged.join());
    // 20 bytes a key: 4 MiB are 105 of these.
    const keys = Array.from({ length: 2_000 }, (_, i) => `k${i}`).join(" ");
    let sent = 0;
    for (; sent < 120 && !hasStopped(); sent++) await client.send("T", `m${sent}`, { properties: { KEYS: keys } });
    expect(hasStopped()).toBe(true);
    await client.send("T", "unindexed", { properties: { KEYS: "last" } });
    expect(await queried(client, "T", "last")).toEqual([]);
    storage.failsFor = undefined;
    await broker.stop();

    const again = await startOn(storage, store, smallBudget);
    expect(await queried(again.client, "T", "last")).toEqual(["unindexed"]);
    expect(await queried(again.client, "T", "k7", { maxNum: 1 })).toEqual([`m${sent - 1}`]);
  });

  test("messages are not indexed where it is switched off", async () => {
    const inner = new MemoryLogStorage();
    const { broker, client } = await startOn(inner, { messageIndexEnable: false });
    await send(client, 0, 3);
    expect(await queried(client, "T", "k1")).toEqual([]);
    await broker.stop();
    expect(await namesIn(inner, "index")).toEqual([]);
  });
});

test("a file's name is the time it was made at, of any year", () => {
  for (const time of [
    "1970-01-01T00:00:00.000",
    "1999-12-31T23:59:59.999",
    "2000-02-29T12:00:00.001",
    "2026-11-22T17:25:23.614",
    "2100-03-01T00:00:00.000",
  ]) {
    expect(timeFileName("index", Date.parse(`${time}Z`))).toBe(`index/${time.replaceAll(/[-:.T]/g, "")}`);
  }
});
