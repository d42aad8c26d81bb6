import { makeTopicConfig, perm, type TopicConfig } from "./topic-config.ts";

/** The topic from which others inherit when they are made by a first send (TopicValidator.AUTO_CREATE_TOPIC_KEY_TOPIC). */
export const autoCreateTopic = "TBW102";

/** Where delayed messages wait (TopicValidator.RMQ_SYS_SCHEDULE_TOPIC), one queue a level. */
export const scheduleTopic = "SCHEDULE_TOPIC_XXXX";

const selfTestTopic = "SELF_TEST_TOPIC";
const offsetMovedTopic = "OFFSET_MOVED_EVENT";
const transactionHalfTopic = "RMQ_SYS_TRANS_HALF_TOPIC";
const transactionOpTopic = "RMQ_SYS_TRANS_OP_HALF_TOPIC";

/** Clients may not send to these (TopicValidator.isNotAllowedSendTopic). */
const closedToClients = new Set([
  scheduleTopic,
  transactionHalfTopic,
  transactionOpTopic,
  "TRANS_CHECK_MAX_TIME_TOPIC",
  selfTestTopic,
  offsetMovedTopic,
]);

export function isClosedToClients(topic: string): boolean {
  return closedToClients.has(topic);
}

/** The topics that Apache's broker has from its first start (TopicConfigManager's constructor). */
export function systemTopics(names: { cluster: string; broker: string; delayLevels: number }): TopicConfig[] {
  return [
    makeTopicConfig(selfTestTopic, 1),
    makeTopicConfig(autoCreateTopic, 8, { perm: perm.all }),
    makeTopicConfig("BenchmarkTest", 1024),
    makeTopicConfig(names.cluster, 16, { perm: perm.all }),
    makeTopicConfig(names.broker, 1, { perm: perm.all }),
    makeTopicConfig(offsetMovedTopic, 1),
    makeTopicConfig(scheduleTopic, names.delayLevels),
    makeTopicConfig(`${names.cluster}_REPLY_TOPIC`, 1),
    makeTopicConfig(`rmq_sys_REVIVE_LOG_${names.cluster}`, 8),
    makeTopicConfig(`rmq_sys_SYNC_BROKER_MEMBER_${names.broker}`, 1, { perm: perm.inherit }),
    makeTopicConfig(transactionHalfTopic, 1),
    makeTopicConfig(transactionOpTopic, 1),
    makeTopicConfig("rmq_sys_wheel_timer", 1),
  ];
}
