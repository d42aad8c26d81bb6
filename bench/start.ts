import { setTimeout as sleep } from "node:timers/promises";
import { sendFields } from "./broker/offsets.ts";
import { residentBytes } from "./proc.ts";
import { RemotingClient } from "./remoting-client.ts";
import type { BenchRow } from "./rows.ts";
import { freePort, spawnWasmq } from "./server.ts";

const SEND_MESSAGE_V2 = 310;
const RUNS = 5;
/** After its start a server still compiles and collects what starting left behind; then its memory is its own. */
const IDLE_AFTER_MS = 2000;

/** From the spawn of the process to the first acknowledged message of a client that was already trying to connect. */
export async function benchStart(): Promise<BenchRow[]> {
  const times: number[] = [];
  let idleBytes = 0;
  for (let run = 0; run < RUNS; run++) {
    const started = await startOnce();
    times.push(started.ms);
    idleBytes = started.idleBytes;
  }
  times.sort((a, b) => a - b);
  return [
    { name: `start to first ack, median of ${RUNS}`, value: times[times.length >> 1]!, unit: "ms", goal: "<= 1000" },
    { name: `start to first ack, max of ${RUNS}`, value: times.at(-1)!, unit: "ms", goal: "<= 1000" },
    { name: "resident, idle", value: Math.round(idleBytes / 1e6), unit: "MB", goal: "<= 100" },
  ];
}

async function startOnce(): Promise<{ ms: number; idleBytes: number }> {
  const [namesrvPort, brokerPort] = [await freePort(), await freePort()];
  const startMs = performance.now();
  const wasmq = spawnWasmq({ namesrvPort, brokerPort });
  try {
    const client = await RemotingClient.connect({ port: brokerPort, connectDeadlineMs: 10_000 });
    const answer = await client.request(SEND_MESSAGE_V2, sendFields("BenchStart", 4, 0), Buffer.from("hello"));
    const ms = Math.round(performance.now() - startMs);
    await client.close();
    if (answer.code !== 0) throw new Error(`the first message was refused with ${answer.code}: ${answer.remark}`);
    await sleep(IDLE_AFTER_MS);
    return { ms, idleBytes: residentBytes(wasmq.child.pid!) };
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${wasmq.output()}`);
  } finally {
    await wasmq.stop();
  }
}
