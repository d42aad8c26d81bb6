import { transactionChecksMax } from "../limits.ts";
import type { Client } from "./client.ts";
import { type BrokerRequest, type Connection, requestCode } from "./connection.ts";
import { ClientError } from "./error.ts";
import { type Message, property, type ReceivedMessage } from "./message.ts";
import { Producer, type ProducerOptions, type SendOptions, type SendResult } from "./producer.ts";

/** UNKNOWN: the broker asks again, later. */
export type TransactionOutcome = "COMMIT" | "ROLLBACK" | "UNKNOWN";

export interface TransactionProducerOptions extends ProducerOptions {
  readonly group: string;
  /**
   * Says how a transaction of the group's has ended, whichever of its producers began it; the broker asks who is there. What it throws counts as
   * UNKNOWN.
   */
  readonly check: (message: ReceivedMessage) => TransactionOutcome | Promise<TransactionOutcome>;
}

export interface TransactionSendResult extends SendResult {
  /** What the broker was told; whether it has heard it is not known. */
  readonly outcome: TransactionOutcome;
}

/** MessageSysFlag. */
const types: Readonly<Record<TransactionOutcome, number>> = { COMMIT: 8, ROLLBACK: 12, UNKNOWN: 0 };
const noBytes = new Uint8Array(0);

/**
 * Sends messages that consumers see only once a local transaction has ended well (TransactionMQProducer). Where the broker does not hear how
 * it has ended, it asks a producer of the group.
 */
export class TransactionProducer {
  readonly group: string;
  readonly #client: Client;
  readonly #producer: Producer;
  readonly #check: TransactionProducerOptions["check"];
  #checks = 0;

  /** Made by `Client.transactionProducer`. Throws INVALID_PARAMETER if the client has one of that group. */
  constructor(client: Client, options: TransactionProducerOptions) {
    this.group = options.group;
    this.#client = client;
    this.#check = options.check;
    client.addTransactionProducer(this);
    this.#producer = new Producer(client, options);
    // A line that is open already has told its broker of the groups there were.
    void client.heartbeat();
  }

  /**
   * Sends a message that nobody sees yet, runs the local transaction, and tells the broker of its outcome. What `execute` throws counts as
   * UNKNOWN and goes to the client's `onError`; where the broker's disk may not have the message, it is rolled back without. Rejects, before
   * anything was executed, as `Producer.send` does, and with MESSAGE_ILLEGAL for a delayed message.
   */
  async sendMessageInTransaction(
    message: Message,
    execute: (message: Message, sent: SendResult) => TransactionOutcome | Promise<TransactionOutcome>,
    options: SendOptions = {},
  ): Promise<TransactionSendResult> {
    if ((message.delayLevel ?? 0) > 0) {
      throw new ClientError("MESSAGE_ILLEGAL", "a message of a transaction can't be delayed");
    }
    const sent = await this.#producer.sendHalf(message, options);
    let outcome: TransactionOutcome = "ROLLBACK";
    if (sent.status === "SEND_OK") outcome = await this.#outcomeOf(() => execute(message, sent), "transaction");
    try {
      const { messageId, offsetMessageId, queue, queueOffset } = sent;
      const connection = await this.#client.connect(this.#producer.address(queue));
      this.#end(connection, outcome, {
        topic: message.topic,
        tranStateTableOffset: queueOffset,
        // It ends in the place in the CommitLog, with 16 digits.
        commitLogOffset: String(BigInt(`0x${offsetMessageId.slice(-16)}`)),
        fromTransactionCheck: false,
        msgId: messageId,
        transactionId: messageId,
        bname: queue.brokerName,
      });
    } catch (error) {
      this.#client.failed(error, `end of a transaction of ${this.group}`);
    }
    return { ...sent, outcome };
  }

  /** A broker asks. Where too many questions are open it is not answered: it asks again. */
  asked(fields: BrokerRequest["fields"], message: ReceivedMessage, connection: Connection): void {
    if (this.#checks >= transactionChecksMax) return;
    this.#checks++;
    void this.#outcomeOf(() => this.#check(message), "transaction check").then((outcome) => {
      this.#checks--;
      if (connection.isClosed) return;
      this.#end(connection, outcome, {
        topic: fields["topic"] ?? message.topic,
        tranStateTableOffset: fields["tranStateTableOffset"] ?? "",
        commitLogOffset: fields["commitLogOffset"] ?? "",
        fromTransactionCheck: true,
        msgId: message.properties[property.uniqueKey] ?? fields["msgId"] ?? "",
        transactionId: fields["transactionId"] ?? "",
        bname: fields["bname"] ?? "",
      });
    });
  }

  /** Begins no more transactions and leaves the group. */
  async close(): Promise<void> {
    this.#client.removeTransactionProducer(this);
    await this.#producer.close();
  }

  async #outcomeOf(
    say: () => TransactionOutcome | Promise<TransactionOutcome>,
    what: string,
  ): Promise<TransactionOutcome> {
    try {
      const outcome = await say();
      return outcome in types ? outcome : "UNKNOWN";
    } catch (error) {
      this.#client.failed(error, `${what} of ${this.group}`);
      return "UNKNOWN";
    }
  }

  #end(connection: Connection, outcome: TransactionOutcome, fields: Record<string, string | number | boolean>): void {
    const all = { producerGroup: this.group, commitOrRollback: types[outcome], ...fields };
    connection.oneway(requestCode.endTransaction, all, noBytes);
  }
}
