/** What the README has people type. */
import { execFile, spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Client, webSocket } from "../../src/client/index.ts";
import { until } from "../client/suite.ts";
import { freePort } from "../interop/ports.ts";

const root = join(import.meta.dirname, "../..");
const timeoutMs = 180_000;

let directory: string;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "wasmq-edge-commands-"));
  env = { ...process.env, WRANGLER_LOG_PATH: join(directory, "logs") };
});
afterEach(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));

test("npm run deploy:edge -- --dry-run makes what would be uploaded", { timeout: timeoutMs }, async () => {
  const out = join(directory, "out");
  const args = ["run", "deploy:edge", "--", "--dry-run", "--outdir", out];
  const { stdout } = await promisify(execFile)("npm", args, { cwd: root, env });
  for (const bound of ["env.BROKER (BrokerObject)", "env.NAME_SERVER (NameServerObject)", "env.BROKERS (1)"]) {
    expect(stdout).toContain(bound);
  }
  expect(stdout).toContain("--dry-run: exiting now");
  const files = await readdir(out);
  expect(files).toContain("worker.js");
  expect(files.filter((name) => name.endsWith(".wasm"))).toHaveLength(1);
});

test("npm run dev:edge serves HTTP and the client on this machine", { timeout: timeoutMs }, async () => {
  const [port, inspectorPort] = [await freePort(), await freePort()];
  const args = ["run", "dev:edge", "--", "--port", `${port}`, "--inspector-port", `${inspectorPort}`];
  const dev = spawn("npm", [...args, "--persist-to", join(directory, "state")], {
    ...{ cwd: root, env, detached: true },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [dev.stdout, dev.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = new Promise<void>((resolve) => dev.once("close", () => resolve()));
  const answers = () =>
    fetch(`http://127.0.0.1:${port}/`).then(
      (response) => response.ok,
      () => false,
    );
  try {
    await until(answers, "an answer", 120_000).catch((error: Error) => {
      throw new Error(`${error.message}\n${said}`);
    });
    expect(said).toContain(`http://127.0.0.1:${port}`);
    const client = new Client({ nameServers: [`ws://127.0.0.1:${port}/name-server`], carrier: webSocket() });
    const { status } = await client.producer({ sendTimeoutMs: 30_000 }).send({ topic: "T", body: "hello" });
    expect(status).toBe("SEND_OK");
    await client.close();
    const response = await fetch(`http://127.0.0.1:${port}/topics/T/messages?group=G&wait=10`);
    expect(await response.json()).toMatchObject([{ topic: "T", body: btoa("hello") }]);
  } finally {
    // npm, wrangler and its workerd are one process group.
    if (dev.exitCode === null) process.kill(-dev.pid!, "SIGTERM");
    const late = setTimeout(() => process.kill(-dev.pid!, "SIGKILL"), 20_000);
    await ended;
    clearTimeout(late);
  }
});
