import type { Carrier } from "../../client/carrier.ts";
import { silentTelemetry, type Telemetry } from "../../ports/telemetry.ts";
import { tabCarrier } from "./carrier.ts";
import type { StopRequest } from "./host.ts";
import { exportFrom, importInto } from "./moving.ts";
import { addressPrefix, type BrokerMessage, brokerChannel, lockName, whenReleased } from "./names.ts";

export interface TabsOptions {
  /** As the Worker gives it to `startInBrowser`. */
  readonly name: string;
  /** Makes the dedicated Worker that calls `startInBrowser`; called when it is this tab's turn to have the broker. */
  readonly worker: () => Worker;
  /** Is told when the broker could not be started or ended unasked. Default: nobody. */
  readonly telemetry?: Telemetry;
}

export interface TabsBroker {
  /** What clients dial, as NameServer and as broker. */
  readonly address: string;
  readonly carrier: Carrier;
  /** True while this tab has the broker. */
  readonly isLeader: boolean;
  /**
   * The store as one tar stream, whichever tab has the broker: what `wasmq export` makes. The broker goes on; every message that was
   * acknowledged before the first read is in it. Its errors are a `WasmqError`.
   */
  exportStore(): ReadableStream<Uint8Array>;
  /**
   * Fills a broker that never had messages with such a stream; lines close meanwhile and clients dial again. Resolves when the
   * broker serves what was in it. Rejects with a `WasmqError`, and the store is empty then: STORE_UNWRITABLE if there are
   * messages already (they stay), STORE_UNREADABLE or INVALID_PARAMETER for a stream that is no store, STORE_FULL, SYSTEM_ERROR
   * with the message of a stream that fails, CONNECTION_CLOSED or SERVICE_NOT_AVAILABLE when the broker's tab is closed.
   */
  importStore(archive: ReadableStream<Uint8Array>): Promise<void>;
  /** Leaves the broker to the other tabs; if this one has it, it is stopped cleanly first. */
  close(): Promise<void>;
}

/** Before a broker that could not be started is tried again, here or in another tab. */
const retryMs = 2_000;

/**
 * The broker of all tabs that call this with one name: one of them, the leader, has it in a Worker. When the leader is closed,
 * however it happens, the next tab starts the broker on the same store; lines close, and clients dial again.
 */
export function openBroker(options: TabsOptions): TabsBroker {
  const member = new Member(options);
  void member.run();
  return {
    address: addressPrefix + options.name,
    carrier: tabCarrier,
    get isLeader() {
      return member.isLeader;
    },
    exportStore: () => exportFrom(options.name),
    importStore: (archive) => importInto(options.name, archive),
    close: () => member.close(),
  };
}

class Member {
  readonly #name: string;
  readonly #makeWorker: () => Worker;
  readonly #telemetry: Telemetry;
  readonly #closing = new AbortController();
  isLeader = false;
  #ended: Promise<void> | undefined;

  constructor({ name, worker, telemetry }: TabsOptions) {
    this.#name = name;
    this.#makeWorker = worker;
    this.#telemetry = telemetry ?? silentTelemetry;
  }

  run(): Promise<void> {
    this.#ended ??= this.#run();
    return this.#ended;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await navigator.locks.request(lockName.leader(this.#name), { signal }, () => this.#lead(signal));
      } catch (error) {
        if (signal.aborted) return;
        this.#telemetry.log("error", "this tab can't have the broker", { name: this.#name, error: String(error) });
      }
      await this.#pause(signal);
    }
  }

  /** Ends when this tab is to have the broker no longer; throws when the Worker failed. */
  async #lead(signal: AbortSignal): Promise<void> {
    const calls = brokerChannel(this.#name);
    const worker = this.#makeWorker();
    const ending = new AbortController();
    this.isLeader = true;
    try {
      await new Promise<void>((resolve, reject) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
        worker.addEventListener("error", ({ message }) => reject(new Error(message || "its Worker can't be run")));
        calls.onmessage = ({ data }: MessageEvent<BrokerMessage>) => {
          if ("failed" in data) {
            reject(new Error(`${data.failed.code}: ${data.failed.message}`));
          } else if ("serving" in data) {
            const gone = () => reject(new Error("the broker has ended"));
            whenReleased(lockName.broker(this.#name, data.serving), ending.signal, gone);
          }
        };
      });
      await stopped(worker);
    } finally {
      this.isLeader = false;
      ending.abort();
      worker.terminate();
      calls.close();
    }
  }

  #pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const timer = setTimeout(resolve, retryMs);
      const aborted = () => {
        clearTimeout(timer);
        resolve();
      };
      signal.addEventListener("abort", aborted, { once: true });
    });
  }
}

/** A Worker that has not come to serve yet does not hear it; it is ended soon enough. */
const stopWaitMs = 5_000;

function stopped(worker: Worker): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, stopWaitMs);
    port1.onmessage = () => {
      clearTimeout(timer);
      resolve();
    };
    worker.postMessage({ wasmqStop: port2 } satisfies StopRequest, [port2]);
  }).finally(() => port1.close());
}
