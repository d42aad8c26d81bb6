/** Permission bits of a topic (org.apache.rocketmq.common.constant.PermName). */
export const perm = { inherit: 1, write: 2, read: 4, readWrite: 6, all: 7 } as const;

/** Bits of topicSysFlag (org.apache.rocketmq.common.sysflag.TopicSysFlag). */
export const topicSysFlag = { unit: 1, unitSub: 2 } as const;

/** Which kind of ConsumeQueue a topic has (TopicAttributes.QUEUE_TYPE_ATTRIBUTE); SimpleCQ where nothing is said. */
export const queueTypeAttribute = "queue.type";

/** org.apache.rocketmq.common.TopicConfig, with the names it has in topics.json and on the wire. */
export interface TopicConfig {
  readonly topicName: string;
  readonly readQueueNums: number;
  readonly writeQueueNums: number;
  readonly perm: number;
  readonly topicFilterType: string;
  readonly topicSysFlag: number;
  readonly order: boolean;
  readonly attributes: Readonly<Record<string, string>>;
}

export function makeTopicConfig(
  topicName: string,
  queueNums: number,
  given: Partial<Omit<TopicConfig, "topicName">> = {},
): TopicConfig {
  return {
    topicName,
    readQueueNums: queueNums,
    writeQueueNums: queueNums,
    perm: perm.readWrite,
    topicFilterType: "SINGLE_TAG",
    topicSysFlag: 0,
    order: false,
    attributes: {},
    ...given,
  };
}

export function hasQueue({ readQueueNums, writeQueueNums }: TopicConfig, queueId: number): boolean {
  return Number.isInteger(queueId) && queueId >= 0 && queueId < Math.max(readQueueNums, writeQueueNums);
}

/** A topic out of topics.json; what is missing or strange there gets TopicConfig's defaults. */
export function readTopicConfig(topicName: string, value: unknown): TopicConfig {
  const given = (value ?? {}) as Record<string, unknown>;
  const count = (name: string): number => {
    const found = given[name];
    return typeof found === "number" && Number.isInteger(found) && found >= 0 ? found : 16;
  };
  return makeTopicConfig(topicName, 0, {
    readQueueNums: count("readQueueNums"),
    writeQueueNums: count("writeQueueNums"),
    perm: typeof given["perm"] === "number" ? given["perm"] : perm.readWrite,
    topicFilterType: typeof given["topicFilterType"] === "string" ? given["topicFilterType"] : "SINGLE_TAG",
    topicSysFlag: typeof given["topicSysFlag"] === "number" ? given["topicSysFlag"] : 0,
    order: given["order"] === true,
    attributes: (given["attributes"] ?? {}) as Record<string, string>,
  });
}
