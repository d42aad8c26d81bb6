import { WasmqError } from "../../ports/error.ts";

/** What is wrong with a filter expression. */
export function refused(why: string): WasmqError {
  return new WasmqError("SUBSCRIPTION_PARSE_FAILED", `the filter expression can't be understood: ${why}`);
}
