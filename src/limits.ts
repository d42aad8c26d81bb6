/** Every bound of the engine, with its unit in the name and its argument beside it. */

/** RocketMQ's frame limit (NettyDecoder, com.rocketmq.remoting.frameMaxLength), the length field included. */
export const frameBytesMax = 16_777_216;

/** Nesting of JSON that a client sends; RocketMQ's own bodies need 6. A deeper text is refused before it is parsed. */
export const jsonDepthMax = 64;

/** RocketMQ's maxMessageSize: the stored body of one message. */
export const messageBodyBytesMax = 4 * 1024 * 1024;

/** Properties carry a 16-bit length on disk (MessageDecoder). */
export const propertiesBytesMax = 32_767;

/** MessageExtEncoder allows the body limit and 64 KiB for all else in a record. */
export const recordBytesMax = messageBodyBytesMax + 64 * 1024;

/**
 * Appended records that wait for their write, per buffer (there are two, so that one fills while the other is written).
 * Holds at least one record of the largest size; a full pair answers SYSTEM_BUSY.
 */
export const pendingBytesMax = 8 * 1024 * 1024;

/** RocketMQ's maxTransferBytesOnMessageInMemory and maxTransferCountOnMessageInMemory, as they are unless set: what one pull brings. */
export const pullBytesMax = 256 * 1024;
export const pullMessagesMax = 32;

/** What they may be set to: as many bytes as one message of the usual largest size, which comes in any case, and as many as pullUnitsMax. */
export const transferBytesMax = messageBodyBytesMax;

/** ConsumeQueue units that one pull looks at (DefaultMessageStore.getMessage: 16000 bytes), so that a filter can't stall others. */
export const pullUnitsMax = 800;

/**
 * A gap between two records of a pull that is read through rather than skipped: a read of its own costs about as much as
 * copying this many bytes.
 */
export const readThroughBytesMax = 12 * 1024;

/**
 * How far behind the log's end the first message of a queue may lie for a new group to begin with it although it asked for the
 * last. RocketMQ asks whether the message is still in memory (accessMessageInMemoryMaxRatio, 40 % of the machine's); this is
 * that share of a machine of 10 GiB.
 */
export const youngQueueBytesMax = 4 * 1024 * 1024 * 1024;

/**
 * Messages of one queue that damage may take before recovery no longer believes the next one's offset: Apache's records without
 * the property CRC do not cover it, and each lost one costs 20 bytes of blank unit.
 */
export const lostUnitsMax = 1_000_000;

/**
 * How much further back than ConsumeQueues need it recovery looks for records that the IndexFile has not: a file of the usual size, which is
 * as far as it looks for them. It is needed for what others left; this broker's own index lags no further than its ConsumeQueues.
 */
export const indexRecoveryBytesMax = 1024 * 1024 * 1024;

/** Slots of an IndexFile, which are held in memory: four times the usual five million, 80 MB. */
export const indexSlotsMax = 20_000_000;

/** Entries of an IndexFile: with as many slots as there may be, it is no larger than a file may be. */
export const indexEntriesMax = 100_000_000;

/** RocketMQ's maxMsgsNumBatch and defaultQueryMaxNum: the messages that a query by key brings at most, and one by unique key. */
export const queryMessagesMax = 64;
export const uniqueKeyQueryMessagesMax = 32;

/** Their bytes, but for the newest message, which comes in any case; more would not fit into a frame of the clients with some headers. */
export const queryBytesMax = 4 * 1024 * 1024;

/**
 * What one query looks at: entries of the index, by blocks of 3,276 (all of one file of the usual size, for a key that is in every message
 * or for a file that is damaged), and records, for keys that are made to have the same hash. A query that would look at more is cut short.
 */
export const queryBlocksMax = 8_192;
export const queryRecordsMax = 4_096;

/** Queries at a time, of `readsAtOnceMax`: each needs `queryBytesMax` and one record. More wait for their turn. */
export const queryTurnsShare = 1 / 4;

/** Popped messages that are copied to their retry topic at a time, so that 32 of the largest never stand in memory together. */
export const revivedBytesMax = 1024 * 1024;

/** The longest that a popped message is one consumer's: as far ahead as timer messages may be due (RocketMQ's timerMaxDelaySec). */
export const invisibleMsMax = 3 * 24 * 3_600_000;

/** Pops of which messages are acknowledged in one request (BATCH_ACK_MESSAGE): a proxy gathers some hundreds. */
export const batchAcksMax = 4_096;

