/** What makes one broker another than its neighbour. Names are RocketMQ's (BrokerConfig). */
export interface BrokerSettings {
  readonly brokerName: string;
  readonly clusterName: string;
  readonly regionId: string;
  /** The broker's address in records and message ids, as `Core.encodeHost` makes it; tools connect to it. */
  readonly storeHost: Uint8Array;
  readonly messageDelayLevel: string;
  /** MemoryBudget.heldPullsMax. */
  readonly heldPullsMax: number;
}
