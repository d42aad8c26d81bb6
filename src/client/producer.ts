import { cachedRoutesMax, onewayUnsentBytesMax } from "../limits.ts";
import { decodeBase64Url } from "../ports/base64-url.ts";
import { decodeUtf8 } from "../ports/text.ts";
import { backOffMs } from "./back-off.ts";
import type { Client } from "./client.ts";
import { sleep } from "./clock.ts";
import { compress, compressFromBytes } from "./compression.ts";
import { type Fields, numberField, type Response, requestCode, responseCode } from "./connection.ts";
import { type EncodedMessage, encodeBatch, encodeMessage, printProperties } from "./encode.ts";
import { ClientError, isLost } from "./error.ts";
import { javaHash } from "./java-hash.ts";
import {
  type Message,
  type MessageQueue,
  property,
  type ReceivedMessage,
  type Reply,
  retryTopicPrefix,
} from "./message.ts";
import { defaultTopicQueueNums, keepAtMost } from "./routes.ts";

export interface ProducerOptions {
  /** Default DEFAULT_PRODUCER. */
  readonly group?: string;
  /** A whole send, its retries included. Default 3,000 ms. */
  readonly sendTimeoutMs?: number;
  /** How often a send that a broker failed is tried at once again, elsewhere if it can be. Default 2. */
  readonly retriesMax?: number;
  /** Bodies of this size and more are compressed. Default 4,096 bytes; Infinity for never. */
  readonly compressFromBytes?: number;
}

export interface SendOptions {
  /** Messages with the same key go to the same queue, in the order of their sends, as with Java's SelectMessageQueueByHash. */
  readonly shardingKey?: string;
  /** The queue to send to. */
  readonly queue?: MessageQueue;
  readonly signal?: AbortSignal;
  /** Instead of the producer's. */
  readonly timeoutMs?: number;
}

/** FLUSH and SLAVE: the broker has the message, and its disk or its slave may not have it yet. */
export type SendStatus = "SEND_OK" | "FLUSH_DISK_TIMEOUT" | "SLAVE_NOT_AVAILABLE" | "FLUSH_SLAVE_TIMEOUT";

export interface SendResult {
  readonly status: SendStatus;
  /** Made by this producer; of a batch, that of its first message. */
  readonly messageId: string;
  /** Names the record in the broker's CommitLog; of a batch all of them, divided by commas. */
  readonly offsetMessageId: string;
  readonly queue: MessageQueue;
  /** Of a batch, that of its first message. */
  readonly queueOffset: number;
  /** Of a message that waits for its time (`delayMs`, `deliverAtMs`): what `recall` takes. */
  readonly recallHandle?: string;
}

export interface RecallOptions {
  readonly signal?: AbortSignal;
  /** Default: the producer's sendTimeoutMs. */
  readonly timeoutMs?: number;
}

const statuses = new Map<number, SendStatus>([
  [responseCode.success, "SEND_OK"],
  [responseCode.flushDiskTimeout, "FLUSH_DISK_TIMEOUT"],
  [responseCode.slaveNotAvailable, "SLAVE_NOT_AVAILABLE"],
  [responseCode.flushSlaveTimeout, "FLUSH_SLAVE_TIMEOUT"],
]);

/** What another broker, or the same one, may take a moment later (DefaultMQProducer.retryResponseCodes). */
const retriedCodes: ReadonlySet<number> = new Set([
  responseCode.systemError,
  responseCode.serviceNotAvailable,
  responseCode.noPermission,
  responseCode.topicNotExist,
  responseCode.noBuyerId,
  responseCode.notInCurrentUnit,
]);

/** MessageSysFlag. */
const transactionPrepared = 4;

/** One request to send, whatever the queue. */
interface Sending {
  readonly topic: string;
  readonly messageId: string;
  readonly code: number;
  readonly fields: Fields;
  readonly body: Uint8Array;
}

/**
 * Sends messages. A send resolves when the broker has the message; any number may be under way, and where too many are, a send
 * waits for room first. The bodies must not be changed before.
 */
export class Producer {
  readonly group: string;
  readonly #client: Client;
  readonly #sendTimeoutMs: number;
  readonly #retriesMax: number;
  readonly #compressFromBytes: number;
  readonly #turns = new Map<string, number>();
  #known: Promise<void> | undefined;
  #isClosed = false;

