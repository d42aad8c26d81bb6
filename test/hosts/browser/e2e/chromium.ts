import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright";
import type { InlineConfig } from "vite";
import { chromiumPath } from "../../../../bench/chromium.ts";
import type { FlushMode, StorageKind } from "../../../../src/hosts/browser/index.ts";
import type {} from "../page/page.ts";

export { Chromium, Site } from "../../../../bench/chromium.ts";

/** Why a browser can't be driven here, or undefined. On CI that is a failure, never a skip. */
export function missingChromium(): string | undefined {
  if (existsSync(chromiumPath)) return undefined;
  const missing = `no Chromium at ${chromiumPath} (CHROMIUM names another)`;
  if (process.env["CI"] !== undefined) throw new Error(`browser tests need it on CI: ${missing}`);
  console.warn(`browser tests skipped: ${missing}`);
  return missing;
}

/** The page of `../page`. */
export const testPage: InlineConfig = {
  root: join(import.meta.dirname, "../page"),
  configFile: false,
  worker: { format: "es" },
  build: { target: "es2023" },
};

/** Lets the page be a tab of the broker; one browser has one store, in a profile of its own. */
export async function enter(page: Page, options: { storage?: StorageKind; flush?: FlushMode }): Promise<void> {
  await page.evaluate((given) => {
    window.tab = new window.Tab({ name: "e2e", ...given });
  }, options);
}
