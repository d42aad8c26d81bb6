import type { Heartbeat } from "../../broker/broker.ts";
import type { ConsumerHeartbeat, MessageModel } from "../../broker/client/consumers.ts";
import { isTagExpression, type Subscription, subscribeByTags } from "../../broker/filter/subscription.ts";
import { WasmqError } from "../../ports/error.ts";
import { FieldNames } from "./answer-fields.ts";
import { objects, readBody, text, writeBody } from "./body-json.ts";
import { responseCode } from "./codes.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** Enums that C++ clients send by their place. */
const consumeTypes = ["CONSUME_ACTIVELY", "CONSUME_PASSIVELY", "CONSUME_POP"];
const messageModels: readonly MessageModel[] = ["BROADCASTING", "CLUSTERING"];
const consumeFromWheres = [
  "CONSUME_FROM_LAST_OFFSET",
  "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST",
  "CONSUME_FROM_MIN_OFFSET",
  "CONSUME_FROM_MAX_OFFSET",
  "CONSUME_FROM_FIRST_OFFSET",
  "CONSUME_FROM_TIMESTAMP",
];

const heartbeatFields = new FieldNames(["IS_SUB_CHANGE"], { IS_SUPPORT_HEART_BEAT_V2: "true" });

/**
 * 34 (ClientManageProcessor.heartBeat and heartBeatV2). A client with a fingerprint leaves its subscriptions out (withoutSub) while it
 * is told that they did not change.
 */
export function heartBeat(request: Request, { broker }: BrokerRole): void {
  const body = readBody(request.body);
  const clientId = text(body["clientID"]);
  if (clientId === undefined) throw new WasmqError("SYSTEM_ERROR", "the heartbeat names no clientID");
  const fingerprint = readFingerprint(body["heartbeatFingerprint"]);
  const withoutSubscriptions = fingerprint !== 0 && body["withoutSub"] === true;
  const hashCode = (tag: string): number => broker.store.core.hashCode(tag);
  const heartbeat: Heartbeat = {
    clientId,
    language: request.header.language,
    version: request.header.version,
    fingerprint,
    producerGroups: objects(body["producerDataSet"]).flatMap((producer) => text(producer["groupName"]) ?? []),
    consumers: objects(body["consumerDataSet"]).flatMap((consumer): ConsumerHeartbeat[] => {
      const group = text(consumer["groupName"]);
      if (group === undefined) return [];
      return [
        {
          group,
          consumeType: enumName(consumer["consumeType"], consumeTypes),
          messageModel:
            enumName(consumer["messageModel"], messageModels) === "BROADCASTING" ? "BROADCASTING" : "CLUSTERING",
          consumeFromWhere: enumName(consumer["consumeFromWhere"], consumeFromWheres),
          subscriptions: withoutSubscriptions
            ? undefined
            : objects(consumer["subscriptionDataSet"]).flatMap((data) => readSubscription(data, hashCode) ?? []),
        },
      ];
    }),
  };
  const isNews = broker.heartbeat(request.session, heartbeat, request.resumedFromMs);
  request.session.keep((kept) => kept.heartbeat(clientId, request.kept(), withoutSubscriptions));
  request.reply(responseCode.success, heartbeatFields.of(String(isNews)));
}

/** 35 (ClientManageProcessor.unregisterClient). */
export function unregisterClient(request: Request, { broker }: BrokerRole): void {
  const { fields } = request.header;
  broker.unregister(request.session, fields.optionalText("producerGroup"), fields.optionalText("consumerGroup"));
  request.session.keep((kept) => kept.unregistered(request.kept()));
  request.reply(responseCode.success);
}

/** 38 (ConsumerManageProcessor.getConsumerListByGroup). */
export function getConsumerList(request: Request, { broker }: BrokerRole): void {
  const group = request.header.fields.text("consumerGroup");
  const consumerIdList = broker.consumers.memberIds(group);
  if (consumerIdList.length === 0) {
    throw new WasmqError("SYSTEM_ERROR", `no consumer for this group, ${group}`);
  }
  request.reply(responseCode.success, undefined, undefined, writeBody({ consumerIdList }));
}

/** 46: a consumer asks at its start whether its filter is understood (ClientManageProcessor.checkClientConfig). */
export function checkClientConfig(request: Request, { broker }: BrokerRole): void {
  const body = readBody(request.body);
  const [data] = objects([body["subscriptionData"]]);
  if (data !== undefined) broker.checkExpression(text(data["expressionType"]), text(data["subString"]) ?? "");
  request.reply(responseCode.success);
}

function readSubscription(data: Record<string, unknown>, hashCode: (tag: string) => number): Subscription | undefined {
  const topic = text(data["topic"]);
  if (topic === undefined) return undefined;
  const expression = text(data["subString"]) ?? "*";
  const expressionType = text(data["expressionType"]);
  const version = readVersion(data["subVersion"]);
  // What a filter server would pass on: there are none any more, and the broker passes all (ExpressionMessageFilter).
  if (data["classFilterMode"] === true) return subscribeByTags(topic, "*", version, hashCode);
  if (isTagExpression(expressionType)) return subscribeByTags(topic, expression, version, hashCode);
  return { topic, expressionType, expression, version, tagHashes: undefined };
}

/** 0 for none. Any hash of 32 bits may be one. */
function readFingerprint(value: unknown): number {
  return typeof value === "number" && (value | 0) === value ? value : 0;
}

/** A number, or text where the client's language or its unit makes it so. */
function readVersion(value: unknown): bigint {
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value === "string" && /^\d{1,19}$/.test(value)) return BigInt(value);
  return 0n;
}

function enumName<T extends string>(value: unknown, names: readonly T[]): T | "" {
  if (typeof value === "number") return names[value] ?? "";
  return names.find((name) => name === value) ?? "";
}
