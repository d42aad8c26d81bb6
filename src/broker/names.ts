import { groupNameCharsMax, retryTopicNameCharsMax, topicNameCharsMax } from "../limits.ts";
import { WasmqError } from "../ports/error.ts";

const retryPrefix = "%RETRY%";
const deadLetterPrefix = "%DLQ%";

/** Where messages of a group wait to be consumed again (MixAll.getRetryTopic). */
export function retryTopicOf(group: string): string {
  return retryPrefix + group;
}

/** Where messages of a group end that were tried too often (MixAll.getDLQTopic). */
export function deadLetterTopicOf(group: string): string {
  return deadLetterPrefix + group;
}

/** The group whose retry topic this is, or undefined for another topic. */
export function groupOfRetryTopic(topic: string): string | undefined {
  return topic.startsWith(retryPrefix) ? topic.slice(retryPrefix.length) : undefined;
}

export function isRetryOrDeadLetterTopic(topic: string): boolean {
  return topic.startsWith(retryPrefix) || topic.startsWith(deadLetterPrefix);
}

/** TopicValidator.isTopicOrGroupIllegal allows `%|a-zA-Z0-9_-`. */
const allowed = /^[%|a-zA-Z0-9_-]+$/;

/** Throws INVALID_PARAMETER for a name that no topic may have (TopicValidator.validateTopic). */
export function checkTopicName(topic: string): void {
  if (topic.length === 0) throw new WasmqError("INVALID_PARAMETER", "The specified topic is blank.");
  const charsMax = isRetryOrDeadLetterTopic(topic) ? retryTopicNameCharsMax : topicNameCharsMax;
  if (topic.length > charsMax) {
    throw new WasmqError("INVALID_PARAMETER", `The specified topic is longer than topic max length ${charsMax}.`);
  }
  if (!allowed.test(topic)) {
    throw new WasmqError(
      "INVALID_PARAMETER",
      "The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$",
    );
  }
}

export function isTopicName(topic: string): boolean {
  const charsMax = isRetryOrDeadLetterTopic(topic) ? retryTopicNameCharsMax : topicNameCharsMax;
  return topic.length <= charsMax && allowed.test(topic);
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
