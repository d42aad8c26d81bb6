/** One queue of a topic on one broker. */
export interface MessageQueue {
  readonly topic: string;
  readonly brokerName: string;
  readonly queueId: number;
}

/** A message to send. */
export interface Message {
  readonly topic: string;
  /** At most 4 MiB; text is sent as UTF-8. */
  readonly body: Uint8Array | string;
  readonly tag?: string;
  /** By which it can be searched. None holds a space. */
  readonly keys?: readonly string[];
  /** The application's own. Names and values hold neither \u0001 nor \u0002. */
  readonly properties?: Readonly<Record<string, string>>;
  /** RocketMQ's delay level, from 1 (1 s by default) to 18 (2 h by default). */
  readonly delayLevel?: number;
  /** Instead of a level: so many milliseconds after the broker took it, or from a time on, in milliseconds since 1970. Three days at most. */
  readonly delayMs?: number;
  readonly deliverAtMs?: number;
  /** Kept with the message, of no meaning to the broker. */
  readonly flag?: number;
}

/** A message as it was stored. */
export interface ReceivedMessage {
  readonly topic: string;
  readonly brokerName: string;
  readonly queueId: number;
  readonly queueOffset: number;
  /** Made by the producer (UNIQ_KEY); the broker's own id where there was none. */
  readonly messageId: string;
  /** Names the record in the broker's CommitLog. */
  readonly offsetMessageId: string;
  /** Inflated, if it was sent compressed. */
  readonly body: Uint8Array;
  readonly tag: string | undefined;
  readonly keys: readonly string[];
  /** All of them, RocketMQ's own included. */
  readonly properties: Readonly<Record<string, string>>;
  readonly flag: number;
  readonly bornTimestampMs: number;
  readonly bornHost: string;
  readonly storeTimestampMs: number;
  readonly storeHost: string;
  readonly commitLogOffset: number;
  /** Of the record as the broker gave it out, which may leave out a checksum that only its store has. */
  readonly storeSizeBytes: number;
  /** How many times the group had it before. */
  readonly reconsumeTimes: number;
}

/** What came back to a request: a message that its broker handed on, stored or not. */
export type Reply = Pick<
  ReceivedMessage,
  | "topic"
  | "messageId"
  | "body"
  | "tag"
  | "keys"
  | "properties"
  | "flag"
  | "bornTimestampMs"
  | "bornHost"
  | "storeTimestampMs"
  | "storeHost"
>;

/** Properties of MessageConst that this client writes or reads. */
export const property = {
  keys: "KEYS",
  tags: "TAGS",
  wait: "WAIT",
  delay: "DELAY",
  timerDelayMs: "TIMER_DELAY_MS",
  timerDeliverMs: "TIMER_DELIVER_MS",
  uniqueKey: "UNIQ_KEY",
  transactionPrepared: "TRAN_MSG",
  producerGroup: "PGROUP",
  shardingKey: "__SHARDINGKEY",
  retryTopic: "RETRY_TOPIC",
  originMessageId: "ORIGIN_MESSAGE_ID",
  reconsumeTime: "RECONSUME_TIME",
  maxReconsumeTimes: "MAX_RECONSUME_TIMES",
  popCheckPoint: "POP_CK",
  cluster: "CLUSTER",
  correlationId: "CORRELATION_ID",
  replyToClient: "REPLY_TO_CLIENT",
  timeToLive: "TTL",
  messageType: "MSG_TYPE",
} as const;

export const retryTopicPrefix = "%RETRY%";

export function queueKey({ topic, brokerName, queueId }: MessageQueue): string {
  return `${topic}\u0001${brokerName}\u0001${queueId}`;
}

/** MessageQueue.compareTo. */
export function compareQueues(a: MessageQueue, b: MessageQueue): number {
  return compareTexts(a.topic, b.topic) || compareTexts(a.brokerName, b.brokerName) || a.queueId - b.queueId;
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
