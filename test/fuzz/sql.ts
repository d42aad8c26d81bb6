import { compileSql, type SqlFilter } from "../../src/broker/filter/sql-filter.ts";
import { sqlCharsMax } from "../../src/limits.ts";
import { WasmqError } from "../../src/ports/error.ts";
import { encodeUtf8 } from "../../src/ports/text.ts";
import { SqlCorpus } from "../lib/sql-corpus.ts";
import { Random } from "../simulator/random.ts";

/** What a run has to say; a run that finds something throws instead. */
export interface FuzzedSql {
  readonly inputs: number;
  readonly seconds: number;
  readonly understood: number;
  /** The longest that one input took, compiled and held against a message: CPU time, where it took as long again. */
  readonly slowestMs: number;
  /** The most that a character took, of texts of 10,000 and more. */
  readonly slowestNsPerChar: number;
}

/** The longest that the broker may be busy with one expression and one message. */
const inputMsMax = 100;
const longChars = 10_000;

/**
 * Compiles `inputs` texts, from `first` on, and holds what is understood against a message. Throws when anything else than
 * SUBSCRIPTION_PARSE_FAILED is thrown, and when one takes more than 100 ms: with the seed and number that replay it.
 */
export function fuzzSql(options: {
  readonly seed: number;
  readonly inputs: number;
  readonly first?: number;
  readonly progress?: (done: number) => void;
}): FuzzedSql {
  const { seed, inputs, first = 0 } = options;
  const startedAt = performance.now();
  let understood = 0;
  let slowestMs = 0;
  let slowestNsPerChar = 0;
  let litter = litterOf(seed, Math.floor(first / litterSize));
  for (let i = first; i < first + inputs; i++) {
    const replay = `npm run fuzz -- --sql --seed ${seed} --first ${i} --inputs 1`;
    if (i % litterSize === 0) litter = litterOf(seed, i / litterSize);
    const { properties } = litter;
    const text = i % litterSize === 0 ? litter.text : mutantOf(litter.text, new Random(mixed(seed, i)));
    let ms = 0;
    try {
      const begin = performance.now();
      if (isUnderstood(text, properties)) understood++;
      ms = performance.now() - begin;
    } catch (error) {
      throw new Error(`${error}\n${replay}`, { cause: error });
    }
    // Others may have had the machine meanwhile.
    for (let again = 0; again < 3 && (ms > slowestMs || ms > inputMsMax); again++) {
      const cpu = process.cpuUsage();
      isUnderstood(text, properties);
      const { user, system } = process.cpuUsage(cpu);
      ms = Math.min(ms, (user + system) / 1_000);
    }
    if (ms > inputMsMax) throw new Error(`it took ${ms.toFixed(0)} ms\n${replay}`);
    slowestMs = Math.max(slowestMs, ms);
    if (text.length >= longChars) slowestNsPerChar = Math.max(slowestNsPerChar, (ms * 1e6) / text.length);
    options.progress?.(i + 1 - first);
  }
  return { inputs, seconds: (performance.now() - startedAt) / 1_000, understood, slowestMs, slowestNsPerChar };
}

function isUnderstood(text: string, properties: Uint8Array): boolean {
  let filter: SqlFilter;
  try {
    filter = compileSql(text);
  } catch (error) {
    if (error instanceof WasmqError && error.code === "SUBSCRIPTION_PARSE_FAILED") return false;
    throw error;
  }
  filter.matches(properties, 0, properties.length);
  return true;
}

/** So many texts are made of one: it takes longer to think of one than to read it. */
const litterSize = 16;

/** Mostly expressions that nearly make sense; characters of chance; and one in a thousand as long as may be, of the same again and again. */
function litterOf(seed: number, i: number): { readonly text: string; readonly properties: Uint8Array } {
  const random = new Random(mixed(~seed, i));
  const corpus = new SqlCorpus(random.below(2 ** 32));
  const kind = random.next();
  const text = kind < 0.85 ? corpus.expression() : kind < 0.999 ? charactersOf(random) : longOf(random, corpus);
  return { text, properties: propertiesOf(random, corpus) };
}

function mixed(seed: number, i: number): number {
  return Math.imul(seed, 0x9e3779b1) ^ Math.imul(i + 1, 0x85ebca6b);
}

/** With up to three pieces put in, taken out or put in the place of others. */
function mutantOf(text: string, random: Random): string {
  let mutant = text;
  for (let edits = random.between(1, 3); edits > 0; edits--) {
    const at = random.below(mutant.length + 1);
    const end = at + random.pick([0, 0, 1, 1, 2, 7]);
    mutant = mutant.slice(0, at) + random.pick(edit) + mutant.slice(end);
  }
  return mutant;
}

const edit = [
  "",
  "",
  "",
  "'",
  "''",
  "(",
  ")",
  " ",
  "-",
  "--",
  "\n",
  "/*",
  "*/",
  "=",
  "<",
  ">",
  "0",
  "5",
  ".",
  "e",
  "L",
  "a",
  "#",
  ",",
];
edit.push(
  " NOT ",
  " AND ",
  " OR ",
  " IS NULL",
  " IN ",
  " BETWEEN ",
  "TRUE",
  "NULL",
  " CONTAINS 'b' ",
  "\u00a0",
  "\u{1f600}",
);

function charactersOf(random: Random): string {
  const characters = "aA_$5.0eEL'\"-+/*<>=(),! \n\r\t\u0000\u00a0\u0660é中\ud83d\ude00";
  return Array.from({ length: random.below(40) }, () => characters[random.below(characters.length)]!).join("");
}

const pieces = [
  "(",
  "NOT ",
  "-",
  "+",
  "a = ",
  "a AND ",
  "'",
  "''",
  "'x'",
  "/*",
  "*/",
  "--",
  "--\n",
  "0",
  "9",
  "1e",
  ".",
  " ",
  "a",
  "_",
];
const rows = [
  "a = 5 OR ",
  "a IN ('5') AND ",
  "b CONTAINS 'xy' AND ",
  "a > 1 AND ",
  "a IS NOT NULL AND ",
  "'5',",
  "a <> 'x' OR ",
];

function longOf(random: Random, corpus: SqlCorpus): string {
  const before = random.pick(["", "a IN (", "a = ", corpus.expression()]);
  const piece = random.pick(random.chance(0.5) ? pieces : rows);
  const room = random.pick([2_000, 8_000, sqlCharsMax - before.length, sqlCharsMax]);
  return before + piece.repeat(Math.floor(room / piece.length)) + random.pick(["", "a = 5", "'5')", "'"]);
}

/** Of a message; one in a hundred as large as a message's may be. */
function propertiesOf(random: Random, corpus: SqlCorpus): Uint8Array {
  let text = "";
  for (const [name, value] of corpus.properties()) text += `${name}\u0001${value}\u0002`;
  if (random.chance(0.01)) {
    const piece = random.pick(["0", "5", "x", "xy", "a\u0001", "\u0002", "a\u0001b\u0002", "1e", "0x", "-", " "]);
    text += `a\u0001${piece.repeat(Math.floor(30_000 / piece.length))}`;
  }
  return encodeUtf8(text);
}
