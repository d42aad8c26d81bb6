/** What outlives the object's memory: it may be taken away between any two events, while clients stay connected. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DurableObjectLogStorage } from "../../../src/hosts/durable-object/log-storage.ts";
import { connect } from "../../behaviour/start.ts";
import { pop, poppedOf } from "../../lib/popping.ts";
import { json, messagesOf, type RemotingClient, succeeded } from "../../lib/remoting-client.ts";
import { ObjectHosted } from "./object-hosted.ts";

let broker: ObjectHosted;
let producer: RemotingClient;
let consumer: RemotingClient;

beforeEach(async () => {
  broker = new ObjectHosted({ messageDelayLevel: "1s 2s" });
  await broker.start();
  producer = await connect(broker);
  consumer = await connect(broker);
});

afterEach(() => broker.dispose());

const bodies = (answer: Parameters<typeof messagesOf>[0]) => messagesOf(answer).map(({ body }) => body);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("a pop that waits", () => {
  test("is answered by a message that comes in the object's next life", async () => {
    await producer.send("T", "old", { properties: { TAGS: "C" } });
    const waiting = pop(consumer, "G", "T", { exp: "A || B", pollMs: 20_000 });
    await pause(50);
    await broker.evict();
    await producer.send("T", "other", { properties: { TAGS: "C" } });
    await producer.send("T", "wanted", { properties: { TAGS: "B" } });
    expect(poppedOf("G", await waiting).map(({ body }) => body)).toEqual(["wanted"]);
  });

  test("has what was not acknowledged in time, which the alarm brings while the object sleeps", async () => {
    await producer.send("T", "m");
    const [first] = poppedOf("G", succeeded(await pop(consumer, "G", "T", { invisibleMs: 1_500 })));
    expect(first).toMatchObject({ body: "m" });
    const waiting = pop(consumer, "G", "T", { pollMs: 20_000 });
    await pause(50);
    await broker.evict();
    const [second] = poppedOf("G", succeeded(await waiting));
    expect(second).toMatchObject({ body: "m", reconsumeTimes: 1 });
  });
});

describe("a pull that waits", () => {
  test("is answered by a message that comes in the object's next life, by the group's own subscription", async () => {
    await producer.send("T", "old");
    await consumer.consume("G", { T: "TagA || TagB" });
    const pull = consumer.pull("G", "T", 0, 1, { suspendMs: 20_000 });
    await pause(50);
    await broker.evict();
    await producer.send("T", "other", { properties: { TAGS: "TagC" } });
    await broker.evict();
    await producer.send("T", "wanted", { properties: { TAGS: "TagB" } });
    expect(bodies(await pull)).toEqual(["wanted"]);
  });

  test("is answered once, and not again in a later life", async () => {
    await producer.send("T", "0");
    const first = consumer.pull("G", "T", 0, 1, { suspendMs: 20_000, subscription: "*" });
    await pause(50);
    await producer.send("T", "1");
    expect(bodies(await first)).toEqual(["1"]);
    await broker.evict();
    await producer.send("T", "2");
    await pause(50);
    expect(consumer.unasked).toEqual([]);
  });

  test("ends when its time is up, counted from when it was asked", async () => {
    await producer.send("T", "0");
    const startedAt = Date.now();
    const pull = consumer.pull("G", "T", 0, 1, { suspendMs: 1_500, subscription: "*" });
    await pause(1_000);
    await broker.evict();
    // The alarm wakes the object.
    expect((await pull).code).toBe(19);
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(1_400);
    expect(Date.now() - startedAt).toBeLessThan(15_000);
  });

  test("does not take the group's offset back", async () => {
    for (let i = 0; i < 7; i++) await producer.send("T", String(i));
    await consumer.consume("G", { T: "*" });
    const pull = consumer.pull("G", "T", 0, 7, { suspendMs: 20_000, commit: 1 });
    const committed = { consumerGroup: "G", topic: "T", queueId: "0" };
    succeeded(await consumer.request(15, { ...committed, commitOffset: "7" }));
    // consumerOffset.json is written some seconds later.
    await expect
      .poll(() => runInDurableObject(broker.object, (object) => offsetsIn(object.files())), { timeout: 15_000 })
      .toMatchObject({ "T@G": { 0: 7 } });
    await broker.evict();
    expect((await consumer.request(14, committed)).fields).toMatchObject({ offset: "7" });
    await producer.send("T", "7");
    await pull;
    expect((await consumer.request(14, committed)).fields).toMatchObject({ offset: "7" });
  }, 30_000);

  test("of which there are hundreds: more than fits beside a socket", async () => {
    succeeded(await producer.send("T", "0"));
    const pulls = Array.from({ length: 200 }, (_, i) =>
      consumer.pull(`G${i}`, "T", 0, 1, { suspendMs: 30_000, subscription: "*" }),
    );
    await pause(200);
    await broker.evict();
    await producer.send("T", "1");
    for (const answer of await Promise.all(pulls)) expect(bodies(answer)).toEqual(["1"]);
    expect(consumer.unasked).toEqual([]);
  });
});

test("who writes binary headers is answered so in the object's next life, and told so what changes", async () => {
  consumer.serializeType = 1;
  await producer.send("T", "old");
  await consumer.consume("G", { T: "*" }, { clientId: "a" });
  const mqSet = [{ topic: "T", brokerName: "broker-a", queueId: 0 }];
  succeeded(await consumer.request(41, {}, { consumerGroup: "G", clientId: "a", mqSet }));
  const pull = consumer.pull("G", "T", 0, 1, { suspendMs: 20_000 });
  await pause(50);
  await broker.evict();
  await producer.send("T", "new");
  expect(bodies(await pull)).toEqual(["new"]);
  expect((await pull).serializeType).toBe(1);

  // Nothing waits: what is handled again last is the lock.
  await broker.evict();
  consumer.notifications.length = 0;
  await producer.consume("G", { T: "*" }, { clientId: "b" });
  await expect.poll(() => consumer.notifications.length).toBe(1);
  expect(consumer.notifications[0]).toMatchObject({ code: 40, fields: { consumerGroup: "G" }, serializeType: 1 });
});

describe("groups", () => {
  test("keep their members, who are told only of what changes", async () => {
    await consumer.consume("G", { T: "*" }, { clientId: "a" });
    const other = await connect(broker);
    await other.consume("G", { T: "*" }, { clientId: "b" });
    await pause(50);
    const told = consumer.notifications.length;
    await broker.evict();
    const members = async () => json(succeeded(await producer.request(38, { consumerGroup: "G" })));
    expect(await members()).toEqual({ consumerIdList: ["a", "b"] });
    await pause(50);
    expect(consumer.notifications.length).toBe(told);
    await broker.evict();
    other.close();
    await expect.poll(members).toEqual({ consumerIdList: ["a"] });
    await expect.poll(() => consumer.notifications.length).toBe(told + 1);
  });

  test("are left for good by who unregistered", async () => {
    await consumer.consume("G", { T: "*" }, { clientId: "a" });
    succeeded(await consumer.request(35, { clientID: "a", consumerGroup: "G" }));
    await broker.evict();
    expect((await producer.request(38, { consumerGroup: "G" })).code).toBe(1);
  });

  test("whose members leave out subscriptions that did not change keep them", async () => {
    await producer.send("T", "a", { properties: { TAGS: "A" } });
    await producer.send("T", "b", { properties: { TAGS: "B" } });
    const beat = async (withoutSub: boolean) => {
      const subscriptionDataSet = withoutSub ? [] : [{ topic: "T", subString: "B", subVersion: 1 }];
      const consumerDataSet = [{ groupName: "G", messageModel: 1, consumeType: 1, subscriptionDataSet }];
      const heartbeat = { clientID: "a", consumerDataSet, heartbeatFingerprint: 7, withoutSub };
      return succeeded(await consumer.request(34, {}, heartbeat)).fields["IS_SUB_CHANGE"];
    };
    expect(await beat(false)).toBe("false");
    for (let life = 0; life < 2; life++) {
      expect(await beat(true)).toBe("false");
      await broker.evict();
      expect(bodies(await consumer.pull("G", "T", 0, 0))).toEqual(["b"]);
    }
    succeeded(await consumer.request(35, { clientID: "a", consumerGroup: "G" }));
    await broker.evict();
    expect((await producer.request(38, { consumerGroup: "G" })).code).toBe(1);
  });

  test("with subscriptions by the hundred", async () => {
    const topics = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`Topic-${i}`, "TagA || TagB || TagC"]));
    await consumer.consume("G", topics, { clientId: "a" });
    await producer.send("Topic-499", "0", { properties: { TAGS: "TagC" } });
    await broker.evict();
    expect(bodies(await consumer.pull("G", "Topic-499", 0, 0))).toEqual(["0"]);
  });
});

test("locks of queues stay with their holders", async () => {
  await producer.send("T", "0");
  const lock = async (client: RemotingClient, clientId: string, queueIds: number[], code = 41) => {
    const mqSet = queueIds.map((queueId) => ({ topic: "T", brokerName: "broker-a", queueId }));
    return succeeded(await client.request(code, {}, { consumerGroup: "G", clientId, mqSet }));
  };
  const held = async (client: RemotingClient, clientId: string, queueIds: number[]) => {
    const { lockOKMQSet } = json(await lock(client, clientId, queueIds)) as { lockOKMQSet: { queueId: number }[] };
    return lockOKMQSet.map(({ queueId }) => queueId).sort();
  };
  expect(await held(consumer, "a", [0, 1])).toEqual([0, 1]);
  expect(await held(producer, "b", [1, 2])).toEqual([2]);
  await broker.evict();
  expect(await held(producer, "b", [0, 1, 2, 3])).toEqual([2, 3]);
  await lock(consumer, "a", [0], 42);
  await broker.evict();
  expect(await held(producer, "b", [0, 1])).toEqual([0]);
});

test("a delayed message comes although nobody calls the object", async () => {
  await producer.send("T", "first");
  await producer.send("T", "late", { properties: { DELAY: "2" } });
  const pull = consumer.pull("G", "T", 0, 1, { suspendMs: 20_000, subscription: "*" });
  await pause(50);
  await broker.evict();
  expect(bodies(await pull)).toEqual(["late"]);
});

test("a transaction without an end is asked about although nobody calls the object, and ends as the answer says", async () => {
  await broker.dispose();
  broker = new ObjectHosted({ rules: { transactionTimeOutMs: 300, transactionCheckIntervalMs: 1_000 } });
  await broker.start();
  [producer, consumer] = [await connect(broker), await connect(broker)];
  await producer.produce(["PG"]);
  const properties = { TRAN_MSG: "true", PGROUP: "PG", UNIQ_KEY: "half" };
  await producer.send("T", "half", { properties, sysFlag: 4, bornTimestamp: Date.now() });
  await broker.evict();
  await expect.poll(() => producer.notifications.length, { timeout: 15_000 }).toBeGreaterThan(0);
  const [question] = producer.notifications;
  expect(question).toMatchObject({ code: 39, fields: { transactionId: "half" } });
  await broker.evict();
  const { tranStateTableOffset, commitLogOffset } = question!.fields;
  const end = { tranStateTableOffset, commitLogOffset, commitOrRollback: "8", fromTransactionCheck: "true" };
  succeeded(await producer.request(37, { producerGroup: "PG", msgId: "half", ...end }));
  await broker.evict();
  expect(bodies(await consumer.pull("G", "T", 0, 0, { subscription: "*" }))).toEqual(["half"]);
});

test("a message with a time of delivery comes then although nobody calls the object", async () => {
  await broker.dispose();
  broker = new ObjectHosted({ rules: { timerPrecisionMs: 100 } });
  await broker.start();
  [producer, consumer] = [await connect(broker), await connect(broker)];
  await producer.send("T", "first");
  const dueMs = Date.now() + 2_000;
  await producer.send("T", "timed", { properties: { TIMER_DELIVER_MS: String(dueMs) } });
  await broker.evict();
  const pull = consumer.pull("G", "T", 0, 1, { suspendMs: 20_000, subscription: "*" });
  await pause(50);
  await broker.evict();
  expect(bodies(await pull)).toEqual(["timed"]);
  expect(Date.now()).toBeGreaterThanOrEqual(dueMs);
});

test("an alarm that comes early, late and twice does no harm", async () => {
  await producer.send("T", "first");
  await producer.send("T", "late", { properties: { DELAY: "2" } });
  for (let i = 0; i < 5; i++) {
    await runDurableObjectAlarm(broker.object);
    await broker.evict();
  }
  const pull = consumer.pull("G", "T", 0, 1, { suspendMs: 20_000, subscription: "*" });
  expect(bodies(await pull)).toEqual(["late"]);
  await runDurableObjectAlarm(broker.object);
  expect(bodies(await consumer.pull("G", "T", 0, 0, { subscription: "*" }))).toEqual(["first", "late"]);
});

test("eviction between any two operations loses nothing that was answered, and nobody's place", async () => {
  const queues = [0, 1, 2, 3];
  await producer.send("T", "warm");
  await consumer.consume("G", { T: "*" });
  const sent = new Map(queues.map((queueId) => [queueId, [] as string[]]));
  sent.get(0)!.push("warm");
  const seen = new Map(queues.map((queueId) => [queueId, [] as string[]]));
  let ended = false;
  const reading = queues.map(async (queueId) => {
    for (let offset = 0; !ended; ) {
      const answer = await consumer.pull("G", "T", queueId, offset, { suspendMs: 3_000 });
      if (![0, 19, 20].includes(answer.code)) throw new Error(`answered ${answer.code}: ${answer.remark}`);
      if (answer.code === 0) seen.get(queueId)!.push(...bodies(answer));
      offset = Number(answer.fields["nextBeginOffset"]);
    }
  });
  for (let round = 0; round < 60; round++) {
    const batch = Array.from({ length: 1 + (round % 7) }, (_, i) => ({
      queueId: (round + i) % 4,
      body: `${round}.${i}`,
    }));
    const sends = batch.map(async ({ queueId, body }) => {
      const { fields } = await producer.send("T", body.padEnd(round * 50, "."), { queueId });
      return { queueId, body, at: Number(fields["queueOffset"]) };
    });
    // Sometimes under way, sometimes done.
    if (round % 2 === 0) await Promise.all(sends);
    await broker.evict();
    for (const { queueId, body, at } of await Promise.all(sends)) sent.get(queueId)![at] = body;
  }
  const count = () => [...seen.values()].reduce((sum, list) => sum + list.length, 0);
  const total = [...sent.values()].reduce((sum, list) => sum + list.length, 0);
  await expect.poll(count, { timeout: 10_000 }).toBe(total);
  ended = true;
  await Promise.all(reading);
  for (const queueId of queues) {
    expect(seen.get(queueId)!.map((body) => body.replace(/\.+$/, ""))).toEqual(sent.get(queueId));
  }
}, 60_000);

async function offsetsIn(storage: DurableObjectLogStorage): Promise<unknown> {
  storage.lock();
  const bytes = new Uint8Array(100_000);
  const length = storage.readNow("config/consumerOffset.json", 0, bytes);
  return length === 0 ? {} : JSON.parse(new TextDecoder().decode(bytes.subarray(0, length))).offsetTable;
}
