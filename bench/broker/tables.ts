import type { Metric } from "../figures.ts";
import { shown } from "../rows.ts";
import { type ContenderId, contenderIds, contenderNames } from "./contenders.ts";
import type { GoalResult, ServerResult, Spread, WorkResult } from "./results.ts";
import type { Work, WorkGroup } from "./works.ts";

const TITLES: Readonly<Record<WorkGroup, string>> = {
  official: "Apache's own benchmark programs, 1 KB",
  generator: "Our generator, 1 KB",
  memory: "Memory",
  modes: "Modes, 1 KB",
};

/** More than a program's own file. */
const MAPPED_MB_TOLD = 150;

const GOAL_NAMES: Partial<Record<Metric, string>> = {
  rate: "rate",
  cpuUs: "CPU",
  residentMb: "MB",
  openFiles: "files",
};

/** The results as Markdown tables, one a group: ratios first, then what was asked, then the figures of each server. */
export function tables(works: readonly Work[], results: readonly WorkResult[], inLine: boolean): string {
  const parts: string[] = [];
  for (const group of ["official", "generator", "modes", "memory"] as const) {
    const own = results.filter((_, index) => works[index]!.group === group);
    const measured = contenderIds.filter((id) => own.some((result) => result.servers[id] !== undefined));
    if (measured.length === 0) continue;
    const compared = measured.includes("apache") && measured.includes("wasmq");
    const ratios = !compared
      ? []
      : group === "memory"
        ? ["resident, beside Apache"]
        : ["rate, beside Apache", "CPU, beside Apache"];
    const rows = own.map((result) => [
      result.name,
      ...ratios.map((_, column) => ratioCell(result.besideApache[ratioMetric(group, column)])),
      goalCell(result.goals),
      ...measured.map((id) => (group === "memory" ? memoryCell : workCell)(result.servers[id])),
    ]);
    const header = [TITLES[group], ...ratios, "goals", ...measured.map((id) => contenderNames[id])];
    parts.push(markdown([header, ...rows], inLine));
  }
  const failures = results.flatMap(({ name, servers }) =>
    contenderIds.flatMap((id) =>
      (servers[id]?.failures ?? []).map((why) => `* ${contenderNames[id]}, ${name}: failed: ${why.split("\n")[0]}\n`),
    ),
  );
  return parts.join("\n") + (failures.length === 0 ? "" : `\n${failures.join("")}`);
}

function ratioMetric(group: WorkGroup, column: number): Metric {
  if (group === "memory") return "residentMb";
  return column === 0 ? "rate" : "cpuUs";
}

function ratioCell(ratio: Spread | undefined): string {
  if (ratio === undefined) return "";
  const [median, min, max] = [ratio.median, ratio.min, ratio.max].map((value) =>
    value.toPrecision(value < 0.1 ? 1 : 2),
  );
  return min === max ? `${median} x` : `${median} x (${min} to ${max})`;
}

function goalCell(goals: readonly GoalResult[]): string {
  return goals
    .map((goal) => {
      const sign = goal.atLeast === undefined ? "<=" : ">=";
      const unit = goal.beside === undefined ? "" : " x";
      const bound = (value: number): string =>
        `${goal.beside ? value.toPrecision(2).replace(/\.?0+$/, "") : shown(value)}${unit}`;
      const wish = goal.wish === undefined ? "" : `, ${bound(goal.wish)}: ${goal.wishVerdict ?? "not measured"}`;
      return `${GOAL_NAMES[goal.metric] ?? goal.metric} ${sign} ${bound(goal.atLeast ?? goal.atMost!)}: ${goal.verdict}${wish}`;
    })
    .join("; ");
}

/** Rate, latency, and per message: server CPU, bytes and syncs. */
function workCell(result: ServerResult | undefined): string {
  const { summary, failures } = result ?? { summary: {}, failures: [] };
  if (summary.rate === undefined) return failures.length > 0 ? "failed" : "";
  const of = (metric: Metric): number | undefined => summary[metric]?.median;
  const [mean, p50, p99] = [of("meanUs"), of("p50Us"), of("p99Us")];
  return [
    `${rate(summary.rate.median)}`,
    p50 !== undefined ? `p50 ${latency(p50)}, p99 ${latency(p99!)}` : mean !== undefined ? `mean ${latency(mean)}` : "",
    `${twoDigits(of("cpuUs")!)} us CPU`,
    // Reading leaves nothing to write but offsets.
    of("writtenBytes")! < 100 ? "" : `${shown(of("writtenBytes")!)} B`,
    of("syncs") ? `a sync in ${shown(twoDigits(1 / of("syncs")!))}` : "",
    of("refused") ? `${shown(of("refused")!)} refused` : "",
    failures.length > 0 ? `${failures.length} runs failed` : "",
  ]
    .filter((part) => part !== "")
    .join(", ");
}

function memoryCell(result: ServerResult | undefined): string {
  const { summary, failures } = result ?? { summary: {}, failures: [] };
  if (summary.residentMb === undefined) return failures.length > 0 ? "failed" : "";
  const mb = (metric: Metric): string => shown(Math.round(summary[metric]!.median));
  const mapped = summary.mappedMb!.median > MAPPED_MB_TOLD ? `, ${mb("mappedMb")} of it mapped files` : "";
  return `${mb("residentMb")} MB (peak ${mb("peakMb")}${mapped}), ${mb("openFiles")} files`;
}

function rate(value: number): string {
  if (value < 1000) return `${Math.round(value)} /s`;
  return `${value < 99_500 ? twoDigits(value / 1000) : Math.round(value / 1000)} k/s`;
}

function latency(us: number): string {
  return us >= 1000 ? `${twoDigits(us / 1000)} ms` : `${Math.round(us)} us`;
}

function twoDigits(value: number): number {
  return Number(value.toPrecision(2));
}

function markdown(rows: readonly (readonly string[])[], inLine: boolean): string {
  const widthOf = (column: number): number => (inLine ? Math.max(...rows.map((row) => row[column]!.length)) : 0);
  const widths = rows[0]!.map((_, column) => Math.max(3, widthOf(column)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |\n`;
  return line(rows[0]!) + line(widths.map((width) => "-".repeat(width))) + rows.slice(1).map(line).join("");
}

/** What is not in the tables, and why. */
export function leftOut(missing: Partial<Record<ContenderId, string>>): string {
  return Object.entries(missing)
    .map(([id, why]) => `* left out: ${contenderNames[id as ContenderId]}: ${why}\n`)
    .join("");
}
