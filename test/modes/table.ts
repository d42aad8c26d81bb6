import { clients, modes } from "./modes.ts";

/** One test of a run. */
export interface ModeTest {
  /** Below test/interop. */
  readonly file: string;
  /** The titles that lead to it, outermost first, its own last. */
  readonly titles: readonly string[];
  readonly state: "passed" | "failed" | "skipped";
  /** It is listed in known-failing.txt: it passed by failing. */
  readonly isKnownGap: boolean;
}

/** What a cell says; by mode and client, as `cellKey` makes it. */
export type Cells = ReadonlyMap<string, string>;

const asApache = "✓";
const alone = "(✓)";
const gap = "gap";

export function cellKey(mode: string, client: string): string {
  return `${mode} | ${client}`;
}

export interface Judged {
  /** Those that the run says something of. */
  readonly cells: Cells;
  /** Those that it has tests for, be they skipped. */
  readonly declared: ReadonlySet<string>;
  /** Tests with a tag that can't be counted, and why. */
  readonly wrong: readonly string[];
}

/**
 * A cell is ✓ if all its tests passed on wasmq, and the same on Apache's broker; (✓) if Apache's was asked by none of them; a gap if one is a
 * known gap. Of what failed, or was skipped, a run says nothing.
 */
export function judge(tests: readonly ModeTest[]): Judged {
  const wrong: string[] = [];
  const byCell = new Map<string, (ModeTest & { readonly broker: string; readonly twin: string })[]>();
  for (const test of tests) {
    const tagged = tagsOf(test.titles);
    for (const tag of tagged) if (!isTag(tag)) wrong.push(`#${tag} is no mode: ${test.titles.join(" > ")}`);
    const named = tagged.length > 0 ? tagged : namesIn(test.file);
    const found = modes.filter(({ tags }) => tags.some((tag) => named.includes(tag)));
    const client = first(test.titles, (title) => clients.find((one) => one.title.test(title))?.name);
    const brokers = first(test.titles, brokersIn) ?? [];
    if (client === undefined || brokers.length === 0) {
      if (tagged.length > 0) wrong.push(`no title names a client and a broker: ${test.titles.join(" > ")}`);
      continue;
    }
    const twin = [test.file, ...test.titles].join(" > ").replaceAll(/\b(wasmq|Apache)\b/g, "broker");
    for (const { name } of found) {
      const key = cellKey(name, client);
      byCell.set(key, [...(byCell.get(key) ?? []), ...brokers.map((broker) => ({ ...test, broker, twin }))]);
    }
  }
  const cells = new Map<string, string>();
  const declared = new Set<string>();
  for (const [key, all] of byCell) {
    const ours = all.filter(({ broker }) => broker === "wasmq");
    if (ours.length === 0) continue;
    declared.add(key);
    if (all.some(({ state }) => state !== "passed")) continue;
    const apaches = new Set(all.filter(({ broker }) => broker === "Apache").map(({ twin }) => twin));
    if (ours.some(({ isKnownGap }) => isKnownGap)) cells.set(key, gap);
    else cells.set(key, ours.some(({ twin }) => apaches.has(twin)) ? asApache : alone);
  }
  return { cells, declared, wrong };
}

const begin = "<!-- modes: written by the tests, see test/README.md -->";
const end = "<!-- /modes -->";

/** The cells of the README's table. Throws if it has no such table. */
export function cellsOf(readme: string): Cells {
  const [, table] = partsOf(readme);
  const cells = new Map<string, string>();
  for (const line of table.split("\n")) {
    const [name, ...values] = line
      .split("|")
      .slice(1, -1)
      .map((text) => text.trim());
    if (!modes.some((mode) => mode.name === name)) continue;
    for (const [i, value] of values.entries()) {
      const client = clients[i];
      if (client !== undefined && value !== "") cells.set(cellKey(name!, client.name), value);
    }
  }
  return cells;
}

/** The README with these cells. */
export function withCells(readme: string, cells: Cells): string {
  const [before, , after] = partsOf(readme);
  const row = (texts: readonly string[]) => `| ${texts.join(" | ")} |`;
  const lines = [
    row(["Mode", ...clients.map(({ name }) => name)]),
    `|${"---|".repeat(1 + clients.length)}`,
    ...modes.map(({ name }) => row([name, ...clients.map((client) => cells.get(cellKey(name, client.name)) ?? "")])),
  ];
  return `${before}${begin}\n${lines.join("\n")}\n${end}${after}`;
}

/** What the table should say after a run. `isWhole`: of a mode that no test was about there is nothing to say. */
export function updated(cells: Cells, { cells: judged, declared }: Judged, isWhole: boolean): Cells {
  const kept = [...cells].filter(([key]) => !isWhole || declared.has(key));
  return new Map([...kept, ...judged]);
}

function partsOf(readme: string): [string, string, string] {
  const from = readme.indexOf(begin);
  const to = readme.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the README has no table between ${begin} and ${end}`);
  return [readme.slice(0, from), readme.slice(from + begin.length, to), readme.slice(to + end.length)];
}

/** One whose title names both asks both, and compares. */
function brokersIn(title: string): readonly string[] | undefined {
  const names = title.match(/\b(?:wasmq|Apache)\b/g);
  return names === null ? undefined : [...new Set(names)];
}

function tagsOf(titles: readonly string[]): string[] {
  return titles.flatMap((title) => [...title.matchAll(/(?<=^|\s)#([a-z][a-z0-9-]*)/g)].map(([, tag]) => tag!));
}

function namesIn(file: string): string[] {
  return file.split("/").map((name) => name.replace(/\.test\.ts$/, ""));
}

function isTag(tag: string): boolean {
  return modes.some(({ tags }) => tags.includes(tag));
}

function first<T>(titles: readonly string[], find: (title: string) => T | undefined): T | undefined {
  for (const title of titles) {
    const found = find(title);
    if (found !== undefined) return found;
  }
  return undefined;
}
