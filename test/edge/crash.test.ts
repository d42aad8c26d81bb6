/** SIGKILL of workerd in mid-load: what was acknowledged is there afterwards, and everybody goes on. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Client } from "../../src/client/index.ts";
import { until } from "../client/suite.ts";
import { EdgeBundle } from "./edge.ts";

const rounds = 5;
const producers = 4;
const timeoutMs = 180_000;
const utf8 = new TextDecoder();

let bundle: EdgeBundle;
beforeAll(async () => {
  bundle = await EdgeBundle.make();
}, timeoutMs);
afterEach(() => bundle.clean());
afterAll(() => bundle?.close());

test("every acknowledged message outlives SIGKILL, and consumers that held pulls go on", {
  timeout: timeoutMs,
}, async () => {
  const edge = await bundle.start({ BROKERS: 2 });
  const acked = new Set<string>();
  let isOver = false;

  /** Sends singles and batches until it is over; what fails nobody counts on. */
  const produce = async (client: Client, name: string): Promise<void> => {
    const producer = client.producer({ sendTimeoutMs: 2_000 });
    for (let i = 0; !isOver; i++) {
      const bodies = Array.from({ length: i % 3 === 0 ? 8 : 1 }, (_, j) => `${name}-${i}-${j}`);
      const messages = bodies.map((body) => ({ topic: "T", body }));
      try {
        await producer.send(messages.length > 1 ? messages : messages[0]!);
        for (const body of bodies) acked.add(body);
      } catch {
        // The broker is away.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };
  const consume = async (group: string, topic: string): Promise<Set<string>> => {
    const had = new Set<string>();
    const consumer = edge.client().pushConsumer({
      group,
      subscriptions: { [topic]: "*" },
      consumeFrom: "FIRST_OFFSET",
      listener: (batch) => {
        for (const { body } of batch) had.add(utf8.decode(body));
      },
    });
    await consumer.start();
    return had;
  };

  const first = edge.client();
  await first.producer().send({ topic: "T", body: "first" });
  await first.producer().send({ topic: "Quiet", body: "before" });
  acked.add("first");
  const live = await consume("Live", "T");
  // Its pulls are held whenever workerd dies.
  const quiet = await consume("Held", "Quiet");
  await until(() => quiet.has("before"), "the first message of the quiet topic");

  const producing = Array.from({ length: producers }, (_, i) => produce(edge.client(), `p${i}`));
  for (let round = 0; round < rounds; round++) {
    const before = acked.size;
    await until(() => acked.size >= before + 300, "messages of this round", 60_000);
    await edge.kill();
    await edge.restart();
  }
  const before = acked.size;
  await until(() => acked.size >= before + 300, "messages after the last round", 60_000);
  isOver = true;
  await Promise.all(producing);
  expect(acked.size).toBeGreaterThan(rounds * 300);

  const missing = (had: Set<string>) => [...acked].filter((body) => !had.has(body));
  await until(() => missing(live).length === 0, "every acknowledged message at the consumer that went on", 60_000);
  const fresh = await consume("Fresh", "T");
  await until(() => missing(fresh).length === 0, "every acknowledged message at a new group", 60_000);

  await edge.client().producer().send({ topic: "Quiet", body: "after" });
  await until(() => quiet.has("after"), "a message to the pulls that were held");
  expect(edge.output()).toBe("");
});