  /** Made by `Client.producer`. */
  constructor(client: Client, options: ProducerOptions) {
    this.#client = client;
    this.group = options.group ?? "DEFAULT_PRODUCER";
    this.#sendTimeoutMs = options.sendTimeoutMs ?? 3_000;
    this.#retriesMax = options.retriesMax ?? 2;
    this.#compressFromBytes = options.compressFromBytes ?? compressFromBytes;
    client.addProducer(this.group);
  }

  /**
   * Sends one message, or several of one topic as one batch: all of them are stored one after the other, or none. Rejects with a
   * `ClientError`, or the signal's reason. After CONNECTION_CLOSED, REQUEST_TIMEOUT or an abort nobody knows whether the message
   * was stored; a retry after such a failure may have stored it twice.
   */
  send(message: Message | readonly Message[], options: SendOptions = {}): Promise<SendResult> {
    return this.#sendPrepared(() => this.#prepare(message, options), options);
  }

  /** Sends the first half of a transaction: see `TransactionProducer`. Rejects as `send` does. */
  sendHalf(message: Message, options: SendOptions): Promise<SendResult> {
    const half = { [property.transactionPrepared]: "true", [property.producerGroup]: this.group };
    return this.#sendPrepared(() => {
      const { fields, ...sending } = this.#prepare(message, options, half);
      return { ...sending, fields: { ...fields, f: Number(fields["f"]) | transactionPrepared } };
    }, options);
  }

  /**
   * Sends a message and waits for what a consumer replies to it, until the time for both is over. Rejects as `send` does; with
   * REQUEST_TIMEOUT also if nobody replies in time.
   */
  async request(message: Message, options: SendOptions = {}): Promise<Reply> {
    const timeoutMs = options.timeoutMs ?? this.#sendTimeoutMs;
    const correlationId = this.#client.uniqueKeys.next();
    const awaited = this.#client.replies.expect(correlationId, timeoutMs, options.signal);
    try {
      await this.#makeKnown(message.topic);
      const sent = this.#sendPrepared(
        () =>
          this.#prepare(message, options, {
            [property.correlationId]: correlationId,
            [property.replyToClient]: this.#client.clientId,
            [property.timeToLive]: String(timeoutMs),
          }),
        { ...options, timeoutMs },
      );
      return await Promise.race([awaited.reply, sent.then(() => awaited.reply)]);
    } finally {
      awaited.end();
    }
  }

  /**
   * Replies to a message that was sent as a request. Resolves when who asked has the reply; rejects as `send` does, with SYSTEM_ERROR where
   * the broker does not know who asked, or could not reach him, and with MESSAGE_ILLEGAL for a message that is no request.
   */
  async reply(request: ReceivedMessage, body: Message["body"], options: SendOptions = {}): Promise<SendResult> {
    const { properties } = request;
    const { cluster, correlationId, replyToClient, timeToLive } = property;
    if (properties[cluster] === undefined || properties[replyToClient] === undefined) {
      throw new ClientError("MESSAGE_ILLEGAL", `nobody waits for a reply to the message ${request.messageId}`);
    }
    const more: Record<string, string> = { [property.messageType]: "reply" };
    for (const name of [correlationId, replyToClient, timeToLive]) {
      if (properties[name] !== undefined) more[name] = properties[name];
    }
    const message = { topic: `${properties[cluster]}_REPLY_TOPIC`, body };
    const prepare = (): Sending => {
      const sending = this.#prepare(message, options, more);
      return { ...sending, code: requestCode.sendReplyMessageV2 };
    };
    return this.#sendPrepared(prepare, options);
  }

  async #sendPrepared(prepare: () => Sending, options: SendOptions): Promise<SendResult> {
    const sending = prepare();
    const { signal } = options;
    await this.#client.sendBudget.take(sending.body.length, signal);
    try {
      return await this.#send(sending, options);
    } finally {
      this.#client.sendBudget.give(sending.body.length);
    }
  }

  /** Resolves when the message is on its way; whether it arrives is not known. */
  async sendOneway(message: Message | readonly Message[], options: SendOptions = {}): Promise<void> {
    const sending = this.#prepare(message, options);
    const { signal } = options;
    await this.#client.sendBudget.take(sending.body.length, signal);
    try {
      const queue = await this.#select(sending.topic, options, undefined);
      const connection = await this.#client.connect(this.address(queue), signal);
      connection.oneway(sending.code, { ...sending.fields, e: queue.queueId, n: queue.brokerName }, sending.body);
      while (connection.unsentBytes > onewayUnsentBytesMax) await sleep(this.#client.clock, unsentLookMs, signal);
    } finally {
      this.#client.sendBudget.give(sending.body.length);
    }
  }

  /**
   * Takes back a message that waits for its time; its messageId. Once the broker has answered, the message is not delivered. Rejects with
   * NO_PERMISSION where recalls are off (recallMessageEnable), and ILLEGAL_OPERATION for a handle of something else or of a message whose time
   * is over.
   */
  async recall(topic: string, recallHandle: string, options: RecallOptions = {}): Promise<string> {
    if (this.#isClosed) throw new ClientError("CLIENT_CLOSED", "the producer is closed");
    const bytes = decodeBase64Url(recallHandle);
    const brokerName = bytes === undefined ? undefined : decodeUtf8(bytes).split(" ")[2];
    if (brokerName === undefined) throw new ClientError("ILLEGAL_OPERATION", "the recall handle is none");
    await this.#client.routes.forSending(topic);
    const address = this.address({ topic, brokerName, queueId: 0 });
    const fields = { producerGroup: this.group, topic, recallHandle, bname: brokerName };
    const { signal, timeoutMs = this.#sendTimeoutMs } = options;
    const {
      code,
      remark,
      fields: answered,
    } = await this.#client.request(address, requestCode.recallMessage, fields, undefined, { timeoutMs, signal });
    if (code !== responseCode.success) throw ClientError.ofAnswer(code, remark, `recall from ${topic}`);
    return answered["msgId"] ?? "";
  }

  /** Takes no more sends and leaves the group. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#client.removeProducer(this.group);
  }

  /** A reply comes by the broker that knows this client for a producer: lines that were open before do not. */
  #makeKnown(topic: string): Promise<void> {
    this.#known ??= this.#client.routes.forSending(topic).then(
      () => this.#client.heartbeat(),
      () => {
        this.#known = undefined;
      },
    );
    return this.#known;
  }

  #prepare(
    message: Message | readonly Message[],
    options: SendOptions,
    properties: Readonly<Record<string, string>> = {},
  ): Sending {
    if (this.#isClosed) throw new ClientError("CLIENT_CLOSED", "the producer is closed");
    const { shardingKey } = options;
    const more = shardingKey === undefined ? properties : { ...properties, [property.shardingKey]: shardingKey };
    if (!isBatch(message)) {
      const encoded = encodeMessage(message, this.#client.uniqueKeys.next(), more);
      return this.#sending(encoded, requestCode.sendMessageV2, this.#compressed(encoded.body));
    }
    const encoded = message.map((each) => encodeMessage(each, this.#client.uniqueKeys.next(), more));
    checkBatch(message);
    // By its key a topic of inner batches keeps it as one record.
    const names = { [property.uniqueKey]: this.#client.uniqueKeys.next(), [property.wait]: "true" };
    const batch = { ...encoded[0]!, properties: printProperties(names), flag: 0 };
    return this.#sending(batch, requestCode.sendBatchMessage, { body: encodeBatch(encoded), sysFlag: 0 });
  }

  #sending(
    { topic, messageId, properties, flag }: EncodedMessage,
    code: number,
    { body, sysFlag }: { readonly body: Uint8Array; readonly sysFlag: number },
  ): Sending {
    const fields = {
      a: this.group,
      b: topic,
      c: "TBW102",
      d: defaultTopicQueueNums,
      f: sysFlag,
      g: this.#client.clock.now(),
      h: flag,
      i: properties,
      j: 0,
      k: false,
      m: code === requestCode.sendBatchMessage,
    };
    return { topic, messageId, code, fields, body };
  }

  #compressed(body: Uint8Array): { readonly body: Uint8Array; readonly sysFlag: number } {
    const smaller = body.length >= this.#compressFromBytes ? compress(body) : undefined;
    return smaller ?? { body, sysFlag: 0 };
  }

  /** As DefaultMQProducerImpl.sendDefaultImpl; a refusal for being busy is not hammered upon but waited out. */
  async #send(sending: Sending, options: SendOptions): Promise<SendResult> {
    const { clock } = this.#client;
    const deadline = clock.now() + (options.timeoutMs ?? this.#sendTimeoutMs);
    // A queue that was asked for is the only one; a second try could overtake what was sent after the first.
    const retriesMax = options.shardingKey === undefined && options.queue === undefined ? this.#retriesMax : 0;
    let failures = 0;
    let refusals = 0;
    let failedBroker: string | undefined;
    for (;;) {
      const queue = await this.#select(sending.topic, options, failedBroker);
      let error: unknown;
      try {
        const timeoutMs = Math.max(1, deadline - clock.now());
        return resultOf(await this.#request(sending, queue, timeoutMs, options.signal), sending, queue);
      } catch (failure) {
        error = failure;
      }
      if (options.signal?.aborted === true || this.#client.closing.aborted) throw error;
      if (error instanceof ClientError && error.code === "SYSTEM_BUSY") {
        const waitMs = backOffMs(refusals++, clock);
        if (clock.now() + waitMs >= deadline) throw error;
        await sleep(clock, waitMs, options.signal);
        continue;
      }
      if (!isLost(error) && !isRetried(error)) throw error;
      if (++failures > retriesMax || clock.now() >= deadline) throw error;
      failedBroker = queue.brokerName;
      if (isLost(error)) await this.#client.refreshRoute(sending.topic).catch(() => {});
    }
  }

  #request(sending: Sending, queue: MessageQueue, timeoutMs: number, signal?: AbortSignal): Promise<Response> {
    const fields = { ...sending.fields, e: queue.queueId, n: queue.brokerName };
    return this.#client.request(this.address(queue), sending.code, fields, sending.body, { timeoutMs, signal });
  }

  /** Where a queue is written to. Throws ADDRESS_UNUSABLE. */
  address({ brokerName }: MessageQueue): string {
    const address = this.#client.routes.masterAddress(brokerName);
    if (address === undefined)
      throw new ClientError("ADDRESS_UNUSABLE", `no master of the broker ${brokerName} is known`);
    return address;
  }

  /** By turns; not on the broker that failed just now if there is another (TopicPublishInfo.selectOneMessageQueue). */
  async #select(topic: string, { queue, shardingKey }: SendOptions, failedBroker?: string): Promise<MessageQueue> {
    const { writeQueues } = await this.#client.routes.forSending(topic);
    if (queue !== undefined) return queue;
    if (shardingKey !== undefined) return writeQueues[Math.abs(javaHash(shardingKey) % writeQueues.length)]!;
    let turn = this.#turns.get(topic) ?? Math.floor(this.#client.clock.random() * writeQueues.length);
    for (let tries = 1; tries < writeQueues.length; tries++, turn++) {
      if (writeQueues[turn % writeQueues.length]!.brokerName !== failedBroker) break;
    }
    this.#turns.set(topic, (turn + 1) % writeQueues.length);
    keepAtMost(this.#turns, cachedRoutesMax);
    return writeQueues[turn % writeQueues.length]!;
  }
}

const unsentLookMs = 10;

function isBatch(message: Message | readonly Message[]): message is readonly Message[] {
  return Array.isArray(message);
}

/** MessageBatch.generateFromList. */
function checkBatch(messages: readonly Message[]): void {
  const [first] = messages;
  if (first === undefined) throw new ClientError("MESSAGE_ILLEGAL", "the batch is empty");
  for (const { topic, delayLevel, delayMs, deliverAtMs } of messages) {
    if (topic !== first.topic)
      throw new ClientError("MESSAGE_ILLEGAL", "the messages of a batch are of several topics");
    if ((delayLevel || delayMs || deliverAtMs || 0) > 0)
      throw new ClientError("MESSAGE_ILLEGAL", "a batch can't be delayed");
    if (topic.startsWith(retryTopicPrefix))
      throw new ClientError("MESSAGE_ILLEGAL", "a batch can't go to a retry topic");
  }
}

function isRetried(error: unknown): boolean {
  return error instanceof ClientError && error.responseCode !== undefined && retriedCodes.has(error.responseCode);
}

function resultOf(response: Response, { messageId }: Sending, queue: MessageQueue): SendResult {
  const status = statuses.get(response.code);
  if (status === undefined) throw ClientError.ofAnswer(response.code, response.remark, `send to ${queue.topic}`);
  const { recallHandle } = response.fields;
  return {
    status,
    messageId,
    offsetMessageId: response.fields["msgId"] ?? "",
    queue: { ...queue, queueId: numberField(response, "queueId") },
    queueOffset: numberField(response, "queueOffset"),
    ...(recallHandle === undefined ? {} : { recallHandle }),
  };
}
