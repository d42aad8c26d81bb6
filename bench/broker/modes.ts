import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Figures } from "../figures.ts";
import type { Running } from "./contenders.ts";
import { delayGenerated, delayOfficially } from "./delays.ts";
import { consumeOfficially, fillOfficially, type OfficialSends, sendOfficially } from "./official.ts";
import { type Goal, official, type Setting, type Work } from "./works.ts";

const MODE = { group: "modes", contenders: ["apache", "wasmq"], flush: "async" } as const;
const NOT_SLOWER: Goal = { metric: "rate", beside: "apache", atLeast: 1 };

/** Four tags that take turns by the millisecond, and the property prop1, a number from 0 to 99 of each millisecond. */
const BACKLOG: Omit<OfficialSends, "warmupMs"> = {
  ...{ program: "BatchProducer", topic: "Filtered" },
  args: ["-w", "8", "-b", "16", "-l", "4", "-p", "16"],
};
const DELAYED: OfficialSends & { level: number; levelMs: number } = {
  ...{ program: "Producer", topic: "Delayed", args: ["-w", "64"], level: 1, levelMs: 1000 },
  warmupMs: 8000,
};
const TIMERS = {
  ...{ topic: "Timers", connections: 8, window: 16, warmupMs: 0, durationMs: 5000 },
  delayMs: 4000,
};
const TIMER_QUEUES = 8;
const TRANSACTIONS: OfficialSends = {
  ...{ program: "TransactionProducer", topic: "Transactions", args: ["-w", "64"] },
  warmupMs: 8000,
};

/** The modes of messages beside the plain ones, in the order in which a server does them: Apache's is never idle again after a transaction. */
export const modeWorks: readonly Work[] = [
  {
    ...{ ...MODE, id: "by-tag", name: "Consumer, one tag of four", goals: [NOT_SLOWER] },
    async run(running, setting) {
      await fillOfficially(official(running, setting), BACKLOG, setting.backlog);
      return consumeFiltered(running, setting, "TAG", "tag1");
    },
  },
  {
    ...{ ...MODE, id: "by-sql", name: "Consumer, SQL92, some half of all", goals: [NOT_SLOWER] },
    run: (running, setting) => consumeFiltered(running, setting, "SQL92", "prop1 > 50 AND TAGS <> 'none'"),
  },
  {
    ...{ ...MODE, id: "orderly", name: "an orderly listener", goals: [NOT_SLOWER] },
    run: (running, setting) => {
      const consumes = { program: "OrderlyConsumer", topic: BACKLOG.topic, group: "Orderly", args: [] } as const;
      return consumeOfficially(official(running, setting), consumes, setting.backlog);
    },
  },
  {
    ...{ ...MODE, id: "delay-level", name: "Producer, 64 threads, delayed by 1 s", goals: [NOT_SLOWER] },
    run: (running, setting) => delayOfficially(official(running, setting), DELAYED),
  },
  {
    ...{ ...MODE, id: "timers", name: "8 connections, 16 in flight each, due in 4 s", goals: [NOT_SLOWER] },
    run: (running) => delayGenerated({ ...running, server: running.broker! }, TIMERS, TIMER_QUEUES),
  },
  {
    ...{ ...MODE, id: "transactions", name: "TransactionProducer, 64 threads", goals: [NOT_SLOWER] },
    run: (running, setting) => sendOfficially(official(running, setting), TRANSACTIONS),
  },
];

/** The program reads its expression from a file. */
async function consumeFiltered(
  running: Running,
  setting: Setting,
  type: "TAG" | "SQL92",
  expression: string,
): Promise<Figures> {
  const directory = mkdtempSync(path.join(tmpdir(), "wasmq-bench-filter-"));
  try {
    const file = path.join(directory, "expression");
    writeFileSync(file, expression);
    const args = ["-f", type, "-e", file];
    const consumes = { program: "Consumer", topic: BACKLOG.topic, group: `By${type}`, args } as const;
    return await consumeOfficially(official(running, setting), consumes, setting.backlog);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
