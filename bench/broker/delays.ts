import { setTimeout as sleep } from "node:timers/promises";
import type { Figures } from "../figures.ts";
import { pullFields } from "../load/pull.ts";
import { RemotingClient } from "../remoting-client.ts";
import type { Server } from "../server.ts";
import { Usage } from "../usage.ts";
import { type LoadShape, type LoadTarget, sendGenerated } from "./generated.ts";
import { type Official, type OfficialSends, QUEUES, sendOfficially } from "./official.ts";
import { createTopic, GET_MAX_OFFSET, TopicOffsets } from "./offsets.ts";

const PULL_MESSAGE = 11;
/** One pull of 32 messages in so many offsets is looked at. */
const SAMPLED_OFFSETS = 256;
/** Nothing comes any more once this has passed without a delivery. */
const QUIET_MS = 4000;
const DELIVERY_DEADLINE_MS = 180_000;
const POLL_MS = 100;

/** The official producer's messages of a delay level, 64 threads, as they are delivered; p50 and p99 say by how much too late. */
export async function delayOfficially(
  official: Official,
  { level, levelMs, ...sends }: OfficialSends & { readonly level: number; readonly levelMs: number },
): Promise<Figures> {
  const args = ["-d", "true", "-e", String(level), ...sends.args];
  const { meanUs: _, ...figures } = await sendOfficially(official, { ...sends, args });
  const due = (record: Buffer): number => longAt(record, bornAt) + levelMs;
  const { latenessUs } = await deliveries(official.server, sends.topic, QUEUES, due);
  return { ...figures, ...latenessUs };
}

const bornAt = 40;
const storedAt = 56;

/**
 * The generator's messages, each due `delayMs` after it is sent, until the last one is delivered: the rate is that of the deliveries, from
 * when the first was due to the last; p50 and p99 say by how much too late.
 */
export async function delayGenerated(
  target: LoadTarget & { readonly server: Server },
  shape: LoadShape & { readonly delayMs: number },
  queues: number,
): Promise<Figures> {
  const { server } = target;
  await createTopic(server.brokerPort, shape.topic, queues);
  const offsets = await TopicOffsets.open(server.brokerPort, shape.topic, queues);
  try {
    const before = await offsets.written();
    const usage = new Usage(server);
    await sendGenerated(target, { ...shape, property: `TIMER_DELAY_MS=${shape.delayMs}` });
    const messages = (await untilQuiet(offsets, shape.delayMs)) - before;
    const { latenessUs, firstDueMs, lastMs } = await deliveries(server, shape.topic, queues, outTimeOf);
    return { rate: messages / ((lastMs - firstDueMs) / 1000), ...latenessUs, ...usage.perMessage(messages) };
  } finally {
    await offsets.close();
  }
}

/** Ends when nothing has come for a while; says how much did. */
async function untilQuiet(offsets: TopicOffsets, delayMs: number): Promise<number> {
  const endMs = performance.now() + DELIVERY_DEADLINE_MS;
  let written = 0;
  let changedMs = performance.now() + delayMs;
  for (;;) {
    const now = await offsets.written();
    if (now !== written) changedMs = Math.max(changedMs, performance.now());
    written = now;
    if (performance.now() > changedMs + QUIET_MS) return written;
    if (performance.now() > endMs) throw new Error(`deliveries go on after ${DELIVERY_DEADLINE_MS} ms`);
    await sleep(POLL_MS);
  }
}

interface Deliveries {
  readonly latenessUs: Pick<Figures, "p50Us" | "p99Us">;
  readonly firstDueMs: number;
  readonly lastMs: number;
}

/** What the records of a topic say of when they were due and when they were delivered: stored where consumers find them. */
async function deliveries(
  { brokerPort }: Server,
  topic: string,
  queues: number,
  due: (record: Buffer) => number | undefined,
): Promise<Deliveries> {
  const client = await RemotingClient.connect({ port: brokerPort, requestTimeoutMs: 15_000 });
  const late: number[] = [];
  let firstDueMs = Number.POSITIVE_INFINITY;
  let lastMs = 0;
  try {
    for (let queueId = 0; queueId < queues; queueId++) {
      const header = pullFields("BenchLateness", topic, queueId);
      const end = await client.request(GET_MAX_OFFSET, { topic, queueId: String(queueId) });
      const last = Number(end.extFields["offset"]) - 1;
      for (let offset = 0; offset <= last; offset = nextSample(offset, last)) {
        const answer = await client.request(PULL_MESSAGE, { ...header, queueOffset: String(offset) });
        if (answer.code !== 0) throw new Error(`${topic}/${queueId} at ${offset}: ${answer.code} ${answer.remark}`);
        for (const record of recordsIn(answer.body)) {
          const dueMs = due(record);
          // The message that made the topic.
          if (dueMs === undefined || record.readInt32BE(bodyLengthAt) < 100) continue;
          const storedMs = longAt(record, storedAt);
          late.push(storedMs - dueMs);
          firstDueMs = Math.min(firstDueMs, dueMs);
          lastMs = Math.max(lastMs, storedMs);
        }
      }
    }
  } finally {
    await client.close();
  }
  if (late.length === 0) throw new Error(`nothing of ${topic} was delivered`);
  late.sort((a, b) => a - b);
  if (late[0]! < 0) throw new Error(`a message of ${topic} came ${-late[0]!} ms early`);
  const at = (share: number): number => late[Math.min(late.length - 1, Math.floor(late.length * share))]! * 1000;
  return { latenessUs: { p50Us: at(0.5), p99Us: at(0.99) }, firstDueMs, lastMs };
}

const bodyLengthAt = 84;

/** The first, the last, and some in between. */
function nextSample(offset: number, last: number): number {
  const next = offset + SAMPLED_OFFSETS;
  return offset < last && next > last ? last : next;
}

function* recordsIn(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; at += body.readInt32BE(at)) yield body.subarray(at, at + body.readInt32BE(at));
}

/** The property that both brokers keep when they deliver it. */
function outTimeOf(record: Buffer): number | undefined {
  const text = record.subarray(bodyLengthAt).toString("latin1");
  const value = text.split("\u0002").find((property) => property.includes("TIMER_OUT_MS\u0001"));
  return value === undefined ? undefined : Number(value.slice(value.indexOf("\u0001") + 1));
}

function longAt(record: Buffer, at: number): number {
  return record.readUInt32BE(at) * 2 ** 32 + record.readUInt32BE(at + 4);
}
