import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { bigBodyBytes, bigQueues, bigTopic, underLoad } from "./big-store.ts";
import { TopicOffsets } from "./broker/offsets.ts";
import { residentBytes } from "./proc.ts";
import type { BenchRow } from "./rows.ts";
import { startWasmq } from "./server.ts";

const GOAL_MB = 50;
/** What a load leaves behind is collected within this. */
const SETTLE_MS = 5000;
const GB = 1e9;

/** Resident memory while so many gigabytes of bodies are written at full speed, and then read from the start. */
export async function benchMemory(gigabytes: number): Promise<BenchRow[]> {
  const server = await startWasmq();
  try {
    const { pid, brokerPort } = server;
    const idle = residentBytes(pid);
    const watch = new Watch(pid);
    let offsets: TopicOffsets | undefined;
    const writtenBytes = async (): Promise<number> => {
      offsets ??= await TopicOffsets.open(brokerPort, bigTopic, bigQueues);
      return (await offsets.written()) * bigBodyBytes;
    };
    const writeMs = performance.now();
    await underLoad(
      server,
      brokerPort,
      "send",
      async () => watch.look("written", await writtenBytes()) >= gigabytes * GB,
    );
    const writeSeconds = (performance.now() - writeMs) / 1000;
    await sleep(SETTLE_MS);
    const afterWriting = residentBytes(pid);

    const total = await writtenBytes();
    const sentBefore = sentBytes(pid);
    const readMs = performance.now();
    // Records are larger than their bodies; only the share counts here.
    await underLoad(server, brokerPort, "pull", () => {
      watch.look("read", sentBytes(pid) - sentBefore);
      return false;
    });
    const readSeconds = (performance.now() - readMs) / 1000;
    await sleep(SETTLE_MS);
    await offsets?.close();
    const above = (bytes: number): number => Math.round((bytes - watch.first) / 1e6);
    const goal = `<= ${GOAL_MB}`;
    return [
      { name: "resident, idle", value: mb(idle), unit: "MB" },
      { name: "resident, 1 GB written", value: mb(watch.first), unit: "MB" },
      {
        name: `above that, most while ${gigabytes} GB are written`,
        value: above(watch.most.written),
        unit: "MB",
        goal,
      },
      { name: "above that, then", value: above(afterWriting), unit: "MB", goal },
      { name: `above that, most while ${gigabytes} GB are read`, value: above(watch.most.read), unit: "MB", goal },
      { name: "above that, in the end", value: above(residentBytes(pid)), unit: "MB", goal },
      { name: "written", value: total / writeSeconds / 1e6, unit: "MB/s" },
      { name: "read", value: total / readSeconds / 1e6, unit: "MB/s" },
    ];
  } finally {
    await server.kill();
  }
}

/** Prints what is resident at every gigabyte, and keeps the most. */
class Watch {
  readonly most = { written: 0, read: 0 };
  /** At the first gigabyte written. */
  first = 0;
  readonly #pid: number;
  readonly #told = { written: 0, read: 0 };

  constructor(pid: number) {
    this.#pid = pid;
  }

  look(what: "written" | "read", bytes: number): number {
    const resident = residentBytes(this.#pid);
    const gigabytes = Math.floor(bytes / GB);
    if (gigabytes > this.#told[what]) {
      this.#told[what] = gigabytes;
      if (this.first === 0) this.first = resident;
      console.log(`${gigabytes} GB ${what}: ${mb(resident)} MB resident`);
    }
    if (this.first > 0) this.most[what] = Math.max(this.most[what], resident);
    return bytes;
  }
}

function mb(bytes: number): number {
  return Math.round(bytes / 1e6);
}

/** Bytes that the process has handed to write calls, sockets and files alike: while a backlog is read, answers. */
function sentBytes(pid: number): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "latin1"))?.[1]);
}
