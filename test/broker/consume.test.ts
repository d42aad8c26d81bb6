import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { WaitingStorage } from "../lib/faulty-storage.ts";
import { type InProcessClient, json, messagesOf, succeeded } from "../lib/in-process-client.ts";
import { MemoryBroker } from "../lib/memory-broker.ts";

let broker: MemoryBroker;
let client: InProcessClient;

beforeEach(async () => {
  broker = await MemoryBroker.start({ messageDelayLevel: "1s 1s 1s 1s" });
  client = broker.connect();
});

afterEach(() => broker.stop());

describe("offsets", () => {
  test("a group without an offset begins at 0 of a young or unwritten queue", async () => {
    const query = () => client.request(14, { consumerGroup: "G", topic: "T", queueId: "0" });
    expect((await query()).code).toBe(22);
    await client.send("T", "m0", { queueId: 1 });
    expect((await query()).fields["offset"]).toBe("0");
    await client.send("T", "m0");
    expect((await query()).fields["offset"]).toBe("0");
    await client.consume("G", { T: "*" });
    const commit = { consumerGroup: "G", topic: "T", queueId: "0", commitOffset: "1" };
    succeeded(await client.request(15, commit));
    expect((await query()).fields["offset"]).toBe("1");
  });

  test("a pull commits on its way, once", async () => {
    await client.send("T", "m0");
    await client.consume("G", { T: "*" });
    const held = client.pull("G", "T", 0, 1, { suspendMs: 5_000, commit: 1 });
    succeeded(await client.request(15, { consumerGroup: "G", topic: "T", queueId: "0", commitOffset: "2" }));
    await client.send("T", "m1");
    await held;
    const offset = await client.request(14, { consumerGroup: "G", topic: "T", queueId: "0" });
    expect(offset.fields["offset"]).toBe("2");
  });

  test("committing for a topic or group that is not there is refused", async () => {
    const commit = { consumerGroup: "G", topic: "T", queueId: "0", commitOffset: "1" };
    expect((await client.request(15, commit)).code).toBe(17);
    await client.send("T", "m0");
    expect((await client.request(15, commit)).code).toBe(26);
    await client.consume("G", { T: "*" });
    expect((await client.request(15, { ...commit, commitOffset: "9007199254740993" })).code).toBe(29);
    expect((await client.request(15, { ...commit, commitOffset: "0x1" })).code).toBe(1);
  });

  test("committing for a queue that is not there is refused, and a negative offset tells nothing", async () => {
    await client.send("T", "m0");
    await client.consume("G", { T: "*" });
    const commit = { consumerGroup: "G", topic: "T", queueId: "0", commitOffset: "1" };
    for (const queueId of ["-1", "4", "2147483647"]) {
      expect((await client.request(15, { ...commit, queueId })).code).toBe(29);
    }
    succeeded(await client.request(15, { ...commit, commitOffset: "-1" }));
    expect((await client.request(14, commit)).fields["offset"]).toBe("0");
    succeeded(await client.request(15, commit));
    succeeded(await client.request(15, { ...commit, commitOffset: "-1" }));
    expect((await client.request(14, commit)).fields["offset"]).toBe("1");
  });

  test("first, end and by time", async () => {
    const at = async (code: number, more: object = {}) => {
      const { fields } = succeeded(await client.request(code, { topic: "T", queueId: "0", ...more }));
      return Number(fields["offset"] ?? fields["timestamp"]);
    };
    expect([await at(31), await at(30), await at(32)]).toEqual([0, 0, -1]);
    for (let i = 0; i < 5; i++) {
      await client.send("T", `m${i}`);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    const times = messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).map((m) => m.storeTimestamp);
    expect([await at(31), await at(30), await at(32)]).toEqual([0, 5, times[0]]);
    for (const [timestamp, lower, upper] of [
      [times[0]! - 1, 0, 0],
      [times[2]!, 2, 2],
      [times[2]! + 1, 3, 2],
      [times[4]! + 1, 5, 4],
      ["9223372036854775807", 5, 4],
    ] as const) {
      expect(await at(29, { timestamp: String(timestamp) })).toBe(lower);
      expect(await at(29, { timestamp: String(timestamp), boundaryType: "UPPER" })).toBe(upper);
    }
  });

  test("a message is found by its place in the log, and by nothing else", async () => {
    await client.send("T", "m0");
    const { fields } = await client.send("T", "m1");
    const offset = Number.parseInt(fields["msgId"]!.slice(16), 16);
    expect(messagesOf(succeeded(await client.request(33, { offset: String(offset) })))[0]).toMatchObject({
      body: "m1",
    });
    for (const wrong of [offset + 1, 1_000_000_000_000, -5]) {
      expect((await client.request(33, { offset: String(wrong) })).code).toBe(1);
    }
  });
});

