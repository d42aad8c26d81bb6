import {
  diskMaxUsedSpaceRatioRange,
  diskSpaceCleanForciblyRatioRange,
  diskSpaceWarningLevelRatioRange,
  indexEntriesMax,
  indexSlotsMax,
  maxMessageSizeMax,
  pullBytesMax,
  pullHoldMsMax,
  pullMessagesMax,
  pullUnitsMax,
  queuesPerTopicMax,
  storeFileBytesMax,
  timerDelaySecondsMax,
  timerMaxDelaySecMax,
  transferBytesMax,
} from "../limits.ts";
import { flag, oneOf, percentWithin, text, whole } from "./setting.ts";

/** TopicValidator's characters and length: names of brokers and clusters are names of topics too. */
const name = /^[%|a-zA-Z0-9_-]{1,127}$/;
const hourMs = 3_600_000;
/** UtilAll.isItTimeToDo: nothing but digits between the semicolons. */
const hours = /^([01]?\d|2[0-3])(;([01]?\d|2[0-3]))*;?$/;

/** RocketMQ's settings that a broker here goes by, with its defaults (BrokerConfig, MessageStoreConfig, NettyServerConfig). */
export const brokerSettings = {
  brokerClusterName: text("DefaultCluster", "a name of 1 to 127 of %|a-zA-Z0-9_-", name),
  brokerName: text("broker-a", "a name of 1 to 127 of %|a-zA-Z0-9_-", name),
  brokerIP1: text(undefined, "an address or a host's name", /^[^\s:;,]+$|^[0-9a-fA-F:]+$/),
  listenPort: whole(10_911, 0, 65_535),
  bindAddress: text("127.0.0.1", "an address", /^\S+$/),
  namesrvAddr: text(
    undefined,
    "HOST:PORT, several of them with ; between",
    /^(\[[^\]\s]+\]|[^:;\s]+):[1-9]\d{0,4}(\s*;\s*(\[[^\]\s]+\]|[^:;\s]+):[1-9]\d{0,4})*\s*;?$/,
  ),
  registerNameServerPeriod: whole(30_000, 0, hourMs),
  registerBrokerTimeoutMills: whole(24_000, 1, hourMs),
  connectTimeoutMillis: whole(3_000, 1, hourMs),
  autoCreateTopicEnable: flag(true),
  autoCreateSubscriptionGroup: flag(true),
  defaultTopicQueueNums: whole(undefined, 1, queuesPerTopicMax),
  clusterTopicEnable: flag(true),
  brokerTopicEnable: flag(true),
  traceTopicEnable: flag(false),
  msgTraceTopicName: text("RMQ_SYS_TRACE_TOPIC", "a name of 1 to 127 of %|a-zA-Z0-9_-", name),
  traceOn: flag(true),
  storeReplyMessageEnable: flag(true),
  brokerPermission: whole(6, 0, 7),
  regionId: text("DefaultRegion", "a name of a-zA-Z0-9_.-", /^[a-zA-Z0-9_.-]{1,127}$/),
  litePullMessageEnable: flag(true),
  rejectPullConsumerEnable: flag(false),
  notifyConsumerIdsChangedEnable: flag(true),
  longPollingEnable: flag(true),
  shortPollingTimeMills: whole(1_000, 1, pullHoldMsMax),
  defaultMessageRequestMode: oneOf<"PULL" | "POP">("PULL", "POP"),
  defaultPopShareQueueNum: whole(-1, -1, queuesPerTopicMax),
  serverLoadBalancerEnable: flag(true),
  enableRetryTopicV2: flag(false),
  retrieveMessageFromPopRetryTopicV1: flag(true),
  popFromRetryProbability: whole(20, 0, 100),
  // Apache's default is false.
  enablePropertyFilter: flag(true),
  filterDataCleanTimeSpan: whole(24 * hourMs, 1, 365 * 24 * hourMs),
  maxTransferBytesOnMessageInMemory: whole(pullBytesMax, 1, transferBytesMax),
  maxTransferCountOnMessageInMemory: whole(pullMessagesMax, 1, pullUnitsMax),
  useServerSideResetOffset: flag(true),
  channelExpiredTimeout: whole(120_000, 1_000, 24 * hourMs),
  flushConsumerOffsetInterval: whole(5_000, 1, hourMs),
  flushDelayOffsetInterval: whole(10_000, 1, hourMs),
  rejectTransactionMessage: flag(false),
  transactionTimeOut: whole(6_000, 0, 24 * hourMs),
  transactionCheckInterval: whole(30_000, 1, 24 * hourMs),
  transactionCheckMax: whole(15, 0, 0x7fffffff),
  transactionOpBatchInterval: whole(3_000, 1, hourMs),
  transactionOpMsgMaxSize: whole(4_096, 1, 1024 * 1024),
  recallMessageEnable: flag(false),
  timerWheelEnable: flag(true),
  timerMaxDelaySec: whole(timerDelaySecondsMax, 1, timerMaxDelaySecMax),
  timerPrecisionMs: whole(1_000, 10, 60_000),
  // Java's int: what is no window counts as the largest.
  timerRollWindowSlot: whole(172_800, 0, 2_147_483_647),
  timerCongestNumEachSlot: whole(undefined, 1, 2_147_483_647),
  timerFlushIntervalMs: whole(1_000, 1, hourMs),
  mappedFileSizeTimerLog: whole(100 * 1024 * 1024, 1_024, storeFileBytesMax),
  appendTopicForTimerDeleteKey: flag(false),
  storePathRootDir: text(undefined, "a directory", /^.+$/),
  storePathCommitLog: text(undefined, "a directory", /^.+$/),
  mappedFileSizeCommitLog: whole(undefined, 64 * 1024, storeFileBytesMax),
  mappedFileSizeConsumeQueue: whole(undefined, 20, storeFileBytesMax),
  mapperFileSizeBatchConsumeQueue: whole(undefined, 46, storeFileBytesMax),
  messageIndexEnable: flag(true),
  maxHashSlotNum: whole(undefined, 1, indexSlotsMax),
  maxIndexNum: whole(undefined, 2, indexEntriesMax),
  maxMessageSize: whole(undefined, 1, maxMessageSizeMax),
  messageDelayLevel: text(undefined, "delays such as 1s 5m 2h 1d", /^\s*\d{1,9}[smhd](\s+\d{1,9}[smhd])*\s*$/),
  flushDiskType: oneOf<"ASYNC_FLUSH" | "SYNC_FLUSH">("ASYNC_FLUSH", "SYNC_FLUSH"),
  flushIntervalCommitLog: whole(500, 1, hourMs),
  flushIntervalConsumeQueue: whole(1_000, 1, hourMs),
  flushConsumeQueueThoroughInterval: whole(60_000, 1, hourMs),
  osPageCacheBusyTimeOutMills: whole(1_000, 1, hourMs),
  syncFlushTimeout: whole(5_000, 1, hourMs),
  // Apache's default is false: nothing covers the fields of its records then.
  enabledAppendPropCRC: flag(true),
  accessMessageInMemoryMaxRatio: whole(40, 0, 95),
  fileReservedTime: whole(72, 0, 100 * 365 * 24),
  deleteWhen: text("04", "hours from 00 to 23, several of them with ; between", hours),
  cleanResourceInterval: whole(10_000, 100, hourMs),
  deleteFileBatchMax: whole(10, 1, 1_000),
  diskMaxUsedSpaceRatio: percentWithin(75, diskMaxUsedSpaceRatioRange),
  diskSpaceCleanForciblyRatio: percentWithin(85, diskSpaceCleanForciblyRatioRange),
  diskSpaceWarningLevelRatio: percentWithin(90, diskSpaceWarningLevelRatioRange),
  cleanFileForciblyEnable: flag(true),
  serverChannelMaxIdleTimeSeconds: whole(120, 1, 24 * 3_600),
};

