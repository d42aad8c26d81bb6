import type { Figures, Metric } from "../figures.ts";
import type { FlushMode } from "../server.ts";
import { memoryFigures } from "../usage.ts";
import type { ContenderId, Running } from "./contenders.ts";
import { drainGenerated, type LoadShape, sendGenerated } from "./generated.ts";
import { heldPulls, manyQueues } from "./memory.ts";
import { consumeOfficially, fillOfficially, type Official, type OfficialSends, sendOfficially } from "./official.ts";

/** What is asked of wasmq's median: of the figure itself, or of its ratio to Apache's in the same alternation. */
export interface Goal {
  readonly metric: Metric;
  readonly beside?: "apache";
  readonly atLeast?: number;
  readonly atMost?: number;
  /** More than is asked. */
  readonly wish?: number;
}

export type WorkGroup = "official" | "generator" | "memory" | "modes";

/** One piece of work, the same for every server that can do it. */
export interface Work {
  readonly id: string;
  readonly name: string;
  readonly group: WorkGroup;
  readonly contenders: readonly ContenderId[];
  /** Servers of one flush mode do their works one after the other in one process; those with `fresh` each start one. */
  readonly flush: FlushMode;
  /** Measured once, in a process of its own: what does not vary is not repeated. */
  readonly fresh?: true;
  readonly goals: readonly Goal[];
  run(running: Running, setting: Setting): Promise<Figures>;
}

export interface Setting {
  /** The jars of Apache's own programs; works of the group `official` are left out without. */
  readonly officialClasspath: string | undefined;
  /** Messages that the official Consumer finds. */
  readonly backlog: number;
  /** Told what is worth knowing beside the figures. */
  readonly note: (text: string) => void;
}

const BROKERS = ["apache", "wasmq"] as const;
const ALL = ["apache", "wasmq", "redis", "nats"] as const;
const PRODUCER_64: OfficialSends = {
  ...{ program: "Producer", topic: "Producer64", args: ["-w", "64"] },
  // 64 threads on two cores are slow to have their code compiled.
  warmupMs: 12_000,
};
const PRODUCER_1: OfficialSends = { program: "Producer", topic: "Producer1", args: ["-w", "1"], warmupMs: 7000 };
/** Eight threads keep two cores busy. */
const BATCHES: OfficialSends = {
  ...{ program: "BatchProducer", topic: "Batches", args: ["-w", "8", "-b", "16"], warmupMs: 8000 },
};
const LOAD_MS = 4000;
const DRAIN_MS = 4000;
const RESIDENT_GOAL: Goal = { metric: "residentMb", atMost: 250 };
/** `openFilesMax` of src/limits.ts for the store, and room for sockets and what Node itself has open. */
const OPEN_FILES_GOAL: Goal = { metric: "openFiles", atMost: 512 + 64 };

const PIPELINED: LoadShape = { topic: "Pipelined", connections: 8, window: 64, warmupMs: 3000, durationMs: LOAD_MS };
const SENDERS: LoadShape = { topic: "Senders", connections: 64, window: 1, warmupMs: 1000, durationMs: LOAD_MS };
const SENDER: LoadShape = { topic: "Sender", connections: 1, window: 1, warmupMs: 1000, durationMs: LOAD_MS };

/** In the order in which a server does them. */
export const works: readonly Work[] = [
  {
    ...{ id: "producer-64", name: "Producer, 64 threads", group: "official", contenders: BROKERS, flush: "async" },
    goals: [
      { metric: "rate", beside: "apache", atLeast: 1.3, wish: 1.5 },
      { metric: "cpuUs", beside: "apache", atMost: 1 / 3, wish: 1 / 4 },
    ],
    run: (running, setting) => sendOfficially(official(running, setting), PRODUCER_64),
  },
  {
    ...{ id: "producer-1", name: "Producer, 1 thread", group: "official", contenders: BROKERS, flush: "async" },
    goals: [
      { metric: "rate", beside: "apache", atLeast: 1 },
      { metric: "cpuUs", beside: "apache", atMost: 0.1 },
    ],
    run: (running, setting) => sendOfficially(official(running, setting), PRODUCER_1),
  },
  {
    ...{ id: "batch-16", name: "BatchProducer, 8 threads, 16 a batch", group: "official", contenders: BROKERS },
    flush: "async",
    goals: [{ metric: "rate", beside: "apache", atLeast: 1.5 }],
    run: (running, setting) => sendOfficially(official(running, setting), BATCHES),
  },
  {
    ...{ id: "consumer", name: "Consumer, a backlog", group: "official", contenders: BROKERS, flush: "async" },
    goals: [
      { metric: "rate", beside: "apache", atLeast: 1 },
      { metric: "cpuUs", beside: "apache", atMost: 0.5 },
    ],
    async run(running, setting) {
      await fillOfficially(official(running, setting), BATCHES, setting.backlog);
      const consumer = { program: "Consumer", topic: BATCHES.topic, group: "BatchesConsumer", args: [] } as const;
      return consumeOfficially(official(running, setting), consumer, setting.backlog);
    },
  },
  {
    ...{ id: "pipelined", name: "8 connections, 64 in flight each", group: "generator", contenders: ALL },
    flush: "async",
    goals: [
      { metric: "rate", atLeast: 150_000, wish: 200_000 },
      { metric: "cpuUs", atMost: 7 },
    ],
    run: (running) => sendGenerated(running, PIPELINED),
  },
  {
    ...{ id: "senders-64", name: "64 connections, 1 in flight each", group: "generator", contenders: ALL },
    flush: "async",
    goals: [{ metric: "rate", atLeast: 50_000, wish: 74_000 }],
    run: (running) => sendGenerated(running, SENDERS),
  },
  {
    ...{ id: "sender-1", name: "1 connection, 1 in flight", group: "generator", contenders: ALL, flush: "async" },
    goals: [],
    run: (running) => sendGenerated(running, SENDER),
  },
  {
    ...{ id: "drain", name: "8 queues drained", group: "generator", contenders: BROKERS, flush: "async" },
    goals: [],
    run: (running) => drainGenerated(running, PIPELINED.topic, DRAIN_MS),
  },
  {
    ...{ id: "resident", name: "after all of this load", group: "memory", contenders: ALL, flush: "async" },
    goals: [RESIDENT_GOAL],
    run: async ({ server }) => memoryFigures(server.pid),
  },
  {
    ...{ id: "producer-64-sync", name: "Producer, 64 threads, SYNC_FLUSH", group: "official", contenders: BROKERS },
    flush: "sync",
    goals: [
      { metric: "rate", atLeast: 15_000 },
      { metric: "rate", beside: "apache", atLeast: 1 },
    ],
    run: (running, setting) => sendOfficially(official(running, setting), PRODUCER_64),
  },
  {
    ...{ id: "queues-10000", name: "10,000 queues, each written to", group: "memory", contenders: BROKERS },
    ...{ flush: "async", fresh: true, goals: [RESIDENT_GOAL, OPEN_FILES_GOAL] },
    run: ({ broker }) => manyQueues(broker!),
  },
  {
    ...{ id: "held-pulls-1000", name: "1,000 pulls held", group: "memory", contenders: BROKERS },
    ...{ flush: "async", fresh: true, goals: [RESIDENT_GOAL] },
    run: ({ broker }) => heldPulls(broker!),
  },
];

export function official({ broker }: Running, { officialClasspath, note }: Setting): Official {
  return { server: broker!, classpath: officialClasspath!, note };
}
