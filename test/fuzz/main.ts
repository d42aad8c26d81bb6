/** The long run of the fuzzer: `npm run fuzz -- --inputs 10000000`; with `--sql` of filter expressions alone. */
import { parseArgs } from "node:util";
import { fuzz } from "./fuzz.ts";
import { fuzzSql } from "./sql.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string" },
    seed: { type: "string" },
    first: { type: "string" },
    "per-broker": { type: "string" },
    sql: { type: "boolean" },
  },
});
const number = (text: string | undefined, otherwise: number): number => {
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`no number: ${text}`);
  return value;
};
const seed = number(values.seed, Date.now() % 2 ** 31);
const inputs = number(values.inputs, 1_000_000);
// Refusals are errors by the million: where one was made is worth its time only when a single input is replayed.
if (inputs > 1) Error.stackTraceLimit = 0;
console.log(`${inputs} inputs, seed ${seed}`);
if (values.sql === true) {
  let toldAt = 0;
  const { seconds, understood, slowestMs, slowestNsPerChar } = fuzzSql({
    seed,
    inputs,
    first: number(values.first, 0),
    progress(done) {
      if (done - toldAt < inputs / 10) return;
      toldAt = done;
      console.log(`${done} done; heap ${(process.memoryUsage().heapUsed / 1e6).toFixed(1)} MB`);
    },
  });
  console.log(
    `no fault: ${Math.round(inputs / seconds)} expressions/s, ${understood} understood; the slowest took ${slowestMs.toFixed(1)} ms, ` +
      `a character of a long one ${slowestNsPerChar.toFixed(0)} ns`,
  );
  process.exit(0);
}
const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);
const collect = globalThis.gc as (() => void) | undefined;
let toldAt = 0;
const result = await fuzz({
  seed,
  inputs,
  first: number(values.first, 0),
  inputsPerBroker: number(values["per-broker"], 50_000),
  collect,
  progress(done) {
    if (done - toldAt < inputs / 10) return;
    toldAt = done;
    collect?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    console.log(`${done} done; heap ${mb(heapUsed)} MB, buffers ${mb(arrayBuffers)} MB`);
  },
});
const { seconds, slowestMs, refused, heapBytes } = result;
console.log(
  `no fault: ${Math.round(inputs / seconds)} inputs/s, the slowest took ${slowestMs.toFixed(1)} ms, ${refused} connections refused`,
);
if (heapBytes !== undefined) {
  console.log(
    `heap after collection with a new broker: ${mb(heapBytes.first)} MB, and at the end ${mb(heapBytes.last)} MB`,
  );
}
