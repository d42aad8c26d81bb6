import type { Clock } from "./clock.ts";
import type { Entropy } from "./entropy.ts";
import type { LogStorage } from "./log-storage.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Telemetry } from "./telemetry.ts";

/** All that the engine needs of its host. */
export interface Ports {
  readonly storage: LogStorage;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly entropy: Entropy;
  readonly telemetry: Telemetry;
  /** The compiled core; a Worker refuses to compile one from bytes. */
  readonly coreModule: WebAssembly.Module;
}
