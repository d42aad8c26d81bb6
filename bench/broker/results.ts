import type { Figures, Metric } from "../figures.ts";
import { units } from "../figures.ts";
import { type ContenderId, contenderIds } from "./contenders.ts";
import type { Goal, Work } from "./works.ts";

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export type Summary = Partial<Record<Metric, Spread>>;

/** A work as it is kept in the JSON: what each server did in each alternation, and what that comes to. */
export interface WorkResult {
  readonly id: string;
  readonly name: string;
  readonly servers: Partial<Record<ContenderId, ServerResult>>;
  /** wasmq's figure by Apache's of the same alternation. */
  readonly besideApache: Summary;
  readonly goals: readonly GoalResult[];
}

export interface ServerResult {
  /** One an alternation. */
  readonly runs: readonly Figures[];
  readonly summary: Summary;
  /** Runs that ended otherwise, and how. */
  readonly failures: readonly string[];
}

export interface GoalResult extends Goal {
  /** Not there when there was nothing to judge by. */
  readonly value?: number;
  readonly verdict: "met" | "missed" | "not measured";
  readonly wishVerdict?: "met" | "missed";
}

/** Takes what is measured, alternation by alternation. */
export class Results {
  readonly #runs = new Map<string, Map<number, Figures>>();
  readonly #failures = new Map<string, string[]>();

  add(work: Work, contender: ContenderId, alternation: number, figures: Figures): void {
    const key = keyOf(work.id, contender);
    const runs = this.#runs.get(key) ?? new Map<number, Figures>();
    runs.set(alternation, figures);
    this.#runs.set(key, runs);
  }

  fail(work: Work, contender: ContenderId, why: string): void {
    const key = keyOf(work.id, contender);
    this.#failures.set(key, [...(this.#failures.get(key) ?? []), why]);
  }

  of(work: Work): WorkResult {
    const servers: Partial<Record<ContenderId, ServerResult>> = {};
    for (const contender of contenderIds) {
      const runs = [...(this.#runs.get(keyOf(work.id, contender))?.values() ?? [])];
      const failures = this.#failures.get(keyOf(work.id, contender)) ?? [];
      if (runs.length + failures.length > 0) servers[contender] = { runs, summary: summaryOf(runs), failures };
    }
    const own = this.#runs.get(keyOf(work.id, "wasmq"));
    const apache = this.#runs.get(keyOf(work.id, "apache"));
    const ratios: Figures[] = [];
    for (const [alternation, figures] of own ?? []) {
      const beside = apache?.get(alternation);
      if (beside !== undefined) ratios.push(ratioOf(figures, beside));
    }
    const besideApache = summaryOf(ratios);
    const { id, name } = work;
    const goals = work.goals.map((goal) => judged(goal, servers.wasmq?.summary ?? {}, besideApache));
    return { id, name, servers, besideApache, goals };
  }
}

function keyOf(work: string, contender: ContenderId): string {
  return `${work} ${contender}`;
}

function ratioOf(own: Figures, other: Figures): Figures {
  const ratio: Figures = {};
  for (const metric of Object.keys(own) as Metric[]) {
    if (other[metric]) ratio[metric] = own[metric]! / other[metric];
  }
  return ratio;
}

function summaryOf(runs: readonly Figures[]): Summary {
  const summary: Summary = {};
  for (const metric of Object.keys(units) as Metric[]) {
    const values = runs.flatMap((run) => run[metric] ?? []).sort((a, b) => a - b);
    if (values.length === 0) continue;
    const middle = values.length >> 1;
    const median = values.length % 2 === 1 ? values[middle]! : (values[middle - 1]! + values[middle]!) / 2;
    summary[metric] = { median, min: values[0]!, max: values.at(-1)! };
  }
  return summary;
}

function judged(goal: Goal, own: Summary, besideApache: Summary): GoalResult {
  const value = (goal.beside === undefined ? own : besideApache)[goal.metric]?.median;
  if (value === undefined) return { ...goal, verdict: "not measured" };
  const reaches = (bound: number): boolean => (goal.atLeast !== undefined ? value >= bound : value <= bound);
  return {
    ...{ ...goal, value, verdict: reaches(goal.atLeast ?? goal.atMost!) ? "met" : "missed" },
    ...(goal.wish === undefined ? {} : { wishVerdict: reaches(goal.wish) ? "met" : "missed" }),
  };
}
