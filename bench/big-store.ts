/** What it takes to fill a broker with gigabytes, and to see how far it is. */
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { MeasuredProcess } from "./server.ts";

const LOAD = fileURLToPath(new URL("./load.ts", import.meta.url));
const LOOK_MS = 50;
const LONGEST_MS = 3_600_000;

export const bigTopic = "Big";
export const bigQueues = 8;
export const bigBodyBytes = 1024;

/** Runs our generator against a broker, sending or pulling, until `enough` or, of a puller, its end. */
export async function underLoad(
  server: MeasuredProcess,
  brokerPort: number,
  how: "send" | "pull",
  enough: () => boolean | Promise<boolean>,
): Promise<void> {
  const args = [
    ...[LOAD, "--port", String(brokerPort), "--topic", bigTopic, "--queues", String(bigQueues)],
    ...["--body", String(bigBodyBytes), "--warmup-ms", "0", "--duration-ms", String(LONGEST_MS)],
    ...(how === "pull" ? ["--pull"] : []),
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const abandon = (): void => void child.kill("SIGKILL");
  process.once("exit", abandon);
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk;
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  try {
    while (!hasEnded() && !(await enough())) await sleep(LOOK_MS);
    if (!hasEnded()) child.kill("SIGKILL");
    await ended;
  } finally {
    process.off("exit", abandon);
    abandon();
  }
  if (child.exitCode === null) return;
  const { errors, error } = JSON.parse(output || '{"errors":1,"error":"no output"}') as {
    errors: number;
    error?: string;
  };
  if (child.exitCode !== 0 || errors > 0) throw new Error(`the load ended: ${error}\n${server.output()}`);
}
