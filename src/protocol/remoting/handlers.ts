import type { Broker } from "../../broker/broker.ts";
import { recordBytesMax } from "../../limits.ts";
import { queryAssignment, setMessageRequestMode } from "./assignment.ts";
import { getBrokerConfig, getBrokerRuntimeInfo, updateBrokerConfig, viewBrokerStats } from "./broker-config.ts";
import { cleanExpiredConsumeQueue, cleanUnusedTopic, deleteExpiredCommitLog } from "./clean.ts";
import { checkClientConfig, getConsumerList, heartBeat, unregisterClient } from "./client.ts";
import { consumeMessageDirectly, getConsumerRunningInfo, getConsumerStatus } from "./client-relay.ts";
import { requestCode } from "./codes.ts";
import { getAllProducers, getConsumerConnections, getProducerConnections } from "./connections.ts";
import {
  getAllConsumerOffset,
  getBrokerConsumeStats,
  getConsumeStats,
  queryConsumeTimeSpan,
  querySubscriptionByConsumer,
  queryTopicConsumeByWho,
  queryTopicsByConsumer,
} from "./consume-progress.ts";
import { queryConsumeQueue } from "./consume-queue.ts";
import { endTransaction, resumeCheckHalfMessage } from "./end-transaction.ts";
import {
  deleteGroup,
  getAllGroups,
  getGroup,
  updateAndCreateGroup,
  updateAndCreateGroupList,
  updateForbidden,
} from "./group-admin.ts";
import { deleteKvConfig, getKvConfig, getKvList, putKvConfig } from "./kv.ts";
import { lockBatch, unlockBatch } from "./lock.ts";
import {
  getEarliestMessageStoreTime,
  getMaxOffset,
  getMinOffset,
  queryConsumerOffset,
  searchOffsetByTimestamp,
  updateConsumerOffset,
} from "./offset.ts";
import { cloneGroupOffset, resetOffset } from "./offset-reset.ts";
import {
  ackMessage,
  batchAckMessage,
  changeInvisibleTime,
  notification,
  peekMessage,
  pollingInfo,
  popMessage,
} from "./pop.ts";
import { pullMessage } from "./pull.ts";
import { queryMessage } from "./query-message.ts";
import { recallMessage } from "./recall.ts";
import {
  brokerHeartbeat,
  getBrokerMemberGroup,
  queryDataVersion,
  registerBroker,
  unregisterBroker,
} from "./register-broker.ts";
import type { Handle } from "./remoting.ts";
import { sendReplyMessage, sendReplyMessageV2 } from "./reply.ts";
import type { BrokerRole, NameServerRole, RouteRole } from "./roles.ts";
import {
  getAllTopics,
  getBrokerClusterInfo,
  getRouteInfo,
  getSystemTopics,
  getTopicsByCluster,
  getUnitSubTopics,
  getUnitSubTopicsOfNoUnit,
  getUnitTopics,
} from "./route.ts";
import { addWritePerm, deleteTopic, getConfig, registerTopic, updateConfig, wipeWritePerm } from "./route-admin.ts";
import { sendMessage, sendMessageV2, sentFieldsOf } from "./send.ts";
import { consumerSendMessageBack } from "./send-back.ts";
import type { Request } from "./session.ts";
import { getTimerCheckPoint, getTimerMetrics } from "./timers.ts";
import {
  deleteTopicInBroker,
  getAllTopicConfig,
  getSystemTopicsOfBroker,
  getTopicConfig,
  getTopicStatsInfo,
  updateAndCreateTopic,
  updateAndCreateTopicList,
} from "./topic-admin.ts";
import { viewMessageById } from "./view-message.ts";
import {
  accessControlCodes,
  checkRocksdbQueues,
  getBrokerEpochs,
  getBrokerHaStatus,
  getColdDataFlowControl,
  refuseAccessControl,
  resetMasterFlushOffset,
} from "./without-feature.ts";

