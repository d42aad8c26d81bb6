import { Unzlib } from "fflate";
import { frameBytesMax, registrationBytesMax, topicMappingCharsMax } from "../../limits.ts";
import { orderTopicNamespace } from "../../namesrv/kv-config.ts";
import type { Registration, TopicQueues, TopicsVersion } from "../../namesrv/route-table.ts";
import { WasmqError } from "../../ports/error.ts";
import { decodeUtf8 } from "../../ports/text.ts";
import { fieldsOf } from "./answer-fields.ts";
import { objects, readBody, text, writeBody } from "./body-json.ts";
import { responseCode } from "./codes.ts";
import { kvTable } from "./kv.ts";
import type { NameServerRole } from "./roles.ts";
import { brokerAddresses, zoneNameField } from "./route.ts";
import type { Request } from "./session.ts";

/** Versions of org.apache.rocketmq.common.MQVersion from which a registration's body is another. */
const firstVersionWithFilterServers = 37;
const firstVersionWithMappings = 413;

/** 103 (DefaultRequestProcessor.registerBroker). */
export function registerBroker(request: Request, { nameServer, crc32 }: NameServerRole): void {
  const { header, body } = request;
  const { fields } = header;
  const crc = fields.optionalInt("bodyCrc32") ?? 0;
  // UtilAll.crc32 has no sign.
  if (crc !== 0 && crc !== (crc32(body) & 0x7fffffff)) throw new WasmqError("SYSTEM_ERROR", "crc32 not match");
  const actingMaster = fields.optionalText("enableActingMaster");
  const result = nameServer.register({
    ...brokerOf(request),
    brokerId: fields.exactLong("brokerId"),
    haServerAddress: fields.text("haServerAddr"),
    zoneName: fields.optionalText(zoneNameField),
    enableActingMaster: actingMaster === undefined ? undefined : actingMaster.toLowerCase() === "true",
    heartbeatTimeoutMs: fields.optionalLong("heartbeatTimeoutMillis"),
    ...readRegistration(body, fields.flag("compressed"), header.version),
    channel: request.session,
  });
  const orderTopics = nameServer.settings.returnOrderTopicConfigToBroker
    ? nameServer.kv.all(orderTopicNamespace)
    : undefined;
  request.reply(
    responseCode.success,
    fieldsOf({ haServerAddr: result.haServerAddress, masterAddr: result.masterAddress }),
    undefined,
    orderTopics && kvTable(orderTopics),
  );
}

/** 104 (DefaultRequestProcessor.unregisterBroker). */
export function unregisterBroker(request: Request, { nameServer }: NameServerRole): void {
  const { cluster, brokerName, address } = brokerOf(request);
  nameServer.unregister(cluster, brokerName, address);
  request.reply(responseCode.success);
}

/** 322: have a broker's topics changed since it registered? (DefaultRequestProcessor.queryBrokerTopicConfig) */
export function queryDataVersion(request: Request, { nameServer }: NameServerRole): void {
  const { cluster, address } = brokerOf(request);
  const known = nameServer.routes.versionOf(cluster, address);
  const asked = readVersion(readBody(request.body));
  nameServer.heard(cluster, address);
  const changed =
    known?.counter !== asked.counter ||
    known.stateVersion !== asked.stateVersion ||
    known.timestamp !== asked.timestamp;
  request.reply(responseCode.success, fieldsOf({ changed }), undefined, known && writeBody(known));
}

/** 904 (DefaultRequestProcessor.brokerHeartbeat). */
export function brokerHeartbeat(request: Request, { nameServer }: NameServerRole): void {
  const { cluster, address } = brokerOf(request);
  nameServer.heard(cluster, address);
  request.reply(responseCode.success);
}

/** 901: a broker and its slaves (DefaultRequestProcessor.getBrokerMemberGroup). */
export function getBrokerMemberGroup(request: Request, role: NameServerRole): void {
  const { fields } = request.header;
  const cluster = fields.text("clusterName");
  const brokerName = fields.text("brokerName");
  const broker = role.routes.broker(brokerName);
  const brokerAddrs = broker && brokerAddresses(broker, request.session.connection.localAddress, role);
  const brokerMemberGroup = { brokerAddrs: brokerAddrs ?? {}, brokerName, cluster };
  request.reply(responseCode.success, undefined, undefined, writeBody({ brokerMemberGroup }));
}

function brokerOf({ header: { fields } }: Request) {
  return {
    cluster: fields.text("clusterName"),
    brokerName: fields.text("brokerName"),
    address: fields.text("brokerAddr"),
  };
}

type RegistrationBody = Pick<Registration, "version" | "topics" | "mappings">;