/** Pops of one group that may wait for one queue, or for all of a topic (RocketMQ's popPollingSize). */
export const heldPopsPerQueueMax = 1_024;

/** The longest a pull may be held (RocketMQ's clients ask for 15 to 30 s and give up themselves soon after). */
export const pullHoldMsMax = 60_000;

/**
 * Copies of half messages whose transactions are known as one: an end that names an older copy than the newest is known for what it is. Some
 * 100 bytes each; beyond that a transaction that is ended twice may bring its message twice, as with Apache.
 */
export const checkedHalvesMax = 16_384;

/** Producer groups of one connection, and as many consumer groups; a process has a handful. */
export const groupsPerClientMax = 1_024;

/**
 * Topics, and groups in topics, of which is counted what comes and goes: a tenth of the topics that may be, each with 2.4 KB when it was used
 * all day. Later ones are counted with all others alone.
 */
export const talliesShare = 1 / 10;

/** A group as administrators make it: with subscriptions and a retry policy of a hundred steps it has some 10 KB. */
export const groupConfigCharsMax = 64 * 1024;

/** Queue units that one look into a ConsumeQueue brings (mqadmin queryCq asks for 10). */
export const shownUnitsMax = 1_000;

/** A client's id is its address, its process and a name of its own: some 50 characters. It is kept with each of its groups. */
export const clientIdCharsMax = 1_024;

/** The client: questions about transactions that an application has not answered yet (TransactionMQProducer.checkRequestHoldMax). */
export const transactionChecksMax = 2_000;

/**
 * The client: bytes taken from a WebSocket before the broker is told of them. Small beside what a broker lets wait (smallBudget), and
 * large beside an answer, so that few messages say nothing else.
 */
export const socketCreditBytes = 512 * 1024;

/**
 * What a host keeps of one connection that outlives the broker's memory: heartbeats, locks, and the pulls that wait. A client with a
 * thousand subscriptions and as many held pulls has some 700 KB; one with more connects anew.
 */
export const keptConnectionBytesMax = 1024 * 1024;

/** What of it goes beside the socket: a Durable Object's attachment may have 16,384 bytes, its other fields included. */
export const attachmentBytesMax = 15_000;

/** A Durable Object's buffer for joining what one WebSocket message is made of: an answer of pullBytesMax, and small ones with it. */
export const joinedBytesKeptMax = 512 * 1024;

/** Tags of one subscription: each pull compares every message with all of them. */
export const subscriptionTagsMax = 4_096;

/**
 * A SQL92 expression: its characters (MessageSelector's are some tens, lists of IN some thousands), its tokens, its parts but for the texts of
 * IN, and how deep they lie in each other. Apache RocketMQ has no bounds of its own but the depth of Java's stack, some thousands.
 */
export const sqlCharsMax = 64 * 1024;
export const sqlTokensMax = 16_384;
export const sqlPartsMax = 2_048;
export const sqlDepthMax = 256;

/**
 * What one pull looks at by an expression, besides `pullUnitsMax`: bytes of records, as many as it may bring; the stretch of the log that they
 * lie in, whose gaps may be read with them, and which must not need more memory than the largest record; and for each record the bytes of
 * its properties as often as the expression has parts, some hundredth of a second.
 */
export const filterScanBytesMax = pullBytesMax;
export const filterScanSpanBytesMax = recordBytesMax;
export const filterScanStepsMax = 16 * 1024 * 1024;

/** Queues of one topic, as `mqadmin updateTopic` would be foolish to exceed. */
export const queuesPerTopicMax = 65_535;

/** Names (TopicValidator, Validators of the client). */
export const topicNameCharsMax = 127;
export const retryTopicNameCharsMax = 255;
export const groupNameCharsMax = 120;

/**
 * Deleted topics that are remembered while the log has messages of theirs: 2 MB of names at most. One beyond them, the first that was
 * deleted, is there again after a crash that has its messages looked at.
 */
export const deletedTopicsMax = 16_384;

/** A connection from which nothing arrives for this long is closed (NettyServerConfig.serverChannelMaxIdleTimeSeconds). */
export const connectionIdleMsMax = 120_000;

/**
 * Of the connections that a process takes, those from one address. A fleet behind one NAT, a proxy or a load generator still has room
 * for thousands, and one peer that opens what it can leaves a quarter for everybody else.
 */
export const connectionsPerAddressShare = 3 / 4;

