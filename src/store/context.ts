import type { Core, Region } from "../core/core.ts";
import { pullBytesMax, pullUnitsMax, recordBytesMax } from "../limits.ts";
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
  /** Holds what one read of a queue brings. */
  readonly answerWindow: Region;
  /** Holds entries of an IndexFile: as many as one call of the core makes, or looks at. */
  readonly indexWindow: Region;
  /** What is the same for all ConsumeQueues. */
  readonly queueTails: {
    /** What each keeps in memory of its end once that is written out, so that consumers there read no file. */
    bytesKept: number;
    /** What all hold that is not written out. */
    unwrittenBytes: number;
  };
}

type Given = Omit<StoreContext, "unitWindow" | "recordWindow" | "answerWindow" | "indexWindow" | "queueTails">;

export function makeContext(given: Given): StoreContext {
  const { core, options } = given;
  const largest = Math.max(recordBytesMax, options.maxMessageSize + 64 * 1024);
  return {
    ...given,
    unitWindow: core.allocate(pullUnitsMax * core.unitSize),
    recordWindow: core.allocate(largest),
    answerWindow: core.allocate(Math.max(largest, pullBytesMax)),
    indexWindow: core.allocate(indexWindowEntries * core.index.entryBytes),
    queueTails: { bytesKept: 0, unwrittenBytes: 0 },
  };
}

/** 64 KB of them. */
const indexWindowEntries = 3_276;
