import { execFile } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { built } from "../built.ts";
import { freePort, spawned, waitFor } from "../server.ts";
import type { FindPeer, Peer } from "./peer.ts";

const MODULE = "github.com/nats-io/nats-server/v2";
const VERSION = "2.15.2";
const START_DEADLINE_MS = 10_000;

/** NATS with JetStream: file storage, one replica. Go builds it of its module once. */
export const findNats: FindPeer = async () => {
  try {
    const directory = await built(`nats-server-${VERSION}`, async (into) => {
      await promisify(execFile)("go", ["install", `${MODULE}@v${VERSION}`], { env: { ...process.env, GOBIN: into } });
    });
    return { version: VERSION, start: () => start(join(directory, "nats-server")) };
  } catch (error) {
    return { missing: `Go can't build ${MODULE} (${(error as Error).message.split("\n")[0]})` };
  }
};

/** A program in Go makes its system calls itself: its syncs can't be counted. */
async function start(command: string): Promise<Peer> {
  const directory = mkdtempSync(join(tmpdir(), "nats-bench-"));
  const port = await freePort();
  const server = spawned({
    command,
    args: ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", directory],
    directory,
  });
  await waitFor(server, () => server.output().includes("Server is ready") || undefined, START_DEADLINE_MS);
  return { ...server, port, protocol: "nats" };
}
