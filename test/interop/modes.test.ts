import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { JavaClients, type JavaProgram } from "./java-client.ts";
import { brokers, named } from "./judged.ts";
import { KnownFailing } from "./known-failing.ts";
import { javascriptModes } from "./modes-js.ts";
import { type RunningBroker, removeDirectory, temporaryDirectory } from "./running-broker.ts";
import { all, only } from "./told.ts";
import { type ClientVersion, clientVersions, missingTool } from "./toolchain.ts";

const setupMs = 240_000;
const testMs = 180_000;

/**
 * Sixteen retries take some seconds rather than five hours, and questions about transactions come as soon; a starved client is not asked about
 * the end that it is about to say.
 */
const conf = `messageDelayLevel=1s 2s 1s 1s${" 0s".repeat(13)} 1s
enablePropertyFilter=true
recallMessageEnable=true
transactionTimeOut=3000
transactionCheckInterval=1000
transactionOpBatchInterval=100
`;
const lastLevel = 18;
/** How often clients look whose queues are whose. */
const soon = ["waitInterval", "lockInterval"].map((name) => `-Drocketmq.client.rebalance.${name}=1000`);

/** Groups whose retry policy an administrator has set (SubscriptionGroupConfig, GroupRetryPolicy). */
const groupsWithPolicy = clientVersions.map((version) => `Exponential-${named("Retries", version)}`);
const policy = {
  type: "EXPONENTIAL",
  exponentialRetryPolicy: { initial: 600_000, max: 7_200_000, multiplier: 2 },
};

const known = new KnownFailing("modes.test.ts");

