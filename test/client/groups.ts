import { expect, test } from "vitest";
import type { Client } from "../../src/client/client.ts";
import type { ConsumeContext, MessageListener } from "../../src/client/listening.ts";
import type { ReceivedMessage } from "../../src/client/message.ts";
import type { PushConsumerOptions } from "../../src/client/push-consumer.ts";
import { stored, texts } from "./sending.ts";
import { type Clients, until, utf8 } from "./suite.ts";

/** A consumer from the first message on that remembers what it was given. */
async function collect(client: Client, options: Partial<PushConsumerOptions> = {}, act: MessageListener = () => {}) {
  const messages: ReceivedMessage[] = [];
  const consumer = client.pushConsumer({
    group: "G",
    subscriptions: { T: "*" },
    consumeFrom: "FIRST_OFFSET",
    listener: (batch, context: ConsumeContext) => {
      messages.push(...batch);
      return act(batch, context);
    },
    ...options,
  });
  await consumer.start();
  return { consumer, messages };
}

async function sendMany(client: Client, count: number, topic = "T"): Promise<string[]> {
  const producer = client.producer();
  const bodies = Array.from({ length: count }, (_, i) => `m${i}`);
  await Promise.all(bodies.map((body) => producer.send({ topic, body })));
  return bodies;
}