type Handler<Role> = (request: Request, role: Role) => void | Promise<void>;

const routeCodes: readonly (readonly [number, Handler<RouteRole>])[] = [
  [requestCode.getRouteInfoByTopic, getRouteInfo],
  [requestCode.getBrokerClusterInfo, getBrokerClusterInfo],
  [requestCode.getAllTopicListFromNameServer, getAllTopics],
  [requestCode.getTopicsByCluster, getTopicsByCluster],
  [requestCode.getSystemTopicListFromNameServer, getSystemTopics],
  [requestCode.getUnitTopicList, getUnitTopics],
  [requestCode.getHasUnitSubTopicList, getUnitSubTopics],
  [requestCode.getHasUnitSubUnUnitTopicList, getUnitSubTopicsOfNoUnit],
];

const nameServerCodes: readonly (readonly [number, Handler<NameServerRole>])[] = [
  [requestCode.putKvConfig, putKvConfig],
  [requestCode.getKvConfig, getKvConfig],
  [requestCode.deleteKvConfig, deleteKvConfig],
  [requestCode.getKvListByNamespace, getKvList],
  [requestCode.registerBroker, registerBroker],
  [requestCode.unregisterBroker, unregisterBroker],
  [requestCode.queryDataVersion, queryDataVersion],
  [requestCode.brokerHeartbeat, brokerHeartbeat],
  [requestCode.getBrokerMemberGroup, getBrokerMemberGroup],
  [requestCode.wipeWritePermOfBroker, wipeWritePerm],
  [requestCode.addWritePermOfBroker, addWritePerm],
  [requestCode.deleteTopicInNameServer, deleteTopic],
  [requestCode.registerTopicInNameServer, registerTopic],
  [requestCode.updateNameServerConfig, updateConfig],
  [requestCode.getNameServerConfig, getConfig],
];

/** Those of a broker that mqadmin and consoles send. */
const administration: readonly (readonly [number, Handler<BrokerRole>])[] = [
  [requestCode.updateAndCreateTopic, updateAndCreateTopic],
  [requestCode.updateAndCreateTopicList, updateAndCreateTopicList],
  [requestCode.getAllTopicConfig, getAllTopicConfig],
  [requestCode.updateBrokerConfig, updateBrokerConfig],
  [requestCode.getBrokerConfig, getBrokerConfig],
  [requestCode.getBrokerRuntimeInfo, getBrokerRuntimeInfo],
  [requestCode.getTimerCheckPoint, getTimerCheckPoint],
  [requestCode.getTimerMetrics, getTimerMetrics],
  [requestCode.getAllConsumerOffset, getAllConsumerOffset],
  [requestCode.updateAndCreateSubscriptionGroup, updateAndCreateGroup],
  [requestCode.getAllSubscriptionGroupConfig, getAllGroups],
  [requestCode.getTopicStatsInfo, getTopicStatsInfo],
  [requestCode.getConsumerConnectionList, getConsumerConnections],
  [requestCode.getProducerConnectionList, getProducerConnections],
  [requestCode.deleteSubscriptionGroup, deleteGroup],
  [requestCode.getConsumeStats, getConsumeStats],
  [requestCode.deleteTopicInBroker, deleteTopicInBroker],
  [requestCode.invokeBrokerToResetOffset, resetOffset],
  [requestCode.invokeBrokerToGetConsumerStatus, getConsumerStatus],
  [requestCode.updateAndCreateSubscriptionGroupList, updateAndCreateGroupList],
  [requestCode.queryTopicConsumeByWho, queryTopicConsumeByWho],
  [requestCode.queryConsumeTimeSpan, queryConsumeTimeSpan],
  [requestCode.getSystemTopicListFromBroker, getSystemTopicsOfBroker],
  [requestCode.getConsumerRunningInfo, getConsumerRunningInfo],
  [requestCode.consumeMessageDirectly, consumeMessageDirectly],
  [requestCode.cloneGroupOffset, cloneGroupOffset],
  [requestCode.viewBrokerStatsData, viewBrokerStats],
  [requestCode.getBrokerConsumeStats, getBrokerConsumeStats],
  [requestCode.queryConsumeQueue, queryConsumeQueue],
  [requestCode.getAllProducerInfo, getAllProducers],
  [requestCode.queryTopicsByConsumer, queryTopicsByConsumer],
  [requestCode.querySubscriptionByConsumer, querySubscriptionByConsumer],
  [requestCode.getTopicConfig, getTopicConfig],
  [requestCode.getSubscriptionGroupConfig, getGroup],
  [requestCode.updateAndGetGroupForbidden, updateForbidden],
  [requestCode.getBrokerHaStatus, getBrokerHaStatus],
  [requestCode.resetMasterFlushOffset, resetMasterFlushOffset],
  [requestCode.getBrokerEpochCache, getBrokerEpochs],
  [requestCode.checkRocksdbCqWriteProgress, checkRocksdbQueues],
  [requestCode.getColdDataFlowCtrInfo, getColdDataFlowControl],
  ...accessControlCodes.map((code) => [code, refuseAccessControl] as const),
];

