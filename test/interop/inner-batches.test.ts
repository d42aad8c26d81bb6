/** Topics of inner batches (queue.type=BatchCQ): the official client, requests on the wire, and a store that both brokers have in turns. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Client } from "../../src/client/client.ts";
import { tcp } from "../../src/client/tcp.ts";
import {
  encodeBatch,
  json,
  messagesOf,
  type PulledMessage,
  RemotingClient,
  succeeded,
} from "../lib/remoting-client.ts";
import { openSocket } from "../lib/socket-wire.ts";
import { JavaClients } from "./java-client.ts";
import { brokers } from "./judged.ts";
import { OnePlace, type Owner } from "./one-place.ts";
import type { RunningBroker } from "./running-broker.ts";
import { only } from "./told.ts";
import { missingTool } from "./toolchain.ts";
import { type WireClients, wireClients } from "./wire-client.ts";

const setupMs = 240_000;
const testMs = 240_000;
const version = "5.5.0";
const batchFlags = 0xc0;

/** A message that failed comes again in a second. */
const conf = "messageDelayLevel=1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s\nenabledAppendPropCRC=false\n";

describe.skipIf((await missingTool()) !== undefined).each(brokers)("$name, client 5.5.0", ({ start }) => {
  let broker: RunningBroker;
  let wire: WireClients;
  let clients: JavaClients;

  beforeAll(async () => {
    clients = await JavaClients.of(version);
    broker = await start({ conf });
    wire = await wireClients(broker);
  }, setupMs);
  afterAll(async () => {
    await clients?.close();
    wire?.client.close();
    wire?.namesrv.close();
    await broker?.close();
  }, setupMs);

  test("batches and single messages come once each, one that failed again and alone", { timeout: testMs }, async () => {
    await make(wire.client, "Inner", 1);
    const told = await clients.startModes(broker.namesrv).play("innerBatches", "Inner");
    expect(only(told, "sent")["offsets"]).toBe("[0, 5, 6, 11, 12, 17, 18, 23]");
    expect(only(told, "came")).toMatchObject({ isAll: "yes", again: "[1-2 1]", keys: 24 });
    expect(only(told, "polled")).toMatchObject({ count: 24 });
  });

  test("a producer that batches by itself #auto-batch", { timeout: testMs }, async () => {
    await make(wire.client, "Accumulated", 4);
    const told = await clients.startModes(broker.namesrv).play("innerBatchesAccumulated", "Accumulated");
    expect(only(told, "accumulated")).toMatchObject({ failures: "", came: 200, isBatched: "yes" });
  });

  test("what is answered, stored, read, popped and found, request by request", { timeout: testMs }, async () => {
    const { client } = wire;
    const topic = "Wire";
    await make(client, topic, 1);
    const items = [1, 2, 3].map((i) => ({
      body: `b${i}`,
      properties: { UNIQ_KEY: `U${i}`, KEYS: `k${i}`, TAGS: "A" },
    }));
    const send = async (given: Record<string, string>, list: Parameters<typeof encodeBatch>[0] = items) =>
      client.request(320, { ...header(topic), ...given }, encodeBatch(list));
    const keyed = (key: string, more = "") => ({ i: `UNIQ_KEY\u0001${key}\u0002WAIT\u0001true\u0002${more}` });

    const first = succeeded(await send(keyed("B1")));
    expect(first.fields).toMatchObject({ queueId: "0", queueOffset: "0", batchUniqId: "B1", transactionId: "B1" });
    const firstId = first.fields["msgId"]!;
    expect(firstId).toHaveLength(32);
    const tagged = keyed("B2", "TAGS\u0001B\u0002KEYS\u0001outer\u0002INNER_NUM\u00019\u0002");
    expect(succeeded(await send(tagged, items.slice(0, 2))).fields).toMatchObject({ queueOffset: "3" });
    const singles = succeeded(await send({ i: "" })).fields;
    expect(singles["queueOffset"]).toBe("5");
    expect(singles["msgId"]!.split(",")).toHaveLength(3);
    expect(singles["batchUniqId"]).toBeUndefined();
    expect((await client.send(topic, "single", { properties: { UNIQ_KEY: "S", TAGS: "B" } })).fields).toMatchObject({
      queueOffset: "8",
    });
    for (const refused of [keyed("B4", "DELAY\u00013\u0002"), keyed("B5", "TIMER_DELAY_MS\u00013000\u0002")]) {
      expect((await send(refused)).code).toBe(13);
    }
    expect((await client.trySend(topic, "x", { properties: { UNIQ_KEY: "S2", INNER_NUM: "5" } })).code).toBe(13);
    await expect.poll(() => maxOffset(client, topic), { timeout: 10_000 }).toBe(9);

    const pull = async (offset: number, given: { maxMessages?: number; subscription?: string } = {}) => {
      const answer = await client.pull("G", topic, 0, offset, { subscription: "*", ...given });
      const offsets = messagesOf(answer).map(({ queueOffset }) => queueOffset);
      return { offsets, next: Number(answer.fields["nextBeginOffset"]), code: answer.code };
    };
    const all = [0, 3, 5, 6, 7, 8];
    for (const offset of [0, 1, 2]) expect(await pull(offset)).toEqual({ offsets: all, next: 9, code: 0 });
    for (const offset of [3, 4]) expect((await pull(offset)).offsets).toEqual(all.slice(1));
    for (const [maxMessages, offsets, next] of [
      [1, [0], 3],
      [3, [0], 3],
      [4, [0], 3],
      [5, [0, 3], 5],
      [6, [0, 3, 5], 6],
    ] as const) {
      expect(await pull(0, { maxMessages })).toEqual({ offsets, next, code: 0 });
    }
    expect((await pull(0, { subscription: "A" })).offsets).toEqual([5, 6, 7]);
    expect(await pull(0, { subscription: "B" })).toEqual({ offsets: [3, 8], next: 9, code: 0 });
    expect((await pull(9)).code).toBe(19);
    const stored = messagesOf(await client.pull("G", topic, 0, 0, { subscription: "*" }));
    const broker1 = { MSG_REGION: "DefaultRegion", TRACE_ON: "true", CLUSTER: "DefaultCluster", WAIT: "true" };
    expect(stored[0]).toMatchObject({ sysFlag: batchFlags });
    expect(stored[0]!.properties).toEqual({ ...broker1, UNIQ_KEY: "B1", INNER_NUM: "3", INNER_BASE: "0" });
    const outer = { ...broker1, UNIQ_KEY: "B2", TAGS: "B", KEYS: "outer", INNER_NUM: "2", INNER_BASE: "3" };
    expect(stored[1]!.properties).toEqual(outer);
    expect(stored[2]).toMatchObject({ sysFlag: 0, properties: { UNIQ_KEY: "U1", KEYS: "k1", TAGS: "A" } });

    const lower = async (timestamp: number) => {
      const asked = { topic, queueId: 0, timestamp, boundaryType: "LOWER" };
      return Number(succeeded(await client.request(29, asked)).fields["offset"]);
    };
    expect(await lower(stored[0]!.storeTimestamp)).toBe(0);
    expect(await lower(stored[0]!.storeTimestamp - 1_000)).toBe(0);
    const units = json(await client.request(321, { topic, queueId: 0, index: 1, count: 3 })) as {
      queueData: unknown[];
    };
    expect(units.queueData).toMatchObject([{ tagsCode: 0 }, { tagsCode: 66 }]);
    for (const [key, unique, count] of [
      ["outer", false, 1],
      ["B1", true, 1],
      ["k1", false, 1],
    ] as const) {
      const asked = {
        topic,
        key,
        maxNum: 10,
        beginTimestamp: 0,
        endTimestamp: 9e15,
        _UNIQUE_KEY_QUERY: String(unique),
      };
      await expect
        .poll(async () => messagesOf(await client.request(12, asked)).length, { timeout: 10_000 })
        .toBe(count);
    }

    const pop = (order: boolean, group: string, max: number) =>
      client.request(200_050, {
        ...{ consumerGroup: group, topic, queueId: 0, maxMsgNums: max, invisibleTime: 60_000, pollTime: 0 },
        ...{ bornTime: Date.now(), initMode: 0, expType: "TAG", exp: "*", order: String(order) },
      });
    const popped = succeeded(await pop(false, "Pop", 8));
    expect(popped.fields["msgOffsetInfo"]).toBe("0 0 0,3,5,6,7");
    expect(succeeded(await pop(false, "Pop", 8)).fields["msgOffsetInfo"]).toBe("0 0 8");
    expect(succeeded(await pop(true, "PopInOrder", 5)).fields["msgOffsetInfo"]).toBe("0 0 0,3");

    // A batch is not sent back whole: the client sends the one message of it that failed.
    const back = {
      offset: stored[0]!.physicalOffset,
      group: "G",
      delayLevel: 1,
      originMsgId: "U1",
      originTopic: topic,
    };
    const refused = await client.request(36, { ...back, unitMode: "false", maxReconsumeTimes: 16 });
    expect(refused).toMatchObject({ code: 1, remark: expect.stringContaining("MESSAGE_ILLEGAL") });

    succeeded(await client.request(215, { topic }));
    await expect.poll(() => maxOffset(client, topic), { timeout: 10_000 }).toBe(0);
  });
});

