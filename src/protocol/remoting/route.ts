import type { BrokerData, QueueData } from "../../namesrv/route-table.ts";
import { WasmqError } from "../../ports/error.ts";
import { writeBody } from "./body-json.ts";
import { responseCode } from "./codes.ts";
import type { RouteRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** Extra fields of clients that want to stay in their zone (MixAll.ZONE_NAME, ZONE_MODE). */
export const zoneNameField = "__ZONE_NAME";
const zoneModeField = "__ZONE_MODE";

/** 105 (ClientRequestProcessor.getRouteInfoByTopic). Keys are quoted: every client reads them so. */
export function getRouteInfo(request: Request, role: RouteRole): void {
  const { fields } = request.header;
  const topic = fields.text("topic");
  const zoneName = fields.flag(zoneModeField) ? fields.optionalText(zoneNameField)?.trim() : undefined;
  const route = role.route(topic, zoneName === "" ? undefined : zoneName);
  if (route === undefined) {
    throw new WasmqError("TOPIC_NOT_EXIST", `No topic route info in name server for the topic: ${topic}`);
  }
  const { localAddress } = request.session.connection;
  const body = {
    brokerDatas: route.brokers.map((broker) => brokerData(broker, localAddress, role)),
    filterServerTable: {},
    orderTopicConf: role.orderTopicConf(topic),
    queueDatas: route.queues.map(queueData),
    topicQueueMappingByBroker: route.mappings && Object.fromEntries(route.mappings),
  };
  request.reply(responseCode.success, undefined, undefined, writeBody(body));
}

/** 106 (DefaultRequestProcessor.getBrokerClusterInfo). */
export function getBrokerClusterInfo(request: Request, role: RouteRole): void {
  const brokers = role.routes.brokers();
  const { localAddress } = request.session.connection;
  const body = {
    brokerAddrTable: Object.fromEntries(
      brokers.map((broker) => [broker.brokerName, brokerData(broker, localAddress, role)]),
    ),
    clusterAddrTable: Object.fromEntries(byCluster(brokers)),
  };
  request.reply(responseCode.success, undefined, undefined, writeBody(body));
}

/** 206 (DefaultRequestProcessor.getAllTopicListFromNameserver). */
export function getAllTopics(request: Request, role: RouteRole): void {
  replyTopics(request, role.settings.enableAllTopicList, () => role.routes.topics());
}

/** 224 (DefaultRequestProcessor.getTopicsByCluster). */
export function getTopicsByCluster(request: Request, role: RouteRole): void {
  replyTopics(request, role.settings.enableTopicList, () =>
    role.routes.topicsOfCluster(request.header.fields.text("cluster")),
  );
}

/** 304: the names of clusters and brokers, which are topics too, and one broker to ask for the rest (getSystemTopicListFromNs). */
export function getSystemTopics(request: Request, role: RouteRole): void {
  const brokers = role.routes.brokers();
  const topicList = Array.from(byCluster(brokers), ([cluster, names]) => [cluster, ...names]).flat();
  const [address] = brokers.flatMap(({ addresses }) => [...addresses.values()]);
  const brokerAddr = address && role.brokerAddress(address, request.session.connection.localAddress);
  request.reply(
    responseCode.success,
    undefined,
    undefined,
    writeBody({ brokerAddr, topicList: [...new Set(topicList)] }),
  );
}

/** 311 (DefaultRequestProcessor.getUnitTopicList). */
export function getUnitTopics(request: Request, role: RouteRole): void {
  replyTopics(request, role.settings.enableTopicList, () => role.routes.unitTopics());
}

/** 312 (DefaultRequestProcessor.getHasUnitSubTopicList). */
export function getUnitSubTopics(request: Request, role: RouteRole): void {
  replyTopics(request, role.settings.enableTopicList, () => role.routes.unitSubTopics("all"));
}

/** 313 (DefaultRequestProcessor.getHasUnitSubUnUnitTopicList). */
export function getUnitSubTopicsOfNoUnit(request: Request, role: RouteRole): void {
  replyTopics(request, role.settings.enableTopicList, () => role.routes.unitSubTopics("no unit's"));
}

/** Addresses as who came by `localAddress` is told them. */
export function brokerAddresses(broker: BrokerData, localAddress: string, role: RouteRole): Record<string, string> {
  return Object.fromEntries(
    Array.from(broker.addresses, ([id, address]) => [id, role.brokerAddress(address, localAddress)]),
  );
}

function brokerData(broker: BrokerData, localAddress: string, role: RouteRole) {
  return {
    brokerAddrs: brokerAddresses(broker, localAddress, role),
    brokerName: broker.brokerName,
    cluster: broker.cluster,
    enableActingMaster: broker.enableActingMaster,
    zoneName: broker.zoneName,
  };
}

function queueData({ brokerName, perm, readQueueNums, topicSysFlag, writeQueueNums }: QueueData) {
  return { brokerName, perm, readQueueNums, topicSysFlag, writeQueueNums };
}

function byCluster(brokers: readonly BrokerData[]): Map<string, string[]> {
  const clusters = new Map<string, string[]>();
  for (const { cluster, brokerName } of brokers) clusters.set(cluster, [...(clusters.get(cluster) ?? []), brokerName]);
  return clusters;
}

function replyTopics(request: Request, isEnabled: boolean, topics: () => string[]): void {
  if (!isEnabled) throw new WasmqError("SYSTEM_ERROR", "disable");
  request.reply(responseCode.success, undefined, undefined, writeBody({ topicList: topics() }));
}
