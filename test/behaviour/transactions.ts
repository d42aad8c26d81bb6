import { beforeEach, describe, expect, test } from "vitest";
import type { BrokerRules } from "../../src/broker/settings.ts";
import { type Answer, messagesOf, type PulledMessage, type RemotingClient, succeeded } from "../lib/remoting-client.ts";
import { type HostedBroker, smallFiles } from "./host.ts";
import { connect, killed, restarted, type Start } from "./start.ts";

const halfTopic = "RMQ_SYS_TRANS_HALF_TOPIC";
const opTopic = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
const givenUpTopic = "TRANS_CHECK_MAX_TIME_TOPIC";

const commit = 8;
const rollback = 12;
const unknown = 0;

/** What is asked about soon, and noted late: a test looks at what is in between. */
const soon: Partial<BrokerRules> = { transactionTimeOutMs: 300, transactionCheckIntervalMs: 400 };
/** Asked about together, and not again for all the time that a test takes, if they are older than the first look comes soon. */
const once: Partial<BrokerRules> = { transactionTimeOutMs: 700, transactionCheckIntervalMs: 3_000 };
const old = { ageMs: 10_000 };
const patient: Partial<BrokerRules> = { ...soon, transactionTimeOutMs: 60_000 };

/** Where the half message stands: what a producer ends its transaction by. */
interface Half {
  readonly queueOffset: number;
  readonly physicalOffset: number;
}

