import { queryMessagesMax } from "../limits.ts";
import type { Client } from "./client.ts";
import { type Response, requestCode, responseCode } from "./connection.ts";
import { decodeMessages } from "./decode.ts";
import { ClientError } from "./error.ts";
import type { ReceivedMessage } from "./message.ts";

export interface QueryOptions {
  /** What the key is: one of a message's `keys` (default), its `messageId`, or its tag (RocketMQ 5.5 and wasmq). */
  readonly by?: "key" | "messageId" | "tag";
  /** Of each broker, the newest. Default and most 64; by messageId brokers give 32. */
  readonly messagesMax?: number;
  /** When they were stored: both ends are included. Default: whenever. */
  readonly beginMs?: number;
  readonly endMs?: number;
}

const types = { key: "K", messageId: "U", tag: "T" } as const;

/** See `Client.queryMessage`. */
export async function queryMessage(
  client: Client,
  topic: string,
  key: string,
  { by = "key", messagesMax = queryMessagesMax, beginMs = 0, endMs = Number.MAX_SAFE_INTEGER }: QueryOptions,
): Promise<ReceivedMessage[]> {
  const fields = {
    topic,
    key,
    maxNum: messagesMax,
    beginTimestamp: beginMs,
    endTimestamp: endMs,
    indexType: types[by],
    _UNIQUE_KEY_QUERY: by === "messageId",
  };
  const found = await askEach(client, topic, requestCode.queryMessage, fields, (response) => {
    if (response.code === responseCode.queryNotFound) return false;
    if (response.code === responseCode.success) return true;
    throw ClientError.ofAnswer(response.code, response.remark, `query of ${topic}`);
  });
  // An index has hashes: Apache's answers with all that have the same.
  return found
    .filter((message) => message.topic === topic && has(message, by, key))
    .sort((a, b) => a.storeTimestampMs - b.storeTimestampMs);
}

/** See `Client.viewMessage`. */
export async function viewMessage(client: Client, topic: string, id: string): Promise<ReceivedMessage | undefined> {
  const address = /^(?:[0-9A-F]{16}|[0-9A-F]{40})([0-9A-F]{16})$/i.exec(id);
  if (address !== null) {
    const offset = BigInt.asIntN(64, BigInt(`0x${address[1]}`)).toString();
    // Who has no such record says so as an error of its own.
    const isThere = (response: Response): boolean => response.code === responseCode.success;
    const found = await askEach(client, topic, requestCode.viewMessageById, { topic, offset }, isThere).catch(noRecord);
    const named = found.find(({ offsetMessageId }) => offsetMessageId === id.toUpperCase());
    if (named !== undefined) return named;
  }
  return (await queryMessage(client, topic, id, { by: "messageId" })).at(-1);
}

/** What stands at an offset that is none of a record, Apache gives out as it is. */
function noRecord(error: unknown): ReceivedMessage[] {
  if (error instanceof ClientError && error.code === "MESSAGE_UNREADABLE") return [];
  throw error;
}

/** The messages in the answers of all brokers that have the topic. */
async function askEach(
  client: Client,
  topic: string,
  code: number,
  fields: Readonly<Record<string, string | number | boolean>>,
  hasMessages: (response: Response) => boolean,
): Promise<ReceivedMessage[]> {
  const route = await client.routes.get(topic);
  if (route === undefined) throw new ClientError("TOPIC_NOT_EXIST", `no NameServer has a route for the topic ${topic}`);
  const answers = await Promise.all(
    Array.from(route.brokers.keys(), async (brokerName) => {
      const address = client.routes.brokerAddress(brokerName);
      if (address === undefined) return [];
      const response = await client.request(address, code, fields);
      return hasMessages(response) ? decodeMessages(response.body, brokerName).messages : [];
    }),
  );
  return answers.flat();
}

function has(message: ReceivedMessage, by: NonNullable<QueryOptions["by"]>, key: string): boolean {
  if (by === "tag") return message.tag === key;
  return by === "messageId" ? message.messageId === key : message.keys.includes(key);
}
