import { expect, test } from "vitest";
import type { Carrier, Line } from "../../src/client/carrier.ts";
import { Client, type ClientOptions } from "../../src/client/client.ts";
import { ClientError } from "../../src/client/error.ts";
import { QuickClock, type Scripted, ScriptedBrokers, sent } from "./scripted-broker.ts";
import { until } from "./suite.ts";

type Answer = ConstructorParameters<typeof ScriptedBrokers>[1];

function setUp(answer: Answer, options: Partial<ClientOptions> = {}) {
  const brokers = new ScriptedBrokers(["a", "b"], answer);
  const clock = new QuickClock();
  const client = new Client({ nameServers: ["ns"], carrier: brokers, clock, ...options });
  return { brokers, clock, client, producer: client.producer() };
}

const message = { topic: "T", body: "x" };

/** What a rejected promise is rejected with. */
async function failure(promise: Promise<unknown>): Promise<ClientError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ClientError);
  return error as ClientError;
}

test("a broker that fails is left aside at once for another", async () => {
  const failing = new Set<Scripted["code"]>([1, 14, 16, 17, 204, 205]);
  for (const code of failing) {
    const { brokers, clock, producer } = setUp(({ address }) => (address === "a" ? { code, remark: "no" } : sent));
    const results = await Promise.all([1, 2, 3, 4].map(() => clock.run(producer.send(message))));
    expect(results.every(({ queue }) => queue.brokerName === "b")).toBe(true);
    expect(brokers.sends().some(({ address }) => address === "a")).toBe(true);
    expect(clock.waits.filter((ms) => ms > 0)).toEqual([]);
  }
});

test("a send is tried three times, then fails with what the broker said", async () => {
  const { brokers, clock, producer } = setUp(() => ({ code: 14, remark: "shut down" }));
  const error = await failure(clock.run(producer.send(message)));
  expect(error).toMatchObject({ code: "SERVICE_NOT_AVAILABLE", responseCode: 14 });
  expect(error.message).toBe("send to T: shut down");
  expect(brokers.sends()).toHaveLength(3);
});

test("what no other broker would take is not tried again", async () => {
  for (const [code, name] of [
    [13, "MESSAGE_ILLEGAL"],
    [29, "INVALID_PARAMETER"],
    [604, "ILLEGAL_OPERATION"],
    [999, "SYSTEM_ERROR"],
  ] as const) {
    const { brokers, clock, producer } = setUp(() => ({ code }));
    expect(await failure(clock.run(producer.send(message)))).toMatchObject({ code: name, responseCode: code });
    expect(brokers.sends()).toHaveLength(1);
  }
});

test("a busy broker is asked again after pauses that double, until the time is up", async () => {
  let busy = 5;
  const { clock, producer } = setUp(() => (busy-- > 0 ? { code: busy % 2 === 0 ? 2 : 215 } : sent));
  await clock.run(producer.send(message));
  // Half of 20, 40, 80, 160, 320 ms is sure, a random part of the other half comes to it.
  const pauses = clock.waits.filter((ms) => ms > 0);
  expect(pauses).toHaveLength(5);
  for (const [i, ms] of pauses.entries()) {
    expect(ms).toBeGreaterThanOrEqual(10 * 2 ** i);
    expect(ms).toBeLessThanOrEqual(20 * 2 ** i);
  }
  expect(new Set(pauses.map((ms, i) => ms / 2 ** i)).size).toBeGreaterThan(1);

  const always = setUp(() => ({ code: 2, remark: "[PC_SYNCHRONIZED]broker busy" }));
  const startMs = always.clock.nowMs;
  const error = await failure(always.clock.run(always.producer.send(message)));
  expect(error).toMatchObject({ code: "SYSTEM_BUSY", responseCode: 2 });
  expect(always.clock.nowMs - startMs).toBeLessThanOrEqual(3_000);
  expect(always.brokers.sends().length).toBeLessThan(12);
});

test("a line that ends under a send is opened again", async () => {
  let drops = 1;
  const { brokers, clock, producer } = setUp(() => (drops-- > 0 ? "drop" : sent));
  await clock.run(producer.send(message));
  expect(brokers.sends()).toHaveLength(2);
  expect(new Set(brokers.sends().map(({ address }) => address)).size).toBe(2);
});

test("a broker that can't be reached is left aside", async () => {
  const { brokers, clock, producer } = setUp(() => sent);
  brokers.away.add("a");
  for (let i = 0; i < 4; i++) expect((await clock.run(producer.send(message))).queue.brokerName).toBe("b");
});

test("a sharding key's queue is the only one, tried once", async () => {
  const { brokers, clock, producer } = setUp(() => ({ code: 1 }));
  await failure(clock.run(producer.send(message, { shardingKey: "k" })));
  expect(brokers.sends()).toHaveLength(1);
});

test("a send without an answer ends when its time is up", async () => {
  const { clock, producer } = setUp(() => "silent");
  const startMs = clock.nowMs;
  const error = await failure(clock.run(producer.send(message, { timeoutMs: 700 })));
  expect(error.code).toBe("REQUEST_TIMEOUT");
  expect(clock.nowMs - startMs).toBe(700);
});

