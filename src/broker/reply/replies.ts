import type { Clock } from "../../ports/clock.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { decodeUtf8 } from "../../ports/text.ts";
import type { Store } from "../../store/store.ts";
import type { Producers } from "../client/producers.ts";
import { getProperty, property, setProperty } from "../message/properties.ts";
import type { Send, SendMessage, SentMessage } from "../send/send.ts";
import type { BrokerSettings } from "../settings.ts";

/** A message that answers another one, which a producer sent as a request. Body and properties are not kept beyond the call. */
export interface ReplyMessage extends SendMessage {
  readonly producerGroup: string;
  /** `address:port` of who replies. */
  readonly bornAddress: string;
}

export interface Replied {
  /** Why the one who asked does not have the reply; undefined if it has. */
  readonly failure: string | undefined;
  /** "0" for a reply that is not stored. */
  readonly messageId: string;
  readonly queueId: number;
  readonly queueOffset: number;
}

/** Hands replies to those who asked, whom their property REPLY_TO_CLIENT names, and keeps them (ReplyMessageProcessor). */
export class Replies {
  readonly #sending: Send;
  readonly #producers: Producers;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #settings: BrokerSettings;
  readonly #storeAddress: string;

  constructor(given: {
    sending: Send;
    producers: Producers;
    store: Store;
    clock: Clock;
    telemetry: Telemetry;
    settings: BrokerSettings;
  }) {
    this.#sending = given.sending;
    this.#producers = given.producers;
    this.#clock = given.clock;
    this.#telemetry = given.telemetry;
    this.#settings = given.settings;
    const { address, port } = given.store.core.decodeHost(given.settings.storeHost);
    this.#storeAddress = `${address}:${port}`;
  }

  /**
   * Ends when who asked has answered, and the reply is stored. A reply is stored whether or not it reached anybody, and one that can't be
   * stored counts if it did. Throws, at once, what is wrong with its topic and queue, as `Send.send` does.
   */
  reply(message: ReplyMessage): Promise<Replied> {
    const queueId = this.#sending.queueFor(message);
    const { body, properties } = message;
    return this.#reply({ ...message, batch: false, body: body.slice(), properties: properties.slice() }, queueId);
  }

  async #reply(message: ReplyMessage, queueId: number): Promise<Replied> {
    const failure = await this.#push(message);
    const sent = this.#settings.storeReplyMessageEnable ? await this.#store({ ...message, queueId }) : undefined;
    return { failure, messageId: sent?.messageId ?? "0", queueId, queueOffset: sent?.queueOffset ?? 0 };
  }

  async #push(message: ReplyMessage): Promise<string | undefined> {
    const properties = decodeUtf8(message.properties);
    const clientId = getProperty(properties, property.replyToClient);
    if (clientId === undefined) return `reply message properties[${property.replyToClient}] is null`;
    const client = this.#producers.find(clientId);
    if (client === undefined) return `push reply message fail, channel of <${clientId}> not found.`;
    const failure = `push reply message to ${clientId}fail.`;
    if (client.isBehind) return failure;
    const nowMs = this.#clock.now();
    try {
      await client.pushReply({
        ...message,
        properties: setProperty(properties, property.pushReplyTime, String(nowMs)),
        bornHost: message.bornAddress,
        storeHost: this.#storeAddress,
        storeTimestamp: nowMs,
      });
      return undefined;
    } catch (error) {
      this.#telemetry.log("warn", "a reply did not reach who asked", { clientId, error: `${error}` });
      return failure;
    }
  }

  async #store(message: SendMessage): Promise<SentMessage | undefined> {
    try {
      return await new Promise((resolve, reject) =>
        this.#sending.send(message, { sent: resolve, flushTimedOut: resolve, failed: reject }),
      );
    } catch (error) {
      this.#telemetry.log("warn", "a reply could not be stored", { error: `${error}` });
      return undefined;
    }
  }
}