describe.skipIf((await missingTool()) !== undefined).each(brokers)("$name, the JavaScript client", ({ start }) => {
  let broker: RunningBroker;

  beforeAll(async () => {
    broker = await start({ conf });
  }, setupMs);
  afterAll(() => broker?.close(), setupMs);

  test("a batch that is one record comes as its messages, one that failed again and alone", {
    timeout: testMs,
  }, async () => {
    const wire = await wireClients(broker);
    const topic = "JsInner";
    await make(wire.client, topic, 1);
    const client = new Client({ nameServers: [broker.namesrv], carrier: tcp(), requestTimeoutMs: 30_000 });
    try {
      const producer = client.producer({ group: "JsInnerSenders", sendTimeoutMs: 30_000 });
      const sent = ["a", "b", "c"].map((body) => ({ topic, body, keys: [`key-${body}`] }));
      expect((await producer.send(sent)).offsetMessageId).toHaveLength(32);
      await producer.send({ topic, body: "single" });
      const stored = async () => messagesOf(await wire.client.pull("G", topic, 0, 0, { subscription: "*" }));
      await expect.poll(stored, { timeout: 10_000 }).toHaveLength(2);
      expect((await stored())[0]).toMatchObject({ sysFlag: batchFlags, properties: { INNER_NUM: "3" } });
      const came: string[] = [];
      const consumer = client.pushConsumer({
        ...{ group: "JsInner", subscriptions: { [topic]: "*" }, consumeFrom: "FIRST_OFFSET" },
        listener: ([message]) => {
          const { body, reconsumeTimes, queueOffset, keys } = message!;
          const text = new TextDecoder().decode(body);
          if (text === "b" && reconsumeTimes === 0) throw new Error("the first time it fails");
          came.push(`${text} ${reconsumeTimes > 0 ? "again" : queueOffset} ${keys}`);
        },
      });
      await consumer.start();
      const all = ["a 0 key-a", "b again key-b", "c 2 key-c", "single 3 "];
      await expect.poll(() => came.toSorted(), { timeout: 60_000 }).toEqual(all);
    } finally {
      await client.close();
      wire.client.close();
      wire.namesrv.close();
    }
  });
});

