import { afterAll, beforeAll, describe, expect } from "vitest";
import { type Answer, messagesOf } from "../lib/remoting-client.ts";
import { JavaClients } from "./java-client.ts";
import { brokers, named } from "./judged.ts";
import { KnownFailing } from "./known-failing.ts";
import type { RunningBroker } from "./running-broker.ts";
import { clientVersions, missingTool } from "./toolchain.ts";
import { wireClients } from "./wire-client.ts";

const setupMs = 240_000;
const testMs = 180_000;

const known = new KnownFailing("query.test.ts");
const bodies = (...indices: readonly number[]): string => indices.map((i) => `m${i}`).join(" ");
const from = (first: number, end: number): string =>
  bodies(...Array.from({ length: end - first }, (_, i) => first + i));
/** The client's own code for an answer without a message. */
const noMessage = { error: "MQClientException", code: 208 };

describe.skipIf((await missingTool()) !== undefined)("queries by key", () => {
  for (const { name: brokerName, start } of brokers) {
    describe(brokerName, () => {
      let broker: RunningBroker;
      const clientsOf = new Map<string, JavaClients>();

      beforeAll(async () => {
        for (const version of clientVersions) clientsOf.set(version, await JavaClients.of(version));
        broker = await start();
      }, setupMs);
      afterAll(async () => {
        for (const clients of clientsOf.values()) await clients.close();
        await broker?.close();
      }, setupMs);

      for (const version of clientVersions) {
        known.suite(`${brokerName}, client ${version}`, { atOnce: "suites", timeoutMs: testMs }, (test) =>
          test("by key, unique key, tag, time and place", async () => {
            const topic = named("Query", version);
            const program = clientsOf.get(version)!.start(broker.namesrv, "Query", { topic });
            await program.finish();
            const asked = Object.fromEntries(
              program
                .all("asked")
                .map(({ event, question, ...answer }) => [
                  question,
                  answer.error === undefined ? answer.answer : answer,
                ]),
            );
            expect(asked).toMatchObject({
              "key k3": "m3",
              "key third1": bodies(1, 4, 7, 10),
              "key all": from(0, 12),
              "key none": noMessage,
              "key k": noMessage,
              "key TagA": noMessage,
              "key k3 third0": noMessage,
              "key schlüssel-🐇": from(0, 12),
              newest: from(7, 12),
              "at most none": noMessage,
              "first half": from(0, 6),
              "second half": from(6, 12),
              before: noMessage,
              after: noMessage,
              "another topic": noMessage,
              "unique key": "m4",
              "offset id": "m5",
              tag: version === "4.9.1" ? "" : bodies(0, 2, 4, 6, 8, 10),
              "tag none": version === "4.9.1" ? "" : noMessage,
            });
          }),
        );
      }

      known.suite(`${brokerName}, on the wire`, { atOnce: "suites", timeoutMs: testMs }, (test) =>
        test("fields, codes and remarks of the answers", () => judgeAnswers(broker)),
      );
    });
  }
  known.checkNames();
});

/** The same expectations of Apache's broker and of wasmq. */
async function judgeAnswers(broker: RunningBroker): Promise<void> {
  const { namesrv, client } = await wireClients(broker);
  const topic = "OnTheWire";
  for (let i = 0; i < 3; i++) {
    const properties = { KEYS: `k${i}  all k${i}`, UNIQ_KEY: `U${i}`, TAGS: "T", KEYS2: "none" };
    await client.send(topic, `m${i}`, { properties });
  }
  const query = (key: string, given: object = {}): Promise<Answer> =>
    client.request(12, { topic, key, maxNum: 64, beginTimestamp: 0, endTimestamp: "9223372036854775807", ...given });
  const deadline = Date.now() + 60_000;
  while ((await query("k2")).code !== 0 && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 50));
  const found = await query("all");
  const messages = messagesOf(found);
  const last = messages[2]!;
  expect(found.code).toBe(0);
  expect(messages.map(({ body }) => body)).toEqual(["m0", "m1", "m2"]);
  expect(found.remark).toBeUndefined();
  expect(found.fields).toEqual({
    indexLastUpdateTimestamp: String(last.storeTimestamp),
    indexLastUpdatePhyoffset: String(last.physicalOffset),
  });
  const nothing = {
    code: 22,
    remark: "can not find message, maybe time range not correct",
    fields: { indexLastUpdateTimestamp: "0", indexLastUpdatePhyoffset: "0" },
  };
  for (const [key, given, bodies] of [
    ["U1", { indexType: "U" }, ["m1"]],
    ["U1", { _UNIQUE_KEY_QUERY: "true", maxNum: 0 }, ["m1"]],
    ["U1", { _UNIQUE_KEY_QUERY: "TRUE", maxNum: -3 }, ["m1"]],
    ["U1", { indexType: "" }, ["m1"]],
    ["U1", { indexType: "other" }, ["m1"]],
    ["T", { indexType: "T" }, ["m0", "m1", "m2"]],
    ["T", { indexType: "T", lastKey: "x" }, ["m0", "m1", "m2"]],
    ["all", { maxNum: 2 }, ["m1", "m2"]],
  ] as const) {
    expect(
      messagesOf(await query(key, given)).map(({ body }) => body),
      key,
    ).toEqual(bodies);
  }
  for (const [key, given] of [
    ["none", {}],
    ["", {}],
    ["U1", { indexType: "T" }],
    ["T", {}],
    ["all", { maxNum: 0 }],
    ["all", { endTimestamp: 5 }],
    ["all", { beginTimestamp: "9223372036854775807" }],
    ["all", { topic: "None" }],
  ] as const) {
    expect(await query(key, given), key).toMatchObject(nothing);
  }
  expect((await query("all", { maxNum: -1 })).code).toBe(1);
  expect((await query("all", { maxNum: "x" })).code).toBe(1);
  expect((await client.request(12, { topic, key: "all", maxNum: 1, beginTimestamp: 0 })).code).toBe(1);
  for (const one of [client, namesrv]) one.close();
}
