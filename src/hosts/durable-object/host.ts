import { importMark } from "../../archive/import-store.ts";
import { smallBudget } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { LogStorage } from "../../ports/log-storage.ts";
import { silentTelemetry, type Telemetry } from "../../ports/telemetry.ts";
import {
  type BrokerOptions,
  type RunningBroker,
  type StoreSettings,
  startBroker,
  type TopicQueues,
} from "../../wasmq.ts";
import { clock } from "./clock.ts";
import { loadCoreModule } from "./core-module.ts";
import { entropy } from "./entropy.ts";
import { DurableObjectLogStorage } from "./log-storage.ts";
import { Sockets } from "./network.ts";
import type { ObjectContext } from "./platform.ts";
import { AlarmScheduler } from "./scheduler.ts";

export interface ObjectBrokerOptions {
  /** Default DefaultCluster. */
  readonly cluster?: string;
  /** Default broker-a. */
  readonly brokerName?: string;
  /** The broker's address as a client is told that came by `origin` (`wss://host`). */
  readonly brokerAddress: (origin: string) => string;
  /** RocketMQ's setting of that name. */
  readonly messageDelayLevel?: string;
  readonly telemetry?: Telemetry;
  /** Told the broker's topics, at each start all and then those that are new or changed: for a NameServer elsewhere. */
  readonly registered?: (topics: readonly TopicQueues[]) => void;
  /** Other sizes and intervals than `objectGeometry`. A store keeps the sizes it was written with. */
  readonly store?: BrokerOptions["store"];
  /** RocketMQ's settings of what a broker lets its clients do, and when, where they are not to be the usual ones. */
  readonly rules?: BrokerOptions["rules"];
}

/**
 * Small files, so that retention and export move little at a time. Nothing is due by time: a write is durable when it ends, and
 * ConsumeQueues and the index are written when the log has grown by what recovery reads in a few milliseconds.
 */
export const objectGeometry = {
  mappedFileSizeCommitLog: 16 * 1024 * 1024,
  mappedFileSizeConsumeQueue: 6_000 * 20,
  mapperFileSizeBatchConsumeQueue: 6_000 * 46,
  maxHashSlotNum: 20_000,
  maxIndexNum: 80_000,
  logWindowBytes: 64 * 1024,
  logWindows: 8,
  flushIntervalCommitLogMs: Number.POSITIVE_INFINITY,
  flushIntervalConsumeQueueMs: Number.POSITIVE_INFINITY,
  flushConsumeQueueThoroughIntervalMs: Number.POSITIVE_INFINITY,
  flushConsumeQueueThoroughBytes: 2 * 1024 * 1024,
} satisfies BrokerOptions["store"];

/**
 * A broker in a Durable Object. The object's class hands over its sockets (`sockets`) and its alarm.
 *
 * A send is answered when its message is durable, in both flush modes. The object may be evicted between any two events: the
 * next one starts the broker again from its storage, and sockets that the platform still holds go on where they were, with their
 * groups, locks and waiting pulls. Consumer offsets are written some seconds after they were committed.
 */
export class ObjectBroker {
  /** Ends when the broker has started, or could not. */
  readonly ready: Promise<void>;
  readonly #context: ObjectContext;
  readonly #options: ObjectBrokerOptions;
  readonly #storage: DurableObjectLogStorage;
  #scheduler!: AlarmScheduler;
  #running: { readonly broker: RunningBroker; readonly sockets: Sockets } | undefined;
  #failure: unknown;
  #isRefilling = false;

