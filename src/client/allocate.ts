import type { MessageQueue } from "./message.ts";

/**
 * The share of one member (AllocateMessageQueueAveragely): neighbouring queues, the first members one more if it does not come out
 * even. Members of all languages compute the same, so that no queue has two owners. Both lists are in their order: queues as
 * `compareQueues`, ids as text. Who is not among the ids has no share.
 */
export function allocateAveragely(
  clientId: string,
  clientIds: readonly string[],
  queues: readonly MessageQueue[],
): readonly MessageQueue[] {
  const index = clientIds.indexOf(clientId);
  if (index < 0) return [];
  const rest = queues.length % clientIds.length;
  const least = Math.floor(queues.length / clientIds.length);
  const count = index < rest ? least + 1 : least;
  const start = index < rest ? index * count : index * least + rest;
  return queues.slice(start, start + count);
}