describe.skipIf((await missingTool()) !== undefined)("a store of wasmq and Apache in turns, client 5.5.0", () => {
  let place: OnePlace;

  beforeAll(async () => {
    place = await OnePlace.make({ mapperFileSizeBatchConsumeQueue: 46 * 20, enabledAppendPropCRC: false });
  }, setupMs);
  afterAll(() => place?.close(), setupMs);

  test("has every batch at its offsets, whoever stored it, and however it ended", { timeout: testMs }, async () => {
    const topic = "Turns";
    const expected: [number, string][] = [];
    let isMade = false;
    const turns: readonly (readonly [Owner, "stop" | "kill"])[] = [
      ["wasmq", "stop"],
      ["Apache", "stop"],
      ["wasmq", "kill"],
      ["Apache", "kill"],
      ["wasmq", "stop"],
      ["Apache", "stop"],
    ];
    for (const [turn, [owner, end]] of turns.entries()) {
      await place.open(owner);
      const client = await RemotingClient.open((events) => openSocket(place.brokerPort, events));
      if (!isMade) await make(client, topic, 1);
      isMade = true;
      await expect.poll(() => maxOffset(client, topic), { timeout: 30_000 }).toBe(expected.length);
      expect(await unwrappedOf(client, topic), `${owner}, turn ${turn}`).toEqual(expected);
      for (let i = 0; i < 30; i++) {
        const bodies = Array.from({ length: 1 + (i % 4) }, (_, j) => `${turn}-${i}-${j}`);
        const batch = encodeBatch(bodies.map((body) => ({ body, properties: { UNIQ_KEY: body } })));
        const given = { ...header(topic), i: `UNIQ_KEY\u0001B${turn}-${i}\u0002` };
        const sent = succeeded(await client.request(320, given, batch));
        expect(sent.fields["queueOffset"], `${owner}, turn ${turn}, batch ${i}`).toBe(String(expected.length));
        for (const body of bodies) expected.push([expected.length, body]);
      }
      client.close();
      await (end === "stop" ? place.stop() : place.kill());
    }
  });
});

