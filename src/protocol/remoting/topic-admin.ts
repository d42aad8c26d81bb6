import type { TopicWish } from "../../broker/admin/topic-admin.ts";
import { readAttributeChanges } from "../../broker/attributes.ts";
import type { TopicConfig } from "../../broker/topic/topic-config.ts";
import { WasmqError } from "../../ports/error.ts";
import { FieldNames } from "./answer-fields.ts";
import { listOf, readBody, text, writeBody } from "./body-json.ts";
import { responseCode } from "./codes.ts";
import { ObjectMap, writeJavaBody } from "./java-json.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

const totalTopicNum = new FieldNames(["totalTopicNum"]);

/** 17 (AdminBrokerProcessor.updateAndCreateTopic). */
export async function updateAndCreateTopic({ header, answer }: Request, { broker }: BrokerRole): Promise<void> {
  const { fields } = header;
  await broker.topicAdmin.update([
    {
      topicName: fields.text("topic"),
      readQueueNums: fields.int("readQueueNums"),
      writeQueueNums: fields.int("writeQueueNums"),
      perm: fields.int("perm"),
      topicFilterType: fields.text("topicFilterType"),
      topicSysFlag: fields.optionalInt("topicSysFlag") ?? 0,
      order: fields.flag("order"),
      attributes: readAttributeChanges(fields.optionalText("attributes")),
    },
  ]);
  answer.reply(responseCode.success);
}

/** 18 (updateAndCreateTopicList). */
export async function updateAndCreateTopicList(request: Request, { broker }: BrokerRole): Promise<void> {
  const { answer } = request;
  await broker.topicAdmin.update(listOf(readBody(request.body), "topicConfigList").map(readWish));
  answer.reply(responseCode.success);
}

/** 215 (deleteTopic). Its messages stay in the log until they expire. */
export async function deleteTopicInBroker({ header, answer }: Request, { broker }: BrokerRole): Promise<void> {
  await broker.topicAdmin.delete(header.fields.text("topic"));
  answer.reply(responseCode.success);
}

/** 21 (getAllTopicConfig). Who asks for a part is given all: it stops there, since as many are told as there are. */
export function getAllTopicConfig(request: Request, { broker }: BrokerRole): void {
  const all = [...broker.topics.all()].map(({ config }) => config);
  const body = {
    dataVersion: broker.topics.version,
    mappingDataVersion: { counter: 0, stateVersion: 0, timestamp: 0 },
    topicConfigTable: Object.fromEntries(all.map((config) => [config.topicName, shown(config)])),
    topicQueueMappingDetailMap: {},
    topicQueueMappingInfoMap: {},
  };
  request.reply(responseCode.success, totalTopicNum.of(all.length), undefined, writeBody(body));
}

/** 351 (getTopicConfig). Topics here are no static ones, and have no mappingDetail. */
export function getTopicConfig(request: Request, { broker }: BrokerRole): void {
  const topic = request.header.fields.text("topic");
  const found = broker.topics.find(topic);
  if (found === undefined) throw new WasmqError("TOPIC_NOT_EXIST", `No topic in this broker. topic: ${topic}`);
  request.reply(responseCode.success, undefined, undefined, writeBody(shown(found.config)));
}

/** 202 (getTopicStatsInfo). */
export async function getTopicStatsInfo({ header, answer }: Request, { broker }: BrokerRole): Promise<void> {
  const topic = header.fields.text("topic");
  const { queues, putsPerSecond } = await broker.topicAdmin.status(topic);
  const { brokerName } = broker.settings;
  const offsetTable = new ObjectMap(
    queues.map(({ queueId, ...offsets }) => [{ brokerName, queueId, topic }, offsets] as const),
  );
  answer.reply(responseCode.success, undefined, undefined, writeJavaBody({ offsetTable, topicPutTps: putsPerSecond }));
}

/** 305 (getSystemTopicListFromBroker). */
export function getSystemTopicsOfBroker(request: Request, { broker }: BrokerRole): void {
  const topicList = [...broker.topicAdmin.systemTopics];
  request.reply(responseCode.success, undefined, undefined, writeBody({ topicList }));
}

/** The members that Apache has: what a file of another version says besides is nothing for its tools. */
function shown(config: TopicConfig) {
  const { attributes, order, perm, readQueueNums, topicFilterType, topicName, topicSysFlag, writeQueueNums } = config;
  return { attributes, order, perm, readQueueNums, topicFilterType, topicName, topicSysFlag, writeQueueNums };
}

/** TopicConfig, with its defaults. */
function readWish(data: Record<string, unknown>): TopicWish {
  const topicName = text(data["topicName"]);
  if (topicName === undefined) throw new WasmqError("INVALID_PARAMETER", "The specified topic is blank.");
  const whole = (name: string, standard: number): number => {
    const value = data[name] ?? standard;
    if (typeof value !== "number" || !Number.isInteger(value)) {
      throw new WasmqError("INVALID_PARAMETER", `${name} of topic ${topicName} is no int`);
    }
    return value;
  };
  return {
    topicName,
    readQueueNums: whole("readQueueNums", 16),
    writeQueueNums: whole("writeQueueNums", 16),
    perm: whole("perm", 6),
    topicFilterType: text(data["topicFilterType"]) ?? "SINGLE_TAG",
    topicSysFlag: whole("topicSysFlag", 0),
    order: data["order"] === true,
    attributes: readAttributes(data["attributes"]),
  };
}

/** Of a body: by name, what 17 has as text. */
export function readAttributes(value: unknown): ReadonlyMap<string, string> {
  const given = typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
  return new Map(Object.entries(given).map(([name, one]) => [name, typeof one === "string" ? one : String(one)]));
}
