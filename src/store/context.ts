import type { Core, Region } from "../core/core.ts";
import { pullUnitsMax, recordBytesMax } from "../limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { LogStorage } from "../ports/log-storage.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { StoreOptions } from "./options.ts";

/** What the parts of one store share. The windows are lent for the length of a synchronous use, never across a wait. */
export interface StoreContext {
  readonly core: Core;
  readonly storage: LogStorage;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly options: StoreOptions;
  /** Holds `pullUnitsMax` ConsumeQueue units. */
  readonly unitWindow: Region;
  /** Holds the largest record. */
  readonly recordWindow: Region;
}

export function makeContext(given: Omit<StoreContext, "unitWindow" | "recordWindow">): StoreContext {
  return {
    ...given,
    unitWindow: given.core.allocate(pullUnitsMax * given.core.unitSize),
    recordWindow: given.core.allocate(Math.max(recordBytesMax, given.options.maxMessageSize + 64 * 1024)),
  };
}
