import type { Assignment } from "../../broker/assignment/assignments.ts";
import { WasmqError } from "../../ports/error.ts";
import { readBody, text, writeBody } from "./body-json.ts";
import { responseCode } from "./codes.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** 400 (QueryAssignmentProcessor.queryAssignment). */
export function queryAssignment({ body: bytes, answer }: Request, { broker }: BrokerRole): void | Promise<void> {
  const body = readBody(bytes);
  const { topic, group } = readNames(body);
  const reply = (assignment: Assignment | undefined): void => {
    const messageQueueAssignments = assignment?.queues.map((queue) => ({
      messageQueue: { brokerName: queue.brokerName, queueId: queue.queueId, topic: queue.topic },
      mode: assignment.mode,
    }));
    answer.reply(responseCode.success, undefined, undefined, writeBody({ messageQueueAssignments }));
  };
  const assignment = broker.assignments.query({
    topic,
    group,
    clientId: text(body["clientId"]) ?? "",
    messageModel: body["messageModel"] === "BROADCASTING" ? "BROADCASTING" : "CLUSTERING",
    strategyName: text(body["strategyName"]) ?? "",
  });
  return assignment instanceof Promise ? assignment.then(reply) : reply(assignment);
}

/** 401 (QueryAssignmentProcessor.setMessageRequestMode). */
export async function setMessageRequestMode({ body: bytes, answer }: Request, { broker }: BrokerRole): Promise<void> {
  const body = readBody(bytes);
  const { topic, group } = readNames(body);
  const { mode = "PULL", popShareQueueNum } = body;
  if (mode !== "PULL" && mode !== "POP") {
    throw new WasmqError("INVALID_PARAMETER", `there is no message request mode ${String(mode).slice(0, 64)}`);
  }
  await broker.assignments.setMode(topic, group, {
    mode,
    popShareQueueNum: typeof popShareQueueNum === "number" ? popShareQueueNum | 0 : 0,
  });
  answer.reply(responseCode.success);
}

function readNames(body: Readonly<Record<string, unknown>>): { topic: string; group: string } {
  const topic = text(body["topic"]);
  const group = text(body["consumerGroup"]);
  if (topic === undefined || group === undefined) {
    throw new WasmqError("SYSTEM_ERROR", "the body names no topic and consumerGroup");
  }
  return { topic, group };
}
