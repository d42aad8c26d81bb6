import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, type Message, webSocket } from "../src/client/index.ts";
import type { Counts, Measured } from "./edge/worker.ts";
import { residentBytes } from "./proc.ts";
import type { BenchRow } from "./rows.ts";
import { freePort } from "./server.ts";
import { bundleWorker, edgeObjects, Workerd } from "./workerd.ts";

const BATCHES = [1, 16, 256] as const;
const RUN_MS = 1000;
/** Alternated with the storage alone; the best of each counts. */
const REPEATS = 3;
const RESIDENT_BYTES = 1e9;
const RESIDENT_GOAL_MB = 64;
const IDLE_MS = 120_000;
const SAMPLE_MS = 50;
const SETTLE_MS = 3000;

/** The engine in a Durable Object beside its storage alone, what an idle consumer costs, and workerd's memory under load. */
export async function benchEdge(): Promise<BenchRow[]> {
  const directory = await mkdtemp(join(tmpdir(), "wasmq-bench-edge-"));
  try {
    return [...(await besideStorage(directory)), ...(await resident(directory))];
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function besideStorage(directory: string): Promise<BenchRow[]> {
  const bundle = join(directory, "bench-bundle");
  await bundleWorker(bundle, "bench/edge/wrangler.toml");
  const workerd = await Workerd.start({
    ...{ bundle, store: join(directory, "bench-store"), port: await freePort() },
    objects: { BENCH: "BenchObject" },
  });
  const ask = async <Answer>(path: string): Promise<Answer> => {
    const response = await fetch(`http://${workerd.host}${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status}\n${workerd.output()}`);
    return (await response.json()) as Answer;
  };
  try {
    // What V8 compiles under load is compiled.
    await ask(`/engine?batch=16&ms=${RUN_MS}&how=sends`);
    await ask(`/engine?batch=16&ms=${RUN_MS}&how=batch`);
    const rows: BenchRow[] = [];
    for (const batch of BATCHES) {
      const best = { raw: 0, sends: 0, batch: 0 };
      let written: Measured | undefined;
      for (let repeat = 0; repeat < REPEATS; repeat++) {
        for (const how of ["raw", "sends", "batch"] as const) {
          const path = how === "raw" ? "/raw" : "/engine";
          const measured = await ask<Measured>(`${path}?batch=${batch}&ms=${RUN_MS}&how=${how}`);
          if (how === "sends") written = measured;
          best[how] = Math.max(best[how], (measured.records * 1000) / measured.ms);
        }
      }
      const beside = `its storage alone (${Math.round(best.raw)} records/s)`;
      for (const how of ["sends", "batch"] as const) {
        const name = how === "sends" ? `${batch} sends at a time` : `batch messages of ${batch}`;
        const ratio = best[how] / best.raw;
        rows.push({
          ...{ name: `Durable Object, ${name}`, value: best[how], unit: "records/s", ratio: { beside, value: ratio } },
        });
        if (batch > 1) rows.push({ name: `Durable Object, ${name}`, value: ratio, unit: "of storage", goal: ">= 0.5" });
      }
      const rowsWritten = written!.rowsWritten / written!.records;
      rows.push({ name: `Durable Object, ${batch} sends at a time`, value: rowsWritten, unit: "rows/message" });
    }
    return [...rows, ...(await idle(workerd, ask))];
  } finally {
    await workerd.kill();
  }
}

/** What one push consumer of four queues, to whom nothing comes, makes the object do. */
async function idle(workerd: Workerd, ask: <Answer>(path: string) => Promise<Answer>): Promise<BenchRow[]> {
  const client = new Client({ nameServers: [`ws://${workerd.host}/`], carrier: webSocket() });
  try {
    await client.producer().send({ topic: "Idle", body: "first" });
    const consumer = client.pushConsumer({ group: "Idle", subscriptions: { Idle: "*" }, listener: () => {} });
    await consumer.start();
    await sleep(SETTLE_MS);
    await ask<Counts>("/counts");
    const startMs = performance.now();
    await sleep(IDLE_MS);
    const { lives, messages, alarms, rowsWritten } = await ask<Counts>("/counts");
    const perHour = 3_600_000 / (performance.now() - startMs);
    const name = "Durable Object, an idle consumer's hour";
    return [
      { name: `${name}, wakes`, value: (messages + alarms) * perHour, unit: "events" },
      { name: `${name}, of them alarms`, value: alarms * perHour, unit: "alarms" },
      { name: `${name}, evictions`, value: lives * perHour, unit: "lives" },
      { name: `${name}, rows written`, value: rowsWritten * perHour, unit: "rows" },
    ];
  } finally {
    await client.close();
  }
}

async function resident(directory: string): Promise<BenchRow[]> {
  const bundle = join(directory, "edge-bundle");
  await bundleWorker(bundle);
  const growth = await residentGrowth({ bundle, store: join(directory, "edge-store"), bytes: RESIDENT_BYTES });
  const mb = (bytes: number) => Math.round(bytes / 1e6);
  const goal = `<= ${RESIDENT_GOAL_MB}`;
  return [
    { name: "workerd resident, idle", value: mb(growth.idleBytes), unit: "MB" },
    { name: "workerd resident above idle, most while 1 GB is written", value: mb(growth.writing), unit: "MB", goal },
    { name: "workerd resident above idle, most while 1 GB is read", value: mb(growth.reading), unit: "MB", goal },
    { name: "workerd resident above idle, afterwards", value: mb(growth.after), unit: "MB", goal },
    { name: "Durable Object over WebSocket, written", value: growth.writtenPerSecond / 1e6, unit: "MB/s" },
    { name: "Durable Object over WebSocket, read", value: growth.readPerSecond / 1e6, unit: "MB/s" },
  ];
}

export interface ResidentGrowth {
  readonly idleBytes: number;
  /** The most above `idleBytes`, and what is left some seconds after. */
  readonly writing: number;
  readonly reading: number;
  readonly after: number;
  readonly writtenPerSecond: number;
  readonly readPerSecond: number;
}

/** Sends bodies of 1 to 64 KB, singly and in batches, then reads all of them, and looks at workerd's memory meanwhile. */
export async function residentGrowth(options: {
  readonly bundle: string;
  readonly store: string;
  readonly bytes: number;
}): Promise<ResidentGrowth> {
  const { bundle, store, bytes } = options;
  const workerd = await Workerd.start({
    ...{ bundle, store, port: await freePort(), objects: edgeObjects, vars: { BROKERS: 1 } },
  });
  const client = new Client({ nameServers: [`ws://${workerd.host}/name-server`], carrier: webSocket() });
  const topic = "Resident";
  let most = 0;
  const sampling = setInterval(() => {
    most = Math.max(most, residentBytes(workerd.pid));
  }, SAMPLE_MS);
  try {
    const producer = client.producer({ compressFromBytes: Number.POSITIVE_INFINITY, sendTimeoutMs: 60_000 });
    await producer.send({ topic, body: "first" });
    await sleep(SETTLE_MS);
    const idleBytes = residentBytes(workerd.pid);

    most = 0;
    let sent = 0;
    let count = 1;
    const writeMs = performance.now();
    const write = async (): Promise<void> => {
      for (let i = 0; sent < bytes; i++) {
        const sizes = i % 2 === 0 ? [64 * 1024] : Array.from({ length: 64 }, (_, j) => 1024 * (1 + (j % 8)));
        const messages: Message[] = sizes.map((size) => ({ topic, body: new Uint8Array(size).fill(97) }));
        sent += sizes.reduce((sum, size) => sum + size, 0);
        count += messages.length;
        await producer.send(messages.length === 1 ? messages[0]! : messages);
      }
    };
    await Promise.all(Array.from({ length: 8 }, write));
    const writtenPerSecond = (sent * 1000) / (performance.now() - writeMs);
    const writing = most - idleBytes;

    most = 0;
    let read = 0;
    const readMs = performance.now();
    const consumer = client.pullConsumer({ group: "Resident" });
    await Promise.all(
      (await consumer.queues(topic)).map(async (queue) => {
        for await (const _ of consumer.read(queue, { from: "min" })) read++;
      }),
    );
    if (read !== count) throw new Error(`${read} messages were read, ${count} were sent`);
    const readPerSecond = (sent * 1000) / (performance.now() - readMs);
    const reading = most - idleBytes;
    await sleep(SETTLE_MS);
    const after = residentBytes(workerd.pid) - idleBytes;
    return { idleBytes, writing, reading, after, writtenPerSecond, readPerSecond };
  } finally {
    clearInterval(sampling);
    await client.close();
    await workerd.kill();
  }
}
