/** Stores that Apache RocketMQ wrote (test/golden), opened, served and closed: nothing of theirs is lost, and nothing comes twice. */
import { describe, expect, test, vi } from "vitest";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { indices, newCore } from "../core/setup.ts";
import { goldenBrokers, goldenStores } from "../golden/data.ts";
import {
  goldenCommitLog,
  goldenFile,
  goldenMessages,
  goldenPaths,
  goldenRecords,
  goldenSettings,
  putGolden,
} from "../golden/golden.ts";
import { MemoryBroker } from "../lib/memory-broker.ts";
import type { RemotingClient } from "../lib/remoting-client.ts";

// A store of a broker has a timer wheel of 38 MB.
vi.setConfig({ testTimeout: 60_000 });

type Name = (typeof goldenStores)[number] | (typeof goldenBrokers)[number];

interface Served {
  readonly topic: string;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly body: string;
  readonly storeTimestamp: number;
  readonly bornTimestamp: number;
  /** More than one for a batch in one record. */
  readonly messages: number;
}

const core = newCore();
const region = core.allocate(1 << 20);

async function opened(name: Name) {
  const storage = new MemoryLogStorage();
  await putGolden(storage, name);
  const broker = await MemoryBroker.start({}, storage);
  return { storage, broker, client: broker.connect() };
}

/** What stands in the queues of a store, by `topic/queue`: not what is part of a transaction. */
function queuesOf(name: Name): Map<string, Served[]> {
  const log = goldenCommitLog(name);
  const { mappedFileSizeCommitLog } = goldenSettings(name);
  region.bytes.set(log);
  const queues = new Map<string, Served[]>();
  for (let start = 0; start < log.length; start += mappedFileSizeCommitLog!) {
    const scan = core.scanRecords(region, start, start + mappedFileSizeCommitLog!, start);
    for (const at of indices(scan.count).map((index) => scan.at(index))) {
      const record = core.decodeRecord(region, at, log.length)!;
      const isVisible = (record.sysFlag & 0xc) === 0 || (record.sysFlag & 0xc) === 8;
      if (!isVisible) continue;
      const queue = `${record.topic}/${record.queueId}`;
      queues.set(queue, [...(queues.get(queue) ?? []), servedOf(record)]);
    }
  }
  return queues;
}

function servedOf(record: NonNullable<ReturnType<typeof core.decodeRecord>>): Served {
  const { topic, queueOffset, physicalOffset, storeTimestamp, bornTimestamp } = record;
  return {
    topic,
    queueOffset,
    physicalOffset,
    storeTimestamp,
    bornTimestamp,
    messages: Number(record.properties.split("INNER_NUM\u0001")[1]?.split("\u0002")[0] ?? 1),
    body: new TextDecoder().decode(record.body),
  };
}

async function all(client: RemotingClient, topic: string, queueId: number, subscription = "*"): Promise<Served[]> {
  const found: Served[] = [];
  for (let offset = 0; ; ) {
    const answer = await client.pull("G", topic, queueId, offset, { subscription });
    if (answer.code === 19) return found;
    expect([0, 20, 21], `${topic}/${queueId}: ${answer.remark}`).toContain(answer.code);
    region.bytes.set(answer.body);
    for (let at = 0; at < answer.body.length; at += core.recordSize(region, at)) {
      found.push(servedOf(core.decodeRecord(region, at, answer.body.length)!));
    }
    offset = Number(answer.fields["nextBeginOffset"]);
  }
}

describe.each([...goldenStores, ...goldenBrokers])("%s", (name) => {
  test("every message is served, in its place", async () => {
    const { broker, client } = await opened(name);
    const queues = queuesOf(name);
    expect(queues.size).toBeGreaterThan(0);
    for (const [queue, expected] of queues) {
      const [topic, queueId] = queue.split("/") as [string, string];
      const served = await all(client, topic, Number(queueId));
      // Behind them may stand what was delayed and is due.
      expect(served.slice(0, expected.length), queue).toEqual(expected);
      let next = 0;
      for (const { queueOffset, messages } of served) {
        expect(queueOffset, queue).toBe(next);
        next += messages;
      }
    }
    await broker.stop();
    const troubles = broker.logged.filter((line) => !line.startsWith("info"));
    expect(troubles.filter((line) => !/has no config|is another one/.test(line))).toEqual([]);
  });

  test("what is not served here stays as it is, through an open and a close", async () => {
    const { storage, broker } = await opened(name);
    await broker.stop();
    const kept = ["batchconsumequeue", "consumequeue_ext", "config/transaction"];
    kept.push(
      "config/consumerFilter",
      "config/consumerOrderInfo",
      "config/topicQueueMapping",
      "config/messageRequestMode",
    );
    const paths = goldenPaths(name, "").filter((path) => kept.some((start) => path.startsWith(`${name}/${start}`)));
    if (name.startsWith("broker")) expect(paths.length).toBeGreaterThan(4);
    for (const path of paths) {
      const expected = goldenFile(path);
      const bytes = new Uint8Array(expected.length + 1);
      expect(storage.readNow(path.slice(name.length + 1), 0, bytes), path).toBe(expected.length);
      expect(
        expected.findIndex((byte, at) => byte !== bytes[at]),
        path,
      ).toBe(-1);
    }
  });
});

