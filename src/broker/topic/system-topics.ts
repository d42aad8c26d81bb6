import type { BrokerRules } from "../settings.ts";
import { makeTopicConfig, perm, type TopicConfig } from "./topic-config.ts";

/** The topic from which others inherit when they are made by a first send (TopicValidator.AUTO_CREATE_TOPIC_KEY_TOPIC). */
export const autoCreateTopic = "TBW102";

/** Where delayed messages wait (TopicValidator.RMQ_SYS_SCHEDULE_TOPIC), one queue a level. */
export const scheduleTopic = "SCHEDULE_TOPIC_XXXX";

/** Where check points of popped messages come to when their time is up (PopAckConstants.buildClusterReviveTopic). */
export function reviveTopicOf(cluster: string): string {
  return revivePrefix + cluster;
}

const revivePrefix = "rmq_sys_REVIVE_LOG_";

/** RocketMQ's reviveQueueNum. */
export const reviveQueues = 8;

/** Where messages wait that name the time of their delivery (TimerMessageStore.TIMER_TOPIC). */
export const timerTopic = "rmq_sys_wheel_timer";

const selfTestTopic = "SELF_TEST_TOPIC";
const offsetMovedTopic = "OFFSET_MOVED_EVENT";

/** Where messages wait for the ends of their transactions, which of them have come to theirs, and those that nobody ended. */
export const transactionHalfTopic = "RMQ_SYS_TRANS_HALF_TOPIC";
export const transactionOpTopic = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
export const transactionCheckMaxTopic = "TRANS_CHECK_MAX_TIME_TOPIC";

/**
 * Clients may not send to these (TopicValidator.isNotAllowedSendTopic). Other than Apache's, neither to that of timers: a message there
 * without a time would hold up all behind it, and one with any time passes by the limit of times.
 */
const closedToClients = new Set([
  scheduleTopic,
  timerTopic,
  transactionHalfTopic,
  transactionOpTopic,
  transactionCheckMaxTopic,
  selfTestTopic,
  offsetMovedTopic,
]);

/** Those that are the broker's own business, whether it has them or not (TopicValidator.isSystemTopic). */
const ownTopics = new Set([
  ...closedToClients,
  autoCreateTopic,
  "BenchmarkTest",
  "RMQ_SYS_TRACE_TOPIC",
  "CHECKPOINT_TOPIC",
  "RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC",
  "RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC",
]);

export function isSystemTopic(topic: string): boolean {
  return ownTopics.has(topic) || topic.startsWith("rmq_sys_");
}

/** A queue beside that of its message's topic (MixAll.isLmq): it has no config in any case. */
export function isLightTopic(topic: string): boolean {
  return topic.startsWith("%LMQ%");
}

export function isClosedToClients(topic: string): boolean {
  // Other than Apache's: a check point made up by a client would bring back what it likes.
  return closedToClients.has(topic) || topic.startsWith(revivePrefix);
}

/** All that administrators are to keep their hands off (TopicValidator.getSystemTopicSet): those that it has, and those that it may have. */
export function systemTopicNames(...own: Parameters<typeof systemTopics>): ReadonlySet<string> {
  return new Set([...ownTopics, ...systemTopics(...own).map(({ topicName }) => topicName)]);
}

/** The topics that Apache's broker has from its first start (TopicConfigManager's constructor). */
export function systemTopics(
  names: { cluster: string; broker: string; delayLevels: number },
  rules: BrokerRules,
): TopicConfig[] {
  return [
    makeTopicConfig(selfTestTopic, 1),
    ...(rules.autoCreateTopicEnable
      ? [makeTopicConfig(autoCreateTopic, rules.defaultTopicQueueNums ?? 8, { perm: perm.all })]
      : []),
    makeTopicConfig("BenchmarkTest", 1024),
    makeTopicConfig(names.cluster, 16, { perm: rules.clusterTopicEnable ? perm.all : perm.inherit }),
    makeTopicConfig(names.broker, 1, { perm: rules.brokerTopicEnable ? perm.all : perm.inherit }),
    makeTopicConfig(offsetMovedTopic, 1),
    makeTopicConfig(scheduleTopic, names.delayLevels),
    ...(rules.traceTopicEnable ? [makeTopicConfig(rules.msgTraceTopicName, 1)] : []),
    makeTopicConfig(`${names.cluster}_REPLY_TOPIC`, 1),
    makeTopicConfig(reviveTopicOf(names.cluster), reviveQueues),
    makeTopicConfig(`rmq_sys_SYNC_BROKER_MEMBER_${names.broker}`, 1, { perm: perm.inherit }),
    makeTopicConfig(transactionHalfTopic, 1),
    makeTopicConfig(transactionOpTopic, 1),
    makeTopicConfig(timerTopic, 1),
  ];
}
