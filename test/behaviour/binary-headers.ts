import { beforeEach, describe, expect, test } from "vitest";
import { encodeBinaryHeader } from "../lib/binary-header.ts";
import { encodeBatch, frameOf, json, messagesOf, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import type { HostedBroker } from "./host.ts";
import { connect, type Start } from "./start.ts";

const binary = 1;

/** What clients see that write their headers as ROCKETMQ (rocketmq.serialize.type); all else is no different for them. */
export function describeBinaryHeaders(start: Start): void {
  describe("binary headers", () => {
    let broker: HostedBroker;
    let client: RemotingClient;

    beforeEach(async () => {
      ({ broker, client } = await start());
      client.serializeType = binary;
    });

    test("are answered as such: sends, batches, pulls that find and that wait", async () => {
      const sent = await client.send("T", "grüße 🚀", {
        properties: { TAGS: "A", own: "wertä", long: "x".repeat(200) },
      });
      expect(sent).toMatchObject({ serializeType: binary, flag: 1, remark: undefined });
      expect(sent.fields).toEqual({
        queueId: "0",
        queueOffset: "0",
        MSG_REGION: "DefaultRegion",
        TRACE_ON: "true",
        msgId: `${broker.storeHost}0000000000000000`,
        transactionId: expect.stringMatching(/^U\d+$/),
      });
      const held = client.pull("G", "T", 0, 1, { suspendMs: 20_000, subscription: "*" });
      const batch = encodeBatch([{ body: "a" }, { body: "b" }]);
      succeeded(await client.trySend("T", batch, { batch: true }));
      expect(messagesOf(await held).map(({ body }) => body)).toEqual(["a", "b"]);

      const found = await client.pull("G", "T", 0, 0, { subscription: "*", maxMessages: 1 });
      expect(found).toMatchObject({ serializeType: binary, code: 0, remark: "FOUND" });
      expect(found.fields).toEqual({
        suggestWhichBrokerId: "0",
        nextBeginOffset: "1",
        minOffset: "0",
        maxOffset: "3",
        topicSysFlag: "0",
        groupSysFlag: "0",
      });
      const [message] = messagesOf(found);
      expect(message).toMatchObject({ topic: "T", body: "grüße 🚀" });
      expect(message!.properties).toMatchObject({ TAGS: "A", own: "wertä", long: "x".repeat(200) });
    });

    test("are answered as such: routes, groups, locks, offsets, and what is refused", async () => {
      await client.send("T", "0");
      const queue = { consumerGroup: "G", topic: "T", queueId: "0" };
      await client.consume("G", { T: "*" }, { clientId: "c" });
      const mqSet = [{ topic: "T", brokerName: "broker-a", queueId: 0 }];
      const answers = [
        await client.request(105, { topic: "T" }),
        await client.request(38, { consumerGroup: "G" }),
        await client.request(41, {}, { consumerGroup: "G", clientId: "c", mqSet }),
        await client.request(15, { ...queue, commitOffset: "1" }),
        await client.request(14, queue),
        await client.request(30, { topic: "T", queueId: "0" }),
        await client.request(9_999),
        await client.request(105, { topic: "Töpfe" }),
        await client.request(310, { a: "PG" }),
        await client.request(35, { clientID: "c", consumerGroup: "G" }),
      ];
      expect(answers.map(({ serializeType }) => serializeType)).toEqual(answers.map(() => binary));
      expect(answers.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 0, 3, 17, 1, 0]);
      expect(json(answers[1]!)).toEqual({ consumerIdList: ["c"] });
      expect(json(answers[2]!)).toEqual({ lockOKMQSet: mqSet });
      expect(answers[4]!.fields).toEqual({ offset: "1" });
      expect(answers[7]!.remark).toMatch(/Töpfe/);
    });

    test("and JSON headers may come in turn; what nobody asked for is told as the last request was", async () => {
      const codes = [
        await client.request(9_999),
        await speaking(client, 0).request(9_999),
        await speaking(client, binary).request(9_999),
      ];
      expect(codes.map(({ serializeType }) => serializeType)).toEqual([1, 0, 1]);

      const other = await connect(broker);
      for (const [serializeType, group] of [
        [1, "G1"],
        [0, "G0"],
      ] as const) {
        await speaking(client, serializeType).consume(group, { T: "*" }, { clientId: "one" });
        client.notifications.length = 0;
        await other.consume(group, { T: "*" }, { clientId: `two${group}` });
        await expect.poll(() => client.notifications.length).toBe(1);
        expect(client.notifications[0]).toMatchObject({
          code: 40,
          flag: 2,
          fields: { consumerGroup: group },
          serializeType,
        });
      }
    });

    test("have 16 bits for a code: those of POP are told by their own number", async () => {
      for (const [short, code] of [
        [3_448, 200_056],
        [3_449, 200_057],
        [3_441, 3_441],
        [-1, -1],
      ]) {
        const refused = await client.request(short!);
        expect(refused).toMatchObject({ code: 3, remark: ` request type ${code} not supported` });
      }
    });

    test("a value without length is none, as for Java", async () => {
      const fields = { topic: "", "": "x" };
      const refused = await client.exchange(-7, frameOf(1, encodeBinaryHeader({ code: 105, opaque: -7, fields })));
      expect(refused).toMatchObject({ code: 1, opaque: -7, remark: "the custom field <topic> is null" });
    });

    test("a one-way request is not answered", async () => {
      await client.send("T", "first");
      client.oneway(310, { a: "PG", b: "T", c: "TBW102", d: "4", e: "0", f: "0", g: "0", h: "0" }, new Uint8Array(3));
      client.oneway(9_999, {});
      await client.send("T", "last");
      expect(messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" })).length).toBe(3);
      expect(client.unasked).toEqual([]);
    });
  });
}

function speaking(client: RemotingClient, serializeType: number): RemotingClient {
  client.serializeType = serializeType;
  return client;
}