test.each(goldenStores)("%s: what was sent is what is in its queues", (name) => {
  const queues = queuesOf(name);
  const sent = goldenRecords(name);
  const visible = sent.filter(({ sysFlag }) => (sysFlag & 0xc) % 8 === 0);
  expect([...queues.values()].flat()).toHaveLength(visible.length);
  for (const { topic, queueId, queueOffset, body } of visible) {
    const stored = queues.get(`${topic}/${queueId}`)!.find((one) => one.queueOffset === queueOffset);
    expect(stored).toMatchObject({ body: new TextDecoder().decode(bytesOf(body)), queueOffset });
  }
});

describe.each(goldenBrokers)("%s, a broker's", (name) => {
  test("what clients sent is served where Apache told them that it stands", async () => {
    const { broker, client } = await opened(name);
    const sent = goldenMessages(name);
    expect(sent.length).toBeGreaterThan(10);
    for (const { topic, queueId, queueOffset, physicalOffset, text } of sent) {
      const [found] = (await all(client, topic, queueId)).filter((one) => one.queueOffset === queueOffset);
      expect(found).toMatchObject({ physicalOffset, ...(text === null ? {} : { body: text }) });
    }
    await broker.stop();
  });

  test("what Apache had delivered is not delivered again", async () => {
    const { broker, client } = await opened(name);
    const delivered = (await all(client, "GoldenDelay", 0)).filter(({ body }) => body === "delayed");
    expect(delivered).toHaveLength(1);
    await broker.stop();
  });

  test("groups go on where they were", async () => {
    const { broker, client } = await opened(name);
    const offsets = await Promise.all(
      [0, 1].map(async (queueId) => {
        const query = { consumerGroup: "GoldenGroup", topic: "Golden", queueId: String(queueId) };
        return Number((await client.request(14, query)).fields["offset"]);
      }),
    );
    expect(offsets).toEqual([2, 6]);
    await broker.stop();
  });

  test("config files that are written again keep all that Apache wrote into them", async () => {
    const { storage, broker, client } = await opened(name);
    await client.send("NewTopic", "hello");
    await client.consume("NewGroup", { NewTopic: "*" });
    const commit = { consumerGroup: "NewGroup", topic: "NewTopic", queueId: "0", commitOffset: "1" };
    expect((await client.request(15, commit)).code).toBe(0);
    await broker.stop();
    const textOf = (file: string) => {
      const bytes = new Uint8Array(100_000);
      return new TextDecoder().decode(bytes.subarray(0, storage.readNow(file, 0, bytes)));
    };
    const apaches = (file: string) => relaxed(new TextDecoder().decode(goldenFile(`${name}/config/${file}`)));
    const ours = (file: string) => relaxed(textOf(`config/${file}`));

    const topics = [apaches("topics.json"), ours("topics.json")];
    expect(topics[1].topicConfigTable).toMatchObject(topics[0].topicConfigTable);
    expect(topics[1].topicConfigTable.GoldenFifo.attributes).toEqual({ "message.type": "FIFO" });
    expect(topics[1].topicConfigTable.NewTopic).toBeDefined();
    expect(topics[1].dataVersion.counter).toBeGreaterThan(topics[0].dataVersion.counter);

    const groups = [apaches("subscriptionGroup.json"), ours("subscriptionGroup.json")];
    expect(groups[1].subscriptionGroupTable).toMatchObject(groups[0].subscriptionGroupTable);
    expect(groups[1].forbiddenTable).toEqual(groups[0].forbiddenTable);
    expect(groups[1].subscriptionGroupTable.NewGroup).toBeDefined();
    expect(textOf("config/subscriptionGroup.json")).toContain('"version":1700000000123456789');

    const offsets = [apaches("consumerOffset.json"), ours("consumerOffset.json")];
    expect(offsets[1].offsetTable).toMatchObject(offsets[0].offsetTable);
    expect(offsets[1].offsetTable["NewTopic@NewGroup"]).toEqual({ 0: 1 });
    // What was parked when the store was made is due two hours later at the latest.
    const delayed: Record<string, number> = ours("delayOffset.json").offsetTable;
    for (const [level, offset] of Object.entries<number>(apaches("delayOffset.json").offsetTable)) {
      expect(delayed[level]).toBeGreaterThanOrEqual(offset);
    }
  });
});

test("store_ext: a tag is found although the units carry places in an extension", async () => {
  const { broker, client } = await opened("store_ext");
  // With those that have others: consumers look at the tags themselves.
  expect((await all(client, "TopicA", 0, "TagA")).map(({ body }) => body)).toContain("with-tags");
  await broker.stop();
});

function relaxed(text: string) {
  return JSON.parse(text.replaceAll(/^(\t*)(\d+):/gm, '$1"$2":'));
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
