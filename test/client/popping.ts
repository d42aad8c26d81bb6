import { expect, test } from "vitest";
import type { Client } from "../../src/client/client.ts";
import type { ReceivedMessage } from "../../src/client/message.ts";
import { texts } from "./sending.ts";
import type { Clients } from "./suite.ts";

async function send(client: Client, topic: string, bodies: readonly string[], tag?: string): Promise<void> {
  const producer = client.producer();
  for (const body of bodies) await producer.send({ topic, body, ...(tag === undefined ? {} : { tag }) });
}

export function poppingTests(clients: Clients): void {
  test("simple consumers of a group share messages, of several topics, each until it is acknowledged", async () => {
    const [first, second] = [clients.client(), clients.client()];
    await send(first, "T", ["t0", "t1", "t2", "t3"]);
    await send(first, "U", ["u0"], "A");
    await send(first, "U", ["other"], "B");
    const options = { group: "G", subscriptions: { T: "*", U: "A" } };
    const consumers = [first.simpleConsumer(options), second.simpleConsumer(options)];
    const received: ReceivedMessage[] = [];
    for (let i = 0; received.length < 5; i++) {
      const consumer = consumers[i % 2]!;
      const messages = await consumer.receive({ messagesMax: 2 });
      for (const message of messages) await consumer.ack(message);
      received.push(...messages);
    }
    expect(texts(received).sort()).toEqual(["t0", "t1", "t2", "t3", "u0"]);
    expect(await consumers[0]!.receive({ waitMs: 100 })).toEqual([]);
    const waiting = consumers[1]!.receive();
    await send(first, "U", ["u1"], "A");
    expect(texts(await waiting)).toEqual(["u1"]);
  });

  test("a message whose time is up, or is made shorter, comes again; one whose time is made longer does not", async () => {
    const client = clients.client();
    await send(client, "T", ["a", "b", "c"]);
    const consumer = client.simpleConsumer({ group: "G", subscriptions: { T: "*" } });
    const first = new Map<string, ReceivedMessage>();
    while (first.size < 3) {
      for (const message of await consumer.receive({ invisibleMs: 1_500 })) first.set(texts([message])[0]!, message);
    }
    await consumer.changeInvisibleDuration(first.get("b")!, 60_000);
    await consumer.changeInvisibleDuration(first.get("c")!, 30_000);
    await consumer.changeInvisibleDuration(first.get("c")!, 1_500);
    const again: ReceivedMessage[] = [];
    while (again.length < 2) again.push(...(await consumer.receive()));
    expect(texts(again).sort()).toEqual(["a", "c"]);
    for (const message of again) {
      expect(message).toMatchObject({ topic: "T", reconsumeTimes: 1 });
      await consumer.ack(message);
    }
    await consumer.ack(first.get("b")!);
    expect(await consumer.receive({ waitMs: 100 })).toEqual([]);
    await expect(consumer.ack({ ...again[0]! })).rejects.toMatchObject({ code: "INVALID_PARAMETER" });
  });

  test("an orderly simple consumer has the next when those before are acknowledged", async () => {
    const client = clients.client();
    const producer = client.producer();
    for (const body of ["0", "1", "2"]) await producer.send({ topic: "T", body }, { shardingKey: "same" });
    const consumer = client.simpleConsumer({ group: "G", subscriptions: { T: "*" }, orderly: true });
    const order: string[] = [];
    for (let i = 0; i < 3; i++) {
      const [message] = await consumer.receive({ messagesMax: 1 });
      expect(await consumer.receive({ waitMs: 0 })).toEqual([]);
      order.push(...texts([message!]));
      await consumer.ack(message!);
    }
    expect(order).toEqual(["0", "1", "2"]);
  });

  test("a topic that there is not, and a signal", async () => {
    const client = clients.client();
    const options = { group: "G", subscriptions: { None: "*" } };
    await expect(client.simpleConsumer(options).receive()).rejects.toMatchObject({ code: "TOPIC_NOT_EXIST" });
    await send(client, "T", ["m"]);
    const consumer = client.simpleConsumer({ group: "G", subscriptions: { T: "*" } });
    await consumer.receive();
    const abort = new AbortController();
    const waiting = consumer.receive({ signal: abort.signal });
    abort.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    expect(() => client.simpleConsumer({ group: "G", subscriptions: {} })).toThrow("no topic");
  });
}
