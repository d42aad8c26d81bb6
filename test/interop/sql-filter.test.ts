/** SQL92 expressions by chance, held against properties by chance: wasmq's parser and evaluator beside Apache's own. */
import { describe, expect, test } from "vitest";
import { compileSql } from "../../src/broker/filter/sql-filter.ts";
import { type Properties, SqlCorpus } from "../lib/sql-corpus.ts";
import { jvm } from "./apache.ts";
import { Child } from "./child.ts";
import { brokerPrograms, missingTool } from "./toolchain.ts";

const timeoutMs = 240_000;
/** SQL_EXPRESSIONS=1000000 for a long run, SQL_SEED for other ones. */
const expressions = Number(process.env["SQL_EXPRESSIONS"] ?? 6_000);
const seed = Number(process.env["SQL_SEED"] ?? 1);
const messagesEach = 8;
/** Said at a time: a pipe holds so much. */
const atOnce = 500;

describe.skipIf((await missingTool()) !== undefined)("SQL92", () => {
  test(`${expressions} expressions are understood and judged alike`, { timeout: 10 * timeoutMs }, async () => {
    const corpus = new SqlCorpus(seed);
    const answers: string[] = [];
    const command = [
      ...jvm,
      "-cp",
      await brokerPrograms(),
      "-Dfile.encoding=UTF-8",
      "-Dstdout.encoding=UTF-8",
      "wasmq.golden.Filters",
    ];
    const child = new Child("Filters", "java", command, (line) => answers.push(line));
    const counts = { T: 0, F: 0, N: 0, E: 0, P: 0 };
    const differences: string[] = [];
    for (let done = 0; done < expressions; done += atOnce) {
      const asked = Array.from({ length: Math.min(atOnce, expressions - done) }, () => ({
        sql: corpus.expression(),
        messages: Array.from({ length: messagesEach }, () => corpus.properties()),
      }));
      answers.length = 0;
      for (const { sql, messages } of asked) {
        child.say(JSON.stringify({ sql, messages: messages.map((properties) => Object.fromEntries(properties)) }));
      }
      await child.until(() => answers.length === asked.length, `${asked.length} answers`, timeoutMs);
      for (const [index, { sql, messages }] of asked.entries()) {
        const apache = answers[index]!;
        const ours = judged(sql, messages);
        const letters = apache.startsWith("P") ? "P" : apache;
        for (const letter of letters) counts[letter as keyof typeof counts]++;
        if ((ours.startsWith("P") ? "P" : ours) !== letters) {
          const at = [...letters].findIndex((letter, place) => letter !== ours[place]);
          const properties = JSON.stringify(Object.fromEntries(messages[at] ?? []));
          differences.push(`${JSON.stringify(sql)}: Apache ${apache}, wasmq ${ours}, of ${properties}`);
        }
      }
    }
    child.closeInput();
    await child.untilEnd(timeoutMs);
    console.info(`${expressions} expressions, ${messagesEach} messages each:`, counts);
    expect(differences).toEqual([]);
    // The corpus is worth something: each outcome is among them.
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(expressions / 10);
  });
});

function judged(sql: string, messages: readonly Properties[]): string {
  let filter: ReturnType<typeof compileSql>;
  try {
    filter = compileSql(sql);
  } catch (error) {
    return `P${(error as Error).message}`;
  }
  return messages
    .map((properties) => {
      const truth = filter.evaluate(properties);
      return truth === undefined ? "E" : truth === null ? "N" : truth ? "T" : "F";
    })
    .join("");
}
