import { Broker } from "./broker/broker.ts";
import { DelayLevels, defaultDelayLevels } from "./broker/delay/delay-levels.ts";
import { deliverTimeAsTagsCode } from "./broker/delay/park.ts";
import { checkTopicName } from "./broker/names.ts";
import type { TopicConfig } from "./broker/topic/topic-config.ts";
import { type MemoryBudget, serverBudget } from "./limits.ts";
import { type BrokerAddress, localBroker, RouteTable, type TopicQueues } from "./namesrv/route-table.ts";
import { WasmqError } from "./ports/error.ts";
import type { Connection, ConnectionHandler } from "./ports/network.ts";
import type { Ports } from "./ports/ports.ts";
import { brokerHandlers, nameServerHandlers } from "./protocol/remoting/handlers.ts";
import { Remoting } from "./protocol/remoting/remoting.ts";
import { DueQueue } from "./store/due-queue.ts";
import { defaultStoreOptions, type StoreOptions } from "./store/options.ts";
import { settingsOf, storedConf } from "./store/settings.ts";
import { Store } from "./store/store.ts";

export interface BrokerOptions {
  readonly brokerName: string;
  readonly clusterName: string;
  /** The address in records and message ids; one for as long as the broker runs. */
  readonly storeHost: { readonly address: string; readonly port: number };
  /** `host:port` of the broker for a client that came by `localAddress`. */
  readonly brokerAddress: (localAddress: string) => string;
  /** What a store that was moved here says of itself in its `broker.conf` goes before these sizes: they are its files'. */
  readonly store?: Partial<Omit<StoreOptions, "tagsCodeOf">>;
  /** RocketMQ's settings flushConsumerOffsetInterval (default 5,000 ms) and flushDelayOffsetInterval (10,000 ms). */
  readonly flushConsumerOffsetIntervalMs?: number;
  readonly flushDelayOffsetIntervalMs?: number;
  /** Default `serverBudget`. */
  readonly budget?: MemoryBudget;
  /** Told the broker's topics, at the start all and then those that are new or changed: for a NameServer elsewhere. */
  readonly registered?: (topics: readonly TopicQueues[]) => void;
  /** RocketMQ's setting of that name: the delay of each level. */
  readonly messageDelayLevel?: string;
}

export interface RunningBroker {
  /**
   * Takes a connection that speaks remoting, to the NameServer or to the broker. `kept` is what it was last given to keep
   * (`Connection.keep`), for one that was open before this broker started.
   */
  accept(connection: Connection, kept?: Uint8Array): ConnectionHandler;
  /** Answers what was sent, ends the connections, keeps everything and gives the store back. Asked again: the same stop. */
  stop(): Promise<void>;
}

/**
 * The engine, whatever the host: NameServer and broker on one store. Read from here: the store keeps messages
 * (`store/store.ts`), the broker gives them RocketMQ's meaning (`broker/broker.ts`), remoting puts it on a wire
 * (`protocol/remoting/remoting.ts`). Rejects with STORE_LOCKED, STORE_UNREADABLE, or
 * INVALID_PARAMETER for a name that can be none.
 */
export async function startBroker(ports: Ports, options: BrokerOptions): Promise<RunningBroker> {
  checkName("broker", options.brokerName);
  checkName("cluster", options.clusterName);
  const dues = new DueQueue(ports.clock, ports.scheduler);
  await ports.storage.lock();
  let messageDelayLevel: string;
  let store: Store;
  try {
    const stored = settingsOf(await storedConf(ports.storage));
    messageDelayLevel = options.messageDelayLevel ?? stored.messageDelayLevel ?? defaultDelayLevels;
    const tagsCodeOf = deliverTimeAsTagsCode(new DelayLevels(messageDelayLevel));
    store = new Store(ports, { ...defaultStoreOptions, ...options.store, ...stored, tagsCodeOf }, dues);
  } catch (error) {
    await ports.storage.close();
    throw error;
  }
  await store.open();
  const { brokerName, clusterName, storeHost } = options;
  const budget = options.budget ?? serverBudget;
  const broker = new Broker(ports, store, dues, {
    brokerName,
    clusterName,
    regionId: "DefaultRegion",
    storeHost: store.core.encodeHost(storeHost.address, storeHost.port),
    messageDelayLevel,
    budget,
    flushConsumerOffsetIntervalMs: options.flushConsumerOffsetIntervalMs ?? 5_000,
    flushDelayOffsetIntervalMs: options.flushDelayOffsetIntervalMs ?? 10_000,
  });
  const routes = new RouteTable();
  const register = (configs: readonly TopicConfig[]): void => {
    const topics = configs.map((config) => ({ topic: config.topicName, ...config }));
    routes.register({ cluster: clusterName, brokerName, brokerId: 0, address: localBroker }, topics);
    options.registered?.(topics);
  };
  try {
    await broker.start();
  } catch (error) {
    await store.close();
    throw error;
  }
  register(Array.from(broker.topics.all(), ({ config }) => config));
  broker.topics.onChange((config) => register([config]));
  const brokerAddress = (address: BrokerAddress, localAddress: string): string =>
    address === localBroker ? options.brokerAddress(localAddress) : address;
  const remoting = new Remoting(ports, {
    budget,
    handlers: new Map([...nameServerHandlers({ routes, brokerAddress }), ...brokerHandlers({ broker })]),
    encodeHost: (address, port) => store.core.encodeHost(address, port),
    disconnected: (session) => broker.disconnected(session),
  });
  const stop = async (): Promise<void> => {
    // What has arrived is taken, written (and synced, if it is waited for) and answered first.
    await new Promise<void>((resolve) => ports.scheduler.soon(resolve));
    // If the storage failed, whoever waited was told, and closing the store tells again.
    await store.settle().catch(() => {});
    remoting.close();
    await broker.stop();
    await store.close();
  };
  // A second stop must not touch a store that may be another's by then.
  let stopped: Promise<void> | undefined;
  return {
    accept: (connection, kept) => remoting.accept(connection, kept),
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** A NameServer alone, for brokers that are elsewhere: what they say of themselves is put into `routes`. */
export function startNameServer(
  ports: Pick<Ports, "clock" | "scheduler" | "telemetry">,
  options: {
    readonly routes: RouteTable;
    /** What a client that came by `localAddress` is told as the address of a registered broker. */
    readonly brokerAddress: (address: string, localAddress: string) => string;
    readonly budget?: MemoryBudget;
  },
): Pick<RunningBroker, "accept"> {
  const { routes, brokerAddress } = options;
  const noHost = new Uint8Array(0);
  return new Remoting(ports, {
    budget: options.budget ?? serverBudget,
    handlers: new Map(
      nameServerHandlers({
        routes,
        // Only brokers that are elsewhere register here.
        brokerAddress: (address, localAddress) => brokerAddress(String(address), localAddress),
      }),
    ),
    encodeHost: () => noHost,
    disconnected: () => {},
  });
}

/** Names of brokers and clusters are names of topics too. */
function checkName(what: string, name: string): void {
  try {
    checkTopicName(name);
  } catch (error) {
    throw new WasmqError(
      "INVALID_PARAMETER",
      `${JSON.stringify(name)} can't be the name of a ${what}: ${(error as Error).message}`,
    );
  }
}

export { RouteTable, type TopicQueues };
