import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Running } from "./broker/contenders.ts";
import { modeWorks } from "./broker/modes.ts";
import { type Setting, type Work, works } from "./broker/works.ts";
import { missingJavaTool } from "./java.ts";
import { officialClasspath } from "./official/program.ts";
import { startWasmq } from "./server.ts";

const INTERVAL_US = 200;
const FUNCTIONS = 40;
const ROOT = fileURLToPath(new URL("..", import.meta.url));

const allWorks: readonly Work[] = [...works, ...modeWorks];

/** Whose messages a work consumes, or filters. */
const filledBy: Readonly<Record<string, string>> = { drain: "pipelined", "by-sql": "by-tag", orderly: "by-tag" };

/** Works of the sections broker and modes that a profile can be taken of. */
export const profiledShapes: readonly string[] = allWorks
  .filter((work) => work.contenders.includes("wasmq") && work.id !== "resident")
  .map(({ id }) => id);

/**
 * wasmq under V8's sampling profiler while it does one work: its functions by their self time during it, without waiting. The work
 * `consumer` has its backlog sent in that time too.
 */
export async function profile(id: string): Promise<string> {
  const work = workOf(id);
  const directory = mkdtempSync(path.join(tmpdir(), "wasmq-profile-"));
  try {
    const nodeOptions = ["--cpu-prof", `--cpu-prof-dir=${directory}`, `--cpu-prof-interval=${INTERVAL_US}`];
    const needsJava = work.group === "official" || (work.group === "modes" && id !== "timers");
    const missing = needsJava ? await missingJavaTool() : undefined;
    if (missing !== undefined) throw new Error(missing);
    const setting: Setting = {
      officialClasspath: needsJava ? await officialClasspath() : undefined,
      backlog: 500_000,
      note: console.error,
    };
    const broker = await startWasmq({ flush: work.flush, nodeOptions });
    const running: Running = { server: broker, broker, protocol: "remoting", port: broker.brokerPort };
    try {
      const filler = filledBy[id];
      if (filler !== undefined) await workOf(filler).run(running, setting);
      const startUs = monotonicUs();
      const figures = await work.run(running, setting);
      const endUs = monotonicUs();
      const ended = await broker.stop();
      const [file] = readdirSync(directory);
      if (file === undefined) throw new Error(`no profile was written, wasmq ended by ${ended}\n${broker.output()}`);
      const parsed = JSON.parse(readFileSync(path.join(directory, file), "utf8")) as CpuProfile;
      const done = [
        `${work.name}: ${Math.round(figures.rate!)} msgs/s, ${figures.cpuUs?.toFixed(2) ?? "?"} us CPU a message`,
      ];
      return `${done}, both slower than without a profiler\n\n${selfTimes(parsed, startUs, endUs)}`;
    } finally {
      await broker.kill();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function workOf(id: string): Work {
  return allWorks.find((work) => work.id === id)!;
}

/** The file that --cpu-prof writes, as far as it is used here. */
interface CpuProfile {
  readonly startTime: number;
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** The clock of V8's profiles, the same in every process. */
function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

function selfTimes(profile: CpuProfile, fromUs: number, toUs: number): string {
  const names = new Map<number, string>();
  for (const { id, callFrame } of profile.nodes) {
    const { functionName, url, lineNumber } = callFrame;
    const file = url.startsWith("file:") ? path.relative(ROOT, fileURLToPath(url)) : url;
    names.set(id, `${functionName || "(anonymous)"}${file === "" ? "" : `  ${file}:${lineNumber + 1}`}`);
  }
  const times = new Map<string, number>();
  let busyUs = 0;
  let atUs = profile.startTime;
  // The delta before a sample is the time since the one before it: the time in what that one found.
  for (let i = 0; i + 1 < profile.samples.length; i++) {
    atUs += profile.timeDeltas[i]!;
    const name = names.get(profile.samples[i]!)!;
    if (atUs < fromUs || atUs > toUs || name === "(idle)" || name === "(root)") continue;
    const us = profile.timeDeltas[i + 1]!;
    times.set(name, (times.get(name) ?? 0) + us);
    busyUs += us;
  }
  const rows = [...times].sort((a, b) => b[1] - a[1]).slice(0, FUNCTIONS);
  const lines = rows.map(([name, us]) => {
    const share = ((us * 100) / busyUs).toFixed(1);
    return `${share.padStart(5)} %  ${(us / 1000).toFixed(0).padStart(6)} ms  ${name}`;
  });
  return `${lines.join("\n")}\n        ${(busyUs / 1000).toFixed(0).padStart(6)} ms in all`;
}
