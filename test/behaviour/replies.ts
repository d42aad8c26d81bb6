import { beforeEach, describe, expect, test } from "vitest";
import { messagesOf, type RemotingClient, requestFrame, succeeded } from "../lib/remoting-client.ts";
import type { HostedBroker } from "./host.ts";
import { connect, type Start } from "./start.ts";

const topic = "DefaultCluster_REPLY_TOPIC";

export function describeReplies(start: Start): void {
  describe("replies to requests", () => {
    let broker: HostedBroker;
    let replier: RemotingClient;
    let asker: RemotingClient;

    beforeEach(async () => {
      ({ broker, client: replier } = await start());
      asker = await connect(broker);
      await produce(asker, "asker");
    });

    test("a reply is handed to who asked, answered once he has it, and stored", async () => {
      const replying = reply("yes", { REPLY_TO_CLIENT: "asker", CORRELATION_ID: "c1" }, { f: "1" });
      const pushed = await pushedTo(asker);
      expect(pushed).toMatchObject({ code: 326, flag: 0 });
      expect(new TextDecoder().decode(pushed.body)).toBe("yes");
      expect(pushed.fields).toMatchObject({
        producerGroup: "Repliers",
        topic,
        defaultTopic: "TBW102",
        defaultTopicQueueNums: "4",
        queueId: "0",
        sysFlag: "1",
        bornTimestamp: "1700000000000",
        flag: "0",
        reconsumeTimes: "0",
        unitMode: "false",
        bornHost: expect.stringMatching(/^.+:\d+$/),
        storeHost: expect.stringMatching(/^[\d.]+:\d+$/),
        storeTimestamp: expect.stringMatching(/^\d{13}$/),
      });
      const [, correlation, time] = pushed.fields["properties"]!.split("\u0002").map((entry) => entry.split("\u0001"));
      expect(correlation).toEqual(["CORRELATION_ID", "c1"]);
      expect(time).toEqual(["PUSH_REPLY_TIME", expect.stringMatching(/^\d{13}$/)]);
      answer(asker, pushed.opaque, 0);
      const answered = succeeded(await replying);
      expect(answered.fields).toMatchObject({ queueId: "0", queueOffset: "0", MSG_REGION: "DefaultRegion" });
      expect(answered.fields["msgId"]).toMatch(new RegExp(`^${broker.storeHost}`));
      const [stored] = await storedReplies();
      expect(stored).toMatchObject({ topic, body: "yes", properties: { CORRELATION_ID: "c1" } });
    });

    test("a reply to nobody, to somebody unknown, and to who refuses it is answered so, and stored", async () => {
      expect(await reply("1", {})).toMatchObject({
        code: 1,
        remark: "reply message properties[REPLY_TO_CLIENT] is null",
      });
      expect(await reply("2", { REPLY_TO_CLIENT: "nobody" })).toMatchObject({
        code: 1,
        remark: "push reply message fail, channel of <nobody> not found.",
      });
      const refused = reply("3", { REPLY_TO_CLIENT: "asker" });
      answer(asker, (await pushedTo(asker)).opaque, 1);
      expect(await refused).toMatchObject({ code: 1, remark: "push reply message to askerfail." });
      expect((await storedReplies()).map(({ body }) => body)).toEqual(["1", "2", "3"]);
    });

    test("whose connection ends meanwhile does not keep the other waiting, and is found on his next one", async () => {
      const lost = reply("lost", { REPLY_TO_CLIENT: "asker" });
      await pushedTo(asker);
      asker.close();
      expect(await lost).toMatchObject({ code: 1, remark: "push reply message to askerfail." });
      expect((await reply("gone", { REPLY_TO_CLIENT: "asker" })).code).toBe(1);
      const again = await connect(broker);
      await produce(again, "asker");
      const replying = reply("found", { REPLY_TO_CLIENT: "asker" });
      answer(again, (await pushedTo(again)).opaque, 0);
      succeeded(await replying);
    });

    test("a client is found as long as it produces for any group", async () => {
      await produce(asker, "asker", "Second");
      succeeded(await asker.request(35, { clientID: "asker", producerGroup: "PG" }));
      const replying = reply("yes", { REPLY_TO_CLIENT: "asker" });
      answer(asker, (await pushedTo(asker)).opaque, 0);
      succeeded(await replying);
      succeeded(await asker.request(35, { clientID: "asker", producerGroup: "Second" }));
      expect((await reply("no", { REPLY_TO_CLIENT: "asker" })).code).toBe(1);
    });

    test("the first version of the request, with names instead of letters", async () => {
      const fields = {
        producerGroup: "Repliers",
        topic,
        defaultTopic: "TBW102",
        defaultTopicQueueNums: "4",
        queueId: "-1",
        sysFlag: "0",
        bornTimestamp: "1700000000000",
        flag: "0",
        properties: "REPLY_TO_CLIENT\u0001asker",
      };
      const replying = replier.request(324, fields, new TextEncoder().encode("yes"));
      const pushed = await pushedTo(asker);
      expect(pushed.fields).toMatchObject({ queueId: "-1", producerGroup: "Repliers" });
      answer(asker, pushed.opaque, 0);
      expect(succeeded(await replying).fields).toMatchObject({ queueId: "0" });
    });

    test("a topic or queue that can't be is refused before anybody hears of it", async () => {
      const to = { REPLY_TO_CLIENT: "asker" };
      expect((await reply("m", to, { b: "SCHEDULE_TOPIC_XXXX" })).code).toBe(16);
      expect((await reply("m", to, { b: "a/b" })).code).toBe(29);
      expect((await reply("m", to, { e: "7" })).code).toBe(29);
      expect((await reply("m", to, { b: "None", c: "None" })).code).toBe(17);
      expect(asker.notifications).toEqual([]);
    });

    function reply(body: string, properties: Record<string, string>, more: object = {}) {
      const text = Object.entries(properties).map(([name, value]) => `${name}\u0001${value}\u0002`);
      const fields = { a: "Repliers", b: topic, c: "TBW102", d: "4", e: "0", f: "0", g: "1700000000000", h: "0" };
      return replier.request(
        325,
        { ...fields, i: text.join(""), j: "0", k: "false", m: "false", ...more },
        new TextEncoder().encode(body),
      );
    }

    async function storedReplies() {
      return messagesOf(await replier.pull("Reader", topic, 0, 0, { subscription: "*" }));
    }
  });
}

async function produce(client: RemotingClient, clientID: string, groupName = "PG"): Promise<void> {
  succeeded(await client.request(34, {}, { clientID, consumerDataSet: [], producerDataSet: [{ groupName }] }));
}

/** The next request of the broker's, each once. */
async function pushedTo(client: RemotingClient) {
  for (;;) {
    const next = client.notifications.shift();
    if (next !== undefined) return next;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function answer(client: RemotingClient, opaque: number, code: number): void {
  client.push(requestFrame(code, opaque, 1));
}
