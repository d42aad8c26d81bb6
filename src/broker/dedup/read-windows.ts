import type { DecodedRecord, Store } from "../../store/store.ts";
import { getProperty, hasProperty, property } from "../message/properties.ts";
import { long } from "../timer/park.ts";
import { recallHandle } from "../timer/recall-handle.ts";
import { scheduleTopic, timerTopic } from "../topic/system-topics.ts";
import type { Topic, Topics } from "../topic/topics.ts";
import type { Sent } from "./first-message.ts";

/** A message that the store has, and that was sent within the window of its topic. */
interface Found {
  readonly topic: Topic;
  readonly sent: Sent;
  readonly sinceMs: number;
  readonly physicalOffset: number;
  readonly queueOffset: number;
}

interface Given {
  readonly store: Store;
  readonly topics: Topics;
  readonly brokerName: string;
  readonly nowMs: number;
  readonly bytesMax: number;
  readonly bytesOf: (sent: Sent) => number;
}

/**
 * The messages within the windows of their topics, in the order in which they were stored: those in the topics' own queues, and those that wait,
 * or waited, in the queues for delayed messages. `isCut`: the oldest were left out, `bytesMax` are reached. Undefined if no topic asks.
 */
export async function readWindows(given: Given): Promise<{ messages: Found[]; isCut: boolean } | undefined> {
  const { store, topics, nowMs, bytesMax, bytesOf } = given;
  let longestMs = 0;
  for (const { dedup } of topics.all()) longestMs = Math.max(longestMs, dedup?.windowMs ?? 0);
  if (longestMs === 0) return undefined;
  let messages: Found[] = [];
  let bytes = 0;
  /** What was stored before it is left out. */
  let floor = 0;
  let isCut = false;
  const cut = (max: number): void => {
    messages.sort((a, b) => a.physicalOffset - b.physicalOffset);
    let from = messages.length;
    for (bytes = 0; from > 0; from--) {
      const more = bytesOf(messages[from - 1]!.sent);
      if (bytes + more > max) break;
      bytes += more;
    }
    if (from === 0) return;
    isCut = true;
    floor = messages[from]?.physicalOffset ?? floor;
    messages = messages.slice(from);
  };
  for (const { topic, queueId } of [...store.queues()]) {
    const windowMs = topic === scheduleTopic || topic === timerTopic ? longestMs : topics.find(topic)?.dedup?.windowMs;
    if (windowMs === undefined) continue;
    const { maxOffset } = store.range(topic, queueId);
    const first = await store.offsetByTime(topic, queueId, nowMs - windowMs, "LOWER");
    for (let offset = first; offset < maxOffset; offset++) {
      const record = await store.messageAt(topic, queueId, offset);
      const found = record === undefined || record.physicalOffset < floor ? undefined : messageOf(record, given);
      if (found === undefined) continue;
      messages.push(found);
      bytes += bytesOf(found.sent);
      if (bytes > 2 * bytesMax) cut(bytesMax);
    }
  }
  cut(bytesMax);
  return { messages, isCut };
}

/** Undefined for a record that is no message's first, or of none that is stored once. */
function messageOf(record: DecodedRecord, { topics, brokerName, nowMs }: Given): Found | undefined {
  const { properties, storeTimestamp, physicalOffset, queueOffset } = record;
  const isParked = record.topic === scheduleTopic || record.topic === timerTopic;
  // What was delivered says still where it waited for; what waits once more for a time far away, how often it did.
  const isCopy = isParked
    ? hasProperty(properties, property.timerEnqueueMs) || hasProperty(properties, property.timerDeleteUniqueKey)
    : hasProperty(properties, property.realTopic);
  const topicName = isParked ? getProperty(properties, property.realTopic) : record.topic;
  const topic = isCopy || topicName === undefined ? undefined : topics.find(topicName);
  if (topic?.dedup === undefined || nowMs - storeTimestamp >= topic.dedup.windowMs) return undefined;
  const key = getProperty(properties, topic.dedup.keyName);
  if (key === undefined || key === "") return undefined;
  const uniqueKey = getProperty(properties, property.uniqueKey);
  const outMs = record.topic === timerTopic ? long(getProperty(properties, property.timerOutMs) ?? "") : Number.NaN;
  return {
    topic,
    sent: {
      key,
      queueId: isParked ? Number.parseInt(getProperty(properties, property.realQueueId) ?? "0", 10) : record.queueId,
      uniqueKey,
      recallHandle:
        uniqueKey === undefined || Number.isNaN(outMs)
          ? undefined
          : recallHandle(topic.config.topicName, brokerName, outMs, uniqueKey),
    },
    sinceMs: storeTimestamp,
    physicalOffset,
    queueOffset,
  };
}
