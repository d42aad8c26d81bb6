import { recallHandleCharsMax } from "../../limits.ts";
import { decodeBase64Url, encodeBase64Url } from "../../ports/base64-url.ts";
import { decodeUtf8Strictly, encodeUtf8 } from "../../ports/text.ts";

/*
 * By what a message that waits for its time is recalled (RecallMessageHandle): base64, with the letters for URLs and with padding, of
 *
 *   v1 TOPIC BROKER TIME UNIQUE-KEY
 *
 * where TIME is a millisecond after its slot's time, so that rounding it finds the slot again.
 */
export interface RecallHandle {
  readonly topic: string;
  readonly brokerName: string;
  readonly time: string;
  readonly uniqueKey: string;
}

/** `outMs`: the time of the message's slot. */
export function recallHandle(topic: string, brokerName: string, outMs: number, uniqueKey: string): string {
  return encodeBase64Url(encodeUtf8(`v1 ${topic} ${brokerName} ${outMs + 1} ${uniqueKey}`));
}

/** Undefined for what is no handle. */
export function parseRecallHandle(handle: string): RecallHandle | undefined {
  const bytes = handle.length > recallHandleCharsMax ? undefined : decodeBase64Url(handle);
  const text = bytes && decodeUtf8Strictly(bytes);
  const [version, topic, brokerName, time, uniqueKey] = text?.split(" ") ?? [];
  if (version !== "v1" || topic === undefined || brokerName === undefined || time === undefined) return undefined;
  return uniqueKey === undefined || uniqueKey === "" ? undefined : { topic, brokerName, time, uniqueKey };
}
