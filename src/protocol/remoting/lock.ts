import type { QueueName } from "../../broker/orderly/queue-locks.ts";
import { WasmqError } from "../../ports/error.ts";
import { objects, readBody, text, writeBody } from "./body-json.ts";
import { responseCode } from "./codes.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** 41 (AdminBrokerProcessor.lockBatchMQ). */
export function lockBatch(request: Request, { broker }: BrokerRole): void {
  const { group, clientId, queues } = readLocks(request);
  const lockOKMQSet = broker.lock(group, clientId, queues, request.resumedFromMs);
  const atMs = request.cameAtMs;
  request.session.keep((kept) => kept.locked(group, clientId, lockOKMQSet, atMs));
  request.reply(responseCode.success, undefined, undefined, writeBody({ lockOKMQSet }));
}

/** 42 (AdminBrokerProcessor.unlockBatchMQ). */
export function unlockBatch(request: Request, { broker }: BrokerRole): void {
  const { group, clientId, queues } = readLocks(request);
  broker.locks.unlock(group, clientId, queues);
  request.session.keep((kept) => kept.unlocked(group, clientId, queues));
  request.reply(responseCode.success);
}

function readLocks(request: Request): { group: string; clientId: string; queues: QueueName[] } {
  const body = readBody(request.body);
  const group = text(body["consumerGroup"]);
  const clientId = text(body["clientId"]);
  if (group === undefined || clientId === undefined) {
    throw new WasmqError("SYSTEM_ERROR", "the body names no consumerGroup and clientId");
  }
  const queues = objects(body["mqSet"]).flatMap((queue): QueueName[] => {
    const topic = text(queue["topic"]);
    const brokerName = text(queue["brokerName"]);
    const queueId = queue["queueId"];
    if (topic === undefined || brokerName === undefined || typeof queueId !== "number") return [];
    return [{ brokerName, queueId, topic }];
  });
  return { group, clientId, queues };
}
