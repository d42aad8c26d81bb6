import { Hono } from "hono";
import { Client, type Message, type MessageQueue, type ReceivedMessage, WasmqError } from "../src/client/index.ts";
import { objects } from "./carrier.ts";
import type { Env } from "./env.ts";
import { failure } from "./upgrade.ts";

/** What one call brings at most, and how long it waits for it. */
const messagesMax = 32;
const waitSecondsMax = 30;

/**
 * Sending and receiving for those who speak HTTP only.
 *
 * - `POST /topics/:topic/messages`, the body being the message's; `tag`, `keys`, `shardingKey`, `delayLevel` in the query.
 * - `GET /topics/:topic/messages?group=G`, with `max` (32) and `wait` (seconds, 0): messages behind the group's offsets, bodies
 *   as base64. They come again until the offsets are moved.
 * - `POST /topics/:topic/offsets?group=G` with `[{brokerName, queueId, offset}]`: the next offsets to read.
 */
export const rest = new Hono<{ Bindings: Env }>();

rest.onError((error) => failure(error));

rest.post("/:topic/messages", async (context) => {
  const query = (name: string) => context.req.query(name);
  const message: Message = {
    topic: context.req.param("topic"),
    body: new Uint8Array(await context.req.arrayBuffer()),
    ...optional("tag", query("tag")),
    ...optional("keys", query("keys")?.split(" ")),
    ...optional("delayLevel", integer("delayLevel", query("delayLevel"))),
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
    const messages: ReceivedMessage[] = [];
    const places = await Promise.all(
      (await consumer.queues(topic)).map(async (queue) => {
        const offset = (await consumer.committedOffset(queue)) ?? (await consumer.minOffset(queue));
        return { queue, offset };
      }),
    );
    for (const { queue, offset } of places) {
      if (messages.length >= max) break;
      messages.push(...(await consumer.pull(queue, offset, { messagesMax: max - messages.length })).messages);
    }
    if (messages.length === 0 && waitMs > 0) {
      const ended = new AbortController();
      const waits = places.map(async ({ queue, offset }) => {
        const pulled = await consumer.pull(queue, offset, { messagesMax: max, waitMs, signal: ended.signal });
        if (pulled.messages.length > 0 && messages.length === 0) {
          messages.push(...pulled.messages);
          ended.abort();
        }
      });
      for (const outcome of await Promise.allSettled(waits)) {
        if (outcome.status === "rejected" && !ended.signal.aborted) throw outcome.reason;
      }
    }
    return context.json(messages.map(shown));
  });
});

rest.post("/:topic/offsets", async (context) => {
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
  if (!/^\d{1,9}$/.test(value)) throw new WasmqError("INVALID_PARAMETER", `${name} is no number: ${value}`);
  return Number(value);
}

function optional<Name extends string, Value>(name: Name, value: Value | undefined): { [N in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [N in Name]: Value });
}
