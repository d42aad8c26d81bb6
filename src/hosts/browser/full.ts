import { WasmqError } from "../../ports/error.ts";

/** The origin's quota is used up, or the disk is, by its stable name; all else as it is. */
export function asStorageError(error: unknown): unknown {
  const name = typeof error === "object" && error !== null && "name" in error ? error.name : undefined;
  if (name !== "QuotaExceededError") return error;
  return new WasmqError("STORE_FULL", "the browser gives this origin no more room", { cause: error });
}
