import type { DecodedRecord } from "../core/core.ts";
import { decodeUtf8 } from "../ports/text.ts";

/** Bit of a record's sysFlag: its body is a batch of messages, as it came (MessageSysFlag.INNER_BATCH_FLAG). */
export const innerBatchFlag = 0x80;

/** And that whoever consumes it has to take the body apart (MessageSysFlag.NEED_UNWRAP_FLAG). */
export const needUnwrapFlag = 0x40;

/** Messages of one such record: a unit counts them in 16 bits. */
export const innerBatchMessagesMax = 32_767;

/** How many messages there are, and the queue offset of the first (MessageConst.PROPERTY_INNER_NUM, PROPERTY_INNER_BASE). */
const countProperty = "INNER_NUM";
const baseProperty = "INNER_BASE";
const counted = new RegExp(`(?:^|\u0002)${countProperty}\u0001(\\d{1,5})(?:\u0002|$)`);

/** The properties that such a record gets, with what ends the one before them. */
export function innerBatchProperties(messages: number, queueOffset: number): string {
  return `${baseProperty}\u0001${queueOffset}\u0002${countProperty}\u0001${messages}\u0002`;
}

/** How many messages the properties of such a record speak of; undefined for none that can be. */
export function messagesOfBatch(properties: string | Uint8Array): number | undefined {
  const text = typeof properties === "string" ? properties : decodeUtf8(properties);
  const messages = Number(counted.exec(text)?.[1] ?? 0);
  return messages > 0 && messages <= innerBatchMessagesMax ? messages : undefined;
}

export function isInnerBatch({ sysFlag }: Pick<DecodedRecord, "sysFlag">): boolean {
  return (sysFlag & innerBatchFlag) !== 0;
}

/** How many messages a record holds. */
export function messagesIn(record: DecodedRecord): number {
  return isInnerBatch(record) ? (messagesOfBatch(record.properties) ?? 1) : 1;
}
