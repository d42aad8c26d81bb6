import { execFile } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, spawned, waitFor } from "../server.ts";
import type { FindPeer, Peer } from "./peer.ts";

const START_DEADLINE_MS = 10_000;

/** Redis with its append-only file, flushed each second. Neither snapshots nor rewrites of the file come in between. */
export const findRedis: FindPeer = async () => {
  try {
    const { stdout } = await promisify(execFile)("redis-server", ["--version"]);
    return { version: /v=(\S+)/.exec(stdout)?.[1] ?? stdout.trim(), start };
  } catch (error) {
    return { missing: `no redis-server on the path (${(error as Error).message})` };
  }
};

async function start(syncLibrary?: string): Promise<Peer> {
  const directory = mkdtempSync(join(tmpdir(), "redis-bench-"));
  const port = await freePort();
  const settings = {
    ...{ bind: "127.0.0.1", port: String(port), dir: directory },
    ...{ appendonly: "yes", appendfsync: "everysec", save: "", "auto-aof-rewrite-percentage": "0" },
  };
  const args = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value]);
  const server = spawned({ command: "redis-server", args, directory, syncLibrary });
  await waitFor(server, () => server.output().includes("Ready to accept connections") || undefined, START_DEADLINE_MS);
  return { ...server, port, protocol: "resp" };
}
