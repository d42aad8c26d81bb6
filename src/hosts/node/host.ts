import { lookup } from "node:dns/promises";
import { homedir, networkInterfaces } from "node:os";
import { join } from "node:path";
import { WasmqError } from "../../ports/error.ts";
import { silentTelemetry, type Telemetry } from "../../ports/telemetry.ts";
import { type RunningBroker, startBroker } from "../../wasmq.ts";
import { MemoryLogStorage } from "../memory/log-storage.ts";
import { clock } from "./clock.ts";
import { loadCoreModule } from "./core-module.ts";
import { entropy } from "./entropy.ts";
import { NodeLogStorage } from "./log-storage.ts";
import { Listener } from "./network.ts";
import { NodeScheduler } from "./scheduler.ts";

export interface WasmqOptions {
  /** The directory of the store, or "memory" for one that is gone with the process. Default `~/.wasmq/store`. */
  readonly store?: string;
  /** The address to listen on. Default 127.0.0.1. */
  readonly bind?: string;
  /** Default 9876; 0 takes a free port. */
  readonly namesrvPort?: number;
  /** Default 10911; 0 takes a free port. */
  readonly brokerPort?: number;
  /** The host that clients are told to come to, and that message ids name, instead of the address they came by. */
  readonly advertise?: string;
  /** Default DefaultCluster. */
  readonly cluster?: string;
  /** Default broker-a. */
  readonly brokerName?: string;
  /**
   * When a send is answered: "async" (default) once the message is in the operating system's hands, so that it survives the
   * death of this process; "sync" once it is on the disk.
   */
  readonly flush?: "async" | "sync";
  /** RocketMQ's setting of that name. Default `1s 5s 10s 30s 1m 2m ... 2h`. */
  readonly messageDelayLevel?: string;
  /** Where the broker says what an operator should know. Default: nowhere. */
  readonly telemetry?: Telemetry;
}

export interface Wasmq {
  /** `host:port` to give to RocketMQ clients as their NameServer. */
  readonly namesrvAddress: string;
  /** `host:port` of the broker; clients learn it from the NameServer. */
  readonly brokerAddress: string;
  /** The directory of the store, or "memory". */
  readonly store: string;
  /** Answers what was asked, keeps everything and ends. Asked again: the same stop. */
  stop(): Promise<void>;
}

/** Connections get this long to take their last answers. */
const closeGraceMs = 1_000;

/**
 * Starts a NameServer and a broker in this process. Rejects with a `WasmqError`: ADDRESS_IN_USE, ADDRESS_UNUSABLE,
 * STORE_LOCKED, STORE_UNREADABLE, INVALID_PARAMETER.
 */
export async function startWasmq(options: WasmqOptions = {}): Promise<Wasmq> {
  const store = options.store ?? join(homedir(), ".wasmq", "store");
  const bind = options.bind ?? "127.0.0.1";
  const scheduler = new NodeScheduler();
  const telemetry = options.telemetry ?? silentTelemetry;
  const listeners: Listener[] = [];
  let broker: RunningBroker;
  let storeHost: string;
  try {
    const namesrv = await Listener.listen(bind, options.namesrvPort ?? 9876, telemetry);
    listeners.push(namesrv);
    const brokerListener = await Listener.listen(bind, options.brokerPort ?? 10911, telemetry);
    listeners.push(brokerListener);
    const { port } = brokerListener;
    storeHost = await storeAddress(options.advertise, brokerListener.address);
    broker = await startBroker(
      {
        storage: store === "memory" ? new MemoryLogStorage() : new NodeLogStorage(store),
        clock,
        scheduler,
        entropy,
        telemetry,
        coreModule: await loadCoreModule(),
      },
      {
        brokerName: options.brokerName ?? "broker-a",
        clusterName: options.cluster ?? "DefaultCluster",
        storeHost: { address: storeHost, port },
        brokerAddress: (localAddress) => `${options.advertise ?? localAddress}:${port}`,
        store: { flushDiskType: options.flush === "sync" ? "SYNC_FLUSH" : "ASYNC_FLUSH" },
        ...(options.messageDelayLevel === undefined ? {} : { messageDelayLevel: options.messageDelayLevel }),
      },
    );
  } catch (error) {
    scheduler.stop();
    await Promise.all(listeners.map((listener) => listener.close(0)));
    throw asWasmqError(error, store);
  }
  if (!isLoopback(bind) && options.advertise === undefined) {
    telemetry.log("warn", "clients are told the address they came by: behind a port mapping, say it with --advertise", {
      bind,
    });
  }
  for (const listener of listeners) listener.serve((connection) => broker.accept(connection));
  const shownHost = options.advertise ?? storeHost;
  const [namesrv, brokerListener] = listeners as [Listener, Listener];
  const stop = async (): Promise<void> => {
    const closed = listeners.map((listener) => listener.close(closeGraceMs));
    try {
      await broker.stop();
    } finally {
      scheduler.stop();
      await Promise.all(closed);
    }
  };
  let stopped: Promise<void> | undefined;
  return {
    namesrvAddress: `${shownHost}:${namesrv.port}`,
    brokerAddress: `${shownHost}:${brokerListener.port}`,
    store,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** A call of the operating system that failed at the start was made for the store: the listeners tell their own trouble. */
function asWasmqError(error: unknown, store: string): unknown {
  if (error instanceof WasmqError || !(error instanceof Error) || !("syscall" in error)) return error;
  return new WasmqError("STORE_UNREADABLE", `the store ${store} can't be used: ${error.message}`, { cause: error });
}

function isLoopback(address: string): boolean {
  return address === "localhost" || address === "::1" || address.startsWith("127.");
}

/** The one address that records and message ids carry: what is advertised, else where the broker listens. */
async function storeAddress(advertise: string | undefined, bound: string): Promise<string> {
  if (advertise !== undefined) {
    try {
      return (await lookup(advertise)).address;
    } catch {
      throw new WasmqError("ADDRESS_UNUSABLE", `the host ${advertise} to advertise can't be resolved`);
    }
  }
  if (bound !== "0.0.0.0" && bound !== "::") return bound;
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address, family, internal } of addresses ?? []) {
      if (!internal && family === "IPv4") return address;
    }
  }
  return "127.0.0.1";
}
