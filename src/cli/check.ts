import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CheckReport, checkDirectory, type Finding, repairDirectory, type Severity } from "../hosts/node/index.ts";
import { told as failed, UsageError } from "./failure.ts";
import { fillDirectory, placeOf, readPlace, storeOption } from "./store-place.ts";

export const checkOptions = {
  store: { type: "string" },
  json: { type: "boolean" },
  live: { type: "boolean" },
  repair: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = { readonly [name in keyof typeof checkOptions]?: string | boolean | undefined };

/** By the worst finding. A script tells them apart from a check that did not take place. */
const exitCodes: Readonly<Record<Severity | "none", number>> = { none: 0, note: 0, warning: 1, damage: 2 };

/** It could not be checked: there is no store, it is in use, or can't be read. */
const exitUnchecked = 3;

/** The command was called wrongly (EX_USAGE of sysexits.h): 2 says something of the store. */
export const exitCheckUsage = 64;

/** Looks for damage in a store, says what it found, and gives the exit code. */
export async function check(values: Values, positionals: readonly string[]): Promise<number> {
  try {
    const named = positionals[0];
    if (positionals.length > 1) throw new UsageError("one store, or one FILE.tar, is checked at a time");
    if (named !== undefined && values.store !== undefined) throw new UsageError("--store or STORE, not both");
    const place = placeOf(named ?? storeOption(values.store));
    if (values.repair === true) {
      if (place.kind !== "directory") throw new UsageError("an archive is not repaired: import it first");
      if (values.live === true) throw new UsageError("a store that is in use is not repaired: --repair or --live");
      return await repair(place.path, values.json === true);
    }
    const startedAt = performance.now();
    const report =
      place.kind === "directory"
        ? await checkDirectory(place.path, { live: values.live === true, progress: tellProgress() })
        : await unpacked(readPlace(place), (directory) => checkDirectory(directory, { progress: tellProgress() }));
    const seconds = (performance.now() - startedAt) / 1000;
    if (values.json === true) console.log(JSON.stringify({ ...told(report), seconds }, null, 2));
    else for (const line of lines(report, seconds)) console.log(line);
    return exitCodes[report.severity];
  } catch (error) {
    const code = failed(error);
    return error instanceof UsageError ? exitCheckUsage : Math.max(code, exitUnchecked);
  }
}

async function repair(directory: string, asJson: boolean): Promise<number> {
  const { before, done, after } = await repairDirectory(directory, { progress: tellProgress() });
  if (asJson) {
    console.log(JSON.stringify({ before: told(before), done, after: told(after) }, null, 2));
  } else {
    for (const finding of before.findings) console.log(line(finding));
    for (const what of done) console.log(`repaired: ${what}`);
    for (const finding of after.findings) console.log(`now: ${line(finding)}`);
    console.log(verdicts[after.severity]);
  }
  return exitCodes[after.severity];
}

/** What a report says of a store; where each of its queues ends is nobody's question. */
function told({ ends: _, ...report }: CheckReport): Omit<CheckReport, "ends"> {
  return report;
}

/** An archive is looked at where it is unpacked, and left as it is. */
async function unpacked(
  archive: AsyncIterable<Uint8Array>,
  use: (directory: string) => Promise<CheckReport>,
): Promise<CheckReport> {
  const folder = mkdtempSync(join(tmpdir(), "wasmq-check-"));
  try {
    const store = join(folder, "store");
    await fillDirectory(archive, store);
    return await use(store);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function* lines(report: CheckReport, seconds: number): Generator<string> {
  for (const finding of report.findings) yield line(finding);
  const { log, records, queues, units, uncovered, counts, findings } = report;
  for (const [code, count] of Object.entries(counts)) {
    const named = findings
      .filter((finding) => finding.code === code)
      .reduce((sum, finding) => sum + (finding.count ?? 1), 0);
    if (count > named) yield `and ${count - named} more of ${code}`;
  }
  const bytes = log.to - log.from;
  const rate = (bytes / 1e9 / seconds).toFixed(2);
  yield `${records} records in ${bytes} bytes of the CommitLog from ${log.from} on, ${units} units of ${queues} queues; ${seconds.toFixed(1)} s, ${rate} GB/s`;
  if (uncovered.records > 0) {
    yield `${uncovered.records} records have no __CRC32#: nothing covers ${uncovered.bytes} bytes of them, which are all but their bodies (flags, times, hosts and properties; the rest was compared with the queues)`;
    for (const { from, to } of uncovered.ranges.slice(0, rangesShown)) yield `  from ${from} to ${to}`;
    if (uncovered.ranges.length > rangesShown) yield `  and ${uncovered.ranges.length - rangesShown} more ranges`;
  }
  yield verdicts[report.severity];
}

const rangesShown = 10;

const verdicts: Readonly<Record<Severity | "none", string>> = {
  none: "The store is sound",
  note: "The store is sound; see the notes",
  warning: "No message is damaged; what is wrong can be put right from the CommitLog",
  damage: "Messages, or settings, are damaged or lost",
};

function line({ severity, code, file, offset, bytes, topic, queueId, queueOffset, count, ...rest }: Reported): string {
  const where = [
    ...(file === undefined ? [] : [offset === undefined ? file : `${file} at byte ${offset}`]),
    ...(bytes === undefined ? [] : [`${bytes} bytes`]),
    ...(topic === undefined ? [] : [queueId === undefined ? `topic ${topic}` : `queue ${topic}/${queueId}`]),
    ...(queueOffset === undefined
      ? []
      : [`offset ${queueOffset}${count === undefined ? "" : ` to ${queueOffset + count - 1}`}`]),
  ];
  return `${severity} ${code}: ${[...where, rest.detail].join(", ")}`;
}

type Reported = Finding & { readonly severity: Severity };

/** Says on standard error how far it is, each two seconds. */
function tellProgress(): (bytes: number) => void {
  let saidAt = performance.now();
  return (bytes) => {
    if (performance.now() - saidAt < 2_000) return;
    saidAt = performance.now();
    console.error(`${(bytes / 1e9).toFixed(1)} GB so far`);
  };
}
