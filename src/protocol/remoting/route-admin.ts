import { WasmqError } from "../../ports/error.ts";
import { printProperty } from "../../ports/properties.ts";
import { encodeUtf8 } from "../../ports/text.ts";
import { fieldsOf } from "./answer-fields.ts";
import { objects, readBody, text } from "./body-json.ts";
import { responseCode } from "./codes.ts";
import { readTopic } from "./register-broker.ts";
import type { NameServerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** 205 (DefaultRequestProcessor.wipeWritePermOfBroker). */
export function wipeWritePerm(request: Request, { nameServer }: NameServerRole): void {
  const wipeTopicCount = nameServer.routes.setWritable(request.header.fields.text("brokerName"), false);
  request.reply(responseCode.success, fieldsOf({ wipeTopicCount }));
}

/** 327 (DefaultRequestProcessor.addWritePermOfBroker). */
export function addWritePerm(request: Request, { nameServer }: NameServerRole): void {
  const addTopicCount = nameServer.routes.setWritable(request.header.fields.text("brokerName"), true);
  request.reply(responseCode.success, fieldsOf({ addTopicCount }));
}

/** 216 (DefaultRequestProcessor.deleteTopicInNamesrv). */
export function deleteTopic(request: Request, { nameServer }: NameServerRole): void {
  const { fields } = request.header;
  const cluster = fields.optionalText("clusterName");
  nameServer.routes.deleteTopic(fields.text("topic"), cluster === "" ? undefined : cluster);
  request.reply(responseCode.success);
}

/** 217 (DefaultRequestProcessor.registerTopicToNamesrv). */
export function registerTopic(request: Request, { nameServer }: NameServerRole): void {
  const topic = request.header.fields.text("topic");
  const queues = objects(readBody(request.body)["queueDatas"]).map((data) => ({
    ...readTopic(topic, data),
    brokerName: text(data["brokerName"]) ?? "",
  }));
  nameServer.routes.registerTopic(topic, queues);
  request.reply(responseCode.success);
}

/** 318. Apache keeps what it is told here; this NameServer has its settings from where it was started, and after a restart again. */
export function updateConfig(): never {
  throw new WasmqError("NO_PERMISSION", "the settings of this name server are changed where it is started");
}

/** 319 (DefaultRequestProcessor.getConfig). */
export function getConfig(request: Request, { configuration }: NameServerRole): void {
  const lines = Array.from(configuration(), ([key, value]) => `${printProperty(key, value)}\n`);
  request.reply(responseCode.success, undefined, undefined, encodeUtf8(lines.join("")));
}
