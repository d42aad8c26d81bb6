import { dedupWindowSecondsMax } from "../../limits.ts";
import { isObject } from "../../store/config-file.ts";
import { property } from "../message/properties.ts";

/** Permission bits of a topic (org.apache.rocketmq.common.constant.PermName). */
export const perm = { inherit: 1, write: 2, read: 4, readWrite: 6, all: 7 } as const;

/** With PermName.PERM_PRIORITY, 8. */
export const permMax = 15;

/** Bits of topicSysFlag (org.apache.rocketmq.common.sysflag.TopicSysFlag). */
export const topicSysFlag = { unit: 1, unitSub: 2 } as const;

/** Which kind of ConsumeQueue a topic has (TopicAttributes.QUEUE_TYPE_ATTRIBUTE); SimpleCQ where nothing is said. */
export const queueTypeAttribute = "queue.type";
export const simpleQueueType = "SimpleCQ";
export const batchQueueType = "BatchCQ";

export function isOfBatches({ attributes }: TopicConfig): boolean {
  return attributes[queueTypeAttribute] === batchQueueType;
}

/**
 * How many hours a topic's messages are served (TopicAttributes.TOPIC_RESERVE_TIME_ATTRIBUTE). Apache's broker goes by it where messages
 * are kept in a tiered store (FlatMessageFile.getFileReservedHours).
 */
export const reserveTimeAttribute = "reserve.time";

/** For how many seconds a message's key is remembered, and stored once; wasmq's own. Without it every message is stored. */
export const dedupWindowAttribute = "dedup.window.sec";

/** The property that is the key, UNIQ_KEY where nothing is said. */
export const dedupKeyAttribute = "dedup.key";

const hourMs = 3_600_000;

/** Undefined for a topic whose messages are served as long as they are there: without the attribute, and with one that is no count of hours. */
export function reserveTimeMs({ attributes }: TopicConfig): number | undefined {
  const text = attributes[reserveTimeAttribute];
  return text !== undefined && /^[1-9]\d{0,18}$/.test(text) ? Number(text) * hourMs : undefined;
}

/** What tells messages of a topic apart, and for how long. */
export interface DedupRule {
  readonly keyName: string;
  readonly windowMs: number;
}

/** Undefined for a topic whose messages are all stored: without the attribute, and with one that can't be. */
export function dedupRule({ attributes }: TopicConfig): DedupRule | undefined {
  const seconds = attributes[dedupWindowAttribute] ?? "";
  if (!/^[1-9]\d{0,5}$/.test(seconds) || Number(seconds) > dedupWindowSecondsMax) return undefined;
  return { keyName: attributes[dedupKeyAttribute] ?? property.uniqueKey, windowMs: Number(seconds) * 1_000 };
}

/** org.apache.rocketmq.common.TopicConfig, with the names it has in topics.json and on the wire. Unknown members are kept. */
export interface TopicConfig {
  readonly topicName: string;
  readonly readQueueNums: number;
  readonly writeQueueNums: number;
  readonly perm: number;
  readonly topicFilterType: string;
  readonly topicSysFlag: number;
  readonly order: boolean;
  readonly attributes: Readonly<Record<string, string>>;
  readonly [other: string]: unknown;
}

export function makeTopicConfig(topicName: string, queueNums: number, given: Partial<TopicConfig> = {}): TopicConfig {
  return {
    readQueueNums: queueNums,
    writeQueueNums: queueNums,
    perm: perm.readWrite,
    topicFilterType: "SINGLE_TAG",
    topicSysFlag: 0,
    order: false,
    attributes: {},
    ...given,
    topicName,
  };
}

export function hasQueue({ readQueueNums, writeQueueNums }: TopicConfig, queueId: number): boolean {
  return Number.isInteger(queueId) && queueId >= 0 && queueId < Math.max(readQueueNums, writeQueueNums);
}

/** A topic out of topics.json; what is missing or strange there gets TopicConfig's defaults. */
export function readTopicConfig(topicName: string, value: unknown): TopicConfig {
  const given = isObject(value) ? value : {};
  const count = (name: string): number => {
    const found = given[name];
    return typeof found === "number" && Number.isInteger(found) && found >= 0 ? found : 16;
  };
  return makeTopicConfig(topicName, 0, {
    ...given,
    readQueueNums: count("readQueueNums"),
    writeQueueNums: count("writeQueueNums"),
    perm: typeof given["perm"] === "number" ? given["perm"] : perm.readWrite,
    topicFilterType: typeof given["topicFilterType"] === "string" ? given["topicFilterType"] : "SINGLE_TAG",
    topicSysFlag: typeof given["topicSysFlag"] === "number" ? given["topicSysFlag"] : 0,
    order: given["order"] === true,
    attributes: texts(given["attributes"]),
  });
}

function texts(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(isObject(value) ? value : {}).map(([name, one]) => [name, String(one)]));
}

/** What a topic in topics.json can't be, though it can be read; undefined for one that Apache may have written. */
export function topicDoubt(topicName: string, value: unknown): string | undefined {
  if (!isObject(value)) return `topic ${topicName} is none`;
  const { readQueueNums, writeQueueNums, perm: bits, topicFilterType, topicName: named } = value;
  const strange =
    (named !== undefined && named !== topicName && "topicName") ||
    (!isCount(readQueueNums) && "readQueueNums") ||
    (!isCount(writeQueueNums) && "writeQueueNums") ||
    ((!isCount(bits) || (bits as number) > permMax) && "perm") ||
    (topicFilterType !== undefined &&
      topicFilterType !== "SINGLE_TAG" &&
      topicFilterType !== "MULTI_TAG" &&
      "topicFilterType");
  return strange === false ? undefined : `topic ${topicName} has a strange ${strange}`;
}

/** Apache leaves out what has its default only in files of its first versions. */
function isCount(value: unknown): boolean {
  return value === undefined || (typeof value === "number" && Number.isInteger(value) && value >= 0);
}
