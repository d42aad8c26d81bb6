/** The edge's Worker from outside: what its URLs answer, whom it refuses, many broker objects. */
import { get } from "node:http";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { ReceivedMessage } from "../../src/client/index.ts";
import { until } from "../client/suite.ts";
import { type Edge, EdgeBundle } from "./edge.ts";

const timeoutMs = 60_000;

let bundle: EdgeBundle;
beforeAll(async () => {
  bundle = await EdgeBundle.make();
}, timeoutMs);
afterEach(() => bundle.clean());
afterAll(() => bundle?.close());

interface Shown {
  readonly brokerName: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly tag?: string;
  readonly keys: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
  readonly body: string;
}

async function send(edge: Edge, topic: string, body: string | Uint8Array<ArrayBuffer>, query = ""): Promise<Response> {
  return fetch(`${edge.url}/topics/${topic}/messages${query}`, { method: "POST", body });
}

async function receive(edge: Edge, topic: string, query: string): Promise<Shown[]> {
  const response = await fetch(`${edge.url}/topics/${topic}/messages?${query}`);
  expect(response.status).toBe(200);
  return (await response.json()) as Shown[];
}

function commit(edge: Edge, topic: string, query: string, body: unknown): Promise<Response> {
  return fetch(`${edge.url}/topics/${topic}/offsets?${query}`, { method: "POST", body: JSON.stringify(body) });
}

/** The status and the code of a refusal. */
async function refusal(answered: Promise<Response>): Promise<string> {
  const response = await answered;
  const { code, message } = (await response.json()) as { code: string; message: string };
  expect(message).not.toBe("");
  return `${response.status} ${code}`;
}

const text = (message: Shown) => atob(message.body);
const after = ({ brokerName, queueId, queueOffset }: Shown) => ({ brokerName, queueId, offset: queueOffset + 1 });

test("what is sent by HTTP is received by HTTP, again until the offsets are moved", {
  timeout: timeoutMs,
}, async () => {
  const edge = await bundle.start();
  // Keys by which the two are in two queues.
  const sent = await send(edge, "T", "one", "?tag=A&keys=k1%20k2&shardingKey=a");
  expect(sent.status).toBe(201);
  expect(await sent.json()).toMatchObject({ brokerName: "broker-a", queueOffset: 0 });
  await send(edge, "T", "two", "?shardingKey=b");
  for (let again = 0; again < 2; again++) {
    expect((await receive(edge, "T", "group=G")).map(text).sort()).toEqual(["one", "two"]);
  }
  const messages = await receive(edge, "T", "group=G");
  const one = messages.find((message) => text(message) === "one")!;
  expect(one).toMatchObject({ tag: "A", keys: ["k1", "k2"] });
  expect(await receive(edge, "T", "group=G&max=1")).toHaveLength(1);

  expect(await (await commit(edge, "T", "group=G", [after(one)])).json()).toEqual({ committed: 1 });
  expect((await receive(edge, "T", "group=G")).map(text)).toEqual(["two"]);
  expect(await receive(edge, "T", "group=Other")).toHaveLength(2);

  // Offsets that the queue does not have yet keep nobody waiting for ever.
  await commit(edge, "T", "group=G", [{ ...after(one), offset: 99 }]);
  expect(await receive(edge, "T", "group=G")).toHaveLength(1);
});

test("a sharding key keeps its messages in one queue, and a delay level keeps one back", {
  timeout: timeoutMs,
}, async () => {
  const edge = await bundle.start({ MESSAGE_DELAY_LEVEL: Array.from({ length: 18 }, () => "1s").join(" ") });
  const queues = new Set<number>();
  for (const body of ["a", "b", "c", "d"]) {
    const sent = await send(edge, "Ordered", body, "?shardingKey=one");
    queues.add(((await sent.json()) as Shown).queueId);
  }
  expect(queues.size).toBe(1);
  expect((await receive(edge, "Ordered", "group=G")).map(text)).toEqual(["a", "b", "c", "d"]);

  const sentAt = Date.now();
  await send(edge, "Delayed", "now");
  await send(edge, "Delayed", "later", "?delayLevel=3");
  const [now] = await receive(edge, "Delayed", "group=G");
  expect(text(now!)).toBe("now");
  await commit(edge, "Delayed", "group=G", [after(now!)]);
  expect((await receive(edge, "Delayed", "group=G&wait=20")).map(text)).toEqual(["later"]);
  expect(Date.now() - sentAt).toBeGreaterThanOrEqual(1_000);
});

