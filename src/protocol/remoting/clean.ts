import { responseCode } from "./codes.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** 329: expired CommitLog files go at any hour; answered before they are gone (AdminBrokerProcessor.deleteExpiredCommitLog). */
export function deleteExpiredCommitLog(request: Request, { broker }: BrokerRole): void {
  broker.store.deleteExpired();
  request.reply(responseCode.success);
}

/**
 * 306 (AdminBrokerProcessor.cleanExpiredConsumeQueue). Apache takes away a queue all of whose messages are gone, so that its offsets begin
 * at 0 again and its consumers pass over what comes next; here it keeps its last file, and with it its offsets.
 */
export async function cleanExpiredConsumeQueue(request: Request, { broker }: BrokerRole): Promise<void> {
  await broker.store.deleteExpiredQueues();
  request.reply(responseCode.success);
}

/** 316: queues of topics that the broker has no config of (AdminBrokerProcessor.cleanUnusedTopic). */
export async function cleanUnusedTopic(request: Request, { broker }: BrokerRole): Promise<void> {
  await broker.cleanUnusedTopics();
  request.reply(responseCode.success);
}
