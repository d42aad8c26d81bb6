import { existsSync } from "node:fs";
import type { CheckOptions, CheckReport, RepairReport } from "../../ports/check.ts";
import { WasmqError } from "../../ports/error.ts";
import { silentTelemetry, type Telemetry } from "../../ports/telemetry.ts";
import { checkStore, repairStore } from "../../wasmq.ts";
import { clock } from "./clock.ts";
import { loadCoreModule } from "./core-module.ts";
import { entropy } from "./entropy.ts";
import { NodeLogStorage } from "./log-storage.ts";
import { NodeScheduler } from "./scheduler.ts";

export interface CheckDirectoryOptions extends CheckOptions {
  /** A store that a live process has open is looked at all the same: what is being written may look damaged. */
  readonly live?: boolean;
}

/** See `checkStore` of the engine; of a directory, in which nothing is changed. STORE_LOCKED while a live process has it. */
export async function checkDirectory(directory: string, options: CheckDirectoryOptions = {}): Promise<CheckReport> {
  if (!existsSync(directory)) throw new WasmqError("STORE_UNREADABLE", `there is no store in ${directory}`);
  const storage = new NodeLogStorage(directory, undefined, "read");
  try {
    if (options.live !== true) storage.checkLock();
    const report = await checkStore({ storage, coreModule: await loadCoreModule() }, options);
    // Nothing keeps a broker from starting meanwhile: what was found may be what it was about to write.
    if (options.live !== true) storage.checkLock();
    return report;
  } finally {
    storage.close();
  }
}

/** See `repairStore` of the engine; and what a check finds afterwards. */
export async function repairDirectory(
  directory: string,
  options: CheckOptions & { readonly telemetry?: Telemetry } = {},
): Promise<RepairReport & { readonly after: CheckReport }> {
  if (!existsSync(directory)) throw new WasmqError("STORE_UNREADABLE", `there is no store in ${directory}`);
  const { telemetry = silentTelemetry, ...rest } = options;
  const storage = new NodeLogStorage(directory);
  const scheduler = new NodeScheduler();
  try {
    storage.lock();
    const coreModule = await loadCoreModule();
    const report = await repairStore({ storage, clock, scheduler, entropy, telemetry, coreModule }, rest);
    return { ...report, after: await checkDirectory(directory, rest) };
  } finally {
    scheduler.stop();
  }
}
