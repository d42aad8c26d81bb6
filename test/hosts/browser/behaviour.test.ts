import { tabCarrier } from "../../../src/hosts/browser/carrier.ts";
import { IndexedDbLogStorage } from "../../../src/hosts/browser/indexeddb-log-storage.ts";
import type { StorageKind } from "../../../src/hosts/browser/log-storage.ts";
import { type ErrorCode, WasmqError } from "../../../src/ports/error.ts";
import type { LogStorage } from "../../../src/ports/log-storage.ts";
import { describeBehaviour } from "../../behaviour/behaviour.ts";
import { type HostedBroker, type HostedOptions, supportsAll, usualStoreHost } from "../../behaviour/host.ts";
import type { Wire, WireEvents } from "../../lib/remoting-client.ts";
import type { BrokerCall, BrokerReport } from "./broker-worker.ts";
import { OpfsWorker } from "./opfs-proxy.ts";

for (const [name, kind] of [
  ["browser, IndexedDB", "indexeddb"],
  ["browser, OPFS", "opfs"],
] as const) {
  describeBehaviour({
    name,
    supports: supportsAll,
    async fresh(options) {
      const broker = new TabHosted(kind, options);
      await broker.start();
      return broker;
    },
  });
}

/** A Worker that takes one broker after the other; loading its modules takes longer than most tests. */
class BrokerWorker {
  logged: string[] = [];
  brokers = 0;
  readonly #worker = new Worker(new URL("./broker-worker.ts", import.meta.url), { type: "module" });
  readonly #waiting = new Map<number, (error: { code: string; message: string } | undefined) => void>();
  #calls = 0;

  constructor() {
    this.#worker.addEventListener("message", ({ data }: MessageEvent<BrokerReport>) => {
      if ("logged" in data) {
        this.logged.push(data.logged);
        return;
      }
      this.#waiting.get(data.id)?.(data.error);
      this.#waiting.delete(data.id);
    });
    this.#worker.addEventListener("error", ({ message }) => this.#failed(`its script does not run: ${message}`));
  }

  async call(call: Omit<BrokerCall, "id">): Promise<void> {
    const id = ++this.#calls;
    const ended = new Promise<{ code: string; message: string } | undefined>((resolve) =>
      this.#waiting.set(id, resolve),
    );
    this.#worker.postMessage({ ...call, id } satisfies BrokerCall);
    const error = await ended;
    if (error !== undefined) throw new WasmqError(error.code as ErrorCode, error.message);
  }

  /** As a crash of the tab: nothing is closed. */
  terminate(): void {
    this.#worker.terminate();
  }

  /** Its script could not be loaded. */
  #failed(message: string): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const end of waiting) end({ code: "SYSTEM_ERROR", message });
  }
}

const idleWorkers: BrokerWorker[] = [];
/** A Worker's memory has room for some hundred cores, and they go when they are collected, which may be late. */
const brokersPerWorkerMax = 20;

function rest(worker: BrokerWorker): void {
  if (worker.brokers < brokersPerWorkerMax) idleWorkers.push(worker);
  else worker.terminate();
}

/** Only in a Worker OPFS files are open for reading and writing at once. */
const opfs = new OpfsWorker();

class TabHosted implements HostedBroker {
  readonly logged: string[] = [];
  readonly storeHost = usualStoreHost;
  readonly #kind: StorageKind;
  readonly #name = `behaviour-${crypto.randomUUID()}`;
  readonly brokerAddress = `tab:${this.#name}`;
  readonly #wires = new Set<{ severed: boolean; readonly events: WireEvents; wire?: Wire }>();
  #options: HostedOptions;
  #worker: BrokerWorker | undefined;

  constructor(kind: StorageKind, options: HostedOptions) {
    this.#kind = kind;
    this.#options = options;
  }

  async start(options = this.#options): Promise<void> {
    this.#options = options;
    const { brokerName, clusterName, messageDelayLevel, store, rules = {} } = options;
    const { flushDiskType, ...sizes } = store ?? {};
    const worker = idleWorkers.pop() ?? new BrokerWorker();
    worker.logged = this.logged;
    worker.brokers++;
    try {
      await worker.call({
        start: {
          name: this.#name,
          storage: this.#kind,
          flush: flushDiskType === "SYNC_FLUSH" ? "sync" : "async",
          store: sizes,
          rules,
          ...(clusterName === undefined ? {} : { cluster: clusterName }),
          ...(brokerName === undefined ? {} : { brokerName }),
          ...(messageDelayLevel === undefined ? {} : { messageDelayLevel }),
          ...(rules === undefined ? {} : { rules }),
        },
      });
      this.#worker = worker;
    } catch (error) {
      rest(worker);
      throw error;
    }
  }

  async open(events: WireEvents): Promise<Wire> {
    const end: { severed: boolean; events: WireEvents; wire?: Wire } = { severed: false, events };
    this.#wires.add(end);
    end.wire = await tabCarrier.dial(this.brokerAddress, {
      received: (bytes) => end.severed || events.received(bytes),
      closed: () => this.#sever(end),
    });
    return end.wire;
  }

  async stop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker === undefined) return;
    await worker.call({});
    rest(worker);
  }

  async kill(): Promise<void> {
    this.#worker?.terminate();
    this.#worker = undefined;
    for (const end of this.#wires) this.#sever(end);
  }

  async files<T>(use: (storage: LogStorage) => T | Promise<T>): Promise<T> {
    const storage =
      this.#kind === "opfs" ? await opfs.open(this.#name) : new IndexedDbLogStorage(this.#name, "relaxed", lockWaitMs);
    await taken(storage);
    try {
      return await use(storage);
    } finally {
      await storage.close();
    }
  }

  async dispose(): Promise<void> {
    for (const end of this.#wires) end.wire?.close();
    await this.stop();
    if (this.#kind === "indexeddb") {
      indexedDB.deleteDatabase(this.#name);
    } else {
      const stores = await (await navigator.storage.getDirectory()).getDirectoryHandle("wasmq");
      await stores.removeEntry(encodeURIComponent(this.#name), { recursive: true });
    }
  }

  #sever(end: { severed: boolean; readonly events: WireEvents; wire?: Wire }): void {
    this.#wires.delete(end);
    if (end.severed) return;
    end.severed = true;
    end.events.closed();
    end.wire?.close();
  }
}

const lockWaitMs = 10_000;

/** The Worker of a broker that was killed lives a moment longer, and its locks with it. */
async function taken(storage: LogStorage): Promise<void> {
  const untilMs = performance.now() + lockWaitMs;
  for (;;) {
    try {
      await storage.lock();
      return;
    } catch (error) {
      if ((error as WasmqError).code !== "STORE_LOCKED" || performance.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
