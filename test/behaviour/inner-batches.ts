import { beforeEach, describe, expect, test } from "vitest";
import type { LogStorage } from "../../src/ports/log-storage.ts";
import { pop, poppedOf } from "../lib/popping.ts";
import {
  type Answer,
  encodeBatch,
  json,
  messagesOf,
  type PulledMessage,
  type RemotingClient,
  succeeded,
} from "../lib/remoting-client.ts";
import type { HostedBroker } from "./host.ts";
import { killed, restarted, type Start } from "./start.ts";
import { deleteAll, flip, namesIn, putFile, readFile } from "./store-files.ts";

const topic = "B";
const folder = `batchconsumequeue/${topic}/0`;
const topicsFile = "config/topics.json";

/** Some 40 batches a CommitLog file, 10 units a file of the queue. */
const small = { mappedFileSizeCommitLog: 16_384, mapperFileSizeBatchConsumeQueue: 460 };

/** A record that holds whole batches: NEED_UNWRAP_FLAG and INNER_BATCH_FLAG. */
const batchFlags = 0xc0;

async function make(client: RemotingClient, name = topic): Promise<void> {
  const fields = { topic: name, defaultTopic: "TBW102", readQueueNums: 1, writeQueueNums: 1, perm: 6 };
  const more = { topicFilterType: "SINGLE_TAG", topicSysFlag: 0, order: false, attributes: "+queue.type=BatchCQ" };
  succeeded(await client.request(17, { ...fields, ...more }));
}

/** Sends a batch as 5.x producers do for such topics: with a key of its own. */
function sendBatch(client: RemotingClient, bodies: readonly string[], given: Record<string, string> = {}) {
  const header = { a: "PG", b: topic, c: "TBW102", d: "4", e: "0", f: "0", g: "1700000000000", h: "0", m: "true" };
  const body = encodeBatch(bodies.map((one) => ({ body: one, properties: { UNIQ_KEY: `K-${one}` } })));
  return client.request(320, { ...header, i: `UNIQ_KEY\u0001K-${bodies[0]}\u0002`, ...given }, body);
}

const pull = (client: RemotingClient, offset: number, given: { maxMessages?: number } = {}): Promise<Answer> =>
  client.pull("G", topic, 0, offset, { subscription: "*", ...given });

/** Bodies of the messages that a record holds, by their offsets. */
function unwrapped({ queueOffset, sysFlag, body, properties }: PulledMessage): [number, string][] {
  if ((sysFlag & batchFlags) === 0) return [[queueOffset, body]];
  expect(sysFlag & batchFlags).toBe(batchFlags);
  expect(properties["INNER_BASE"]).toBe(String(queueOffset));
  const bytes = new TextEncoder().encode(body);
  const view = new DataView(bytes.buffer);
  const found: [number, string][] = [];
  for (let at = 0; at < bytes.length; at += view.getInt32(at)) {
    const inner = new TextDecoder().decode(bytes.subarray(at + 20, at + 20 + view.getInt32(at + 16)));
    found.push([queueOffset + found.length, inner]);
  }
  expect(properties["INNER_NUM"]).toBe(String(found.length));
  return found;
}

/** All that can be consumed, by offset: pulled as a client does, from where each answer says. */
async function all(
  client: RemotingClient,
  from = 0,
  given: { maxMessages?: number } = {},
): Promise<[number, string][]> {
  const found: [number, string][] = [];
  for (let offset = from; ; ) {
    const answer = await pull(client, offset, given);
    if (answer.code === 19) return found;
    expect([0, 20, 21], answer.remark).toContain(answer.code);
    found.push(...messagesOf(answer).flatMap(unwrapped));
    const next = Number(answer.fields["nextBeginOffset"]);
    expect(next).toBeGreaterThan(offset);
    offset = next;
  }
}

const ends = async (client: RemotingClient): Promise<[number, number]> => {
  const queue = { topic, queueId: "0" };
  const min = Number((await client.request(31, queue)).fields["offset"]);
  return [min, Number((await client.request(30, queue)).fields["offset"])];
};