/**
 * Settings that promise what this broker does not do: it does not start with another value than these, since whoever set it would
 * lose messages, or protection, without knowing.
 */
export const brokerPromises: Promises = {
  ...only("0", "this broker is a master", "brokerId"),
  ...only("ASYNC_MASTER", "this broker has no slaves and is none", "brokerRole"),
  ...only(
    "false",
    "this broker does not replicate",
    "enableControllerMode",
    "enableDLegerCommitLog",
    "duplicationEnable",
    "enableSlaveActingMaster",
    "allAckInSyncStateSet",
  ),
  ...only("1", "this broker does not replicate", "inSyncReplicas", "minInSyncReplicas", "totalReplicas"),
  ...only(
    "false",
    "this broker serves whoever reaches it",
    "aclEnable",
    "authenticationEnabled",
    "authorizationEnabled",
    "migrateAuthFromV1Enabled",
  ),
  ...only("false", "name servers are reached without TLS", "useTLS"),
  ...only("{}", "name servers are reached without a proxy", "socksProxyConfig"),
  ...only(
    "false",
    "name servers are named in namesrvAddr",
    "fetchNamesrvAddrByAddressServer",
    "fetchNameSrvAddrByDnsLookup",
  ),
  ...only("default", "the store is one of files", "storeType"),
  ...only("v1", "the store is one of files", "configManagerVersion"),
  ...only("", "the CommitLog is one folder", "readOnlyCommitLogStorePaths"),
  ...only("false", "light queues (LMQ) are not served", "enableLmq", "enableMultiDispatch"),
  ...only("", "there are no plug-ins", "messageStorePlugIn"),
  ...only("false", "timers stand on one wheel, in files", "timerRocksDBEnable", "timerWheelSnapshotFlush"),
  ...only("false", "timer messages are put onto the wheel as they come", "timerStopEnqueue"),
};

/** By key: the one value that holds here, and why. */
export type Promises = Readonly<Record<string, { readonly value: string; readonly why: string }>>;

export function only(value: string, why: string, ...keys: readonly string[]): Promises {
  return Object.fromEntries(keys.map((key) => [key, { value, why }]));
}