describe("groups", () => {
  test("members are told of each other, and found in the list", async () => {
    const second = broker.connect(2);
    await client.consume("G", { T: "*" }, { clientId: "one" });
    client.notifications.length = 0;
    await second.consume("G", { T: "*" }, { clientId: "two" });
    expect(client.notifications.at(-1)).toMatchObject({ code: 40, flag: 2, fields: { consumerGroup: "G" } });
    expect(json(await client.request(38, { consumerGroup: "G" }))).toEqual({ consumerIdList: ["one", "two"] });

    client.notifications.length = 0;
    second.close();
    await client.request(38, { consumerGroup: "G" });
    expect(client.notifications).toMatchObject([{ code: 40 }]);
    expect(json(await client.request(38, { consumerGroup: "G" }))).toEqual({ consumerIdList: ["one"] });
    succeeded(await client.request(35, { clientID: "one", consumerGroup: "G" }));
    expect((await client.request(38, { consumerGroup: "G" })).code).toBe(1);
  });

  test("the same heartbeat again tells nobody anything", async () => {
    await client.consume("G", { T: "*" });
    client.notifications.length = 0;
    await client.consume("G", { T: "*" });
    expect(client.notifications).toEqual([]);
  });

  test("an older subscription does not replace a newer one, in nanoseconds too", async () => {
    await client.send("T", "a", { properties: { TAGS: "A" } });
    await client.send("T", "b", { properties: { TAGS: "B" } });
    const subscribe = (subVersion: string, subString: string) =>
      client.request(
        34,
        {},
        new TextEncoder().encode(
          `{"clientID":"c","consumerDataSet":[{"groupName":"G","messageModel":1,"consumeType":1,"subscriptionDataSet":[{"topic":"T","subString":"${subString}","subVersion":${subVersion}}]}]}`,
        ),
      );
    succeeded(await subscribe("1700000000000000001", "B"));
    succeeded(await subscribe("1700000000000000000", "A"));
    expect(messagesOf(await client.pull("G", "T", 0, 0)).map(({ body }) => body)).toEqual(["b"]);
    succeeded(await subscribe("1700000000000000002", "A"));
    expect(messagesOf(await client.pull("G", "T", 0, 0)).map(({ body }) => body)).toEqual(["a"]);
  });

  test("the retry topic of a group has a route from its first heartbeat on", async () => {
    await client.consume("G", { T: "*" });
    const route = json(await client.request(105, { topic: "%RETRY%G" })) as { queueDatas: unknown[] };
    expect(route.queueDatas).toMatchObject([{ readQueueNums: 1, writeQueueNums: 1, perm: 6 }]);
  });

  test("only queues that are there are locked", async () => {
    await client.send("T", "m0");
    const queue = (topic: string, queueId: number) => ({ brokerName: "broker-a", queueId, topic });
    const mqSet = [queue("T", 3), queue("T", 4), queue("T", -1), queue("T", 0.5), queue("Nowhere", 0)];
    const locked = await client.request(41, {}, { clientId: "one", consumerGroup: "G", mqSet });
    expect(json(locked)).toEqual({ lockOKMQSet: [queue("T", 3)] });
    expect((await client.request(41, {}, { clientId: "x".repeat(2_000), consumerGroup: "G", mqSet })).code).toBe(29);
    expect((await client.request(41, {}, { clientId: "one", consumerGroup: "a/b", mqSet })).code).toBe(29);
  });

  test("a client's producer groups are checked and counted", async () => {
    const beat = (groups: string[]) =>
      client.request(34, {}, { clientID: "c", producerDataSet: groups.map((groupName) => ({ groupName })) });
    expect((await beat(["a/b"])).code).toBe(29);
    expect((await beat(["x".repeat(1_000)])).code).toBe(29);
    const groups = Array.from({ length: 1_024 }, (_, i) => `P${i}`);
    succeeded(await beat(groups));
    succeeded(await beat(groups));
    expect((await beat(["another"])).code).toBe(29);
  });

  test("a queue is locked by one client at a time", async () => {
    await client.send("T", "m0");
    const mqSet = [0, 1].map((queueId) => ({ brokerName: "broker-a", queueId, topic: "T" }));
    const lock = async (clientId: string, code = 41) =>
      (await client.request(code, {}, { clientId, consumerGroup: "G", mqSet })) as never;
    expect(json(await lock("one"))).toEqual({ lockOKMQSet: mqSet });
    expect(json(await lock("two"))).toEqual({ lockOKMQSet: [] });
    await lock("two", 42);
    expect(json(await lock("two"))).toEqual({ lockOKMQSet: [] });
    await lock("one", 42);
    expect(json(await lock("two"))).toEqual({ lockOKMQSet: mqSet });
  });
});