const brokerCodes: readonly (readonly [number, Handler<BrokerRole>])[] = [
  [requestCode.sendMessage, sendMessage],
  [requestCode.sendMessageV2, sendMessageV2],
  [requestCode.sendBatchMessage, sendMessageV2],
  [requestCode.sendReplyMessage, sendReplyMessage],
  [requestCode.sendReplyMessageV2, sendReplyMessageV2],
  [requestCode.pullMessage, pullMessage],
  [requestCode.litePullMessage, pullMessage],
  [requestCode.queryConsumerOffset, queryConsumerOffset],
  [requestCode.updateConsumerOffset, updateConsumerOffset],
  [requestCode.searchOffsetByTimestamp, searchOffsetByTimestamp],
  [requestCode.getMaxOffset, getMaxOffset],
  [requestCode.getMinOffset, getMinOffset],
  [requestCode.getEarliestMessageStoreTime, getEarliestMessageStoreTime],
  [requestCode.queryMessage, queryMessage],
  [requestCode.viewMessageById, viewMessageById],
  [requestCode.heartBeat, heartBeat],
  [requestCode.unregisterClient, unregisterClient],
  [requestCode.consumerSendMessageBack, consumerSendMessageBack],
  [requestCode.endTransaction, endTransaction],
  [requestCode.resumeCheckHalfMessage, resumeCheckHalfMessage],
  [requestCode.recallMessage, recallMessage],
  [requestCode.getConsumerListByGroup, getConsumerList],
  [requestCode.lockBatch, lockBatch],
  [requestCode.unlockBatch, unlockBatch],
  [requestCode.checkClientConfig, checkClientConfig],
  [requestCode.cleanExpiredConsumeQueue, cleanExpiredConsumeQueue],
  [requestCode.cleanUnusedTopic, cleanUnusedTopic],
  [requestCode.deleteExpiredCommitLog, deleteExpiredCommitLog],
  ...administration,
  [requestCode.queryAssignment, queryAssignment],
  [requestCode.setMessageRequestMode, setMessageRequestMode],
  [requestCode.popMessage, popMessage],
  [requestCode.ackMessage, ackMessage],
  [requestCode.batchAckMessage, batchAckMessage],
  [requestCode.peekMessage, peekMessage],
  [requestCode.changeMessageInvisibleTime, changeInvisibleTime],
  [requestCode.notification, notification],
  [requestCode.pollingInfo, pollingInfo],
];

/**
 * Requests whose answers may take a while, and what each needs meanwhile besides its frame. As many are taken as there is room for
 * (MemoryBudget.requestBytesMax); pulls, of which many wait as a rule, are counted apart (heldPullsMax, readsAtOnceMax).
 */
