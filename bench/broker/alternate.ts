import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Figures } from "../figures.ts";
import type { FlushMode } from "../server.ts";
import type { Contender, ContenderId, Contenders, Running } from "./contenders.ts";
import { sendGenerated } from "./generated.ts";
import { warmOfficially } from "./official.ts";
import { Results } from "./results.ts";
import type { Setting, Work } from "./works.ts";

/**
 * HotSpot doubles Apache's rate within the first half minute under load: this, and the client's own warm-up of each work. wasmq
 * is warmed as long. Where the flush waits for the disk the compiler matters less.
 */
const WARMUP_MS: Readonly<Record<FlushMode, number>> = { async: 15_000, sync: 6000 };
/** V8 needs no longer, and there is nobody to be fair to. */
const WARMUP_ALONE_MS = 3000;
/** Brokers first, each beside the other. */
const ORDER: readonly ContenderId[] = ["apache", "wasmq", "redis", "nats"];

export interface Plan {
  readonly works: readonly Work[];
  readonly contenders: Contenders;
  readonly alternations: number;
  readonly setting: Omit<Setting, "note">;
  readonly progress: (line: string) => void;
}

/**
 * Every server in turn, as often as there are alternations, each time as a new process with an empty store: A B A B. What fails
 * is a failure in its row, and the others go on.
 */
export async function alternate(plan: Plan): Promise<Results> {
  const results = new Results();
  const repeated = plan.works.filter((work) => !work.fresh);
  for (let alternation = 1; alternation <= plan.alternations; alternation++) {
    const label = `${alternation}/${plan.alternations}`;
    for (const flush of ["async", "sync"] as const) {
      const works = repeated.filter((work) => work.flush === flush);
      for (const contender of inOrder(plan)) await visit(plan, results, contender, flush, works, alternation, label);
    }
  }
  for (const work of plan.works.filter(({ fresh }) => fresh)) {
    for (const contender of inOrder(plan)) await visit(plan, results, contender, work.flush, [work], 1, "once");
  }
  return results;
}

function inOrder({ contenders }: Plan): Contender[] {
  return ORDER.flatMap((id) => contenders.found.find((contender) => contender.id === id) ?? []);
}

async function visit(
  plan: Plan,
  results: Results,
  contender: Contender,
  flush: FlushMode,
  all: readonly Work[],
  alternation: number,
  label: string,
): Promise<void> {
  const works = all.filter((work) => work.contenders.includes(contender.id));
  if (works.length === 0) return;
  const say = (what: string): void => plan.progress(`${label} ${contender.id.padEnd(6)} ${what}`);
  let running: Running | undefined;
  try {
    // What a server before this one left in the page cache is not to be written out at this one's expense.
    await promisify(execFile)("sync");
    running = await contender.start(flush);
    if (!works[0]!.fresh) await warm(plan, contender, running, flush, works);
    say(`started and warm (${flush} flush)`);
  } catch (error) {
    for (const work of works) results.fail(work, contender.id, messageOf(error));
    say(`failed: ${messageOf(error)}`);
    await running?.server.kill();
    return;
  }
  for (const work of works) {
    try {
      const figures = await work.run(running, { ...plan.setting, note: say });
      results.add(work, contender.id, alternation, figures);
      say(`${work.name}: ${briefly(figures)}`);
    } catch (error) {
      results.fail(work, contender.id, messageOf(error));
      say(`${work.name} failed: ${messageOf(error)}`);
      if (!running.server.running()) break;
    }
  }
  await running.server.kill();
}

async function warm(
  { contenders, setting }: Plan,
  { id }: Contender,
  running: Running,
  flush: FlushMode,
  works: readonly Work[],
): Promise<void> {
  const { broker } = running;
  const compared = contenders.found.some((contender) => contender.id === "apache");
  const ms = broker !== undefined && compared ? WARMUP_MS[flush] : WARMUP_ALONE_MS;
  if (broker !== undefined && works.some(({ group }) => group === "official" || group === "modes")) {
    await warmOfficially({ server: broker, classpath: setting.officialClasspath! }, `Warm${id}`, ms);
  } else {
    await sendGenerated(running, { topic: "Warm", connections: 8, window: 16, warmupMs: 0, durationMs: ms });
  }
}

function briefly(figures: Figures): string {
  const { rate, meanUs, p99Us, cpuUs, residentMb, refused } = figures;
  return [
    rate === undefined ? undefined : `${Math.round(rate).toLocaleString("en-US")} msgs/s`,
    meanUs === undefined ? undefined : `mean ${Math.round(meanUs)} us`,
    p99Us === undefined ? undefined : `p99 ${Math.round(p99Us)} us`,
    cpuUs === undefined ? undefined : `${cpuUs.toPrecision(3)} us CPU`,
    residentMb === undefined ? undefined : `${Math.round(residentMb)} MB`,
    refused ? `${refused} refused` : undefined,
  ]
    .filter((part) => part !== undefined)
    .join(", ");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