test("an aborted send ends at once, wherever it waits", async () => {
  const silent = setUp(() => "silent");
  const busy = setUp(() => ({ code: 2 }));
  for (const { producer } of [silent, busy]) {
    const abort = new AbortController();
    const sending = producer.send(message, { signal: abort.signal });
    setTimeout(() => abort.abort(new Error("enough")), 5);
    await expect(sending).rejects.toThrow("enough");
    await expect(producer.send(message, { signal: abort.signal })).rejects.toThrow("enough");
  }
});

test("bodies that wait for answers are bounded: a send waits for room, in line", async () => {
  const { brokers, producer, client } = setUp(() => "silent", { clock: undefined as never });
  const body = new Uint8Array(4 * 1024 * 1024).map((_, i) => (i * 2654435761) >>> 13);
  const plain = client.producer({ compressFromBytes: Number.POSITIVE_INFINITY, retriesMax: 0, sendTimeoutMs: 60_000 });
  const sends = Array.from({ length: 20 }, () => plain.send({ topic: "T", body }).catch((error: unknown) => error));
  await until(() => brokers.sends().length >= 16, "as many as there is room for");
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(brokers.sends()).toHaveLength(16);
  const abort = new AbortController();
  const waiting = producer.send(message, { signal: abort.signal });
  abort.abort(new Error("left the line"));
  await expect(waiting).rejects.toThrow("left the line");
  await client.close();
  for (const outcome of await Promise.all(sends)) {
    expect(outcome).toMatchObject({ code: expect.stringMatching(/^(CONNECTION_CLOSED|CLIENT_CLOSED)$/) });
  }
  await expect(producer.send(message)).rejects.toMatchObject({ code: "CLIENT_CLOSED" });
});

test("a one-way send over a line that ends with bytes unsent is over with it", async () => {
  const lines: Line[] = [];
  const brokers = new ScriptedBrokers(["a"], () => sent);
  // A WebSocket's bufferedAmount stays where it was when it closed.
  const carrier: Carrier = {
    dial: async (address, events) => {
      const line = { ...(await brokers.dial(address, events)), unsentBytes: address === "a" ? 5_000_000 : 0 };
      lines.push(line);
      return line;
    },
  };
  for (const end of [() => lines.at(-1)!.close(), (client: Client) => void client.close()]) {
    const client = new Client({ nameServers: ["ns"], carrier });
    const sending = client.producer().sendOneway(message);
    let isOver = false;
    void sending.then(() => {
      isOver = true;
    });
    const before = brokers.sends().length;
    await until(() => brokers.sends().length > before, "the message is on the line");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isOver).toBe(false);
    end(client);
    await sending;
    await client.close();
  }
});

test("a message that no broker would take is refused before it is sent", async () => {
  const { brokers, producer } = setUp(() => sent);
  for (const bad of [
    { topic: "T", body: "" },
    { topic: "T", body: new Uint8Array(4 * 1024 * 1024 + 1) },
    { topic: "T", body: "x", keys: ["two words"] },
    { topic: "T", body: "x", properties: { "a\u0001b": "c" } },
    { topic: "T", body: "x", properties: { a: "c\u0002" } },
    { topic: "T", body: "x", properties: { a: "y".repeat(40_000) } },
    { topic: "T", body: "x", delayLevel: -1 },
    { topic: "T", body: "x", delayMs: 0.5 },
    { topic: "T", body: "x", deliverAtMs: -1 },
    { topic: "T", body: "x", delayMs: 1, deliverAtMs: 1 },
    { topic: "T", body: "x", delayLevel: 1, delayMs: 1 },
  ]) {
    expect((await failure(producer.send(bad))).code).toBe("MESSAGE_ILLEGAL");
  }
  const batches = [
    [],
    [message, { topic: "U", body: "x" }],
    [message, { topic: "T", body: "x", delayLevel: 1 }],
    [message, { topic: "T", body: "x", delayMs: 1 }],
    [message, { topic: "T", body: "x", deliverAtMs: 1 }],
    [{ topic: "%RETRY%G", body: "x" }],
    [message, { topic: "T", body: new Uint8Array(4 * 1024 * 1024) }],
  ];
  for (const bad of batches) expect((await failure(producer.send(bad))).code).toBe("MESSAGE_ILLEGAL");
  expect(brokers.sends()).toEqual([]);
});

test("another NameServer is asked when one is away; a topic nobody knows is an error", async () => {
  const brokers = new ScriptedBrokers(["a"], () => sent);
  brokers.away.add("ns1");
  const client = new Client({ nameServers: ["ns1", "ns2"], carrier: brokers });
  await client.producer().send(message);
  await expect(client.producer().send({ topic: "U", body: "x" })).rejects.toMatchObject({ code: "TOPIC_NOT_EXIST" });
  brokers.away.add("ns2");
  const other = new Client({ nameServers: ["ns1", "ns2"], carrier: brokers });
  await expect(other.producer().send(message)).rejects.toMatchObject({ code: "ADDRESS_UNUSABLE" });
  await client.close();
  await other.close();
});
