import { beforeEach, describe, expect, test } from "vitest";
import { encodeBatch, messagesOf, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import type { HostedBroker } from "./host.ts";
import { restarted, type Start } from "./start.ts";

const sql = { expressionType: "SQL92" };

export function describeFilters(start: Start): void {
  describe("filters by SQL92", () => {
    let broker: HostedBroker;
    let client: RemotingClient;

    beforeEach(async () => {
      ({ broker, client } = await start());
    });

    /** As one batch: a queue that is written out meanwhile is looked at in two pulls, up to there and from there. */
    async function send(...items: { body: string; properties?: Record<string, string> }[]): Promise<void> {
      succeeded(await client.trySend("T", encodeBatch(items), { batch: true }));
    }

    test("a group gets what its expression holds of, and goes on behind what it looked at", async () => {
      await send(
        { body: "m0", properties: { price: "5", region: "Hangzhou" } },
        { body: "m1", properties: { price: "15", region: "Hangzhou" } },
        { body: "m2", properties: { price: "15", region: "Shanghai", TAGS: "A" } },
        { body: "m3", properties: { price: "cheap", region: "Hangzhou" } },
        { body: "m4" },
      );
      const bodies = async (expression: string): Promise<string> => {
        const answer = await client.pull("G", "T", 0, 0, { subscription: expression, ...sql });
        expect(answer.fields["nextBeginOffset"]).toBe("5");
        return messagesOf(answer)
          .map(({ body }) => body)
          .join(" ");
      };
      await client.consume("G", { T: "price > 10 AND region = 'Hangzhou'" }, sql);
      const answer = await client.pull("G", "T", 0, 0);
      expect(messagesOf(answer).map(({ body }) => body)).toEqual(["m1"]);
      expect(answer.fields["nextBeginOffset"]).toBe("5");
      expect(await bodies("price BETWEEN 1 AND 10")).toBe("m0");
      // What fails to be a number, and what is not there, are neither.
      expect(await bodies("NOT (price > 10)")).toBe("m0");
      expect(await bodies("price IS NULL OR TAGS = 'A'")).toBe("m2 m4");
      expect(await bodies("region NOT IN ('Hangzhou')")).toBe("m2");
      expect(await bodies("region CONTAINS 'ang' AND region NOT STARTSWITH 'S'")).toBe("m0 m1 m3");
      expect(await bodies("price = 1.50e1 -- as a Double\n")).toBe("m1 m2");
      expect(await bodies("price <> 'cheap' AND price <> 5.0")).toBe("m1 m2");
    });

    test("an expression that can't be understood is refused where it is asked about, and where it is pulled by", async () => {
      const check = (subString: string, expressionType: string) =>
        client.request(
          46,
          {},
          { clientId: "c", group: "G", subscriptionData: { topic: "T", subString, expressionType } },
        );
      expect((await check("a > 5 AND b IS NOT NULL", "SQL92")).code).toBe(0);
      expect(await check("a > AND", "SQL92")).toMatchObject({ code: 23, remark: expect.stringContaining("AND at 4") });
      expect((await check("", "SQL92")).code).toBe(23);
      expect((await check("a", "XPATH")).code).toBe(23);
      expect((await check("a > AND", "TAG")).code).toBe(0);
      expect((await client.request(46, {}, { clientId: "c", group: "G" })).code).toBe(0);

      await client.send("T", "m0", { properties: { a: "7" } });
      expect((await client.pull("G", "T", 0, 0, { subscription: "a >", ...sql })).code).toBe(23);
      expect((await client.pull("G", "T", 0, 0, { subscription: "a > 5", expressionType: "XPATH" })).code).toBe(23);
      // The heartbeat is heard, with all else in it.
      await client.consume("G", { T: "a >", Other: "a > 5" }, { ...sql, version: 1 });
      expect((await client.pull("G", "T", 0, 0)).code).toBe(27);
      await client.consume("G", { T: "a > 5" }, { ...sql, version: 2 });
      expect(messagesOf(await client.pull("G", "T", 0, 0, { version: 2 })).length).toBe(1);
      // What was understood before does not outlive it.
      await client.consume("G", { T: "a <> " }, { ...sql, version: 3 });
      expect((await client.pull("G", "T", 0, 0, { version: 3 })).code).toBe(27);
    });

    test("the group's newest expression counts", async () => {
      await send({ body: "m0", properties: { a: "1" } }, { body: "m1", properties: { a: "2" } });
      const first = async (version: number) => messagesOf(await client.pull("G", "T", 0, 0, { version }))[0]?.body;
      await client.consume("G", { T: "a = 1" }, { ...sql, version: 5 });
      expect(await first(5)).toBe("m0");
      await client.consume("G", { T: "a = 2" }, { ...sql, version: 4 });
      expect(await first(5)).toBe("m0");
      await client.consume("G", { T: "a = 2" }, { ...sql, version: 6 });
      expect(await first(6)).toBe("m1");
      expect((await client.pull("G", "T", 0, 0, { version: 7 })).code).toBe(25);
      // Of an empty one no filter is made, so that the filter is older than the subscription.
      await client.consume("G", { T: "" }, { ...sql, version: 8 });
      expect((await client.pull("G", "T", 0, 0, { version: 8 })).code).toBe(28);
      await client.consume("G", { T: "*" }, { version: 9 });
      expect(messagesOf(await client.pull("G", "T", 0, 0, { version: 9 })).length).toBe(2);
    });

    test("a pull looks at a bounded stretch, and none is skipped", async () => {
      const items = Array.from({ length: 1_000 }, (_, i) => ({ body: `m${i}`, properties: { n: `${i}` } }));
      await send(...items);
      const pull = (offset: number, subscription: string) => client.pull("G", "T", 0, offset, { subscription, ...sql });
      expect(await pull(0, "n = 900")).toMatchObject({ code: 20, fields: { nextBeginOffset: "800" } });
      const found = await pull(800, "n = 900");
      expect(messagesOf(found).map(({ body }) => body)).toEqual(["m900"]);
      expect(found.fields["nextBeginOffset"]).toBe("1000");
      const many = await pull(10, "n > 99");
      expect(messagesOf(many).map(({ body }) => body)).toEqual(items.slice(100, 132).map(({ body }) => body));
      expect(many.fields["nextBeginOffset"]).toBe("132");

      const large = Array.from({ length: 12 }, (_, i) => ({ body: "x".repeat(100_000), properties: { n: `${i}` } }));
      await send(...large);
      expect(await pull(1_000, "n = 11")).toMatchObject({ code: 20, fields: { nextBeginOffset: "1002" } });
      const seen: string[] = [];
      for (let offset = 1_000, pulls = 0; offset < 1_012 && pulls < 12; pulls++) {
        const answer = await pull(offset, "n <> 3");
        seen.push(...messagesOf(answer).map(({ properties }) => properties["n"]!));
        offset = Number(answer.fields["nextBeginOffset"]);
      }
      expect(seen).toEqual(["0", "1", "2", "4", "5", "6", "7", "8", "9", "10", "11"]);
    });

    test("a held pull is answered by the next message that matches", async () => {
      await client.send("T", "m0", { properties: { a: "1" } });
      await client.consume("G", { T: "a = 2" }, sql);
      const held = client.pull("G", "T", 0, 1, { suspendMs: 20_000 });
      const inline = client.pull("Other", "T", 0, 1, { suspendMs: 20_000, subscription: "a = 3", ...sql });
      await client.send("T", "m1", { properties: { a: "1" } });
      await client.send("T", "m2", { properties: { a: "2" } });
      await client.send("T", "m3", { properties: { a: "3" } });
      expect(messagesOf(await held).map(({ body }) => body)).toEqual(["m2"]);
      expect(messagesOf(await inline).map(({ body }) => body)).toEqual(["m3"]);
    });

    test("retried messages are not held against the expression again", async () => {
      await client.send("%RETRY%G", "m0", { properties: { a: "2" }, reconsumeTimes: 1 });
      await client.consume("G", { T: "a = 1", "%RETRY%G": "*" }, sql);
      expect(messagesOf(await client.pull("G", "%RETRY%G", 0, 0)).map(({ body }) => body)).toEqual(["m0"]);
    });

    test("there are no filter servers: their requests are refused, and a class filters nothing", async () => {
      expect((await client.request(301, { filterServerAddr: "127.0.0.1:1" })).code).toBe(3);
      expect((await client.request(302, { consumerGroup: "G", topic: "T", className: "C", classCRC: "0" })).code).toBe(
        3,
      );
      await client.send("T", "m0", { properties: { TAGS: "A" } });
      const data = { topic: "T", subString: "org.example.Filter", classFilterMode: true, subVersion: 1 };
      const consumer = { groupName: "G", consumeType: "CONSUME_PASSIVELY", messageModel: "CLUSTERING" };
      const consumerDataSet = [{ ...consumer, subscriptionDataSet: [data] }];
      succeeded(await client.request(34, {}, { clientID: "c", consumerDataSet, producerDataSet: [] }));
      expect(messagesOf(await client.pull("G", "T", 0, 0)).length).toBe(1);
    });

    test("filters are kept as Apache keeps them, and a group that is heard of again goes on with its own", async () => {
      await client.send("T", "m0", { properties: { a: "1" } });
      await client.consume("G", { T: "a = 1" }, { ...sql, version: 7 });
      const again = await restarted(broker, async (storage) => {
        const stat = (await storage.list("config")).find(({ name }) => name === "config/consumerFilter.json")!;
        const bytes = new Uint8Array(stat.sizeBytes);
        await storage.read(stat.name, 0, bytes);
        const { filterDataByTopic } = JSON.parse(new TextDecoder().decode(bytes));
        expect(filterDataByTopic).toEqual({
          T: {
            groupFilterData: {
              G: {
                bloomFilterData: { bitNum: 112, bitPos: [expect.any(Number), expect.any(Number), expect.any(Number)] },
                bornTime: expect.any(Number),
                clientVersion: 7,
                consumerGroup: "G",
                dead: true,
                deadTime: expect.any(Number),
                expression: "a = 1",
                expressionType: "SQL92",
                topic: "T",
              },
            },
            topic: "T",
          },
        });
      });
      expect((await again.pull("G", "T", 0, 0, { version: 7 })).code).toBe(24);
      await again.consume("G", { T: "a = 1" }, { ...sql, version: 7 });
      expect(messagesOf(await again.pull("G", "T", 0, 0, { version: 7 })).length).toBe(1);
    });
  });
}
