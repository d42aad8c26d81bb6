import { expect, test } from "vitest";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { MemoryBroker } from "../lib/memory-broker.ts";

test("a null among the saved offsets is none", async () => {
  const storage = new MemoryLogStorage();
  const bytes = new TextEncoder().encode('{"offsetTable":{"a@b":null}}');
  storage.create("config/consumerOffset.json", bytes.length);
  storage.write([{ file: "config/consumerOffset.json", at: 0, bytes }]);
  const broker = await MemoryBroker.start({}, storage);
  expect(broker.logged.filter((line) => line.startsWith("error"))).toEqual([]);
  await broker.stop();
});
