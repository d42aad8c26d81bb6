import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright";
import { build, type InlineConfig } from "vite";

export const chromiumPath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** A page built as an application's bundler would, on a port of its own. */
export class Site {
  readonly origin: string;
  /** Where the page is. */
  readonly url: string;
  readonly #server: Server;
  readonly #folder: string;

  private constructor(server: Server, folder: string, path: string) {
    this.#server = server;
    this.#folder = folder;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.url = this.origin + path;
  }

  /** `path` begins and ends with a slash: nothing is served above it. */
  static async serve(page: InlineConfig, path = "/"): Promise<Site> {
    const folder = mkdtempSync(join(tmpdir(), "wasmq-site-"));
    await build({ ...page, logLevel: "warn", build: { ...page.build, outDir: folder, emptyOutDir: true } });
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url!, "http://site");
      const file = pathname === path ? "index.html" : pathname.startsWith(path) ? pathname.slice(path.length) : "none";
      readFile(join(folder, file)).then(
        (bytes) => response.setHeader("content-type", types[extname(file)] ?? "application/octet-stream").end(bytes),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Site(server, folder, path);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const types: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".html": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};

/** A Chromium with a profile of its own, which outlives it: it may be killed and started again. */
export class Chromium {
  readonly #profile = mkdtempSync(join(tmpdir(), "wasmq-chromium-"));
  #process: ChildProcess | undefined;
  #browser: Browser | undefined;

  async start(): Promise<void> {
    rmSync(join(this.#profile, "DevToolsActivePort"), { force: true });
    this.#process = spawn(
      chromiumPath,
      [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        // A tab in the background is as quick as one in front.
        "--disable-background-timer-throttling",
        "--disable-renderer-backgrounding",
        "--disable-backgrounding-occluded-windows",
        "--remote-debugging-port=0",
        `--user-data-dir=${this.#profile}`,
        "about:blank",
      ],
      // A group of its own: its processes are killed with it.
      { stdio: "ignore", detached: true },
    );
    this.#browser = await chromium.connectOverCDP(`http://127.0.0.1:${await this.#debuggingPort()}`);
  }

  async newPage(url: string): Promise<Page> {
    const page = await this.#browser!.contexts()[0]!.newPage();
    await page.goto(url);
    return page;
  }

  /** What the origin may keep, in bytes; undefined for as much as there is. */
  async setQuota(page: Page, quotaSize: number | undefined): Promise<void> {
    const session = await page.context().newCDPSession(page);
    const { origin } = new URL(page.url());
    await session.send("Storage.overrideQuotaForOrigin", { origin, ...(quotaSize === undefined ? {} : { quotaSize }) });
    // The override ends with the session.
    this.#sessions.push(session);
  }

  readonly #sessions: unknown[] = [];

  /** Ends the page's renderer as a crash does, with the Workers in it. */
  async crash(page: Page): Promise<void> {
    const session = await page.context().newCDPSession(page);
    const crashed = page.waitForEvent("crash");
    // Nobody is left to answer.
    void session.send("Page.crash").catch(() => {});
    await crashed;
  }

  /** SIGKILL, all of it at once. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    process.kill(-child.pid!, "SIGKILL");
    await ended;
    await this.#browser?.close().catch(() => {});
    this.#browser = undefined;
  }

  async close(): Promise<void> {
    await this.kill();
    // Its last processes may still be ending.
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  async #debuggingPort(): Promise<string> {
    for (;;) {
      const text = await readFile(join(this.#profile, "DevToolsActivePort"), "utf8").catch(() => "");
      const [port, path] = text.split("\n");
      if (path !== undefined) return port!;
      if (this.#process!.exitCode !== null) throw new Error(`Chromium ended with ${this.#process!.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
