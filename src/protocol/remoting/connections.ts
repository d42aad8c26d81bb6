import type { Client, ClientInfo } from "../../broker/client/client.ts";
import { isTagExpression, type Subscription } from "../../broker/filter/subscription.ts";
import { WasmqError } from "../../ports/error.ts";
import { writeBody } from "./body-json.ts";
import { responseCode } from "./codes.ts";
import { writeJavaBody } from "./java-json.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** 203 (AdminBrokerProcessor.getConsumerConnectionList). */
export function getConsumerConnections(request: Request, { broker }: BrokerRole): void {
  const group = request.header.fields.text("consumerGroup");
  const found = broker.consumers.find(group);
  if (found === undefined) {
    throw new WasmqError("CONSUMER_NOT_ONLINE", `the consumer group[${group}] not online`);
  }
  const body = {
    connectionSet: Array.from(found.members, ([client, { info }]) => connection(client, info)),
    consumeFromWhere: found.consumeFromWhere || undefined,
    consumeType: found.consumeType || undefined,
    messageModel: found.messageModel,
    subscriptionTable: Object.fromEntries(
      Array.from(found.subscriptions, ([topic, subscription]) => [topic, subscriptionData(subscription)]),
    ),
  };
  request.reply(responseCode.success, undefined, undefined, writeJavaBody(body));
}

/** 204 (getProducerConnectionList). */
export function getProducerConnections(request: Request, { broker }: BrokerRole): void {
  const group = request.header.fields.text("producerGroup");
  const connectionSet = broker.producers
    .all()
    .filter((producer) => producer.group === group)
    .map(({ client, info }) => connection(client, info));
  if (connectionSet.length === 0) {
    throw new WasmqError("SYSTEM_ERROR", `the producer group[${group}] not exist`);
  }
  request.reply(responseCode.success, undefined, undefined, writeBody({ connectionSet }));
}

/** 328 (getAllProducerInfo). */
export function getAllProducers(request: Request, { broker }: BrokerRole): void {
  const data = new Map<string, object[]>();
  for (const { client, group, info, seenAtMs } of broker.producers.all()) {
    const { clientId, language, version } = info;
    const shown = { clientId, language, lastUpdateTimestamp: seenAtMs, remoteIP: `/${client.address}`, version };
    data.set(group, [...(data.get(group) ?? []), shown]);
  }
  request.reply(responseCode.success, undefined, undefined, writeBody({ data: Object.fromEntries(data) }));
}

/** SubscriptionData: tools want its sets, whatever the expression is. */
export function subscriptionData({ topic, expression, expressionType, version, tagHashes }: Subscription) {
  const tags = isTagExpression(expressionType) && tagHashes !== undefined ? expression.split("||") : [];
  return {
    classFilterMode: false,
    codeSet: [...(tagHashes ?? [])],
    expressionType,
    subString: expression,
    subVersion: version,
    tagsSet: [...new Set(tags.map((tag) => tag.trim()).filter((tag) => tag !== ""))],
    topic,
  };
}

function connection({ address }: Client, { clientId, language, version }: ClientInfo) {
  return { clientAddr: address, clientId, language, version };
}
