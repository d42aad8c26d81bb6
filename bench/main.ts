import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { benchBroker, benchStart } from "./broker.ts";
import type { BenchRow } from "./rows.ts";

const USAGE = `node bench/main.ts [options]

  --only core|broker|start|edge|browser   one section instead of all
  --json FILE                write the rows there too
  --apache JARS              measure Apache RocketMQ as well, from a directory with its jars; adds two minutes`;

const SECTIONS = ["core", "start", "broker", "edge", "browser"] as const;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    json: { type: "string" },
    apache: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const unknownSection = values.only !== undefined && !SECTIONS.some((section) => section === values.only);
if (values.help || unknownSection) {
  console.log(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  const machine = {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    node: process.version,
    load: loadavg()[0]?.toFixed(2),
  };
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, load average ${machine.load}\n`);
  const rows: BenchRow[] = [];
  for (const section of SECTIONS) {
    if (values.only !== undefined && values.only !== section) continue;
    const measured = await run(section);
    console.log(table(measured));
    rows.push(...measured);
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, rows }, undefined, 2)}\n`);
}

async function run(section: (typeof SECTIONS)[number]): Promise<BenchRow[]> {
  switch (section) {
    case "core": {
      // Loaded late: a broker elsewhere can be measured without a built core.
      const { benchCore } = await import("./core.ts");
      return benchCore();
    }
    case "start":
      return benchStart();
    case "broker":
      return benchBroker(values.apache);
    case "edge": {
      // Loaded late: what it starts workerd with is not there where Node's packages alone are.
      const { benchEdge } = await import("./edge.ts");
      return benchEdge();
    }
    case "browser": {
      // Loaded late: what it drives Chromium with is not there where Node's packages alone are.
      const { benchBrowser } = await import("./browser.ts");
      return benchBrowser();
    }
  }
}

function table(rows: readonly BenchRow[]): string {
  const cells = rows.map((row) => [
    row.name,
    shown(row.value),
    row.unit,
    row.ratio === undefined ? "" : `${row.ratio.value.toPrecision(3)} x ${row.ratio.beside}`,
    row.goal === undefined ? "" : `goal ${row.goal}: ${verdict(row.value, row.goal)}`,
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]!.length)));
  return cells
    .map((row) => {
      const padded = row.map((cell, column) =>
        column === 1 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column] ?? 0),
      );
      return `${padded.join("  ").trimEnd()}\n`;
    })
    .join("");
}

function shown(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

/** A goal this cannot read is shown without a verdict. */
function verdict(value: number, goal: string): string {
  const [, sign, bound] = /^\s*(<=|>=|<|>)\s*([\d.,_]+)/.exec(goal) ?? [];
  if (sign === undefined || bound === undefined) return "see the row";
  const limit = Number(bound.replace(/[,_]/g, ""));
  const met = { "<=": value <= limit, ">=": value >= limit, "<": value < limit, ">": value > limit }[sign];
  return met ? "met" : "missed";
}
