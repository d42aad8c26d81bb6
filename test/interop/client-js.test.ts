import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Client } from "../../src/client/client.ts";
import type { ReceivedMessage } from "../../src/client/message.ts";
import { tcp } from "../../src/client/tcp.ts";
import { until } from "../client/suite.ts";
import { startApache } from "./apache-broker.ts";
import { JavaClients } from "./java-client.ts";
import type { RunningBroker } from "./running-broker.ts";
import { missingTool } from "./toolchain.ts";

const setupMs = 240_000;
const testMs = 180_000;

/** The JavaScript client with a real broker, and with Java clients in the same groups. */
describe.skipIf((await missingTool()) !== undefined)("the JavaScript client on Apache RocketMQ 5.5.0", () => {
  const javas: JavaClients[] = [];
  const clients: Client[] = [];
  let broker: RunningBroker;

  beforeAll(async () => {
    broker = await startApache();
  }, setupMs);
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });
  afterAll(async () => {
    for (const java of javas) await java.close();
    await broker?.close();
  }, setupMs);

  function client(): Client {
    // A starved machine answers late.
    const made = new Client({ nameServers: [broker.namesrv], carrier: tcp(), requestTimeoutMs: 30_000 });
    clients.push(made);
    return made;
  }

  async function java(version: "4.9.1" | "5.5.0", ...properties: string[]): Promise<JavaClients> {
    const made = await JavaClients.of(version, ...properties);
    javas.push(made);
    return made;
  }

  async function collect(group: string, topic: string, options: { orderly?: boolean; failTimes?: number } = {}) {
    const messages: ReceivedMessage[] = [];
    const consumer = client().pushConsumer({
      group,
      subscriptions: { [topic]: "*" },
      consumeFrom: "FIRST_OFFSET",
      orderly: options.orderly ?? false,
      listener: ([message], context) => {
        messages.push(message!);
        context.delayLevel = 1;
        return message!.reconsumeTimes < (options.failTimes ?? 0) ? "RECONSUME_LATER" : "SUCCESS";
      },
    });
    await consumer.start();
    return { consumer, messages };
  }

  for (const version of ["4.9.1", "5.5.0"] as const) {
    test(`what it sends a Java ${version} consumer has as it was`, { timeout: testMs }, async () => {
      const topic = `ToJava-${version.replaceAll(".", "-")}`;
      const producer = client().producer({ group: "PG", sendTimeoutMs: 30_000 });
      const large = "compressed ".repeat(2_000);
      const sent = [
        await producer.send({
          topic,
          body: "single",
          tag: "TagA",
          keys: ["k1", "k2"],
          properties: { color: "blau, größer" },
        }),
        await producer.send({ topic, body: large }, { shardingKey: "order 7" }),
      ];
      await producer.send([
        { topic, body: "batch 1", tag: "TagB" },
        { topic, body: "batch 2", properties: { n: "2" } },
      ]);
      await producer.sendOneway({ topic, body: "one-way" });
      const consumer = (await java(version)).start(broker.namesrv, "Consume", { topic, group: `JG-${version[0]}` });
      await consumer.untilMessages(5);
      await consumer.stop();
      const messages = consumer.all("message");
      const bodies = messages.map(({ body, bodyBytes }) => body ?? `${bodyBytes} bytes`);
      expect(bodies.sort()).toEqual(["22000 bytes", "batch 1", "batch 2", "one-way", "single"]);
      const byBody = new Map(messages.map((message) => [message.body ?? "large", message]));
      expect(byBody.get("single")).toMatchObject({ msgId: sent[0]!.messageId, tags: "TagA", keys: "k1 k2" });
      expect(byBody.get("single")!.properties).toMatchObject({ color: "blau, größer" });
      expect(byBody.get("large")!.bodySha256).toBe(createHash("sha256").update(large).digest("hex"));
      expect(byBody.get("batch 1")).toMatchObject({ tags: "TagB" });
      expect(byBody.get("batch 2")!.properties).toMatchObject({ n: "2" });
    });
  }

  test("it reads what a Java producer sends, however that compresses", { timeout: testMs }, async () => {
    const topic = "FromJava";
    const sent = [];
    for (const type of ["ZLIB", "LZ4", "ZSTD"]) {
      const producer = await java("5.5.0", `-Drocketmq.message.compressType=${type}`);
      sent.push(
        ...(await producer.produce(
          broker.namesrv,
          { topic, count: 2, "repeated-bytes": 300_000, tags: "TagA", keys: type, property: `how=${type}` },
          { count: 2, "random-bytes": 9_000 },
        )),
      );
    }
    sent.push(...(await (await java("4.9.1")).produce(broker.namesrv, { topic, count: 2, "repeated-bytes": 200_000 })));
    const { messages } = await collect("FromJavaGroup", topic);
    await until(() => messages.length >= 14, "all messages", 60_000);
    const hashes = messages.map(({ messageId, body }) => [messageId, createHash("sha256").update(body).digest("hex")]);
    expect(new Map(hashes as [string, string][])).toEqual(new Map(sent.map((line) => [line.msgId, line.bodySha256])));
    for (const type of ["ZLIB", "LZ4", "ZSTD"]) {
      const ofType = messages.filter(({ properties }) => properties["how"] === type);
      expect(ofType.length, type).toBeGreaterThanOrEqual(2);
      expect(ofType[0]).toMatchObject({ tag: "TagA", keys: [expect.stringContaining(type)] });
    }
  });

  test("a group of Java and JavaScript members shares the queues, none twice", { timeout: testMs }, async () => {
    const topic = "Mixed";
    const producer = client().producer({ sendTimeoutMs: 30_000 });
    await producer.send({ topic, body: "makes the topic" });
    const mine = await collect("MixedGroup", topic);
    const theirs = (await java("5.5.0")).start(broker.namesrv, "Consume", { topic, group: "MixedGroup" });
    await theirs.untilAssigned(2);
    await until(() => mine.consumer.queues.length === 2, "half of the queues", 60_000);
    const bodies = Array.from({ length: 200 }, (_, i) => `mixed ${i}`);
    await Promise.all(bodies.map((body) => producer.send({ topic, body })));
    const utf8 = new TextDecoder();
    // The message that made the topic comes again where its queue changed hands before it was committed.
    const isMixed = (body: string | undefined) => body?.startsWith("mixed ") === true;
    const ofMine = () => mine.messages.map(({ body }) => utf8.decode(body)).filter(isMixed);
    const all = () => [...ofMine(), ...theirs.all("message").flatMap(({ body = "" }) => (isMixed(body) ? body : []))];
    await until(() => all().length >= 200, "all", 60_000);
    expect(all().sort()).toEqual(bodies.sort());
    expect(ofMine()).toHaveLength(100);
    await theirs.stop();
    await until(() => mine.consumer.queues.length === 4, "all queues once the other left", 60_000);
    // The Java member's offsets are gone on from.
    await mine.consumer.stop();
    const offsets = client().pullConsumer({ group: "MixedGroup" });
    for (const queue of await offsets.queues(topic)) {
      expect(await offsets.committedOffset(queue)).toBe(await offsets.maxOffset(queue));
    }
  });

  test("failed messages come back, and orderly ones keep their order", { timeout: testMs }, async () => {
    const producer = client().producer({ sendTimeoutMs: 30_000 });
    await producer.send({ topic: "Retried", body: "fails once" });
    const retried = await collect("RetriedGroup", "Retried", { failTimes: 1 });
    await until(() => retried.messages.length === 2, "the second try", 60_000);
    expect(retried.messages.map(({ topic, reconsumeTimes }) => [topic, reconsumeTimes])).toEqual([
      ["Retried", 0],
      ["Retried", 1],
    ]);
    for (let i = 0; i < 40; i++)
      await producer.send({ topic: "Ordered", body: String(i) }, { shardingKey: `k${i % 4}` });
    const ordered = await collect("OrderedGroup", "Ordered", { orderly: true });
    await until(() => ordered.messages.length === 40, "all in order", 60_000);
    for (const { queueId } of ordered.consumer.queues) {
      const offsets = ordered.messages.filter((message) => message.queueId === queueId).map((m) => m.queueOffset);
      expect(offsets).toEqual(offsets.map((_, i) => i));
    }
    // The locks were given back: a Java member that takes over has them at once.
    await ordered.consumer.stop();
    const next = (await java("5.5.0")).start(broker.namesrv, "Consume", {
      topic: "Ordered",
      group: "OrderedGroup",
      mode: "orderly",
    });
    await next.untilAssigned(4);
    await next.stop();
  });
});
