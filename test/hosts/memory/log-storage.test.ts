import { MemoryLogStorage } from "../../../src/hosts/memory/log-storage.ts";
import { describeLogStorage } from "../../conformance/log-storage.ts";

describeLogStorage({
  name: "memory",
  isAlone: true,
  async fresh() {
    const storage = new MemoryLogStorage();
    storage.totalBytes = 100_000_000;
    return storage;
  },
  again: async (before) => new MemoryLogStorage((before as MemoryLogStorage).files),
});
