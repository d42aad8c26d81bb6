import { expect } from "vitest";
import { Client, type ClientOptions } from "../../src/client/client.ts";
import type { ConsumeResult, MessageListener } from "../../src/client/listening.ts";
import type { ReceivedMessage } from "../../src/client/message.ts";
import type { PushConsumerOptions } from "../../src/client/push-consumer.ts";
import { tcp } from "../../src/client/tcp.ts";
import type { TransactionOutcome } from "../../src/client/transaction-producer.ts";
import { until } from "../client/suite.ts";

const waitMs = 60_000;
const utf8 = new TextDecoder();

/** The modes that the JavaScript client has, against whatever broker the name server knows. */
export function javascriptModes(test: (name: string, body: () => Promise<void>) => void, namesrv: () => string): void {
  const withClients = async (play: (client: (options?: Partial<ClientOptions>) => Client) => Promise<void>) => {
    const clients: Client[] = [];
    const make = (options: Partial<ClientOptions> = {}) => {
      // A starved machine answers late.
      const given = { nameServers: [namesrv()], carrier: tcp(), requestTimeoutMs: 30_000, ...options };
      clients.push(new Client(given));
      return clients.at(-1)!;
    };
    try {
      await play(make);
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  };

  test("single, batch and one-way sends, with keys, tags and properties #sending #batches", () =>
    withClients(async (client) => {
      const topic = "JsSends";
      const producer = client().producer({ group: "JsSenders", sendTimeoutMs: 30_000 });
      const single = await producer.send({
        topic,
        body: "single",
        tag: "A",
        keys: ["k1", "k2"],
        properties: { p: "größer" },
      });
      const batch = await producer.send([
        { topic, body: "one", tag: "B" },
        { topic, body: "two", properties: { n: "2" } },
      ]);
      await producer.sendOneway({ topic, body: "one-way" });
      const { messages } = await collect(client(), { group: "JsSends", subscriptions: { [topic]: "*" } });
      await until(() => messages.length >= 4, "all messages", waitMs);
      expect(texts(messages).sort()).toEqual(["one", "one-way", "single", "two"]);
      const found = messages.find(({ messageId }) => messageId === single.messageId)!;
      expect(found).toMatchObject({ tag: "A", keys: ["k1", "k2"], properties: { p: "größer" }, queueOffset: 0 });
      expect(found.offsetMessageId).toBe(single.offsetMessageId);
      expect(batch.offsetMessageId.split(",")).toHaveLength(2);
    }));

  test("requests, replied to by another client, and one that nobody hears #request-reply", () =>
    withClients(async (client) => {
      const topic = "JsRequests";
      const replier = client().producer({ group: "JsRepliers", sendTimeoutMs: 30_000 });
      await replier.send({ topic, body: "no request" });
      await collect(client(), { group: "JsRequests", subscriptions: { [topic]: "*" } }, async ([request]) => {
        if (!["no request", "unheard"].includes(texts([request!])[0]!))
          await replier.reply(request!, `${texts([request!])[0]}!`);
      });
      const asker = client().producer({ group: "JsAskers" });
      const replies = await Promise.all(
        ["one", "two"].map((body) => asker.request({ topic, body }, { timeoutMs: 30_000 })),
      );
      expect(replies.map(({ body }) => utf8.decode(body))).toEqual(["one!", "two!"]);
      expect(replies[0]!.properties).toMatchObject({ MSG_TYPE: "reply", TTL: "30000" });
      await expect(asker.request({ topic, body: "unheard" }, { timeoutMs: 1_000 })).rejects.toMatchObject({
        code: "REQUEST_TIMEOUT",
      });
    }));

  test("delay levels #delay-levels", () =>
    withClients(async (client) => {
      const topic = "JsDelays";
      const producer = client().producer({ sendTimeoutMs: 30_000 });
      await producer.send({ topic, body: "first" });
      const { messages } = await collect(client(), { group: "JsDelays", subscriptions: { [topic]: "*" } });
      await until(() => messages.length === 1, "the first message", waitMs);
      await producer.send({ topic, body: "later", delayLevel: 2 });
      await until(() => messages.length === 2, "the delayed message", waitMs);
      const { storeTimestampMs, bornTimestampMs, properties } = messages[1]!;
      expect(storeTimestampMs - bornTimestampMs).toBeGreaterThanOrEqual(2_000);
      expect(properties).toMatchObject({ DELAY: "2", REAL_TOPIC: topic });
    }));

  test("the order of each sharding key, through failures and a second member #ordered", () =>
    withClients(async (client) => {
      const topic = "JsOrders";
      const producer = client().producer({ sendTimeoutMs: 30_000 });
      const send = async (from: number, to: number) => {
        for (let step = from; step < to; step++) {
          for (const shardingKey of ["a", "b", "c", "d"]) {
            await producer.send({ topic, body: `${shardingKey} ${step}` }, { shardingKey });
          }
        }
      };
      const next = new Map<string, number>();
      const disorder: string[] = [];
      const take = ([message]: readonly ReceivedMessage[]): ConsumeResult => {
        const [key, step] = texts([message!])[0]!.split(" ");
        const due = next.get(key!) ?? 0;
        if (Number(step) > due) disorder.push(`${key} ${step} before ${due}`);
        if (Number(step) === due && due % 5 === 0 && message!.reconsumeTimes === 0) return "RECONSUME_LATER";
        if (Number(step) === due) next.set(key!, due + 1);
        return "SUCCESS";
      };
      const options = { group: "JsOrders", subscriptions: { [topic]: "*" }, orderly: true, suspendMs: 50 };
      const steps = () => [...next.values()].reduce((sum, step) => sum + step, 0);
      await send(0, 10);
      const first = await collect(client(), options, take);
      await until(() => steps() === 40, "the first steps", waitMs);
      const second = await collect(client(), options, take);
      await until(
        () => first.consumer.queues.length === 2 && second.consumer.queues.length === 2,
        "half of the queues each",
        waitMs,
      );
      await send(10, 20);
      await first.consumer.stop();
      await until(() => steps() === 80, "all steps", waitMs);
      expect(disorder).toEqual([]);
    }));

  test("a group shares queues, takes tags alone, and goes on where it left #push #tags", () =>
    withClients(async (client) => {
      const topic = "JsGroup";
      const producer = client().producer({ sendTimeoutMs: 30_000 });
      const send = (prefix: string) =>
        Promise.all(
          upTo(20).map((n) => producer.send({ topic, body: `${prefix}${n}`, tag: ["Aa", "BB", "C"][n % 3]! })),
        );
      // "Aa" and "BB" have one hash code in Java.
      const options = { group: "JsGroup", subscriptions: { [topic]: "Aa || C" } };
      const wanted = (prefix: string) =>
        upTo(20)
          .filter((n) => n % 3 !== 1)
          .map((n) => `${prefix}${n}`);
      await send("before ");
      const one = await collect(client(), options);
      await until(() => one.messages.length >= wanted("").length, "the messages before", waitMs);
      const two = await collect(client(), options);
      await until(
        () => one.consumer.queues.length === 2 && two.consumer.queues.length === 2,
        "half of the queues",
        waitMs,
      );
      await send("shared ");
      // What was under way when a queue changed hands comes again.
      const both = () => [...new Set([...texts(one.messages), ...texts(two.messages)])];
      await until(() => both().length >= 2 * wanted("").length, "the messages of both", waitMs);
      expect(both().sort()).toEqual([...wanted("before "), ...wanted("shared ")].sort());
      await one.consumer.stop();
      await two.consumer.stop();
      const three = await collect(client(), options);
      await until(() => three.consumer.queues.length === 4, "all queues", waitMs);
      await send("next ");
      await until(() => three.messages.length === wanted("").length, "the next messages", waitMs);
      expect(texts(three.messages).sort()).toEqual(wanted("next ").sort());
    }));

  test("broadcasting, from the first message and from the last #broadcasting #consume-from", () =>
    withClients(async (client) => {
      const topic = "JsBroadcast";
      const producer = client().producer({ sendTimeoutMs: 30_000 });
      await Promise.all(upTo(8).map((n) => producer.send({ topic, body: `before ${n}` })));
      const options = { group: "JsBroadcast", subscriptions: { [topic]: "*" }, messageModel: "BROADCASTING" } as const;
      const first = await collect(client(), options);
      const last = await collect(client(), { ...options, consumeFrom: "LAST_OFFSET" });
      await until(() => first.messages.length === 8 && last.consumer.queues.length === 4, "both to have begun", waitMs);
      await Promise.all(upTo(8).map((n) => producer.send({ topic, body: `after ${n}` })));
      await until(() => first.messages.length >= 16 && last.messages.length >= 8, "the messages after", waitMs);
      expect(texts(first.messages)).toHaveLength(16);
      expect(texts(last.messages).sort()).toEqual(upTo(8).map((n) => `after ${n}`));
    }));

  test("failed messages come back at growing levels, and end among the dead letters #retries", () =>
    withClients(async (client) => {
      const topic = "JsRetries";
      await client().producer({ sendTimeoutMs: 30_000 }).send({ topic, body: "poison" });
      const options = { group: "JsRetries", subscriptions: { [topic]: "*" }, maxReconsumeTimes: 2 };
      const { messages } = await collect(client(), options, () => "RECONSUME_LATER");
      await until(() => messages.length === 3, "three tries", waitMs);
      expect(messages.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 1, 2]);
      expect(messages.map(({ properties }) => properties["DELAY"])).toEqual([undefined, "3", "4"]);
      const dead = await collect(client(), { group: "JsUndertaker", subscriptions: { "%DLQ%JsRetries": "*" } });
      await until(() => dead.messages.length === 1, "a dead letter", waitMs);
      expect(dead.messages[0]).toMatchObject({ reconsumeTimes: 3, properties: { RETRY_TOPIC: topic } });
    }));

  test("pulls, offsets by end and time, commits, and messages by key and id #pull #offsets #queries", () =>
    withClients(async (client) => {
      const topic = "JsPulls";
      const one = client();
      const producer = one.producer({ sendTimeoutMs: 30_000 });
      const sent = await producer.send({ topic, body: "first", keys: ["k1"] }, { shardingKey: "s" });
      for (let n = 0; n < 9; n++) await producer.send({ topic, body: `m${n}` }, { queue: sent.queue });
      const consumer = one.pullConsumer({ group: "JsPulls" });
      expect(await consumer.queues(topic)).toHaveLength(4);
      expect([await consumer.minOffset(sent.queue), await consumer.maxOffset(sent.queue)]).toEqual([0, 10]);
      const read: string[] = [];
      for await (const message of consumer.read(sent.queue, { from: "min" })) read.push(utf8.decode(message.body));
      expect(read).toEqual(["first", ...upTo(9).map((n) => `m${n}`)]);
      await consumer.commit(sent.queue, 7);
      expect(await consumer.committedOffset(sent.queue)).toBe(7);
      await until(async () => (await one.queryMessage(topic, "k1")).length === 1, "the message by its key", waitMs);
      for (const id of [sent.messageId, sent.offsetMessageId]) {
        expect(texts([(await one.viewMessage(topic, id))!])).toEqual(["first"]);
      }
    }));

  test("transactions that end at once, and when their producer is asked #transactions", () =>
    withClients(async (client) => {
      const topic = "JsTransactions";
      const asked: string[] = [];
      const check = (message: ReceivedMessage): TransactionOutcome => {
        const [body] = texts([message]);
        asked.push(body!);
        return body === "asked, committed" ? "COMMIT" : "ROLLBACK";
      };
      const producer = client().transactionProducer({ group: "JsTransactors", check, sendTimeoutMs: 30_000 });
      const begin = (body: string, outcome: TransactionOutcome) =>
        producer.sendMessageInTransaction({ topic, body, tag: "T" }, () => outcome);
      expect(await begin("committed", "COMMIT")).toMatchObject({ status: "SEND_OK", outcome: "COMMIT" });
      await begin("rolled back", "ROLLBACK");
      await begin("asked, committed", "UNKNOWN");
      await begin("asked, rolled back", "UNKNOWN");
      const { messages } = await collect(client(), { group: "JsTransactions", subscriptions: { [topic]: "T" } });
      const told = () => [...new Set(asked)].sort().join("; ");
      const isTold = () => told() === "asked, committed; asked, rolled back";
      await until(() => isTold() && new Set(texts(messages)).size === 2, "both questions, and both messages", waitMs);
      // What is rolled back would have come before what is committed behind it.
      await begin("behind", "COMMIT");
      await until(() => texts(messages).includes("behind"), "the last message", waitMs);
      expect([...new Set(texts(messages))].sort()).toEqual(["asked, committed", "behind", "committed"]);
      const found = messages.find((message) => texts([message])[0] === "asked, committed")!;
      expect(found.properties).toMatchObject({ TRAN_MSG: "true", PGROUP: "JsTransactors" });
    }));

  test("SQL92 expressions, for those who are pushed to and those who pull #sql92", () =>
    withClients(async (client) => {
      const topic = "JsFilters";
      const one = client();
      const producer = one.producer({ sendTimeoutMs: 30_000 });
      const first = await producer.send({ topic, body: "m0", tag: "A", properties: { n: "0" } });
      for (let n = 1; n < 12; n++) {
        const properties: Record<string, string> =
          n % 4 === 3 ? {} : { n: String(n), of: n % 2 === 0 ? "even" : "odd" };
        await producer.send({ topic, body: `m${n}`, tag: "A", properties }, { queue: first.queue });
      }
      const sql = "(n BETWEEN 2 AND 8 AND of = 'even') OR n IS NULL";
      const wanted = ["m11", "m2", "m3", "m4", "m6", "m7", "m8"];
      const { messages } = await collect(client(), { group: "JsFilters", subscriptions: { [topic]: { sql } } });
      await until(() => messages.length >= wanted.length, "the messages", waitMs);
      expect(texts(messages).sort()).toEqual(wanted);
      const consumer = one.pullConsumer({ group: "JsFilterPulls" });
      const pulled: string[] = [];
      for (let from = 0; from < 12; ) {
        const { messages, nextOffset } = await consumer.pull(first.queue, from, { expression: { sql } });
        pulled.push(...texts(messages));
        from = nextOffset;
      }
      expect(pulled.sort()).toEqual(wanted);
    }));

  test("messages come at their time, and not at all if they are recalled #timers", () =>
    withClients(async (client) => {
      const topic = "JsTimers";
      const producer = client().producer({ sendTimeoutMs: 30_000 });
      await producer.send({ topic, body: "first" });
      const { messages } = await collect(client(), { group: "JsTimers", subscriptions: { [topic]: "*" } });
      await until(() => messages.length === 1, "the first message", waitMs);
      const deliverAtMs = Date.now() + 6_000;
      const recalled = await producer.send({ topic, body: "recalled", deliverAtMs });
      await producer.send({ topic, body: "at a time", deliverAtMs });
      await producer.send({ topic, body: "after a while", delayMs: 3_000 });
      expect(await producer.recall(topic, recalled.recallHandle!)).toBe(recalled.messageId);
      await producer.send({ topic, body: "last", deliverAtMs: deliverAtMs + 3_000 });
      await until(() => texts(messages).includes("last"), "the last message", waitMs);
      expect(texts(messages)).toEqual(["first", "after a while", "at a time", "last"]);
      const [, after, at] = messages;
      expect(after!.storeTimestampMs - after!.bornTimestampMs).toBeGreaterThanOrEqual(3_000);
      expect(at!.storeTimestampMs).toBeGreaterThanOrEqual(deliverAtMs);
    }));

  test("simple consumers share messages, each until it is acknowledged or its time is up #pop", () =>
    withClients(async (client) => {
      const topic = "JsPops";
      const producer = client().producer({ sendTimeoutMs: 30_000 });
      for (let n = 0; n < 12; n++) await producer.send({ topic, body: `m${n}`, tag: n % 4 === 3 ? "B" : "A" });
      const options = { group: "JsPops", subscriptions: { [topic]: "A" } };
      const consumers = [client().simpleConsumer(options), client().simpleConsumer(options)];
      const left = new Set<string>();
      const acknowledged: string[] = [];
      const again: ReceivedMessage[] = [];
      const deadline = Date.now() + waitMs;
      for (let turn = 0; acknowledged.length < 9 && Date.now() < deadline; turn++) {
        const consumer = consumers[turn % 2]!;
        for (const message of await consumer.receive({ messagesMax: 4, invisibleMs: 3_000, waitMs: 1_000 })) {
          const [body] = texts([message]);
          // The first time, every third one is left.
          if (["m0", "m4", "m8"].includes(body!) && !left.has(body!)) {
            left.add(body!);
            continue;
          }
          if (left.has(body!)) again.push(message);
          await consumer.ack(message);
          acknowledged.push(body!);
        }
      }
      const wanted = upTo(12).filter((n) => n % 4 !== 3);
      expect(acknowledged.sort()).toEqual(wanted.map((n) => `m${n}`).sort());
      expect(texts(again).sort()).toEqual(["m0", "m4", "m8"]);
      for (const message of again) expect(message).toMatchObject({ topic, reconsumeTimes: 1 });
      expect(await consumers[0]!.receive({ waitMs: 1_000 })).toEqual([]);
    }));
}

async function collect(
  client: Client,
  options: Pick<PushConsumerOptions, "group" | "subscriptions"> & Partial<PushConsumerOptions>,
  act: MessageListener = () => {},
) {
  const messages: ReceivedMessage[] = [];
  const consumer = client.pushConsumer({
    consumeFrom: "FIRST_OFFSET",
    listener: (batch, context) => {
      messages.push(...batch);
      return act(batch, context);
    },
    ...options,
  });
  await consumer.start();
  return { consumer, messages };
}

function texts(messages: readonly ReceivedMessage[]): string[] {
  return messages.map(({ body }) => utf8.decode(body));
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
