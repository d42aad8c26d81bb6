/** Times of delivery: the official clients against both brokers, and timers that wait in a store that changes hands. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { messagesOf, type PulledMessage, RemotingClient, succeeded } from "../lib/remoting-client.ts";
import { openSocket } from "../lib/socket-wire.ts";
import { JavaClients } from "./java-client.ts";
import { brokers, named } from "./judged.ts";
import { KnownFailing } from "./known-failing.ts";
import { OnePlace } from "./one-place.ts";
import type { RunningBroker } from "./running-broker.ts";
import { clientVersions, missingTool } from "./toolchain.ts";

const setupMs = 240_000;
const testMs = 180_000;

const known = new KnownFailing("timers.test.ts");

describe.skipIf((await missingTool()) !== undefined)("times of delivery", () => {
  const clientsOf = new Map<string, JavaClients>();

  beforeAll(async () => {
    for (const version of clientVersions) clientsOf.set(version, await JavaClients.of(version));
  }, setupMs);
  afterAll(async () => {
    for (const clients of clientsOf.values()) await clients.close();
  }, setupMs);

  for (const { name: brokerName, start } of brokers) {
    describe(brokerName, () => {
      let broker: RunningBroker;

      beforeAll(async () => {
        // A window of some seconds: what is further away goes round.
        broker = await start({ conf: "recallMessageEnable=true\ntimerRollWindowSlot=4\n" });
      }, setupMs);
      afterAll(() => broker?.close(), setupMs);

      for (const version of clientVersions) {
        known.suite(`${brokerName}, client ${version}`, { atOnce: "suites", timeoutMs: testMs }, (declare) => {
          declare("messages come at their time, never before, and what is recalled does not come", async () => {
            const clients = clientsOf.get(version)!;
            const topic = named("Timed", version);
            const consumer = clients.start(broker.namesrv, "Consume", { topic, group: topic, "routes-ms": 1_000 });
            const plain = { topic, count: 2, tags: "TagA" };
            const producer = clients.start(
              broker.namesrv,
              "Produce",
              plain,
              { time: "delay-ms", after: 1_500 },
              { time: "delay-sec", after: 3 },
              { time: "deliver-in-ms", after: 2_000 },
              { time: "deliver-in-ms", after: -10_000 },
              { time: "delay-sec", after: 7 },
              { time: "delay-sec", after: 3 * 24 * 3_600 + 1, count: 1 },
              ...(version === "5.5.0" ? [{ time: "delay-ms", after: 4_000, recall: "true" }] : []),
            );
            await producer.finish();
            const sent = producer.all("sent");
            const recalled = producer.all("recalled").map(({ msgId }) => msgId);
            const expected = sent.filter(({ msgId }) => !recalled.includes(msgId));
            await consumer.untilMessages(expected.length);
            await consumer.stop();

            expect(sent.map(({ batch }) => batch)).toEqual(
              [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 7, 7].slice(0, sent.length),
            );
            expect(recalled).toHaveLength(version === "5.5.0" ? 2 : 0);
            const failed = producer.all("failed");
            expect(failed).toMatchObject([{ batch: 6, error: "MQBrokerException", code: 13 }]);
            expect(failed[0]!.message).toMatch(/timer message illegal.*max delay 259200000ms/);

            const received = consumer.all("message");
            expect(received.map(({ msgId }) => msgId).sort()).toEqual(expected.map(({ msgId }) => msgId).sort());
            const soonestMs = [0, 1_500, 3_000, 2_000, 0, 7_000];
            for (const { batch, index, msgId, recallHandle, queueId } of expected) {
              const message = received.find((one) => one.msgId === msgId)!;
              const { storeTimestamp, bornTimestamp, properties } = message;
              const isTimed = [1, 2, 3, 5].includes(batch);
              expect(message).toMatchObject({
                body: `Hello RocketMQ ${index}`,
                tags: "TagA",
                queueId,
                reconsumeTimes: 0,
              });
              // The time of delivery is noted before that of birth, and on a starved machine long before.
              if (batch === 3) expect(storeTimestamp).toBeGreaterThanOrEqual(Number(properties["TIMER_DELIVER_MS"]));
              else expect(storeTimestamp - bornTimestamp, `batch ${batch}`).toBeGreaterThanOrEqual(soonestMs[batch]!);
              const names = ["REAL_TOPIC", "REAL_QID", "TIMER_OUT_MS", "TIMER_ENQUEUE_MS", "TIMER_DEQUEUE_MS"];
              for (const name of names)
                expect(properties[name] !== undefined, `${name} of batch ${batch}`).toBe(isTimed);
              expect(properties["TIMER_ROLL_TIMES"] !== undefined, `rounds of batch ${batch}`).toBe(batch === 5);
              if (!isTimed) continue;
              const outMs = Number(properties["TIMER_OUT_MS"]);
              expect(outMs % 1_000).toBe(0);
              expect(storeTimestamp).toBeGreaterThanOrEqual(outMs + 1_000);
              expect(Number(properties["TIMER_ENQUEUE_MS"])).toBeLessThanOrEqual(outMs);
              expect(Number(properties["TIMER_DEQUEUE_MS"])).toBeGreaterThanOrEqual(outMs + 1_000);
              if (version !== "5.5.0") continue;
              const handle = Buffer.from(recallHandle!, "base64url").toString().split(" ");
              expect(handle).toEqual(["v1", topic, "broker-a", String(outMs + 1), msgId]);
            }
          });
        });
      }

      known.suite(`${brokerName}, on the wire`, { atOnce: "suites", timeoutMs: testMs }, (declare) => {
        declare("what can't be recalled is refused, and answered alike", async () => {
          const client = await brokerClient(broker);
          await client.send("Recalled", "m");
          await client.send("RecalledNot", "m");
          const inAMinute = { properties: { TIMER_DELAY_SEC: "60", UNIQ_KEY: "K1" } };
          const { recallHandle } = (await client.send("Recalled", "m", inAMinute)).fields;
          const of = (...parts: string[]) => Buffer.from(parts.join(" ")).toString("base64url");
          const soon = String(Date.now() + 30_000);
          const recalls: [handle: string | undefined, topic?: string][] = [
            [recallHandle],
            [recallHandle, "RecalledNone"],
            [recallHandle, "RecalledNot"],
            [of("v1", "Recalled", "broker-b", soon, "K1")],
            [of("v2", "Recalled", "broker-a", soon, "K1")],
            [of("v1", "Recalled", "broker-a", soon)],
            [of("v1", "Recalled", "broker-a", String(Date.now() - 1), "K1")],
            [of("v1", "Recalled", "broker-a", String(Date.now() + 4 * 24 * 3_600_000), "K1")],
            [of("v1", "Recalled", "broker-a", "soon", "K1")],
            [of("v1", "Recalled", "broker-a", soon, "AnotherKey")],
            ["%%%"],
            [undefined],
          ];
          const answers = [];
          for (const [handle, topic = "Recalled"] of recalls) {
            const answer = await client.request(370, { producerGroup: "PG", topic, recallHandle: handle });
            answers.push([answer.code, answer.fields["msgId"]]);
          }
          expect(answers).toEqual([
            [0, "K1"],
            [17, undefined],
            ...Array(7).fill([604, undefined]),
            [0, "AnotherKey"],
            [604, undefined],
            [604, undefined],
          ]);
          client.close();
        });
      });
    });
  }

  test("a store with timers that wait changes hands, and each comes once, at its time", {
    timeout: testMs,
  }, async () => {
    const place = await OnePlace.make({
      ...{ recallMessageEnable: true, timerRollWindowSlot: 20, mappedFileSizeTimerLog: 3_328 },
      ...{ mappedFileSizeCommitLog: 1024 * 1024, mappedFileSizeConsumeQueue: 100 * 20 },
    });
    /** By body: when it is due, and in whose turn it was sent. */
    const due = new Map<string, number>();
    const recalled: string[] = [];
    let killedAtMs = 0;
    try {
      const turns = [
        ["Apache", "stopped"],
        ["wasmq", "stopped"],
        ["Apache", "killed"],
        ["wasmq", "killed"],
        ["Apache", "stopped"],
        ["wasmq", "stopped"],
      ] as const;
      let last: PulledMessage[] = [];
      for (const [number, [owner, end]] of turns.entries()) {
        await place.open(owner);
        const client = await RemotingClient.open((events) => openSocket(place.brokerPort, events));
        const send = async (body: string, afterMs: number) => {
          const atMs = Date.now() + afterMs;
          const properties = { TIMER_DELIVER_MS: String(atMs), UNIQ_KEY: body };
          const sent = await client.send("Timers", body, { properties });
          due.set(body, atMs);
          return sent.fields["recallHandle"];
        };
        await client.send("Timers", `plain-${number}`, { queueId: 1 });
        if (number < turns.length - 1) {
          // Due in this turn, in the next one, and after going round.
          for (const afterMs of [1_000, 2_500, 9_000, 12_000, 30_000])
            await send(`${owner}-${number}-${afterMs}`, afterMs);
          const body = `${owner}-${number}-recalled`;
          const fields = { producerGroup: "PG", topic: "Timers", recallHandle: await send(body, 14_000) };
          succeeded(await client.request(370, fields));
          due.delete(body);
          recalled.push(body);
          await new Promise((resolve) => setTimeout(resolve, 4_500));
        } else {
          const left = Math.max(...due.values()) + 2_000 - Date.now();
          if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
          const missing = async () => {
            last = await all(client, "Timers");
            const bodies = new Set(last.map(({ body }) => body));
            return [...due.keys()].filter((body) => !bodies.has(body));
          };
          await expect.poll(missing, { timeout: 60_000 }).toEqual([]);
        }
        client.close();
        if (end === "killed") {
          await place.kill();
          killedAtMs = Date.now();
        } else await place.stop();
      }
      const bodies = last.map(({ body }) => body);
      for (const [body, dueMs] of due) {
        const came = last.filter((one) => one.body === body);
        expect(came.length, body).toBeGreaterThanOrEqual(1);
        // What was delivered right before a kill may come twice.
        expect(came.length, body).toBeLessThanOrEqual(2);
        for (const { storeTimestamp } of came) expect(storeTimestamp, body).toBeGreaterThanOrEqual(dueMs);
      }
      const once = [...due.keys()].filter((body) => bodies.filter((one) => one === body).length === 1);
      expect(once.length, `${bodies}`).toBeGreaterThanOrEqual(due.size - 6);
      for (const body of recalled) expect(bodies).not.toContain(body);
      expect(killedAtMs).toBeGreaterThan(0);
    } finally {
      await place.close();
    }
  });

  known.checkNames();
});

async function brokerClient({ namesrv }: RunningBroker): Promise<RemotingClient> {
  const [, port] = namesrv.split(":");
  const names = await RemotingClient.open((events) => openSocket(Number(port), events));
  const route = JSON.parse(
    new TextDecoder().decode((await names.request(105, { topic: "TBW102", acceptStandardJsonOnly: "true" })).body),
  );
  names.close();
  const address: string = Object.values<string>(route.brokerDatas[0].brokerAddrs)[0]!;
  return RemotingClient.open((events) => openSocket(Number(address.split(":")[1]), events));
}

/** All of a topic's first queue. */
async function all(client: RemotingClient, topic: string): Promise<PulledMessage[]> {
  const found: PulledMessage[] = [];
  for (;;) {
    const messages = messagesOf(await client.pull("G", topic, 0, found.length, { subscription: "*" }));
    if (messages.length === 0) return found;
    found.push(...messages);
  }
}
