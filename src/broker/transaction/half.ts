import { queuesPerTopicMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import { encodeUtf8 } from "../../ports/text.ts";
import type { MessageToStore } from "../../store/commit-log.ts";
import type { DecodedRecord } from "../../store/store.ts";
import { getProperty, property, removeProperty, setProperty } from "../message/properties.ts";
import { isTopicName } from "../names.ts";

/** The two bits of a message's sysFlag that tell of a transaction, and what they say (MessageSysFlag). */
export const transactionBits = 0xc;
export const transactionType = { none: 0, prepared: 0x4, commit: 0x8, rollback: 0xc } as const;

/** Whether a producer sent it as the first half of a transaction; a retry that an old client sends itself is none (SendMessageProcessor). */
export function isHalf(properties: string, reconsumeTimes: number, delayLevel: number): boolean {
  const prepared = getProperty(properties, property.transactionPrepared)?.toLowerCase() === "true";
  return prepared && !(reconsumeTimes > 0 && delayLevel > 0);
}

/** The properties of a half message: they say where it is to go once it is committed (TransactionalMessageBridge.parseHalfMessageInner). */
export function halfProperties(topic: string, queueId: number, properties: string): string {
  const uniqueKey = getProperty(properties, property.uniqueKey) ?? "";
  let half = uniqueKey === "" ? properties : setProperty(properties, property.transactionId, uniqueKey);
  half = setProperty(half, property.realTopic, topic);
  return setProperty(half, property.realQueueId, String(queueId));
}

/** Where a half message belongs. Throws SYSTEM_ERROR for one that names no queue. */
export function destinationOf({ properties, physicalOffset }: DecodedRecord): { topic: string; queueId: number } {
  const topic = getProperty(properties, property.realTopic) ?? "";
  const queueId = intOf(getProperty(properties, property.realQueueId));
  if (!isTopicName(topic) || queueId < 0 || queueId >= queuesPerTopicMax) {
    throw new WasmqError("SYSTEM_ERROR", `the half message at ${physicalOffset} names no queue to go to`);
  }
  return { topic, queueId };
}

type WrittenMessage = MessageToStore & { readonly properties: string };

/** What goes into the real queue: TRAN_MSG stays among its properties, as Apache leaves it (EndTransactionProcessor.endMessageTransaction). */
export function committed(half: DecodedRecord, topic: string, topicBytes: Uint8Array): WrittenMessage {
  const properties = removeProperty(removeProperty(half.properties, property.realTopic), property.realQueueId);
  return {
    ...copyOf(half, topic, topicBytes, properties),
    sysFlag: (half.sysFlag & ~transactionBits) | transactionType.commit,
    preparedTransactionOffset: half.physicalOffset,
  };
}

export function isCommitted({ sysFlag }: DecodedRecord): boolean {
  return (sysFlag & transactionBits) === transactionType.commit;
}

/** A half message once more, elsewhere or with other properties. */
export function copyOf(
  half: DecodedRecord,
  topic: string,
  topicBytes: Uint8Array = encodeUtf8(topic),
  properties = half.properties,
): WrittenMessage {
  const { flag, sysFlag, bornTimestamp, bornHost, storeHost, reconsumeTimes, body } = half;
  return {
    ...{ topic, topicBytes, flag, sysFlag, bornTimestamp, bornHost, storeHost, reconsumeTimes, body, properties },
    preparedTransactionOffset: 0,
    batch: false,
  };
}

/** How often its producers were asked; undefined for never. */
export function checkTimesOf(properties: string): number | undefined {
  const text = getProperty(properties, property.transactionCheckTimes);
  return text === undefined ? undefined : intOf(text);
}

/**
 * For how long after it was sent a half message's producers are not asked, if it says so itself (CHECK_IMMUNITY_TIME_IN_SECONDS); a text
 * that is no number asks for nothing of its own.
 */
export function immunityMsOf(properties: string, transactionTimeOutMs: number): number | undefined {
  const text = getProperty(properties, property.checkImmunitySeconds);
  if (text === undefined) return undefined;
  const seconds = intOf(text);
  return seconds === -1 ? transactionTimeOutMs : seconds * 1_000;
}

/** A whole number, or -1, as Apache reads what properties and bodies of these topics say (TransactionalMessageServiceImpl.getLong). */
export function intOf(text: string | undefined): number {
  return text !== undefined && /^[+-]?\d{1,15}$/.test(text) ? Number(text) : -1;
}
