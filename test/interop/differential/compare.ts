import { comparable, differencesOf } from "./comparable.ts";
import { Judged } from "./judged-side.ts";
import { nameOf, type Step } from "./request.ts";

/** One place in the answers to one request. */
export interface Difference {
  readonly code: number;
  readonly variant: string;
  /** How often that request was sent before. */
  readonly before: number;
  readonly path: string;
  readonly apache: string;
  readonly wasmq: string;
  /** Both answered with the same code, which is none of success. */
  readonly isRefusal: boolean;
}

export interface Compared {
  /** By code. */
  readonly requests: Map<number, number>;
  equal: number;
  readonly differences: Difference[];
}

/** Both brokers get each request at once, and the next when both have answered. */
export async function compareBrokers(steps: Iterable<Step>, log?: (s: string) => void): Promise<Compared> {
  const apache = await Judged.start("Apache");
  try {
    const wasmq = await Judged.start("wasmq");
    try {
      return await compare(steps, apache, wasmq, log);
    } finally {
      await wasmq.close();
    }
  } finally {
    await apache.close();
  }
}

async function compare(
  steps: Iterable<Step>,
  apache: Judged,
  wasmq: Judged,
  log?: (s: string) => void,
): Promise<Compared> {
  const compared: Compared = { requests: new Map(), equal: 0, differences: [] };
  const names = new Map<string, number>();
  for (const step of steps) {
    if ("until" in step) {
      await Promise.all([apache.wait(step), wasmq.wait(step)]);
      continue;
    }
    const before = names.get(nameOf(step)) ?? 0;
    names.set(nameOf(step), before + 1);
    const [ofApache, ofWasmq] = await Promise.all([apache.ask(step), wasmq.ask(step)]);
    const differences = differencesOf(comparable(ofApache, step, apache.side), comparable(ofWasmq, step, wasmq.side));
    if (differences.length > 0) {
      const told = (a: typeof ofApache) => (typeof a === "string" ? a : `${a.code} ${a.remark?.slice(0, 120)}`);
      log?.(`${nameOf(step)} || ${told(ofApache)} || ${told(ofWasmq)}`);
    }
    if (typeof ofApache !== "string") step.keep?.(ofApache, apache.side);
    if (typeof ofWasmq !== "string") step.keep?.(ofWasmq, wasmq.side);
    compared.requests.set(step.code, (compared.requests.get(step.code) ?? 0) + 1);
    if (differences.length === 0) compared.equal++;
    const isRefusal = typeof ofApache !== "string" && ofApache.code !== 0 && differences[0]?.path !== "code";
    const { code, variant } = step;
    for (const one of differences) compared.differences.push({ code, variant, before, isRefusal, ...one });
  }
  return compared;
}
