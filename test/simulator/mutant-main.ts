/** Runs the modes on a broker with a fault of `brokerMutants`, for so many seeds at most, and prints the checker that notices it. */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { type BrokerMutantRun, brokerMutants } from "./broker-mutants.ts";

const [name = "", count = "0"] = process.argv.slice(2);
const mutant = brokerMutants[name];
if (mutant === undefined) throw new Error(`there is no mutant "${name}"`);
const url = new URL(`../../${mutant.file}`, import.meta.url).href;
const text = readFileSync(new URL(url), "utf8");
if (text.split(mutant.from).length !== 2) throw new Error(`not once in ${mutant.file}: ${mutant.from}`);
registerHooks({
  load(of, context, next) {
    if (of !== url) return next(of, context);
    return { format: "module-typescript", shortCircuit: true, source: text.replace(mutant.from, () => mutant.to) };
  },
});
const { loadCoreModule } = await import("#core-wasm");
const { simulate } = await import("./simulate.ts");
const { seeds, failure } = await simulate({
  coreModule: await loadCoreModule(),
  seed: 1,
  count: Number(count),
  modes: true,
});
const { checker, message } = (failure?.error ?? {}) as BrokerMutantRun;
console.log(JSON.stringify({ seeds, checker, message }));