/** RegisterBrokerBody. Throws SYSTEM_ERROR for one that makes no sense or is too large. */
function readRegistration(body: Uint8Array, isCompressed: boolean, version: number): RegistrationBody {
  if (body.length === 0) return { version: readVersion({}), topics: [], mappings: new Map() };
  if (isCompressed) return readCompressed(inflate(body), version);
  const whole = readBody(body, frameBytesMax);
  const wrapper = object(version < firstVersionWithFilterServers ? whole : whole["topicConfigSerializeWrapper"]);
  return {
    version: readVersion(object(wrapper["dataVersion"])),
    topics: Object.entries(object(wrapper["topicConfigTable"])).map(([name, config]) =>
      readTopic(text(object(config)["topicName"]) ?? name, object(config)),
    ),
    mappings: new Map(
      Object.entries(object(wrapper["topicQueueMappingInfoMap"])).map(([topic, info]) => [
        topic,
        checkMapping(object(info)),
      ]),
    ),
  };
}

/*
 * A compressed one, inflated; lengths and counts are big-endian i32:
 *
 *   length, DataVersion as JSON
 *   count, of each topic: length, "name readQueueNums writeQueueNums perm SINGLE_TAG attributes" (attributes as JSON)
 *   length, filter servers as JSON
 *   count, of each static topic: length, TopicQueueMappingInfo as JSON (since 5.0)
 */
function readCompressed(bytes: Uint8Array, version: number): RegistrationBody {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const int = (): number => {
    if (at + 4 > bytes.length) throw cutOff();
    const value = view.getInt32(at);
    at += 4;
    return value;
  };
  const piece = (): Uint8Array => {
    const length = int();
    if (length < 0 || at + length > bytes.length) throw cutOff();
    const taken = bytes.subarray(at, at + length);
    at += length;
    return taken;
  };
  const dataVersion = readVersion(readBody(piece()));
  const topics: TopicQueues[] = [];
  for (let left = int(); left > 0; left--) {
    const [topic, readQueueNums, writeQueueNums, perm, filterType] = decodeUtf8(piece()).split(" ");
    if (filterType === undefined) throw new WasmqError("SYSTEM_ERROR", "a topic of the registration is cut off");
    topics.push({
      topic: topic!,
      readQueueNums: Number(readQueueNums),
      writeQueueNums: Number(writeQueueNums),
      perm: Number(perm),
      topicSysFlag: 0,
    });
  }
  piece();
  const mappings = new Map<string, object>();
  for (let left = version >= firstVersionWithMappings ? int() : 0; left > 0; left--) {
    const info = readBody(piece());
    mappings.set(text(info["topic"]) ?? "", checkMapping(info));
  }
  return { version: dataVersion, topics, mappings };
}

export function readVersion({ counter, stateVersion, timestamp }: Record<string, unknown>): TopicsVersion {
  const number = (value: unknown): number => (typeof value === "number" ? value : 0);
  return { counter: number(counter), stateVersion: number(stateVersion), timestamp: number(timestamp) };
}

/** What is missing has TopicConfig's default. What can't be is told by the route table. */
export function readTopic(topic: string, config: Record<string, unknown>): TopicQueues {
  const number = (name: string, missing: number): number => {
    const value = config[name];
    return typeof value === "number" ? value : missing;
  };
  return {
    topic,
    readQueueNums: number("readQueueNums", 16),
    writeQueueNums: number("writeQueueNums", 16),
    perm: number("perm", 6),
    topicSysFlag: number("topicSysFlag", 0),
  };
}

function checkMapping(info: Record<string, unknown>): object {
  if (JSON.stringify(info).length > topicMappingCharsMax) {
    throw new WasmqError("SYSTEM_ERROR", `a static topic's mapping has more than ${topicMappingCharsMax} characters`);
  }
  return info;
}

function object(value: unknown): Record<string, unknown> {
  return objects([value])[0] ?? {};
}

/** Deflate makes at most 1,032 bytes of one: fed in slices, it can't overrun the bound by much before that is seen. */
const sliceBytes = 4096;

function inflate(body: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = [];
  let length = 0;
  let hasEnded = false;
  const stream = new Unzlib((piece, final) => {
    length += piece.length;
    pieces.push(piece);
    hasEnded = final;
  });
  for (let at = 0; at < body.length; at += sliceBytes) {
    try {
      stream.push(body.subarray(at, at + sliceBytes), at + sliceBytes >= body.length);
    } catch (error) {
      throw new WasmqError("SYSTEM_ERROR", `the registration can't be inflated: ${(error as Error).message}`);
    }
    if (length > registrationBytesMax) {
      throw new WasmqError("SYSTEM_ERROR", `the registration inflates to more than ${registrationBytesMax} bytes`);
    }
  }
  if (!hasEnded) throw cutOff();
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function cutOff(): WasmqError {
  return new WasmqError("SYSTEM_ERROR", "the registration is cut off");
}
