import { afterAll, beforeAll, describe, expect } from "vitest";
import { brokers } from "./judged.ts";
import { KnownFailing } from "./known-failing.ts";
import type { RunningBroker } from "./running-broker.ts";
import type { ToldLine } from "./scenarios.ts";
import { SpringClient } from "./spring-client.ts";
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
recallMessageEnable=true
`;

const known = new KnownFailing("spring.test.ts");

describe.skipIf((await missingTool()) !== undefined)("rocketmq-spring-boot-starter", () => {
  for (const { name: brokerName, start } of brokers) {
    describe(brokerName, () => {
      let broker: RunningBroker;
      let spring: SpringClient;

      beforeAll(async () => {
        broker = await start({ conf });
        spring = await SpringClient.start(broker.namesrv);
      }, setupMs);
      afterAll(async () => {
        await spring?.close();
        await broker?.close();
      }, setupMs);

      known.suite(`${brokerName}, Spring client`, { atOnce: "tests", timeoutMs: testMs }, (test) => {
        test("sync, async, one-way, batched and compressed sends, and an object as JSON #sending #batches #push", async () => {
          const told = await spring.play("sends", "SpringSends");
          const sent = new Map(all(told, "sent").map((line) => [line["how"], line]));
          expect([...sent.keys()].sort()).toEqual(["async", "batch", "sync"]);
          for (const line of sent.values()) expect(line["status"]).toBe("SEND_OK");
          const came = all(told, "came");
          for (const how of ["sync", "async"])
            expect(came.find(({ body }) => body === how)).toMatchObject({ msgId: sent.get(how)!["msgId"] });
          for (const line of ["msgId", "offsetMsgId"])
            expect(String(sent.get("batch")![line]).split(",")).toHaveLength(3);
          expect(came.map(({ body }) => body).sort()).toEqual(
            ["async", "batch-1", "batch-2", "batch-3", "long of 20000", "one-way", "sync"].sort(),
          );
          expect(came.find(({ body }) => body === "sync")).toMatchObject({ tags: "A", keys: "k1 k2", p: "größer" });
          for (const n of [1, 2, 3]) {
            const batched = came.find(({ body }) => body === `batch-${n}`)!;
            expect(batched["tags"]).toBe("B");
            expect(String(sent.get("batch")!["msgId"]).split(",")).toContain(batched["msgId"]);
          }
          expect(only(told, "object")).toMatchObject({ id: "größer", count: 7 });
        });

        test("requests by key that a reply listener answers to callbacks, and one unheard #request-reply", async () => {
          expectReplies(await spring.play("requests", "SpringRequests"));
        });

        test("requests that are waited for, on rocketmq-client 5.5.0 #request-reply", async () => {
          const newer = await SpringClient.start(broker.namesrv, "5.5.0");
          try {
            expectReplies(await newer.play("waitingRequests", "SpringWaiting"));
          } finally {
            await newer.close();
          }
        });

        test("listeners by tags and by an SQL92 expression #tags #sql92", async () => {
          const told = await spring.play("filters", "SpringFilters");
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
          const told = await spring.play("group", "SpringGroup");
          const wanted = Array.from({ length: 20 }, (_, n) => `next-${n}`).sort();
          expect(String(only(told, "gone on")["bodies"]).split(" ")).toEqual(wanted);
        });

        test("broadcasting listeners, all to each #broadcasting", async () => {
          const told = await spring.play("broadcasting", "SpringBroadcast");
          const bodies = "m0 m1 m2 m3 m4 m5 m6 m7";
          expect(all(told, "came")).toMatchObject([
            { to: 0, bodies },
            { to: 1, bodies },
          ]);
        });

        test("an orderly listener has the order of each hash key, through failures #ordered", async () => {
          const told = await spring.play("ordered", "SpringOrders");
          const order = only(told, "order");
          expect(order).toMatchObject({ disorder: [], failures: 18, queuesOfAKeyMax: 1 });
          expect(order["queues"]).toBeGreaterThan(1);
        });

        test("delay levels #delay-levels", async () => {
          const told = await spring.play("delays", "SpringDelays");
          for (const level of [1, 2]) {
            const line = all(told, "came").find(({ body }) => body === `level ${level}`)!;
            expect(line).toMatchObject({ topic: "SpringDelays", level: String(level) });
            expect(line["afterMs"]).toBeGreaterThanOrEqual(level * 1_000);
          }
        });

        test("times of delivery, one recalled, and one too far away #timers", async () => {
          const told = await spring.play("timers", "SpringTimers");
          const came = (body: string) => all(told, "came").find((line) => line["body"] === body)!;
          for (const body of ["seconds", "milliseconds", "time", "past", "behind"])
            expect(came(body), body).toMatchObject({ topic: "SpringTimers" });
          expect(came("seconds")["afterMs"]).toBeGreaterThanOrEqual(3_000);
          expect(came("milliseconds")["afterMs"]).toBeGreaterThanOrEqual(1_500);
          expect(came("time")["storedAt"]).toBeGreaterThanOrEqual(only(told, "time")["at"] as number);
          expect(only(told, "recalled")).toMatchObject({ isIt: true });
          expect(came("recalled")).toBeUndefined();
          expect(only(told, "attempt")).toMatchObject({
            to: "too far away",
            code: 13,
            message: expect.stringMatching(/timer message illegal.*max delay 259200000ms/),
          });
        });

        test("what is too long for a broker #limits", async () => {
          const told = await spring.play("limits", "SpringLimits");
          expect(all(told, "attempt").map(({ to, status, code }) => [to, status ?? code])).toEqual([
            ["a body of 3 MiB", "SEND_OK"],
            ["a body of 5 MiB", 13],
            ["properties of 32 KB", "SEND_OK"],
            ["properties of 33 KB", 13],
          ]);
        });

        test("the template's producer finds messages by key and ids #queries", async () => {
          const told = await spring.play("queries", "SpringQueries");
          expect(Object.fromEntries(all(told, "found").map(({ by, bodies }) => [by, bodies]))).toEqual({
            even: ["m0", "m2"],
            odd: ["m1", "m3"],
            all: ["m0", "m1", "m2", "m3"],
          });
          expect(Object.fromEntries(all(told, "viewed").map(({ by, body }) => [by, body]))).toEqual({
            msgId: "m2",
            offsetMsgId: "m3",
          });
        });

        test("transactions that end at once, and when their listener is asked #transactions", async () => {
          const told = await spring.play("transactions", "SpringTransactions");
          expect(all(told, "begun").map(({ body, status, state }) => [body, status, state])).toEqual([
            ["committed", "SEND_OK", "COMMIT_MESSAGE"],
            ["rolled back", "SEND_OK", "ROLLBACK_MESSAGE"],
            ["asked, committed", "SEND_OK", "UNKNOW"],
            ["asked, rolled back", "SEND_OK", "UNKNOW"],
          ]);
          const asked = all(told, "asked").map(({ about, topic, tags }) => [about, topic, tags]);
          expect(asked.sort()).toEqual([
            ["asked, committed", "SpringTransactions", "T"],
            ["asked, rolled back", "SpringTransactions", "T"],
          ]);
          expect(only(told, "came")["bodies"]).toBe("asked, committed before behind committed");
        });

        test("retries of listeners that throw, or are not to try again, then the dead letters #retries", async () => {
          const told = await spring.play("retries", "SpringRetries");
          const tries = (by: string) =>
            all(told, "try")
              .filter((line) => line["by"] === by)
              .map(({ times, topic, tags }) => [times, topic, tags]);
          expect(tries("Failing")).toEqual([0, 1, 2].map((times) => [times, "SpringRetries", "T"]));
          expect(tries("Hopeless")).toEqual([[0, "SpringRetries", "T"]]);
          expect(only(told, "tries")).toMatchObject({ count: 3, ofTheHopeless: 1 });
          const dead = all(told, "dead").map(({ topic, body, tags, keys }) => [topic, body, tags, keys]);
          expect(dead.sort()).toEqual([
            ["%DLQ%SpringRetries", "poison", "T", "k"],
            ["%DLQ%SpringRetries-hopeless", "poison", "T", "k"],
          ]);
        });

        test("groups that are to begin at a time #consume-from", async () => {
          const told = await spring.play("consumeFrom", "SpringFrom");
          const bodies = (...prefixes: string[]) =>
            prefixes.flatMap((prefix) => [0, 1, 2, 3].map((n) => `${prefix}${n}`)).join(" ");
          expect(only(told, "came")).toMatchObject({
            // A queue whose first message is in the broker's memory still is begun with from there by every group.
            clustering: bodies("early", "late", "next"),
            broadcasting: bodies("late", "next"),
          });
        });

        test("what the template and a listener traced #trace", async () => {
          const told = await spring.play("trace", "SpringTraced");
          const { msgId } = only(told, "sent");
          const traced = all(told, "traced");
          expect(traced.map(({ kind }) => kind)).toEqual(["Pub", "SubAfter", "SubBefore"]);
          for (const line of traced) expect(line).toMatchObject({ msgId, isSuccess: true, keys: "key-SpringTraced" });
          expect(traced[0]).toMatchObject({ group: "Senders-SpringTraced", topic: "SpringTraced", tags: "T" });
          expect(traced[2]).toMatchObject({ group: "SpringTraced" });
        });

        test("the template receives by a tag and by SQL92, and goes on where it left #lite-pull #sql92 #offsets", async () => {
          const told = await spring.play("litePull", "SpringPulls");
          const received = Object.fromEntries(all(told, "received").map(({ by, bodies }) => [by, bodies]));
          expect(received).toEqual({ sql: ["m5", "m6", "m7"], tag: ["m0", "m2", "m4", "m6"] });
          expect(only(told, "gone on")["bodies"]).toEqual(["late0", "late1"]);
        });
      });
    });
  }
  known.checkNames();
});

function expectReplies(told: readonly ToldLine[]): void {
  expect(only(told, "unheard")).toMatchObject({ isRefused: true });
  expect(all(told, "reply").map(({ body }) => body)).toEqual(["one!", "two!", "three!"]);
  expect(only(told, "object")).toMatchObject({ id: "o!", count: 8 });
}
