import { afterAll, beforeAll, describe, expect } from "vitest";
import { judgeBatches } from "./batches.ts";
import { JavaClients, type JavaProgram, type SentLine } from "./java-client.ts";
import { brokers, named } from "./judged.ts";
import { KnownFailing } from "./known-failing.ts";
import type { RunningBroker } from "./running-broker.ts";
import { clientVersions, missingTool } from "./toolchain.ts";

const setupMs = 240_000;
const testMs = 180_000;
const bodyBytesMax = 4 * 1024 * 1024;

/** How an operator sets a client; the older one knows no fingerprints. */
const binaryHeaders = ["-Drocketmq.serialize.type=ROCKETMQ"];
const heartbeatsV2 = ["-Dcom.rocketmq.heartbeat.v2=true"];

const known = new KnownFailing("clients.test.ts");

describe.skipIf((await missingTool()) !== undefined)("official Java clients", () => {
  for (const { name: brokerName, start } of brokers) {
    describe(brokerName, () => {
      let broker: RunningBroker;
      const clientsOf = new Map<string, JavaClients>();
      const binaryClientsOf = new Map<string, JavaClients>();

      beforeAll(async () => {
        for (const version of clientVersions) {
          clientsOf.set(version, await JavaClients.of(version));
          binaryClientsOf.set(version, await JavaClients.of(version, ...binaryHeaders, ...heartbeatsV2));
        }
        broker = await start();
      }, setupMs);
      afterAll(async () => {
        for (const clients of [...clientsOf.values(), ...binaryClientsOf.values()]) await clients.close();
        await broker?.close();
      }, setupMs);

      for (const version of clientVersions) {
        const suite = `${brokerName}, client ${version}`;

        // The names of the example are the same for every client: one after the other.
        known.suite(suite, { atOnce: "nothing", timeoutMs: testMs }, (test) =>
          test("the first example #push", async () => {
            const clients = clientsOf.get(version)!;
            const sent = await clients.produce(broker.namesrv, { topic: "TopicTest", tags: "TagA" });
            const consumer = clients.start(broker.namesrv, "Consume", { topic: "TopicTest" });
            await consumer.untilCaughtUp(10 * (clientVersions.indexOf(version) + 1));
            await consumer.stop();

            expect(sent.map((line) => line.status)).toEqual(Array(10).fill("SEND_OK"));
            expect(new Set(sent.map((line) => line.broker))).toEqual(new Set(["broker-a"]));
            expect(new Set(sent.map((line) => line.queueId))).toEqual(new Set([0, 1, 2, 3]));
            const received = consumer.all("message");
            expect(ids(received)).toEqual(ids(sent));
            for (const line of received) {
              const of = sent.find((one) => one.msgId === line.msgId)!;
              expect(line).toMatchObject({
                topic: "TopicTest",
                tags: "TagA",
                keys: null,
                body: `Hello RocketMQ ${of.index}`,
                flag: 0,
                reconsumeTimes: 0,
                queueId: of.queueId,
                queueOffset: of.queueOffset,
              });
              expect(offsetMsgId(line)).toBe(of.offsetMsgId);
              expect(line.storeTimestamp).toBeGreaterThanOrEqual(line.bornTimestamp);
              const { MIN_OFFSET, MAX_OFFSET, CONSUME_START_TIME, ...properties } = line.properties;
              expect(properties).toEqual({
                CLUSTER: "DefaultCluster",
                MSG_REGION: "DefaultRegion",
                TAGS: "TagA",
                TRACE_ON: "true",
                UNIQ_KEY: of.msgId,
                WAIT: "true",
              });
              expect(MIN_OFFSET).toBe("0");
              expect(Number(MAX_OFFSET)).toBeGreaterThan(line.queueOffset);
              expect(Number(CONSUME_START_TIME)).toBeGreaterThanOrEqual(line.storeTimestamp);
            }
          }),
        );
      }

      known.suite(`${brokerName}, on the wire`, { atOnce: "suites", timeoutMs: testMs }, (test) =>
        test("batches, of every kind there is", () => judgeBatches(broker)),
      );

      for (const version of clientVersions) {
        const suite = `${brokerName}, client ${version} with binary headers`;
        known.suite(suite, { atOnce: "suites", timeoutMs: testMs }, (test) => {
          const clients = () => binaryClientsOf.get(version)!;
          const name = (base: string) => named(base, version);

          test("sends of all kinds, consumers that share them, failures sent back, offsets #batches", async () => {
            const topic = name("Binary");
            const batches = [
              { topic, tags: "TagA", keys: "sync-", mode: "sync", property: "colour=grün" },
              { keys: "async-", mode: "async" },
              { keys: "oneway-", mode: "oneway" },
              { keys: "batch-", mode: "batch", text: "Grüße, 你好, 🐇 " },
            ];
            const sent = await clients().produce(broker.namesrv, ...batches);
            const options = { topic, group: name("Binary"), "fail-times": 1, "delay-level": 1, "routes-ms": 1_000 };
            const first = clients().start(broker.namesrv, "Consume", options);
            await first.untilCaughtUp(40);
            const second = clients().start(broker.namesrv, "Consume", options);
            await Promise.all([first.untilAssigned(2), second.untilAssigned(2)]);
            const shared = await clients().produce(broker.namesrv, { topic, tags: "TagA", count: 20 });
            const all = [...sent, ...shared];
            const consumers = [first, second];
            const succeeded = () =>
              consumers.flatMap((one) => one.all("message")).filter((line) => line.result === "succeeds");
            const isOver = () => new Set(ids(succeeded())).size === all.length;
            await Promise.any(consumers.map((one) => one.until(isOver, "each message's second time")));
            await Promise.all(consumers.map((one) => one.stop()));

            expect(sent.filter((line) => line.batch !== 2).map((line) => line.status)).toEqual(
              Array(30).fill("SEND_OK"),
            );
            expect([...new Set(ids(succeeded()))]).toEqual(ids(all));
            const received = (of: SentLine) => succeeded().find((one) => one.msgId === of.msgId)!;
            for (const of of all) {
              const { bodyBytes, bodySha256 } = of;
              expect(received(of)).toMatchObject({ topic, tags: "TagA", bodyBytes, bodySha256, reconsumeTimes: 1 });
              // Sent by the client itself once the broker had not answered its wish to have it sent back, it has lost its origin.
              if (received(of).properties["RECONSUME_TIME"] !== undefined) continue;
              // After a one-way send nobody knows it.
              const origin = of.offsetMsgId ?? expect.any(String);
              expect(received(of).properties).toMatchObject({ ORIGIN_MESSAGE_ID: origin });
            }
            for (const of of sent) {
              expect(received(of)).toMatchObject({ keys: `${batches[of.batch]!.keys}${of.index}` });
              expect(received(of).properties).toMatchObject({ colour: "grün" });
            }
            // Who stops last may have taken over queues of the other's: both tell of them then.
            const committed: Record<string, number> = {};
            for (const one of consumers) {
              for (const [queueId, offset] of Object.entries(one.last("committed")!.offsets)) {
                committed[queueId] = Math.max(committed[queueId] ?? 0, offset);
              }
            }
            expect(Object.values(committed).reduce((sum, offset) => sum + offset, 0)).toBe(all.length);
            expect(await first.log()).toMatch(/SerializerType:ROCKETMQ/);
          });

          if (version !== "5.5.0") return;
          test("heartbeats without subscriptions, and with them when they change", async () => {
            const topic = name("Fingerprint");
            const tags = { topic, tags: "TagA,TagB", count: 8 };
            await clients().produce(broker.namesrv, tags);
            const group = name("Fingerprint");
            const consumer = clients().start(broker.namesrv, "Consume", {
              ...{ topic, group, expression: "TagA", "heartbeat-ms": 500 },
            });
            await consumer.untilCaughtUp(8);
            const shortHeartbeats = async () =>
              (await consumer.log()).match(/V2 simple brokerName: \S+ subChange: false/g)?.length ?? 0;
            const untilTwoMore = async () => {
              const before = await shortHeartbeats();
              await expect.poll(shortHeartbeats, { timeout: 30_000 }).toBeGreaterThanOrEqual(before + 2);
            };
            await untilTwoMore();
            await consumer.subscribe("TagA || TagB");
            await untilTwoMore();
            // What a pull brings is still filtered by what was subscribed when it was asked.
            await clients().produce(broker.namesrv, { topic, tags: "TagA", count: 8 });
            await consumer.untilCaughtUp(16);
            const both = await clients().produce(broker.namesrv, tags);
            await consumer.untilCaughtUp(24);
            await consumer.stop();

            expect(among(both, consumer).sort()).toEqual(ids(both));
            expect(consumer.all("message").length).toBe(4 + 8 + 8);
          });
        });
      }

      for (const version of clientVersions) {
        const suite = `${brokerName}, client ${version}`;
        known.suite(suite, { atOnce: "suites", timeoutMs: testMs }, (test) => {
          const clients = () => clientsOf.get(version)!;
          const name = (base: string) => named(base, version);

          test("sync, async and one-way sends are all consumed, whatever the body #sending", async () => {
            const topic = name("Bodies");
            const batches = [
              { topic, keys: "sync-", mode: "sync", property: "colour=grün" },
              { keys: "async-", mode: "async" },
              { keys: "oneway-", mode: "oneway" },
              // Above 4 KiB the client compresses.
              { keys: "compressed-", "repeated-bytes": 100_000, count: 2 },
              { keys: "incompressible-", "random-bytes": 10_000, count: 2 },
              { keys: "largest-", "repeated-bytes": bodyBytesMax, count: 1 },
              { keys: "one-byte-", "repeated-bytes": 1, count: 1 },
              { keys: "Schlüssel-钥匙-", text: "Grüße, 你好, 🐇 \u0001\u0002 ", count: 2 },
            ];
            const sent = await clients().produce(broker.namesrv, ...batches);
            const consumer = clients().start(broker.namesrv, "Consume", { topic, group: name("Bodies") });
            await consumer.untilCaughtUp(38);
            await consumer.stop();

            const received = consumer.all("message");
            expect(ids(received)).toEqual(ids(sent));
            for (const of of sent) {
              const line = received.find((one) => one.msgId === of.msgId)!;
              const { bodyBytes, bodySha256 } = of;
              expect(line).toMatchObject({ bodyBytes, bodySha256, keys: `${batches[of.batch]!.keys}${of.index}` });
              expect(line.properties["colour"]).toBe("grün");
            }
          });

          test("4 MiB is the largest body, as sent, compression counts #limits", async () => {
            const topic = name("Largest");
            const own = clients().start(
              broker.namesrv,
              "Produce",
              // The client looks at the size before it compresses.
              { topic, count: 1, "repeated-bytes": bodyBytesMax + 1 },
              { "repeated-bytes": bodyBytesMax },
              // What does not compress grows by it, and the broker has the last word.
              { "random-bytes": bodyBytesMax },
            );
            await own.finish();
            const raised = clients().start(
              broker.namesrv,
              "Produce",
              {
                topic,
                count: 1,
                "client-body-bytes-max": 2 * bodyBytesMax,
                "compress-over-bytes": 2 * bodyBytesMax,
                "random-bytes": bodyBytesMax + 1,
              },
              { "random-bytes": bodyBytesMax },
            );
            await raised.finish();

            expect(own.all("sent")).toMatchObject([{ batch: 1, status: "SEND_OK" }]);
            expect(own.all("failed")).toMatchObject([
              { batch: 0, error: "MQClientException", code: 13 },
              { batch: 2, error: "MQBrokerException", code: 13 },
            ]);
            expect(raised.all("sent")).toMatchObject([{ batch: 1, status: "SEND_OK" }]);
            expect(raised.all("failed")).toMatchObject([{ batch: 0, error: "MQBrokerException", code: 13 }]);
          });

          test("TagA || TagB gets exactly those #tags", async () => {
            const topic = name("TwoTags");
            const sent = await clients().produce(broker.namesrv, { topic, tags: "TagA,TagB,TagC,TagD", count: 40 });
            const consumer = clients().start(broker.namesrv, "Consume", {
              topic,
              group: name("TwoTags"),
              expression: "TagA || TagB",
            });
            await consumer.untilCaughtUp(40);
            await consumer.stop();

            expect(ids(consumer.all("message"))).toEqual(ids(sent.filter((line) => line.index % 4 < 2)));
          });

          test("tags of one hash code are told apart, and no match gets none #tags", async () => {
            const topic = name("SameHash");
            // "Aa" and "BB" have the same Java hash code: the broker lets both through, the client compares. Queues are taken in
            // turn, so each ends with an "Aa": a client commits what it dropped itself only with the next message it takes.
            const tags = "BB,BB,BB,BB,Aa,Aa,Aa,Aa";
            const sent = await clients().produce(broker.namesrv, { topic, tags, count: 24 });
            const one = clients().start(broker.namesrv, "Consume", {
              topic,
              group: name("SameHash"),
              expression: "Aa",
            });
            const none = clients().start(broker.namesrv, "Consume", {
              topic,
              group: name("NoMatch"),
              expression: "TagZ",
            });
            await one.untilCaughtUp(24);
            await none.untilCaughtUp(24);
            await one.stop();
            await none.stop();

            expect(ids(one.all("message"))).toEqual(ids(sent.filter((line) => line.index % 8 >= 4)));
            expect(none.all("message")).toEqual([]);
          });

          test("two consumers share the queues; one stops, one is killed, the other takes over #push", async () => {
            const topic = name("Shared");
            const options = { topic, group: name("Shared") };
            const start = () => clients().start(broker.namesrv, "Consume", options);
            // Until the topic is there no queue can be assigned.
            await clients().produce(broker.namesrv, { topic, count: 8 });
            const first = start();
            await first.untilCaughtUp(8);
            const second = start();
            await Promise.all([first.untilAssigned(2), second.untilAssigned(2)]);

            const shared = await clients().produce(broker.namesrv, { topic, count: 40 });
            await untilAll(shared, first, second);
            const [ofFirst, ofSecond] = [among(shared, first), among(shared, second)];
            expect([...ofFirst, ...ofSecond].sort(), "each message once, to one of them").toEqual(ids(shared));
            expect(queues(shared, ofFirst).size).toBe(2);
            expect(queues(shared, ofSecond).size).toBe(2);

            await first.stop();
            await second.untilAssigned(4);
            const afterStop = await clients().produce(broker.namesrv, { topic, count: 20 });
            await untilAll(afterStop, second);

            const third = clients().start(broker.namesrv, "Consume", { ...options, "listener-ms": 50 });
            await Promise.all([second.untilAssigned(2), third.untilAssigned(2)]);
            const producing = clients().start(broker.namesrv, "Produce", { topic, count: 400 });
            await third.untilMessages(5);
            await third.kill();
            await second.untilAssigned(4);
            await producing.finish();
            const duringKill = producing.all("sent");
            expect(duringKill.length).toBe(400);
            await untilAll(duringKill, second, third);
            await second.stop();
          });

          test("a message whose listener failed comes again after 10 s #retries", async () => {
            const topic = name("Failing");
            const options = { topic, group: name("Failing") };
            // A client learns of its group's retry topic every 30 s, and at its start if the topic is there already.
            await clients().produce(broker.namesrv, { topic, count: 4 });
            const before = clients().start(broker.namesrv, "Consume", options);
            await before.untilCaughtUp(4);
            await before.stop();

            const sent = await clients().produce(broker.namesrv, { topic, tags: "TagA", keys: "key-", count: 4 });
            const consumer = clients().start(broker.namesrv, "Consume", { ...options, "fail-times": 1 });
            await consumer.untilMessages(8);
            await consumer.stop();

            const lines = consumer.all("message");
            expect(lines.length).toBe(8);
            for (const of of sent) {
              const [failed, again] = lines.filter((line) => line.msgId === of.msgId);
              expect(failed).toMatchObject({ reconsumeTimes: 0, result: "fails" });
              expect(again).toMatchObject({
                topic,
                tags: "TagA",
                keys: `key-${of.index}`,
                body: of.body,
                reconsumeTimes: 1,
                result: "succeeds",
                bornTimestamp: failed!.bornTimestamp,
              });
              expect(again!.properties).toMatchObject({
                RETRY_TOPIC: topic,
                ORIGIN_MESSAGE_ID: of.offsetMsgId,
                REAL_TOPIC: `%RETRY%${options.group}`,
              });
              // Level 3 is 10 s; the broker's clock is the same machine's.
              const waitedMs = again!.storeTimestamp - Number(failed!.properties["CONSUME_START_TIME"]);
              expect(waitedMs).toBeGreaterThanOrEqual(9_900);
              expect(waitedMs).toBeLessThan(25_000);
            }
          });

          test("a message that failed too often is in the dead letter queue #retries", async () => {
            const topic = name("Dead");
            const group = name("Dead");
            await clients().produce(broker.namesrv, { topic, count: 4 });
            const before = clients().start(broker.namesrv, "Consume", { topic, group });
            await before.untilCaughtUp(4);
            await before.stop();

            const sent = await clients().produce(broker.namesrv, { topic, tags: "TagA", keys: "key-", count: 3 });
            const failing = clients().start(broker.namesrv, "Consume", {
              topic,
              group,
              "fail-times": 5,
              "max-reconsume": 1,
              "delay-level": 1,
            });
            await failing.untilMessages(6);
            const dead = `%DLQ%${group}`;
            const undertaker = clients().start(broker.namesrv, "Consume", { topic: dead, group: name("Undertaker") });
            await undertaker.untilCaughtUp(3);
            await undertaker.stop();
            await failing.stop();

            const tries = failing.all("message");
            for (const { msgId } of sent)
              expect(tries.filter((line) => line.msgId === msgId).map((line) => line.reconsumeTimes)).toEqual([0, 1]);
            expect(tries.length).toBe(6);
            const letters = undertaker.all("message");
            expect(ids(letters)).toEqual(ids(sent));
            for (const letter of letters) {
              const of = sent.find((line) => line.msgId === letter.msgId)!;
              expect(letter).toMatchObject({
                topic: dead,
                queueId: 0,
                keys: `key-${of.index}`,
                body: of.body,
                reconsumeTimes: 2,
              });
              expect(letter.properties).toMatchObject({ RETRY_TOPIC: topic, ORIGIN_MESSAGE_ID: of.offsetMsgId });
            }
          });

          test("an orderly listener keeps each queue's order, through a failure too #ordered", async () => {
            const topic = name("Orderly");
            const sent = await clients().produce(broker.namesrv, { topic, mode: "orderly", count: 80 });
            const consumer = clients().start(broker.namesrv, "Consume", {
              topic,
              group: name("Orderly"),
              mode: "orderly",
            });
            await consumer.untilCaughtUp(80);
            await consumer.stop();
            const failing = clients().start(broker.namesrv, "Consume", {
              topic,
              group: name("OrderlyFailing"),
              mode: "orderly",
              "fail-first-of-queue": "true",
            });
            await failing.untilCaughtUp(80);
            await failing.stop();

            for (let queue = 0; queue < 4; queue++) {
              const steps = sent.filter((line) => line.queueId === queue).map((line) => line.body);
              expect(steps.length).toBe(20);
              const seen = consumer.all("message").filter((line) => line.queueId === queue);
              expect(seen.map((line) => line.body)).toEqual(steps);
              const again = failing.all("message").filter((line) => line.queueId === queue);
              expect(again.map((line) => line.body)).toEqual([steps[0], ...steps]);
              expect(again.map((line) => line.reconsumeTimes).slice(0, 3)).toEqual([0, 1, 0]);
            }
          });

          test("broadcasting, both consumers get all #broadcasting", async () => {
            const topic = name("Broadcast");
            const options = { topic, group: name("Broadcast"), mode: "broadcast" };
            const early = await clients().produce(broker.namesrv, { topic, count: 10 });
            const both = [0, 1].map(() => clients().start(broker.namesrv, "Consume", options));
            await Promise.all(both.map((consumer) => consumer.untilCaughtUp(10)));
            const late = await clients().produce(broker.namesrv, { topic, count: 10 });
            await Promise.all(both.map((consumer) => consumer.untilCaughtUp(20)));
            await Promise.all(both.map((consumer) => consumer.stop()));

            for (const consumer of both) expect(ids(consumer.all("message"))).toEqual(ids([...early, ...late]));
          });

          test("offsets, first, end, by time, and committed by a group #offsets", async () => {
            const topic = name("Offsets");
            const group = name("Offsets");
            const sent = await clients().produce(broker.namesrv, { topic, tags: "TagA", count: 10 });
            const consumer = clients().start(broker.namesrv, "Consume", { topic, group });
            await consumer.untilCaughtUp(10);
            await consumer.stop();
            const probe = clients().start(broker.namesrv, "Probe", { topic, group, search: "true" });
            await probe.finish();

            const stored = probe.all("stored");
            expect(ids(stored)).toEqual(ids(sent));
            const queueLines = probe.all("queue");
            expect(queueLines.map((line) => line.queueId)).toEqual([0, 1, 2, 3]);
            for (const line of queueLines) {
              const inQueue = stored.filter((one) => one.queueId === line.queueId);
              expect(line).toMatchObject({
                broker: "broker-a",
                min: 0,
                max: inQueue.length,
                committed: inQueue.length,
              });
              expect(inQueue.map((one) => one.queueOffset)).toEqual(inQueue.map((_, index) => index));
              const found = probe.all("found").filter((one) => one.queueId === line.queueId);
              expect(found.length).toBeGreaterThan(4);
              for (const { time, offset } of found) {
                const firstNotBefore = inQueue.findIndex((one) => one.storeTimestamp >= time);
                expect(offset, `first message stored at ${time} or later`).toBe(
                  firstNotBefore < 0 ? inQueue.length : firstNotBefore,
                );
              }
            }
          });

          test("a message is found by the id of its place #queries", async () => {
            const topic = name("FoundByPlace");
            const [sent] = await clients().produce(broker.namesrv, { topic, tags: "TagA", count: 1 });
            const view = sent!.offsetMsgId!;
            const probe = clients().start(broker.namesrv, "Probe", { topic, "ends-only": "true", view });
            await probe.finish();
            expect(probe.all("viewed")).toMatchObject([
              { id: view, msgId: sent!.msgId, topic, tags: "TagA", body: "Hello RocketMQ 0" },
            ]);
          });

          test("a message is found by the id its sender gave it #queries", async () => {
            const topic = name("FoundByKey");
            const [sent] = await clients().produce(broker.namesrv, { topic, tags: "TagA", count: 1 });
            const notStored = sent!.msgId.replace(/.{8}$/, "FFFFFFFF");
            const view = [sent!.msgId, notStored].join(",");
            const probe = clients().start(broker.namesrv, "Probe", { topic, "ends-only": "true", view });
            await probe.finish();
            expect(probe.all("viewed")).toMatchObject([
              { id: sent!.msgId, msgId: sent!.msgId, topic, tags: "TagA", body: "Hello RocketMQ 0" },
            ]);
            // The client's own code for an answer without a message.
            expect(probe.all("failed")).toMatchObject([{ id: notStored, error: "MQClientException", code: 208 }]);
          });
        });
      }
    });
  }
  known.checkNames();
});

