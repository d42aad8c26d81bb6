/**
 * What has to be known to open a store, under RocketMQ's names (MessageStoreConfig, BrokerConfig). What is left out is unknown:
 * Apache's default then.
 */
export interface StoreSettings {
  /** Bytes of one CommitLog file. */
  readonly mappedFileSizeCommitLog?: number;
  /** Bytes of one ConsumeQueue file, a multiple of the 20 of a unit. */
  readonly mappedFileSizeConsumeQueue?: number;
  /** Bytes of one file of a BatchConsumeQueue, a multiple of the 46 of a unit. */
  readonly mapperFileSizeBatchConsumeQueue?: number;
  /** Slots of an IndexFile, and entries that it has room for, entry 0 among them, which is never used. */
  readonly maxHashSlotNum?: number;
  readonly maxIndexNum?: number;
  /** Bytes of the largest body. */
  readonly maxMessageSize?: number;
  readonly messageDelayLevel?: string;
  readonly brokerName?: string;
  readonly brokerClusterName?: string;
}

/** The size of a file of whole units that has room for so many bytes at least (MessageStoreConfig.getMappedFileSizeConsumeQueue). */
export function wholeUnits(fileBytes: number, unitBytes: number): number {
  return Math.ceil(fileBytes / unitBytes) * unitBytes;
}
