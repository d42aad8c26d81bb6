import type { GroupWish } from "../../broker/admin/group-admin.ts";
import { makeGroupConfig, type SubscriptionGroupConfig } from "../../broker/subscription-group/subscription-groups.ts";
import { WasmqError } from "../../ports/error.ts";
import { FieldNames } from "./answer-fields.ts";
import { listOf, readBody, text, writeBody } from "./body-json.ts";
import { responseCode } from "./codes.ts";
import { writeJavaBody } from "./java-json.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";
import { readAttributes } from "./topic-admin.ts";

const totalGroupNum = new FieldNames(["totalGroupNum"]);

/** 200 (AdminBrokerProcessor.updateAndCreateSubscriptionGroup). */
export async function updateAndCreateGroup(request: Request, { broker }: BrokerRole): Promise<void> {
  const { answer } = request;
  await broker.groupAdmin.update([readWish(readBody(request.body))]);
  answer.reply(responseCode.success);
}

/** 225 (updateAndCreateSubscriptionGroupList). */
export async function updateAndCreateGroupList(request: Request, { broker }: BrokerRole): Promise<void> {
  const { answer } = request;
  await broker.groupAdmin.update(listOf(readBody(request.body), "groupConfigList").map(readWish));
  answer.reply(responseCode.success);
}

/** 207 (deleteSubscriptionGroup). Clients before 5.0 name its offsets otherwise. */
export async function deleteGroup({ header, answer }: Request, { broker }: BrokerRole): Promise<void> {
  const { fields } = header;
  const withOffsets = fields.flag("cleanOffset") || fields.flag("removeOffset");
  await broker.groupAdmin.delete(fields.text("groupName"), withOffsets);
  answer.reply(responseCode.success);
}

/** 201 (getAllSubscriptionGroup). As with 21, a part is all. */
export function getAllGroups(request: Request, { broker }: BrokerRole): void {
  const all = [...broker.groups.all()];
  const body = {
    dataVersion: broker.groups.version,
    forbiddenTable: broker.groups.forbiddenTable,
    subscriptionGroupTable: Object.fromEntries(all.map((config) => [config.groupName, config])),
  };
  request.reply(responseCode.success, totalGroupNum.of(all.length), undefined, writeJavaBody(body));
}

/** 352 (getSubscriptionGroup). One that is not there is made, as by a consumer. */
export function getGroup(request: Request, { broker }: BrokerRole): void {
  const group = request.header.fields.text("group");
  let config: SubscriptionGroupConfig;
  try {
    config = broker.groups.findOrCreate(group);
  } catch (error) {
    if (!(error instanceof WasmqError)) throw error;
    throw new WasmqError("SUBSCRIPTION_GROUP_NOT_EXIST", "No group in this broker", { cause: error });
  }
  request.reply(responseCode.success, undefined, undefined, writeJavaBody(config));
}

/** 353: whether a group may read a topic, said or asked (updateAndGetGroupForbidden). */
export async function updateForbidden({ header, answer }: Request, { broker }: BrokerRole): Promise<void> {
  const { fields } = header;
  const group = fields.text("group");
  const topic = fields.text("topic");
  if (fields.has("readable")) {
    broker.existingGroup(group);
    broker.existingTopic(topic);
    await broker.groups.setMayRead(group, topic, fields.flag("readable"));
  }
  const readable = broker.groups.mayRead(group, topic);
  answer.reply(responseCode.success, undefined, "", writeBody({ group, readable, topic }));
}

/** SubscriptionGroupConfig: members that Apache has, each of its kind, with its defaults. */
function readWish(data: Record<string, unknown>): GroupWish {
  const groupName = text(data["groupName"]);
  if (groupName === undefined) throw new WasmqError("INVALID_PARAMETER", "The specified group is blank.");
  const standard: Readonly<Record<string, unknown>> = {
    ...makeGroupConfig(groupName),
    subscriptionDataSet: undefined,
  };
  const wish: Record<string, unknown> = {};
  for (const [name, usual] of Object.entries(standard)) {
    const value = data[name] ?? usual;
    if (value === undefined || name === "attributes") continue;
    const isOfItsKind =
      name === "subscriptionDataSet" ? Array.isArray(value) : typeof value === typeof usual && !Array.isArray(value);
    if (!isOfItsKind || (typeof value === "number" && !Number.isSafeInteger(value))) {
      throw new WasmqError("INVALID_PARAMETER", `${name} of group ${groupName} is none`);
    }
    wish[name] = value;
  }
  return { ...wish, groupName, attributes: readAttributes(data["attributes"]) } as unknown as GroupWish;
}