test("a receive waits for what comes, and ends with nothing when nothing does", { timeout: timeoutMs }, async () => {
  const edge = await bundle.start();
  const [first] = await (async () => {
    await send(edge, "T", "first");
    return receive(edge, "T", "group=G");
  })();
  await commit(edge, "T", "group=G", [after(first!)]);
  expect(await receive(edge, "T", "group=G&wait=1")).toEqual([]);
  let isAnswered = false;
  const waiting = receive(edge, "T", "group=G&wait=30").finally(() => {
    isAnswered = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(isAnswered).toBe(false);
  await send(edge, "T", "second");
  expect((await waiting).map(text)).toEqual(["second"]);
});

test("a body of 4 MiB goes through; a longer one is refused", { timeout: timeoutMs }, async () => {
  const edge = await bundle.start();
  const body = new Uint8Array(4 * 1024 * 1024);
  // Not to be compressed.
  for (let at = 0; at < body.length; at += 65_536) crypto.getRandomValues(body.subarray(at, at + 65_536));
  expect((await send(edge, "T", body)).status).toBe(201);
  const [message] = await receive(edge, "T", "group=G");
  expect(Buffer.from(message!.body, "base64").equals(body)).toBe(true);

  const longer = new Uint8Array(4 * 1024 * 1024 + 1);
  expect(await refusal(send(edge, "T", longer))).toBe("413 MESSAGE_ILLEGAL");
  const streamed = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let i = 0; i < 5; i++) controller.enqueue(new Uint8Array(1024 * 1024));
      controller.close();
    },
  });
  const inPieces = fetch(`${edge.url}/topics/T/messages`, {
    method: "POST",
    body: streamed,
    duplex: "half",
  } as RequestInit);
  expect(await refusal(inPieces)).toBe("413 MESSAGE_ILLEGAL");
  expect(edge.output()).toBe("");
});

test("bad input has its code", { timeout: timeoutMs }, async () => {
  const edge = await bundle.start();
  await send(edge, "T", "one");
  const get = (path: string) => fetch(edge.url + path);
  expect(await refusal(get("/nowhere"))).toBe("404 INVALID_PARAMETER");
  expect(await refusal(get("/topics/None/messages?group=G"))).toBe("404 TOPIC_NOT_EXIST");
  expect(await refusal(get("/topics/T/messages"))).toBe("400 INVALID_PARAMETER");
  expect(await refusal(get("/topics/T/messages?group=G&max=-1"))).toBe("400 INVALID_PARAMETER");
  expect(await refusal(get("/topics/T/messages?group=G&wait=soon"))).toBe("400 INVALID_PARAMETER");
  expect(await refusal(send(edge, "bad%20name", "x"))).toBe("400 INVALID_PARAMETER");
  expect(await refusal(send(edge, "x".repeat(128), "x"))).toBe("400 INVALID_PARAMETER");
  expect(await refusal(send(edge, "T", "x", "?delayLevel=first"))).toBe("400 INVALID_PARAMETER");
  for (const places of [{}, [{}], [{ brokerName: "broker-a", queueId: 0, offset: "1" }], "text"]) {
    expect(await refusal(commit(edge, "T", "group=G", places))).toBe("400 INVALID_PARAMETER");
  }
  const place = { brokerName: "broker-a", queueId: 0, offset: 1 };
  expect(await refusal(commit(edge, "T", "", [place]))).toBe("400 INVALID_PARAMETER");
  expect(await refusal(commit(edge, "T", "group=G", [{ ...place, brokerName: "broker-x" }]))).toBe(
    "503 ADDRESS_UNUSABLE",
  );
  expect(await refusal(get("/name-server"))).toBe("426 INVALID_PARAMETER");
  expect(await refusal(get("/brokers/broker-a"))).toBe("426 INVALID_PARAMETER");
  expect(await refusal(get("/brokers/broker-b"))).toBe("404 INVALID_PARAMETER");
  expect(await refusal(get("/brokers/broker-b/export"))).toBe("404 INVALID_PARAMETER");
  expect(edge.output()).toBe("");
});

