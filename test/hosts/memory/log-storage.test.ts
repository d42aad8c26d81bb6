import { MemoryLogStorage } from "../../../src/hosts/memory/log-storage.ts";
import { describeLogStorage } from "../../conformance/log-storage.ts";

describeLogStorage({
  name: "memory",
  fresh: async () => new MemoryLogStorage(),
  again: async (before) => new MemoryLogStorage((before as MemoryLogStorage).files),
});
