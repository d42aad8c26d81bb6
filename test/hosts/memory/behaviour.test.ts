import { loadCoreModule } from "#core-wasm";
import { startInMemory } from "../../../src/hosts/memory/host.ts";
import { MemoryLogStorage } from "../../../src/hosts/memory/log-storage.ts";
import type { RunningBroker } from "../../../src/wasmq.ts";
import { describeBehaviour } from "../../behaviour/behaviour.ts";
import { type HostedBroker, type HostedOptions, supportsAll, usualStoreHost } from "../../behaviour/host.ts";
import { openInProcess } from "../../lib/in-process-client.ts";
import { copyOf } from "../../lib/memory-broker.ts";
import type { Wire, WireEvents } from "../../lib/remoting-client.ts";

describeBehaviour({
  name: "memory",
  supports: supportsAll,
  async fresh(options) {
    const broker = new MemoryHosted(options);
    await broker.start();
    return broker;
  },
});

class MemoryHosted implements HostedBroker {
  readonly brokerAddress = "127.0.0.1:10911";
  readonly storeHost = usualStoreHost;
  readonly logged: string[] = [];
  #options: HostedOptions;
  #storage = new MemoryLogStorage();
  #running: RunningBroker | undefined;
  #wires: { severed: boolean; readonly events: WireEvents }[] = [];

  constructor(options: HostedOptions) {
    this.#options = options;
  }

  async start(options = this.#options): Promise<void> {
    this.#options = options;
    this.#running = await startInMemory({
      coreModule: await loadCoreModule(),
      storage: this.#storage,
      telemetry: { log: (level, event) => this.logged.push(`${level}: ${event}`) },
      broker: options,
    });
  }

  open(events: WireEvents): Wire {
    const wire = { severed: false, events };
    this.#wires.push(wire);
    return openInProcess(
      this.#running!,
      {
        received: (bytes) => wire.severed || events.received(bytes),
        closed: () => wire.severed || events.closed(),
      },
      this.#wires.length,
    );
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.stop();
  }

  async kill(): Promise<void> {
    this.#storage = copyOf(this.#storage);
    const wires = this.#wires;
    this.#wires = [];
    for (const wire of wires) {
      if (!wire.severed) wire.events.closed();
      wire.severed = true;
    }
    // It goes on unseen, on a store that nobody looks at any more, until its timers are ended.
    await this.stop();
  }

  async files<T>(use: (storage: MemoryLogStorage) => T | Promise<T>): Promise<T> {
    return use(this.#storage);
  }

  dispose(): Promise<void> {
    return this.stop();
  }
}
