import { expect, test } from "vitest";
import { loadCoreModule } from "#core-wasm";
import { startInMemory } from "../../../src/hosts/memory/host.ts";
import { MemoryLogStorage } from "../../../src/hosts/memory/log-storage.ts";

test("a second stop leaves the store to its next owner", async () => {
  const storage = new MemoryLogStorage();
  const first = await startInMemory({ coreModule: await loadCoreModule(), storage });
  await Promise.all([first.stop(), first.stop()]);
  expect(storage.files.has("abort")).toBe(false);
  const second = await startInMemory({ coreModule: await loadCoreModule(), storage });
  await first.stop();
  expect(storage.files.has("abort"), "in use by the second").toBe(true);
  await second.stop();
});
