import type { Page } from "playwright";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { FlushMode, StorageKind } from "../../../../src/hosts/browser/index.ts";
import type { Read } from "../page/page.ts";
import { Chromium, enter, missingChromium, Site, testPage } from "./chromium.ts";

const missing = missingChromium();

const modes: readonly { storage: StorageKind; flush: FlushMode }[] = [
  { storage: "indexeddb", flush: "sync" },
  { storage: "indexeddb", flush: "async" },
  { storage: "opfs", flush: "sync" },
  { storage: "opfs", flush: "async" },
];

// Without Chromium there is nothing to drive: missingChromium says so.
describe.skipIf(missing !== undefined)("a broker in a browser", { timeout: 120_000 }, () => {
  let site: Site;
  let browser: Chromium;

  beforeAll(async () => {
    site = await Site.serve(testPage);
  }, 120_000);

  afterAll(() => site.close());

  beforeEach(async () => {
    browser = new Chromium();
    await browser.start();
  }, 60_000);

  afterEach(() => browser.close(), 60_000);

  const open = async (options: { storage?: StorageKind; flush?: FlushMode } = {}): Promise<Page> => {
    const page = await browser.newPage(site.origin);
    await enter(page, options);
    return page;
  };

  test.each(modes)("a reload keeps all: $storage, $flush", async (mode) => {
    const page = await open(mode);
    await page.evaluate(() => window.tab.send("Reload", "m", 500, 300));
    const acked = await page.evaluate(() => window.tab.acked);
    expect(acked.length).toBeGreaterThanOrEqual(500);
    await page.reload();
    await enter(page, mode);
    const read = await page.evaluate(() => window.tab.readAll("Reload"));
    expect(bodiesOf(read).sort()).toEqual(acked.sort());
  });

  test.each([
    ["is closed", (leader: Page) => leader.close()],
    ["crashes", (leader: Page) => browser.crash(leader)],
  ] as const)("the leader's tab %s in mid-send: the next tab goes on, and nothing acked is lost", async (_how, end) => {
    const leader = await open();
    await leader.evaluate(() => window.tab.send("Takeover", "before", 10));
    const ackedBefore = await leader.evaluate(() => window.tab.acked);
    const other = await open();
    await other.evaluate(() => window.tab.startSending("Takeover", "m", 500, 8));
    await other.waitForFunction(() => window.tab.acked.length > 200);
    expect(await leader.evaluate(() => window.tab.isLeader)).toBe(true);
    expect(await other.evaluate(() => window.tab.isLeader)).toBe(false);

    await end(leader);
    const ackedAtClose = await other.evaluate(() => window.tab.acked.length);
    await other.waitForFunction((count) => window.tab.acked.length > count + 200, ackedAtClose, { timeout: 60_000 });
    expect(await other.evaluate(() => window.tab.isLeader)).toBe(true);
    await other.evaluate(() => window.tab.stopSending());
    const acked = await other.evaluate(() => window.tab.acked);
    const read = new Set(bodiesOf(await other.evaluate(() => window.tab.readAll("Takeover"))));
    expect([...ackedBefore, ...acked].filter((body) => !read.has(body))).toEqual([]);
  });

  test.each(modes)(
    "quota used up: the sender hears it, nothing acked is lost, and it goes on: $storage, $flush",
    async (mode) => {
      const page = await browser.newPage(site.origin);
      // From the start: Chromium asks again for the room there is when what it was told is used up, or half a minute old.
      // And what is open in OPFS takes about a megabyte a file in advance.
      await browser.setQuota(page, mode.storage === "opfs" ? 16_000_000 : 4_000_000);
      await enter(page, mode);
      await page.evaluate(() => window.tab.send("Quota", "before", 10));
      await page.evaluate(() => window.tab.startSending("Quota", "m", 30_000, 4));
      await page.waitForFunction(() => window.tab.failures.length >= 8, undefined, { timeout: 30_000 });
      const failures = await page.evaluate(() => window.tab.failures);
      for (const { code, message } of failures) {
        expect(code).toBe("SERVICE_NOT_AVAILABLE");
        expect(message).toMatch(/the disk is full/);
      }
      const ackedFull = await page.evaluate(() => window.tab.acked);
      const readFull = new Set(bodiesOf(await page.evaluate(() => window.tab.readAll("Quota"))));
      expect(ackedFull.filter((body) => !readFull.has(body))).toEqual([]);

      await browser.setQuota(page, undefined);
      await page.waitForFunction((count) => window.tab.acked.length > count + 50, ackedFull.length, {
        timeout: 30_000,
      });
      await page.evaluate(() => window.tab.stopSending());
      const acked = await page.evaluate(() => window.tab.acked);
      await page.reload();
      await enter(page, mode);
      const read = new Set(bodiesOf(await page.evaluate(() => window.tab.readAll("Quota"))));
      expect(acked.filter((body) => !read.has(body))).toEqual([]);
    },
  );

  test.each(modes)("the browser is killed in mid-load: everything acked is there: $storage, $flush", async (mode) => {
    const acked = new Set<string>();
    for (let round = 0; round < 2; round++) {
      const page = await browser.newPage(site.origin);
      await page.exposeFunction("tellAcked", (name: string) => acked.add(name));
      await enter(page, mode);
      const before = acked.size;
      await page.evaluate((prefix) => window.tab.startSending("Killed", prefix, 700, 32), `r${round}-`);
      await expect.poll(() => acked.size, { timeout: 30_000 }).toBeGreaterThan(before + 500);
      await browser.kill();
      await browser.start();
    }
    const page = await open(mode);
    const read = new Set(namesOf(await page.evaluate(() => window.tab.readAll("Killed"))));
    expect([...acked].filter((name) => !read.has(name))).toEqual([]);
  });

  test("10,000 messages through two tabs, in order per queue", async () => {
    const producer = await open();
    await producer.evaluate(() => window.tab.send("Through", "warm", 1));
    const consumer = await open();
    const following = consumer.evaluate(() => window.tab.follow("Through", 10_002));
    await producer.evaluate(() => window.tab.send("Through", "m", 10_000, 200));
    const read = await following;
    const queues = new Map<number, Read[]>();
    for (const message of read) queues.set(message.queueId, [...(queues.get(message.queueId) ?? []), message]);
    expect(queues.size).toBeGreaterThan(1);
    for (const messages of queues.values()) {
      expect(messages.map(({ queueOffset }) => queueOffset)).toEqual(messages.map((_, i) => i));
      const numbers = messages.map(({ body }) => Number(/^m(\d+) /.exec(body)?.[1] ?? -1));
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    }
    expect(new Set(bodiesOf(read)).size).toBe(10_002);
  });
});

function bodiesOf(read: readonly Read[]): string[] {
  return read.map(({ body }) => body);
}

function namesOf(read: readonly Read[]): string[] {
  return read.map(({ body }) => body.slice(0, body.indexOf(" ")));
}
