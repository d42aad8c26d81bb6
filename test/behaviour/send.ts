import { beforeEach, describe, expect, test } from "vitest";
import { encodeBatch, json, messagesOf, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import type { HostedBroker } from "./host.ts";
import type { Start } from "./start.ts";

export function describeSending(start: Start): void {
  describe("sending", () => {
    let broker: HostedBroker;
    let client: RemotingClient;

    beforeEach(async () => {
      ({ broker, client } = await start());
    });

    test("the first send makes the topic, and its route is there at once", async () => {
      expect((await client.request(105, { topic: "T" })).code).toBe(17);
      const sent = await client.send("T", "hello", { queueId: 2 });
      expect(sent.fields).toMatchObject({
        queueId: "2",
        queueOffset: "0",
        MSG_REGION: "DefaultRegion",
        TRACE_ON: "true",
      });
      expect(sent.fields["msgId"]).toBe(`${broker.storeHost}0000000000000000`);
      expect(json(await client.request(105, { topic: "T" }))).toEqual({
        brokerDatas: [
          {
            brokerAddrs: { 0: broker.brokerAddress },
            brokerName: "broker-a",
            cluster: "DefaultCluster",
            enableActingMaster: false,
          },
        ],
        filterServerTable: {},
        queueDatas: [{ brokerName: "broker-a", perm: 6, readQueueNums: 4, topicSysFlag: 0, writeQueueNums: 4 }],
      });
    });

    test("there is a route for TBW102, from which clients make up those of new topics", async () => {
      const route = json(await client.request(105, { topic: "TBW102" })) as { queueDatas: unknown[] };
      expect(route.queueDatas).toEqual([
        { brokerName: "broker-a", perm: 7, readQueueNums: 8, topicSysFlag: 0, writeQueueNums: 8 },
      ]);
    });

    test("messages are served as they came, with the broker's properties", async () => {
      await client.send("T", "grüße 🚀", { queueId: 1, properties: { TAGS: "A", KEYS: "k1 k2", own: "wert\u00e4" } });
      const [message] = messagesOf(await client.pull("G", "T", 1, 0, { subscription: "*" }));
      expect(message).toMatchObject({ topic: "T", queueId: 1, queueOffset: 0, body: "grüße 🚀", reconsumeTimes: 0 });
      expect(message!.properties).toMatchObject({
        TAGS: "A",
        KEYS: "k1 k2",
        own: "wertä",
        MSG_REGION: "DefaultRegion",
        TRACE_ON: "true",
        CLUSTER: "DefaultCluster",
      });
    });

    test("a batch becomes single messages with offsets in a row", async () => {
      await client.send("T", "first");
      const sent = succeeded(
        await client.trySend(
          "T",
          encodeBatch([
            { body: "a", properties: { TAGS: "X" } },
            { body: "b", properties: { TAGS: "Y" } },
            { body: "c" },
          ]),
          { batch: true },
        ),
      );
      expect(sent.fields["queueOffset"]).toBe("1");
      expect(sent.fields["msgId"]!.split(",").length).toBe(3);
      const all = messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" }));
      expect(all.map(({ body, queueOffset }) => [body, queueOffset])).toEqual([
        ["first", 0],
        ["a", 1],
        ["b", 2],
        ["c", 3],
      ]);
      const ids = sent.fields["msgId"]!.split(",").map((id) => Number.parseInt(id.slice(16), 16));
      expect(ids).toEqual(all.slice(1).map(({ physicalOffset }) => physicalOffset));
      const onlyY = messagesOf(await client.pull("G", "T", 0, 0, { subscription: "Y" }));
      expect(onlyY.map(({ body }) => body)).toEqual(["b"]);
    });

    test("a batch's own properties are answered and not stored, those of its messages stored and not looked at", async () => {
      const items = [{ body: "a", properties: { DELAY: "3", TRAN_MSG: "true" } }];
      const properties = { UNIQ_KEY: "BATCH", TRAN_MSG: "true", DELAY: "0", POP_CK: "x" };
      for (const code of [310, 320]) {
        const { fields } = succeeded(
          await client.request(code, batchHeader("T", { i: printed(properties) }), encodeBatch(items)),
        );
        expect(fields["transactionId"]).toBe("BATCH");
      }
      const stored = messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" }));
      expect(stored.map(({ properties }) => properties)).toEqual([items[0]!.properties, items[0]!.properties]);
    });

    test("whether it is a batch the header says, not the code", async () => {
      const body = encodeBatch([{ body: "a" }, { body: "b" }]);
      succeeded(await client.request(320, batchHeader("T", { m: "false" }), body));
      const [stored] = messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" }));
      expect(stored!.body.length).toBe(body.length);
    });

    test.each([
      ["that is delayed", "T", { i: "DELAY\u00013\u0002" }, 13, /delayed/],
      ["whose delay is none", "T", { i: "DELAY\u0001x\u0002" }, 1, /DELAY/],
      ["of a transaction", "T", { f: "4" }, 13, /transaction/],
      ["that ends a transaction", "T", { f: "8" }, 13, /transaction/],
      ["to a retry topic", "%RETRY%G", {}, 13, /batch request does not support retry group/],
      ["to a queue that is not there", "T", { e: "4" }, 29, /queueId\[4\] is illegal/],
      ["to a topic of the broker's own", "SCHEDULE_TOPIC_XXXX", {}, 16, /forbidden/],
    ])("a batch %s is refused whole", async (_, topic, given, code, remark) => {
      await client.send("T", "there");
      const refused = await client.request(320, batchHeader(topic, given), encodeBatch([{ body: "a" }]));
      expect(refused.code).toBe(code);
      expect(refused.remark).toMatch(remark);
      expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).length).toBe(1);
    });

    test("a batch of 4 MiB is the largest, and of a hundred thousand messages none is stored or all", async () => {
      const sized = (bytes: number) => encodeBatch([{ body: "x".repeat(bytes - 22) }]);
      expect((await client.request(320, batchHeader("T"), sized(4 * 1024 * 1024))).code).toBe(0);
      expect((await client.request(320, batchHeader("T"), sized(4 * 1024 * 1024 + 1))).code).toBe(13);
      for (const [count, code] of [
        [20_000, 0],
        [100_000, 13],
      ] as const) {
        const item = encodeBatch([{ body: "12345678" }]);
        const body = new Uint8Array(count * item.length);
        for (let i = 0; i < count; i++) body.set(item, i * item.length);
        const sent = await client.request(320, batchHeader("Many"), body);
        expect(sent.code).toBe(code);
        if (code === 0) expect(sent.fields["msgId"]!.length).toBe(33 * count - 1);
        expect((await client.request(30, { topic: "Many", queueId: "0" })).fields["offset"]).toBe("20000");
      }
    });

    test("a one-way send is stored and not answered", async () => {
      await client.send("T", "first");
      client.oneway(310, { a: "PG", b: "T", c: "TBW102", d: "4", e: "0", f: "0", g: "0", h: "0" }, new Uint8Array(3));
      client.oneway(310, { a: "PG", b: "SCHEDULE_TOPIC_XXXX", c: "TBW102", d: "4", e: "0", f: "0", g: "0", h: "0" });
      await client.send("T", "last");
      expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).length).toBe(3);
      expect(client.notifications).toEqual([]);
    });

    test.each([
      ["a topic with a strange name", "a/b", {}, 29, /illegal characters/],
      ["a topic that is the broker's own", "SCHEDULE_TOPIC_XXXX", {}, 16, /forbidden/],
      ["a queue that is not there", "T", { queueId: 99 }, 29, /queueId\[99\] is illegal/],
      ["a delayed transaction", "T", { properties: { TRAN_MSG: "true", DELAY: "1" } }, 13, /transaction/],
      ["too many properties", "T", { properties: { p: "x".repeat(33_000) } }, 13, /32767/],
    ])("%s is refused", async (_, topic, given, code, remark) => {
      await client.send("T", "there");
      const refused = await client.trySend(topic, "body", given);
      expect(refused.code).toBe(code);
      expect(refused.remark).toMatch(remark);
      expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).length).toBe(1);
    });

    test.each([
      [0x40, 13],
      [0x80, 13],
      [0x4, 13],
      [0x8, 0],
      [0xc, 13],
      [0x101, 0],
    ])("of a client's sysFlag %i is answered %i", async (sysFlag, code) => {
      const header = { a: "PG", b: "T", c: "TBW102", d: "4", e: "0", f: String(sysFlag), g: "0", h: "0" };
      expect((await client.request(310, header, new Uint8Array(3))).code).toBe(code);
      const stored = messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" }));
      expect(stored.length).toBe(code === 0 ? 1 : 0);
    });

    test("the largest body is 4 MiB", async () => {
      expect((await client.trySend("T", new Uint8Array(4 * 1024 * 1024))).code).toBe(0);
      expect((await client.trySend("T", new Uint8Array(4 * 1024 * 1024 + 1))).code).toBe(13);
      expect((await client.pull("G", "T", 0, 0, { subscription: "*" })).body.length).toBeGreaterThan(4 * 1024 * 1024);
    });

    test("a lying batch is refused whole", async () => {
      const batch = encodeBatch([{ body: "a" }, { body: "b" }]);
      new DataView(batch.buffer).setInt32(0, 1_000);
      expect((await client.trySend("T", batch, { batch: true })).code).toBe(13);
      expect((await client.pull("G", "T", 0, 0, { subscription: "*" })).code).toBe(19);
    });
  });
}

function batchHeader(topic: string, given: Record<string, string> = {}): Record<string, string> {
  return { a: "PG", b: topic, c: "TBW102", d: "4", e: "0", f: "0", g: "1700000000000", h: "0", m: "true", ...given };
}

function printed(properties: Record<string, string>): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}\u0001${value}\u0002`)
    .join("");
}
