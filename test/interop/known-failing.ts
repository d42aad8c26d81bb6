import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "vitest";

const list = path.join(import.meta.dirname, "known-failing.txt");

/**
 * The tests of one file, each under its full name "file > suite > test". One that known-failing.txt lists is run and has to fail;
 * a line that names no test of an existing file fails, so the list can't rot.
 */
export class KnownFailing {
  private readonly file: string;
  private readonly reasons: ReadonlyMap<string, string>;
  private readonly declared = new Set<string>();

  constructor(file: string) {
    this.file = file;
    this.reasons = parse(readFileSync(list, "utf8"));
  }

  /** Declares a suite. Where waiting is most of it, its tests run at once, or those of neighbouring suites too. */
  suite(
    suite: string,
    how: { readonly atOnce: "nothing" | "tests" | "suites"; readonly timeoutMs: number },
    tests: (test: (name: string, body: () => Promise<void>) => void) => void,
  ): void {
    describe(suite, { concurrent: how.atOnce === "suites" }, () => {
      tests((name, body) => {
        // The list ends a name at its first ": ".
        if (name.includes(": ")) throw new Error(`a test's name may not hold ": ", got "${name}"`);
        const fullName = `${this.file} > ${suite} > ${name}`;
        this.declared.add(fullName);
        const fails = this.reasons.has(fullName);
        test(name, { timeout: how.timeoutMs, concurrent: how.atOnce !== "nothing", fails }, body);
      });
    });
  }

  /** Call last in the file. */
  checkNames(): void {
    test("known-failing.txt names only tests there are", () => {
      for (const name of this.reasons.keys()) {
        const file = name.split(" > ")[0]!;
        if (!existsSync(path.join(import.meta.dirname, file))) throw new Error(`no such file: ${name}`);
        if (file === this.file && !this.declared.has(name)) throw new Error(`no such test: ${name}`);
      }
    });
  }
}

function parse(text: string): Map<string, string> {
  const reasons = new Map<string, string>();
  for (const line of text.split("\n")) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const at = line.indexOf(": ");
    if (at < 0) throw new Error(`known-failing.txt: not "file > suite > test: reason": ${line}`);
    reasons.set(line.slice(0, at), line.slice(at + 2));
  }
  return reasons;
}