test("with a token nobody is served without it", { timeout: timeoutMs }, async () => {
  const edge = await bundle.start({ TOKEN: "open sesame" });
  const refused: (readonly [string, RequestInit?])[] = [
    ["/"],
    ["/topics/T/messages?group=G"],
    ["/topics/T/messages", { method: "POST", body: "x" }],
    ["/brokers/broker-a/export"],
    ["/brokers/broker-a/import", { method: "POST", body: "x" }],
    ["/name-server"],
    ["/?token=open"],
    ["/", { headers: { authorization: "Bearer open" } }],
    ["/", { headers: { authorization: "Basic open sesame" } }],
  ];
  for (const [path, init] of refused) {
    expect(await refusal(fetch(edge.url + path, init)), path).toBe("401 NO_PERMISSION");
  }
  const stranger = edge.client({ token: "open" });
  await expect(stranger.producer().send({ topic: "T", body: "x" })).rejects.toMatchObject({ code: "ADDRESS_UNUSABLE" });
  await expect(edge.client().producer().send({ topic: "T", body: "x" })).rejects.toMatchObject({
    code: "ADDRESS_UNUSABLE",
  });

  const headers = { authorization: "Bearer open sesame" };
  const sent = await fetch(`${edge.url}/topics/T/messages`, { method: "POST", body: "by header", headers });
  expect(sent.status).toBe(201);
  const inQuery = await fetch(`${edge.url}/topics/T/messages?group=G&token=open%20sesame`);
  expect(((await inQuery.json()) as Shown[]).map(text)).toEqual(["by header"]);
  expect((await fetch(`${edge.url}/brokers/broker-a/export`, { headers })).status).toBe(200);
  const { status } = await edge.client({ token: "open sesame" }).producer().send({ topic: "T", body: "by socket" });
  expect(status).toBe("SEND_OK");
});

test("without a token only this machine is served, and no page of elsewhere", { timeout: timeoutMs }, async () => {
  const edge = await bundle.start();
  const asked = (headers: Readonly<Record<string, string>>) => refusal(rawGet(edge.url, headers));
  expect(await asked({ host: "wasmq.example.com" })).toBe("401 NO_PERMISSION");
  expect(await asked({ host: "127.0.0.1.example.com" })).toBe("401 NO_PERMISSION");
  expect(await asked({ origin: "https://elsewhere.example" })).toBe("401 NO_PERMISSION");
  expect(await asked({ origin: "null" })).toBe("401 NO_PERMISSION");
  expect((await rawGet(edge.url, { host: "localhost:1234", origin: "http://localhost:5173" })).status).toBe(200);
});

test("topics are spread over several broker objects, each message is had once", { timeout: timeoutMs }, async () => {
  const edge = await bundle.start({ BROKERS: "3" });
  expect(await (await fetch(edge.url)).json()).toMatchObject({ brokers: ["broker-a", "broker-b", "broker-c"] });
  const client = edge.client();
  const producer = client.producer();
  await Promise.all(Array.from({ length: 12 }, () => producer.send({ topic: "Spread", body: "first" })));
  const queues = await client.pullConsumer({ group: "Look" }).queues("Spread");
  expect(queues).toHaveLength(12);
  const had: ReceivedMessage[] = [];
  const members = [edge.client(), edge.client()].map((member) =>
    member.pushConsumer({
      group: "G",
      subscriptions: { Spread: "*" },
      consumeFrom: "FIRST_OFFSET",
      listener: (batch) => void had.push(...batch),
    }),
  );
  for (const member of members) await member.start();
  // A queue that changes hands may bring what was consumed and not committed again.
  await until(() => members.every((member) => member.queues.length === 6), "an even share", 60_000);

  const bodies = Array.from({ length: 600 }, (_, i) => `m${i}`);
  const results = await Promise.all(bodies.map((body) => producer.send({ topic: "Spread", body })));
  for (const name of ["broker-a", "broker-b", "broker-c"]) {
    expect(results.filter(({ queue }) => queue.brokerName === name).length, name).toBeGreaterThan(100);
  }
  const later = () => had.map(({ body }) => new TextDecoder().decode(body)).filter((text) => text !== "first");
  await until(() => later().length >= bodies.length, "all messages");
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(later().sort()).toEqual(bodies.sort());
  // By HTTP they are the same.
  expect(await receive(edge, "Spread", "group=Rest&max=32")).toHaveLength(32);
});

test("a number of brokers that is none is told", { timeout: timeoutMs }, async () => {
  for (const brokers of [0, "many", 1.5, 257]) {
    const edge = await bundle.start({ BROKERS: brokers });
    expect(await refusal(fetch(edge.url))).toBe("400 INVALID_PARAMETER");
    await bundle.clean();
  }
});

/** `fetch` sets these headers itself. */
function rawGet(url: string, headers: Readonly<Record<string, string>>): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = get(url, { headers }, (answer) => {
      let body = "";
      answer.setEncoding("utf8").on("data", (piece: string) => {
        body += piece;
      });
      answer.once("end", () => resolve(new Response(body, { status: answer.statusCode! })));
    });
    request.once("error", reject);
  });
}
