import { afterAll, beforeAll, describe, expect } from "vitest";
import { GoClient, missingGo } from "./go-client.ts";
import { brokers } from "./judged.ts";
import { KnownFailing } from "./known-failing.ts";
import type { RunningBroker } from "./running-broker.ts";
import { all, only } from "./told.ts";
import { missingTool } from "./toolchain.ts";

const setupMs = 240_000;
const testMs = 180_000;

/** Seconds where the usual settings take minutes; a starved client is not asked about the end that it is about to say. */
const conf = `messageDelayLevel=1s 2s 1s 1s${" 1s".repeat(14)}
enablePropertyFilter=true
transactionTimeOut=3000
transactionCheckInterval=1000
transactionOpBatchInterval=100
`;

const known = new KnownFailing("go.test.ts");

/** Apache's broker, beside which wasmq is judged, is Java's. */
describe.skipIf((await missingGo()) !== undefined || (await missingTool()) !== undefined)("rocketmq-client-go", () => {
  for (const { name: brokerName, start } of brokers) {
    describe(brokerName, () => {
      let broker: RunningBroker;
      let go: GoClient;

      beforeAll(async () => {
        broker = await start({ conf });
        go = await GoClient.start(broker.namesrv);
      }, setupMs);
      afterAll(async () => {
        await go?.close();
        await broker?.close();
      }, setupMs);

      known.suite(`${brokerName}, Go client`, { atOnce: "tests", timeoutMs: testMs }, (test) => {
        test("sync, async, one-way, batched and compressed sends #sending #batches #push", async () => {
          const told = await go.play("sends", "GoSends");
          const sent = new Map(all(told, "sent").map((line) => [line["how"], line]));
          expect([...sent.keys()].sort()).toEqual(["async", "batch", "sync"]);
          for (const line of sent.values()) expect(line["status"]).toBe(0);
          for (const how of ["sync", "async"]) {
            const came = all(told, "came").find(({ body }) => body === how)!;
            expect(came).toMatchObject({
              msgId: sent.get(how)!["msgId"],
              offsetMsgId: sent.get(how)!["offsetMsgId"],
            });
          }
          expect(String(sent.get("batch")!["offsetMsgId"]).split(",")).toHaveLength(3);
          const came = all(told, "came");
          expect(came.map(({ body }) => body).sort()).toEqual(
            ["async", "batch-1", "batch-2", "batch-3", "long of 20000", "one-way", "sync"].sort(),
          );
          expect(came.find(({ body }) => body === "sync")).toMatchObject({ tags: "A", keys: "k1 k2", p: "größer" });
          expect(came.find(({ body }) => body === "batch-1")).toMatchObject({ tags: "B" });
        });

        test("requests, replied to by another client, and one that nobody hears #request-reply", async () => {
          const told = await go.play("requestReply", "GoRequests");
          expect(all(told, "reply").map(({ body, kind }) => [body, kind])).toEqual([
            ["one!", "reply"],
            ["two!", "reply"],
          ]);
          expect(only(told, "unheard")).toMatchObject({ isRefused: true });
        });

        test("tags, and an SQL92 expression that the pulls call a tag #tags #sql92", async () => {
          const told = await go.play("filters", "GoFilters");
          const bodies = Object.fromEntries(all(told, "came").map((line) => [line["by"], line["bodies"]]));
          const wanted = (holds: (n: number) => boolean) =>
            Array.from({ length: 24 }, (_, n) => n)
              .filter(holds)
              .map((n) => `m${String(n).padStart(2, "0")}`)
              .join(" ");
          expect(bodies).toEqual({
            tags: wanted((n) => n % 3 !== 1),
            sql: wanted((n) => (n >= 5 && n <= 15 && n % 2 === 0) || n % 3 === 2),
          });
        });

        test("a group shares queues, and goes on where it left #push #offsets", async () => {
          const told = await go.play("group", "GoGroup");
          const wanted = Array.from({ length: 20 }, (_, n) => `next-${n}`).sort();
          expect(String(only(told, "gone on")["bodies"]).split(" ")).toEqual(wanted);
        });

        test("broadcasting, all to each #broadcasting", async () => {
          const told = await go.play("broadcasting", "GoBroadcast");
          const bodies = "m0 m1 m2 m3 m4 m5 m6 m7";
          expect(all(told, "came")).toMatchObject([
            { to: 0, bodies },
            { to: 1, bodies },
          ]);
        });

        test("the order of each sharding key, through failures #ordered", async () => {
          const told = await go.play("ordered", "GoOrders");
          expect(only(told, "order")).toMatchObject({ disorder: [], failures: 18, queuesOfAKeyMax: 1 });
        });

        test("delay levels #delay-levels", async () => {
          const told = await go.play("delays", "GoDelays");
          const came = (body: string) => all(told, "came").find((line) => line["body"] === body)!;
          for (const level of [1, 2]) {
            const line = came(`level ${level}`);
            expect(line).toMatchObject({ topic: "GoDelays", level: String(level) });
            expect(line["afterMs"]).toBeGreaterThanOrEqual(level * 1_000);
          }
        });

        test("transactions that end at once, and when their producer is asked #transactions", async () => {
          const told = await go.play("transactions", "GoTransactions");
          expect(all(told, "begun").map(({ body, status, state }) => [body, status, state])).toEqual([
            ["committed", 0, 1],
            ["rolled back", 0, 2],
            ["asked, committed", 0, 3],
            ["asked, rolled back", 0, 3],
          ]);
          const asked = all(told, "asked").map(({ about, topic }) => [about, topic]);
          expect(asked.sort()).toEqual([
            ["asked, committed", "GoTransactions"],
            ["asked, rolled back", "GoTransactions"],
          ]);
          expect(only(told, "came")["bodies"]).toBe("asked, committed before behind committed");
        });

        test("retries, then the dead letters #retries", async () => {
          const told = await go.play("retries", "GoRetries");
          expect(all(told, "try").map(({ times, retryTopic }) => [times, retryTopic])).toEqual([
            [0, ""],
            [1, "GoRetries"],
            [2, "GoRetries"],
          ]);
          expect(all(told, "dead")).toMatchObject([{ body: "poison", topic: "%DLQ%GoRetries", tags: "T" }]);
        });

        test("the pull consumer, queue by queue and as a member of a group #pull #offsets", async () => {
          const told = await go.play("pull", "GoPulls");
          // Statuses as in primitive.PullStatus: found, no new message, no matched one, offset illegal.
          expect(only(told, "some")).toMatchObject({ status: 0, next: 5, min: 0, max: 8, bodies: ["m2", "m3", "m4"] });
          expect(only(told, "rest")).toMatchObject({ status: 0, next: 8, bodies: ["m5", "m6", "m7"] });
          expect(only(told, "at the end")).toMatchObject({ status: 1, next: 8, bodies: [] });
          expect(only(told, "behind the end")).toMatchObject({ status: 3, next: 8, bodies: [] });
          expect(only(told, "polled")["bodies"]).toEqual(["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"]);
          expect(only(told, "gone on")["bodies"]).toEqual(["late"]);
        });

        test("a topic is made, found and deleted, and a group is listed #admin", async () => {
          const told = await go.play("admin", "GoAdmin");
          expect(only(told, "made")).toMatchObject({ queues: 3 });
          expect(only(told, "group")).toMatchObject({ isKnown: true, retryMaxTimes: 16 });
          expect(all(told, "deleted")).toHaveLength(1);
        });
      });
    });
  }
  known.checkNames();
});