/**
 * From the first byte of a frame to its last. Nobody waits for the answer any more then (RocketMQ's clients give a request 3 to 30 s),
 * while 16 MiB take a line of 1 Mbit/s 134 s; and an idle connection would be closed as late.
 */
export const frameMsMax = 180_000;

/**
 * How long a stop waits for the storage before it leaves the store as a crash would. Orchestrators give a process 10 to 90 s; a disk whose
 * every sync takes two seconds gets through in this time.
 */
export const stopSecondsMax = 30;

/** Responses queued on a connection whose peer does not read, before its requests are left unread too. */
export const sendBufferBytesMax = 4 * 1024 * 1024;

/** What a request counts at least among those that are not yet answered: with its way back it costs some 700 bytes. */
export const requestBytesMin = 1_024;

/**
 * Bytes of one row or record of a host whose storage is a database. A Durable Object holds 2 MB a row, which its local runtime does
 * not enforce.
 */
export const chunkBytesMax = 1024 * 1024;

/** What one Durable Object may store in its SQLite (Cloudflare's documented limit, on paid plans). */
export const objectBytesMax = 10 * 1000 * 1000 * 1000;

/** The percentages of a disk between which RocketMQ keeps its watermarks, whatever is set (CleanCommitLogService, MessageStoreConfig). */
export const diskMaxUsedSpaceRatioRange = [10, 95] as const;
export const diskSpaceCleanForciblyRatioRange = [30, 85] as const;
export const diskSpaceWarningLevelRatioRange = [35, 90] as const;

/** CleanCommitLogService's MAX_MANUAL_DELETE_FILE_TIMES: looks for expired files that one request of an administrator brings about. */
export const manualCleaningsMax = 20;

/** How far the time of a file may lag where keeping it costs a write of its own. Retention counts in hours. */
export const fileTimeLagMsMax = 60_000;

/** Open files kept by a host; each queue file in use wants one. Of a process that may open fewer than 2,048, a quarter of those. */
export const openFilesMax = 512;

/** Descriptors of a process that are neither connections nor the store's files: its own, Node's, and files opened for a moment. */
export const descriptorsSpare = 64;

/** The header of a frame: properties of 32767 bytes are at most six times as long in JSON, and the rest is small. */
export const headerBytesMax = 256 * 1024;

/** A JSON body (heartbeats, locks). A heartbeat of a client with a thousand subscriptions has some 300 KB. */
export const jsonBodyBytesMax = 4 * 1024 * 1024;

/** Responses are gathered in pieces of about this size before they are handed to the connection. */
export const outputChunkBytesMax = 64 * 1024;

/**
 * What a broker's memory may hold of what grows with its clients. Each bound is kept by a counter; the same engine runs with the
 * budget of a server and with that of a page.
 */
