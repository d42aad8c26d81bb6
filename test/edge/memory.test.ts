import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { residentGrowth } from "../../bench/edge.ts";
import { bundleWorker } from "../../bench/workerd.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "wasmq-edge-memory-"));
});
afterEach(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));

// /proc has the figures; `npm run bench -- --only edge` has them for 1 GB.
const why = "resident memory is read from /proc";
test.runIf(process.platform === "linux")(
  `workerd grows by 64 MB at most while 100 MB are written and read (${why})`,
  {
    timeout: 180_000,
  },
  async () => {
    const bundle = join(directory, "bundle");
    await bundleWorker(bundle);
    const { writing, reading } = await residentGrowth({ bundle, store: join(directory, "store"), bytes: 100e6 });
    expect(writing).toBeLessThan(64e6);
    expect(reading).toBeLessThan(64e6);
  },
);
