import { WasmqError } from "../../ports/error.ts";
import type { StorageUsage } from "../../ports/log-storage.ts";

/** The origin's quota is used up, or the disk is, by its stable name; all else as it is. */
export function asStorageError(error: unknown): unknown {
  const name = typeof error === "object" && error !== null && "name" in error ? error.name : undefined;
  if (name !== "QuotaExceededError") return error;
  return new WasmqError("STORE_FULL", "the browser gives this origin no more room", { cause: error });
}

/** What the browser tells of the origin's quota, which all of the origin's storages share. Undefined where it tells nothing. */
export async function originUsage(): Promise<StorageUsage | undefined> {
  const { usage, quota } = await navigator.storage.estimate();
  if (usage === undefined || quota === undefined || quota === 0) return undefined;
  return { path: `the storage of ${location.origin}`, usedBytes: usage, totalBytes: quota, isEstimate: true };
}
