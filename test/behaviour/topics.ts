import { beforeEach, describe, expect, test, vi } from "vitest";
import { json, messagesOf, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import type { HostedBroker } from "./host.ts";
import { connect, killed, restarted, type Start } from "./start.ts";
import { deleteAll, namesIn, putFile, readFile } from "./store-files.ts";

const topicsFile = "config/topics.json";

export function describeTopics(start: Start): void {
  describe("topics", () => {
    let broker: HostedBroker;
    let client: RemotingClient;

    beforeEach(async () => {
      ({ broker, client } = await start({ messageDelayLevel: "1s 1s 1s 1s" }));
    });

    test.each(["%DLQ%/../../x", "%RETRY%..", "../x", ""])("%j is no name, whatever it is made after", async (topic) => {
      for (const c of ["TBW102", "nope"]) {
        const header = { a: "PG", b: topic, c, d: "4", e: "0", f: "0", g: "0", h: "0" };
        expect(await client.request(310, header)).toMatchObject({ code: 29 });
      }
      await broker.stop();
      const names = await broker.files((storage) => namesIn(storage, ""));
      expect(names.filter((file) => file.includes(".."))).toEqual([]);
    });

    test("one that is no name in the file is left out, so that nothing is written outside the store", async () => {
      await client.send("T", "m");
      const again = await restarted(broker, async (storage) => {
        const topics = JSON.parse(new TextDecoder().decode(await readFile(storage, topicsFile)));
        topics.topicConfigTable["../../outside"] = { ...topics.topicConfigTable.T, topicName: "../../outside" };
        await putFile(storage, topicsFile, JSON.stringify(topics));
      });
      expect((await again.trySend("../../outside", "m")).code).not.toBe(0);
      expect((await again.trySend("T", "m")).code).toBe(0);
      expect(broker.logged.filter((line) => line.includes("topics.json has a name")).length).toBe(1);
    });

    test("names that every JavaScript object has are names like others", async () => {
      await client.send("__proto__", "m");
      await client.send("constructor", "m");
      const other = await start({ brokerName: "__proto__", clusterName: "constructor" });
      const cluster = new TextDecoder().decode((await other.client.request(106)).body);
      expect(cluster).toMatch(
        /"brokerAddrTable":\{"__proto__":\{.*"clusterAddrTable":\{"constructor":\["__proto__"\]\}/,
      );
      const after = await killed(broker);
      for (const topic of ["__proto__", "constructor"]) succeeded(await after.request(105, { topic }));
    });

    test("a new one is there after a crash at the moment of its first answer", async () => {
      await client.send("T", "m", { queueId: 2 });
      const after = await killed(broker);
      succeeded(await after.request(105, { topic: "T" }));
      const answer = await after.pull("G", "T", 2, 0, { subscription: "*" });
      expect(messagesOf(answer).map(({ body }) => body)).toEqual(["m"]);
    });

    test("a new one whose first message was delayed gets it after a crash at the moment of its answer", async () => {
      await client.send("T", "m", { properties: { DELAY: "1" } });
      const after = await killed(broker);
      const answer = await after.pull("G", "T", 0, 0, { subscription: "*", suspendMs: 5_000 });
      expect(messagesOf(answer).map(({ body }) => body)).toEqual(["m"]);
    });

    test("a new one of dead letters is there after a crash at the moment a message sent back is answered", async () => {
      await client.send("T", "m");
      await client.consume("G", { T: "*" });
      const back = { group: "G", offset: "0", delayLevel: "-1", originTopic: "T", unitMode: "false" };
      succeeded(await client.request(36, back));
      succeeded(await (await killed(broker)).request(105, { topic: "%DLQ%G" }));
    });

    test("one that only its queues tell of gets a config", async () => {
      await client.send("T", "m", { queueId: 2 });
      const after = await killed(broker, (storage) => deleteAll(storage, topicsFile));
      const route = json(await after.request(105, { topic: "T" })) as { queueDatas: unknown[] };
      expect(route.queueDatas).toMatchObject([{ readQueueNums: 4, writeQueueNums: 4, perm: 6 }]);
      // Its sender had heard of as many.
      await after.send("T", "m", { queueId: 3 });
    });

    test("one whose config is gone gets its delayed messages all the same", async () => {
      await client.send("T", "m", { properties: { DELAY: "1" } });
      const after = await killed(broker, (storage) => deleteAll(storage, topicsFile));
      await vi.waitFor(
        async () => {
          const { fields } = await after.request(30, { topic: "T", queueId: "0" });
          expect(fields["offset"]).toBe("1");
        },
        { timeout: 5_000 },
      );
    });

    test("a cleanly stopped broker tells its topics and groups again", async () => {
      await client.send("T", "m", { queueId: 3 });
      await client.consume("G", { T: "*" });
      const before = json(await client.request(105, { topic: "T" }));
      await restarted(broker);
      const again = await connect(broker);
      expect(json(await again.request(105, { topic: "T" }))).toEqual(before);
      // Known to be a group: a commit is taken before its next heartbeat.
      succeeded(await again.request(15, { consumerGroup: "G", topic: "T", queueId: "3", commitOffset: "1" }));
    });
  });
}
