import { connectionsMax, smallBudget } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Connection, ConnectionHandler } from "../../ports/network.ts";
import { silentTelemetry, type Telemetry } from "../../ports/telemetry.ts";
import { type BrokerOptions, type RunningBroker, startBroker } from "../../wasmq.ts";
import { clock } from "./clock.ts";
import { loadCoreModule } from "./core-module.ts";
import { entropy } from "./entropy.ts";
import { DurableObjectLogStorage } from "./log-storage.ts";
import { SocketConnection } from "./network.ts";
import type { HibernatingSocket, ObjectContext } from "./platform.ts";
import { AlarmScheduler } from "./scheduler.ts";

export interface ObjectBrokerOptions {
  /** Default DefaultCluster. */
  readonly cluster?: string;
  /** Default broker-a. */
  readonly brokerName?: string;
  /** The address clients are told, for one that came by `origin` (`wss://host`). */
  readonly brokerAddress: (origin: string) => string;
  /** RocketMQ's setting of that name. */
  readonly messageDelayLevel?: string;
  readonly telemetry?: Telemetry;
  /** Other sizes and intervals than this host's. A store keeps the sizes it was written with. */
  readonly store?: BrokerOptions["store"];
}

/**
 * Small files, so that retention and export move little at a time. Nothing is due by time: a write is durable when it ends, and
 * ConsumeQueues are written when the log has grown by what recovery reads in a few milliseconds.
 */
export const objectGeometry = {
  mappedFileSizeCommitLog: 16 * 1024 * 1024,
  mappedFileSizeConsumeQueue: 6_000 * 20,
  flushIntervalCommitLogMs: Number.POSITIVE_INFINITY,
  flushIntervalConsumeQueueMs: Number.POSITIVE_INFINITY,
  flushConsumeQueueThoroughIntervalMs: Number.POSITIVE_INFINITY,
  flushConsumeQueueThoroughBytes: 2 * 1024 * 1024,
} satisfies BrokerOptions["store"];

/**
 * A broker in a Durable Object. The object's class hands over what the platform calls: `fetch` (a WebSocket that speaks remoting),
 * `webSocketMessage`, `webSocketClose`, `webSocketError` and `alarm`.
 *
 * A send is answered when its message is durable, in both flush modes. The object may be evicted between any two events: the
 * next one starts the broker again from its storage, and sockets that the platform still holds go on where they were, with their
 * groups, locks and waiting pulls. Consumer offsets are written some seconds after they were committed.
 */
export class ObjectBroker {
  readonly #context: ObjectContext;
  readonly #options: ObjectBrokerOptions;
  readonly #connections = new Map<HibernatingSocket, SocketConnection>();
  readonly #storage: DurableObjectLogStorage;
  #scheduler!: AlarmScheduler;
  #broker: RunningBroker | undefined;
  #failure: unknown;
  #lastConnectionId = 0;

  /** Starts at once; whatever comes waits for it. */
  constructor(context: ObjectContext, options: ObjectBrokerOptions) {
    this.#context = context;
    this.#options = options;
    this.#storage = new DurableObjectLogStorage(context.storage);
    void context.blockConcurrencyWhile(() => this.#start());
  }

  /** The broker; throws why it could not start. */
  get broker(): RunningBroker {
    if (this.#broker === undefined) throw this.#failure;
    return this.#broker;
  }

  /** The store's files. */
  get storage(): DurableObjectLogStorage {
    return this.#storage;
  }

  /**
   * Takes a socket of the platform's, accepted by nobody yet. `remoteAddress` goes into records as the sender's; `origin` is where the
   * client found the broker. Throws SYSTEM_BUSY beyond `connectionsMax`.
   */
  accept(socket: HibernatingSocket, from: { readonly remoteAddress: string; readonly origin: string }): void {
    const { broker } = this;
    if (this.#connections.size >= connectionsMax) {
      throw new WasmqError("SYSTEM_BUSY", `the broker has its ${connectionsMax} connections`);
    }
    this.#context.acceptWebSocket(socket);
    const id = ++this.#lastConnectionId;
    const connection = SocketConnection.accepted(socket, this.#context.storage.sql, { id, ...from });
    this.#connections.set(socket, connection);
    connection.open(broker.accept(connection));
  }

  /** A connection that ends with the object's memory, as any in-process caller's does. */
  connect(connection: Connection): ConnectionHandler {
    return this.broker.accept(connection);
  }

  message(socket: HibernatingSocket, message: ArrayBuffer | string): void {
    this.#connections.get(socket)?.received(message);
  }

  closed(socket: HibernatingSocket): void {
    // One that closed while the object slept is none of the open ones by now: its groups are to hear of it all the same.
    if (!this.#connections.has(socket)) this.#resume(socket);
    const connection = this.#connections.get(socket);
    this.#connections.delete(socket);
    connection?.closed();
  }

  alarm(): void {
    this.#scheduler.alarm();
  }

  async #start(): Promise<void> {
    const { storage } = this.#context;
    SocketConnection.prepare(storage.sql);
    this.#scheduler = new AlarmScheduler(storage, (await storage.getAlarm()) ?? undefined);
    const { brokerName, cluster, messageDelayLevel, telemetry, brokerAddress, store } = this.#options;
    try {
      this.#broker = await startBroker(
        {
          storage: this.#storage,
          clock,
          scheduler: this.#scheduler,
          entropy,
          telemetry: telemetry ?? silentTelemetry,
          coreModule: await loadCoreModule(),
        },
        {
          brokerName: brokerName ?? "broker-a",
          clusterName: cluster ?? "DefaultCluster",
          // No client can connect to it: the object has no address but its name.
          storeHost: { address: "127.0.0.1", port: 10911 },
          brokerAddress,
          budget: smallBudget,
          store: { ...objectGeometry, ...store },
          ...(messageDelayLevel === undefined ? {} : { messageDelayLevel }),
        },
      );
    } catch (error) {
      // Told to each who asks, rather than resetting the object again and again.
      this.#failure = error;
      return;
    }
    for (const socket of this.#context.getWebSockets()) this.#resume(socket);
  }

  #resume(socket: HibernatingSocket): void {
    if (this.#broker === undefined) return;
    const resumed = SocketConnection.resumed(socket, this.#context.storage.sql);
    if (resumed === undefined) {
      socket.close(1012, "the broker started again");
      return;
    }
    const { connection, kept } = resumed;
    this.#lastConnectionId = Math.max(this.#lastConnectionId, connection.id);
    this.#connections.set(socket, connection);
    connection.open(this.#broker.accept(connection, kept));
  }
}