export interface MemoryBudget {
  /**
   * Bytes of frames that have begun and not ended, over all connections. Beyond it the connection that holds the most is closed, so that
   * half-sent frames of hostile or stalled peers can't fill the memory, nor the room of honest ones.
   */
  readonly partialFrameBytesTotalMax: number;
  /**
   * Bytes that wait for one connection's peer to read them before it is closed. Beyond sendBufferBytesMax it is sent no messages
   * any more; what still comes is small answers and notifications, of which a peer that reads at all never has this many.
   */
  readonly unsentBytesMax: number;
  /**
   * The same over all connections. Beyond it nobody is sent messages until connections that still had not read what an earlier turn
   * sent are closed, those with the most first.
   */
  readonly unsentBytesTotalMax: number;
  /**
   * An unfinished frame below this is not counted: it is what a connection may cost in any case, and the pieces of small requests that
   * every read leaves need no counting.
   */
  readonly partialFrameBytesMin: number;
  /**
   * Bytes of requests of one connection that are not yet answered (`requestBytesMin`; pulls are counted apart). What comes beyond it is
   * answered with SYSTEM_BUSY: a sender that never waits for its answers can't make a broker hold more while its disk is slow.
   */
  readonly requestBytesMax: number;
  /** The same over all connections: more than for one, so that a single sender that is behind leaves the others room. */
  readonly requestBytesTotalMax: number;
  /** Records that wait for their write or sync; each costs some 300 bytes. The items of a batch are many and its frame is one. */
  readonly unkeptMessagesMax: number;
  /**
   * Pulls that read from where a read takes a while, at a time; more wait for their turn as if they were held. Each brings at most one
   * of the largest records, or `pullBytesMax`.
   */
  readonly readsAtOnceMax: number;
  /** Pulls that may be held at once. Each costs about 1 KB; a pull beyond it is answered at once, as if its time were up. */
  readonly heldPullsMax: number;
  /** The same of one connection: a quarter, so that no single one takes the room of all; a process of Java's has one connection. */
  readonly heldPullsPerConnectionMax: number;
  /** Connections of all ports. Each costs some 10 KB and a descriptor, of which a process may have fewer; more are closed as they come. */
  readonly connectionsMax: number;
  /** Topics and groups that clients may bring into being; each costs some 500 bytes, and a share of a config file for ever. */
  readonly topicsMax: number;
  readonly subscriptionGroupsMax: number;
  /** Queues that have messages, of all topics; each costs some 700 bytes, its share of `queueTailBytesMax`, and a sparse file. */
  readonly queuesMax: number;
  /** The ends of queues, kept in memory for those who consume at them: divided by all queues, and at most 4 KiB each. */
  readonly queueTailBytesMax: number;
  /**
   * ConsumeQueue units that only memory holds, over all queues. They are written out each second; where that fails for so long, no more
   * messages are taken until it goes again.
   */
  readonly unwrittenQueueBytesMax: number;
  /** The same of entries of IndexFiles. Where they can't be written for so long, messages are no longer indexed. */
  readonly unwrittenIndexBytesMax: number;
  /** Groups that connections are in, over all of both; each costs some 200 bytes while the connection lasts. */
  readonly groupMembersMax: number;
  /** Subscriptions of the groups that are online: topics, expressions and hashes of tags. */
  readonly subscriptionBytesMax: number;
  /**
   * Expressions that groups subscribe by, compiled, those of groups that went away in the last day included; and as much again of those that
   * come with pulls that wait.
   */
  readonly filterBytesMax: number;
  /** Queues that groups have an offset of; each costs some 100 bytes, and a share of a config file for ever. */
  readonly consumerOffsetsMax: number;
  /** Queues locked for orderly consumption, over all groups; each costs some 200 bytes until it expires. */
  readonly queueLocksMax: number;
  /** Timer messages of one slot (timerCongestNumEachSlot, unless set): a slot is emptied as a whole, at some 100 bytes each. */
  readonly timersPerSlotMax: number;
  /**
   * What is remembered of messages that are stored once (`dedup.window.sec` of topics), at `dedupMessageBytes` and their texts each. Beyond it
   * messages of such topics are refused until some of it is old enough to be forgotten: what was answered is kept.
   */
  readonly dedupBytesMax: number;
}

/** What a remembered message costs besides its texts, which take a byte a character: its entry, its numbers, where its texts begin. */
export const dedupMessageBytes = 300;

/** The longest window: a week, as long as anybody keeps messages that are to be sent again. */
export const dedupWindowSecondsMax = 7 * 86_400;

/** The name of the property that tells messages of a topic apart (`dedup.key`). */
export const dedupKeyNameCharsMax = 255;

/** Room for eight of the largest frames, and for 64 answers of the largest message, at a time. */
export const serverBudget: MemoryBudget = {
  partialFrameBytesTotalMax: 8 * frameBytesMax,
  unsentBytesMax: 32 * 1024 * 1024,
  unsentBytesTotalMax: 256 * 1024 * 1024,
  partialFrameBytesMin: 4 * 1024,
  requestBytesMax: 64 * 1024 * 1024,
  requestBytesTotalMax: 128 * 1024 * 1024,
  unkeptMessagesMax: 200_000,
  readsAtOnceMax: 16,
  heldPullsMax: 100_000,
  heldPullsPerConnectionMax: 25_000,
  connectionsMax: 16_384,
  topicsMax: 100_000,
  subscriptionGroupsMax: 100_000,
  queuesMax: 100_000,
  queueTailBytesMax: 32 * 1024 * 1024,
  unwrittenQueueBytesMax: 64 * 1024 * 1024,
  unwrittenIndexBytesMax: 128 * 1024 * 1024,
  groupMembersMax: 200_000,
  subscriptionBytesMax: 64 * 1024 * 1024,
  filterBytesMax: 64 * 1024 * 1024,
  consumerOffsetsMax: 1_000_000,
  queueLocksMax: 100_000,
  timersPerSlotMax: 1_000_000,
  dedupBytesMax: 256 * 1024 * 1024,
};

