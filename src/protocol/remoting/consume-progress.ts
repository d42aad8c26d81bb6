import type { GroupProgress, QueueProgress } from "../../broker/admin/consume-progress.ts";
import { writeBody } from "./body-json.ts";
import { responseCode } from "./codes.ts";
import { subscriptionData } from "./connections.ts";
import { ObjectMap, writeJavaBody } from "./java-json.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** 208 (AdminBrokerProcessor.getConsumeStats). */
export async function getConsumeStats(request: Request, role: BrokerRole): Promise<void> {
  const { header, answer } = request;
  const { fields } = header;
  const group = fields.text("consumerGroup");
  const topic = fields.optionalText("topic")?.trim();
  const named = (fields.optionalText("topicList") ?? "").split(";").filter((one) => one.trim() !== "");
  const progress = await role.broker.progress.of(group, topic === "" ? undefined : topic, named);
  answer.reply(responseCode.success, undefined, undefined, writeJavaBody(consumeStats(progress, role)));
}

/** 317 (fetchAllConsumeStatsInBroker). */
export async function getBrokerConsumeStats(request: Request, role: BrokerRole): Promise<void> {
  const { header, answer, session } = request;
  const { localAddress } = session.connection;
  const all = await role.broker.progress.ofAll(header.fields.flag("isOrder"));
  const queues = [...all.values()].flat().flatMap((progress) => progress.queues);
  const body = {
    brokerAddr: role.brokerAddress(localAddress),
    consumeStatsList: Array.from(all, ([group, found]) => ({
      [group]: found.map((progress) => consumeStats(progress, role)),
    })),
    totalDiff: sum(queues, ({ brokerOffset, consumerOffset }) => brokerOffset - consumerOffset),
    totalInflightDiff: sum(queues, ({ pullOffset, consumerOffset }) => pullOffset - consumerOffset),
  };
  answer.reply(responseCode.success, undefined, undefined, writeJavaBody(body));
}

/** 303 (queryConsumeTimeSpan). */
export async function queryConsumeTimeSpan({ header, answer }: Request, { broker }: BrokerRole): Promise<void> {
  const topic = header.fields.text("topic");
  const { brokerName } = broker.settings;
  const spans = await broker.progress.timeSpans(header.fields.text("group"), topic);
  const consumeTimeSpanSet = spans.map(({ queueId, ...times }) => ({
    ...times,
    messageQueue: { brokerName, queueId, topic },
  }));
  answer.reply(responseCode.success, undefined, undefined, writeBody({ consumeTimeSpanSet }));
}

/** 300 (queryTopicConsumeByWho). */
export function queryTopicConsumeByWho(request: Request, { broker }: BrokerRole): void {
  const groupList = broker.progress.groupsOf(request.header.fields.text("topic"));
  request.reply(responseCode.success, undefined, undefined, writeBody({ groupList }));
}

/** 343 (queryTopicsByConsumer). */
export function queryTopicsByConsumer(request: Request, { broker, brokerAddress }: BrokerRole): void {
  const topicList = broker.offsets.topicsOf(request.header.fields.text("group"));
  const brokerAddr = brokerAddress(request.session.connection.localAddress);
  request.reply(responseCode.success, undefined, undefined, writeBody({ brokerAddr, topicList }));
}

/** 345 (querySubscriptionByConsumer). */
export function querySubscriptionByConsumer(request: Request, { broker }: BrokerRole): void {
  const group = request.header.fields.text("group");
  const topic = request.header.fields.text("topic");
  const subscription = broker.consumers.find(group)?.subscriptions.get(topic);
  const body = { group, subscriptionData: subscription && subscriptionData(subscription), topic };
  request.reply(responseCode.success, undefined, undefined, writeJavaBody(body));
}

/** 43 (getAllConsumerOffset). */
export function getAllConsumerOffset(request: Request, { broker }: BrokerRole): void {
  const offsetTable = Object.fromEntries(
    Array.from(broker.offsets.all(), ([key, queues]) => [key, Object.fromEntries(queues)]),
  );
  const { version: dataVersion } = broker.offsets;
  const body = writeBody({ dataVersion, groupTopicMap: {}, offsetTable, pullOffsetTable: {} });
  request.reply(responseCode.success, undefined, undefined, body);
}

function consumeStats({ queues, consumeTps }: GroupProgress, { broker }: BrokerRole) {
  const { brokerName } = broker.settings;
  const entries = queues.map(({ topic, queueId, ...offsets }) => [{ brokerName, queueId, topic }, offsets] as const);
  return { consumeTps, offsetTable: new ObjectMap(entries) };
}

function sum(queues: readonly QueueProgress[], of: (queue: QueueProgress) => number): number {
  return queues.reduce((total, queue) => total + of(queue), 0);
}
