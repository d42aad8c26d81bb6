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

/** RocketMQ's maxTransferBytesOnMessageInMemory and maxTransferCountOnMessageInMemory: what one pull brings at most. */
export const pullBytesMax = 256 * 1024;
export const pullMessagesMax = 32;

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

/** The longest a pull may be held (RocketMQ's clients ask for 15 to 30 s and give up themselves soon after). */
export const pullHoldMsMax = 60_000;

/** Producer groups of one connection; a process has a handful, and each costs some 200 bytes while the connection lasts. */
export const producerGroupsPerClientMax = 1_024;

/** A client's id is its address, its process and a name of its own: some 50 characters. It is kept with each of its groups. */
export const clientIdCharsMax = 1_024;

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

/** Queues of one topic, as `mqadmin updateTopic` would be foolish to exceed. */
export const queuesPerTopicMax = 65_535;

/** Names (TopicValidator, Validators of the client). */
export const topicNameCharsMax = 127;
export const retryTopicNameCharsMax = 255;
export const groupNameCharsMax = 120;

/** A connection from which nothing arrives for this long is closed (NettyServerConfig.serverChannelMaxIdleTimeSeconds). */
export const connectionIdleMsMax = 120_000;

/** Responses queued on a connection whose peer does not read, before its requests are left unread too. */
export const sendBufferBytesMax = 4 * 1024 * 1024;

/**
 * Bytes of one row or record of a host whose storage is a database. A Durable Object holds 2 MB a row, which its local runtime does
 * not enforce.
 */
export const chunkBytesMax = 1024 * 1024;

/** How far the time of a file may lag where keeping it costs a write of its own. Retention counts in hours. */
export const fileTimeLagMsMax = 60_000;

/** Open files kept by a host; each queue file in use wants one, and 1,024 is a usual limit of a process. */
export const openFilesMax = 512;

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
  /** An unfinished frame below this is not counted: it is about what a connection brings at a time, and costs, in any case. */
  readonly partialFrameBytesMin: number;
  /** Pulls that may be held at once. Each costs about 1 KB; a pull beyond it is answered at once, as if its time were up. */
  readonly heldPullsMax: number;
  /** Connections of one port. Each costs some 10 KB; more are closed as they come. */
  readonly connectionsMax: number;
  /** Topics and groups that clients may bring into being; each costs some 500 bytes, and a share of a config file for ever. */
  readonly topicsMax: number;
  readonly subscriptionGroupsMax: number;
  /** Queues that groups have an offset of; each costs some 100 bytes, and a share of a config file for ever. */
  readonly consumerOffsetsMax: number;
  /** Queues locked for orderly consumption, over all groups; each costs some 200 bytes until it expires. */
  readonly queueLocksMax: number;
}

/** Room for sixteen of the largest frames, and for 64 answers of the largest message, at a time. */
export const serverBudget: MemoryBudget = {
  partialFrameBytesTotalMax: 16 * frameBytesMax,
  unsentBytesMax: 32 * 1024 * 1024,
  unsentBytesTotalMax: 256 * 1024 * 1024,
  partialFrameBytesMin: 64 * 1024,
  heldPullsMax: 100_000,
  connectionsMax: 16_384,
  topicsMax: 100_000,
  subscriptionGroupsMax: 100_000,
  consumerOffsetsMax: 1_000_000,
  queueLocksMax: 100_000,
};

/**
 * For a Durable Object (128 MB an isolate, which objects may share) and a page: 64 MB in all. Records that wait for their write and the
 * windows of the core take 22 MiB at most, unfinished frames one of the largest and 1 KiB a connection, answers 8 MiB, held pulls,
 * locks and offsets 4 MB, connections 10 MB, topics and groups 5 MB.
 */
export const smallBudget: MemoryBudget = {
  partialFrameBytesTotalMax: frameBytesMax,
  unsentBytesMax: 6 * 1024 * 1024,
  unsentBytesTotalMax: 8 * 1024 * 1024,
  partialFrameBytesMin: 1024,
  heldPullsMax: 2_000,
  connectionsMax: 1_000,
  topicsMax: 5_000,
  subscriptionGroupsMax: 5_000,
  consumerOffsetsMax: 20_000,
  queueLocksMax: 2_000,
};

/** A file of a store: Apache's sizes of files are Java ints (MessageStoreConfig). */
export const storeFileBytesMax = 2_147_483_647;

/** A `broker.conf`: some 400 keys are known to Apache, of some 40 bytes each. */
export const brokerConfBytesMax = 64 * 1024;

/** The largest `maxMessageSize` of a store: its largest record, with all else in it, has to fit into `pendingBytesMax`. */
export const maxMessageSizeMax = pendingBytesMax - 64 * 1024;

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
