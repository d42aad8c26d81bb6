import { groupNameCharsMax, retryTopicNameCharsMax, topicNameCharsMax } from "../limits.ts";
import { WasmqError } from "../ports/error.ts";

const retryPrefix = "%RETRY%";
const deadLetterPrefix = "%DLQ%";
const popRetrySeparatorV2 = "+";

/** Where messages of a group wait to be consumed again (MixAll.getRetryTopic). */
export function retryTopicOf(group: string): string {
  return retryPrefix + group;
}

/** Dead letters are in one queue, whatever queues their topic was given (DLQ_NUMS_PER_GROUP). */
export const deadLetterQueue = 0;

/** Where messages of a group end that were tried too often (MixAll.getDLQTopic). */
export function deadLetterTopicOf(group: string): string {
  return deadLetterPrefix + group;
}

/** The group whose retry topic this is, or undefined for another topic. */
export function groupOfRetryTopic(topic: string): string | undefined {
  return topic.startsWith(retryPrefix) ? topic.slice(retryPrefix.length) : undefined;
}

/** How the retry topic of a group that pops a topic is named: 1 with `_` between the two, 2 with `+` (KeyBuilder). */
export type PopRetryVersion = 1 | 2;

/** Where popped messages of a topic come again that a group did not acknowledge (KeyBuilder.buildPopRetryTopic). */
export function popRetryTopicOf(group: string, topic: string, version: PopRetryVersion): string {
  return retryPrefix + group + (version === 1 ? "_" : popRetrySeparatorV2) + topic;
}

/** The topic whose messages a group finds there again (KeyBuilder.parseNormalTopic); other topics are themselves. */
export function poppedTopicOf(group: string, topic: string): string {
  if (!topic.startsWith(retryPrefix)) return topic;
  for (const version of [2, 1] as const) {
    const prefix = popRetryTopicOf(group, "", version);
    if (topic.startsWith(prefix)) return topic.slice(prefix.length);
  }
  return topic;
}

/** Of the topic of a popped message: 0 it is none for retries, else how that is named (ExtraInfoUtil.getRetry). */
export function popRetryFlagOf(topic: string): 0 | PopRetryVersion {
  if (!topic.startsWith(retryPrefix)) return 0;
  return topic.includes(popRetrySeparatorV2) ? 2 : 1;
}

export function isRetryOrDeadLetterTopic(topic: string): boolean {
  return topic.startsWith(retryPrefix) || topic.startsWith(deadLetterPrefix);
}

/** TopicValidator.isTopicOrGroupIllegal allows `%|a-zA-Z0-9_-`; a retry topic of POP may have its separator. */
const allowed = /^[%|a-zA-Z0-9_-]+$/;
const allowedInTopics = /^(%RETRY%[%|a-zA-Z0-9_-]+\+)?[%|a-zA-Z0-9_-]+$/;

/** Throws INVALID_PARAMETER for a name that no topic may have (TopicValidator.validateTopic). */
export function checkTopicName(topic: string): void {
  if (topic.length === 0) throw new WasmqError("INVALID_PARAMETER", "The specified topic is blank.");
  const charsMax = isRetryOrDeadLetterTopic(topic) ? retryTopicNameCharsMax : topicNameCharsMax;
  if (topic.length > charsMax) {
    throw new WasmqError("INVALID_PARAMETER", `The specified topic is longer than topic max length ${charsMax}.`);
  }
  if (!allowedInTopics.test(topic)) {
    throw new WasmqError(
      "INVALID_PARAMETER",
      "The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$",
    );
  }
}

export function isTopicName(topic: string): boolean {
  const charsMax = isRetryOrDeadLetterTopic(topic) ? retryTopicNameCharsMax : topicNameCharsMax;
  return topic.length <= charsMax && allowedInTopics.test(topic);
}

export function isGroupName(group: string): boolean {
  return group.length <= groupNameCharsMax && allowed.test(group);
}

/** Throws INVALID_PARAMETER for a name that no group may have (TopicValidator.validateGroup). */
export function checkGroupName(group: string): void {
  if (group.length === 0) throw new WasmqError("INVALID_PARAMETER", "The specified group is blank.");
  if (group.length > groupNameCharsMax) {
    throw new WasmqError(
      "INVALID_PARAMETER",
      `The specified group is longer than group max length ${groupNameCharsMax}.`,
    );
  }
  if (!allowed.test(group)) {
    throw new WasmqError(
      "INVALID_PARAMETER",
      "The specified group contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$",
    );
  }
}
