/** Queues of inner batches, looked at by a check and put right by a repair: each field of each unit is compared with its record. */
import { beforeAll, describe, expect, test } from "vitest";
import type { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { copyOf, MemoryBroker } from "../lib/memory-broker.ts";
import { encodeBatch, messagesOf, succeeded } from "../lib/remoting-client.ts";
import { checked, flipped, repaired, smallSizes } from "../lib/small-store.ts";

const topic = "B";
const sizes = { ...smallSizes, mapperFileSizeBatchConsumeQueue: 46 * 5 };
const folder = `batchconsumequeue/${topic}/0`;
const lastFile = `${folder}/${String(3 * 46 * 5).padStart(20, "0")}`;
const unitBytes = 46;
const batches = 18;

let storage: MemoryLogStorage;
let records: readonly string[];

/** The records that a broker serves of the queue, by their first offsets. */
async function servedOf(from: MemoryLogStorage): Promise<string[]> {
  const broker = await MemoryBroker.start({ store: sizes }, from);
  try {
    const client = broker.connect();
    const found: string[] = [];
    for (let offset = 0; ; ) {
      const answer = await client.pull("G", topic, 0, offset, { subscription: "*" });
      if (answer.code === 19) return found;
      found.push(
        ...messagesOf(answer).map(({ queueOffset, properties }) => `${queueOffset} ${properties["UNIQ_KEY"]}`),
      );
      offset = Number(answer.fields["nextBeginOffset"]);
    }
  } finally {
    await broker.stop();
  }
}

beforeAll(async () => {
  const broker = await MemoryBroker.start({ store: sizes });
  const client = broker.connect();
  const config = { topic, defaultTopic: "TBW102", readQueueNums: 1, writeQueueNums: 1, perm: 6, order: false };
  const more = { topicFilterType: "SINGLE_TAG", topicSysFlag: 0, attributes: "+queue.type=BatchCQ" };
  succeeded(await client.request(17, { ...config, ...more }));
  for (let i = 0; i < batches; i++) {
    const header = { a: "PG", b: topic, c: "TBW102", d: "4", e: "0", f: "0", g: "0", h: "0", m: "true" };
    const items = Array.from({ length: 1 + (i % 4) }, (_, j) => ({ body: `${i}-${j}` }));
    succeeded(await client.request(320, { ...header, i: `UNIQ_KEY\u0001K${i}\u0002` }, encodeBatch(items)));
  }
  await broker.stop();
  storage = broker.storage;
  records = await servedOf(copyOf(storage));
  expect(records).toHaveLength(batches);
});

const wrongIn = async (store: MemoryLogStorage) =>
  (await checked(store, sizes)).findings.filter(({ severity }) => severity !== "note").map(({ code }) => code);

test("a store as it was left is sound", async () => {
  expect(await checked(storage, sizes)).toMatchObject({
    severity: "none",
    findings: [],
    records: batches,
    units: batches,
  });
});

describe.each([
  ["physical offset", 6],
  ["size", 10],
  ["tags code", 19],
  ["store time", 26],
  ["base offset, far off", 29],
  ["base offset, near", 35],
  ["count, far off", 36],
  ["count, near", 37],
])("a bit of the %s of a unit", (_, at) => {
  test.each([
    ["the first", `${folder}/00000000000000000000`, 0],
    ["one in between", `${folder}/00000000000000000230`, 2],
    ["the last", lastFile, (batches - 1) % 5],
  ])("of %s: a check tells, nothing is missing, and a repair makes it right", async (_which, file, unit) => {
    for (const bit of [0, 2]) {
      const damaged = flipped(storage, file, unit * unitBytes + at, bit);
      expect(await wrongIn(damaged), `bit ${bit}`).toContain("UNIT_WRONG");
      expect(await servedOf(copyOf(damaged)), `bit ${bit}`).toEqual(records);
      await repaired(damaged, sizes);
      expect(await wrongIn(damaged), `bit ${bit}`).toEqual([]);
      expect(await servedOf(damaged), `bit ${bit}`).toEqual(records);
    }
  });
});

test("units that are missing, or behind the end, are told, and a repair makes the queue anew", async () => {
  const missing = copyOf(storage);
  missing.delete(lastFile);
  expect(await wrongIn(missing)).toContain("UNIT_MISSING");
  const stray = copyOf(storage);
  stray.write([{ file: lastFile, at: 4 * unitBytes + 3, bytes: Uint8Array.of(1) }]);
  expect(await wrongIn(stray)).toContain("UNIT_STRAY");
  const short = copyOf(storage);
  short.delete(lastFile);
  short.create(lastFile, 100);
  expect(await wrongIn(short)).toContain("QUEUE_FILE_UNUSABLE");
  for (const damaged of [missing, stray, short]) {
    await repaired(damaged, sizes);
    expect(await wrongIn(damaged)).toEqual([]);
    expect(await servedOf(damaged)).toEqual(records);
  }
});

test("a batch whose record is damaged is told as lost, with all its messages", async () => {
  const damaged = flipped(storage, "commitlog/00000000000000000000", 700, 1);
  const { findings } = await checked(damaged, sizes);
  const lost = findings.filter(({ code }) => code === "MESSAGE_LOST");
  expect(lost).toMatchObject([{ topic, queueId: 0, count: 1 + (lost[0]!.queueOffset === 3 ? 2 : 1) }]);
  await repaired(damaged, sizes);
  expect((await checked(damaged, sizes)).findings.map(({ code }) => code)).not.toContain("MESSAGE_LOST");
  expect(await servedOf(damaged)).toHaveLength(batches - 1);
});
