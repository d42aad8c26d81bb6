import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clock } from "../../../src/hosts/node/clock.ts";
import { loadCoreModule } from "../../../src/hosts/node/core-module.ts";
import { entropy } from "../../../src/hosts/node/entropy.ts";
import { NodeLogStorage } from "../../../src/hosts/node/log-storage.ts";
import { Listener } from "../../../src/hosts/node/network.ts";
import { NodeScheduler } from "../../../src/hosts/node/scheduler.ts";
import { startBroker } from "../../../src/wasmq.ts";
import { describeBehaviour } from "../../behaviour/behaviour.ts";
import { type HostedBroker, type HostedOptions, supportsAll, usualStoreHost } from "../../behaviour/host.ts";
import type { Wire, WireEvents } from "../../lib/remoting-client.ts";
import { openSocket } from "../../lib/socket-wire.ts";

const storeHost = { address: "127.0.0.1", port: 10911 };

describeBehaviour({
  name: "node",
  supports: supportsAll,
  async fresh(options) {
    const broker = new NodeHosted(options);
    await broker.start();
    return broker;
  },
});

/** The Node host's own ports, over TCP: `startWasmq` with the files of a size that a test can copy. */
class NodeHosted implements HostedBroker {
  readonly brokerAddress = "127.0.0.1:10911";
  readonly storeHost = usualStoreHost;
  readonly logged: string[] = [];
  #options: HostedOptions;
  #folder = mkdtempSync(join(tmpdir(), "wasmq-behaviour-"));
  #listener: Listener | undefined;
  #end: (() => Promise<void>) | undefined;
  #wires = new Set<Wire & { drop(): void }>();

  constructor(options: HostedOptions) {
    this.#options = options;
  }

  async start(options = this.#options): Promise<void> {
    this.#options = options;
    const scheduler = new NodeScheduler();
    const telemetry = { log: (level: string, event: string) => void this.logged.push(`${level}: ${event}`) };
    const storage = new NodeLogStorage(this.#folder);
    try {
      const broker = await startBroker(
        { storage, clock, scheduler, entropy, telemetry, coreModule: await loadCoreModule() },
        {
          brokerName: "broker-a",
          clusterName: "DefaultCluster",
          storeHost,
          brokerAddress: () => "127.0.0.1:10911",
          ...options,
        },
      );
      const listener = await Listener.listen("127.0.0.1", 0, telemetry);
      listener.serve((connection) => broker.accept(connection));
      this.#listener = listener;
      this.#end = async () => {
        const closed = listener.close(1_000);
        await broker.stop();
        scheduler.stop();
        await closed;
      };
    } catch (error) {
      scheduler.stop();
      throw error;
    }
  }

  async open(events: WireEvents): Promise<Wire> {
    const wire = await openSocket(this.#listener!.port, events);
    this.#wires.add(wire);
    return wire;
  }

  async stop(): Promise<void> {
    const end = this.#end;
    this.#end = undefined;
    await end?.();
  }

  async kill(): Promise<void> {
    for (const wire of this.#wires) wire.drop();
    this.#wires.clear();
    const left = mkdtempSync(join(tmpdir(), "wasmq-behaviour-"));
    cpSync(this.#folder, left, { recursive: true });
    // A dead process's lock stands in nobody's way; this process lives.
    rmSync(join(left, "lock"), { force: true });
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = left;
  }

  async files<T>(use: (storage: NodeLogStorage) => T | Promise<T>): Promise<T> {
    const storage = new NodeLogStorage(this.#folder);
    storage.lock();
    try {
      return await use(storage);
    } finally {
      storage.close();
    }
  }

  async dispose(): Promise<void> {
    for (const wire of this.#wires) wire.drop();
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
