import { loadCoreModule } from "#core-wasm";
import { expect, test } from "vitest";

test("the core module loads", async () => {
  const instance = await WebAssembly.instantiate(await loadCoreModule(), { env: { abort() {} } });
  expect((instance.exports["ping"] as () => number)()).toBe(1);
});
