import type { BrokerRules } from "../../src/broker/settings.ts";
import type { LogStorage } from "../../src/ports/log-storage.ts";
import type { StoreOptions } from "../../src/store/options.ts";
import type { RetentionOptions } from "../../src/store/retention.ts";
import type { OpenWire } from "../lib/remoting-client.ts";

/** What a test asks of a broker; plain values, so that they can go to wherever the broker runs. */
export interface HostedOptions {
  readonly brokerName?: string;
  readonly clusterName?: string;
  readonly messageDelayLevel?: string;
  readonly rules?: Partial<BrokerRules>;
  readonly store?: Partial<RetentionOptions & Pick<StoreOptions, keyof typeof smallFiles | "flushDiskType">>;
}

/** Unless a test says otherwise: room for the largest message, and no more than a host that copies its store has to copy. */
export const smallFiles = {
  mappedFileSizeCommitLog: 8 * 1024 * 1024,
  mappedFileSizeConsumeQueue: 60_000,
  mapperFileSizeBatchConsumeQueue: 46_000,
  maxHashSlotNum: 500,
  maxIndexNum: 2_000,
};

/**
 * What some tests want of a host beyond the least: `true`, or the limit of the platform by which the host has it not. The tests
 * that want it are left out there, with that reason.
 */
export interface Supports {
  /** Frames of 16 MiB, RocketMQ's own limit. */
  readonly largestFrames: true | string;
}

export const supportsAll: Supports = { largestFrames: true };

/** Makes brokers on one host. What each host's behaviour.test.ts gives to `describeBehaviour`. */
export interface BrokerHost {
  readonly name: string;
  readonly supports: Supports;
  /** A broker that runs on an empty store of its own. */
  fresh(options: HostedOptions): Promise<HostedBroker>;
}

/** What brokers without an address of their own say: 127.0.0.1:10911. */
export const usualStoreHost = "7F00000100002A9F";

/** One broker and its store, which outlives it. */
export interface HostedBroker {
  /** What clients are told to come to. */
  readonly brokerAddress: string;
  /** The first 16 hexadecimal digits of message ids: address and port of the store. */
  readonly storeHost: string;
  /** What the broker has told its Telemetry, as `level: event`; over all its lives. */
  readonly logged: readonly string[];
  /** A new connection to the running broker. */
  readonly open: OpenWire;
  /** Ends the broker cleanly, and with it its connections. */
  stop(): Promise<void>;
  /**
   * Ends it as a kill at this very moment would: what is in the store now is what is left. No answer reaches a client from the
   * call on, and all its connections end.
   */
  kill(): Promise<void>;
  /** Starts it again on what is left. Rejects as `startBroker` does; then it may be tried again. */
  start(options?: HostedOptions): Promise<void>;
  /** The files of the store, while no broker is on it; given back when `use` has ended. */
  files<T>(use: (storage: LogStorage) => T | Promise<T>): Promise<T>;
  /** Ends the broker if it runs, and takes its store away. */
  dispose(): Promise<void>;
}