/**
 * For a Durable Object (128 MB an isolate, which objects may share) and a page: 114 MB if all of it were at its worst at once. Records
 * that wait for their write and the windows of the core take 22 MiB at most, unfinished frames one of the largest and 1 KiB a connection,
 * answers 8 MiB, reads 16 MiB, requests 8 MB, held pulls, locks and offsets 4 MB, connections 10 MB, topics and groups 5 MB, queues and
 * their ends 9 MB, the index 4 MB, members and subscriptions 3 MB, their filters and those of pulls that wait 2 MB, timers 6 MB, messages that
 * are stored once 2 MB.
 */
export const smallBudget: MemoryBudget = {
  partialFrameBytesTotalMax: frameBytesMax,
  unsentBytesMax: 6 * 1024 * 1024,
  unsentBytesTotalMax: 8 * 1024 * 1024,
  partialFrameBytesMin: 1024,
  requestBytesMax: 8 * 1024 * 1024,
  requestBytesTotalMax: 12 * 1024 * 1024,
  unkeptMessagesMax: 20_000,
  readsAtOnceMax: 4,
  heldPullsMax: 2_000,
  heldPullsPerConnectionMax: 1_000,
  connectionsMax: 1_000,
  topicsMax: 5_000,
  subscriptionGroupsMax: 5_000,
  queuesMax: 10_000,
  queueTailBytesMax: 2 * 1024 * 1024,
  unwrittenQueueBytesMax: 4 * 1024 * 1024,
  unwrittenIndexBytesMax: 4 * 1024 * 1024,
  groupMembersMax: 5_000,
  subscriptionBytesMax: 2 * 1024 * 1024,
  filterBytesMax: 1024 * 1024,
  consumerOffsetsMax: 20_000,
  queueLocksMax: 2_000,
  timersPerSlotMax: 20_000,
  dedupBytesMax: 2 * 1024 * 1024,
};

/** A file of a store: Apache's sizes of files are Java ints (MessageStoreConfig). */
export const storeFileBytesMax = 2_147_483_647;

/** A `broker.conf`: some 400 keys are known to Apache, of some 40 bytes each. */
export const brokerConfBytesMax = 64 * 1024;

/** A file of settings that a broker or NameServer is started with: all of Apache's keys, with comments. */
export const configFileBytesMax = 1024 * 1024;

/** The largest `maxMessageSize` of a store: its largest record, with all else in it, has to fit into `pendingBytesMax`. */
export const maxMessageSizeMax = pendingBytesMax - 64 * 1024;

/** Timer messages: units of their log that wait for the next write. Each is one of 52 bytes. */
export const timerUnwrittenBytesMax = 1024 * 1024;

/** RocketMQ's timerMaxDelaySec, as it is unless set: three days. Set, it is a Java int; waits of any length go round on the wheel. */
export const timerDelaySecondsMax = 3 * 24 * 3_600;
export const timerMaxDelaySecMax = 2_147_483_647;

/**
 * TimerMessageStore: half the wheel, less some slots: what is further away than this many slots goes round. And the milliseconds of a round
 * are an int in the timer log, 24.8 days of them.
 */
export const timerRollWindowSlotMax = 7 * 24 * 3_600 - 60;
export const timerRoundMsMax = 2_147_483_647;

/** A recall handle names a topic, a broker, a time and a message: some 300 characters at most, and a third more in base64. */
export const recallHandleCharsMax = 4_096;

/** Zeros of a store's file are left out of an archive by blocks of this size, which is that of a file system's holes. */
export const sparseBlockBytes = 4096;

/** Ranges of one sparse file in an archive: one block in two of the largest file. */
export const sparseRangesMax = 262_144;

/** The extended header of an archive's entry: a path, a time and three numbers, or what other programs add. */
export const archiveHeaderBytesMax = 64 * 1024;

/** A path in an archive: the store's longest have a topic of 255 characters in them. */
export const archivePathBytesMax = 1_024;

/** Files of one archive; a name costs some 200 bytes until the end. 100,000 topics of four queues have 400,000. */
export const archiveFilesMax = 1_000_000;

/** What an export reads and hands on at a time, and an import gathers before it writes. */
export const archiveChunkBytes = 256 * 1024;
export const importBatchBytesMax = 1024 * 1024;

/** A file that may be replaced while a store is exported is taken at one go up to this size: a topics.json of 100,000 topics. */
export const exportedAtOnceBytesMax = 24 * 1024 * 1024;