  /** Starts at once; whatever comes waits for it. */
  constructor(context: ObjectContext, options: ObjectBrokerOptions) {
    this.#context = context;
    this.#options = options;
    this.#storage = new DurableObjectLogStorage(context.storage);
    this.ready = context.blockConcurrencyWhile(() => this.#start());
  }

  /** Those who speak remoting. Throws why the broker could not start. */
  get sockets(): Sockets {
    return this.#started().sockets;
  }

  get broker(): RunningBroker {
    return this.#started().broker;
  }

  /** The store's files. */
  get storage(): LogStorage {
    return this.#storage;
  }

  /** What an archive of the store has to say of it that its files don't; one that was moved here says so itself. */
  get exportSettings(): StoreSettings {
    if (this.#storage.list("").some(({ name }) => name === "broker.conf")) return {};
    const { maxHashSlotNum, maxIndexNum } = { ...objectGeometry, ...this.#options.store };
    return { maxHashSlotNum, maxIndexNum };
  }

  /** The platform's alarm has come. */
  alarm(): void {
    this.#scheduler.alarm();
  }

  /** Ends cleanly: connections close, and the store has no `abort`. */
  async stop(): Promise<void> {
    const { broker, sockets } = this.#started();
    this.#running = undefined;
    this.#failure = new WasmqError("SERVICE_NOT_AVAILABLE", "the broker is stopped");
    await broker.stop();
    sockets.close();
  }

  /**
   * Fills the store anew: the broker stops, `fill` gets the storage with no file in it, and a broker starts on what is there then.
   * Who comes meanwhile is refused with SERVICE_NOT_AVAILABLE; a fill may take longer than the platform lets an object block its
   * events. Rejects with STORE_UNWRITABLE if there are messages already, and with what `fill` does.
   */
  async refill(fill: (storage: LogStorage) => Promise<void>): Promise<void> {
    if (this.#isRefilling) throw new WasmqError("STORE_UNWRITABLE", "the store is being filled already");
    const files = this.#storage.list("").map(({ name }) => name);
    // What an import left that did not end is no store.
    if (!files.includes(importMark) && files.some((name) => name.startsWith("commitlog/"))) {
      throw new WasmqError("STORE_UNWRITABLE", "the store has messages: import into a broker that never had any");
    }
    this.#isRefilling = true;
    try {
      if (this.#running !== undefined) await this.stop();
      this.#failure = new WasmqError("SERVICE_NOT_AVAILABLE", "the store is being filled");
      for (const { name } of this.#storage.list("")) this.#storage.delete(name);
      await fill(this.#storage);
    } finally {
      this.#isRefilling = false;
      await this.#context.blockConcurrencyWhile(() => this.#start());
    }
  }

  #started() {
    if (this.#running === undefined) throw this.#failure;
    return this.#running;
  }

  async #start(): Promise<void> {
    const { storage } = this.#context;
    const scheduler = new AlarmScheduler(storage, (await storage.getAlarm()) ?? undefined);
    this.#scheduler = scheduler;
    const { brokerName, cluster, messageDelayLevel, telemetry, brokerAddress, registered, store, rules } =
      this.#options;
    try {
      const broker = await startBroker(
        {
          storage: this.#storage,
          clock,
          scheduler,
          entropy,
          telemetry: telemetry ?? silentTelemetry,
          coreModule: await loadCoreModule(),
        },
        {
          brokerName: brokerName ?? "broker-a",
          clusterName: cluster ?? "DefaultCluster",
          // Nobody can connect to an object by an address: tools find it by the names in routes.
          storeHost: { address: "127.0.0.1", port: 10911 },
          brokerAddress,
          budget: smallBudget,
          // Well before an idle object is put to sleep, after some 10 s, and its memory with it.
          rules: { flushConsumerOffsetIntervalMs: 2_000, flushDelayOffsetIntervalMs: 1_000, ...rules },
          store: { ...objectGeometry, ...store },
          ...(registered === undefined ? {} : { registered }),
          ...(messageDelayLevel === undefined ? {} : { messageDelayLevel }),
        },
      );
      this.#running = {
        broker,
        sockets: new Sockets(this.#context, (connection, kept) => broker.accept(connection, kept)),
      };
    } catch (error) {
      // Told to each who asks, rather than resetting the object again and again.
      this.#failure = error;
    }
  }
}
