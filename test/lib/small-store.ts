import { loadCoreModule } from "#core-wasm";
import { clock } from "../../src/hosts/memory/clock.ts";
import { entropy } from "../../src/hosts/memory/entropy.ts";
import type { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { TimerScheduler } from "../../src/hosts/memory/scheduler.ts";
import type { CheckReport, RepairReport } from "../../src/ports/check.ts";
import type { LogStorage } from "../../src/ports/log-storage.ts";
import { silentTelemetry } from "../../src/ports/telemetry.ts";
import { checkStore, repairStore, type StoreSettings } from "../../src/wasmq.ts";
import { copyOf, MemoryBroker } from "./memory-broker.ts";
import { messagesOf, type PulledMessage } from "./remoting-client.ts";

/** Files so small that each boundary is met early. */
export const smallSizes = {
  mappedFileSizeCommitLog: 4096,
  mappedFileSizeConsumeQueue: 400,
  maxHashSlotNum: 20,
  maxIndexNum: 50,
};

export type Message = PulledMessage;

/** A store that was stopped cleanly, and what is in it. */
export interface SmallStore {
  readonly storage: MemoryLogStorage;
  readonly messages: readonly Message[];
}

const queues = [
  { topic: "T", queueId: 0 },
  { topic: "T", queueId: 1 },
  { topic: "U", queueId: 0 },
] as const;

/** Messages of all kinds in three queues, over several files. */
export async function smallStore(count = 60): Promise<SmallStore> {
  const broker = await MemoryBroker.start({ store: smallSizes });
  const client = broker.connect();
  for (let i = 0; i < count; i++) {
    const { topic, queueId } = queues[i % queues.length]!;
    const properties: Record<string, string> = {};
    if (i % 2 === 0) properties["TAGS"] = `Tag${i % 3}`;
    if (i % 5 === 0) properties["KEYS"] = `k${i}`;
    await client.send(topic, i % 7 === 3 ? "" : `m${i}`.padEnd(3 + ((i * 37) % 90), "."), { queueId, properties });
  }
  const messages = await allOf(broker);
  await broker.stop();
  return { storage: broker.storage, messages };
}

/** Every message that a broker serves, queue by queue. */
export async function allOf(broker: Pick<MemoryBroker, "connect">, subscription = "*"): Promise<Message[]> {
  const client = broker.connect();
  const found: Message[] = [];
  for (const { topic, queueId } of queues) {
    for (let offset = 0; ; ) {
      const answer = await client.pull("G", topic, queueId, offset, { subscription });
      if (answer.code === 0) found.push(...messagesOf(answer));
      else if (answer.code === 19 || answer.code === 17) break;
      offset = Number(answer.fields["nextBeginOffset"]);
    }
  }
  client.close();
  return found;
}

/** A copy in which one bit of a file has turned. */
export function flipped(storage: MemoryLogStorage, file: string, at: number, bit: number): MemoryLogStorage {
  const copy = copyOf(storage);
  const byte = new Uint8Array(1);
  copy.readNow(file, at, byte);
  byte[0]! ^= 1 << bit;
  copy.write([{ file, at, bytes: byte }]);
  return copy;
}

/** What a broker serves of a store, and what it says meanwhile. */
export async function served(
  storage: MemoryLogStorage,
  subscription = "*",
): Promise<{ messages: Message[]; logged: readonly string[] }> {
  const broker = await MemoryBroker.start({ store: smallSizes }, storage);
  try {
    return { messages: await allOf(broker, subscription), logged: broker.logged };
  } finally {
    await broker.stop();
  }
}

export async function checked(storage: LogStorage, settings: StoreSettings = smallSizes): Promise<CheckReport> {
  return checkStore({ storage, coreModule: await loadCoreModule() }, { settings });
}

export async function repaired(storage: LogStorage, settings: StoreSettings = smallSizes): Promise<RepairReport> {
  const scheduler = new TimerScheduler();
  try {
    const ports = {
      storage,
      clock,
      scheduler,
      entropy,
      telemetry: silentTelemetry,
      coreModule: await loadCoreModule(),
    };
    return await repairStore(ports, { settings });
  } finally {
    scheduler.stop();
  }
}
