import { WasmqError } from "../../ports/error.ts";
import { decodeUtf8 } from "../../ports/text.ts";
import { getProperty, property, removeProperty, setProperty } from "../message/properties.ts";
import { scheduleTopic } from "../topic/system-topics.ts";
import type { DelayLevels } from "./delay-levels.ts";

/** Where a message goes first: its own queue, or, delayed, that of its level. */
export interface Parked {
  readonly topic: string;
  readonly queueId: number;
  readonly properties: string;
}

/** Throws SYSTEM_ERROR for a level that is no Java int, as Apache answers (Message.getDelayTimeLevel). */
export function checkDelayLevel(properties: string): void {
  const text = getProperty(properties, property.delayLevel) ?? "0";
  if (!/^[+-]?\d{1,10}$/.test(text) || (Number(text) | 0) !== Number(text)) {
    throw new WasmqError("SYSTEM_ERROR", `the property ${property.delayLevel} is no int: ${text.slice(0, 64)}`);
  }
}

/** The delay level a message asks for, 0 for none. */
export function delayLevelOf(properties: string): number {
  const level = Number(getProperty(properties, property.delayLevel) ?? 0);
  return Number.isInteger(level) && level > 0 ? level : 0;
}

/**
 * Parks a delayed message in the queue of its level, with its real topic and queue as properties
 * (HookUtils.transformDelayLevelMessage). Delay levels win over timer properties.
 */
export function park(topic: string, queueId: number, properties: string, levels: DelayLevels): Parked {
  const level = levels.clip(delayLevelOf(properties));
  let parked = properties;
  for (const timer of [property.timerDelaySeconds, property.timerDelayMs, property.timerDeliverMs]) {
    parked = removeProperty(parked, timer);
  }
  parked = setProperty(parked, property.delayLevel, String(level));
  parked = setProperty(parked, property.realTopic, topic);
  parked = setProperty(parked, property.realQueueId, String(queueId));
  return { topic: scheduleTopic, queueId: level - 1, properties: parked };
}

/**
 * The tags code of a parked message is the time of its delivery, in milliseconds (ConsumeQueue entries of
 * SCHEDULE_TOPIC_XXXX); every other message keeps the hash of its tags.
 */
export function deliverTimeAsTagsCode(levels: DelayLevels) {
  return (
    message: { readonly topic: string; readonly properties: string | Uint8Array },
    storeTimestamp: number,
  ): number | undefined => {
    if (message.topic !== scheduleTopic) return undefined;
    // Asked for only now: of a record on the medium they are cut out of it.
    const { properties } = message;
    const level = delayLevelOf(typeof properties === "string" ? properties : decodeUtf8(properties));
    return level > 0 ? storeTimestamp + levels.delayMs(level) : undefined;
  };
}
