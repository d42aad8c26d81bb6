import { smallBudget } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { LogStorage } from "../../ports/log-storage.ts";
import { silentTelemetry, type Telemetry } from "../../ports/telemetry.ts";
import { type BrokerOptions, type RunningBroker, startBroker } from "../../wasmq.ts";
import { clock } from "./clock.ts";
import { loadCoreModule } from "./core-module.ts";
import { entropy } from "./entropy.ts";
import { type FlushMode, logStorage, type StorageKind, usualStorage } from "./log-storage.ts";
import { addressPrefix } from "./names.ts";
import { Listener } from "./network.ts";
import { WorkerScheduler } from "./scheduler.ts";

export interface BrowserBrokerOptions {
  /** Names the store, and the broker to the tabs that dial it. */
  readonly name: string;
  /**
   * Where messages are kept. Default: "opfs" where the browser has it, unless there is an IndexedDB database of this name. A store does
   * not move from one to the other by itself.
   */
  readonly storage?: StorageKind;
  /**
   * When a send is answered: "async" (default) once the operating system has the message, so that it survives the death of the tab
   * and of the browser; "sync" once the browser says that the medium has it.
   */
  readonly flush?: FlushMode;
  /** Default DefaultCluster. */
  readonly cluster?: string;
  /** Default broker-a. */
  readonly brokerName?: string;
  /** RocketMQ's setting of that name. Default `1s 5s 10s 30s 1m 2m ... 2h`. */
  readonly messageDelayLevel?: string;
  /** Where the broker says what an operator should know. Default: nowhere. */
  readonly telemetry?: Telemetry;
  /** Other sizes and intervals than this host's. A store keeps the sizes it was written with. */
  readonly store?: BrokerOptions["store"];
}

export interface BrowserBroker {
  /** What clients dial, as NameServer and as broker, with `tabCarrier`. */
  readonly address: string;
  readonly storageKind: StorageKind;
  readonly storage: LogStorage;
  /** Takes a connection of the Worker's own. */
  readonly accept: RunningBroker["accept"];
  /** Answers what was asked, keeps everything and ends. Asked again: the same stop. */
  stop(): Promise<void>;
}

/** Small files, so that retention and export move little at a time. */
export const browserGeometry = {
  mappedFileSizeCommitLog: 16 * 1024 * 1024,
  mappedFileSizeConsumeQueue: 6_000 * 20,
} satisfies BrokerOptions["store"];

/** Lines get this long to take their last answers. */
const closeGraceMs = 1_000;

/**
 * Starts a NameServer and a broker in this dedicated Worker and serves all tabs of the origin. Rejects with a `WasmqError`, and
 * tells the tabs: STORE_LOCKED, STORE_UNREADABLE, STORE_FULL, INVALID_PARAMETER.
 */
export async function startInBrowser(options: BrowserBrokerOptions): Promise<BrowserBroker> {
  const { name, flush = "async", telemetry = silentTelemetry } = options;
  const scheduler = new WorkerScheduler();
  const listener = new Listener(name);
  let kind: StorageKind;
  let storage: LogStorage;
  let broker: RunningBroker;
  try {
    kind = options.storage ?? (await usualStorage(name));
    storage = logStorage(kind, name, flush);
    broker = await startBroker(
      { storage, clock, scheduler, entropy, telemetry, coreModule: await loadCoreModule() },
      {
        brokerName: options.brokerName ?? "broker-a",
        clusterName: options.cluster ?? "DefaultCluster",
        // Records and message ids have room for an IP address only; nobody dials this one.
        storeHost: { address: "127.0.0.1", port: 10911 },
        brokerAddress: () => addressPrefix + name,
        budget: smallBudget,
        store: {
          ...browserGeometry,
          ...options.store,
          flushDiskType: flush === "sync" ? "SYNC_FLUSH" : "ASYNC_FLUSH",
        },
        ...(options.messageDelayLevel === undefined ? {} : { messageDelayLevel: options.messageDelayLevel }),
      },
    );
  } catch (error) {
    scheduler.stop();
    const failure = asWasmqError(error, name);
    listener.failed(failure);
    await listener.close(0);
    throw failure;
  }
  await listener.serve((connection) => broker.accept(connection));
  const stop = async (): Promise<void> => {
    const closed = listener.close(closeGraceMs);
    try {
      await broker.stop();
    } finally {
      scheduler.stop();
      await closed;
    }
  };
  let stopped: Promise<void> | undefined;
  const stopOnce = (): Promise<void> => {
    stopped ??= stop();
    return stopped;
  };
  stopWhenAsked(stopOnce);
  return { address: addressPrefix + name, storageKind: kind, storage, accept: broker.accept, stop: stopOnce };
}

/** What the tab that owns a Worker tells it: to stop, and where to say that it has. */
export interface StopRequest {
  readonly wasmqStop: MessagePort;
}

function stopWhenAsked(stop: () => Promise<void>): void {
  addEventListener("message", ({ data }: MessageEvent<StopRequest | undefined>) => {
    const port = data?.wasmqStop;
    if (!(port instanceof MessagePort)) return;
    // Its failure is told by telemetry; the tab must not wait for ever.
    stop()
      .catch(() => {})
      .finally(() => port.postMessage("stopped"));
  });
}

/** An error of the browser at the start was one of the store, or of loading the core. */
function asWasmqError(error: unknown, name: string): WasmqError {
  if (error instanceof WasmqError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new WasmqError("STORE_UNREADABLE", `the store ${name} can't be used: ${reason}`, { cause: error });
}
