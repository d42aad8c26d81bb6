import { dedupKeyNameCharsMax, dedupWindowSecondsMax } from "../../limits.ts";
import { type Attribute, inRange, longMax, oneOf } from "../attributes.ts";
import {
  batchQueueType,
  dedupKeyAttribute,
  dedupWindowAttribute,
  queueTypeAttribute,
  reserveTimeAttribute,
  simpleQueueType,
} from "./topic-config.ts";

/** What kind of messages a topic is for. */
export const messageTypeAttribute = "message.type";

/** Of all kinds: none that an administrator may ask for (enableMixedMessageType is false). */
export const mixedMessageType = "MIXED";

/**
 * org.apache.rocketmq.common.TopicAttributes, and wasmq's own two. An Apache broker keeps those of a topics.json that it knows nothing of, and
 * only refuses to set them.
 */
export const topicAttributes: readonly Attribute[] = [
  { name: queueTypeAttribute, isChangeable: false, trouble: oneOf(batchQueueType, simpleQueueType) },
  { name: "cleanup.policy", isChangeable: false, trouble: oneOf("DELETE", "COMPACTION") },
  {
    name: messageTypeAttribute,
    isChangeable: true,
    trouble: oneOf("UNSPECIFIED", "NORMAL", "FIFO", "DELAY", "TRANSACTION", "PRIORITY", "LITE", mixedMessageType),
  },
  { name: reserveTimeAttribute, isChangeable: true, trouble: inRange(-1n, longMax) },
  { name: "lite.topic.expiration", isChangeable: true, trouble: inRange(-1n, 30n) },
  { name: dedupWindowAttribute, isChangeable: true, trouble: inRange(1n, BigInt(dedupWindowSecondsMax)) },
  { name: dedupKeyAttribute, isChangeable: true, trouble: isPropertyName },
];

function isPropertyName(value: string): string | undefined {
  if (value.length > dedupKeyNameCharsMax) return `a property's name of ${value.length} characters`;
  return /^[!-~]+$/.test(value) ? undefined : "a property's name has visible ASCII characters";
}
