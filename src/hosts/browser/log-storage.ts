import type { LogStorage } from "../../ports/log-storage.ts";
import { IndexedDbLogStorage } from "./indexeddb-log-storage.ts";
import { hasOpfs, OpfsLogStorage } from "./opfs-log-storage.ts";

export type StorageKind = "opfs" | "indexeddb";
export type FlushMode = "sync" | "async";

/** Who is closed or crashes gives its store back a moment later. */
const lockWaitMs = 10_000;

/** The storage of a name; under "sync" what it has written is on the medium, as far as the browser says so. */
export function logStorage(kind: StorageKind, name: string, flush: FlushMode): LogStorage {
  return kind === "opfs"
    ? new OpfsLogStorage(name, lockWaitMs)
    : new IndexedDbLogStorage(name, flush === "sync" ? "strict" : "relaxed", lockWaitMs);
}

/** OPFS where there is one, for it is several times faster; but a store that began in IndexedDB stays there. */
export async function usualStorage(name: string): Promise<StorageKind> {
  if (!hasOpfs()) return "indexeddb";
  return (await indexedDB.databases()).some((database) => database.name === name) ? "indexeddb" : "opfs";
}
