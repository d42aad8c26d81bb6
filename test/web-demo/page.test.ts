import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright";
import { createServer } from "vite";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { Chromium, missingChromium, Site } from "../hosts/browser/e2e/chromium.ts";

const missing = missingChromium();
const root = join(import.meta.dirname, "../../web-demo");
const configFile = join(root, "vite.config.ts");
const groups = ["warehouse", "billing"];

/** Longer than until the next periodic rebalance, by which a group that missed a change finds out. */
const within = { timeout: 45_000 };

// Without Chromium there is nothing to drive: missingChromium says so.
describe.skipIf(missing !== undefined)("the demo, built and served below a path", { timeout: 120_000 }, () => {
  let site: Site;
  let browser: Chromium;
  let wrong: string[];

  beforeAll(async () => {
    site = await Site.serve({ root, configFile }, "/some/where/");
  }, 60_000);

  afterAll(() => site.close());

  beforeEach(async () => {
    wrong = [];
    browser = new Chromium();
    await browser.start();
  }, 60_000);

  afterEach(async () => {
    await browser.close();
    // The policy of the page speaks there too.
    expect(wrong).toEqual([]);
  }, 60_000);

  const open = async (query = "", url = site.url): Promise<Page> => {
    const page = await browser.newPage("about:blank");
    page.setDefaultTimeout(20_000);
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) wrong.push(message.text());
    });
    page.on("pageerror", (error) => wrong.push(error.message));
    await page.goto(url + query);
    await page.locator("#leader", { hasText: /^in / }).waitFor();
    return page;
  };

  test("what is published comes to both groups, and is a record of the CommitLog and in the archive", async () => {
    const page = await open();
    await publish(page, { Topic: "Orders", Tag: "TagB", Key: "order-7", Body: "the first" });
    await expect.poll(() => statusOf(page), within).toMatch(/^1 stored: queue \d, offset 0$/);
    for (const group of groups) {
      const row = page.locator(`#${group} .feed li`);
      await row.waitFor();
      expect(await row.locator(".place").textContent()).toMatch(/^Orders \d @ 0$/);
      expect(await row.locator(".body").textContent()).toBe("the first");
      expect(await row.locator(".note").allTextContents()).toEqual(["TagB", "order-7"]);
    }
    await expect.poll(() => recordsOf(page), within).toHaveLength(1);
    const [[offset, size, topic, , queueOffset, tags] = []] = await recordsOf(page);
    expect([offset, topic, queueOffset, tags]).toEqual(["0", "Orders", "0", "TagB"]);
    expect(Number(size)).toBeGreaterThan(100);

    const downloading = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download the store" }).click();
    const download = await downloading;
    expect(download.suggestedFilename()).toBe("wasmq-store.tar");
    const archive = await readFile(await download.path(), "latin1");
    for (const part of ["commitlog/00000000000000000000", "config/topics.json", "broker.conf", "the first"])
      expect(archive).toContain(part);
  });

  test("a burst of 500 is in order in each queue, and its records are listed by pages", async () => {
    const page = await open();
    await publish(page, { Body: "m", Messages: "500" });
    await expect.poll(() => statusOf(page), within).toMatch(/^500 stored in \d+ ms$/);
    for (const group of groups) {
      await expect.poll(() => page.locator(`#${group} .feed li`).count(), within).toBe(500);
      const queues = new Map<string, { offset: number; number: number }[]>();
      for (const { queue, offset, body } of await feedOf(page, group)) {
        const number = Number(/^m #(\d+)$/.exec(body)?.[1]);
        queues.set(queue, [...(queues.get(queue) ?? []), { offset, number }]);
      }
      expect(queues.size).toBe(4);
      for (const had of queues.values()) {
        expect(had.map(({ offset }) => offset)).toEqual(had.map((_, i) => i));
        const numbers = had.map(({ number }) => number);
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
      }
    }
    const pager = page.locator("#commit-log .pager [role=status]");
    await expect.poll(() => pager.textContent(), within).toBe("page 1 of 25, 500 records");
    const offsets: number[] = [];
    for (let pages = 1; pages <= 25; pages++) {
      await expect.poll(() => pager.textContent(), within).toMatch(new RegExp(`^page ${pages} `));
      offsets.push(...(await recordsOf(page)).map(([offset]) => Number(offset)));
      if (pages < 25) await page.getByRole("button", { name: "Older" }).click();
    }
    expect(offsets).toHaveLength(500);
    expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => b - a));
    expect(await page.getByRole("button", { name: "Older" }).isDisabled()).toBe(true);
    await page.getByRole("button", { name: "Newer" }).click();
    await expect.poll(() => pager.textContent(), within).toMatch(/^page 24 /);
  });

  test("a second tab sees the same, and takes over when the first is closed", async () => {
    const first = await open();
    const second = await open();
    expect(await first.locator("#leader").textContent()).toBe("in this tab");
    expect(await second.locator("#leader").textContent()).toMatch(/^in tab-/);
    await expect.poll(() => first.locator("#tabs").textContent(), within).toMatch(/^2 open/);
    await publish(first, { Body: "seen by all" });
    for (const page of [first, second]) {
      // A queue that goes from one tab's member to the other's just then brings its message again.
      const seen = async (group: string) => [...new Set(await bodiesOf(page, group))];
      for (const group of groups) await expect.poll(() => seen(group), within).toEqual(["seen by all"]);
      await expect.poll(() => recordsOf(page), within).toHaveLength(1);
    }
    await first.close();
    await second.locator("#leader", { hasText: "in this tab" }).waitFor();
    await publish(second, { Body: "after it" });
    await expect.poll(() => statusOf(second), within).toMatch(/^1 stored/);
    for (const group of groups) await expect.poll(() => bodiesOf(second, group), within).toContain("after it");
    await expect.poll(() => recordsOf(second), within).toHaveLength(2);
  });

  test("a reload keeps messages and positions", async () => {
    const page = await open();
    await publish(page, { Body: "kept", Messages: "8" });
    const consumed = /^Demo \d 2 2 0$/;
    for (const group of groups) {
      await expect
        .poll(async () => (await positionsOf(page, group)).filter((row) => consumed.test(row)), within)
        .toHaveLength(4);
    }
    await expect.poll(() => recordsOf(page), within).toHaveLength(8);
    const records = await recordsOf(page);
    const positions = await Promise.all(groups.map((group) => positionsOf(page, group)));
    // The broker writes positions within 5 s, and no request asks whether it has.
    await page.waitForTimeout(5_500);

    await page.reload();
    await expect.poll(() => recordsOf(page), within).toEqual(records);
    expect(await Promise.all(groups.map((group) => positionsOf(page, group)))).toEqual(positions);
    await publish(page, { Body: "new" });
    // Nothing comes again.
    for (const group of groups) await expect.poll(() => bodiesOf(page, group), within).toEqual(["new"]);
  });

  test("what a group fails comes to it again; what it is paused for waits; the other group is not held up", async () => {
    const page = await open("?storage=indexeddb&flush=sync");
    expect(await page.locator("#storage").textContent()).toBe("IndexedDB");
    expect(await page.locator("#flush").textContent()).toBe("SYNC_FLUSH");
    await page.locator("#billing").getByRole("radio", { name: "Fail" }).check();
    await publish(page, { Body: "not now" });
    const rows = page.locator("#billing .feed li");
    await rows.filter({ hasText: "retry 1" }).filter({ hasText: "failed" }).first().waitFor();
    await page.locator("#billing").getByRole("radio", { name: "Consume" }).check();
    await expect
      .poll(async () => (await rows.first().locator(".note").allTextContents()).join(), within)
      .toMatch(/retry \d+$/);
    expect(new Set(await bodiesOf(page, "billing"))).toEqual(new Set(["not now"]));
    expect(await bodiesOf(page, "warehouse")).toEqual(["not now"]);

    await page.locator("#billing").getByRole("radio", { name: "Pause" }).check();
    await publish(page, { Body: "later" });
    await expect.poll(() => bodiesOf(page, "warehouse"), within).toEqual(["later", "not now"]);
    await expect.poll(() => behind(page, "billing"), within).toBeGreaterThan(0);
    expect(await bodiesOf(page, "billing")).not.toContain("later");
    await page.locator("#billing").getByRole("radio", { name: "Consume" }).check();
    await expect.poll(() => bodiesOf(page, "billing"), within).toContain("later");
  });

  test("a group takes the tags that it asks for; a delayed message comes after its delay", async () => {
    const page = await open();
    const tags = page.locator("#billing").getByLabel("Tags");
    await tags.fill("TagB || TagC");
    await tags.press("Enter");
    await publish(page, { Tag: "TagA", Body: "for one" });
    await publish(page, { Tag: "TagC", Body: "for both" });
    await page.getByLabel("Delay").selectOption("1 s");
    await publish(page, { Tag: "TagB", Body: "a second later" });
    await expect.poll(() => bodiesOf(page, "billing"), within).toEqual(["a second later", "for both"]);
    await expect.poll(() => bodiesOf(page, "warehouse"), within).toEqual(["a second later", "for both", "for one"]);
    await expect
      .poll(async () => (await recordsOf(page)).map(([, , topic]) => topic), within)
      .toContain("SCHEDULE_TOPIC_XXXX");

    await tags.fill("||");
    await tags.press("Enter");
    const code = page.locator("#trouble code");
    await code.waitFor();
    expect(await code.textContent()).toBe("SUBSCRIPTION_PARSE_FAILED");
    await tags.fill("*");
    await tags.press("Enter");
    await page.getByLabel("Delay").selectOption("no delay");
    await publish(page, { Tag: "TagA", Body: "again" });
    await expect.poll(() => bodiesOf(page, "billing"), within).toContain("again");
  });

  test("the form is used by the keyboard alone; what is refused says so with its code", async () => {
    const page = await open();
    const type = async (text: string): Promise<void> => {
      await page.keyboard.press("ControlOrMeta+A");
      await page.keyboard.type(text);
    };
    const focusedLabel = () =>
      page.evaluate(() => {
        const focused = document.activeElement as HTMLInputElement;
        return (focused.labels?.[0]?.textContent ?? focused.textContent ?? "").trim();
      });
    await page.keyboard.press("Tab");
    expect(await focusedLabel()).toBe("Topic");
    await type("Keys");
    await page.keyboard.press("Tab");
    await type("TagK");
    await page.keyboard.press("Tab");
    await type("k-1");
    await page.keyboard.press("Tab");
    await type("typed");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    expect(await focusedLabel()).toBe("Messages");
    await type("2");
    await page.keyboard.press("Tab");
    expect(await focusedLabel()).toBe("Publish");
    await page.keyboard.press("Space");
    await expect.poll(async () => (await bodiesOf(page, "warehouse")).sort(), within).toEqual(["typed #1", "typed #2"]);
    expect(await focusedLabel()).toBe("Publish");

    await page.keyboard.press("Shift+Tab");
    for (let i = 0; i < 5; i++) await page.keyboard.press("Shift+Tab");
    expect(await focusedLabel()).toBe("Topic");
    await type("no such name!");
    await page.keyboard.press("Enter");
    await expect.poll(() => statusOf(page), within).toMatch(/^0 of 2 stored\. [A-Z_]+: .*illegal characters/);
    expect(await page.locator("#trouble code").allTextContents()).toHaveLength(1);
  });

  test("nothing is wider than a narrow screen, and a wrong address says what is wrong", async () => {
    const page = await open();
    await page.setViewportSize({ width: 360, height: 740 });
    await publish(page, { Body: "w".repeat(300), Key: "k".repeat(40), Topic: "T".repeat(100) });
    await page.locator("#warehouse .feed li").waitFor();
    await page.locator("#warehouse details > summary").click();
    await expect.poll(() => recordsOf(page), within).toHaveLength(1);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    await page.goto(`${site.url}?storage=tape`);
    expect(await page.locator("#trouble li").textContent()).toMatch(
      /INVALID_PARAMETER start: storage is opfs or indexeddb, not tape/,
    );
  });

  test("the dev server has the same page, under the same policy", async () => {
    const cacheDir = mkdtempSync(join(tmpdir(), "wasmq-vite-"));
    onTestFinished(() => rmSync(cacheDir, { recursive: true, force: true }));
    const server = await createServer({ root, configFile, cacheDir, logLevel: "warn", server: { port: 0 } });
    onTestFinished(() => server.close());
    await server.listen();
    const page = await open("", server.resolvedUrls!.local[0]!);
    expect(new URL(page.url()).hostname).toBe("127.0.0.1");
    await publish(page, { Body: "in development" });
    for (const group of groups) await expect.poll(() => bodiesOf(page, group), within).toEqual(["in development"]);
  });
});

