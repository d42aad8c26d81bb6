import { type MemoryBudget, pullBytesMax, pullMessagesMax, timerDelaySecondsMax } from "../limits.ts";

/** What makes one broker another than its neighbour. Names are RocketMQ's (BrokerConfig). */
export interface BrokerSettings extends BrokerRules {
  readonly brokerName: string;
  readonly clusterName: string;
  /** The broker's address in records and message ids, as `Core.encodeHost` makes it; tools connect to it. */
  readonly storeHost: Uint8Array;
  readonly messageDelayLevel: string;
  /** How long messages are kept at least: half messages that are older are given up. */
  readonly fileReservedTimeMs: number;
  readonly budget: MemoryBudget;
}

/** What a broker lets its clients do, and how. RocketMQ's settings of those names (BrokerConfig, MessageStoreConfig). */
export interface BrokerRules {
  /** Topics come into being with their first message. */
  readonly autoCreateTopicEnable: boolean;
  /** Groups come into being when a consumer names them. */
  readonly autoCreateSubscriptionGroup: boolean;
  /** Queues that a topic made by its first message has at most; undefined: as many as when the store was made, 8 for a new one. */
  readonly defaultTopicQueueNums: number | undefined;
  /** The topics that are named like the cluster and the broker can be sent to and read. */
  readonly clusterTopicEnable: boolean;
  readonly brokerTopicEnable: boolean;
  /** The broker has the topic of this name for clients' traces from the start. */
  readonly traceTopicEnable: boolean;
  readonly msgTraceTopicName: string;
  /** Replies to requests are not only handed on but stored too. */
  readonly storeReplyMessageEnable: boolean;
  /** Bits of `perm`: what all of the broker's topics allow at most. */
  readonly brokerPermission: number;
  readonly litePullMessageEnable: boolean;
  readonly rejectPullConsumerEnable: boolean;
  readonly notifyConsumerIdsChangedEnable: boolean;
  /** Whether a pull that finds nothing waits as long as its client asks, or for `shortPollingTimeMs`. */
  readonly longPollingEnable: boolean;
  readonly shortPollingTimeMs: number;
  /** Whether consumers may filter by expressions (SQL92). Apache's default is that they may not. */
  readonly enablePropertyFilter: boolean;
  /** How long the filter of a group that went away is kept. */
  readonly filterDataCleanTimeSpanMs: number;
  /** What one pull brings at most; the first message always comes. */
  readonly maxTransferBytesOnMessageInMemory: number;
  readonly maxTransferCountOnMessageInMemory: number;
  /** A client of which nothing was heard for this long is gone. */
  readonly channelExpiredTimeoutMs: number;
  /** Offsets that administrators reset hold in the broker at once; else the members that are online are told, and commit them. */
  readonly useServerSideResetOffset: boolean;
  /** How clients that leave it to the broker get messages, where an administrator has set nothing; with POP, see `RequestModeConfig`. */
  readonly defaultMessageRequestMode: "PULL" | "POP";
  readonly defaultPopShareQueueNum: number;
  /** Whether the broker shares a topic's queues between the members of a group; else each gets all. */
  readonly serverLoadBalancerEnable: boolean;
  /** Popped messages come again by topics named with a `+`; those named with a `_` are read still, if `retrieve...`. */
  readonly enableRetryTopicV2: boolean;
  readonly retrieveMessageFromPopRetryTopicV1: boolean;
  /** How many pops of a hundred look first at what is to be consumed again. */
  readonly popFromRetryProbability: number;
  readonly regionId: string;
  /** Whether clients that trace are to trace what they send here. */
  readonly traceOn: boolean;
  /** How soon progress is written down. Within it a crash makes consumers get messages again, and delayed ones be delivered again. */
  readonly flushConsumerOffsetIntervalMs: number;
  readonly flushDelayOffsetIntervalMs: number;
  /** Producers may begin no transactions. */
  readonly rejectTransactionMessage: boolean;
  /**
   * Producers are asked about a transaction that is older than `transactionTimeOutMs`, once in an interval at most, and so many times before
   * it is given up.
   */
  readonly transactionTimeOutMs: number;
  readonly transactionCheckIntervalMs: number;
  readonly transactionCheckMax: number;
  /** That transactions have ended is noted so soon, or when the note has so many characters. */
  readonly transactionOpBatchIntervalMs: number;
  readonly transactionOpMsgMaxSize: number;
  /** Messages may name the time of their delivery. */
  readonly timerWheelEnable: boolean;
  /** How far away it may be. */
  readonly timerMaxDelaySec: number;
  /** The width of a slot: a message is delivered when the slot that its time is in is over. A store's for as long as something waits. */
  readonly timerPrecisionMs: number;
  /** What is further away than so many slots goes round, and is stored anew on its way: its file of the CommitLog may expire before. */
  readonly timerRollWindowSlot: number;
  /** Messages of one slot; undefined: as many as the memory has room for (`MemoryBudget.timersPerSlotMax`). */
  readonly timerCongestNumEachSlot: number | undefined;
  readonly timerFlushIntervalMs: number;
  /** Bytes of a file of the timer log; a log that is there keeps its size. */
  readonly mappedFileSizeTimerLog: number;
  /** Whether what takes a message off the wheel names its topic too, as before 5.5. */
  readonly appendTopicForTimerDeleteKey: boolean;
  /** Producers may take messages back that wait for their time. */
  readonly recallMessageEnable: boolean;
}

/** RocketMQ's defaults, but for enablePropertyFilter. */
export const defaultBrokerRules: BrokerRules = {
  autoCreateTopicEnable: true,
  autoCreateSubscriptionGroup: true,
  defaultTopicQueueNums: undefined,
  clusterTopicEnable: true,
  brokerTopicEnable: true,
  traceTopicEnable: false,
  msgTraceTopicName: "RMQ_SYS_TRACE_TOPIC",
  storeReplyMessageEnable: true,
  brokerPermission: 6,
  litePullMessageEnable: true,
  rejectPullConsumerEnable: false,
  notifyConsumerIdsChangedEnable: true,
  longPollingEnable: true,
  shortPollingTimeMs: 1_000,
  enablePropertyFilter: true,
  filterDataCleanTimeSpanMs: 24 * 3_600_000,
  maxTransferBytesOnMessageInMemory: pullBytesMax,
  maxTransferCountOnMessageInMemory: pullMessagesMax,
  channelExpiredTimeoutMs: 120_000,
  useServerSideResetOffset: true,
  defaultMessageRequestMode: "PULL",
  defaultPopShareQueueNum: -1,
  serverLoadBalancerEnable: true,
  enableRetryTopicV2: false,
  retrieveMessageFromPopRetryTopicV1: true,
  popFromRetryProbability: 20,
  regionId: "DefaultRegion",
  traceOn: true,
  flushConsumerOffsetIntervalMs: 5_000,
  flushDelayOffsetIntervalMs: 10_000,
  rejectTransactionMessage: false,
  transactionTimeOutMs: 6_000,
  transactionCheckIntervalMs: 30_000,
  transactionCheckMax: 15,
  transactionOpBatchIntervalMs: 3_000,
  transactionOpMsgMaxSize: 4_096,
  timerWheelEnable: true,
  timerMaxDelaySec: timerDelaySecondsMax,
  timerPrecisionMs: 1_000,
  timerRollWindowSlot: 172_800,
  timerCongestNumEachSlot: undefined,
  timerFlushIntervalMs: 1_000,
  mappedFileSizeTimerLog: 100 * 1024 * 1024,
  appendTopicForTimerDeleteKey: false,
  recallMessageEnable: false,
};
