/** The same requests, valid ones and wrong ones, to Apache's broker and to wasmq: what is answered otherwise is listed with its reason. */
import { describe, expect, test } from "vitest";
import { compareBrokers } from "./differential/compare.ts";
import { unlisted } from "./differential/listed.ts";
import { seed } from "./differential/seed.ts";
import { allSteps } from "./differential/steps.ts";
import { missingTool } from "./toolchain.ts";

const testMs = 600_000;

describe.skipIf((await missingTool()) !== undefined)("differential run", () => {
  test("answers are Apache's, but for what is listed", { timeout: testMs }, async () => {
    const { requests, differences } = await compareBrokers(allSteps(seed));
    const told = unlisted(differences);
    expect(told.differences).toEqual([]);
    // A difference that is gone is none to list.
    expect(told.reasons).toEqual([]);
    const total = [...requests.values()].reduce((sum, count) => sum + count, 0);
    expect(total).toBeGreaterThan(5_000);
    expect(requests.size).toBeGreaterThan(150);
  });
});
