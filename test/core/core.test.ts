import { expect, test } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { Core } from "../../src/core/core.ts";

test("the core loads, and asks nothing of its host", async () => {
  const module = await loadCoreModule();
  expect(WebAssembly.Module.imports(module)).toEqual([]);
  expect(new Core(module).crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
});
