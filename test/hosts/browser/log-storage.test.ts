import { IndexedDbLogStorage } from "../../../src/hosts/browser/indexeddb-log-storage.ts";
import type { LogStorage } from "../../../src/ports/log-storage.ts";
import { describeLogStorage } from "../../conformance/log-storage.ts";

const names = new Map<LogStorage, string>();

for (const durability of ["strict", "relaxed"] as const) {
  const open = (name: string): LogStorage => {
    const storage = new IndexedDbLogStorage(name, durability);
    names.set(storage, name);
    return storage;
  };
  describeLogStorage({
    name: `IndexedDB, ${durability}`,
    fresh: async () => open(`storage-${crypto.randomUUID()}`),
    again: async (before) => open(names.get(before)!),
  });
}
