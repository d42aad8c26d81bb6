import { messageBodyBytesMax } from "../limits.ts";

/** Sizes and intervals, under RocketMQ's names (MessageStoreConfig). The sizes must be those the store was written with. */
export interface StoreOptions {
  readonly mappedFileSizeCommitLog: number;
  readonly mappedFileSizeConsumeQueue: number;
  readonly flushDiskType: "ASYNC_FLUSH" | "SYNC_FLUSH";
  /** Intervals count from the first message that is not flushed, or whose unit is not; Infinity for never by time. */
  readonly flushIntervalCommitLogMs: number;
  readonly flushIntervalConsumeQueueMs: number;
  readonly flushConsumeQueueThoroughIntervalMs: number;
  /** ConsumeQueues are also made to last when the CommitLog has grown by so much: recovery looks at no more than that. */
  readonly flushConsumeQueueThoroughBytes: number;
  readonly maxMessageSize: number;
  /**
   * What a ConsumeQueue unit carries in place of the hash of the tags, or undefined for the hash. The one place where what
   * a message means reaches the store (Apache: ConsumeQueue entries of SCHEDULE_TOPIC_XXXX carry the time of delivery).
   */
  readonly tagsCodeOf?: (topic: string, properties: () => string, storeTimestamp: number) => number | undefined;
}

/** Apache's defaults. */
export const defaultStoreOptions: StoreOptions = {
  mappedFileSizeCommitLog: 1024 * 1024 * 1024,
  mappedFileSizeConsumeQueue: 300_000 * 20,
  flushDiskType: "ASYNC_FLUSH",
  flushIntervalCommitLogMs: 500,
  flushIntervalConsumeQueueMs: 1_000,
  flushConsumeQueueThoroughIntervalMs: 60_000,
  flushConsumeQueueThoroughBytes: Number.POSITIVE_INFINITY,
  maxMessageSize: messageBodyBytesMax,
};