describe.skipIf((await missingTool()) !== undefined)("message modes", () => {
  for (const { name: brokerName, start } of brokers) {
    describe(brokerName, () => {
      let broker: RunningBroker;
      let store: string;
      const programs = new Map<ClientVersion, JavaProgram>();
      const clientsOf: JavaClients[] = [];

      beforeAll(async () => {
        store = await temporaryDirectory("modes");
        await mkdir(path.join(store, "config"));
        await writeFile(path.join(store, "config/subscriptionGroup.json"), groupsFile());
        broker = await start({ conf, store });
        for (const version of clientVersions) {
          const clients = await JavaClients.of(version, ...soon);
          clientsOf.push(clients);
          programs.set(version, clients.startModes(broker.namesrv));
        }
      }, setupMs);
      afterAll(async () => {
        for (const clients of clientsOf) await clients.close();
        await broker?.close();
        await removeDirectory(store);
      }, setupMs);

      for (const version of clientVersions) {
        known.suite(`${brokerName}, client ${version}`, { atOnce: "suites", timeoutMs: testMs }, (test) => {
          const play = (scenario: string, base: string) => programs.get(version)!.play(scenario, named(base, version));

          test("requests are replied to, and one that nobody hears is over in time #request-reply", async () => {
            const told = await play("requestReply", "Requests");
            for (const what of ["sync", "selected", "queue", "async"]) {
              expect(only(told, what)).toMatchObject({
                body: `${what}!`,
                topic: "DefaultCluster_REPLY_TOPIC",
                properties: { MSG_TYPE: "reply", TTL: "30000", CORRELATION_ID: expect.any(String) },
              });
              const { ARRIVE_TIME, PUSH_REPLY_TIME } = only(told, what)["properties"] as Record<string, string>;
              expect(Number(ARRIVE_TIME)).toBeGreaterThanOrEqual(Number(PUSH_REPLY_TIME));
            }
            expect(only(told, "large")).toMatchObject({ bodyBytes: 100_000 });
            const replied = all(told, "replied");
            expect(replied.map(({ to }) => to).sort()).toEqual(["async", "large", "queue", "selected", "sync"]);
            for (const line of replied) {
              expect(line).toMatchObject({ status: "SEND_OK", topic: "DefaultCluster_REPLY_TOPIC" });
              expect(line["offsetMsgId"]).toMatch(/^[0-9A-F]{32}$/);
            }
            expect(only(told, "unheard")).toMatchObject({ error: "RequestTimeoutException" });
            expect(only(told, "late")).toMatchObject({ status: "SEND_OK" });
            expect(only(told, "gone")).toMatchObject({ error: "MQClientException", code: 1 });
            expect(only(told, "gone")["cause"]).toMatch(/push reply message fail, channel of <.*> not found/);
            expect(only(told, "to nobody")).toMatchObject({ error: "MQClientException", code: 1 });
            expect(only(told, "to nobody")["cause"]).toMatch(/reply message properties\[REPLY_TO_CLIENT\] is null/);
          });

          test("what a client traced is found by the message's id and by its key #trace", async () => {
            const told = await play("trace", "Traced");
            const group = named("Traced", version);
            expect(all(told, "found").map(({ by, kinds }) => [by, kinds])).toEqual([
              ["id", "Pub SubAfter SubBefore"],
              ["key", "Pub SubAfter SubBefore"],
            ]);
            expect(only(told, "Pub")).toMatchObject({
              group: `Traced-${group}`,
              topic: group,
              region: "DefaultRegion",
              keys: `key-${group}`,
              tags: "TagA",
              success: "true",
              isOffsetMsgId: "true",
            });
            expect(only(told, "SubBefore")).toMatchObject({ group, keys: `key-${group}` });
            expect(only(told, "SubAfter")).toMatchObject({ success: "true", keys: `key-${group}` });
          });

          test("sixteen retries at growing levels, then the dead letters, by whatever policy of the group #retries", async () => {
            const told = await play("retries", "Retries");
            const tries = (who: string) => all(told, "try").filter((line) => line["who"] === who);
            const expectTries = (who: string, count: number) => {
              // Whose wish to send back is answered too late, sends a copy of his own: on a starved machine there are two.
              expect(distinct(tries(who).map(({ reconsumeTimes }) => reconsumeTimes))).toEqual(upTo(count + 1));
              for (const { reconsumeTimes, properties, topic } of tries(who)) {
                expect(topic).toBe(named("Retries", version));
                if (reconsumeTimes === 0) continue;
                const level = Math.min(2 + (reconsumeTimes as number), lastLevel);
                expect(properties).toMatchObject({ DELAY: String(level), RETRY_TOPIC: topic });
              }
            };
            expectTries("as the broker says", 16);
            expectTries("twice", 2);
            expectTries("with a policy", 2);
            const dead = all(told, "dead").map(
              ({ topic, body, reconsumeTimes }) => `${topic} ${body} ${reconsumeTimes}`,
            );
            expect(distinct(dead).sort()).toEqual(
              [
                `%DLQ%${named("Retries", version)} poison 17`,
                `%DLQ%${named("Retries", version)}-twice poison 3`,
                `%DLQ%Exponential-${named("Retries", version)} poison 3`,
              ].sort(),
            );
          });

          test("a listener chooses the level, and below 0 the dead letters at once #retries", async () => {
            const told = await play("deadAtOnce", "DeadAtOnce");
            expect(
              all(told, "try")
                .map(({ who, reconsumeTimes }) => `${who} ${reconsumeTimes}`)
                .sort(),
            ).toEqual(["at level 2 0", "at level 2 1", "never again 0"]);
            const again = all(told, "try").find(({ reconsumeTimes }) => reconsumeTimes === 1)!;
            expect(again["properties"]).toMatchObject({ DELAY: "2" });
            const dead = all(told, "dead").map(({ topic, reconsumeTimes }) => [topic, reconsumeTimes]);
            expect(dead.sort()).toEqual([
              [`%DLQ%${named("DeadAtOnce", version)}`, 1],
              [`%DLQ%${named("DeadAtOnce", version)}-level`, 2],
            ]);
          });

          test("an orderly listener's poison is tried in place, then out of the way #ordered #retries", async () => {
            const told = await play("orderlyRetries", "OrderlyPoison");
            const tries = all(told, "try").map(({ body, reconsumeTimes }) => `${body} ${reconsumeTimes}`);
            expect(tries.slice(0, 3)).toEqual(["poison 0", "poison 1", "poison 2"]);
            expect(tries.slice(3)).toEqual(["behind 0"]);
            expect(all(told, "dead")).toMatchObject([
              { body: "poison", topic: `%DLQ%${named("OrderlyPoison", version)}` },
            ]);
          });

          test("each delay level waits for its time, and the highest stands for those beyond it #delay-levels", async () => {
            const told = await play("delays", "Delays");
            const leastMs: Record<string, number> = { "level 0": 0, "level 1": 1_000, "level 2": 2_000 };
            for (const sent of all(told, "sent")) {
              const came = all(told, "came").find(({ body }) => body === sent["body"])!;
              expect(sent).toMatchObject({ status: "SEND_OK", topic: named("Delays", version) });
              expect(came).toMatchObject({ topic: named("Delays", version), queueId: sent["queueId"] });
              expect(came["afterMs"]).toBeGreaterThanOrEqual(leastMs[sent["body"] as string] ?? 1_000);
            }
            const delayOf = (body: string) =>
              (all(told, "came").find((line) => line["body"] === body)!["properties"] as Record<string, string>)[
                "DELAY"
              ];
            expect(["level 1", "level 18", "level 40"].map(delayOf)).toEqual(["1", "18", "18"]);
          });

          test("what is too large or not allowed is refused by RocketMQ's codes; 500 sends at once #limits #sending", async () => {
            const told = await play("limits", "Limits");
            const results = all(told, "sent").map(({ message, status, error, code }) => [
              message,
              status ?? `${error} ${code}`,
            ]);
            expect(results).toEqual([
              ["properties of 32 KB", "SEND_OK"],
              ["properties of 33 KB", "MQBrokerException 13"],
              ["a body of 5 MiB", "MQBrokerException 13"],
              ["a batch of 2 MiB", "SEND_OK"],
              ["a topic of 127 characters", "SEND_OK"],
              // The client's own.
              ["a topic closed to clients", "MQClientException -1"],
              ["a delay that is no level", "MQClientException 1"],
            ]);
            expect(only(told, "async")).toMatchObject({ ids: 500, places: 500, failures: "" });
          });

          if (version === "5.5.0") {
            test("a producer that batches by itself what is sent one by one #batches #tags", async () => {
              const told = await play("autoBatches", "AutoBatches");
              expect(only(told, "sent")).toMatchObject({ places: 300, failures: "" });
              const odd = Array.from({ length: 150 }, (_, i) => `m${String(2 * i + 1).padStart(3, "0")} k${2 * i + 1}`);
              expect(only(told, "came")).toMatchObject({ bodies: odd.join(","), isBatched: "yes" });
            });
          }

          test("the pull consumer of old, queue by queue #pull #offsets", async () => {
            const told = await play("pull", "Pulled");
            const found = (what: string) => {
              const { status, next, min, max, bodies } = only(told, what);
              return { status, next, min, max, bodies };
            };
            expect(only(told, "queues")).toMatchObject({ count: 4 });
            expect(found("some")).toEqual({ status: "FOUND", next: 3, min: 0, max: 5, bodies: "m0 m4 m8" });
            expect(found("rest")).toEqual({ status: "FOUND", next: 5, min: 0, max: 5, bodies: "m12 m16" });
            expect(found("tagged")).toEqual({ status: "FOUND", next: 5, min: 0, max: 5, bodies: "m3 m7 m11 m15 m19" });
            expect(found("unmatched")).toEqual({ status: "NO_MATCHED_MSG", next: 5, min: 0, max: 5, bodies: "" });
            expect(found("at the end")).toEqual({ status: "NO_NEW_MSG", next: 5, min: 0, max: 5, bodies: "" });
            expect(found("behind the end")).toEqual({ status: "OFFSET_ILLEGAL", next: 5, min: 0, max: 5, bodies: "" });
            expect(found("async")).toMatchObject({ status: "FOUND", bodies: "m0 m4 m8 m12 m16" });
            expect(found("held")).toMatchObject({ status: "FOUND", bodies: "late" });
            expect(only(told, "offset")).toMatchObject({ stored: 4, unknown: 0 });
            expect(found("retried")).toMatchObject({ status: "FOUND", bodies: "m0" });
          });

          test("the pull consumer of old shares queues with its group #pull", async () => {
            const told = await play("pullGroup", "PullGroup");
            expect(only(told, "shared")).toMatchObject({ queues: "[0, 1, 2, 3]" });
            expect(only(told, "taken over")).toMatchObject({ before: 8, all: 16 });
          });

          test("a lite pull consumer with queues assigned to it #lite-pull #offsets", async () => {
            const told = await play("litePull", "LiteAssigned");
            expect(only(told, "queues")).toMatchObject({ count: 4 });
            // Of four queues one from its fourth message on, one from its end.
            const before = ["m0", "m4", "m8", "m3", "m7", "m11", "m15", "m19"];
            const bodies = upTo(20)
              .map((n) => `m${n}`)
              .filter((body) => !before.includes(body));
            expect(only(told, "sought")).toMatchObject({ count: 12, bodies: bodies.sort().join(" ") });
            expect(only(told, "committed")).toMatchObject({ offset: 5 });
            expect(only(told, "from the end")).toMatchObject({ bodies: "behind the end" });
            expect(only(told, "by time")).toMatchObject({ start: 0, end: 6 });
          });

          test("lite pull consumers of a group share queues and go on where one left #lite-pull", async () => {
            const told = await play("litePullGroup", "LiteGroup");
            expect(only(told, "shared")).toMatchObject({ taken: 20, isOneWithout: "false" });
            expect(only(told, "gone on")).toMatchObject({ taken: 10 });
          });

          test("queues are shared out by each of the six strategies #allocation", async () => {
            const told = await play("allocation", "Allocated");
            const shared = new Map(all(told, "shared").map((line) => [line["by"], line]));
            expect(shared.get("averagely")).toMatchObject({ shares: "[0, 1, 2] [3, 4, 5] [6, 7]" });
            expect(shared.get("circle")).toMatchObject({ shares: "[0, 3, 6] [1, 4, 7] [2, 5]" });
            expect(shared.get("room")).toMatchObject({ sizes: "[2, 3, 3]" });
            expect(shared.get("nearby")).toMatchObject({ shares: "[] [0, 1, 2, 3] [4, 5, 6, 7]" });
            expect([...shared.keys()].sort()).toEqual(["averagely", "circle", "hash", "nearby", "room"]);
            expect(only(told, "configured")).toMatchObject({ queues: "[1, 3, 5, 7]" });
          });

          test("new groups begin with the first message, the last, or by time #consume-from #broadcasting", async () => {
            const told = await play("consumeFrom", "Begins");
            const began = Object.fromEntries(all(told, "began").map(({ where, bodies }) => [where, bodies]));
            expect(began).toEqual({
              // A queue whose first message is in the broker's memory still is begun with from there by every group.
              CONSUME_FROM_FIRST_OFFSET: "new old young",
              CONSUME_FROM_LAST_OFFSET: "new old young",
              CONSUME_FROM_TIMESTAMP: "new old young",
              "broadcasting CONSUME_FROM_FIRST_OFFSET": "new old young",
              "broadcasting CONSUME_FROM_LAST_OFFSET": "new",
              "broadcasting CONSUME_FROM_TIMESTAMP": "new young",
            });
          });

          test("the order of all, and of each sharding key, through failures and a changing group #ordered", async () => {
            const told = await play("ordered", "Orders");
            expect(only(told, "global")).toMatchObject({ steps: 30, keys: 1, disorder: "", failures: 6 });
            expect(only(told, "sharded")).toMatchObject({ steps: 180, keys: 6, disorder: "", idleMembers: 0 });
          });
        });
      }

      known.suite(`${brokerName}, JavaScript client`, { atOnce: "suites", timeoutMs: testMs }, (test) =>
        javascriptModes(test, () => broker.namesrv),
      );

      describe("and a restart", () => {
        const halfway = new Set<ClientVersion>();
        let restarted = (): void => {};
        const restart = new Promise<void>((resolve) => {
          restarted = resolve;
        });
        const reached = async (version: ClientVersion) => {
          halfway.add(version);
          if (halfway.size < clientVersions.length) return restart;
          await broker.stop();
          await broker.restart();
          restarted();
        };

        for (const version of clientVersions) {
          known.suite(`${brokerName}, restarted, client ${version}`, { atOnce: "suites", timeoutMs: testMs }, (test) =>
            test("the order of each sharding key through a restart of the broker #ordered", async () => {
              const program = programs.get(version)!;
              const told = await program.play("orderedRestart", named("Restarted", version), async (told) => {
                await told("half");
                await reached(version);
              });
              expect(only(told, "through a restart")).toMatchObject({ steps: 180, keys: 6, disorder: "" });
            }),
          );
        }
      });
    });
  }
  known.checkNames();
});

function groupsFile(): string {
  const group = (groupName: string) => ({
    attributes: {},
    brokerId: 0,
    consumeBroadcastEnable: true,
    consumeEnable: true,
    consumeFromMinEnable: true,
    consumeMessageOrderly: false,
    consumeTimeoutMinute: 15,
    groupName,
    groupRetryPolicy: policy,
    groupSysFlag: 0,
    notifyConsumerIdsChangedEnable: true,
    retryMaxTimes: 16,
    retryQueueNums: 1,
    whichBrokerWhenConsumeSlowly: 1,
  });
  const subscriptionGroupTable = Object.fromEntries(groupsWithPolicy.map((name) => [name, group(name)]));
  const dataVersion = { counter: 1, stateVersion: 0, timestamp: 1_700_000_000_000 };
  return JSON.stringify({ dataVersion, forbiddenTable: {}, subscriptionGroupTable });
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
