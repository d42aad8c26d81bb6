import { loadCoreModule } from "#core-wasm";
import { startInMemory } from "../../src/hosts/memory/host.ts";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import type { LogStorage } from "../../src/ports/log-storage.ts";
import type { Telemetry } from "../../src/ports/telemetry.ts";
import type { BrokerOptions, RunningBroker } from "../../src/wasmq.ts";
import { InProcessClient } from "./in-process-client.ts";

/** A broker in memory whose store outlives it, as a directory would. */
export class MemoryBroker<S extends LogStorage = MemoryLogStorage> {
  readonly storage: S;
  readonly logged: string[] = [];
  readonly #options: Partial<BrokerOptions>;
  #running: RunningBroker | undefined;

  constructor(options: Partial<BrokerOptions>, storage: S) {
    this.#options = options;
    this.storage = storage;
  }

  static start(options?: Partial<BrokerOptions>): Promise<MemoryBroker>;
  static start<S extends LogStorage>(options: Partial<BrokerOptions>, storage: S): Promise<MemoryBroker<S>>;
  static async start(options: Partial<BrokerOptions> = {}, storage: LogStorage = new MemoryLogStorage()) {
    const broker = new MemoryBroker(options, storage);
    await broker.start();
    return broker;
  }

  async start(): Promise<void> {
    const telemetry: Telemetry = { log: (level, event) => this.logged.push(`${level}: ${event}`) };
    this.#running = await startInMemory({
      coreModule: await loadCoreModule(),
      storage: this.storage,
      telemetry,
      broker: this.#options,
    });
  }

  connect(port?: number): InProcessClient {
    return new InProcessClient(this.#running!, port);
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    this.#running = undefined;
  }
}

/** What a kill -9 at this moment would leave; the broker on it goes on unseen. */
export function copyOf(storage: MemoryLogStorage): MemoryLogStorage {
  const files: MemoryLogStorage["files"] = new Map();
  for (const [name, file] of storage.files) {
    files.set(name, { ...file, pieces: new Map([...file.pieces].map(([index, piece]) => [index, piece.slice()])) });
  }
  return new MemoryLogStorage(files);
}
