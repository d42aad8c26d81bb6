/** Memory and open files of a broker with much of one thing. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Figures } from "../figures.ts";
import { pullFields } from "../load/pull.ts";
import { openFiles } from "../proc.ts";
import { RemotingClient } from "../remoting-client.ts";
import type { Server } from "../server.ts";
import { memoryFigures } from "../usage.ts";
import { sendFields } from "./offsets.ts";

const SEND_MESSAGE_V2 = 310;
const PULL_MESSAGE = 11;
const QUEUES_A_TOPIC = 8;
const CONNECTIONS = 8;
const TOPICS = 1250;
const ROUNDS = 3;
const HELD_CONNECTIONS = 125;
/** The longest a pull may be held: past what is measured, so that none ends by itself. */
const HOLD_MS = 60_000;
/** PullSysFlag: SUSPEND, to be held where nothing is there yet, and SUBSCRIPTION. */
const HOLD_SYS_FLAG = 2 | 4;
/** What a burst leaves behind is collected, and queues are written out, within this. */
const SETTLE_MS = 5000;
const BODY = Buffer.alloc(1024, 97);
const SAMPLE_MS = 100;
/** Making 1,250 topics takes Apache minutes where each is told to its NameServer. */
const REQUEST_TIMEOUT_MS = 300_000;

/** 1,250 topics of 8 queues, three messages to each queue; the open files are the most there were at any time. */
export async function manyQueues(server: Server): Promise<Figures> {
  let files = 0;
  const sampling = setInterval(() => {
    files = Math.max(files, openFiles(server.pid));
  }, SAMPLE_MS);
  const clients = await connected(server, CONNECTIONS);
  const startMs = performance.now();
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(
        clients.map(async (client, connection) => {
          for (let topic = connection; topic < TOPICS; topic += clients.length) await sendToAll(client, `Many${topic}`);
        }),
      );
    }
    const rate = (TOPICS * QUEUES_A_TOPIC * ROUNDS * 1000) / (performance.now() - startMs);
    await sleep(SETTLE_MS);
    const memory = memoryFigures(server.pid);
    return { ...memory, rate, openFiles: Math.max(files, memory.openFiles!) };
  } finally {
    clearInterval(sampling);
    for (const client of clients) await client.close();
  }
}

/** 125 connections that each wait for 8 empty queues; then a message comes to each queue and answers its pull. */
export async function heldPulls(server: Server): Promise<Figures> {
  const clients = await connected(server, HELD_CONNECTIONS);
  try {
    for (let topic = 0; topic < clients.length; topic++) await sendToAll(clients[topic]!, `Held${topic}`);
    const answers = clients.flatMap((client, topic) =>
      Array.from({ length: QUEUES_A_TOPIC }, async (_, queueId) => {
        const fields = pullFields("HeldConsumer", `Held${topic}`, queueId);
        const hold = { queueOffset: "1", sysFlag: String(HOLD_SYS_FLAG), suspendTimeoutMillis: String(HOLD_MS) };
        const answer = await client.request(PULL_MESSAGE, { ...fields, ...hold });
        if (answer.code !== 0) throw new Error(`a held pull was answered with ${answer.code}: ${answer.remark}`);
        return performance.now();
      }),
    );
    let answered = 0;
    for (const answer of answers) void answer.then(() => answered++).catch(() => {});
    await sleep(SETTLE_MS);
    if (answered > 0) throw new Error(`${answered} pulls were not held`);
    const memory = memoryFigures(server.pid);
    const sentMs = performance.now();
    for (let topic = 0; topic < clients.length; topic++) await sendToAll(clients[topic]!, `Held${topic}`);
    const lastMs = Math.max(...(await Promise.all(answers)));
    return { ...memory, rate: (answers.length * 1000) / (lastMs - sentMs) };
  } finally {
    for (const client of clients) await client.close();
  }
}

function connected(server: Server, count: number): Promise<RemotingClient[]> {
  const options = { port: server.brokerPort, requestTimeoutMs: REQUEST_TIMEOUT_MS };
  return Promise.all(Array.from({ length: count }, () => RemotingClient.connect(options)));
}

/** The first of them makes the topic. */
async function sendToAll(client: RemotingClient, topic: string): Promise<void> {
  const send = async (queueId: number): Promise<void> => {
    const answer = await client.request(SEND_MESSAGE_V2, sendFields(topic, QUEUES_A_TOPIC, queueId), BODY);
    if (answer.code !== 0) throw new Error(`a message to ${topic} was refused with ${answer.code}: ${answer.remark}`);
  };
  await send(0);
  await Promise.all(Array.from({ length: QUEUES_A_TOPIC - 1 }, (_, index) => send(index + 1)));
}
