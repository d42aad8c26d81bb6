import { decodeUtf8 } from "../ports/text.ts";
import type { MessageQueue } from "./message.ts";

/*
 * Java writes maps from queues with the queue itself as the key: {"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:7}}. No
 * JSON parser takes that.
 */

export interface QueueOffset {
  readonly queue: MessageQueue;
  readonly offset: number;
}

/** The offsets of a ResetOffsetBody; what can't be read is left out. */
export function readOffsets(body: Uint8Array): QueueOffset[] {
  const found: QueueOffset[] = [];
  for (const [, key, offset] of decodeUtf8(body).matchAll(/(\{[^{}]*\})\s*:\s*(-?\d{1,16})/g)) {
    try {
      const { topic, brokerName, queueId } = JSON.parse(key!) as Partial<MessageQueue>;
      if (typeof topic === "string" && typeof brokerName === "string" && typeof queueId === "number") {
        found.push({ queue: { topic, brokerName, queueId }, offset: Number(offset) });
      }
    } catch {
      // Not a queue.
    }
  }
  return found;
}

export function writeQueueMap(entries: Iterable<readonly [MessageQueue, object]>): string {
  const texts = Array.from(entries, ([{ brokerName, queueId, topic }, value]) => {
    return `${JSON.stringify({ brokerName, queueId, topic })}:${JSON.stringify(value)}`;
  });
  return `{${texts.join(",")}}`;
}
