import { beforeEach, describe, expect, test } from "vitest";
import { messagesOf, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import type { Start } from "./start.ts";

export function describeRetries(start: Start): void {
  describe("retries and delays", () => {
    let client: RemotingClient;

    beforeEach(async () => {
      ({ client } = await start({ messageDelayLevel: "1s 1s 1s 1s" }));
    });

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
      expect(dead.properties["DELAY"]).toBe("0");
      expect(dead.properties["ORIGIN_MESSAGE_ID"]).toBe(sent.fields["msgId"]);
    });

    test("delay level -1 is dead at once; a group comes into being; unknown places are refused", async () => {
      await client.send("T", "m");
      expect((await back(0, { group: "a/b" })).code).toBe(26);
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
  });
}
