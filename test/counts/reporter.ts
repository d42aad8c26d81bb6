import { globSync } from "node:fs";
import type { Reporter, TestCase, TestModule, Vitest } from "vitest/node";
import { checkModes } from "../modes/check.ts";
import { type CountedTest, countTests } from "./counts.ts";

/**
 * Says at the end of a run what it came to (counts.ts), and fails a whole run in which a host shows too little; and one that shows that
 * the README's table of modes is stale (modes/).
 */
export default class CountsReporter implements Reporter {
  #isWhole = true;

  onInit(vitest: Vitest): void {
    // Tests chosen by their name are skipped on all hosts alike, which says nothing about any.
    this.#isWhole = vitest.config.testNamePattern === undefined;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...brokenFile(module), ...module.children.allTests()].map(counted));
    const { lines, tooFew } = countTests(tests);
    console.log(`\n${lines.join("\n")}`);
    if (this.#isWhole) this.#checkModes(modules.filter(({ project }) => project.name === "interop"));
    if (!this.#isWhole || tooFew.length === 0) return;
    console.error(`too little of Node's behaviour is shown by: ${tooFew.join(", ")}`);
    process.exitCode = 1;
  }

  #checkModes(modules: readonly TestModule[]): void {
    if (modules.length === 0) return;
    const tests = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => ({
        ...counted(test),
        file: module.relativeModuleId.replace(interop, ""),
        isKnownGap: test.options.fails === true,
      })),
    );
    const files = new Set(modules.map(({ relativeModuleId }) => relativeModuleId));
    const isWhole = globSync(`${interop}**/*.test.ts`).every((path) => files.has(path));
    for (const wrong of checkModes(tests, isWhole)) {
      console.error(wrong);
      process.exitCode = 1;
    }
  }
}

const interop = "test/interop/";

/** A file that failed outside of its tests counts as one that failed. */
function brokenFile(module: TestModule): CountedTest[] {
  if (module.errors().length === 0) return [];
  return [{ runtime: module.project.name, titles: [module.relativeModuleId], state: "failed" }];
}

function counted(test: TestCase | CountedTest): CountedTest {
  if (!("result" in test)) return test;
  const titles = [test.name];
  for (let parent = test.parent; parent.type === "suite"; parent = parent.parent) titles.unshift(parent.name);
  const result = test.result();
  return {
    runtime: test.project.name,
    titles,
    // What is still pending at the end of the run did not pass.
    state: result.state === "pending" ? "failed" : result.state,
    note: result.state === "skipped" ? result.note : undefined,
  };
}
