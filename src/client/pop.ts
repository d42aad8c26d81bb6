import type { Client } from "./client.ts";
import { numberField, type Response, requestCode, responseCode, succeeded } from "./connection.ts";
import { decodeMessages } from "./decode.ts";
import { ClientError } from "./error.ts";
import { property, type ReceivedMessage, retryTopicPrefix } from "./message.ts";

export interface PopRequest {
  readonly group: string;
  readonly topic: string;
  readonly brokerName: string;
  readonly messagesMax: number;
  readonly invisibleMs: number;
  /** How long the broker may wait for a message if there is none. */
  readonly waitMs: number;
  readonly expression: string;
  readonly from: "FIRST_OFFSET" | "LAST_OFFSET";
  readonly orderly: boolean;
  /** Asked again under the same name, an orderly pop brings the same messages. */
  readonly attemptId: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What acknowledges a popped message (ExtraInfoUtil). */
export interface PopHandle {
  /** Where it was popped: a topic of retries for one that came again. */
  readonly topic: string;
  readonly brokerName: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly extraInfo: string;
}

export interface Popped {
  readonly message: ReceivedMessage;
  readonly handle: PopHandle;
}

const allQueues = -1;
const initModes = { FIRST_OFFSET: 0, LAST_OFFSET: 1 } as const;

/** How much longer than the broker may wait a pop may take: the way there and back, and a busy broker. */
const graceMs = 15_000;

/** One pop of all queues of a broker. Messages that can't be read are left out: they come again. */
export async function pop(client: Client, request: PopRequest): Promise<Popped[]> {
  const { group, topic, brokerName, invisibleMs, waitMs, signal } = request;
  const response = await client.request(
    addressOf(client, brokerName),
    requestCode.popMessage,
    {
      consumerGroup: group,
      topic,
      queueId: allQueues,
      maxMsgNums: request.messagesMax,
      invisibleTime: invisibleMs,
      pollTime: waitMs,
      bornTime: client.clock.now(),
      initMode: initModes[request.from],
      expType: "TAG",
      exp: request.expression,
      order: request.orderly,
      attemptId: request.attemptId,
      bname: brokerName,
    },
    undefined,
    { timeoutMs: waitMs + graceMs, signal },
  );
  const { code, remark } = response;
  if (code === responseCode.pollingTimeout || code === responseCode.pollingFull) return [];
  if (code !== responseCode.success) throw ClientError.ofAnswer(code, remark, `pop of ${topic}`);
  const starts = readStarts(response);
  return decodeMessages(response.body, brokerName, true).messages.map((message) => ({
    message,
    handle: handleOf(message, group, response, starts),
  }));
}

/** Resolves once the broker keeps that the message is consumed. */
export async function ackPopped(client: Client, group: string, handle: PopHandle, signal?: AbortSignal): Promise<void> {
  const fields = fieldsOf(group, handle);
  const address = addressOf(client, handle.brokerName);
  succeeded(await client.request(address, requestCode.ackMessage, fields, undefined, { signal }), "acknowledgement");
}

/** By what the message is acknowledged from then on. */
export async function changeInvisible(
  client: Client,
  group: string,
  handle: PopHandle,
  invisibleMs: number,
  signal?: AbortSignal,
): Promise<PopHandle> {
  const response = succeeded(
    await client.request(
      addressOf(client, handle.brokerName),
      requestCode.changeMessageInvisibleTime,
      { ...fieldsOf(group, handle), invisibleTime: invisibleMs },
      undefined,
      { signal },
    ),
    "change of the invisible time",
  );
  // An orderly message whose time was over before has no other time.
  if (response.fields["popTime"] === undefined) return handle;
  const [, , , , retry] = handle.extraInfo.split(" ");
  const { queueOffset, brokerName, queueId } = handle;
  const times = [numberField(response, "popTime"), numberField(response, "invisibleTime")];
  const parts = [queueOffset, ...times, numberField(response, "reviveQid"), retry, brokerName, queueId, queueOffset];
  return { ...handle, extraInfo: parts.join(" ") };
}

function fieldsOf(group: string, { topic, queueId, queueOffset, extraInfo, brokerName }: PopHandle) {
  return { consumerGroup: group, topic, queueId, offset: queueOffset, extraInfo, bname: brokerName };
}

function addressOf(client: Client, brokerName: string): string {
  const address = client.routes.brokerAddress(brokerName);
  if (address === undefined) throw new ClientError("ADDRESS_UNUSABLE", `the broker ${brokerName} is not known`);
  return address;
}

/** A message that came again brings its handle, and shows the topic that was asked for. */
function handleOf(
  message: ReceivedMessage,
  group: string,
  response: Response,
  starts: ReadonlyMap<string, string>,
): PopHandle {
  const { topic, brokerName, queueId, queueOffset, properties } = message;
  const brought = properties[property.popCheckPoint];
  const start = starts.get(`0 ${queueId}`) ?? String(queueOffset);
  const { popTime, invisibleTime, reviveQid } = response.fields;
  const extraInfo =
    brought ?? [start, popTime, invisibleTime, reviveQid, 0, brokerName, queueId, queueOffset].join(" ");
  const retry = extraInfo.split(" ")[4];
  const separator = retry === "1" ? "_" : "+";
  const popped = retry === "0" ? topic : `${retryTopicPrefix}${group}${separator}${topic}`;
  return { topic: popped, brokerName, queueId, queueOffset, extraInfo };
}

/** By retry flag and queue, where the pop began. */
function readStarts({ fields }: Response): Map<string, string> {
  const parts = (fields["startOffsetInfo"] ?? "").split(";").map((part) => part.split(" "));
  return new Map(
    parts.flatMap(([retry, queueId, start]) => (start === undefined ? [] : [[`${retry} ${queueId}`, start]])),
  );
}
