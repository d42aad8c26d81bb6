import type { LogStorage } from "../../ports/log-storage.ts";
import { silentTelemetry, type Telemetry } from "../../ports/telemetry.ts";
import { type BrokerOptions, type RunningBroker, startBroker } from "../../wasmq.ts";
import { clock } from "./clock.ts";
import { entropy } from "./entropy.ts";
import { MemoryLogStorage } from "./log-storage.ts";
import { TimerScheduler } from "./scheduler.ts";

export interface MemoryHostOptions {
  readonly coreModule: WebAssembly.Module;
  readonly storage?: LogStorage;
  readonly telemetry?: Telemetry;
  readonly broker?: Partial<BrokerOptions>;
}

/** IndexFiles that fill up soon, and cost little memory. */
const memoryGeometry = { maxHashSlotNum: 5_000, maxIndexNum: 20_000 } satisfies BrokerOptions["store"];

/** A broker without any platform: for tests, and for the one who wants to see the engine alone. */
export async function startInMemory(options: MemoryHostOptions): Promise<RunningBroker> {
  const scheduler = new TimerScheduler();
  const broker = await startBroker(
    {
      storage: options.storage ?? new MemoryLogStorage(),
      clock,
      scheduler,
      entropy,
      telemetry: options.telemetry ?? silentTelemetry,
      coreModule: options.coreModule,
    },
    {
      brokerName: "broker-a",
      clusterName: "DefaultCluster",
      storeHost: { address: "127.0.0.1", port: 10911 },
      brokerAddress: () => "127.0.0.1:10911",
      ...options.broker,
      store: { ...memoryGeometry, ...options.broker?.store },
    },
  );
  return {
    accept: broker.accept,
    async stop() {
      await broker.stop();
      scheduler.stop();
    },
  };
}
