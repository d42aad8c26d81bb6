import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { type BrokerMutantRun, brokerMutants } from "./broker-mutants.ts";
import { AcksEarly, coreWithoutCrc, SkipsSync } from "./mutants.ts";
import { crashPointsOf, type Simulation, simulate } from "./simulate.ts";
import type { Violation } from "./violation.ts";

const coreModule = await loadCoreModule();

test("what a store promises holds over crashes, failures and damage", async () => {
  const { failure, tally, seeds } = await simulate({ coreModule, seed: 1, count: 15 });
  if (failure !== undefined) throw new Error(`to see it again: ${failure.replay}`, { cause: failure.error });
  expect(seeds).toBe(15);
  expect(crashPointsOf(tally)).toBeGreaterThan(1_000);
}, 300_000);

describe("a store that is broken on purpose is noticed", () => {
  const noticed = async (given: Partial<Simulation>): Promise<string | undefined> => {
    const { failure } = await simulate({ coreModule, seed: 1, count: 40, ...given });
    return (failure?.error as Violation | undefined)?.checker;
  };

  test("a sync that is left out", async () => {
    expect(await noticed({ Storage: SkipsSync })).toMatch(/acked-lost|refused/);
  });

  test("an acknowledgement before the system has the message", async () => {
    expect(await noticed({ Storage: AcksEarly })).toMatch(/acked-lost|refused/);
  });

  test("a CRC that is not checked", async () => {
    expect(await noticed({ coreModule: await coreWithoutCrc() })).toMatch(/corrupted-served|flip-undetected/);
  }, 300_000);
});

test("what a broker promises of transactions, delays, retries, pops and order holds over crashes and failures", async () => {
  const { failure, tally, seeds } = await simulate({ coreModule, seed: 1, count: 12, modes: true });
  if (failure !== undefined) throw new Error(`to see it again: ${failure.replay}`, { cause: failure.error });
  expect(seeds).toBe(12);
  for (const name of [
    "transactions: questions",
    "transactions: given up",
    "delays: recalled",
    "retries: dead letters",
    "pops: handed out again",
    "order: rebalances",
  ]) {
    expect(tally.of(name), name).toBeGreaterThan(20);
  }
}, 300_000);

describe("a broker that is broken on purpose is noticed", () => {
  const run = promisify(execFile);
  const main = fileURLToPath(new URL("mutant-main.ts", import.meta.url));

  test.each(Object.entries(brokerMutants))(
    "%s",
    async (name, { noticed }) => {
      // Another source of the broker needs another process.
      const { stdout } = await run(process.execPath, [main, name, "10"], { maxBuffer: 16 * 1024 * 1024 });
      const { checker } = JSON.parse(stdout.trim().split("\n").at(-1)!) as BrokerMutantRun;
      expect(noticed).toContain(checker);
    },
    120_000,
  );
});