const waitingCodes: ReadonlyMap<number, number> = new Map([
  [requestCode.sendMessage, 0],
  [requestCode.sendMessageV2, 0],
  [requestCode.sendBatchMessage, 0],
  [requestCode.sendReplyMessage, 0],
  [requestCode.sendReplyMessageV2, 0],
  // The message is read first.
  [requestCode.consumerSendMessageBack, 16 * 1024],
  [requestCode.endTransaction, 16 * 1024],
  [requestCode.resumeCheckHalfMessage, 16 * 1024],
  [requestCode.recallMessage, 0],
  [requestCode.queryConsumerOffset, 0],
  [requestCode.searchOffsetByTimestamp, 16 * 1024],
  [requestCode.getEarliestMessageStoreTime, 16 * 1024],
  [requestCode.viewMessageById, recordBytesMax],
  [requestCode.cleanExpiredConsumeQueue, 0],
  [requestCode.cleanUnusedTopic, 0],
  [requestCode.updateAndCreateTopic, 0],
  [requestCode.updateAndCreateTopicList, 0],
  [requestCode.deleteTopicInBroker, 0],
  [requestCode.updateAndCreateSubscriptionGroup, 0],
  [requestCode.updateAndCreateSubscriptionGroupList, 0],
  [requestCode.deleteSubscriptionGroup, 0],
  [requestCode.updateAndGetGroupForbidden, 0],
  [requestCode.getBrokerRuntimeInfo, 16 * 1024],
  // Of each topic for which messages wait there are some 60 bytes and its name.
  [requestCode.getTimerMetrics, 256 * 1024],
  // Of each queue that they tell of there are some 200 bytes.
  [requestCode.getTopicStatsInfo, 64 * 1024],
  [requestCode.getConsumeStats, 256 * 1024],
  [requestCode.getBrokerConsumeStats, 1024 * 1024],
  [requestCode.queryConsumeTimeSpan, 64 * 1024],
  [requestCode.queryConsumeQueue, 256 * 1024],
  [requestCode.invokeBrokerToResetOffset, 64 * 1024],
  // What the client answers is its own, and the frame of it counted as it comes.
  [requestCode.invokeBrokerToGetConsumerStatus, 64 * 1024],
  [requestCode.getConsumerRunningInfo, 64 * 1024],
  [requestCode.consumeMessageDirectly, recordBytesMax],
  [requestCode.queryAssignment, 0],
  [requestCode.setMessageRequestMode, 0],
  [requestCode.ackMessage, 0],
  [requestCode.batchAckMessage, 0],
  [requestCode.changeMessageInvisibleTime, 0],
  [requestCode.peekMessage, recordBytesMax],
]);

/**
 * The request codes of a NameServer that tells where brokers are, whoever told it. Those of the roles are told apart by number, so
 * that one port can serve several.
 */
export function routeHandlers(role: RouteRole): [number, Handle][] {
  return routeCodes.map(([code, handler]) => [code, (request) => handler(request, role)]);
}

/** The request codes of a NameServer for brokers elsewhere. */
export function nameServerHandlers(role: NameServerRole): [number, Handle][] {
  return [
    ...routeHandlers(role),
    ...nameServerCodes.map(([code, handler]): [number, Handle] => [code, (request) => handler(request, role)]),
  ];
}

/** The request codes of a broker. */
export function brokerHandlers(broker: Broker, shown: Omit<BrokerRole, "broker" | "sentFields">): [number, Handle][] {
  const role = { ...shown, broker, sentFields: sentFieldsOf(broker) };
  return brokerCodes.map(([code, handler]) => {
    const bytes = waitingCodes.get(code);
    if (bytes === undefined) return [code, (request) => handler(request, role)];
    const handle: Handle = (request) => {
      request.answer.claim(request.frameBytes + bytes);
      return handler(request, role);
    };
    return [code, handle];
  });
}