/** Batches of 1 to 5 messages with some single ones between, 100 offsets and some; the bodies, by their offsets. */
async function fill(client: RemotingClient, count = 35): Promise<[number, string][]> {
  const sent: [number, string][] = [];
  for (let i = 0; i < count; i++) {
    const bodies = Array.from({ length: 1 + ((i * 7) % 5) }, (_, j) => `${i}-${j}-`.padEnd(20, "x"));
    if (i % 6 === 5) bodies.splice(1);
    const answer = i % 6 === 5 ? await client.send(topic, bodies[0]!) : succeeded(await sendBatch(client, bodies));
    expect(answer.fields["queueOffset"]).toBe(String(sent.length));
    for (const body of bodies) sent.push([sent.length, body]);
  }
  return sent;
}

async function queueFiles(storage: LogStorage): Promise<string[]> {
  const names = await namesIn(storage, folder);
  return Promise.all(names.sort().map(async (name) => `${name} ${(await readFile(storage, name)).toString()}`));
}

export function describeInnerBatches(start: Start): void {
  describe("inner batches (queue.type=BatchCQ)", () => {
    let broker: HostedBroker;
    let client: RemotingClient;

    beforeEach(async () => {
      ({ broker, client } = await start({ store: small }));
      await make(client);
    });

    test("a batch is one record, whose messages have offsets in a row", async () => {
      const sent = succeeded(await sendBatch(client, ["a", "b", "c"]));
      expect(sent.fields).toMatchObject({ queueOffset: "0", batchUniqId: "K-a", transactionId: "K-a", queueId: "0" });
      expect(sent.fields["msgId"]).toBe(`${broker.storeHost}0000000000000000`);
      expect((await client.send(topic, "d")).fields).toMatchObject({ queueOffset: "3" });
      expect((await sendBatch(client, ["e", "f"])).fields).toMatchObject({ queueOffset: "4" });
      const answer = await pull(client, 0);
      expect(answer).toMatchObject({ code: 0, fields: { nextBeginOffset: "6", minOffset: "0", maxOffset: "6" } });
      const records = messagesOf(answer);
      expect(records.map(({ queueOffset, sysFlag }) => [queueOffset, sysFlag])).toEqual([
        [0, batchFlags],
        [3, 0],
        [4, batchFlags],
      ]);
      expect(records[0]!.properties).toMatchObject({ UNIQ_KEY: "K-a", CLUSTER: "DefaultCluster", INNER_NUM: "3" });
      expect(records.flatMap(unwrapped).map(([, body]) => body)).toEqual(["a", "b", "c", "d", "e", "f"]);
    });

    test("a batch without a key of its own becomes single messages", async () => {
      const sent = succeeded(await sendBatch(client, ["a", "b"], { i: "" }));
      expect(sent.fields["batchUniqId"]).toBeUndefined();
      expect(sent.fields["msgId"]?.split(",")).toHaveLength(2);
      expect(messagesOf(await pull(client, 0)).map(({ queueOffset, body }) => [queueOffset, body])).toEqual([
        [0, "a"],
        [1, "b"],
      ]);
      expect(await all(client, 1)).toEqual([[1, "b"]]);
    });

    test("an offset within a batch brings the batch, and the next read goes on behind it", async () => {
      await sendBatch(client, ["a", "b", "c"]);
      await sendBatch(client, ["d", "e"]);
      for (const offset of [1, 2]) {
        const answer = await pull(client, offset, { maxMessages: 1 });
        expect(messagesOf(answer).map(({ queueOffset }) => queueOffset)).toEqual([0]);
        expect(answer.fields["nextBeginOffset"]).toBe("3");
      }
      expect(await pull(client, 5)).toMatchObject({ code: 19, fields: { nextBeginOffset: "5" } });
      expect(await pull(client, 6)).toMatchObject({ code: 21, fields: { nextBeginOffset: "5" } });
    });

    test("a read brings as many messages as it asks for, and no less than one record", async () => {
      for (const [i, count] of [3, 3, 3].entries()) {
        await sendBatch(
          client,
          Array.from({ length: count }, (_, j) => `${i}${j}`),
        );
      }
      const counts = await Promise.all(
        [1, 3, 5, 6, 8, 9, 32].map(async (maxMessages) => messagesOf(await pull(client, 0, { maxMessages })).length),
      );
      expect(counts).toEqual([1, 1, 1, 2, 2, 3, 3]);
    });

    test.each([
      ["what is no batch", (body: Uint8Array) => body.subarray(0, body.length - 1)],
      ["an empty batch", () => new Uint8Array(0)],
    ])("%s is refused, and takes no offsets", async (_, change) => {
      const header = { a: "PG", b: topic, c: "TBW102", d: "4", e: "0", f: "0", g: "0", h: "0", m: "true" };
      const body = change(encodeBatch([{ body: "a" }, { body: "b" }]));
      expect((await client.request(320, { ...header, i: "UNIQ_KEY\u0001K\u0002" }, body)).code).toBe(13);
      expect(await ends(client)).toEqual([0, 0]);
    });

    test("what records of batches say nobody else may", async () => {
      expect(await client.trySend(topic, "a", { sysFlag: 0x80 })).toMatchObject({ code: 13 });
      expect(await client.trySend(topic, "a", { properties: { INNER_NUM: "5" } })).toMatchObject({ code: 13 });
      expect(await client.trySend("T", "a", { properties: { INNER_NUM: "5" } })).toMatchObject({ code: 13 });
    });

    test("a batch is popped and acknowledged by its first offset, and what is not acknowledged comes again one by one", async () => {
      await sendBatch(client, ["a", "b", "c"]);
      await sendBatch(client, ["d", "e"]);
      const first = poppedOf("G", succeeded(await pop(client, "G", topic, { invisibleMs: 1_500, max: 5 })));
      expect(first.map(({ queueOffset }) => queueOffset)).toEqual([0, 3]);
      const { queueOffset, handle } = first[1]!;
      const ack = { consumerGroup: "G", topic, queueId: "0", offset: String(queueOffset), extraInfo: handle };
      succeeded(await client.request(200_051, ack));
      const again: string[] = [];
      while (again.length < 3) {
        const answer = await pop(client, "G", topic, { pollMs: 20_000 });
        if (answer.code !== 0) continue;
        for (const message of poppedOf("G", answer)) {
          again.push(message.body);
          expect(message).toMatchObject({ realTopic: `%RETRY%G_${topic}`, reconsumeTimes: 1 });
          expect(message.properties).toMatchObject({ UNIQ_KEY: `K-${message.body}`, ORIGIN_GROUP: "G" });
          expect(message.sysFlag & batchFlags).toBe(0);
        }
      }
      expect(again.sort()).toEqual(["a", "b", "c"]);
    });

    test("a popped batch stays its consumer's over a kill", async () => {
      await sendBatch(client, ["a", "b", "c"]);
      expect(poppedOf("G", succeeded(await pop(client, "G", topic)))).toHaveLength(1);
      const again = await killed(broker);
      await sendBatch(again, ["d"]);
      const others = poppedOf("G", succeeded(await pop(again, "G", topic)));
      expect(others.map(({ queueOffset }) => queueOffset)).toEqual([3]);
    });

    test("in order the batch behind an acknowledged one is next", async () => {
      await sendBatch(client, ["a", "b", "c"]);
      await sendBatch(client, ["d", "e"]);
      for (const [offset, count] of [
        [0, 1],
        [3, 1],
      ]) {
        const [message, ...more] = poppedOf("G", succeeded(await pop(client, "G", topic, { order: true, max: 1 })));
        expect([message!.queueOffset, more.length + 1]).toEqual([offset, count]);
        const fields = { consumerGroup: "G", topic, queueId: "0", offset: String(offset), extraInfo: message!.handle };
        succeeded(await client.request(200_051, fields));
      }
    });

    test("a batch is not sent back whole: its client sends back the one message of it that failed", async () => {
      await sendBatch(client, ["a", "b", "c"]);
      const fields = {
        offset: "0",
        group: "G",
        delayLevel: "1",
        originMsgId: "K-b",
        originTopic: topic,
        unitMode: "false",
      };
      const refused = await client.request(36, { ...fields, maxReconsumeTimes: "16" });
      expect(refused).toMatchObject({ code: 1, remark: expect.stringContaining("MESSAGE_ILLEGAL") });
    });

    test("a batch is neither delayed nor of a transaction", async () => {
      for (const i of ["DELAY\u00013\u0002", "TIMER_DELAY_MS\u00013000\u0002"]) {
        expect((await sendBatch(client, ["a"], { i: `UNIQ_KEY\u0001K\u0002${i}` })).code).toBe(13);
      }
      expect((await sendBatch(client, ["a"], { f: "4" })).code).toBe(13);
      const claims = "UNIQ_KEY\u0001K\u0002INNER_NUM\u00019\u0002INNER_BASE\u00017\u0002";
      expect((await sendBatch(client, ["a", "b"], { i: claims })).fields["queueOffset"]).toBe("0");
      expect(messagesOf(await pull(client, 0)).flatMap(unwrapped)).toHaveLength(2);
    });

    test("an offset by time is that of a batch's first message, or its last", async () => {
      const times: number[] = [];
      for (const bodies of [["a", "b", "c"], ["d"], ["e", "f"]]) {
        await sendBatch(client, bodies);
        times.push(messagesOf(await pull(client, (await ends(client))[1] - 1))[0]!.storeTimestamp);
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
      const offset = async (timestamp: number, boundaryType: string): Promise<number> =>
        Number((await client.request(29, { topic, queueId: 0, timestamp, boundaryType })).fields["offset"]);
      expect(await Promise.all(times.map((time) => offset(time, "LOWER")))).toEqual([0, 3, 4]);
      expect(await Promise.all(times.map((time) => offset(time, "UPPER")))).toEqual([2, 3, 5]);
      expect(await offset(times[0]! - 10, "LOWER")).toBe(0);
      expect(await offset(times[2]! + 10, "LOWER")).toBe(6);
    });

    test("many batches are read from every offset, across files", async () => {
      const sent = await fill(client);
      expect(await all(client)).toEqual(sent);
      expect(await all(client, 0, { maxMessages: 1 })).toEqual(sent);
      for (let from = 0; from < sent.length; from += 3) {
        const [first] = messagesOf(await pull(client, from, { maxMessages: 1 }));
        expect(unwrapped(first!)).toContainEqual(sent[from]);
      }
    });

    test.each(["stop", "kill"] as const)("all is there after a %s, and offsets go on", async (end) => {
      const sent = await fill(client);
      const again = await (end === "stop" ? restarted : killed)(broker);
      expect(await all(again)).toEqual(sent);
      expect((await sendBatch(again, ["z1", "z2"])).fields["queueOffset"]).toBe(String(sent.length));
      expect((await all(again, sent.length)).map(([, body]) => body)).toEqual(["z1", "z2"]);
      const last = await (end === "stop" ? killed : restarted)(broker);
      expect(await all(last)).toHaveLength(sent.length + 2);
    });

    test("the queue's files are made again from the CommitLog, byte for byte", async () => {
      const sent = await fill(client);
      await broker.stop();
      const before = await broker.files(queueFiles);
      expect(before.length).toBeGreaterThan(2);
      await broker.start();
      const again = await killed(broker, (storage) => deleteAll(storage, "batchconsumequeue/", "checkpoint"));
      expect(await all(again)).toEqual(sent);
      await broker.stop();
      expect(await broker.files(queueFiles)).toEqual(before);
    });

    test.each([
      ["physical offset", 7],
      ["size", 11],
      ["base offset", 35],
      ["count", 37],
    ])("a unit whose %s has a flipped bit is made again by the next start", async (_, at) => {
      const sent = await fill(client, 25);
      await broker.stop();
      const before = await broker.files(queueFiles);
      await broker.start();
      const again = await restarted(broker, (storage) => flip(storage, `${folder}/00000000000000000460`, 46 * 4 + at));
      expect(await all(again)).toEqual(sent);
      await broker.stop();
      expect(await broker.files(queueFiles)).toEqual(before);
    });

    test("a torn end of the CommitLog takes the batch that stood there, whole, and its offsets are given again", async () => {
      await sendBatch(client, ["a", "b"]);
      await sendBatch(client, ["c", "d", "e"]);
      const [, last] = messagesOf(await pull(client, 0));
      const again = await killed(broker, (storage) =>
        storage.write([
          { file: "commitlog/00000000000000000000", at: last!.physicalOffset + 60, bytes: new Uint8Array(16_000) },
        ]),
      );
      expect((await all(again)).map(([, body]) => body)).toEqual(["a", "b"]);
      expect((await sendBatch(again, ["f", "g"])).fields["queueOffset"]).toBe("2");
      expect((await all(again)).map(([, body]) => body)).toEqual(["a", "b", "f", "g"]);
    });

    test("a damaged batch in the middle is passed over, and told; those behind it keep their offsets", async () => {
      await sendBatch(client, ["a", "b"]);
      await sendBatch(client, ["c", "d", "e"]);
      await sendBatch(client, ["f"]);
      const [, middle] = messagesOf(await pull(client, 0));
      const log = "commitlog/00000000000000000000";
      const again = await killed(broker, async (storage) => {
        await flip(storage, log, middle!.physicalOffset + 100);
        await deleteAll(storage, "batchconsumequeue/", "checkpoint");
      });
      expect((await all(again)).map(([offset, body]) => [offset, body])).toEqual([
        [0, "a"],
        [1, "b"],
        [5, "f"],
      ]);
      expect(broker.logged.join()).toMatch(/messages are lost/);
      expect(messagesOf(await pull(again, 3))[0]).toMatchObject({ queueOffset: 5 });
      expect((await sendBatch(again, ["g"])).fields["queueOffset"]).toBe("6");
    });

    test("what is expired goes, with the queue's files, and the minimum follows", async () => {
      const store = { ...small, fileReservedTimeMs: 0, deleteWhen: [], cleanResourceIntervalMs: 600_000 };
      ({ broker, client } = await start({ store }));
      await make(client);
      const sent = await fill(client, 150);
      succeeded(await client.request(329));
      await expect.poll(async () => (await ends(client))[0], { timeout: 4_000 }).toBeGreaterThan(sent.length / 2);
      const [min, max] = await ends(client);
      expect(max).toBe(sent.length);
      expect(await pull(client, 0)).toMatchObject({ code: 21, fields: { nextBeginOffset: String(min) } });
      expect(await all(client, min)).toEqual(sent.slice(min));
      const again = await restarted(broker, async (storage) => {
        const names = await namesIn(storage, folder);
        expect(names.length).toBeLessThan(10);
        expect(names.every((name) => !name.endsWith("/00000000000000000000"))).toBe(true);
      });
      expect(await ends(again)).toEqual([min, max]);
      expect(await all(again, min)).toEqual(sent.slice(min));
      const last = await killed(broker, (storage) => deleteAll(storage, "batchconsumequeue/", "checkpoint"));
      expect(await ends(last)).toEqual([min, max]);
      expect(await all(last, min)).toEqual(sent.slice(min));
    });

    test("a topic whose config is lost gets its kind of queues back; one deleted is gone, and made anew begins at 0", async () => {
      await fill(client, 5);
      const again = await killed(broker, async (storage) => {
        const topics = JSON.parse(new TextDecoder().decode(await readFile(storage, topicsFile)));
        delete topics.topicConfigTable[topic];
        await storage.delete(`${topicsFile}.bak`);
        await putFile(storage, topicsFile, JSON.stringify(topics));
      });
      expect(json(await again.request(351, { topic }))).toMatchObject({ attributes: { "queue.type": "BatchCQ" } });
      succeeded(await again.request(215, { topic }));
      const after = await restarted(broker, async (storage) => {
        expect(await namesIn(storage, "batchconsumequeue")).toEqual([]);
      });
      await make(after);
      expect((await sendBatch(after, ["n1", "n2"])).fields["queueOffset"]).toBe("0");
      const last = await killed(broker, (storage) => deleteAll(storage, "batchconsumequeue/", "checkpoint"));
      expect((await all(last)).map(([, body]) => body)).toEqual(["n1", "n2"]);
    });

    test("a store with both kinds of queues of a topic is opened by nobody", async () => {
      await fill(client, 2);
      await broker.stop();
      await broker.files((storage) => storage.create(`consumequeue/${topic}/0/00000000000000000000`, 60_000));
      await expect(broker.start()).rejects.toThrow(/STORE_UNREADABLE|queues below consumequeue and batchconsumequeue/);
    });
  });
}
