import type { Telemetry } from "../src/hosts/durable-object/index.ts";

/** One JSON object a line, where the platform's log takes them. Routine news stay out: they are billed. */
export const log: Telemetry = {
  log(level, event, fields) {
    if (level !== "info") console[level](JSON.stringify({ level, event, ...fields }));
  },
};
