import { clientIdCharsMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";

/** A connected client, as its protocol presents it. One connection may carry many groups. */
export interface Client {
  /** `address:port` of the far end, for people to read. */
  readonly address: string;
  /** True while so much waits to be read that the client is to be sent no messages. */
  readonly isBehind: boolean;
  /** Tells the client that the members of one of its groups changed. */
  notifyConsumerIdsChanged(group: string): void;
  /** Hands the client the reply to a request of its own. Rejects with why it does not have it, or may not have it. */
  pushReply(reply: PushedReply): Promise<void>;
  /** Tells a consumer that its group goes on elsewhere. */
  tellReset(reset: ToldReset): void;
  /** Asks the client how a transaction of one of its producer groups has ended. It answers, if it does, by ending it. */
  checkTransactionState(check: TransactionCheck): void;
}

/** Where a group goes on in a topic, for a member of it (ResetOffsetRequestHeader, ResetOffsetBody). */
export interface ToldReset {
  readonly topic: string;
  readonly group: string;
  readonly timestamp: number;
  readonly brokerName: string;
  /** By queue. */
  readonly offsets: ReadonlyMap<number, number>;
  /** Of the member: not all read the same. */
  readonly language: string;
}

/** A reply on its way to who asked (ReplyMessageRequestHeader). */
export interface PushedReply {
  readonly producerGroup: string;
  readonly topic: string;
  readonly defaultTopic: string;
  readonly defaultTopicQueueNums: number;
  readonly queueId: number;
  readonly sysFlag: number;
  readonly bornTimestamp: number;
  readonly flag: number;
  readonly properties: string;
  readonly reconsumeTimes: number;
  readonly unitMode: boolean;
  /** `address:port`, as is the next. */
  readonly bornHost: string;
  readonly storeHost: string;
  readonly storeTimestamp: number;
  readonly body: Uint8Array;
}

/** A transaction without an end (CheckTransactionStateRequestHeader). */
export interface TransactionCheck {
  readonly brokerName: string;
  readonly halfTopic: string;
  /** Where its half message stands, in its queue and in the CommitLog: by these it is ended. */
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly uniqueKey: string | undefined;
  readonly offsetMessageId: string;
  /** The message as consumers are to get it. */
  readonly record: Uint8Array;
}

/** What a client says of itself with each heartbeat. */
export interface ClientInfo {
  readonly clientId: string;
  readonly language: string;
  readonly version: number;
}

export function checkClientId(clientId: string): void {
  if (clientId.length > clientIdCharsMax) {
    throw new WasmqError(
      "INVALID_PARAMETER",
      `a client id of ${clientId.length} characters: allowed are ${clientIdCharsMax}`,
    );
  }
}