async function publish(page: Page, fields: Readonly<Record<string, string>>): Promise<void> {
  for (const [label, value] of Object.entries(fields)) await page.locator("#publish").getByLabel(label).fill(value);
  await page.getByRole("button", { name: "Publish" }).click();
  await page.locator("#publish button:not([aria-disabled])").waitFor();
}

async function statusOf(page: Page): Promise<string> {
  return (await page.locator("#publish .status").textContent()) ?? "";
}

/** Cells of the records on the page. */
function recordsOf(page: Page): Promise<string[][]> {
  return page
    .locator("#commit-log tbody tr")
    .evaluateAll((rows) => rows.map((row) => Array.from(row.children, (cell) => cell.textContent ?? "")));
}

/** The oldest first. */
function feedOf(page: Page, group: string): Promise<{ queue: string; offset: number; body: string }[]> {
  return page.locator(`#${group} .feed li`).evaluateAll((rows) =>
    rows.reverse().map((row) => ({
      queue: (row as HTMLElement).dataset["queue"] ?? "",
      offset: Number((row as HTMLElement).dataset["offset"]),
      body: row.querySelector(".body")?.textContent ?? "",
    })),
  );
}

/** The newest first. */
function bodiesOf(page: Page, group: string): Promise<string[]> {
  return page.locator(`#${group} .feed .body`).allTextContents();
}

function positionsOf(page: Page, group: string): Promise<string[]> {
  return page
    .locator(`#${group} tbody tr`)
    .evaluateAll((rows) => rows.map((row) => Array.from(row.children, ({ textContent }) => textContent).join(" ")));
}

async function behind(page: Page, group: string): Promise<number> {
  const summary = await page.locator(`#${group} .summary`).textContent();
  return Number(/, (\d+) behind$/.exec(summary ?? "")?.[1]);
}
