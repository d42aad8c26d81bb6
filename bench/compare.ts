import type { ContenderId } from "./broker/contenders.ts";
import type { WorkResult } from "./broker/results.ts";
import type { Metric } from "./figures.ts";
import { type Machine, machineLine } from "./machine.ts";
import type { BenchRow } from "./rows.ts";

/** What `--json` writes. */
export interface BenchFile {
  readonly format: 1;
  readonly startedAt: string;
  readonly commit: string | undefined;
  readonly machine: Machine;
  /** Over a minute, before and after: on a quiet machine the first is near 0. */
  readonly loadAverage: readonly [number, number];
  readonly options: Readonly<Record<string, unknown>>;
  readonly versions: Partial<Record<ContenderId, string>>;
  readonly leftOut: Partial<Record<ContenderId, string>>;
  readonly works: readonly WorkResult[];
  readonly rows: readonly BenchRow[];
}

const COMPARED: readonly Metric[] = ["rate", "p99Us", "cpuUs", "writtenBytes", "syncs", "residentMb"];

/** Two runs, as the newer figure by the older one. Only what both have measured is compared. */
export function comparison(older: BenchFile, newer: BenchFile): string {
  const lines = [`${newer.commit ?? "this run"} by ${older.commit ?? "the other"}`];
  if (machineLine(older.machine) !== machineLine(newer.machine)) {
    lines.push("Two machines: what differs may be theirs.", machineLine(older.machine), machineLine(newer.machine));
  }
  for (const work of newer.works) {
    const before = older.works.find(({ id }) => id === work.id);
    for (const [id, server] of Object.entries(work.servers)) {
      const past = before?.servers[id as ContenderId];
      const ratios = COMPARED.flatMap((metric) => {
        const [to, from] = [server.summary[metric]?.median, past?.summary[metric]?.median];
        return to === undefined || !from ? [] : [`${metric} ${(to / from).toFixed(2)}`];
      });
      if (ratios.length > 0) lines.push(`${work.name}, ${id}: ${ratios.join(", ")}`);
    }
  }
  for (const { name, unit, value } of newer.rows) {
    const before = older.rows.find((row) => row.name === name && row.unit === unit);
    if (before?.value) lines.push(`${name}: ${unit} ${(value / before.value).toFixed(2)}`);
  }
  return `${lines.join("\n")}\n`;
}