/**
 * Pages of files that a host without a page cache of its own keeps in memory: the tails of the log and of a few hundred queues,
 * and what consumers that are a little behind read next.
 */
export const pageCacheBytesMax = 8 * 1024 * 1024;

/**
 * The client: what the body of one received message may inflate to. Producers keep to 4 MiB before they compress unless told
 * otherwise; four times that leaves room for those, and a few bytes that claim a gigabyte are turned away.
 */
export const inflatedBodyBytesMax = 16 * 1024 * 1024;

/**
 * The client: blocks of one Zstandard body. Encoders make them of 128 KiB and split those where it pays, hardly below 8 KiB: 16 MiB
 * are 128 to 2,048 of them. Each may bring four tables, which take some 30 microseconds to build: twice that many are an eighth of
 * a second.
 */
export const zstdBlocksMax = 4096;

/**
 * The client: requests and bytes of sends that wait for their answers, over all its producers; more wait for room. 64 MiB are
 * sixteen of the largest messages, 8,192 small ones keep a fast broker busy.
 */
export const sendsInFlightMax = 8_192;
export const sendBytesInFlightMax = 64 * 1024 * 1024;

/** The client: what it lets wait on one line before one-way sends wait themselves. */
export const onewayUnsentBytesMax = 4 * 1024 * 1024;

/** The client: topics whose routes it keeps; an application that sends to more loses those it used longest ago. */
export const cachedRoutesMax = 10_000;

/**
 * The client: bytes of answers that have begun and not ended, over all its lines. An answer to a pull has some 256 KiB; room for
 * eight of the largest frames there are.
 */
export const answerBytesPartialMax = 8 * frameBytesMax;

/** Open handles of OPFS files: each costs a descriptor and a channel to the browser's process, which all of its pages share. */
export const openHandlesMax = 128;

/**
 * Bytes on the way between a tab and the broker's Worker, each way of a line: a pull's answer of the usual size fits several times,
 * and a tab that is frozen keeps no more than this from being freed.
 */
export const tabWindowBytes = 1024 * 1024;

/** One message between them: copied twice, so large ones bring nothing more. */
export const tabPieceBytesMax = 256 * 1024;

/**
 * Brokers elsewhere that are registered at a NameServer, by address: each costs some 500 bytes. The largest clusters that are told of
 * have some hundreds.
 */
export const registeredBrokersMax = 4_096;

/** Topics of them, counted once for each broker: some 200 bytes each. A hundred brokers of 10,000 topics. */
export const registeredQueuesMax = 1_000_000;

/** Names and addresses in a registration: a retry topic's has 255 characters. */
export const registeredNameCharsMax = 255;

/**
 * The body of a registration: one of 80,000 topics fills the largest frame, and as many topics are half of it when compressed text is
 * inflated.
 */
export const registrationBytesMax = frameBytesMax;

/** What a broker tells a NameServer of its topics at once: more, some 40,000 topics, is told in parts, each well within a frame. */
export const registrationPartCharsMax = 8 * 1024 * 1024;

/** A static topic's mapping, as JSON: its queues' numbers. */
export const topicMappingCharsMax = 64 * 1024;

/** All mappings of static topics that a NameServer has, as JSON: those of 100,000 usual ones, at some ten bytes a character. */
export const topicMappingCharsTotalMax = 16 * 1024 * 1024;

/** The NameServer's key-value settings, over all namespaces: entries, and characters of names and values. One an ordered topic. */
export const kvEntriesMax = 10_000;
export const kvCharsMax = 4 * 1024 * 1024;

/** Lost messages that a broker remembers, so as to look for each once, and units that it has compared with their records: some 100 bytes each. */
export const lostMessagesKnownMax = 10_000;

/** A record that `--repair` puts in the place of damaged bytes; more bytes take several. */
export const filledRecordBytesMax = 1024 * 1024;

/** A check of a store: findings of one code that it names one by one; more are counted. A report of all codes has some megabytes at most. */
export const findingsPerCodeMax = 1_000;

/** What a check holds of all ConsumeQueues at once: each is read in order, a piece at a time, of up to 10 KiB. */
export const checkedUnitBytesMax = 32 * 1024 * 1024;
export const checkedUnitBytesPerQueueMax = 512 * 20;

/** Damaged ranges, and ranges of records that no checksum covers whole, that a check tells apart; later ones are counted. */
export const checkedRangesMax = 10_000;
