import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { type ContenderId, contenderIds } from "./broker/contenders.ts";
import { modeWorks } from "./broker/modes.ts";
import { type BrokerSection, benchBroker } from "./broker/section.ts";
import { works } from "./broker/works.ts";
import { type BenchFile, comparison } from "./compare.ts";
import { commit, loadAverage, machineLine, thisMachine } from "./machine.ts";
import { profile, profiledShapes } from "./profile.ts";
import { type BenchRow, table } from "./rows.ts";
import { benchStart } from "./start.ts";

const USAGE = `npm run bench -- [options]

  --only core|start|broker|edge|browser   one section instead of all; alone also modes, memory and recovery
  --json FILE                all figures, for comparison between commits
  --markdown FILE            the tables of the section broker, or modes
  --compare OLD.json [NEW.json]   figures as ratios to those of an earlier run; with two files nothing is measured

The sections broker and modes, wasmq beside Apache RocketMQ and others:

  --alternations N           default 5; the median counts
  --backlog N                messages that the official Consumer drains, default 2000000
  --servers A,B              of ${contenderIds.join(", ")}; by default all that this machine can run
  --work ID,ID               of ${works.map(({ id }) => id).join(", ")};
                             modes: ${modeWorks.map(({ id }) => id).join(", ")}

The sections memory and recovery, which are run by name only:

  --gigabytes N              what is written, default 10; recovery takes twice as much of the disk

  --profile SHAPE            instead of all this: wasmq under --cpu-prof, its functions by self time
                             SHAPE: ${profiledShapes.join(", ")}`;

const SECTIONS = ["core", "start", "broker", "edge", "browser"] as const;
/** They take minutes, and the last two fill a disk. */
const BIG_SECTIONS = ["modes", "memory", "recovery"] as const;
type Section = (typeof SECTIONS)[number] | (typeof BIG_SECTIONS)[number];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string" },
    json: { type: "string" },
    markdown: { type: "string" },
    compare: { type: "string" },
    alternations: { type: "string", default: "5" },
    backlog: { type: "string", default: "2000000" },
    servers: { type: "string", default: contenderIds.join(",") },
    work: { type: "string" },
    gigabytes: { type: "string", default: "10" },
    profile: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

// Servers and their stores go with this process: see `spawned`.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const wrong = wrongOption();
if (values.help || wrong !== undefined) {
  console.log(values.help ? USAGE : `${wrong}\n\n${USAGE}`);
  process.exitCode = values.help ? 0 : 2;
} else if (values.profile !== undefined) {
  console.log(await profile(values.profile));
} else if (values.compare !== undefined && positionals[0] !== undefined) {
  process.stdout.write(comparison(read(values.compare), read(positionals[0])));
} else {
  await measure();
}

function wrongOption(): string | undefined {
  const known = (list: string | undefined, all: readonly string[]): string | undefined =>
    list?.split(",").find((one) => !all.includes(one));
  const counts = [values.alternations, values.backlog, values.gigabytes].find((text) => !/^[1-9]\d*$/.test(text));
  const unknown =
    known(values.only, [...SECTIONS, ...BIG_SECTIONS]) ??
    known(values.servers, contenderIds) ??
    known(
      values.work,
      [...works, ...modeWorks].map(({ id }) => id),
    ) ??
    known(values.profile, profiledShapes) ??
    (positionals.length > (values.compare === undefined ? 0 : 1) ? positionals.at(-1) : undefined) ??
    counts;
  return unknown === undefined ? undefined : `what is ${unknown}?`;
}

async function measure(): Promise<void> {
  const startedAt = new Date().toISOString();
  const machine = await thisMachine();
  const version = await commit();
  const loadBefore = loadAverage();
  console.log(`${machineLine(machine)}, load average ${loadBefore}\n`);
  const rows: BenchRow[] = [];
  let broker: BrokerSection | undefined;
  const sections: readonly Section[] = values.only === undefined ? SECTIONS : (values.only.split(",") as Section[]);
  for (const section of sections) {
    if (section === "broker" || section === "modes") {
      const all = section === "broker" ? works : modeWorks;
      broker = await benchBroker({
        alternations: Number(values.alternations),
        backlog: Number(values.backlog),
        contenders: values.servers.split(",") as ContenderId[],
        works: all.filter(({ id }) => values.work?.split(",").includes(id) ?? true),
        wasmqVersion: version ?? "unknown",
      });
      console.log(broker.text);
    } else {
      const measured = await rowsOf(section);
      console.log(table(measured));
      rows.push(...measured);
    }
  }
  const file: BenchFile = {
    ...{ format: 1, startedAt, commit: version, machine, loadAverage: [loadBefore, loadAverage()] },
    options: { only: values.only, alternations: Number(values.alternations), backlog: Number(values.backlog) },
    ...{ versions: broker?.versions ?? {}, leftOut: broker?.leftOut ?? {}, works: broker?.works ?? [], rows },
  };
  if (values.json !== undefined) write(values.json, jsonText(file));
  if (values.markdown !== undefined) {
    const when = `${startedAt.slice(0, 10)}, commit ${version ?? "unknown"}, load average ${loadBefore} at its start`;
    write(values.markdown, `${machineLine(machine)}; ${when}.\n\n${broker?.markdown ?? ""}`);
  }
  if (values.compare !== undefined) process.stdout.write(comparison(read(values.compare), file));
}

/** Loaded when asked for: what they need beside Node's packages, or a built core, is not there everywhere. */
async function rowsOf(section: Exclude<Section, "broker" | "modes">): Promise<BenchRow[]> {
  switch (section) {
    case "core":
      return (await import("./core.ts")).benchCore();
    case "start":
      return benchStart();
    case "edge":
      return (await import("./edge.ts")).benchEdge();
    case "browser":
      return (await import("./browser.ts")).benchBrowser();
    case "memory":
      return (await import("./memory.ts")).benchMemory(Number(values.gigabytes));
    case "recovery":
      return (await import("./recovery.ts")).benchRecovery(Number(values.gigabytes));
  }
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** A line for each object that holds no other: a run, or a figure with its spread. */
function jsonText(file: BenchFile): string {
  const spacious = JSON.stringify(file, rounded, 1);
  return `${spacious.replace(/\{[^{}[\]]*\}/g, (object) => object.replace(/\s*\n\s*/g, " "))}\n`;
}

function read(path: string): BenchFile {
  const file = JSON.parse(readFileSync(path, "utf8")) as BenchFile;
  if (file.format !== 1) throw new Error(`${path} is of another format`);
  return file;
}

/** Five digits say all that was measured. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}
