import { exportStore } from "../../archive/export-store.ts";
import { importMark, importStore } from "../../archive/import-store.ts";
import { smallBudget } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { LogStorage } from "../../ports/log-storage.ts";
import type { Connection, ConnectionHandler } from "../../ports/network.ts";
import { silentTelemetry, type Telemetry } from "../../ports/telemetry.ts";
import { type BrokerOptions, type RunningBroker, startBroker } from "../../wasmq.ts";
import { clock } from "./clock.ts";
import { loadCoreModule } from "./core-module.ts";
import { entropy } from "./entropy.ts";
import { type FlushMode, logStorage, type StorageKind, usualStorage } from "./log-storage.ts";
import { addressPrefix } from "./names.ts";
import { Listener, type Services } from "./network.ts";
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
  /** RocketMQ's settings of what a broker lets its clients do, and when, where they are not to be the usual ones. */
  readonly rules?: BrokerOptions["rules"];
}

export interface BrowserBroker {
  /** What clients dial, as NameServer and as broker, with `tabCarrier`. */
  readonly address: string;
  readonly storageKind: StorageKind;
  readonly storage: LogStorage;
  /** Takes a connection of the Worker's own. Throws SERVICE_NOT_AVAILABLE while an archive is imported. */
  readonly accept: RunningBroker["accept"];
  /** Answers what was asked, keeps everything and ends. Asked again: the same stop. */
  stop(): Promise<void>;
}

/** Small files, so that retention and export move little at a time. */
export const browserGeometry = {
  mappedFileSizeCommitLog: 16 * 1024 * 1024,
  mappedFileSizeConsumeQueue: 6_000 * 20,
  mapperFileSizeBatchConsumeQueue: 6_000 * 46,
  maxHashSlotNum: 20_000,
  maxIndexNum: 80_000,
  logWindowBytes: 64 * 1024,
  logWindows: 8,
  // All of the origin's storages, and what else fills the disk.
  watchesDisk: true,
} satisfies BrokerOptions["store"];

/** Lines get this long to take their last answers. */
const closeGraceMs = 1_000;

/**
 * Starts a NameServer and a broker in this dedicated Worker and serves all tabs of the origin. Rejects with a `WasmqError`, and
 * tells the tabs: STORE_LOCKED, STORE_UNREADABLE, STORE_FULL, INVALID_PARAMETER.
 */
export async function startInBrowser(options: BrowserBrokerOptions): Promise<BrowserBroker> {
  const { name } = options;
  const listener = new Listener(name);
  let host: Host;
  try {
    host = new Host(options, options.storage ?? (await usualStorage(name)), listener);
    await host.start();
  } catch (error) {
    const failure = asWasmqError(error, name);
    listener.failed(failure);
    await listener.close(0);
    throw failure;
  }
  await listener.serve(host);
  host.stopWhenAsked();
  return host;
}

interface Running {
  readonly broker: RunningBroker;
  readonly storage: LogStorage;
  readonly scheduler: WorkerScheduler;
}