export function groupTests(clients: Clients): void {
  test("a group's consumer has every message once, and the next one goes on where it ended", async () => {
    const client = clients.client();
    const bodies = await sendMany(client, 300);
    const { consumer, messages } = await collect(client);
    await until(() => messages.length >= 300, "all messages");
    expect(texts(messages).sort()).toEqual(bodies.sort());
    expect(consumer.queues).toHaveLength(4);
    await consumer.stop();
    const offsets = client.pullConsumer({ group: "G" });
    for (const queue of await offsets.queues("T")) {
      expect(await offsets.committedOffset(queue)).toBe(await offsets.maxOffset(queue));
    }
    await client.producer().send({ topic: "T", body: "later" });
    const next = await collect(client);
    await until(() => next.messages.length > 0, "the later message");
    expect(texts(next.messages)).toEqual(["later"]);
  });

  test("SQL92 says which messages a group has, and what is none keeps a consumer from starting", async () => {
    const client = clients.client();
    const producer = client.producer();
    for (let n = 0; n < 12; n++) await producer.send({ topic: "T", body: `m${n}`, properties: { n: `${n}` } });
    const wanted = { subscriptions: { T: { sql: "n BETWEEN 3 AND 6 OR last IS NOT NULL" } } };
    const { messages } = await collect(client, wanted);
    await until(() => messages.length === 4, "those between");
    await producer.send({ topic: "T", body: "passed over", properties: { n: "7" } });
    await producer.send({ topic: "T", body: "last", properties: { last: "1" } });
    await until(() => messages.length === 5, "the last one");
    expect(texts(messages).sort()).toEqual(["last", "m3", "m4", "m5", "m6"]);
    const refused = client.pushConsumer({ group: "Broken", subscriptions: { T: { sql: "n >" } }, listener: () => {} });
    await expect(refused.start()).rejects.toMatchObject({ code: "SUBSCRIPTION_PARSE_FAILED", responseCode: 23 });
  });

  test("messages that come while a pull is held are had at once", async () => {
    const client = clients.client();
    await sendMany(client, 4);
    const { messages } = await collect(client);
    await until(() => messages.length === 4, "those before");
    await sendMany(client, 20);
    await until(() => messages.length === 24, "those after", 5_000);
  });

  test("members share the queues out, and take over from one that leaves", async () => {
    const [first, second] = [clients.client({ clientId: "b" }), clients.client({ clientId: "a" })];
    await sendMany(first, 4);
    const one = await collect(first);
    await until(() => one.consumer.queues.length === 4, "all queues");
    const other = await collect(second);
    const shares = () => [other.consumer.queues, one.consumer.queues].map((queues) => queues.map((q) => q.queueId));
    await until(
      () => one.consumer.queues.length === 2 && other.consumer.queues.length === 2,
      "half of the queues each",
    );
    expect(shares()).toEqual([
      [0, 1],
      [2, 3],
    ]);
    await until(() => one.messages.length + other.messages.length >= 4, "the messages before");
    const before = one.messages.length + other.messages.length;
    const bodies = await sendMany(first, 80);
    await until(() => one.messages.length + other.messages.length >= before + 80, "the messages of both");
    const fresh = [...one.messages, ...other.messages].slice(0);
    expect(new Set(texts(fresh))).toEqual(new Set(bodies));
    expect(other.messages.every(({ queueId }) => queueId < 2)).toBe(true);
    await one.consumer.stop();
    await until(() => other.consumer.queues.length === 4, "all queues for the one that stayed");
    await sendMany(second, 4);
    await until(() => one.messages.length + other.messages.length >= before + 84, "the messages after");
  });

  test("a message that fails comes back later, then goes to the dead letters", async () => {
    const errors: unknown[] = [];
    const client = clients.client({ onError: (error) => errors.push(error) });
    const sent = await client.producer().send({ topic: "T", body: "poison", tag: "A", keys: ["k"] });
    const { messages } = await collect(client, { maxReconsumeTimes: 2, subscriptions: { T: "A" } }, () => {
      throw new Error("refused by the listener");
    });
    await until(() => messages.length === 3, "three tries");
    expect(messages.map(({ topic, reconsumeTimes, tag }) => ({ topic, reconsumeTimes, tag }))).toEqual([
      { topic: "T", reconsumeTimes: 0, tag: "A" },
      { topic: "T", reconsumeTimes: 1, tag: "A" },
      { topic: "T", reconsumeTimes: 2, tag: "A" },
    ]);
    expect(new Set(messages.map(({ messageId }) => messageId))).toEqual(new Set([sent.messageId]));
    expect(errors.map(String)).toContain("Error: refused by the listener");
    let dead: ReceivedMessage[] = [];
    await until(async () => {
      dead = (await stored(client, "%DLQ%G").catch(() => [])).flat();
      return dead.length > 0;
    }, "a dead letter");
    expect(texts(dead)).toEqual(["poison"]);
  });

  test("an orderly consumer keeps each queue's order, also over a message that fails at first", async () => {
    const client = clients.client();
    const producer = client.producer();
    for (let i = 0; i < 60; i++) {
      await producer.send({ topic: "T", body: String(i) }, { shardingKey: `key ${i % 6}` });
    }
    let running = 0;
    const ran = new Map<number, number>();
    const succeeded: ReceivedMessage[] = [];
    const { consumer } = await collect(client, { orderly: true, suspendMs: 20 }, async ([message]) => {
      const { queueId, reconsumeTimes, queueOffset } = message!;
      ran.set(queueId, (ran.get(queueId) ?? 0) + 1);
      expect(ran.get(queueId), "listeners of one queue at once").toBe(1);
      running++;
      await new Promise((resolve) => setTimeout(resolve, 1));
      running--;
      ran.set(queueId, 0);
      if (queueOffset % 5 === 0 && reconsumeTimes < 2) return "RECONSUME_LATER";
      succeeded.push(message!);
      return "SUCCESS";
    });
    await until(() => succeeded.length === 60, "all messages");
    expect(running).toBe(0);
    for (const queue of consumer.queues) {
      const offsets = succeeded
        .filter(({ queueId }) => queueId === queue.queueId)
        .map(({ queueOffset }) => queueOffset);
      expect(offsets).toEqual(offsets.map((_, i) => i));
    }
    await consumer.stop();
    // The locks are given back: another member has the queues at once.
    const other = await collect(clients.client(), { orderly: true });
    await until(() => other.consumer.queues.length === 4, "the queues of the one before");
  });

  test("an orderly message that fails too often goes to the dead letters and out of the way", async () => {
    const client = clients.client();
    const queue = { topic: "T", brokerName: "broker-a", queueId: 0 };
    await client.producer().send({ topic: "T", body: "makes the topic" }, { shardingKey: "" });
    await client.producer().send({ topic: "T", body: "poison" }, { queue });
    await client.producer().send({ topic: "T", body: "behind" }, { queue });
    const consumed: string[] = [];
    await collect(client, { orderly: true, suspendMs: 10, maxReconsumeTimes: 2 }, ([message]) => {
      if (texts([message!])[0] === "poison") return "RECONSUME_LATER";
      consumed.push(texts([message!])[0]!);
      return "SUCCESS";
    });
    await until(() => consumed.includes("behind"), "the message behind");
    await until(
      async () => texts((await stored(client, "%DLQ%G").catch(() => [])).flat()).includes("poison"),
      "a dead letter",
    );
  });

  test("a request is replied to by a consumer, and one that nobody replies to is over in time", async () => {
    const [asking, replying] = [clients.client(), clients.client()];
    const large = "reply ".repeat(2_000);
    const producer = replying.producer({ group: "REPLIERS" });
    const failed: unknown[] = [];
    await producer.send({ topic: "T", body: "no request" });
    const { messages } = await collect(replying, {}, async ([request]) => {
      const text = texts([request!])[0]!;
      if (text === "unheard" || text === "no request") return;
      await producer.reply(request!, text === "large" ? large : `${text}?`).catch((error) => failed.push(error));
    });
    // The line is open before the broker hears that there is a producer.
    const reader = asking.pullConsumer({ group: "READER" });
    await reader.maxOffset((await reader.queues("T"))[0]!);
    const asker = asking.producer({ group: "ASKERS" });
    const replies = await Promise.all(
      ["one", "two", "large"].map((body) => asker.request({ topic: "T", body, tag: "A" }, { timeoutMs: 20_000 })),
    );
    expect(replies.map(({ body }) => utf8.decode(body))).toEqual(["one?", "two?", large]);
    expect(replies[0]!.properties).toMatchObject({ MSG_TYPE: "reply", REPLY_TO_CLIENT: asking.clientId });
    expect(replies[0]!.messageId).toMatch(/^[0-9A-F]{32}$/);
    await expect(asker.request({ topic: "T", body: "unheard" }, { timeoutMs: 300 })).rejects.toMatchObject({
      code: "REQUEST_TIMEOUT",
    });
    const abort = new AbortController();
    const aborted = asker.request({ topic: "T", body: "unheard" }, { signal: abort.signal });
    abort.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    await until(() => texts(messages).includes("unheard"), "the unheard request");
    expect(failed).toEqual([]);
    // Who asked is gone.
    const unheard = messages.find((message) => texts([message])[0] === "unheard")!;
    await asking.close();
    await until(async () => {
      const error = await producer.reply(unheard, "too late", { timeoutMs: 1_000 }).then(
        () => undefined,
        (reason) => reason,
      );
      return error?.responseCode === 1;
    }, "a refusal");
    const { REPLY_TO_CLIENT, ...properties } = unheard.properties;
    expect(REPLY_TO_CLIENT).toBe(asking.clientId);
    await expect(producer.reply({ ...unheard, properties }, "to whom?")).rejects.toMatchObject({
      code: "MESSAGE_ILLEGAL",
    });
  });

  test("a broadcasting group's members all have all messages", async () => {
    const [first, second] = [clients.client(), clients.client()];
    const bodies = await sendMany(first, 40);
    const options = { messageModel: "BROADCASTING" } as const;
    const all = [await collect(first, options), await collect(second, options)];
    await until(() => all.every(({ messages }) => messages.length >= 40), "all messages at both");
    for (const { messages } of all) expect(texts(messages).sort()).toEqual(bodies.sort());
  });

  test("only subscribed tags are had, not those whose hash is the same", async () => {
    const client = clients.client();
    const producer = client.producer();
    // "Aa" and "BB" have one hash code in Java.
    for (const tag of ["Aa", "BB", "C", "D"]) await producer.send({ topic: "T", body: tag, tag });
    const { messages } = await collect(client, { subscriptions: { T: "Aa || C" } });
    await until(() => messages.length === 2, "the two");
    await producer.send({ topic: "T", body: "end", tag: "C" });
    await until(() => messages.length >= 3, "the end");
    expect(texts(messages).sort()).toEqual(["Aa", "C", "end"]);
  });

  test("a new group begins where it asks to", async () => {
    const client = clients.client();
    const producer = client.producer();
    const queue = { topic: "T", brokerName: "broker-a", queueId: 0 };
    await producer.send({ topic: "T", body: "makes the topic" }, { shardingKey: "" });
    await producer.send({ topic: "T", body: "before" }, { queue });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const timestampMs = Date.now();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await producer.send({ topic: "T", body: "after" }, { queue });
    const byTime = await collect(client, { group: "TIME", consumeFrom: { timestampMs } });
    await until(() => byTime.messages.length > 0, "a message by time");
    // A young queue's last offset is its first, as the broker has it; the group that names a time is answered by it.
    expect(texts(byTime.messages).filter((text) => text !== "makes the topic")).toContain("after");
  });

  test("a loop consumes what it goes past; what it leaves at is had again", async () => {
    const client = clients.client();
    const queue = { topic: "T", brokerName: "broker-a", queueId: 0 };
    const producer = client.producer();
    await producer.send({ topic: "T", body: "0" }, { queue });
    for (let i = 1; i < 6; i++) await producer.send({ topic: "T", body: String(i) }, { queue });
    const options = { group: "G", subscriptions: { T: "*" }, consumeFrom: "FIRST_OFFSET" } as const;
    const first: ReceivedMessage[] = [];
    for await (const message of client.pushConsumer(options)) {
      first.push(message);
      if (first.length === 3) break;
    }
    expect(texts(first)).toEqual(["0", "1", "2"]);
    const rest: ReceivedMessage[] = [];
    for await (const message of client.pushConsumer(options)) {
      rest.push(message);
      if (rest.length === 4) break;
    }
    expect(texts(rest)).toEqual(["2", "3", "4", "5"]);
  });

  test("an operator moves a running consumer, and asks it how it is", async () => {
    const client = clients.client();
    const queue = { topic: "T", brokerName: "broker-a", queueId: 1 };
    const producer = client.producer();
    await producer.send({ topic: "T", body: "makes the topic" }, { shardingKey: "" });
    for (let i = 0; i < 5; i++) await producer.send({ topic: "T", body: String(i) }, { queue });
    const { consumer, messages } = await collect(client);
    await until(() => messages.length === 6, "all messages");
    const info = client.asked({ code: 307, fields: { consumerGroup: "G" }, body: new Uint8Array() });
    expect(info.code).toBe(0);
    expect(new TextDecoder().decode(info.body)).toContain('{"brokerName":"broker-a","queueId":1,"topic":"T"}:{');
    expect(client.asked({ code: 307, fields: { consumerGroup: "X" }, body: new Uint8Array() }).code).toBe(1);
    expect(client.asked({ code: 9_999, fields: {}, body: new Uint8Array() }).code).toBe(3);
    // As Java writes it: the queue is the key.
    const body = new TextEncoder().encode('{"offsetTable":{{"brokerName":"broker-a","queueId":1,"topic":"T"}:2}}');
    client.asked({ code: 220, fields: { group: "G", topic: "T" }, body });
    await until(() => messages.length === 9, "the messages from there on");
    expect(texts(messages.slice(6))).toEqual(["2", "3", "4"]);
    expect(consumer.queues).toHaveLength(4);
  });

  test("a slow listener holds pulls back", async () => {
    const client = clients.client();
    await sendMany(client, 400);
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { consumer, messages } = await collect(
      client,
      { cachedMessagesMax: 10, pullMessagesMax: 8, concurrency: 2 },
      () => gate,
    );
    await until(() => messages.length === 2, "two listeners");
    const cached = (): number[] => {
      const text = consumer.runningInfo().replaceAll(/(\{[^{}]*\}):/g, (_, key) => `${JSON.stringify(key)}:`);
      const info = JSON.parse(text) as { mqTable: Record<string, { cachedMsgCount: number }> };
      const ofTopic = Object.entries(info.mqTable).filter(([queue]) => !queue.includes("%RETRY%"));
      return ofTopic.map(([, { cachedMsgCount }]) => cachedMsgCount);
    };
    await until(() => cached().every((count) => count >= 10), "full caches");
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const count of cached()) expect(count).toBeLessThan(10 + 8);
    release();
    await until(() => messages.length === 400, "all messages");
  });
}
