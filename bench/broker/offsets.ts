import { RemotingClient } from "../remoting-client.ts";

const SEND_MESSAGE_V2 = 310;
const QUERY_CONSUMER_OFFSET = 14;
export const GET_MAX_OFFSET = 30;

/** How far a topic is written and a group has read it, as any RocketMQ broker tells: all messages are counted where they are kept. */
export class TopicOffsets {
  readonly #client: RemotingClient;
  readonly #topic: string;
  readonly #queues: number;

  static async open(brokerPort: number, topic: string, queues: number): Promise<TopicOffsets> {
    const client = await RemotingClient.connect({ port: brokerPort, requestTimeoutMs: 15_000 });
    return new TopicOffsets(client, topic, queues);
  }

  private constructor(client: RemotingClient, topic: string, queues: number) {
    this.#client = client;
    this.#topic = topic;
    this.#queues = queues;
  }

  written(): Promise<number> {
    return this.#sum(GET_MAX_OFFSET, {});
  }

  /** By what the group's members commit with each of their pulls. */
  consumed(consumerGroup: string): Promise<number> {
    return this.#sum(QUERY_CONSUMER_OFFSET, { consumerGroup });
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #sum(code: number, fields: Readonly<Record<string, string>>): Promise<number> {
    const queueIds = Array.from({ length: this.#queues }, (_, queueId) => String(queueId));
    const answers = await Promise.all(
      queueIds.map((queueId) => this.#client.request(code, { ...fields, topic: this.#topic, queueId })),
    );
    // A group that has not come yet has no offset.
    return answers.reduce((sum, { code, extFields }) => sum + (code === 0 ? Number(extFields["offset"]) : 0), 0);
  }
}

/** The first message makes the topic with all its queues; senders racing to do it would measure that instead. */
export async function createTopic(brokerPort: number, topic: string, queues: number): Promise<void> {
  const client = await RemotingClient.connect({ port: brokerPort, connectDeadlineMs: 3000 });
  const answer = await client.request(SEND_MESSAGE_V2, sendFields(topic, queues, 0), Buffer.from("first"));
  await client.close();
  if (answer.code !== 0) throw new Error(`the first message was refused with ${answer.code}: ${answer.remark}`);
}

/** SendMessageRequestHeaderV2, whose fields are letters. */
export function sendFields(topic: string, queues: number, queueId: number): Record<string, string> {
  return {
    ...{ a: "BenchProducer", b: topic, c: "TBW102", d: String(queues), e: String(queueId), f: "0" },
    ...{ g: String(Date.now()), h: "0", i: "WAIT\u0001true\u0002", j: "0", k: "false", m: "false" },
  };
}
