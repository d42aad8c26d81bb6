import { WasmqError } from "../hosts/node/index.ts";

/** The command was called wrongly. */
export class UsageError extends Error {}

/** A command that was called wrongly ends with this code; one that failed ends with 1. */
export const exitUsage = 2;

/**
 * Says in one line what the world, or the user, has done, and gives the exit code. Throws on what is neither: a bug shows its
 * trace.
 */
export function told(error: unknown): number {
  if (!(error instanceof WasmqError) && !(error instanceof UsageError) && !isSystemError(error)) throw error;
  console.error(`wasmq: ${error.message}${error instanceof WasmqError ? ` (${error.code})` : ""}`);
  return error instanceof UsageError ? exitUsage : 1;
}

/** What a system call answered (a file that may not be read, a disk that is full): the world's trouble, and no bug's trace. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === "string";
}
