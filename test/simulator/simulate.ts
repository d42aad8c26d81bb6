import { BrokerRun } from "./broker-run.ts";
import { ModesRun } from "./modes-run.ts";
import type { Fault, SimulatedStorage } from "./storage.ts";
import { StoreRun } from "./store-run.ts";
import { Tally } from "./tally.ts";

export interface Simulation {
  readonly coreModule: WebAssembly.Module;
  /** The first seed, and how many. */
  readonly seed: number;
  readonly count: number;
  readonly operations?: number;
  /** Transactions, delays, retries, pops and order, in the place of stores and plain messages. */
  readonly modes?: boolean;
  readonly crashShare?: number;
  /** One failure in each run, and no other. */
  readonly fault?: { readonly kind: Fault; readonly operation: number };
  /** No further seed is begun once this is false. */
  readonly goesOn?: () => boolean;
  readonly progress?: (seeds: number, tally: Tally) => void;
  /** As of a run. */
  readonly Storage?: typeof SimulatedStorage;
  readonly flips?: number;
  /** Goes on behind a failure with the next seed, and tells each. */
  readonly failed?: (error: unknown, replay: string) => void;
}

export interface Outcome {
  readonly seeds: number;
  readonly tally: Tally;
  /** What ended it, and how to see it again. */
  readonly failure: { readonly error: unknown; readonly replay: string } | undefined;
}

export const operationsUsual = 200;
export const modesOperationsUsual = 500;

/** Such that some fifty crash points come of 200 operations. */
export const crashShareUsual = 0.03;

export const flipsUsual = 5;

/** The broker is started of every fifth seed, of the others its store alone. */
function isOfBroker(seed: number): boolean {
  return seed % 5 === 3;
}

/** Of so many seeds one is also run again and again, shorter, with each operation of its storage failing once. */
const sweptSeeds = 50;
/** Those of the broker take a minute each. */
const sweptBrokerSeeds = 500;
const sweptOperations = 15;

export async function simulate(given: Simulation): Promise<Outcome> {
  const { coreModule, seed: first, count, goesOn, Storage, flips = flipsUsual, modes = false } = given;
  const operations = given.operations ?? (modes ? modesOperationsUsual : operationsUsual);
  const crashShare = given.crashShare ?? crashShareUsual;
  const tally = new Tally();
  let seeds = 0;
  let replay = "";
  const run = async (options: {
    seed: number;
    operations: number;
    fault?: { kind: Fault; operation: number } | undefined;
  }): Promise<void> => {
    const { seed, operations, fault } = options;
    replay = `npm run simulate -- --seed ${seed} --count 1 --operations ${operations} ${
      modes ? "--modes" : `--crash-share ${crashShare}`
    }${fault === undefined ? "" : ` --fault ${fault.kind}@${fault.operation}`}`;
    const Run = modes ? ModesRun : isOfBroker(seed) ? BrokerRun : StoreRun;
    const one = new Run({
      ...{ seed, operations, crashShare, coreModule, tally, flips },
      ...(fault === undefined ? {} : { fault }),
      ...(Storage === undefined ? {} : { Storage }),
    });
    try {
      await one.run();
    } catch (error) {
      if (given.failed === undefined) throw error;
      given.failed(error, replay);
    }
  };
  try {
    for (let seed = first; seed < first + count && (goesOn?.() ?? true); seed++) {
      await run({ seed, operations, fault: given.fault });
      const isSwept = !modes && (seed % sweptSeeds === 0 || seed % sweptBrokerSeeds === 3);
      if (isSwept && given.fault === undefined) {
        for (const kind of ["EIO", "ENOSPC"] as const) {
          // Until the run has no operation of that number.
          for (let operation = 0, failed = -1; tally.of(`swept: ${kind}`) > failed; operation++) {
            failed = tally.of(`swept: ${kind}`);
            await run({ seed, operations: sweptOperations, fault: { kind, operation } });
          }
        }
      }
      seeds++;
      given.progress?.(seeds, tally);
    }
    return { seeds, tally, failure: undefined };
  } catch (error) {
    return { seeds, tally, failure: { error, replay } };
  }
}

/** Crashes looked into, of all kinds. */
export function crashPointsOf(tally: Tally): number {
  let points = 0;
  for (const [name, times] of tally.counts) if (name.startsWith("crash point: ")) points += times;
  return points;
}
