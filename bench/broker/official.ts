import { setTimeout as sleep } from "node:timers/promises";
import type { Figures } from "../figures.ts";
import { OfficialProgram } from "../official/program.ts";
import { cpuUs } from "../proc.ts";
import type { Server } from "../server.ts";
import { Usage } from "../usage.ts";
import { createTopic, TopicOffsets } from "./offsets.ts";

/** The queues that the official producer asks for when its first message makes a topic. */
export const QUEUES = 4;
/** The programs report their last 9 seconds. */
const WINDOW_MS = 10_000;
const BACKLOG_DEADLINE_MS = 120_000;
const DRAIN_DEADLINE_MS = 120_000;
const POLL_MS = 50;
/**
 * A JVM's start and the first pulls take some 3 s. One start in some fifteen takes 30 s more, on either broker: the client renews its
 * subscription while a heartbeat with the old one is under way, and its pulls are not the latest until the next heartbeat.
 */
const CONSUMER_START_MS = 10_000;
/** The consumer's own start, and the end, when one queue is drained before the others, are not what is asked. */
const DRAIN_FROM = 0.1;
const DRAIN_TO = 0.9;

export interface Official {
  readonly server: Server;
  readonly classpath: string;
  /** Told what the program's log says of sends that failed. */
  readonly note: (text: string) => void;
}

const BODY = ["-s", "1024"];

export interface OfficialSends {
  readonly program: "Producer" | "BatchProducer" | "TransactionProducer";
  readonly topic: string;
  readonly args: readonly string[];
  /** The client's: its JVM starts and compiles. */
  readonly warmupMs: number;
}

/** Sends until a window of ten seconds, after the warm-up of the client, has been measured. */
export async function sendOfficially(
  { server, classpath, note }: Official,
  { program, topic, args, warmupMs }: OfficialSends,
): Promise<Figures> {
  await createTopic(server.brokerPort, topic, QUEUES);
  const offsets = await TopicOffsets.open(server.brokerPort, topic, QUEUES);
  const producer = new OfficialProgram(program, classpath, server.namesrvPort, ["-t", topic, ...BODY, ...args]);
  try {
    await sleep(warmupMs);
    const writtenBefore = await offsets.written();
    const startMs = performance.now();
    const clientUs = cpuUs(producer.pid);
    const usage = new Usage(server);
    let report: ReadonlyMap<string, number>;
    do report = await producer.nextReport();
    while (performance.now() - startMs < WINDOW_MS);
    const messages = (await offsets.written()) - writtenBefore;
    const seconds = (performance.now() - startMs) / 1000;
    if (messages <= 0) throw producer.failure(`nothing was stored\n${server.output()}`);
    const refused = (report.get("Send Failed") ?? 0) + (report.get("Response Failed") ?? 0);
    if (refused > 0) note(`${refused} sends failed: ${producer.complaint() ?? "its log does not say why"}`);
    return {
      rate: messages / seconds,
      meanUs: (report.get("Average RT(ms)") ?? report.get("AVG RT(ms)")!) * 1000,
      printedRate: report.get("Send MPS") ?? report.get("Send TPS")!,
      refused,
      clientCpuUs: (cpuUs(producer.pid) - clientUs) / messages,
      ...usage.perMessage(messages),
    };
  } finally {
    await producer.kill();
    await offsets.close();
  }
}

/** Has the program send for a while, without looking at it. */
export async function warmOfficially(
  { server, classpath }: Omit<Official, "note">,
  topic: string,
  ms: number,
): Promise<void> {
  await createTopic(server.brokerPort, topic, QUEUES);
  const producer = new OfficialProgram("Producer", classpath, server.namesrvPort, ["-t", topic, ...BODY]);
  await sleep(ms);
  const ended = !producer.running;
  await producer.kill();
  if (ended) throw producer.failure(`it ended\n${server.output()}`);
}

/** Goes on sending until the topic has so many messages. */
export async function fillOfficially(
  { server, classpath }: Official,
  { topic, program, args }: Omit<OfficialSends, "warmupMs">,
  messages: number,
): Promise<void> {
  await createTopic(server.brokerPort, topic, QUEUES);
  const offsets = await TopicOffsets.open(server.brokerPort, topic, QUEUES);
  const endMs = performance.now() + BACKLOG_DEADLINE_MS;
  let producer: OfficialProgram | undefined;
  try {
    while ((await offsets.written()) < messages) {
      producer ??= new OfficialProgram(program, classpath, server.namesrvPort, ["-t", topic, ...BODY, ...args]);
      if (performance.now() > endMs) throw producer.failure(`no backlog of ${messages} in ${BACKLOG_DEADLINE_MS} ms`);
      await sleep(POLL_MS);
    }
  } finally {
    await producer?.kill();
    await offsets.close();
  }
}

/** Who consumes: a program, its group, and what it is given beside them. */
export interface OfficialConsumes {
  readonly program: "Consumer" | "OrderlyConsumer";
  readonly topic: string;
  readonly group: string;
  readonly args: readonly string[];
}

/**
 * Consumes the first `messages` of a topic. The program's first report comes after ten seconds, when the backlog may be gone:
 * the rate is by the offsets that it commits with each pull, from a tenth to nine tenths of the backlog.
 */
export async function consumeOfficially(
  { server, classpath, note }: Official,
  { program, topic, group, args }: OfficialConsumes,
  messages: number,
): Promise<Figures> {
  const offsets = await TopicOffsets.open(server.brokerPort, topic, QUEUES);
  const consumer = new OfficialProgram(program, classpath, server.namesrvPort, ["-t", topic, "-g", group, ...args]);
  const endMs = performance.now() + DRAIN_DEADLINE_MS;
  const until = async (wanted: number): Promise<number> => {
    for (;;) {
      const consumed = await offsets.consumed(group);
      if (consumed >= wanted) return consumed;
      if (!consumer.running || performance.now() > endMs) {
        throw consumer.failure(`${consumed} of ${messages} messages were consumed\n${server.output()}`);
      }
      await sleep(POLL_MS);
    }
  };
  try {
    const askedMs = performance.now();
    const from = await until(messages * DRAIN_FROM);
    const waitedMs = performance.now() - askedMs;
    if (waitedMs > CONSUMER_START_MS) note(`its first tenth took ${Math.round(waitedMs)} ms`);
    const startMs = performance.now();
    const clientUs = cpuUs(consumer.pid);
    const usage = new Usage(server);
    const consumed = (await until(messages * DRAIN_TO)) - from;
    const seconds = (performance.now() - startMs) / 1000;
    const clientCpuUs = (cpuUs(consumer.pid) - clientUs) / consumed;
    return { rate: consumed / seconds, clientCpuUs, ...usage.perMessage(consumed) };
  } finally {
    await consumer.kill();
    await offsets.close();
  }
}
