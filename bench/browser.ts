import { join } from "node:path";
import type { Page } from "playwright";
import type { Measured, Run } from "./browser/worker.ts";
import { Chromium, Site } from "./chromium.ts";
import type { BenchRow } from "./rows.ts";

const BATCHES = [1, 16, 256] as const;
const RUN_MS = 500;
/** Alternated with the storage alone; the best of each counts, and the median of the ratios of each round. */
const ROUNDS = 3;
const MODES = [
  { name: "IndexedDB, strict", storage: "indexeddb", flush: "sync" },
  { name: "IndexedDB, relaxed", storage: "indexeddb", flush: "async" },
  { name: "OPFS, flushed", storage: "opfs", flush: "sync" },
  { name: "OPFS", storage: "opfs", flush: "async" },
] as const;

/** The engine in a Worker of Chromium beside its storage alone: the bytes of the records as one write. */
export async function benchBrowser(): Promise<BenchRow[]> {
  const site = await Site.serve({
    root: join(import.meta.dirname, "browser"),
    configFile: false,
    worker: { format: "es" },
    build: { target: "es2023" },
  });
  const browser = new Chromium();
  try {
    await browser.start();
    const page = await browser.newPage(site.url);
    const rows: BenchRow[] = [];
    for (const mode of MODES) for (const batch of BATCHES) rows.push(...(await besideStorage(page, mode, batch)));
    return rows;
  } finally {
    await browser.close();
    await site.close();
  }
}

async function besideStorage(page: Page, mode: (typeof MODES)[number], batch: number): Promise<BenchRow[]> {
  const { name, storage, flush } = mode;
  const hows = batch === 1 ? (["raw", "sends"] as const) : (["raw", "sends", "batch"] as const);
  const rates = { raw: [] as number[], sends: [] as number[], batch: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const how of hows) {
      const run: Run = { batch, ms: RUN_MS, how, storage, flush };
      const measured = await page.evaluate((asked): Promise<Measured> => window.measure(asked), run);
      if ("failed" in measured) throw new Error(`${name}: ${measured.failed}`);
      rates[how].push((measured.records * 1000) / measured.ms);
    }
  }
  const raw = Math.max(...rates.raw);
  return hows.flatMap((how): BenchRow[] => {
    if (how === "raw") return [];
    const best = Math.max(...rates[how]);
    const shape = `Chromium, ${name}, ${how === "sends" ? `${batch} sends at a time` : `batch messages of ${batch}`}`;
    const medians = rates[how].map((rate, round) => rate / rates.raw[round]!).sort((a, b) => a - b);
    const median = medians[Math.floor(ROUNDS / 2)]!.toFixed(2);
    const beside = `its storage alone (${Math.round(raw)} records/s; median of rounds ${median})`;
    const ratio = best / raw;
    return [
      { name: shape, value: best, unit: "records/s", ratio: { beside, value: ratio } },
      ...(batch === 1 ? [] : [{ name: shape, value: ratio, unit: "of storage", goal: ">= 0.5" }]),
    ];
  });
}