/** One broker after the other: an import starts a new one on the store that it filled. */
class Host implements BrowserBroker, Services {
  readonly address: string;
  readonly storageKind: StorageKind;
  readonly #options: BrowserBrokerOptions;
  readonly #listener: Listener;
  #running: Running | undefined;
  /** The import that is under way, or was. */
  #filling: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: BrowserBrokerOptions, storageKind: StorageKind, listener: Listener) {
    this.address = addressPrefix + options.name;
    this.storageKind = storageKind;
    this.#options = options;
    this.#listener = listener;
  }

  get storage(): LogStorage {
    return this.#served().storage;
  }

  get isServing(): boolean {
    return this.#running !== undefined;
  }

  accept(connection: Connection): ConnectionHandler {
    return this.#served().broker.accept(connection);
  }

  /** What an import left that did not end is no store, and there was none before it. */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      if (!(error instanceof WasmqError) || error.code !== "STORE_UNREADABLE") throw error;
      const isImport = await this.#withStorage(async (storage) => {
        const found = (await storage.list("")).some((file) => file.name === importMark);
        if (found) await empty(storage);
        return found;
      });
      if (!isImport) throw error;
      await this.#start();
    }
  }

  async *exportStore(): AsyncGenerator<Uint8Array, void> {
    const { storage } = this.#served();
    const { messageDelayLevel, store = {} } = this.#options;
    const {
      mappedFileSizeCommitLog = browserGeometry.mappedFileSizeCommitLog,
      mappedFileSizeConsumeQueue = browserGeometry.mappedFileSizeConsumeQueue,
      mapperFileSizeBatchConsumeQueue = browserGeometry.mapperFileSizeBatchConsumeQueue,
      maxHashSlotNum = browserGeometry.maxHashSlotNum,
      maxIndexNum = browserGeometry.maxIndexNum,
    } = store;
    // A store that was moved here says itself what it is.
    const wasMoved = (await storage.list("")).some((file) => file.name === "broker.conf");
    yield* exportStore(storage, {
      ...(wasMoved
        ? {}
        : {
            ...{ ...this.#names, mappedFileSizeCommitLog, mappedFileSizeConsumeQueue, mapperFileSizeBatchConsumeQueue },
            ...{ maxHashSlotNum, maxIndexNum },
          }),
      ...(messageDelayLevel === undefined ? {} : { messageDelayLevel }),
    });
  }

  async importStore(pieces: AsyncGenerator<Uint8Array, void>): Promise<void> {
    await refuseMessages(this.#served().storage);
    const running = this.#served();
    this.#running = undefined;
    const filling = this.#fill(running, pieces);
    this.#filling = filling.catch(() => {});
    await filling;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  stopWhenAsked(): void {
    addEventListener("message", this.#asked);
  }

  readonly #asked = ({ data }: MessageEvent<StopRequest | undefined>): void => {
    const port = data?.wasmqStop;
    if (!(port instanceof MessagePort)) return;
    // Its failure is told by telemetry; the tab must not wait for ever.
    this.stop()
      .catch(() => {})
      .finally(() => port.postMessage("stopped"));
  };

  async #stop(): Promise<void> {
    removeEventListener("message", this.#asked);
    const closed = this.#listener.close(closeGraceMs);
    await this.#filling;
    const running = this.#running;
    this.#running = undefined;
    try {
      await running?.broker.stop();
    } finally {
      running?.scheduler.stop();
      await closed;
    }
  }

  #served(): Running {
    if (this.#running !== undefined) return this.#running;
    throw new WasmqError("SERVICE_NOT_AVAILABLE", "the broker is stopped, or its store is being filled");
  }

  get #names(): { readonly brokerName: string; readonly brokerClusterName: string } {
    const { brokerName = "broker-a", cluster = "DefaultCluster" } = this.#options;
    return { brokerName, brokerClusterName: cluster };
  }

  async #start(): Promise<void> {
    const { flush, telemetry = silentTelemetry, messageDelayLevel, store, rules = {} } = this.#options;
    const { brokerName, brokerClusterName } = this.#names;
    const storage = this.#newStorage();
    const scheduler = new WorkerScheduler();
    try {
      const broker = await startBroker(
        { storage, clock, scheduler, entropy, telemetry, coreModule: await loadCoreModule() },
        {
          brokerName,
          clusterName: brokerClusterName,
          // Records and message ids have room for an IP address only; nobody dials this one.
          storeHost: { address: "127.0.0.1", port: 10911 },
          brokerAddress: () => this.address,
          budget: smallBudget,
          rules,
          store: {
            ...browserGeometry,
            ...store,
            flushDiskType: flush === "sync" ? "SYNC_FLUSH" : "ASYNC_FLUSH",
          },
          ...(messageDelayLevel === undefined ? {} : { messageDelayLevel }),
        },
      );
      this.#running = { broker, storage, scheduler };
    } catch (error) {
      scheduler.stop();
      throw error;
    }
  }

  async #fill({ broker, scheduler }: Running, pieces: AsyncGenerator<Uint8Array, void>): Promise<void> {
    let isOurs = false;
    try {
      await broker.stop().finally(() => scheduler.stop());
      await this.#withStorage(async (storage) => {
        // Some may have come before the broker was stopped.
        await refuseMessages(storage);
        isOurs = true;
        await empty(storage);
        await importStore(pieces, storage);
      });
      await this.#start();
    } catch (error) {
      await this.#startAgain(isOurs);
      throw error;
    } finally {
      if (this.isServing) this.#listener.serving();
    }
  }

  /** After a failed import. A broker that can't even do that is ended, and the tab that owns it hears why. */
  async #startAgain(isOurs: boolean): Promise<void> {
    try {
      if (isOurs) await this.#withStorage(empty);
      if (this.#stopped === undefined) await this.#start();
    } catch (error) {
      this.#listener.failed(asWasmqError(error, this.#options.name));
    }
  }

  async #withStorage<T>(work: (storage: LogStorage) => Promise<T>): Promise<T> {
    const storage = this.#newStorage();
    await storage.lock();
    try {
      return await work(storage);
    } finally {
      await storage.close();
    }
  }

  #newStorage(): LogStorage {
    return logStorage(this.storageKind, this.#options.name, this.#options.flush ?? "async");
  }
}

async function refuseMessages(storage: LogStorage): Promise<void> {
  if ((await storage.list("")).some((file) => file.name.startsWith("commitlog/"))) {
    throw new WasmqError("STORE_UNWRITABLE", "the store has messages: import into a broker that never had any");
  }
}

/** The mark of an import goes last: without it, what is there would be taken for a store. */
async function empty(storage: LogStorage): Promise<void> {
  const names = (await storage.list("")).map((file) => file.name);
  for (const name of names) if (name !== importMark) await storage.delete(name);
  if (names.includes(importMark)) await storage.delete(importMark);
  await storage.sync([]);
}

/** What the tab that owns a Worker tells it: to stop, and where to say that it has. */
export interface StopRequest {
  readonly wasmqStop: MessagePort;
}

/** An error of the browser at the start was one of the store, or of loading the core. */
function asWasmqError(error: unknown, name: string): WasmqError {
  if (error instanceof WasmqError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new WasmqError("STORE_UNREADABLE", `the store ${name} can't be used: ${reason}`, { cause: error });
}
