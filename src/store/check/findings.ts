import { findingsPerCodeMax } from "../../limits.ts";
import { type Finding, type FindingCode, type Severity, severities } from "../../ports/check.ts";

const codes = Object.keys(severities);
const ranks: readonly Severity[] = ["damage", "warning", "note"];

/** What was found: all are counted, and of each code the first `findingsPerCodeMax` are kept. */
export class Findings {
  readonly list: Finding[] = [];
  readonly counts = new Map<FindingCode, number>();
  readonly #kept = new Map<FindingCode, number>();
  /** By code and queue, the finding that the next offset of the queue may be added to. */
  readonly #last = new Map<string, Finding>();

  /** Findings of one queue at consecutive offsets become one, with the first's detail. */
  add(finding: Finding): void {
    const { code, topic, queueId, queueOffset, count = 1 } = finding;
    this.counts.set(code, (this.counts.get(code) ?? 0) + count);
    const queue = queueOffset === undefined ? undefined : `${code} ${topic}/${queueId}`;
    const last = queue === undefined ? undefined : this.#last.get(queue);
    if (last !== undefined && last.queueOffset! + (last.count ?? 1) === queueOffset) {
      last.count = (last.count ?? 1) + count;
      return;
    }
    const kept = this.#kept.get(code) ?? 0;
    if (kept >= findingsPerCodeMax) return;
    this.#kept.set(code, kept + 1);
    this.list.push(finding);
    if (queue !== undefined) this.#last.set(queue, finding);
  }

  /** The worst first, and what others follow from before them. */
  get inOrder(): Finding[] {
    const rank = ({ code }: Finding): number => ranks.indexOf(severities[code]) * codes.length + codes.indexOf(code);
    return this.list.toSorted((a, b) => rank(a) - rank(b));
  }

  get worst(): Severity | "none" {
    const found = new Set<Severity>([...this.counts.keys()].map((code) => severities[code]));
    return ranks.find((severity) => found.has(severity)) ?? "none";
  }
}