function ids(lines: readonly { readonly msgId: string }[]): string[] {
  return lines.map((line) => line.msgId).sort();
}

/** The id in a send's answer, remade from what the consumer was told: store host and CommitLog offset. */
function offsetMsgId(line: { readonly storeHost: string; readonly commitLogOffset: number }): string {
  const [address, port] = line.storeHost.replace("/", "").split(":");
  const hex = (value: number | string, digits: number) => Number(value).toString(16).padStart(digits, "0");
  const parts = [...address!.split(".").map((byte) => hex(byte, 2)), hex(port!, 8), hex(line.commitLogOffset, 16)];
  return parts.join("").toUpperCase();
}

/** Of the messages sent, the ids this consumer got, with any repetition. */
function among(sent: readonly SentLine[], consumer: JavaProgram): string[] {
  const wanted = new Set(sent.map((line) => line.msgId));
  const got = consumer.all("message").map((line) => line.msgId);
  return got.filter((id) => wanted.has(id));
}

function queues(sent: readonly SentLine[], of: readonly string[]): Set<number | undefined> {
  return new Set(sent.filter((line) => of.includes(line.msgId)).map((line) => line.queueId));
}

/** Every message was seen by at least one of the consumers. */
async function untilAll(sent: readonly SentLine[], ...consumers: readonly JavaProgram[]): Promise<void> {
  const missing = () => {
    const seen = new Set(consumers.flatMap((consumer) => consumer.all("message").map((line) => line.msgId)));
    return sent.filter((line) => !seen.has(line.msgId));
  };
  const alive = consumers.filter((consumer) => consumer.child.end === undefined);
  await Promise.any(alive.map((consumer) => consumer.until(() => missing().length === 0, "the rest"))).catch(() => {
    throw new Error(
      `${missing().length} of ${sent.length} messages were given to nobody: ${JSON.stringify(missing()[0])}`,
    );
  });
}
