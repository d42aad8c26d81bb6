import type { ClientInfo } from "../../broker/client/client.ts";
import { WasmqError } from "../../ports/error.ts";
import { type AnswerFields, FieldNames, fieldsOf } from "./answer-fields.ts";
import { requestCode, responseCode } from "./codes.ts";
import { ObjectMap, readQueueOffsets, writeJavaBody } from "./java-json.ts";
import type { BrokerRole } from "./roles.ts";
import { type ClientAnswer, type Request, Session } from "./session.ts";

/** How long a client may take (Broker2Client.callClient, getConsumeStatus). */
const callMsMax = 10_000;
const statusMsMax = 5_000;

/** The first versions that answer: V3_0_7_SNAPSHOT and V3_1_8_SNAPSHOT. */
const firstVersionWithStatus = 28;
const firstVersionWithCalls = 62;

const noBytes = new Uint8Array(0);
const runningInfoFields = new FieldNames(["consumerGroup", "clientId", "jstackEnable"]);
const statusFields = new FieldNames(["topic", "group"]);

/** 307: what a consumer says of itself (AdminBrokerProcessor.getConsumerRunningInfo). */
export async function getConsumerRunningInfo(request: Request, role: BrokerRole): Promise<void> {
  const { header, answer } = request;
  const { fields } = header;
  const group = fields.text("consumerGroup");
  const clientId = fields.text("clientId");
  const asked = runningInfoFields.of(group, clientId, String(fields.flag("jstackEnable")));
  const { code, remark, body } = await callConsumer(role, group, clientId, header.code, asked, noBytes);
  answer.reply(code, undefined, remark, body);
}

/** 309: a consumer is to take one message now (consumeMessageDirectly). */
export async function consumeMessageDirectly(request: Request, role: BrokerRole): Promise<void> {
  const { header, answer } = request;
  const { fields } = header;
  const { broker } = role;
  const group = fields.text("consumerGroup");
  const clientId = fields.optionalText("clientId") ?? "";
  const msgId = fields.text("msgId");
  const topic = fields.optionalText("topic");
  const asked = fieldsOf({
    consumerGroup: group,
    clientId,
    msgId,
    brokerName: broker.settings.brokerName,
    topic,
    topicSysFlag: topic === undefined ? undefined : broker.topics.find(topic)?.config.topicSysFlag,
    groupSysFlag: broker.groups.find(group)?.groupSysFlag ?? 0,
  });
  const record = await broker.recordAt(offsetOf(msgId));
  if (record === undefined) throw new WasmqError("SYSTEM_ERROR", `can not find message by the id, ${msgId}`);
  const { code, remark, body } = await callConsumer(role, group, clientId, header.code, asked, record);
  answer.reply(code, undefined, remark, body);
}

/** 223: how far the members of a group are, or one of them, as they say themselves (Broker2Client.getConsumeStatus). */
export async function getConsumerStatus({ header, answer }: Request, { broker }: BrokerRole): Promise<void> {
  const { fields } = header;
  const topic = fields.text("topic");
  const group = fields.text("group");
  const wanted = fields.optionalText("clientAddr")?.trim() ?? "";
  const members = [...(broker.consumers.find(group)?.members ?? [])];
  if (members.length === 0) {
    throw new WasmqError("SYSTEM_ERROR", `No Any Consumer online in the consumer group: [${group}]`);
  }
  const asked = statusFields.of(topic, group);
  const consumerTable: Record<string, ObjectMap> = {};
  for (const [client, { info }] of members) {
    if (info.version < firstVersionWithStatus) throw tooOld(info);
    if ((wanted !== "" && wanted !== info.clientId) || !(client instanceof Session)) continue;
    // One that does not answer is left out.
    const said = await client
      .ask(requestCode.getConsumerStatusFromClient, asked, noBytes, statusMsMax)
      .catch(() => undefined);
    if (said?.code === responseCode.success) consumerTable[info.clientId] = new ObjectMap(readQueueOffsets(said.body));
  }
  answer.reply(responseCode.success, undefined, undefined, writeJavaBody({ consumerTable, messageQueueTable: {} }));
}

/** Hands a question on to a member of a group; its answer, whatever it is (AdminBrokerProcessor.callConsumer). */
async function callConsumer(
  { broker }: BrokerRole,
  group: string,
  clientId: string,
  code: number,
  fields: AnswerFields,
  body: Uint8Array,
): Promise<ClientAnswer> {
  const member = broker.consumers.member(group, clientId);
  if (member === undefined) throw new WasmqError("SYSTEM_ERROR", `The Consumer <${group}> <${clientId}> not online`);
  if (member.info.version < firstVersionWithCalls) throw tooOld(member.info);
  if (!(member.client instanceof Session)) {
    throw new WasmqError("SYSTEM_ERROR", `The Consumer <${group}> <${clientId}> can't be asked`);
  }
  try {
    return await member.client.ask(code, fields, body, callMsMax);
  } catch (error) {
    const { code: why, message } = error as WasmqError;
    if (why === "REQUEST_TIMEOUT") {
      throw new WasmqError("CONSUME_MSG_TIMEOUT", `consumer <${group}> <${clientId}> Timeout: ${message}`);
    }
    throw new WasmqError("SYSTEM_ERROR", `invoke consumer <${group}> <${clientId}> Exception: ${message}`);
  }
}

function tooOld({ clientId, version }: ClientInfo): WasmqError {
  return new WasmqError("SYSTEM_ERROR", `The Consumer <${clientId}> Version <${version}> too low to finish`);
}

/** Where the message of an offset id stands in the CommitLog (MessageDecoder.decodeMessageId). */
function offsetOf(msgId: string): number {
  const offset = /^(?:[0-9A-Fa-f]{16}|[0-9A-Fa-f]{40})([0-9A-Fa-f]{16})$/.exec(msgId)?.[1];
  const value = offset === undefined ? Number.NaN : Number(BigInt(`0x${offset}`));
  if (!Number.isSafeInteger(value)) throw new WasmqError("SYSTEM_ERROR", `${msgId.slice(0, 64)} is no message id`);
  return value;
}