describe("retries", () => {
  const back = (offset: number, more: object = {}) =>
    client.request(36, {
      group: "G",
      offset: String(offset),
      delayLevel: "0",
      originMsgId: "",
      originTopic: "T",
      unitMode: "false",
      maxReconsumeTimes: "2",
      ...more,
    });
  const nextOf = async (topic: string, offset: number) =>
    messagesOf(await client.pull("G", topic, 0, offset, { suspendMs: 5_000, subscription: "*" }))[0]!;

  test("a message sent back comes again later, and ends among the dead letters", async () => {
    const sent = await client.send("T", "m", { properties: { TAGS: "A" } });
    await client.consume("G", { T: "*" });
    const [first] = messagesOf(await client.pull("G", "T", 0, 0));
    const startedAt = Date.now();
    succeeded(await back(first!.physicalOffset));
    const second = await nextOf("%RETRY%G", 0);
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(990);
    expect(second).toMatchObject({ body: "m", reconsumeTimes: 1, topic: "%RETRY%G" });
    expect(second.properties).toMatchObject({
      RETRY_TOPIC: "T",
      ORIGIN_MESSAGE_ID: sent.fields["msgId"],
      REAL_TOPIC: "%RETRY%G",
      REAL_QID: "0",
      DELAY: "3",
      TAGS: "A",
    });
    succeeded(await back(second.physicalOffset));
    const third = await nextOf("%RETRY%G", 1);
    expect(third).toMatchObject({ reconsumeTimes: 2 });
    succeeded(await back(third.physicalOffset));
    const dead = await nextOf("%DLQ%G", 0);
    expect(dead).toMatchObject({ body: "m", reconsumeTimes: 3 });
    expect(dead.properties["DELAY"]).toBeUndefined();
    expect(dead.properties["ORIGIN_MESSAGE_ID"]).toBe(sent.fields["msgId"]);
  });

  test("delay level -1 is dead at once; a group comes into being; unknown places are refused", async () => {
    await client.send("T", "m");
    expect((await back(0, { group: "a/b" })).code).toBe(29);
    succeeded(await back(0, { delayLevel: "-1" }));
    expect(await nextOf("%DLQ%G", 0)).toMatchObject({ body: "m", reconsumeTimes: 1 });
    expect((await back(7)).code).toBe(1);
  });

  test("a retry sent by a client whose group is not known is taken", async () => {
    await client.send("%RETRY%New", "m", { reconsumeTimes: 1 });
    expect(await nextOf("%RETRY%New", 0)).toMatchObject({ body: "m", reconsumeTimes: 1 });
  });

  test("a delay level that is no number is refused, not sent at once", async () => {
    expect((await client.trySend("T", "m", { properties: { DELAY: "abc" } })).code).toBe(1);
    await client.send("T", "now", { properties: { DELAY: "0" } });
    expect(await nextOf("T", 0)).toMatchObject({ body: "now" });
  });

  test("a delayed send waits for its level, never less", async () => {
    await client.send("T", "other");
    const sent = await client.send("T", "later", { queueId: 3, properties: { DELAY: "1" } });
    expect(sent.fields["queueId"]).toBe("3");
    const answer = await client.pull("G", "T", 3, 0, { subscription: "*", suspendMs: 5_000 });
    const [later] = messagesOf(answer);
    expect(later!.properties).toMatchObject({ REAL_TOPIC: "T", REAL_QID: "3", DELAY: "1" });
    const [parked] = messagesOf(await client.pull("G", "SCHEDULE_TOPIC_XXXX", 0, 0, { subscription: "*" }));
    expect(later!.storeTimestamp - parked!.storeTimestamp).toBeGreaterThanOrEqual(1_000);
  });

  test("trouble with one delayed message while another is under way ends nothing", async () => {
    const storage = new WaitingStorage();
    const waiting = await MemoryBroker.start({ messageDelayLevel: "1s" }, storage);
    const sender = waiting.connect();
    for (const body of ["m0", "m1"]) await sender.send("T", body, { properties: { DELAY: "1" } });
    const read = storage.read.bind(storage);
    let reads = 0;
    storage.failure = new Error("full");
    storage.read = async (file, at, into) => {
      if (++reads === 1) return read(file, at, into);
      await new Promise((resolve) => setTimeout(resolve, 50));
      throw new Error("broken medium");
    };
    await vi.waitFor(() => expect(waiting.logged).toContain("error: delayed messages could not be delivered"), 3_000);
    await waiting.stop().catch(() => {});
  });
});
