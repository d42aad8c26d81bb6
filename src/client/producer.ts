import { cachedRoutesMax, onewayUnsentBytesMax } from "../limits.ts";
import { backOffMs } from "./back-off.ts";
import type { Client } from "./client.ts";
import { sleep } from "./clock.ts";
import { compress, compressFromBytes } from "./compression.ts";
import { type Fields, numberField, type Response, requestCode, responseCode } from "./connection.ts";
import { type EncodedMessage, encodeBatch, encodeMessage, printProperties } from "./encode.ts";
import { ClientError, isLost } from "./error.ts";
import { javaHash } from "./java-hash.ts";
import { type Message, type MessageQueue, property, retryTopicPrefix } from "./message.ts";
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
  async send(message: Message | readonly Message[], options: SendOptions = {}): Promise<SendResult> {
    const sending = this.#prepare(message, options);
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
      const connection = await this.#client.connect(this.#address(queue), signal);
      connection.oneway(sending.code, { ...sending.fields, e: queue.queueId, n: queue.brokerName }, sending.body);
      while (connection.unsentBytes > onewayUnsentBytesMax) await sleep(this.#client.clock, unsentLookMs, signal);
    } finally {
      this.#client.sendBudget.give(sending.body.length);
    }
  }

  /** Takes no more sends and leaves the group. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#client.removeProducer(this.group);
  }

  #prepare(message: Message | readonly Message[], options: SendOptions): Sending {
    if (this.#isClosed) throw new ClientError("CLIENT_CLOSED", "the producer is closed");
    const more = options.shardingKey === undefined ? {} : { [property.shardingKey]: options.shardingKey };
    if (!isBatch(message)) {
      const encoded = encodeMessage(message, this.#client.uniqueKeys.next(), more);
      return this.#sending(encoded, requestCode.sendMessageV2, this.#compressed(encoded.body));
    }
    const encoded = message.map((each) => encodeMessage(each, this.#client.uniqueKeys.next(), more));
    checkBatch(message);
    const batch = { ...encoded[0]!, properties: printProperties({ [property.wait]: "true" }), flag: 0 };
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
    return this.#client.request(this.#address(queue), sending.code, fields, sending.body, { timeoutMs, signal });
  }

  #address({ brokerName }: MessageQueue): string {
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
  for (const { topic, delayLevel } of messages) {
    if (topic !== first.topic)
      throw new ClientError("MESSAGE_ILLEGAL", "the messages of a batch are of several topics");
    if ((delayLevel ?? 0) > 0) throw new ClientError("MESSAGE_ILLEGAL", "a batch can't be delayed");
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
  return {
    status,
    messageId,
    offsetMessageId: response.fields["msgId"] ?? "",
    queue: { ...queue, queueId: numberField(response, "queueId") },
    queueOffset: numberField(response, "queueOffset"),
  };
}
