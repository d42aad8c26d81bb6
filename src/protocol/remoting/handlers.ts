import { checkClientConfig, getConsumerList, heartBeat, unregisterClient } from "./client.ts";
import { requestCode } from "./codes.ts";
import { lockBatch, unlockBatch } from "./lock.ts";
import {
  getEarliestMessageStoreTime,
  getMaxOffset,
  getMinOffset,
  queryConsumerOffset,
  searchOffsetByTimestamp,
  updateConsumerOffset,
} from "./offset.ts";
import { pullMessage } from "./pull.ts";
import type { Handle } from "./remoting.ts";
import type { BrokerRole, NameServerRole } from "./roles.ts";
import { getBrokerClusterInfo, getRouteInfo } from "./route.ts";
import { sendMessage, sendMessageV2 } from "./send.ts";
import { consumerSendMessageBack } from "./send-back.ts";
import type { Request } from "./session.ts";
import { viewMessageById } from "./view-message.ts";

type Handler<Role> = (request: Request, role: Role) => void | Promise<void>;

const nameServerCodes: readonly (readonly [number, Handler<NameServerRole>])[] = [
  [requestCode.getRouteInfoByTopic, getRouteInfo],
  [requestCode.getBrokerClusterInfo, getBrokerClusterInfo],
];

const brokerCodes: readonly (readonly [number, Handler<BrokerRole>])[] = [
  [requestCode.sendMessage, sendMessage],
  [requestCode.sendMessageV2, sendMessageV2],
  [requestCode.sendBatchMessage, sendMessageV2],
  [requestCode.pullMessage, pullMessage],
  [requestCode.litePullMessage, pullMessage],
  [requestCode.queryConsumerOffset, queryConsumerOffset],
  [requestCode.updateConsumerOffset, updateConsumerOffset],
  [requestCode.searchOffsetByTimestamp, searchOffsetByTimestamp],
  [requestCode.getMaxOffset, getMaxOffset],
  [requestCode.getMinOffset, getMinOffset],
  [requestCode.getEarliestMessageStoreTime, getEarliestMessageStoreTime],
  [requestCode.viewMessageById, viewMessageById],
  [requestCode.heartBeat, heartBeat],
  [requestCode.unregisterClient, unregisterClient],
  [requestCode.consumerSendMessageBack, consumerSendMessageBack],
  [requestCode.getConsumerListByGroup, getConsumerList],
  [requestCode.lockBatch, lockBatch],
  [requestCode.unlockBatch, unlockBatch],
  [requestCode.checkClientConfig, checkClientConfig],
];

/** The request codes of a NameServer. Those of the roles are told apart by number, so that one port can serve several. */
export function nameServerHandlers(role: NameServerRole): [number, Handle][] {
  return nameServerCodes.map(([code, handler]) => [code, (request) => handler(request, role)]);
}

/** The request codes of a broker. */
export function brokerHandlers(role: BrokerRole): [number, Handle][] {
  return brokerCodes.map(([code, handler]) => [code, (request) => handler(request, role)]);
}
