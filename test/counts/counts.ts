import { behaviourTitle } from "../behaviour/title.ts";

/** One test of a run. */
export interface CountedTest {
  /** The runtime: the vitest project. */
  readonly runtime: string;
  /** The titles that lead to it, outermost first, its own last. */
  readonly titles: readonly string[];
  readonly state: "passed" | "failed" | "skipped";
  /** Why it was skipped, if it said so. */
  readonly note?: string | undefined;
}

/** How much of the behaviour that Node shows every other runtime has to show. */
const shareMin = 0.9;

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * What `npm test` says at its end: the tests of each runtime, and how much of the behaviour suite each host runs beside Node's.
 * `tooFew` names the hosts that run less than they have to.
 */
export function countTests(tests: readonly CountedTest[]): { readonly lines: string[]; readonly tooFew: string[] } {
  const runtimes = new Map<string, Tally>();
  const hosts = new Map<string, Tally & { readonly runtime: string; readonly leftOut: string[] }>();
  for (const { runtime, titles, state, note } of tests) {
    const tally = runtimes.get(runtime) ?? { passed: 0, failed: 0, skipped: 0 };
    runtimes.set(runtime, tally);
    tally[state]++;
    const [first] = titles;
    if (first === undefined || !first.startsWith(behaviourTitle)) continue;
    const name = `${first.slice(behaviourTitle.length)} in ${runtime}`;
    const host = hosts.get(name) ?? { passed: 0, failed: 0, skipped: 0, runtime, leftOut: [] };
    hosts.set(name, host);
    host[state]++;
    if (state === "skipped" && note !== undefined) host.leftOut.push(`${titles.slice(1).join(" > ")}: ${note}`);
  }
  const lines = ["tests of each runtime:"];
  for (const [runtime, { passed, failed, skipped }] of runtimes) {
    lines.push(`  ${runtime.padEnd(28)} ${passed} passed, ${failed} failed, ${skipped} skipped`);
  }
  const tooFew: string[] = [];
  const nodes = run(hosts.get("node in node"));
  if (hosts.size > 0) lines.push("tests of behaviour on each host:");
  for (const [name, host] of hosts) {
    const share = run(host) / nodes;
    const beside = nodes > 0 ? `, ${Math.floor(share * 100)} % of Node's` : "";
    lines.push(`  ${name.padEnd(28)} ${run(host)} run, ${host.skipped} left out${beside}`);
    for (const what of host.leftOut) lines.push(`    left out: ${what}`);
    if (nodes > 0 && host.runtime !== "node" && share < shareMin) tooFew.push(name);
  }
  return { lines, tooFew };
}

function run(tally: Tally | undefined): number {
  return tally === undefined ? 0 : tally.passed + tally.failed;
}