function header(topic: string): Record<string, string> {
  return { a: "PG", b: topic, c: "TBW102", d: "4", e: "0", f: "0", g: "1700000000000", h: "0", m: "true" };
}

async function make(client: RemotingClient, topic: string, queues: number): Promise<void> {
  succeeded(
    await client.request(17, {
      ...{ topic, defaultTopic: "TBW102", readQueueNums: queues, writeQueueNums: queues, perm: 6 },
      ...{ topicFilterType: "SINGLE_TAG", topicSysFlag: 0, order: "false", attributes: "+queue.type=BatchCQ" },
    }),
  );
}

async function maxOffset(client: RemotingClient, topic: string): Promise<number> {
  return Number((await client.request(30, { topic, queueId: 0 })).fields["offset"]);
}

async function unwrappedOf(client: RemotingClient, topic: string): Promise<[number, string][]> {
  const found: [number, string][] = [];
  for (let offset = 0; ; ) {
    const answer = await client.pull("G", topic, 0, offset, { subscription: "*" });
    if (answer.code === 19) return found;
    for (const message of messagesOf(answer)) found.push(...unwrapped(message));
    offset = Number(answer.fields["nextBeginOffset"]);
  }
}

/** What a record holds, by offset; bodies are ASCII here. */
function unwrapped({ queueOffset, sysFlag, body }: PulledMessage): [number, string][] {
  if ((sysFlag & batchFlags) === 0) return [[queueOffset, body]];
  const bytes = new TextEncoder().encode(body);
  const view = new DataView(bytes.buffer);
  const found: [number, string][] = [];
  for (let at = 0; at < bytes.length; at += view.getInt32(at)) {
    const inner = new TextDecoder().decode(bytes.subarray(at + 20, at + 20 + view.getInt32(at + 16)));
    found.push([queueOffset + found.length, inner]);
  }
  return found;
}
