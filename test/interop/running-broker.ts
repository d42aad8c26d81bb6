import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

/** A NameServer and a broker on loopback, Apache's or ours: all that a suite knows of what it judges. */
export interface RunningBroker {
  /** host:port, as a client is told it. */
  readonly namesrv: string;
  /** storePathRootDir. */
  readonly store: string;
  /** SIGTERM; resolves when the broker has shut down cleanly, rejects when it ended otherwise. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** After stop or kill: a new broker on the same ports and store, ready. */
  restart(): Promise<void>;
  /** Ends whatever still runs and removes what was made for it; a store that was handed in stays. */
  close(): Promise<void>;
}

export interface BrokerOptions {
  /** An existing store to open; by default a new, empty one. */
  readonly store?: string;
  readonly flush?: "async" | "sync";
  /** Lines of a `broker.conf`. */
  readonly conf?: string;
}

export type StartBroker = (options?: BrokerOptions) => Promise<RunningBroker>;

export const startTimeoutMs = 90_000;
export const stopTimeoutMs = 60_000;

export function temporaryDirectory(purpose: string): Promise<string> {
  return mkdtemp(path.join(tmpdir(), `wasmq-interop-${purpose}-`));
}

export function removeDirectory(directory: string): Promise<void> {
  // A JVM that was killed may still be unmapping files.
  return rm(directory, { recursive: true, force: true, maxRetries: 5 });
}
