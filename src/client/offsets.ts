import type { Client } from "./client.ts";
import { numberField, requestCode, responseCode, succeeded } from "./connection.ts";
import { ClientError } from "./error.ts";
import type { MessageQueue } from "./message.ts";

/** What a broker knows of the places in a queue. Each rejects as `Client.request` does, or with the broker's refusal. */
export class Offsets {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** The offset of the oldest message that is kept. */
  async min(queue: MessageQueue): Promise<number> {
    return this.#ask(queue, requestCode.getMinOffset, {});
  }

  /** The offset that the next message gets. */
  async max(queue: MessageQueue): Promise<number> {
    return this.#ask(queue, requestCode.getMaxOffset, {});
  }

  /** The offset of the first message that was stored at that time or later. */
  async byTime(queue: MessageQueue, atMs: number): Promise<number> {
    return this.#ask(queue, requestCode.searchOffsetByTimestamp, {
      timestamp: Math.floor(atMs),
      boundaryType: "LOWER",
    });
  }

  /** Where the group goes on, or undefined if the broker knows of no such place. */
  async committed(group: string, queue: MessageQueue): Promise<number | undefined> {
    const { topic, queueId, brokerName } = queue;
    const response = await this.#client.request(this.#address(brokerName), requestCode.queryConsumerOffset, {
      consumerGroup: group,
      topic,
      queueId,
      bname: brokerName,
    });
    if (response.code === responseCode.queryNotFound) return undefined;
    return numberField(succeeded(response, `offset of ${group}`), "offset");
  }

  async commit(group: string, queue: MessageQueue, offset: number): Promise<void> {
    const { topic, queueId, brokerName } = queue;
    const response = await this.#client.request(this.#address(brokerName), requestCode.updateConsumerOffset, {
      consumerGroup: group,
      topic,
      queueId,
      commitOffset: offset,
      bname: brokerName,
    });
    succeeded(response, `commit of ${group}`);
  }

  async #ask({ topic, queueId, brokerName }: MessageQueue, code: number, fields: object): Promise<number> {
    const response = await this.#client.request(this.#address(brokerName), code, {
      topic,
      queueId,
      bname: brokerName,
      ...fields,
    });
    return numberField(succeeded(response, `offset of ${topic}`), "offset");
  }

  #address(brokerName: string): string {
    const address = this.#client.routes.brokerAddress(brokerName);
    if (address === undefined) throw new ClientError("ADDRESS_UNUSABLE", `the broker ${brokerName} is not known`);
    return address;
  }
}
