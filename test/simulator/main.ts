/** The long run of the simulator: `npm run simulate -- --seed 1 --count 20000`, or `--minutes 5`; `--modes` for that of messages' modes. */
import { parseArgs } from "node:util";
import { loadCoreModule } from "#core-wasm";
import { crashPointsOf, crashShareUsual, modesOperationsUsual, operationsUsual, simulate } from "./simulate.ts";
import type { Fault } from "./storage.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    count: { type: "string" },
    minutes: { type: "string" },
    operations: { type: "string" },
    "crash-share": { type: "string" },
    fault: { type: "string" },
    modes: { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
  },
});
const number = (text: string | undefined, otherwise: number): number => {
  const value = text === undefined ? otherwise : Number(text);
  if (!(value >= 0)) throw new Error(`no number: ${text}`);
  return value;
};
const [kind, operation] = values.fault?.split("@") ?? [];
const minutes = number(values.minutes, Number.POSITIVE_INFINITY);
const count = number(values.count, minutes === Number.POSITIVE_INFINITY ? 100 : Number.POSITIVE_INFINITY);
const seed = number(values.seed, Date.now() % 2 ** 31);
console.log(`seeds from ${seed} on`);
const begin = performance.now();
const minutesSince = (): number => (performance.now() - begin) / 60_000;
let toldAt = 0;
const failed = (error: unknown, replay: string): void => {
  console.error(error, `\nTo see it again: ${replay}`);
  process.exitCode = 1;
};
const { seeds, tally, failure } = await simulate({
  coreModule: await loadCoreModule(),
  seed,
  count,
  operations: number(values.operations, values.modes ? modesOperationsUsual : operationsUsual),
  modes: values.modes,
  crashShare: number(values["crash-share"], crashShareUsual),
  ...(kind === undefined ? {} : { fault: { kind: kind as Fault, operation: Number(operation) } }),
  ...(values["keep-going"] ? { failed } : {}),
  goesOn: () => minutesSince() < minutes,
  progress(done, tally) {
    if (minutesSince() - toldAt < 0.5) return;
    toldAt = minutesSince();
    const points = values.modes ? "" : `, ${crashPointsOf(tally)} crash points`;
    console.log(`${done} seeds${points} in ${toldAt.toFixed(1)} minutes`);
  },
});
for (const [name, times] of [...tally.counts].sort()) console.log(`${String(times).padStart(10)}  ${name}`);
const rate = (times: number): string => `${times} (${Math.round(times / minutesSince())} a minute)`;
const points = values.modes ? "" : `, ${rate(crashPointsOf(tally))} crash points`;
console.log(`${rate(seeds)} seeds${points}, the last seed ${seed + seeds - 1}`);
if (failure !== undefined) {
  failed(failure.error, failure.replay);
}
