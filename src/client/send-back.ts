import type { Client } from "./client.ts";
import { requestCode, succeeded } from "./connection.ts";
import { encodeMessage } from "./encode.ts";
import { ClientError } from "./error.ts";
import { property, type ReceivedMessage, retryTopicPrefix } from "./message.ts";

/** The producer group of what a client sends for its consumers. */
const innerProducerGroup = "CLIENT_INNER_PRODUCER";

/** The delay level of a first retry, where the broker does not choose it. */
const firstRetryLevel = 3;

export interface SendBack {
  readonly group: string;
  readonly message: ReceivedMessage;
  /** 0 lets the broker choose by the number of retries; below 0 means no retry but the dead letter topic. */
  readonly delayLevel: number;
  readonly maxReconsumeTimes: number;
}

/** Gives a message back to its group for a retry later (DefaultMQPushConsumerImpl.sendMessageBack). */
export async function sendBack(
  client: Client,
  { group, message, delayLevel, maxReconsumeTimes }: SendBack,
): Promise<void> {
  const response = await client.request(masterOf(client, message.brokerName), requestCode.consumerSendMessageBack, {
    offset: message.commitLogOffset,
    group,
    delayLevel,
    originMsgId: message.messageId,
    originTopic: message.topic,
    unitMode: false,
    maxReconsumeTimes,
    bname: message.brokerName,
  });
  succeeded(response, `send back to ${group}`);
}

/**
 * The same by a message of this client's own, for a broker that lost the original, and for an orderly group, whose messages it puts
 * to the dead letters at once.
 */
export async function sendBackCopy(client: Client, { group, message, maxReconsumeTimes }: SendBack): Promise<void> {
  const topic = retryTopicPrefix + group;
  const { reconsumeTimes } = message;
  const { [property.uniqueKey]: _, ...kept } = message.properties;
  const encoded = encodeMessage(
    { topic, body: message.body, properties: kept, flag: message.flag },
    message.messageId,
    {
      [property.retryTopic]: message.properties[property.retryTopic] ?? message.topic,
      [property.originMessageId]: message.properties[property.originMessageId] ?? message.messageId,
      [property.delay]: String(firstRetryLevel + reconsumeTimes),
    },
  );
  const { writeQueues } = await client.routes.forSending(topic);
  const queue = writeQueues.find(({ brokerName }) => brokerName === message.brokerName) ?? writeQueues[0]!;
  const response = await client.request(
    masterOf(client, queue.brokerName),
    requestCode.sendMessageV2,
    {
      a: innerProducerGroup,
      b: topic,
      c: "TBW102",
      d: 1,
      e: queue.queueId,
      f: 0,
      g: client.clock.now(),
      h: encoded.flag,
      i: encoded.properties,
      j: reconsumeTimes + 1,
      k: false,
      l: maxReconsumeTimes,
      m: false,
      n: queue.brokerName,
    },
    encoded.body,
  );
  succeeded(response, `send back to ${group}`);
}

function masterOf(client: Client, brokerName: string): string {
  const address = client.routes.masterAddress(brokerName);
  if (address === undefined)
    throw new ClientError("ADDRESS_UNUSABLE", `no master of the broker ${brokerName} is known`);
  return address;
}
