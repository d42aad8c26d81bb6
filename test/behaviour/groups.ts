import { beforeEach, describe, expect, test } from "vitest";
import { json, messagesOf, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import type { HostedBroker } from "./host.ts";
import { connect, type Start } from "./start.ts";

export function describeGroups(start: Start): void {
  describe("groups", () => {
    let broker: HostedBroker;
    let client: RemotingClient;

    beforeEach(async () => {
      ({ broker, client } = await start());
    });

    test("members are told of each other, and found in the list", async () => {
      const second = await connect(broker);
      await client.consume("G", { T: "*" }, { clientId: "one" });
      await toldOf("G", () => second.consume("G", { T: "*" }, { clientId: "two" }));
      expect(json(await client.request(38, { consumerGroup: "G" }))).toEqual({ consumerIdList: ["one", "two"] });

      await toldOf("G", () => second.close());
      expect(client.notifications).toMatchObject([{ code: 40 }]);
      expect(json(await client.request(38, { consumerGroup: "G" }))).toEqual({ consumerIdList: ["one"] });
      succeeded(await client.request(35, { clientID: "one", consumerGroup: "G" }));
      expect((await client.request(38, { consumerGroup: "G" })).code).toBe(1);
    });

    test("each member of a broadcasting group is served all, whatever the others have read", async () => {
      for (const body of ["m0", "m1", "m2"]) await client.send("T", body);
      const second = await connect(broker);
      const given = { model: "BROADCASTING" };
      await client.consume("G", { T: "*" }, { ...given, clientId: "one" });
      await second.consume("G", { T: "*" }, { ...given, clientId: "two" });
      expect(json(await second.request(38, { consumerGroup: "G" }))).toEqual({ consumerIdList: ["one", "two"] });
      for (const member of [client, second]) {
        const found = messagesOf(await member.pull("G", "T", 0, 0));
        expect(found.map(({ body }) => body)).toEqual(["m0", "m1", "m2"]);
      }
      // They keep their offsets themselves: the broker knows of none, and begins where the queue does.
      const offset = await client.request(14, { consumerGroup: "G", topic: "T", queueId: "0" });
      expect(offset.fields["offset"]).toBe("0");
      const held = [client, second].map((member) => member.pull("G", "T", 0, 3, { suspendMs: 20_000 }));
      await client.send("T", "m3");
      for (const answer of await Promise.all(held)) {
        expect(messagesOf(answer).map(({ body }) => body)).toEqual(["m3"]);
      }
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

    test("a client may leave out subscriptions that did not change, until it is told that they did", async () => {
      await client.send("T", "a", { properties: { TAGS: "A" } });
      await client.send("T", "b", { properties: { TAGS: "B" } });
      const second = await connect(broker);
      /** What of the answer Java's client goes by. */
      const beat = async (member: RemotingClient, heartbeatFingerprint: number, tags: string | undefined) => {
        const subscriptionDataSet =
          tags === undefined ? [] : [{ topic: "T", subString: tags, subVersion: heartbeatFingerprint }];
        const { fields } = succeeded(
          await member.request(
            34,
            {},
            {
              clientID: member === client ? "one" : "two",
              consumerDataSet: [{ groupName: "G", messageModel: 1, consumeType: 1, subscriptionDataSet }],
              heartbeatFingerprint,
              withoutSub: tags === undefined,
            },
          ),
        );
        expect(fields["IS_SUPPORT_HEART_BEAT_V2"]).toBe("true");
        return fields["IS_SUB_CHANGE"];
      };
      const read = async () => messagesOf(await client.pull("G", "T", 0, 0)).map(({ body }) => body);
      expect(await beat(client, 0, "A")).toBe("true");
      // No fingerprint before is another one, as for Apache.
      expect(await beat(client, 5, "A")).toBe("true");
      expect(await beat(client, 5, "A")).toBe("false");
      for (let i = 0; i < 2; i++) expect(await beat(client, 5, undefined)).toBe("false");
      expect(await read()).toEqual(["a"]);

      await toldOf("G", async () => expect(await beat(second, 6, "B")).toBe("true"));
      expect(await read()).toEqual(["b"]);
      expect(await beat(client, 5, undefined)).toBe("true");
      expect(await beat(client, 7, "A")).toBe("true");
      expect(await beat(second, 7, undefined)).toBe("false");
      expect(await read()).toEqual(["a"]);

      // The group ends with its members, and with it what is known of their subscriptions.
      second.close();
      client.close();
      const third = await connect(broker);
      await expect.poll(async () => (await third.request(38, { consumerGroup: "G" })).code).toBe(1);
      client = third;
      expect(await beat(third, 7, undefined)).toBe("true");
      expect((await third.pull("G", "T", 0, 0)).code).toBe(24);
      expect(await beat(third, 7, "A")).toBe("false");
      expect(await read()).toEqual(["a"]);
    });

    test("without a fingerprint no subscriptions are none", async () => {
      await client.send("T", "a");
      await client.consume("G", { T: "*" });
      const consumerDataSet = [{ groupName: "G", messageModel: 1, consumeType: 1 }];
      succeeded(await client.request(34, {}, { clientID: "client", consumerDataSet, withoutSub: true }));
      expect((await client.pull("G", "T", 0, 0)).code).toBe(24);
    });

    test("the retry topic of a group has a route from its first heartbeat on", async () => {
      await client.consume("G", { T: "*" });
      const route = json(await client.request(105, { topic: "%RETRY%G" })) as { queueDatas: unknown[] };
      expect(route.queueDatas).toMatchObject([{ readQueueNums: 1, writeQueueNums: 1, perm: 6 }]);
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

    /** Waits until the client is told that the members of a group have changed. */
    async function toldOf(group: string, change: () => unknown): Promise<void> {
      client.notifications.length = 0;
      await change();
      await expect.poll(() => client.notifications.length, { timeout: 5_000 }).toBeGreaterThan(0);
      expect(client.notifications.at(-1)).toMatchObject({ code: 40, flag: 2, fields: { consumerGroup: group } });
    }
  });
}
