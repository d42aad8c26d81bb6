export interface BenchRow {
  name: string;
  value: number;
  unit: string;
  ratio?: { beside: string; value: number };
  goal?: string;
}

export function table(rows: readonly BenchRow[]): string {
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

/** Three digits, and all of them from a hundred on. */
export function shown(value: number): string {
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
