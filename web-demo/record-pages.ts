import type { MessageQueue, PullConsumer, ReceivedMessage } from "../src/client/index.ts";

/** How far each queue was listed: the records before these offsets are older ones. */
export type Place = readonly { readonly queue: MessageQueue; readonly beforeOffset: number }[];

export interface RecordPage {
  /** Newest first, by their places in the CommitLog. */
  readonly records: readonly ReceivedMessage[];
  /** Where the next page of older ones begins; undefined if there are none. */
  readonly older: Place | undefined;
}

/**
 * The newest records before a place in the CommitLog. RocketMQ has no request that lists records; but each one is in a queue, in the
 * order of the CommitLog, so that the newest of all are among the newest of each queue.
 */
export async function recordPage(consumer: PullConsumer, place: Place, recordsMax: number): Promise<RecordPage> {
  const candidates = await Promise.all(
    place.map(({ queue, beforeOffset }) => readRange(consumer, queue, beforeOffset - recordsMax, beforeOffset)),
  );
  const sorted = candidates.flat().sort((a, b) => b.commitLogOffset - a.commitLogOffset);
  const records = sorted.slice(0, recordsMax);
  const older = place
    .map(({ queue, beforeOffset }) => ({
      queue,
      beforeOffset: records.filter((record) => isIn(record, queue)).at(-1)?.queueOffset ?? beforeOffset,
    }))
    .filter(({ beforeOffset }) => beforeOffset > 0);
  return { records, older: older.length === 0 || records.length === 0 ? undefined : older };
}

function isIn({ topic, brokerName, queueId }: ReceivedMessage, queue: MessageQueue): boolean {
  return topic === queue.topic && brokerName === queue.brokerName && queueId === queue.queueId;
}

async function readRange(
  consumer: PullConsumer,
  queue: MessageQueue,
  fromOffset: number,
  toOffset: number,
): Promise<ReceivedMessage[]> {
  const read: ReceivedMessage[] = [];
  let offset = Math.max(0, fromOffset);
  while (offset < toOffset) {
    const { messages, nextOffset } = await consumer.pull(queue, offset, { messagesMax: toOffset - offset });
    read.push(...messages.filter(({ queueOffset }) => queueOffset >= offset && queueOffset < toOffset));
    // An answer that leads nowhere: the queue ends before the place.
    if (nextOffset <= offset) break;
    offset = nextOffset;
  }
  return read;
}
