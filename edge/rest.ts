import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import {
  Client,
  type Message,
  type MessageQueue,
  type PullConsumer,
  type ReceivedMessage,
  WasmqError,
} from "../src/client/index.ts";
import { jsonBodyBytesMax, messageBodyBytesMax } from "../src/limits.ts";
import { objects } from "./carrier.ts";
import type { Env } from "./env.ts";
import { failure } from "./upgrade.ts";

/** What one call brings at most, and how long it waits for it. Past the bytes nothing more is asked for. */
const messagesMax = 32;
const bytesMax = messageBodyBytesMax;
const waitSecondsMax = 30;

/**
 * Sending and receiving for those who speak HTTP only.
 *
 * - `POST /topics/:topic/messages`, the body being the message's; `tag`, `keys`, `shardingKey`, `delayLevel`, `delayMs`, `deliverAtMs` in the query.
 * - `GET /topics/:topic/messages?group=G`, with `max` (32) and `wait` (seconds, 0): messages behind the group's offsets, bodies
 *   as base64. They come again until the offsets are moved.
 * - `POST /topics/:topic/offsets?group=G` with `[{brokerName, queueId, offset}]`: the next offsets to read.
 */
export const rest = new Hono<{ Bindings: Env }>();

rest.post("/:topic/messages", bodyOf(messageBodyBytesMax), async (context) => {
  const query = (name: string) => context.req.query(name);
  const message: Message = {
    topic: context.req.param("topic"),
    body: new Uint8Array(await context.req.arrayBuffer()),
    ...optional("tag", query("tag")),
    ...optional("keys", query("keys")?.split(" ")),
    ...optional("delayLevel", integer("delayLevel", query("delayLevel"))),
    ...optional("delayMs", integer("delayMs", query("delayMs"))),
    ...optional("deliverAtMs", integer("deliverAtMs", query("deliverAtMs"))),
  };
  return withClient(context, async (client) => {
    const producer = client.producer({ group: "REST" });
    const { messageId, queue, queueOffset } = await producer.send(
      message,
      optional("shardingKey", query("shardingKey")),
    );
    return context.json({ messageId, brokerName: queue.brokerName, queueId: queue.queueId, queueOffset }, 201);
  });
});

rest.get("/:topic/messages", async (context) => {
  const topic = context.req.param("topic");
  const group = required("group", context.req.query("group"));
  const max = Math.min(integer("max", context.req.query("max")) ?? messagesMax, messagesMax);
  const waitMs = 1_000 * Math.min(integer("wait", context.req.query("wait")) ?? 0, waitSecondsMax);
  return withClient(context, async (client) => {
    const consumer = client.pullConsumer({ group });
    const places = await Promise.all(
      (await consumer.queues(topic)).map(async (queue) => {
        const offset = (await consumer.committedOffset(queue)) ?? (await consumer.minOffset(queue));
        return { queue, offset };
      }),
    );
    let messages = await present(consumer, places, max);
    if (messages.length === 0 && waitMs > 0) messages = await coming(consumer, places, max, waitMs);
    return context.json(messages.map(shown));
  });
});

rest.post("/:topic/offsets", bodyOf(jsonBodyBytesMax), async (context) => {
  const topic = context.req.param("topic");
  const group = required("group", context.req.query("group"));
  const places: unknown = await context.req.json().catch(() => undefined);
  if (!Array.isArray(places) || !places.every(isPlace)) {
    throw new WasmqError("INVALID_PARAMETER", "the body is no array of {brokerName, queueId, offset}");
  }
  return withClient(context, async (client) => {
    const consumer = client.pullConsumer({ group });
    for (const { brokerName, queueId, offset } of places) await consumer.commit({ topic, brokerName, queueId }, offset);
    return context.json({ committed: places.length });
  });
});

interface Place {
  readonly queue: MessageQueue;
  offset: number;
}

/** What is there, queue after queue. Offsets that a queue no longer has, or does not have yet, are moved to one that it has. */
async function present(consumer: PullConsumer, places: readonly Place[], max: number): Promise<ReceivedMessage[]> {
  const messages: ReceivedMessage[] = [];
  let bytes = 0;
  for (const place of places) {
    const { queue } = place;
    if (messages.length >= max || bytes >= bytesMax) break;
    const options = { messagesMax: max - messages.length };
    let pulled = await consumer.pull(queue, place.offset, options);
    if (pulled.status === "OFFSET_ILLEGAL") {
      place.offset = pulled.nextOffset;
      pulled = await consumer.pull(queue, place.offset, options);
    }
    messages.push(...pulled.messages);
    for (const { body } of pulled.messages) bytes += body.length;
  }
  return messages;
}

/** What comes to one of the queues first, or nothing in that time. */
async function coming(
  consumer: PullConsumer,
  places: readonly Place[],
  max: number,
  waitMs: number,
): Promise<ReceivedMessage[]> {
  const ended = new AbortController();
  let first: ReceivedMessage[] = [];
  const waits = places.map(async ({ queue, offset }) => {
    const { messages } = await consumer.pull(queue, offset, { messagesMax: max, waitMs, signal: ended.signal });
    if (messages.length === 0 || ended.signal.aborted) return;
    first = [...messages];
    ended.abort();
  });
  for (const outcome of await Promise.allSettled(waits)) {
    if (outcome.status === "rejected" && !ended.signal.aborted) throw outcome.reason;
  }
  return first;
}

/** A longer body is refused before it fills the memory. */
function bodyOf(bytes: number) {
  const refusal = new WasmqError("MESSAGE_ILLEGAL", `the body has more than ${bytes} bytes`);
  return bodyLimit({ maxSize: bytes, onError: () => failure(refusal, 413) });
}

/** A client for one call: a Worker keeps nothing between two. */
async function withClient(
  context: { readonly env: Env; readonly req: { readonly url: string } },
  use: (client: Client) => Promise<Response>,
): Promise<Response> {
  const { host, protocol } = new URL(context.req.url);
  const client = new Client({
    nameServers: [`${protocol === "https:" ? "wss:" : "ws:"}//${host}/name-server`],
    carrier: objects(context.env),
    requestTimeoutMs: 10_000,
  });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

function shown(message: ReceivedMessage) {
  const { topic, brokerName, queueId, queueOffset, messageId, tag, keys, properties, storeTimestampMs } = message;
  let body = "";
  for (let at = 0; at < message.body.length; at += 8192) {
    body += String.fromCharCode(...message.body.subarray(at, at + 8192));
  }
  return {
    topic,
    brokerName,
    queueId,
    queueOffset,
    messageId,
    tag,
    keys,
    properties,
    storeTimestampMs,
    reconsumeTimes: message.reconsumeTimes,
    body: btoa(body),
  };
}

function isPlace(value: unknown): value is Omit<MessageQueue, "topic"> & { offset: number } {
  const { brokerName, queueId, offset } = (value ?? {}) as Record<string, unknown>;
  return typeof brokerName === "string" && Number.isSafeInteger(queueId) && Number.isSafeInteger(offset);
}

function required(name: string, value: string | undefined): string {
  if (value === undefined || value === "") throw new WasmqError("INVALID_PARAMETER", `${name} is missing in the query`);
  return value;
}

function integer(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d{1,15}$/.test(value)) throw new WasmqError("INVALID_PARAMETER", `${name} is no number: ${value}`);
  return Number(value);
}

function optional<Name extends string, Value>(name: Name, value: Value | undefined): { [N in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [N in Name]: Value });
}