export function describeTransactions(start: Start): void {
  describe("transactions", () => {
    let broker: HostedBroker;
    let client: RemotingClient;

    const begin = async (
      body: string,
      { properties = {}, ageMs = 0 }: { properties?: Record<string, string>; ageMs?: number } = {},
      by = client,
    ): Promise<Half> => {
      const { fields } = await by.send("T", body, {
        properties: { TRAN_MSG: "true", PGROUP: "PG", UNIQ_KEY: body, ...properties },
        ...{ queueId: 1, sysFlag: 4, bornTimestamp: Date.now() - ageMs },
      });
      const physicalOffset = Number(BigInt(`0x${fields["msgId"]!.slice(-16)}`));
      return { queueOffset: Number(fields["queueOffset"]), physicalOffset };
    };
    const end = (half: Half, outcome: number, more: object = {}, by = client): Promise<Answer> =>
      by.request(37, {
        producerGroup: "PG",
        tranStateTableOffset: String(half.queueOffset),
        commitLogOffset: String(half.physicalOffset),
        commitOrRollback: String(outcome),
        fromTransactionCheck: "false",
        msgId: "m",
        ...more,
      });
    const answer = (asked: Answer, outcome: number, by = client): Promise<Answer> =>
      end(halfOf(asked), outcome, { fromTransactionCheck: "true" }, by);
    const messagesIn = async (topic: string, queueId = 0, by = client): Promise<PulledMessage[]> =>
      messagesOf(await by.pull("Any", topic, queueId, 0, { subscription: "*" }));
    const bodiesIn = async (topic: string, queueId = 0, by = client): Promise<string[]> =>
      (await messagesIn(topic, queueId, by)).map(({ body }) => body);
    const visible = (by = client): Promise<string[]> => bodiesIn("T", 1, by);
    const noted = (by = client): Promise<string> => bodiesIn(opTopic, 0, by).then((bodies) => bodies.join(""));
    const anew = async (rules: Partial<BrokerRules>): Promise<void> => {
      ({ broker, client } = await start({ rules }));
    };

    describe("that are ended", () => {
      beforeEach(() => anew({ ...patient, transactionOpBatchIntervalMs: 50 }));

      test("are seen once they are committed, as they were sent", async () => {
        await client.send("T", "before", { queueId: 1 });
        const half = await begin("half", { properties: { TAGS: "A", KEYS: "k", own: "value" } });
        expect(await visible()).toEqual(["before"]);
        const [stored] = await messagesIn(halfTopic);
        expect(stored).toMatchObject({ body: "half", queueId: 0, sysFlag: 0, ...half });
        expect(stored!.properties).toMatchObject({
          ...{ REAL_TOPIC: "T", REAL_QID: "1", TRAN_MSG: "true", PGROUP: "PG", __transactionId__: "half" },
        });
        succeeded(await end(half, commit));
        const [, seen] = await messagesIn("T", 1);
        expect(seen).toMatchObject({
          ...{ body: "half", topic: "T", queueId: 1, queueOffset: 1, sysFlag: 8 },
          preparedTransactionOffset: half.physicalOffset,
        });
        const { REAL_TOPIC, REAL_QID, ...properties } = stored!.properties;
        expect(seen!.properties).toEqual(properties);
        await expect.poll(() => noted()).toBe(`${half.queueOffset},`);
        expect((await messagesIn(opTopic))[0]).toMatchObject({
          ...{ queueId: 0, sysFlag: 0, properties: { TAGS: "d", WAIT: "true" } },
        });
      });

      test("are never seen once they are rolled back, whatever comes later", async () => {
        const half = await begin("half");
        succeeded(await end(half, rollback));
        succeeded(await end(half, commit));
        expect(await visible()).toEqual([]);
        await expect.poll(() => noted()).toBe("0,");
        expect(await visible()).toEqual([]);
      });

      test("twice are there once", async () => {
        const half = await begin("half");
        const answers = await Promise.all([end(half, commit), end(half, commit), end(half, rollback)]);
        expect(answers.map(({ code }) => code)).toEqual([0, 0, 0]);
        expect(await visible()).toEqual(["half"]);
        succeeded(await end(half, commit));
        expect(await visible()).toEqual(["half"]);
        await expect.poll(() => noted()).toBe("0,");
      });

      test("one-way leave no answer, and those that nobody knows the end of no trace", async () => {
        const half = await begin("half");
        succeeded(await end(half, unknown));
        expect(await visible()).toEqual([]);
        client.oneway(37, {
          producerGroup: "PG",
          tranStateTableOffset: "0",
          commitLogOffset: String(half.physicalOffset),
          ...{ commitOrRollback: "8", msgId: "m" },
        });
        await expect.poll(() => visible()).toEqual(["half"]);
        expect(client.unasked).toEqual([]);
      });

      test("by whom they are not of, or where none is, stay as they are", async () => {
        await client.send("T", "other", { queueId: 1, properties: { PGROUP: "PG", REAL_TOPIC: "T", REAL_QID: "1" } });
        const half = await begin("half");
        const { queueOffset, physicalOffset } = half;
        for (const [wrong, more] of [
          [{ queueOffset: queueOffset + 1, physicalOffset }, {}],
          [{ queueOffset, physicalOffset: physicalOffset + 1 }, {}],
          [{ queueOffset, physicalOffset: 2 ** 53 }, {}],
          [{ queueOffset: 0, physicalOffset: 0 }, {}],
          [half, { producerGroup: "Other" }],
          [half, { commitOrRollback: "4" }],
        ] as const) {
          expect((await end(wrong, commit, more)).code).toBe(1);
        }
        expect(await visible()).toEqual(["other"]);
        succeeded(await end(half, commit));
        expect(await visible()).toEqual(["other", "half"]);
      });

      test("by hundreds share the notes of their ends", async () => {
        const halves = await Promise.all(Array.from({ length: 300 }, (_, i) => begin(`half ${i}`)));
        await Promise.all(halves.map((half, i) => end(half, i % 2 === 0 ? commit : rollback)));
        await expect.poll(async () => (await noted()).split(",").length).toBe(301);
        expect((await bodiesIn(opTopic)).length).toBeLessThan(30);
      });
    });

    test("are refused where they are forbidden, delayed, or marked in half", async () => {
      await anew(patient);
      const properties = { TRAN_MSG: "true", PGROUP: "PG" };
      expect((await client.trySend("T", "m", { properties: { ...properties, DELAY: "1" } })).code).toBe(13);
      expect((await client.trySend("T", "m", { sysFlag: 4 })).code).toBe(13);
      await anew({ rejectTransactionMessage: true });
      expect((await client.trySend("T", "m", { properties })).code).toBe(16);
      expect(await visible()).toEqual([]);
    });

    describe("without an end", () => {
      const bodiesAsked = (of: RemotingClient) => of.notifications.map((question) => messagesOf(question)[0]!.body);
      const asked = async (count: number, of = client): Promise<Answer[]> => {
        await expect.poll(() => of.notifications.length, { timeout: 15_000 }).toBeGreaterThanOrEqual(count);
        return of.notifications;
      };

      test("are asked about, and end as the answer says", async () => {
        await anew({ ...once, transactionOpBatchIntervalMs: 50 });
        await client.produce(["PG"]);
        const first = await begin("first", { properties: { TAGS: "A" }, ...old });
        const second = await begin("second", old);
        const [question, other] = await asked(2);
        const copies = (await messagesIn(halfTopic)).slice(2);
        const [copy] = copies;
        expect(copies.length).toBe(2);
        expect(question).toMatchObject({ code: 39, flag: 2 });
        expect(question!.fields).toEqual({
          topic: halfTopic,
          tranStateTableOffset: "2",
          commitLogOffset: String(copy!.physicalOffset),
          ...{ msgId: "first", transactionId: "first", bname: "broker-a" },
          offsetMsgId: broker.storeHost + copy!.physicalOffset.toString(16).toUpperCase().padStart(16, "0"),
        });
        const [message] = messagesOf(question!);
        expect(message).toMatchObject({
          ...{ topic: "T", queueId: 1, body: "first", queueOffset: 2, physicalOffset: copy!.physicalOffset },
        });
        expect(message!.properties).toEqual({ ...copy!.properties, WAIT: "false" });
        expect(copy!.properties).toMatchObject({ TRANSACTION_CHECK_TIMES: "1", REAL_TOPIC: "T", TAGS: "A" });
        expect(await visible()).toEqual([]);
        await answer(other!, rollback);
        succeeded(await answer(question!, commit));
        expect(await visible()).toEqual(["first"]);
        // What the producer says of its own, too late, changes nothing.
        await end(first, commit);
        await end(second, commit);
        await expect.poll(() => noted()).toBe("3,2,");
        expect(await visible()).toEqual(["first"]);
      });

      test("end late by the producer itself, and are not asked about again", async () => {
        await anew({ ...once, transactionCheckIntervalMs: 1_000 });
        await client.produce(["PG"]);
        const half = await begin("half", old);
        const [question] = await asked(1);
        succeeded(await end(half, commit));
        succeeded(await answer(question!, commit));
        await begin("next", old);
        await expect.poll(() => bodiesAsked(client), { timeout: 15_000 }).toContain("next");
        expect(bodiesAsked(client).lastIndexOf("half")).toBe(0);
        expect(await visible()).toEqual(["half"]);
      });

      test("are asked about so often, and then given up", async () => {
        await anew({ ...soon, transactionCheckMax: 2 });
        await client.produce(["PG"]);
        const half = await begin("half");
        await expect.poll(() => bodiesIn(givenUpTopic), { timeout: 15_000 }).toEqual(["half"]);
        expect(client.notifications.map((question) => messagesOf(question)[0]!.properties)).toMatchObject([
          { TRANSACTION_CHECK_TIMES: "1" },
          { TRANSACTION_CHECK_TIMES: "2" },
        ]);
        expect((await messagesIn(givenUpTopic))[0]!.properties).toMatchObject({ REAL_TOPIC: "T", REAL_QID: "1" });
        expect(await visible()).toEqual([]);
        expect((await bodiesIn(halfTopic)).length).toBe(3);
        // As with Apache, who knows the end all the same is heard.
        succeeded(await end(half, commit));
        expect(await visible()).toEqual(["half"]);
      });

      test("are asked about anew if an administrator says so", async () => {
        await anew({ ...soon, transactionCheckMax: 1 });
        await client.produce(["PG"]);
        await begin("half");
        await expect.poll(() => bodiesIn(givenUpTopic), { timeout: 15_000 }).toEqual(["half"]);
        const questions = client.notifications.length;
        const [givenUp] = await messagesIn(givenUpTopic);
        const resume = (offset: number, topic = givenUpTopic) =>
          client.request(323, { topic, msgId: broker.storeHost + offset.toString(16).toUpperCase().padStart(16, "0") });
        expect((await resume(givenUp!.physicalOffset + 1)).code).toBe(1);
        expect((await client.request(323, { topic: "T", msgId: "half" })).code).toBe(1);
        succeeded(await resume(givenUp!.physicalOffset));
        const question = (await asked(questions + 1)).at(-1)!;
        expect(messagesOf(question)[0]!.properties).toMatchObject({ TRANSACTION_CHECK_TIMES: "1", REAL_TOPIC: "T" });
        succeeded(await answer(question, commit));
        expect(await visible()).toEqual(["half"]);
      });

      test("that are older than messages are kept are given up at once", async () => {
        ({ broker, client } = await start({ rules: soon, store: { fileReservedTimeMs: 0 } }));
        await client.produce(["PG"]);
        await begin("half");
        await expect.poll(() => bodiesIn(givenUpTopic), { timeout: 15_000 }).toEqual(["half"]);
        expect(client.notifications).toEqual([]);
      });

      test("are asked about of each producer of the group in its turn, and of none that is gone", async () => {
        await anew(once);
        const [a, b, other] = await Promise.all([connect(broker), connect(broker), connect(broker)]);
        await a.produce(["PG"], "a");
        await b.produce(["PG", "More"], "b");
        await other.produce(["Other"], "other");
        await Promise.all([0, 1, 2, 3].map((i) => begin(`half ${i}`, old)));
        await asked(2, a);
        await asked(2, b);
        expect([...bodiesAsked(a), ...bodiesAsked(b)].sort()).toEqual(["half 0", "half 1", "half 2", "half 3"]);
        expect(bodiesAsked(a).length).toBe(2);
        a.close();
        for (const question of [...a.notifications, ...b.notifications]) await answer(question, rollback);
        await begin("more", old);
        await asked(3, b);
        expect(bodiesAsked(b).at(-1)).toBe("more");
        expect(other.notifications).toEqual([]);
      });

      test("are left alone for as long as they ask for", async () => {
        await anew({ ...soon, transactionTimeOutMs: 100 });
        await client.produce(["PG"]);
        const startedAt = Date.now();
        const shy = { properties: { CHECK_IMMUNITY_TIME_IN_SECONDS: "2" } };
        const inTime = await begin("in time", shy);
        const late = await begin("late", shy);
        await begin("usual");
        const [usual] = await asked(1);
        succeeded(await end(inTime, commit));
        expect(bodiesAsked(client)).toEqual(["usual"]);
        await answer(usual!, rollback);
        await expect.poll(() => bodiesAsked(client), { timeout: 15_000 }).toContain("late");
        expect(Date.now() - startedAt).toBeGreaterThan(1_900);
        expect(bodiesAsked(client)).not.toContain("in time");
        const question = client.notifications.at(-1)!;
        // The question stands: only an answer to it counts.
        expect((await end(late, commit)).code).toBe(604);
        expect(await visible()).toEqual(["in time"]);
        succeeded(await answer(question, commit));
        expect(await visible()).toEqual(["in time", "late"]);
      });
    });

    describe("in the middle of which the broker is killed", () => {
      /** Nothing is noted in time, and no offset of the broker's own kept. */
      const forgetful = { ...soon, transactionOpBatchIntervalMs: 60_000, flushConsumerOffsetIntervalMs: 60_000 };

      /** What is asked about before one that begins now; each is ended so, as often as it is asked about. */
      const questions = async (by: RemotingClient, outcome: number): Promise<string[]> => {
        await by.produce(["PG"]);
        await begin("marker", {}, by);
        const bodies = new Set<string>();
        while (!bodies.has("marker")) {
          await expect.poll(() => by.notifications.length, { timeout: 15_000 }).toBeGreaterThan(0);
          for (const question of by.notifications.splice(0)) {
            const { body } = messagesOf(question)[0]!;
            bodies.add(body);
            succeeded(await answer(question, body === "marker" ? rollback : outcome, by));
          }
        }
        bodies.delete("marker");
        return [...bodies].sort();
      };

      test("before an end: it can be ended, and is asked about", async () => {
        await anew(patient);
        const first = await begin("first");
        await begin("second");
        client = await killed(broker);
        expect(await visible()).toEqual([]);
        succeeded(await end(first, commit));
        expect(await visible()).toEqual(["first"]);
        await broker.kill();
        await broker.start({ rules: soon, store: smallFiles });
        client = await connect(broker);
        expect(await questions(client, commit)).toEqual(["second"]);
        expect(await visible()).toEqual(["first", "second"]);
      });

      test("with ends that are not noted: none is seen twice, and none that was rolled back", async () => {
        await anew(forgetful);
        const [kept, dropped] = [await begin("kept"), await begin("dropped")];
        succeeded(await end(kept, commit));
        succeeded(await end(dropped, rollback));
        expect(await noted()).toBe("");
        client = await killed(broker);
        expect(await visible()).toEqual(["kept"]);
        expect(await questions(client, rollback)).toEqual(["dropped"]);
        expect(await visible()).toEqual(["kept"]);
      });

      test("with ends that are noted: nobody is asked", async () => {
        await anew({ ...soon, transactionOpBatchIntervalMs: 1, transactionTimeOutMs: 60_000 });
        const [kept, dropped] = [await begin("kept"), await begin("dropped")];
        succeeded(await end(kept, commit));
        succeeded(await end(dropped, rollback));
        await expect.poll(() => noted()).toMatch(/^0,1,$/);
        await broker.kill();
        await broker.start({ rules: soon, store: smallFiles });
        client = await connect(broker);
        expect(await questions(client, commit)).toEqual([]);
        succeeded(await end(dropped, commit));
        expect(await visible()).toEqual(["kept"]);
      });

      test("while producers are asked: they are asked once more, and each message is there once", async () => {
        await anew(forgetful);
        await client.produce(["PG"]);
        const halves = [await begin("a"), await begin("b"), await begin("c")];
        const last = (body: string) =>
          client.notifications.findLast((question) => messagesOf(question)[0]!.body === body);
        await expect.poll(() => ["a", "b", "c"].every(last), { timeout: 15_000 }).toBe(true);
        succeeded(await answer(last("a")!, commit));
        client = await killed(broker);
        expect(await questions(client, commit)).toEqual(["b", "c"]);
        for (const half of halves) await end(half, rollback);
        expect((await visible()).sort()).toEqual(["a", "b", "c"]);
      });

      test("while producers are asked: who ends it late, and names what was stored first, is heard", async () => {
        await anew(forgetful);
        await client.produce(["PG"]);
        const half = await begin("half");
        await expect.poll(() => client.notifications.length, { timeout: 15_000 }).toBeGreaterThan(0);
        client = await killed(broker);
        await client.produce(["PG"]);
        // The broker has been over the first one by then, and asks about what it stored again.
        await expect.poll(() => client.notifications.length, { timeout: 15_000 }).toBeGreaterThan(0);
        succeeded(await end(half, commit));
        expect(await visible()).toEqual(["half"]);
        client.notifications.splice(0);
        expect(await questions(client, commit)).toEqual([]);
      });

      test("again and again: each message is there once, or never", async () => {
        await anew(forgetful);
        for (let round = 0; round < 4; round++) {
          const committed = await begin(`committed ${round}`);
          const rolledBack = await begin(`rolled back ${round}`);
          await begin(`left ${round}`);
          await end(committed, commit);
          await end(rolledBack, rollback);
          client = await killed(broker);
          expect((await visible()).length).toBe(round + 1);
        }
        const bodies = await questions(client, rollback);
        expect(bodies.filter((body) => body.startsWith("committed"))).toEqual([]);
        expect(bodies.filter((body) => body.startsWith("left")).sort()).toEqual([
          "left 0",
          "left 1",
          "left 2",
          "left 3",
        ]);
        expect(await visible()).toEqual(["committed 0", "committed 1", "committed 2", "committed 3"]);
      });

      test("a clean stop notes all, and how far the broker was", async () => {
        await anew(forgetful);
        const [kept, dropped] = [await begin("kept"), await begin("dropped")];
        succeeded(await end(kept, commit));
        succeeded(await end(dropped, rollback));
        client = await restarted(broker);
        expect(await noted()).toBe("0,1,");
        expect(await questions(client, commit)).toEqual([]);
        const offset = async (topic: string) =>
          (await client.request(14, { consumerGroup: "CID_RMQ_SYS_TRANS", topic, queueId: "0" })).fields["offset"];
        // The one that was begun last was stored twice, and its end is not noted yet.
        await expect.poll(() => offset(halfTopic), { timeout: 15_000 }).toBe("4");
        expect(await offset(opTopic)).toBe("1");
        expect(await visible()).toEqual(["kept"]);
      });
    });
  });
}

/** What a question says of the half message that it is about. */
function halfOf({ fields }: Answer): Half {
  return { queueOffset: Number(fields["tranStateTableOffset"]), physicalOffset: Number(fields["commitLogOffset"]) };
}
