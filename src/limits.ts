/** Every bound of the engine, with its unit in the name and its argument beside it. */

/** RocketMQ's frame limit (NettyDecoder, com.rocketmq.remoting.frameMaxLength), the length field included. */
export const frameBytesMax = 16_777_216;

/**
 * Bytes of frames that have begun and not ended, over all connections. Room for sixteen of the largest frames, or for
 * thousands of ordinary ones; beyond it the connection that holds the most is closed, so that half-sent frames of hostile or
 * stalled peers can't fill the memory, nor the room of honest ones.
 */
export const partialFrameBytesTotalMax = 16 * frameBytesMax;

/** An unfinished frame below this is not counted: it is about what a socket brings at a time, and a connection costs as much. */
export const partialFrameBytesMin = 64 * 1024;

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

/** Pulls that may be held at once. Each costs about 1 KB; a pull beyond it is answered at once, as if its time were up. */
export const heldPullsMax = 100_000;

/** The longest a pull may be held (RocketMQ's clients ask for 15 to 30 s and give up themselves soon after). */
export const pullHoldMsMax = 60_000;

/** Topics and groups that clients may bring into being; each costs memory and a share of a config file for ever. */
export const topicsMax = 100_000;
export const subscriptionGroupsMax = 100_000;

/** Producer groups of one connection; a process has a handful, and each costs some 200 bytes while the connection lasts. */
export const producerGroupsPerClientMax = 1_024;

/** A client's id is its address, its process and a name of its own: some 50 characters. It is kept with each of its groups. */
export const clientIdCharsMax = 1_024;

/** Queues locked for orderly consumption, over all groups; each costs some 200 bytes until it expires. */
export const queueLocksMax = 100_000;

/** Tags of one subscription: each pull compares every message with all of them. */
export const subscriptionTagsMax = 4_096;

/** Queues of one topic, as `mqadmin updateTopic` would be foolish to exceed. */
export const queuesPerTopicMax = 65_535;

/** Names (TopicValidator, Validators of the client). */
export const topicNameCharsMax = 127;
export const retryTopicNameCharsMax = 255;
export const groupNameCharsMax = 120;

/** Connections of one port. Each costs some 10 KB and a descriptor; more are closed as they come. */
export const connectionsMax = 16_384;

/** A connection from which nothing arrives for this long is closed (NettyServerConfig.serverChannelMaxIdleTimeSeconds). */
export const connectionIdleMsMax = 120_000;

/** Responses queued on a connection whose peer does not read, before its requests are left unread too. */
export const sendBufferBytesMax = 4 * 1024 * 1024;

/**
 * Bytes that wait for one connection's peer to read them before it is closed. Beyond sendBufferBytesMax it is sent no messages
 * any more; what still comes is small answers and notifications, of which a peer that reads at all never has this many.
 */
export const unsentBytesMax = 32 * 1024 * 1024;

/**
 * The same over all connections: room for 64 answers of the largest message at a time. Beyond it nobody is sent messages until
 * connections that still had not read what an earlier turn sent are closed, those with the most first.
 */
export const unsentBytesTotalMax = 256 * 1024 * 1024;

/** Open files kept by a host; each queue file in use wants one, and 1,024 is a usual limit of a process. */
export const openFilesMax = 512;

/** The header of a frame: properties of 32767 bytes are at most six times as long in JSON, and the rest is small. */
export const headerBytesMax = 256 * 1024;

/** A JSON body (heartbeats, locks). A heartbeat of a client with a thousand subscriptions has some 300 KB. */
export const jsonBodyBytesMax = 4 * 1024 * 1024;

/** Responses are gathered in pieces of about this size before they are handed to the connection. */
export const outputChunkBytesMax = 64 * 1024;

/**
 * Pages of files that a host without a page cache of its own keeps in memory: the tails of the log and of a few hundred queues,
 * and what consumers that are a little behind read next.
 */
export const pageCacheBytesMax = 8 * 1024 * 1024;
