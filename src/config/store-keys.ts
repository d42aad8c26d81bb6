/**
 * Settings of the store (MessageStoreConfig) that are accepted and change nothing here, by the reason that the warning gives. No promise of
 * theirs is broken: what would be is refused (`brokerPromises`). docs/storage.md shows them all; a test keeps the two the same.
 */
const withoutMeaning: Readonly<Record<string, string>> = {
  "every flush takes all that was written, however little": `
    flushCommitLogLeastPages flushCommitLogThoroughInterval flushCommitLogTimed flushConsumeQueueLeastPages
    wakeFlushWhenPutMessage`,
  "a message is the operating system's before its sender is answered": `
    commitCommitLogLeastPages commitCommitLogThoroughInterval commitIntervalCommitLog fastFailIfNoBufferInStorePool
    transientStorePoolEnable transientStorePoolSize wakeCommitWhenPutMessage`,
  "files are read and written, never mapped": `
    cleanSwapedMapInterval commitLogForceSwapMapInterval commitLogSwapMapInterval commitLogSwapMapReserveFileNum
    dataReadAheadEnable destroyMapedFileIntervalForcibly flushLeastPagesWhenWarmMapedFile logicQueueForceSwapMapInterval
    logicQueueSwapMapInterval logicQueueSwapMapReserveFileNum mappedFileSwapEnable putConsumeQueueDataByFileChannel
    redeleteHangedFileInterval warmMapedFileEnable writeWithoutMmap`,
  "messages are taken, dispatched and deleted in one thread, each at once": `
    batchDispatchRequestThreadPoolNums debugLockEnable deleteCommitLogFilesInterval deleteConsumeQueueFilesInterval
    dispatchCqCacheNum dispatchCqThreads dispatchFromSenderThread enableAsyncReput enableBuildConsumeQueueConcurrently
    maxAsyncPutMessageRequests maxBatchDeleteFilesNum putMsgIndexHightWater sharedByteBufferNum
    spinLockCollisionRetreatOptimalDegree topicQueueLockNum useABSLock useReentrantLockWhenPutMessage`,
  "every checksum that a record carries is verified, whenever it is read": `
    checkCRCOnRecover checkCommitLogOffsetOnRecover forceVerifyPropCRC`,
  "recovery goes back as far as the checkpoint says, and corrects what it finds": `
    commitLogRecoverMaxNum correctLogicMinOffsetForceInterval correctLogicMinOffsetSleepInterval enableAcceleratedRecovery
    enableLogConsumeQueueRepeatedlyBuildWhenRecover maxRecoveryCommitlogFiles messageIndexSafe recheckReputOffsetFromCq`,
  "after a failed flush nothing more is accepted": "enableRunningFlagsInFlush",
  "consumers see only what is kept": "readUnCommitted",
  "topics of more than 127 bytes get records of version 2": "autoMessageVersionOnTopicLen maxTopicLength",
  "syncFlushTimeout is what a send waits for": "putMessageTimeout",
  "what a pull brings, and looks at, is the same wherever it is read from": `
    maxFilterMessageSize maxTransferBytesOnMessageInDisk maxTransferCountOnMessageInDisk pullBatchMaxMessageCount
    travelCqFileNumWhenGetMessage`,
  "how far consumers lag behind is not estimated, nor held against them": `
    accessMessageInMemoryHotRatio coldDataFlowControlEnable coldDataScanEnable diskFallRecorded
    enableScheduleMessageStats maxConsumeQueueScan sampleCountThreshold sampleSteps timerColdDataCheckIntervalMs`,
  "ConsumeQueues have no extension": "bitMapLengthConsumeQueueExt enableConsumeQueueExt mappedFileSizeConsumeQueueExt",
  "queues of inner batches are looked through by halving": "searchBcqByCacheEnable",
  "topics are not compacted": `
    compactionCqMappedFileSize compactionMappedFileSize compactionScheduleInternal compactionThreadNum enableCompaction
    maxOffsetMapSize`,
  "timer messages are delivered one slot after the other, each until it is stored": `
    timerEnableRetryUntilSuccess timerGetMessageThreadNum timerPutMessageThreadNum timerSkipUnknownError`,
  "waiting timer messages are counted as they come and go": `
    timerEnableCheckMetrics timerMetricSmallThreshold timerProgressLogIntervalMs`,
  "the wheel is made anew of the timer log": "timerWheelSnapshotIntervalMs",
  "delay levels have queues of their own": "timerInterceptDelayLevel",
  "half messages are found by their queues": "transRocksDBEnable transWriteOriginTransHalfEnable",
  "delayed messages of a level are delivered in order, 64 at a time": `
    enableScheduleAsyncDeliver scheduleAsyncDeliverMaxPendingLimit scheduleAsyncDeliverMaxResendNum2Blocked`,
  "light queues (LMQ) are not served": "enableLmqQuota maxLmqConsumeQueueNum",
  "offsets of consumers are kept": "enableCleanExpiredOffset",
  "this broker does not replicate": `
    asyncLearner disappearTimeAfterStart enableAutoInSyncReplicas haFlowControlEnable haHousekeepingInterval haListenPort
    haMasterAddress haMaxGapNotInSync haMaxTimeSlaveNotCatchup haSendHeartbeatInterval haTransferBatchSize
    maxChecksumRange maxHaTransferByteInSecond maxSlaveResendLength offsetCheckInSlave slaveTimeout
    storePathBrokerIdentity storePathEpochFile syncFromLastFile syncMasterFlushOffsetWhenStartup`,
  "there is no DLedger": `
    dLegerGroup dLegerPeers dLegerSelfId enableBatchPush preferredLeaderId storePathDLedgerCommitLog`,
  "messageIndexEnable says whether messages are indexed by key": "indexFileReadEnable indexFileWriteEnable",
  "a query by key brings 64 messages at most, one by unique key 32": "defaultQueryMaxNum maxMsgsNumBatch",
  "the store has its disk to itself": "logicalDiskSpaceCleanForciblyThreshold replicasPerDiskPartition",
  "the store is one of files, without RocksDB": `
    bottomMostCompressionTypeForConsumeQueueStore cleanRocksDBDirtyCQIntervalMin combineAssignOffsetCQType
    combineCQEnableCheckSelf combineCQLoadingCQTypes combineCQMaxExtraSearchCommitLogFiles combineCQPreferCQType
    combineCQUseRocksdbForLmq enableRocksDBLog indexRocksDBEnable iteratorWhenUseRocksdbConsumeQueue
    maxRocksDBIndexQueryDays memTableFlushIntervalMs realTimePersistRocksDBConfig rocksdbCQDoubleWriteEnable
    rocksdbCompressionType rocksdbFlushWalFrequency rocksdbWalFileRollingThreshold statRocksDBCQIntervalSec
    timerRecallToTimeWheelEnable timerRecallToTimelineEnable timerReputServiceCorePoolSize timerReputServiceMaxPoolSize
    timerReputServiceQueueCapacity timerRocksDBPrecisionMs timerRocksDBRollIntervalHours timerRocksDBRollMaxTps
    timerRocksDBRollRangeHours timerRocksDBStopScan timerRocksDBTimeExpiredMaxTps useSeparateStorePathForRocksdbCQ`,
};

/** By key: why a setting of the store changes nothing. */
export const storeKeysWithoutMeaning: ReadonlyMap<string, string> = new Map(
  Object.entries(withoutMeaning).flatMap(([why, keys]) =>
    keys
      .trim()
      .split(/\s+/)
      .map((key) => [key, why] as const),
  ),
);

/** Keys in files for older versions that Apache 5.5.0 ignores: what to do instead. */
export const formerKeys: ReadonlyMap<string, string> = new Map([
  ["mapedFileSizeCommitLog", "its name is mappedFileSizeCommitLog"],
  ["mapedFileSizeConsumeQueue", "its name is mappedFileSizeConsumeQueue"],
  ["mapedFileSizeConsumeQueueExt", "its name is mappedFileSizeConsumeQueueExt"],
  ["storePathConsumeQueue", "it is consumequeue below storePathRootDir"],
  ["storePathIndex", "it is index below storePathRootDir"],
  ["storeCheckpoint", "it is checkpoint below storePathRootDir"],
  ["abortFile", "it is abort below storePathRootDir"],
]);
