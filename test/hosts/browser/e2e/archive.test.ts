/** A store written in a page is exported by it, and served by an Apache broker. */
import { execFile } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startApache } from "../../../interop/apache-broker.ts";
import { JavaClients } from "../../../interop/java-client.ts";
import { removeDirectory, temporaryDirectory } from "../../../interop/running-broker.ts";
import { missingTool } from "../../../interop/toolchain.ts";
import { Chromium, enter, missingChromium, Site, testPage } from "./chromium.ts";

const run = promisify(execFile);
const timeoutMs = 360_000;
const consumeMs = 120_000;

// Both say what is missing.
const missing = missingChromium() ?? (await missingTool());

describe.skipIf(missing !== undefined)("a store exported from a page", { timeout: timeoutMs }, () => {
  let site: Site;
  let java: JavaClients;
  let browser: Chromium;
  let directory: string;

  beforeAll(async () => {
    java = await JavaClients.of("5.5.0");
    site = await Site.serve(testPage);
  }, timeoutMs);
  afterAll(async () => {
    await site?.close();
    await java?.close();
  }, timeoutMs);
  beforeEach(async () => {
    directory = await temporaryDirectory("page");
    browser = new Chromium();
    await browser.start();
  }, timeoutMs);
  afterEach(async () => {
    await browser.close();
    await removeDirectory(directory);
  }, timeoutMs);

  test.each(["indexeddb", "opfs"] as const)(
    "from %s, Apache 5.5.0 opens it, and a Java client consumes every message with its body",
    async (storage) => {
      const leader = await browser.newPage(site.origin);
      await enter(leader, { storage });
      // 20 MB: two CommitLog files.
      const sent = await leader.evaluate(() => window.tab.sendKeyed("Moved", "moved-", 1_000, 20_000));
      expect(Object.keys(sent)).toHaveLength(1_000);

      const other = await browser.newPage(site.origin);
      const archive = path.join(directory, "store.tar");
      const file = createWriteStream(archive);
      await other.exposeFunction("takePiece", (base64: string) => void file.write(Buffer.from(base64, "base64")));
      await enter(other, { storage });
      await other.evaluate(() => window.tab.exportStore());
      await new Promise<void>((resolve) => file.end(resolve));
      await browser.kill();

      const store = path.join(directory, "store");
      await mkdir(store);
      await run("tar", ["xf", archive, "-C", store]);
      const apache = await startApache({ store, conf: await readFile(path.join(store, "broker.conf"), "utf8") });
      try {
        const consumer = java.start(apache.namesrv, "Consume", { topic: "Moved", group: "AtApache" });
        await consumer.untilCaughtUp(1_000, consumeMs);
        await consumer.stop();
        const read = Object.fromEntries(consumer.all("message").map((line) => [line.keys, line.bodySha256]));
        expect(read).toEqual(sent);
      } finally {
        await apache.close();
      }
    },
  );
});
