import { expect, test } from "vitest";
import type { Client } from "../../src/client/client.ts";
import type { ReceivedMessage } from "../../src/client/message.ts";
import { type Clients, until, utf8 } from "./suite.ts";

/** All messages of a topic, by queue. */
export async function stored(client: Client, topic: string, group = "READER"): Promise<ReceivedMessage[][]> {
  const consumer = client.pullConsumer({ group });
  const queues = await consumer.queues(topic);
  return Promise.all(
    queues.map(async (queue) => {
      const messages: ReceivedMessage[] = [];
      for await (const message of consumer.read(queue, { from: "min" })) messages.push(message);
      return messages;
    }),
  );
}

export function texts(messages: readonly ReceivedMessage[]): string[] {
  return messages.map(({ body }) => utf8.decode(body));
}

export function sendingTests(clients: Clients): void {
  test("a message arrives as it was sent, in a topic that it made", async () => {
    const client = clients.client();
    const producer = client.producer({ group: "PG" });
    const sent = await producer.send({
      topic: "T",
      body: "hello",
      tag: "A",
      keys: ["k1", "k2"],
      properties: { color: "blue", empty: "" },
      flag: 7,
    });
    expect(sent.status).toBe("SEND_OK");
    expect(sent.messageId).toMatch(/^[0-9A-F]{32}$/);
    expect(sent.queueOffset).toBe(0);
    const all = await stored(client, "T");
    expect(all).toHaveLength(4);
    const [message] = all.flat();
    expect(message).toMatchObject({
      topic: "T",
      queueId: sent.queue.queueId,
      brokerName: sent.queue.brokerName,
      queueOffset: 0,
      messageId: sent.messageId,
      offsetMessageId: sent.offsetMessageId,
      tag: "A",
      keys: ["k1", "k2"],
      flag: 7,
      reconsumeTimes: 0,
    });
    expect(utf8.decode(message!.body)).toBe("hello");
    expect(message!.properties).toMatchObject({ color: "blue", empty: "", UNIQ_KEY: sent.messageId });
    expect(message!.storeTimestampMs).toBeGreaterThanOrEqual(message!.bornTimestampMs);
  });

  test("a message is found by its keys, its tag and its ids, within a time", async () => {
    const client = clients.client();
    const producer = client.producer();
    const first = await producer.send({ topic: "T", body: "first", tag: "A", keys: ["k1", "both"] });
    await producer.send({ topic: "T", body: "second", tag: "B", keys: ["k2", "both"] });
    const found = async (key: string, options = {}) => texts(await client.queryMessage("T", key, options));
    expect(await found("k1")).toEqual(["first"]);
    expect(await found("both")).toEqual(["first", "second"]);
    expect(await found("both", { messagesMax: 1 })).toEqual(["second"]);
    expect(await found("both", { endMs: 1 })).toEqual([]);
    expect(await found("none")).toEqual([]);
    expect(await found("B", { by: "tag" })).toEqual(["second"]);
    expect(await found(first.messageId, { by: "messageId" })).toEqual(["first"]);
    for (const id of [first.messageId, first.offsetMessageId]) {
      expect(await client.viewMessage("T", id)).toMatchObject({ messageId: first.messageId, tag: "A" });
    }
    const none = first.messageId.replace(/.{8}$/, "FFFFFFFF");
    expect(await client.viewMessage("T", none)).toBeUndefined();
    await expect(client.queryMessage("None", "k1")).rejects.toMatchObject({ code: "TOPIC_NOT_EXIST" });
  });

  test("sends that are under way together are all answered, by turns of the queues", async () => {
    const client = clients.client();
    const producer = client.producer();
    const results = await Promise.all(
      Array.from({ length: 200 }, (_, i) => producer.send({ topic: "T", body: `m${i}` })),
    );
    expect(new Set(results.map(({ messageId }) => messageId)).size).toBe(200);
    const queues = await stored(client, "T");
    expect(queues.map(({ length }) => length)).toEqual([50, 50, 50, 50]);
    expect(new Set(texts(queues.flat())).size).toBe(200);
  });

  test("messages with one sharding key stand in one queue, in the order sent", async () => {
    const client = clients.client();
    const producer = client.producer();
    const keys = ["a", "order-17", "Ωmega", ""];
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => {
        const shardingKey = keys[i % keys.length]!;
        // With and without a signal: both ways are as long.
        const signal = i % 3 === 0 ? { signal: new AbortController().signal } : {};
        return producer.send({ topic: "T", body: `${shardingKey} ${i}` }, { shardingKey, ...signal });
      }),
    );
    const queues = await stored(client, "T");
    for (const key of keys) {
      const found = queues.filter((messages) => messages.some(({ properties }) => properties["__SHARDINGKEY"] === key));
      expect(found).toHaveLength(1);
      const numbers = found[0]!
        .filter(({ properties }) => properties["__SHARDINGKEY"] === key)
        .map(({ body }) => Number(utf8.decode(body).split(" ")[1]));
      expect(numbers).toEqual(Array.from({ length: 10 }, (_, i) => i * 4 + keys.indexOf(key)));
    }
  });

  test("a batch is stored one after the other, its messages with their own properties", async () => {
    const client = clients.client();
    const producer = client.producer();
    const sent = await producer.send([
      { topic: "T", body: "one", tag: "A" },
      { topic: "T", body: "two", properties: { n: "2" } },
      { topic: "T", body: "three", keys: ["k"], flag: 3 },
    ]);
    expect(sent.offsetMessageId.split(",")).toHaveLength(3);
    const messages = (await stored(client, "T")).flat();
    expect(texts(messages)).toEqual(["one", "two", "three"]);
    expect(messages.map(({ queueOffset }) => queueOffset)).toEqual([0, 1, 2]);
    expect(messages[0]).toMatchObject({ tag: "A", messageId: sent.messageId });
    expect(messages[1]!.properties["n"]).toBe("2");
    expect(messages[2]).toMatchObject({ keys: ["k"], flag: 3 });
  });

  test("a delayed message comes when its level's time is over", async () => {
    const client = clients.client();
    const producer = client.producer();
    await producer.send({ topic: "T", body: "at once" });
    await producer.send({ topic: "T", body: "delayed", delayLevel: 1 });
    expect(texts((await stored(client, "T")).flat())).toEqual(["at once"]);
    await until(async () => (await stored(client, "T")).flat().length === 2, "the delayed message");
  });

  test("a message with a time comes when it is over, and one without a recall handle is not taken back", async () => {
    const client = clients.client();
    const producer = client.producer();
    const plain = await producer.send({ topic: "T", body: "at once" });
    expect(plain.recallHandle).toBeUndefined();
    const sent = await producer.send({ topic: "T", body: "after", delayMs: 300 });
    const at = Date.now() + 900;
    await producer.send({ topic: "T", body: "at", deliverAtMs: at });
    expect(texts((await stored(client, "T")).flat())).toEqual(["at once"]);
    await until(async () => (await stored(client, "T")).flat().length === 3, "those with a time");
    const later = (await stored(client, "T")).flat().find(({ body }) => utf8.decode(body) === "at")!;
    expect(later.storeTimestampMs).toBeGreaterThanOrEqual(at);
    await expect(producer.recall("T", "none")).rejects.toMatchObject({ code: "ILLEGAL_OPERATION" });
    // Recalls are off unless a broker is told otherwise.
    await expect(producer.recall("T", sent.recallHandle!)).rejects.toMatchObject({ code: "NO_PERMISSION" });
  });

  test("a one-way send arrives", async () => {
    const client = clients.client();
    const producer = client.producer();
    await producer.sendOneway({ topic: "T", body: "one-way" });
    // Behind it on the same line.
    await producer.send({ topic: "T", body: "asked" });
    expect(texts((await stored(client, "T")).flat()).sort()).toEqual(["asked", "one-way"]);
  });

  test("a large body travels compressed and is read as it was", async () => {
    const client = clients.client();
    const body = new Uint8Array(100_000).map((_, i) => i % 7);
    await client.producer().send({ topic: "T", body });
    const [message] = (await stored(client, "T")).flat();
    expect(message!.body).toEqual(body);
  });
}
