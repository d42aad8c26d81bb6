import { RemotingClient } from "../remoting-client.ts";
import { type LoadResult, startClock, Tally } from "./tally.ts";
import type { LoadOptions } from "./wire.ts";

const PULL_MESSAGE = 11;
const PULL_NOT_FOUND = 19;
const PULL_OFFSET_MOVED = 21;
const PULL_BATCH_MESSAGES = 32;
/** PullSysFlag.SUBSCRIPTION: the subscription is in the header, so no heartbeat must register one first. */
const PULL_SYS_FLAG = 4;

/** Drains every queue from its minimum offset and checks that no offset is left out or comes twice. */
export async function pull(options: LoadOptions): Promise<LoadResult> {
  const clients: RemotingClient[] = [];
  for (let i = 0; i < Math.min(options.connections, options.queues); i++) {
    clients.push(await RemotingClient.connect({ host: options.host, port: options.port, connectDeadlineMs: 3000 }));
  }
  const tally = new Tally();
  const clock = startClock(options.server);
  const endMs = performance.now() + options.durationMs;
  const queues: Promise<void>[] = [];
  for (let queueId = 0; queueId < options.queues; queueId++) {
    queues.push(drainQueue(clients[queueId % clients.length]!, options.topic, queueId, endMs, tally));
  }
  await Promise.all(queues);
  const result = clock.result(tally);
  for (const client of clients) await client.close();
  return { ...result, ...tally.errorFigures };
}

export function pullFields(consumerGroup: string, topic: string, queueId: number): Record<string, string> {
  return {
    consumerGroup,
    topic,
    queueId: String(queueId),
    queueOffset: "0",
    maxMsgNums: String(PULL_BATCH_MESSAGES),
    sysFlag: String(PULL_SYS_FLAG),
    commitOffset: "0",
    suspendTimeoutMillis: "0",
    subscription: "*",
    subVersion: "0",
    expressionType: "TAG",
  };
}

async function drainQueue(
  client: RemotingClient,
  topic: string,
  queueId: number,
  endMs: number,
  tally: Tally,
): Promise<void> {
  const header = pullFields("BenchConsumer", topic, queueId);
  while (performance.now() < endMs) {
    const sentMs = performance.now();
    const answer = await client.request(PULL_MESSAGE, header);
    const nextOffset = Number(answer.extFields["nextBeginOffset"]);
    if (answer.code === PULL_NOT_FOUND) return;
    if (answer.code === PULL_OFFSET_MOVED && nextOffset > Number(header["queueOffset"])) {
      header["queueOffset"] = String(nextOffset);
      continue;
    }
    if (answer.code !== 0) return tally.fail(`code ${answer.code}: ${answer.remark}`);
    const messages = countMessages(answer.body, queueId, Number(header["queueOffset"]), tally);
    tally.done((performance.now() - sentMs) * 1000, messages);
    if (messages === 0) return tally.fail("an answer with success and no message");
    header["queueOffset"] = String(nextOffset);
  }
}

/** Stored messages back to back: total size at 0, queue id at 12, queue offset at 20. */
function countMessages(body: Buffer, queueId: number, firstOffset: number, tally: Tally): number {
  let messages = 0;
  for (let at = 0; at < body.length; at += body.readInt32BE(at)) {
    if (body.readInt32BE(at + 12) !== queueId) tally.fail(`queue ${queueId} gave a message of another queue`);
    const offset = body.readUInt32BE(at + 20) * 2 ** 32 + body.readUInt32BE(at + 24);
    if (offset !== firstOffset + messages) tally.fail(`queue ${queueId} gave ${offset} for ${firstOffset + messages}`);
    messages++;
  }
  return messages;
}
