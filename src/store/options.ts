import { type MemoryBudget, messageBodyBytesMax, serverBudget } from "../limits.ts";
import type { RetentionOptions } from "./retention.ts";

/** Sizes and intervals, under RocketMQ's names (MessageStoreConfig). The sizes must be those the store was written with. */
export interface StoreOptions extends RetentionOptions {
  readonly mappedFileSizeCommitLog: number;
  readonly mappedFileSizeConsumeQueue: number;
  readonly mapperFileSizeBatchConsumeQueue: number;
  /** Whether messages can be found by their keys (messageIndexEnable); what an IndexFile has room for (maxHashSlotNum, maxIndexNum). */
  readonly messageIndexEnable: boolean;
  readonly maxHashSlotNum: number;
  readonly maxIndexNum: number;
  readonly flushDiskType: "ASYNC_FLUSH" | "SYNC_FLUSH";
  /** Intervals count from the first message that is not flushed, or whose unit is not; Infinity for never by time. */
  readonly flushIntervalCommitLogMs: number;
  readonly flushIntervalConsumeQueueMs: number;
  readonly flushConsumeQueueThoroughIntervalMs: number;
  /** ConsumeQueues are also made to last when the CommitLog has grown by so much: recovery looks at no more than that. */
  readonly flushConsumeQueueThoroughBytes: number;
  readonly maxMessageSize: number;
  /** Whether records get the property `__CRC32#`, which covers all of the record. */
  readonly enabledAppendPropCRC: boolean;
  /** Pieces of the CommitLog that are kept in memory (`LogWindows`): the bytes of one, and how many. */
  readonly logWindowBytes: number;
  readonly logWindows: number;
  /**
   * Bytes of the CommitLog before its end that the host is taken to have in its memory: reading them keeps nobody waiting. Behind
   * them reads go off the way (Node: to the thread pool). RocketMQ's accessMessageInMemoryMaxRatio, in bytes.
   */
  readonly inMemoryBytesMax: number;
  /**
   * osPageCacheBusyTimeOutMills: while a message has waited longer for the storage, no more are taken. What is told to the senders of
   * those that wait is syncFlushTimeout's: SYNC_FLUSH that has not ended by then is answered as timed out; Infinity for never.
   */
  readonly osPageCacheBusyTimeOutMs: number;
  readonly syncFlushTimeoutMs: number;
  readonly budget: Pick<
    MemoryBudget,
    "unkeptMessagesMax" | "queuesMax" | "queueTailBytesMax" | "unwrittenQueueBytesMax" | "unwrittenIndexBytesMax"
  >;
  /**
   * What a ConsumeQueue unit carries in place of the hash of the tags, or undefined for the hash. The one place where what
   * a message means reaches the store (Apache: ConsumeQueue entries of SCHEDULE_TOPIC_XXXX carry the time of delivery).
   */
  readonly tagsCodeOf?: (
    message: { readonly topic: string; readonly properties: string | Uint8Array },
    storeTimestamp: number,
  ) => number | undefined;
  /** Whether a topic's queues, of which there are none yet, are for inner batches (queue.type=BatchCQ). */
  readonly isOfBatches?: (topic: string) => boolean;
}

/** Apache's defaults. */
export const defaultStoreOptions: StoreOptions = {
  mappedFileSizeCommitLog: 1024 * 1024 * 1024,
  mappedFileSizeConsumeQueue: 300_000 * 20,
  mapperFileSizeBatchConsumeQueue: 300_000 * 46,
  messageIndexEnable: true,
  maxHashSlotNum: 5_000_000,
  maxIndexNum: 20_000_000,
  flushDiskType: "ASYNC_FLUSH",
  flushIntervalCommitLogMs: 500,
  flushIntervalConsumeQueueMs: 1_000,
  flushConsumeQueueThoroughIntervalMs: 60_000,
  flushConsumeQueueThoroughBytes: Number.POSITIVE_INFINITY,
  maxMessageSize: messageBodyBytesMax,
  enabledAppendPropCRC: true,
  logWindowBytes: 256 * 1024,
  logWindows: 64,
  inMemoryBytesMax: Number.POSITIVE_INFINITY,
  osPageCacheBusyTimeOutMs: 1_000,
  syncFlushTimeoutMs: 5_000,
  fileReservedTimeMs: 72 * 3_600_000,
  deleteWhen: [4],
  cleanResourceIntervalMs: 10_000,
  deleteFileBatchMax: 10,
  diskMaxUsedSpaceRatio: 75,
  diskSpaceCleanForciblyRatio: 85,
  diskSpaceWarningLevelRatio: 90,
  cleanFileForciblyEnable: true,
  watchesDisk: false,
  budget: serverBudget,
};
