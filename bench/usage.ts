import type { Figures } from "./figures.ts";
import { cpuUs, memoryOf, openFiles, writtenBytes } from "./proc.ts";
import { syncsIn } from "./syncs.ts";

/** A process whose use of the machine is measured, on Linux. */
export interface Watched {
  readonly pid: number;
  /** Where its syncs are counted, if they are: see syncs.ts. */
  readonly syncFile: string | undefined;
}

/** What a process uses from here on. */
export class Usage {
  readonly #process: Watched;
  readonly #from: Used;

  constructor(process: Watched) {
    this.#process = process;
    this.#from = used(process);
  }

  perMessage(messages: number): Figures {
    const from = this.#from;
    const to = used(this.#process);
    return {
      cpuUs: (to.cpuUs - from.cpuUs) / messages,
      writtenBytes: (to.writtenBytes - from.writtenBytes) / messages,
      ...(to.syncs === undefined ? {} : { syncs: (to.syncs - from.syncs!) / messages }),
      ...memoryFigures(this.#process.pid),
    };
  }
}

export function memoryFigures(pid: number): Figures {
  const memory = memoryOf(pid);
  return {
    residentMb: memory.residentBytes / 1e6,
    peakMb: memory.peakBytes / 1e6,
    mappedMb: memory.mappedFileBytes / 1e6,
    openFiles: openFiles(pid),
  };
}

interface Used {
  cpuUs: number;
  writtenBytes: number;
  syncs: number | undefined;
}

function used({ pid, syncFile }: Watched): Used {
  return {
    cpuUs: cpuUs(pid),
    writtenBytes: writtenBytes(pid),
    syncs: syncFile === undefined ? undefined : syncsIn(syncFile),
  };
}
