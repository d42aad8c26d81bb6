import type { BrokerData } from "../../namesrv/route-table.ts";
import { WasmqError } from "../../ports/error.ts";
import { writeBody } from "./body-json.ts";
import { responseCode } from "./codes.ts";
import type { NameServerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** 105 (ClientRequestProcessor.getRouteInfoByTopic). Keys are quoted: every client reads them so. */
export function getRouteInfo(request: Request, role: NameServerRole): void {
  const topic = request.header.fields.text("topic");
  const route = role.routes.route(topic);
  if (route === undefined) {
    throw new WasmqError("TOPIC_NOT_EXIST", `No topic route info in name server for the topic: ${topic}`);
  }
  const body = {
    brokerDatas: route.brokers.map((broker) => brokerData(broker, request, role)),
    filterServerTable: {},
    queueDatas: route.queues.map(({ brokerName, perm, readQueueNums, topicSysFlag, writeQueueNums }) => ({
      brokerName,
      perm,
      readQueueNums,
      topicSysFlag,
      writeQueueNums,
    })),
  };
  request.reply(responseCode.success, "", undefined, writeBody(body));
}

/** 106 (DefaultRequestProcessor.getBrokerClusterInfo). */
export function getBrokerClusterInfo(request: Request, role: NameServerRole): void {
  const brokers = role.routes.brokers();
  const clusters = new Map<string, string[]>();
  for (const { cluster, brokerName } of brokers) clusters.set(cluster, [...(clusters.get(cluster) ?? []), brokerName]);
  const body = {
    brokerAddrTable: Object.fromEntries(
      brokers.map((broker) => [broker.brokerName, brokerData(broker, request, role)]),
    ),
    clusterAddrTable: Object.fromEntries(clusters),
  };
  request.reply(responseCode.success, "", undefined, writeBody(body));
}

function brokerData({ addresses, brokerName, cluster }: BrokerData, request: Request, role: NameServerRole) {
  const { localAddress } = request.session.connection;
  return {
    brokerAddrs: Object.fromEntries(
      [...addresses].map(([id, address]) => [id, role.brokerAddress(address, localAddress)]),
    ),
    brokerName,
    cluster,
    enableActingMaster: false,
  };
}
