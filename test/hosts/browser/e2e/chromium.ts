import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright";
import { build } from "vite";

const executable = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** Why a browser can't be driven here, or undefined. On CI that is a failure, never a skip. */
export function missingChromium(): string | undefined {
  if (existsSync(executable)) return undefined;
  const missing = `no Chromium at ${executable} (CHROMIUM names another)`;
  if (process.env["CI"] !== undefined) throw new Error(`browser tests need it on CI: ${missing}`);
  console.warn(`browser tests skipped: ${missing}`);
  return missing;
}

/** The page of `../page`, built as an application's bundler would, on a port of its own. */
export class Site {
  readonly origin: string;
  readonly #server: Server;
  readonly #folder: string;

  private constructor(server: Server, folder: string) {
    this.#server = server;
    this.#folder = folder;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async serve(): Promise<Site> {
    const folder = mkdtempSync(join(tmpdir(), "wasmq-site-"));
    await build({
      root: join(import.meta.dirname, "../page"),
      configFile: false,
      logLevel: "warn",
      worker: { format: "es" },
      build: { outDir: folder, emptyOutDir: true, target: "es2023" },
    });
    const server = createServer((request, response) => {
      const path = request.url === "/" ? "/index.html" : request.url!;
      readFile(join(folder, path)).then(
        (bytes) => response.setHeader("content-type", types[extname(path)] ?? "application/octet-stream").end(bytes),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Site(server, folder);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const types: Readonly<Record<string, string>> = {
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
      executable,
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
