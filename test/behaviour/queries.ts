import { beforeEach, describe, expect, test } from "vitest";
import { messagesOf, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import type { HostedBroker } from "./host.ts";
import { killed, restarted, type Start } from "./start.ts";
import { namesIn } from "./store-files.ts";

const always = { maxNum: 64, beginTimestamp: 0, endTimestamp: "9223372036854775807" };

/** The bodies of what a query by key brings, in its order. */
export async function queried(
  client: RemotingClient,
  topic: string,
  key: string,
  given: object = {},
): Promise<string[]> {
  const answer = await client.request(12, { topic, key, ...always, ...given });
  if (answer.code === 22) return [];
  return messagesOf(succeeded(answer)).map(({ body }) => body);
}

/** Messages found by their keys, their unique keys and their tags. */
export function describeQueries(start: Start): void {
  describe("queries", () => {
    let broker: HostedBroker;
    let client: RemotingClient;

    beforeEach(async () => {
      ({ broker, client } = await start());
    });

    const sendSome = async (count: number, topic = "T"): Promise<void> => {
      const sends: Promise<unknown>[] = [];
      for (let i = 0; i < count; i++) {
        const properties = {
          KEYS: `k${i} k${i % 3}of3  all`,
          UNIQ_KEY: `unique${i}`,
          TAGS: i % 2 === 0 ? "even" : "odd",
        };
        sends.push(client.send(topic, `m${i}`, { queueId: i % 4, properties }));
        if (sends.length === 50) await Promise.all(sends.splice(0));
      }
      await Promise.all(sends);
    };

    test("a message is found by each of its keys, by its unique key, and by its tag; by nothing else", async () => {
      await sendSome(9);
      await sendSome(2, "Other");
      expect(await queried(client, "T", "k4")).toEqual(["m4"]);
      expect(await queried(client, "T", "k2of3")).toEqual(["m2", "m5", "m8"]);
      expect(await queried(client, "T", "all", { maxNum: 4 })).toEqual(["m5", "m6", "m7", "m8"]);
      expect(await queried(client, "T", "unique7", { _UNIQUE_KEY_QUERY: "true", maxNum: 1 })).toEqual(["m7"]);
      expect(await queried(client, "T", "unique7", { indexType: "U" })).toEqual(["m7"]);
      expect(await queried(client, "T", "even", { indexType: "T" })).toEqual(["m0", "m2", "m4", "m6", "m8"]);
      for (const [topic, key] of [
        ["T", "k"],
        ["T", "k9"],
        ["T", ""],
        ["T", "even"],
        ["T", "T#even"],
        ["T", "k4 k1of3"],
        ["Other", "k4"],
        ["None", "k1"],
      ] as const) {
        expect(await queried(client, topic, key), `${topic} ${key}`).toEqual([]);
      }
      expect(await queried(client, "T", "k4", { indexType: "T" })).toEqual([]);
    });

    test("only what was stored within the time that is asked for", async () => {
      await sendSome(3);
      const stored = messagesOf(succeeded(await client.request(12, { topic: "T", key: "all", ...always })));
      const times = stored.map(({ storeTimestamp }) => storeTimestamp);
      const [first, last] = [times[0]!, times[2]!];
      expect(await queried(client, "T", "all", { beginTimestamp: first, endTimestamp: last })).toEqual([
        "m0",
        "m1",
        "m2",
      ]);
      expect(await queried(client, "T", "all", { endTimestamp: first - 1 })).toEqual([]);
      expect(await queried(client, "T", "all", { beginTimestamp: last + 1 })).toEqual([]);
    });

    test("the answers have the fields, codes and remarks of Apache's", async () => {
      await sendSome(2);
      const found = await client.request(12, { topic: "T", key: "all", ...always });
      const [, last] = messagesOf(succeeded(found));
      expect(found.fields).toMatchObject({
        indexLastUpdateTimestamp: String(last!.storeTimestamp),
        indexLastUpdatePhyoffset: String(last!.physicalOffset),
      });
      const nothing = await client.request(12, { topic: "T", key: "none", ...always });
      expect(nothing).toMatchObject({
        code: 22,
        remark: "can not find message, maybe time range not correct",
        fields: { indexLastUpdateTimestamp: "0", indexLastUpdatePhyoffset: "0" },
      });
      expect((await client.request(12, { topic: "T", key: "all", ...always, maxNum: 0 })).code).toBe(22);
      expect((await client.request(12, { topic: "T", key: "all", ...always, maxNum: -1 })).code).toBe(1);
      expect((await client.request(12, { topic: "T", key: "all" })).code).toBe(1);
    });

    test.each([
      ["a clean stop", restarted],
      ["a kill", killed],
    ] as const)(
      "after %s everything is found as before, and what comes then",
      { timeout: 30_000 },
      async (_, again) => {
        await sendSome(500);
        client = await again(broker);
        await client.send("T", "later", { properties: { KEYS: "k499" } });
        for (const i of [0, 1, 250, 499]) {
          expect(await queried(client, "T", `unique${i}`, { indexType: "U" })).toEqual([`m${i}`]);
        }
        expect(await queried(client, "T", "k499")).toEqual(["m499", "later"]);
        expect(await queried(client, "T", "all")).toEqual(Array.from({ length: 64 }, (_, i) => `m${436 + i}`));
        await broker.stop();
        // Apache's names: the local time to the millisecond.
        const names = await broker.files((storage) => namesIn(storage, "index"));
        expect(names.length).toBeGreaterThan(1);
        for (const name of names) expect(name).toMatch(/^index\/20\d{2}[01]\d[0-3]\d[0-2]\d[0-5]\d[0-5]\d\d{3}$/);
      },
    );
  });
}
