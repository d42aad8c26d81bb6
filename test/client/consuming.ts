import { expect, test } from "vitest";
import { texts } from "./sending.ts";
import type { Clients } from "./suite.ts";

export function consumingTests(clients: Clients): void {
  test("queues are read where the application wants, and offsets are kept for the group", async () => {
    const client = clients.client();
    const producer = client.producer();
    const queue = { topic: "T", brokerName: "broker-a", queueId: 0 };
    await producer.send({ topic: "T", body: "first" });
    for (let i = 0; i < 10; i++) await producer.send({ topic: "T", body: `m${i}` }, { queue });
    const consumer = client.pullConsumer({ group: "G" });
    const end = await consumer.maxOffset(queue);
    expect(await consumer.minOffset(queue)).toBe(0);
    const { status, messages, nextOffset, maxOffset } = await consumer.pull(queue, end - 10, { messagesMax: 4 });
    expect({ status, nextOffset, maxOffset }).toEqual({ status: "FOUND", nextOffset: end - 6, maxOffset: end });
    expect(texts(messages)).toEqual(["m0", "m1", "m2", "m3"]);
    expect(await consumer.pull(queue, end)).toMatchObject({ status: "NO_NEW_MESSAGE", messages: [] });
    expect(await consumer.pull(queue, end + 5)).toMatchObject({ status: "OFFSET_ILLEGAL", nextOffset: end });
    const { messages: some } = await consumer.pull(queue, end - 10, { expression: { sql: "KEYS = 'k' OR n IS NULL" } });
    expect(some).toHaveLength(10);
    const broken = consumer.pull(queue, 0, { expression: { sql: "n =" } });
    await expect(broken).rejects.toMatchObject({ code: "SUBSCRIPTION_PARSE_FAILED" });
    await consumer.commit(queue, nextOffset);
    expect(await consumer.committedOffset(queue)).toBe(nextOffset);
    const rest = [];
    for await (const message of consumer.read(queue)) rest.push(message);
    expect(texts(rest)).toEqual(["m4", "m5", "m6", "m7", "m8", "m9"]);
    expect(await consumer.offsetByTime(queue, rest[0]!.storeTimestampMs + 3_600_000)).toBe(end);
  });
}
