import type { MemoryBudget } from "../limits.ts";

/** What makes one broker another than its neighbour. Names are RocketMQ's (BrokerConfig). */
export interface BrokerSettings {
  readonly brokerName: string;
  readonly clusterName: string;
  readonly regionId: string;
  /** The broker's address in records and message ids, as `Core.encodeHost` makes it; tools connect to it. */
  readonly storeHost: Uint8Array;
  readonly messageDelayLevel: string;
  readonly budget: MemoryBudget;
  /** How soon progress is written down. Within it a crash makes consumers get messages again, and delayed ones be delivered again. */
  readonly flushConsumerOffsetIntervalMs: number;
  readonly flushDelayOffsetIntervalMs: number;
}
