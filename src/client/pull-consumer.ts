import { backOffMs } from "./back-off.ts";
import type { Client } from "./client.ts";
import { sleep } from "./clock.ts";
import { ClientError } from "./error.ts";
import type { MessageQueue, ReceivedMessage } from "./message.ts";
import { Offsets } from "./offsets.ts";
import { type PullResult, pull } from "./pull.ts";
import { type Filter, Subscription } from "./subscription.ts";

export interface PullConsumerOptions {
  /** In whose name is pulled and committed. The broker does not count this consumer among its members. */
  readonly group: string;
}

export interface PullOptions {
  /** Default 32. */
  readonly messagesMax?: number;
  /** How long the broker may wait for a message if there is none. Default 0. */
  readonly waitMs?: number;
  /** Default `*`. */
  readonly expression?: Filter;
  readonly signal?: AbortSignal;
}

export interface ReadOptions extends Omit<PullOptions, "waitMs"> {
  /** Where to begin: an offset, or an end of the queue. Default where the group had committed, else `min`. */
  readonly from?: number | "min" | "max";
  /** Go on for messages to come. Default: end where the queue ended when it was last asked. */
  readonly follow?: boolean;
}

/** Reads queues that the application chooses, at offsets that it chooses. */
export class PullConsumer {
  readonly group: string;
  readonly #client: Client;
  readonly #offsets: Offsets;

  /** Made by `Client.pullConsumer`. */
  constructor(client: Client, { group }: PullConsumerOptions) {
    this.#client = client;
    this.group = group;
    this.#offsets = new Offsets(client);
  }

  /** The queues of a topic, in the order of broker names and queue ids. Rejects with TOPIC_NOT_EXIST. */
  async queues(topic: string): Promise<readonly MessageQueue[]> {
    const route = await this.#client.routes.get(topic);
    if (route === undefined)
      throw new ClientError("TOPIC_NOT_EXIST", `no NameServer has a route for the topic ${topic}`);
    return route.readQueues;
  }

  /** The offset of the oldest message that is kept. */
  async minOffset(queue: MessageQueue): Promise<number> {
    await this.queues(queue.topic);
    return this.#offsets.min(queue);
  }

  /** The offset that the next message gets. */
  async maxOffset(queue: MessageQueue): Promise<number> {
    await this.queues(queue.topic);
    return this.#offsets.max(queue);
  }

  /** The offset of the first message that was stored at that time (wall-clock milliseconds) or later. */
  async offsetByTime(queue: MessageQueue, atMs: number): Promise<number> {
    await this.queues(queue.topic);
    return this.#offsets.byTime(queue, atMs);
  }

  /** Where the group goes on, or undefined if it never committed. */
  async committedOffset(queue: MessageQueue): Promise<number | undefined> {
    await this.queues(queue.topic);
    return this.#offsets.committed(this.group, queue);
  }

  async commit(queue: MessageQueue, offset: number): Promise<void> {
    await this.queues(queue.topic);
    await this.#offsets.commit(this.group, queue, offset);
  }

  /** One pull. Messages whose tags only look alike are left out. */
  async pull(queue: MessageQueue, offset: number, options: PullOptions = {}): Promise<PullResult> {
    await this.queues(queue.topic);
    const subscription = new Subscription(queue.topic, options.expression ?? "*", 0);
    const result = await pull(this.#client, {
      group: this.group,
      queue,
      offset,
      messagesMax: options.messagesMax ?? 32,
      waitMs: options.waitMs ?? 0,
      subscription,
      subscriptionVersion: 0,
      signal: options.signal,
    });
    return { ...result, messages: result.messages.filter(({ tag }) => subscription.matches(tag)) };
  }

  /**
   * The messages of a queue, one after the other. Commits nothing. A message that can't be read throws when its turn comes, with
   * MESSAGE_UNREADABLE.
   */
  async *read(queue: MessageQueue, options: ReadOptions = {}): AsyncGenerator<ReceivedMessage, void, undefined> {
    let offset = await this.#startOffset(queue, options.from);
    const { clock } = this.#client;
    let empties = 0;
    for (;;) {
      const askedAtMs = clock.now();
      const result = await this.pull(queue, offset, { ...options, waitMs: options.follow === true ? followWaitMs : 0 });
      const { messages, unreadable, status } = result;
      for (const message of messages) {
        const lost = unreadable.find(({ queueOffset }) => queueOffset >= offset && queueOffset < message.queueOffset);
        if (lost !== undefined) throw lost.error;
        offset = message.queueOffset + 1;
        yield message;
      }
      const lost = unreadable.find(({ queueOffset }) => queueOffset >= offset);
      if (lost !== undefined) throw lost.error;
      offset = result.nextOffset;
      if (options.follow !== true && status !== "NO_MATCHED_MESSAGE" && offset >= result.maxOffset) return;
      if (options.follow !== true && status === "NO_NEW_MESSAGE") return;
      // A broker that holds no more pulls answers at once that there is nothing: it is not asked at once again.
      empties = status === "NO_NEW_MESSAGE" && clock.now() - askedAtMs < followWaitMs / 10 ? empties + 1 : 0;
      if (empties > 1) await sleep(clock, backOffMs(empties, clock), options.signal);
    }
  }

  async #startOffset(queue: MessageQueue, from: ReadOptions["from"]): Promise<number> {
    if (typeof from === "number") return from;
    if (from === "max") return this.maxOffset(queue);
    const committed = from === undefined ? await this.committedOffset(queue) : undefined;
    return committed ?? this.minOffset(queue);
  }
}

const followWaitMs = 15_000;
