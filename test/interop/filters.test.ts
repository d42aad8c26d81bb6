/** Consumers by SQL92, of each kind there is; and the answers on the wire. */
import { afterAll, beforeAll, describe, expect } from "vitest";
import { encodeBatch, messagesOf, succeeded } from "../lib/remoting-client.ts";
import { JavaClients } from "./java-client.ts";
import { brokers, named } from "./judged.ts";
import { KnownFailing } from "./known-failing.ts";
import type { RunningBroker } from "./running-broker.ts";
import { clientVersions, missingTool } from "./toolchain.ts";
import { connectToBroker } from "./wire.ts";

const setupMs = 240_000;
const testMs = 180_000;
const known = new KnownFailing("filters.test.ts");
const sql = { expressionType: "SQL92" };

const broken = "a > 'x'";
const messages = "a=5,s=abc;a=15;a=1.5;;a=-3,s=it's;a=x,t=true;a=3000000000";
/** Which of these messages each expression holds of. */
const expressions: Readonly<Record<string, string>> = {
  "a > 4 OR last = '1'": "m0 m1",
  "a > 4.0 OR last = '1'": "m0 m1 m6",
  "a IS NULL": "m3",
  "(s CONTAINS 's' OR s = 'abc') AND NOT (a = 5) OR last = '1'": "m4",
  "a NOT IN ('5', 'x') OR last IS NOT NULL": "m1 m2 m4 m6",
  "a BETWEEN -3 AND 5 OR t = TRUE OR last = '1'": "m0 m4",
  "TAGS = 'TagA' AND KEYS STARTSWITH 'm'": "m0 m1 m2 m3 m4 m5 m6",
};

describe.skipIf((await missingTool()) !== undefined)("filters by SQL92", () => {
  for (const { name: brokerName, start } of brokers) {
    describe(brokerName, () => {
      let broker: RunningBroker;
      const clientsOf = new Map<string, JavaClients>();

      beforeAll(async () => {
        for (const version of clientVersions) clientsOf.set(version, await JavaClients.of(version));
        broker = await start({ conf: "enablePropertyFilter=true\n" });
      }, setupMs);
      afterAll(async () => {
        for (const clients of clientsOf.values()) await clients.close();
        await broker?.close();
      }, setupMs);

      for (const version of clientVersions) {
        known.suite(`${brokerName}, client ${version}`, { atOnce: "suites", timeoutMs: testMs }, (test) =>
          test("push, lite pull and pull consumers", async () => {
            const names = { topic: named("Filter", version), group: named("Filter", version) };
            const [first, ...others] = Object.keys(expressions);
            const program = clientsOf
              .get(version)!
              .start(
                broker.namesrv,
                "Filter",
                { ...names, messages, expression: first!, broken },
                ...others.map((expression) => ({ expression })),
              );
            await program.finish();
            const told = (by: string) => {
              const lines = program.all("filtered").filter((line) => line.by === by);
              return Object.fromEntries(
                lines.map(({ expression, keys, code, message }) => {
                  // What a client says of an answer begins with its code.
                  return [expression, keys ?? (message?.startsWith("CODE: ") ? code : message)];
                }),
              );
            };
            expect(told("push")).toEqual({ [first!]: expressions[first!], [broken]: 23 });
            expect(told("lite")).toEqual({ [first!]: expressions[first!] });
            // What Apache does with a broken expression that comes with a pull is filter by none.
            const otherwise = brokerName === "Apache" ? "m0 m1 m2 m3 m4 m5 m6" : 23;
            expect(told("pull")).toEqual({ ...expressions, [broken]: otherwise });
          }),
        );
      }

      known.suite(`${brokerName}, on the wire`, { atOnce: "suites", timeoutMs: testMs }, (test) => {
        test("what is refused, and how", async () => {
          const client = await connectToBroker(broker.namesrv);
          const check = (subString: string, expressionType: string) => {
            const subscriptionData = { topic: "T", subString, expressionType };
            return client.request(46, {}, { clientId: "c", group: "G", subscriptionData });
          };
          const codes = async (...asked: readonly [string, string][]) => {
            return Promise.all(asked.map(async ([text, type]) => (await check(text, type)).code));
          };
          expect(await codes(["a > 5", "SQL92"], ["a > 5 #", "TAG"], ["a = 5) #", "SQL92"])).toEqual([0, 0, 0]);
          expect(await codes(["a >", "SQL92"], ["", "SQL92"], ["a", "XPATH"])).toEqual([23, 23, 23]);
          expect((await client.request(46, {}, { clientId: "c", group: "G" })).code).toBe(0);
          for (const code of [301, 302]) expect((await client.request(code, {})).code, String(code)).toBe(3);

          const topic = "FilterWire";
          const items = Array.from({ length: 1_000 }, (_, i) => ({ body: `m${i}`, properties: { n: `${i}` } }));
          succeeded(await client.trySend(topic, encodeBatch(items), { batch: true }));
          const pull = async (offset: number, version: number) => {
            const answer = await client.pull("FilterWireG", topic, 0, offset, { version });
            return [
              answer.code,
              answer.fields["nextBeginOffset"],
              messagesOf(answer)
                .map(({ body }) => body)
                .join(" "),
            ];
          };
          const subscribe = (expression: string, version: number, given = sql) =>
            client.consume("FilterWireG", { [topic]: expression }, { ...given, version });
          expect((await pull(0, 1))[0]).toBe(24);
          await subscribe("n = 900", 1);
          await expect.poll(() => pull(0, 1), { timeout: 30_000 }).toEqual([20, "800", ""]);
          expect(await pull(800, 1)).toEqual([0, "1000", "m900"]);
          expect(await pull(1_000, 1)).toEqual([19, "1000", ""]);
          expect((await pull(0, 2))[0]).toBe(25);
          await subscribe("n >", 2);
          expect((await pull(0, 2))[0]).toBe(27);
          await subscribe("n BETWEEN 7 AND 9", 3);
          expect(await pull(0, 3)).toEqual([0, "800", "m7 m8 m9"]);
          await subscribe("", 4);
          expect((await pull(0, 4))[0]).toBe(28);
          await subscribe("*", 5, { expressionType: "TAG" });
          expect(await pull(998, 5)).toEqual([0, "1000", "m998 m999"]);
          const inline = { subscription: "n = 998 OR n = 999", ...sql };
          const answer = await client.pull("FilterWireG", topic, 0, 997, inline);
          expect(messagesOf(answer).map(({ body }) => body)).toEqual(["m998", "m999"]);
          client.close();
        });
      });
    });
  }
});
