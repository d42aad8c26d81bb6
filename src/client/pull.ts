import type { Client } from "./client.ts";
import { numberField, requestCode, responseCode } from "./connection.ts";
import { type DecodedMessages, decodeMessages } from "./decode.ts";
import { ClientError } from "./error.ts";
import type { MessageQueue } from "./message.ts";
import type { Subscription } from "./subscription.ts";

/** Bits of a pull's sysFlag (PullSysFlag). */
const commitOffsetBit = 1;
const suspendBit = 2;
const subscriptionBit = 4;

export interface PullRequest {
  readonly group: string;
  readonly queue: MessageQueue;
  readonly offset: number;
  readonly messagesMax: number;
  /** How long the broker may wait for a message if there is none. */
  readonly waitMs: number;
  /** Committed with it. */
  readonly commitOffset?: number | undefined;
  /** Instead of the subscription that the group's heartbeats told. */
  readonly subscription?: Pick<Subscription, "expression" | "expressionType">;
  readonly subscriptionVersion: number;
  readonly brokerId?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * NO_NEW_MESSAGE: nothing came in time. NO_MATCHED_MESSAGE: what is there does not match, go on at the next offset.
 * OFFSET_ILLEGAL: the queue has no such offset, the next offset is one it has.
 */
export type PullStatus = "FOUND" | "NO_NEW_MESSAGE" | "NO_MATCHED_MESSAGE" | "OFFSET_ILLEGAL";

export interface PullResult extends DecodedMessages {
  readonly status: PullStatus;
  /** Where to go on. */
  readonly nextOffset: number;
  readonly minOffset: number;
  readonly maxOffset: number;
  readonly suggestedBrokerId: number;
}

const statuses = new Map<number, PullStatus>([
  [responseCode.success, "FOUND"],
  [responseCode.pullNotFound, "NO_NEW_MESSAGE"],
  [responseCode.pullRetryImmediately, "NO_MATCHED_MESSAGE"],
  [responseCode.pullOffsetMoved, "OFFSET_ILLEGAL"],
]);

/** How much longer than the broker may wait a pull may take: the way there and back, and a busy broker. */
const graceMs = 15_000;

export async function pull(client: Client, request: PullRequest): Promise<PullResult> {
  const { queue, waitMs, commitOffset, subscription, signal } = request;
  const address = client.routes.brokerAddress(queue.brokerName, request.brokerId);
  if (address === undefined) throw new ClientError("ADDRESS_UNUSABLE", `the broker ${queue.brokerName} is not known`);
  const response = await client.request(
    address,
    requestCode.pullMessage,
    {
      consumerGroup: request.group,
      topic: queue.topic,
      queueId: queue.queueId,
      queueOffset: request.offset,
      maxMsgNums: request.messagesMax,
      sysFlag:
        (commitOffset === undefined ? 0 : commitOffsetBit) |
        (waitMs > 0 ? suspendBit : 0) |
        (subscription === undefined ? 0 : subscriptionBit),
      commitOffset: commitOffset ?? 0,
      suspendTimeoutMillis: waitMs,
      subscription: subscription?.expression,
      expressionType: subscription?.expressionType ?? "TAG",
      subVersion: request.subscriptionVersion,
      bname: queue.brokerName,
    },
    undefined,
    { timeoutMs: waitMs + graceMs, signal },
  );
  const status = statuses.get(response.code);
  if (status === undefined) {
    throw ClientError.ofAnswer(response.code, response.remark, `pull of ${queue.topic} queue ${queue.queueId}`);
  }
  const decoded =
    status === "FOUND" ? decodeMessages(response.body, queue.brokerName) : { messages: [], unreadable: [] };
  // An offset within a batch brings the whole of it.
  const isBefore = (decoded.messages[0]?.queueOffset ?? request.offset) < request.offset;
  const messages = isBefore
    ? decoded.messages.filter(({ queueOffset }) => queueOffset >= request.offset)
    : decoded.messages;
  return {
    status,
    ...decoded,
    messages,
    nextOffset: numberField(response, "nextBeginOffset"),
    minOffset: numberField(response, "minOffset"),
    maxOffset: numberField(response, "maxOffset"),
    suggestedBrokerId: Number(response.fields["suggestWhichBrokerId"] ?? 0),
  };
}
