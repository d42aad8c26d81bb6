import type { Client } from "./client.ts";
import { ClientError } from "./error.ts";
import type { ReceivedMessage } from "./message.ts";
import { ackPopped, changeInvisible, type PopHandle, pop } from "./pop.ts";
import { Subscription } from "./subscription.ts";

export interface SimpleConsumerOptions {
  readonly group: string;
  /** What is taken of which topic: tags divided by `||`, or `*`. */
  readonly subscriptions: Readonly<Record<string, string>>;
  /** Where a group begins with a queue it never had. Default FIRST_OFFSET. */
  readonly consumeFrom?: "FIRST_OFFSET" | "LAST_OFFSET";
  /** Each queue in its order: the next messages come when those before are acknowledged, or their time is up. Default false. */
  readonly orderly?: boolean;
}

export interface ReceiveOptions {
  /** Default 32, which is the most. */
  readonly messagesMax?: number;
  /** How long the messages are this consumer's. Default 60,000. */
  readonly invisibleMs?: number;
  /** How long to wait for messages if there are none. Default 20,000. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Takes messages one by one out of queues that all members of its group share, Java clients in POP mode among them. A message that is not
 * acknowledged in its time comes again, to whoever asks then, and counts as consumed once more.
 */
export class SimpleConsumer {
  readonly group: string;
  readonly #client: Client;
  readonly #options: SimpleConsumerOptions;
  readonly #subscriptions: readonly Subscription[];
  readonly #handles = new WeakMap<ReceivedMessage, PopHandle>();
  #turn = 0;

  /** Made by `Client.simpleConsumer`. Throws SUBSCRIPTION_PARSE_FAILED. */
  constructor(client: Client, options: SimpleConsumerOptions) {
    this.#client = client;
    this.#options = options;
    this.group = options.group;
    this.#subscriptions = Object.entries(options.subscriptions).map(
      ([topic, expression]) => new Subscription(topic, expression, 0),
    );
    if (this.#subscriptions.length === 0) {
      throw new ClientError("INVALID_PARAMETER", "the consumer subscribes to no topic");
    }
  }

  /**
   * Messages of one topic and broker; none if none came in time. Topics and brokers take turns, and share the time to wait. Rejects with
   * TOPIC_NOT_EXIST, with what the broker refuses with, or the signal's reason: messages on their way then come again after their time.
   */
  async receive(options: ReceiveOptions = {}): Promise<ReceivedMessage[]> {
    const { messagesMax = 32, invisibleMs = 60_000, waitMs = 20_000, signal } = options;
    const targets = await this.#targets();
    const first = this.#turn++;
    // All are asked for what is there before any is waited for.
    const waits = targets.length === 1 ? [waitMs] : [0, waitMs / targets.length];
    for (const wait of waits) {
      for (let i = 0; i < targets.length; i++) {
        const { subscription, brokerName } = targets[(first + i) % targets.length]!;
        const messages = await this.#pop(subscription, brokerName, messagesMax, invisibleMs, Math.floor(wait), signal);
        if (messages.length > 0) return messages;
      }
    }
    return [];
  }

  /** Resolves once the broker keeps that the message is consumed. Rejects with INVALID_PARAMETER for one that `receive` did not give. */
  async ack(message: ReceivedMessage): Promise<void> {
    await ackPopped(this.#client, this.group, this.#handleOf(message));
  }

  /** The message is this consumer's for so long from now on. Rejects as `ack` does. */
  async changeInvisibleDuration(message: ReceivedMessage, invisibleMs: number): Promise<void> {
    const changed = await changeInvisible(this.#client, this.group, this.#handleOf(message), invisibleMs);
    this.#handles.set(message, changed);
  }

  async #pop(
    subscription: Subscription,
    brokerName: string,
    messagesMax: number,
    invisibleMs: number,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<ReceivedMessage[]> {
    const { consumeFrom = "FIRST_OFFSET", orderly = false } = this.#options;
    const { topic, expression } = subscription;
    const popped = await pop(this.#client, {
      ...{ group: this.group, topic, brokerName, messagesMax, invisibleMs, waitMs, expression, orderly, signal },
      from: consumeFrom,
      attemptId: orderly ? this.#client.uniqueKeys.next() : undefined,
    });
    const wanted: ReceivedMessage[] = [];
    for (const { message, handle } of popped) {
      if (subscription.matches(message.tag)) {
        this.#handles.set(message, handle);
        wanted.push(message);
      } else await ackPopped(this.#client, this.group, handle);
    }
    return wanted;
  }

  async #targets(): Promise<{ subscription: Subscription; brokerName: string }[]> {
    const targets: { subscription: Subscription; brokerName: string }[] = [];
    for (const subscription of this.#subscriptions) {
      const { topic } = subscription;
      const route = await this.#client.routes.get(topic);
      const brokers = new Set(route?.readQueues.map(({ brokerName }) => brokerName));
      for (const brokerName of brokers) targets.push({ subscription, brokerName });
    }
    if (targets.length === 0) {
      const topics = this.#subscriptions.map(({ topic }) => topic).join(", ");
      throw new ClientError("TOPIC_NOT_EXIST", `no NameServer has a route for ${topics}`);
    }
    return targets;
  }

  #handleOf(message: ReceivedMessage): PopHandle {
    const handle = this.#handles.get(message);
    if (handle === undefined)
      throw new ClientError("INVALID_PARAMETER", "the message is none that this consumer received");
    return handle;
  }
}
