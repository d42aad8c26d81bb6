import { beforeEach, describe, expect, test } from "vitest";
import type { BrokerRules } from "../../src/broker/settings.ts";
import { type Answer, encodeBatch, messagesOf, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import type { HostedBroker } from "./host.ts";
import { connect, killed, restarted, type Start } from "./start.ts";

const rules: Partial<BrokerRules> = {
  timerPrecisionMs: 20,
  timerFlushIntervalMs: 20,
  recallMessageEnable: true,
  transactionOpBatchIntervalMs: 50,
};

/** Topics whose messages are stored once (`dedup.window.sec`, `dedup.key`). */
export function describeDedup(start: Start): void {
  describe("messages that are stored once", () => {
    let broker: HostedBroker;
    let client: RemotingClient;

    beforeEach(async () => {
      ({ broker, client } = await start({ rules, messageDelayLevel: "1s" }));
    });

    const alter = (attributes: string, topic = "T"): Promise<Answer> =>
      client.request(17, {
        ...{ topic, attributes, defaultTopic: "TBW102", readQueueNums: 2, writeQueueNums: 2, perm: 6 },
        ...{ topicFilterType: "SINGLE_TAG", topicSysFlag: 0, order: "false" },
      });
    const made = async (attributes = "+dedup.window.sec=3600"): Promise<void> => {
      succeeded(await alter(attributes));
    };
    /** What the sender is told of its message. */
    const told = ({ fields: { msgId, queueId, queueOffset, transactionId, recallHandle } }: Answer) => ({
      ...{ msgId, queueId, queueOffset, transactionId, recallHandle },
    });
    const send = async (key: string, body: string, more: object = {}, by = client) =>
      told(await by.send("T", body, { properties: { UNIQ_KEY: key }, ...more }));
    /** What a pull brings of an older life and of this one may be two answers. */
    const bodies = async (queueId = 0, by = client, topic = "T"): Promise<string[]> => {
      const found: string[] = [];
      for (;;) {
        const some = messagesOf(await by.pull("G", topic, queueId, found.length, { subscription: "*" }));
        if (some.length === 0) return found;
        found.push(...some.map(({ body }) => body));
      }
    };

    test("without the attribute all are stored", async () => {
      const first = await send("K", "a");
      expect(await send("K", "b")).not.toEqual(first);
      expect(await bodies()).toEqual(["a", "b"]);
    });

    test("a second one is answered as the first was, whatever else is in it and wherever it is for", async () => {
      await made();
      const first = await send("K", "a");
      expect(first).toMatchObject({ msgId: `${broker.storeHost}0000000000000000`, queueId: "0", queueOffset: "0" });
      expect(await send("other", "b", { queueId: 1 })).toMatchObject({ queueId: "1" });
      expect(await send("K", "c", { queueId: 1, sysFlag: 1 })).toEqual(first);
      expect(await bodies()).toEqual(["a"]);
      expect(await bodies(1)).toEqual(["b"]);
    });

    test("of many at a time one is stored, and all are answered with it", async () => {
      await made();
      const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => send("K", `m${i}`, { queueId: i % 2 })));
      for (const answer of answers) expect(answer).toEqual(answers[0]);
      expect([...(await bodies(0)), ...(await bodies(1))]).toEqual(["m0"]);
    });

    test("the key may be another property; without it all are stored", async () => {
      await made("+dedup.window.sec=3600,+dedup.key=ORDER");
      const order = (number: string, key: string) => ({ properties: { ORDER: number, UNIQ_KEY: key } });
      const first = await send("", "a", order("7", "K1"));
      expect(first.transactionId).toBe("K1");
      expect(await send("", "b", order("7", "K2"))).toEqual(first);
      expect(await send("", "c", order("8", "K1"))).not.toEqual(first);
      await send("K1", "d");
      await send("", "e", order("", "K1"));
      await send("", "f", order("", "K1"));
      expect(await bodies()).toEqual(["a", "c", "d", "e", "f"]);
      const after = await killed(broker);
      expect(await send("", "g", order("7", "K3"), after)).toEqual(first);
    });

    test("once the window is over, and not before, it is stored again", async () => {
      await made("+dedup.window.sec=1");
      const sentAtMs = Date.now();
      const first = await send("K", "a");
      await expect.poll(() => send("K", "again").then(({ msgId }) => msgId), { timeout: 10_000 }).not.toBe(first.msgId);
      const [, again] = messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" }));
      expect(again!.storeTimestamp - sentAtMs).toBeGreaterThanOrEqual(1_000);
      expect(await bodies()).toEqual(["a", "again"]);
    });

    test.each([
      ["a kill", killed],
      ["a clean stop", restarted],
    ])("%s forgets none", async (_, ended) => {
      await made();
      const first = await send("K1", "a");
      const second = await send("K2", "b", { queueId: 1 });
      const batch = told(await client.trySend("T", encodeBatch([item("K3", "c"), item("K4", "d")]), { batch: true }));
      const after = await ended(broker);
      expect(await send("K2", "e", {}, after)).toEqual(second);
      expect(await send("K1", "f", {}, after)).toEqual(first);
      expect(await send("K4", "g", {}, after)).toMatchObject({ msgId: batch.msgId!.split(",")[1], queueOffset: "2" });
      expect(await bodies(0, after)).toEqual(["a", "c", "d"]);
      expect(await bodies(1, after)).toEqual(["b"]);
    });

    test("what was older than the window when the broker started is forgotten", async () => {
      await made("+dedup.window.sec=1");
      const first = await send("K", "a");
      const storedAtMs = messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" }))[0]!.storeTimestamp;
      await broker.stop();
      await expect.poll(() => Date.now() - storedAtMs, { timeout: 10_000 }).toBeGreaterThanOrEqual(1_000);
      await broker.start();
      const after = await connect(broker);
      expect(await send("K", "b", {}, after)).not.toEqual(first);
      expect(await bodies(0, after)).toEqual(["a", "b"]);
    });

    describe("of batches", () => {
      const sendBatch = async (items: ReturnType<typeof item>[], queueId = 0) =>
        told(succeeded(await client.trySend("T", encodeBatch(items), { batch: true, queueId })));
      beforeEach(() => made());

      test("the same batch is answered as the first was", async () => {
        const items = [item("K1", "a"), item("K2", "b")];
        const first = await sendBatch(items);
        expect(first.msgId!.split(",").length).toBe(2);
        expect(await sendBatch(items, 1)).toMatchObject({ msgId: first.msgId, queueId: "0", queueOffset: "0" });
        const [once, twice] = await Promise.all([sendBatch([item("K5", "e")]), sendBatch([item("K5", "e")])]);
        expect(twice).toMatchObject({ msgId: once!.msgId });
        expect(await bodies()).toEqual(["a", "b", "e"]);
        expect(await bodies(1)).toEqual([]);
      });

      test("those that are known are left out, and each is told where it is", async () => {
        const known = await send("K2", "b");
        const together = await sendBatch([item("K1", "a"), item("K2", "x"), item("K3", "c"), item("K3", "y")], 1);
        const ids = together.msgId!.split(",");
        expect(ids[1]).toBe(known.msgId);
        expect(ids[3]).toBe(ids[2]);
        expect(together).toMatchObject({ queueId: "1", queueOffset: "0" });
        expect(await bodies(0)).toEqual(["b"]);
        expect(await bodies(1)).toEqual(["a", "c"]);
        const stored = messagesOf(await client.pull("G", "T", 1, 0, { subscription: "*" }));
        expect([ids[0], ids[2]].map((id) => Number.parseInt(id!.slice(16), 16))).toEqual(
          stored.map(({ physicalOffset }) => physicalOffset),
        );
        expect(await send("K3", "z")).toMatchObject({ msgId: ids[2], queueId: "1", queueOffset: "1" });
        expect(await sendBatch([item("K2", "b"), item("K1", "a")])).toMatchObject({ queueId: "0", queueOffset: "0" });
      });

      test("those without a key are always stored, and a batch that is none is refused", async () => {
        await sendBatch([{ body: "a" }, { body: "b" }]);
        await sendBatch([{ body: "a" }, item("K", "c")]);
        expect(await bodies()).toEqual(["a", "b", "a", "c"]);
        const broken = encodeBatch([item("K9", "d")]).subarray(0, -1);
        for (const body of [broken, new Uint8Array(0), new Uint8Array(22)]) {
          expect((await client.trySend("T", body, { batch: true })).code).toBe(13);
        }
        await sendBatch([item("K9", "d")]);
        expect(await bodies()).toEqual(["a", "b", "a", "c", "d"]);
      });
    });

    describe("that wait for their time", () => {
      beforeEach(() => made());
      const delivered = async (by: RemotingClient): Promise<string[]> => {
        const answer = await by.pull("G", "T", 0, 0, { suspendMs: 15_000, subscription: "*" });
        return messagesOf(answer).map(({ body }) => body);
      };

      test.each([
        ["a delay level", { DELAY: "1" }],
        ["a time", { TIMER_DELAY_MS: "600" }],
      ])("by %s: once they are sent, not once they are delivered", async (_, delay) => {
        const properties = { UNIQ_KEY: "K", ...delay };
        const first = await send("K", "a", { properties });
        expect(await send("K", "b", { properties, queueId: 1 })).toEqual(first);
        expect(await send("K", "c")).toEqual(first);
        const killedBefore = await killed(broker);
        expect(await send("K", "d", { properties }, killedBefore)).toEqual(first);
        expect(await delivered(killedBefore)).toEqual(["a"]);
        const stopped = await restarted(broker);
        expect(await send("K", "e", {}, stopped)).toEqual(first);
        expect(await bodies(0, stopped)).toEqual(["a"]);
      });

      test("by whom one is recalled does not matter, and its key stays known", async () => {
        const properties = { UNIQ_KEY: "K", TIMER_DELAY_MS: "1500" };
        const first = await send("K", "a", { properties });
        const again = await send("K", "a", { properties });
        expect(again.recallHandle).toBe(first.recallHandle);
        succeeded(await client.request(370, { producerGroup: "PG", topic: "T", recallHandle: again.recallHandle }));
        expect(await send("K", "b")).toEqual(first);
        await send("L", "last", { properties: { UNIQ_KEY: "L", TIMER_DELAY_MS: "1600" } });
        expect(await delivered(client)).toEqual(["last"]);
      });
    });

    describe("of transactions", () => {
      const begin = async (key: string, body: string) => {
        const sent = await send(key, body, {
          properties: { TRAN_MSG: "true", PGROUP: "PG", UNIQ_KEY: key },
          sysFlag: 4,
        });
        return { queueOffset: sent.queueOffset, physicalOffset: Number(BigInt(`0x${sent.msgId!.slice(-16)}`)) };
      };
      const end = async (half: Awaited<ReturnType<typeof begin>>, outcome: number, by = client) =>
        succeeded(
          await by.request(37, {
            producerGroup: "PG",
            tranStateTableOffset: String(half.queueOffset),
            commitLogOffset: String(half.physicalOffset),
            commitOrRollback: String(outcome),
            ...{ fromTransactionCheck: "false", msgId: "m" },
          }),
        );
      const [commit, rollback] = [8, 12];
      beforeEach(() => made());

      test("of two that are committed the first is there", async () => {
        const halves = [await begin("K", "a"), await begin("K", "b")];
        await Promise.all([...halves, ...halves].map((half) => end(half, commit)));
        expect(await bodies()).toEqual(["a"]);
        const [stored] = messagesOf(await client.pull("G", "T", 0, 0, { subscription: "*" }));
        const again = await send("K", "c", { queueId: 1 });
        expect(again).toMatchObject({ queueId: "0", queueOffset: "0", transactionId: "K" });
        expect(Number.parseInt(again.msgId!.slice(16), 16)).toBe(stored!.physicalOffset);
        const third = await begin("K", "d");
        const after = await killed(broker);
        await end(third, commit, after);
        expect(await send("K", "e", {}, after)).toEqual(again);
        expect(await bodies(0, after)).toEqual(["a"]);
      });

      test("one that is rolled back, or not ended, was never sent", async () => {
        await begin("K", "a");
        await end(await begin("K", "b"), rollback);
        const first = await send("K", "c");
        expect(await bodies()).toEqual(["c"]);
        await end(await begin("K", "d"), commit);
        expect(await send("K", "e")).toEqual(first);
        expect(await bodies()).toEqual(["c"]);
      });
    });

    test("a message that goes on to its retry topic, and one that a consumer sends on, is stored", async () => {
      await made();
      await send("K", "a");
      const retry = { properties: { UNIQ_KEY: "K" } };
      for (let i = 0; i < 2; i++) await client.send("%RETRY%G", "r", retry);
      expect(await bodies(0, client, "%RETRY%G")).toEqual(["r", "r"]);
      const onward = { properties: { UNIQ_KEY: "L", REAL_TOPIC: "S", REAL_QID: "0" } };
      for (let i = 0; i < 2; i++) await send("L", "o", onward);
      expect(await bodies()).toEqual(["a", "o", "o"]);
    });

    test("a topic that is deleted and made again knows nothing", async () => {
      await made();
      await send("K", "a");
      succeeded(await client.request(215, { topic: "T" }));
      await made();
      const first = await send("K", "b");
      expect(first).toMatchObject({ queueOffset: "0" });
      expect(await send("K", "c")).toEqual(first);
      expect(await bodies()).toEqual(["b"]);
    });

    test("keys by one property have nothing to do with those by another", async () => {
      await made();
      await send("K", "a");
      succeeded(await alter("+dedup.key=ORDER"));
      await send("L", "b", { properties: { UNIQ_KEY: "L", ORDER: "K" } });
      await send("M", "c", { properties: { UNIQ_KEY: "M", ORDER: "K" } });
      await send("K", "d");
      succeeded(await alter("-dedup.key"));
      const after = await killed(broker);
      await send("K", "e", {}, after);
      await send("L", "f", {}, after);
      await send("M", "g", {}, after);
      expect(await bodies(0, after)).toEqual(["a", "b", "d", "g"]);
    });

    test("without its attribute a topic stores all again", async () => {
      await made();
      await send("K", "a");
      succeeded(await alter("-dedup.window.sec"));
      await send("K", "b");
      expect(await bodies()).toEqual(["a", "b"]);
    });

    test.each([
      ["+dedup.window.sec=0", "not in range"],
      ["+dedup.window.sec=604801", "not in range"],
      ["+dedup.window.sec=1h", "For input string"],
      ["+dedup.window.sec=60,+dedup.key=", "visible ASCII"],
      ["+dedup.window.sec=60,+dedup.key=a b", "visible ASCII"],
      [`+dedup.window.sec=60,+dedup.key=${"k".repeat(256)}`, "256 characters"],
    ])("%s is refused", async (attributes, remark) => {
      expect(await alter(attributes)).toMatchObject({ code: 1, remark: expect.stringContaining(remark) });
    });
  });
}

function item(key: string, body: string): { body: string; properties?: Record<string, string> } {
  return { body, properties: { UNIQ_KEY: key } };
}
