import type { ErrorCode } from "../../ports/error.ts";

/** Numbers of org.apache.rocketmq.remoting.protocol.RequestCode. */
export const requestCode = {
  sendMessage: 10,
  pullMessage: 11,
  queryMessage: 12,
  queryConsumerOffset: 14,
  updateConsumerOffset: 15,
  updateAndCreateTopic: 17,
  updateAndCreateTopicList: 18,
  getAllTopicConfig: 21,
  updateBrokerConfig: 25,
  getBrokerConfig: 26,
  getBrokerRuntimeInfo: 28,
  searchOffsetByTimestamp: 29,
  getMaxOffset: 30,
  getMinOffset: 31,
  getEarliestMessageStoreTime: 32,
  viewMessageById: 33,
  heartBeat: 34,
  unregisterClient: 35,
  consumerSendMessageBack: 36,
  endTransaction: 37,
  getConsumerListByGroup: 38,
  checkTransactionState: 39,
  notifyConsumerIdsChanged: 40,
  lockBatch: 41,
  unlockBatch: 42,
  getAllConsumerOffset: 43,
  checkClientConfig: 46,
  getTimerCheckPoint: 60,
  getTimerMetrics: 61,
  putKvConfig: 100,
  getKvConfig: 101,
  deleteKvConfig: 102,
  registerBroker: 103,
  unregisterBroker: 104,
  getRouteInfoByTopic: 105,
  getBrokerClusterInfo: 106,
  updateAndCreateSubscriptionGroup: 200,
  getAllSubscriptionGroupConfig: 201,
  getTopicStatsInfo: 202,
  getConsumerConnectionList: 203,
  getProducerConnectionList: 204,
  wipeWritePermOfBroker: 205,
  getAllTopicListFromNameServer: 206,
  deleteSubscriptionGroup: 207,
  getConsumeStats: 208,
  deleteTopicInBroker: 215,
  deleteTopicInNameServer: 216,
  registerTopicInNameServer: 217,
  getKvListByNamespace: 219,
  resetConsumerClientOffset: 220,
  getConsumerStatusFromClient: 221,
  invokeBrokerToResetOffset: 222,
  invokeBrokerToGetConsumerStatus: 223,
  getTopicsByCluster: 224,
  updateAndCreateSubscriptionGroupList: 225,
  queryTopicConsumeByWho: 300,
  queryConsumeTimeSpan: 303,
  getSystemTopicListFromNameServer: 304,
  getSystemTopicListFromBroker: 305,
  cleanExpiredConsumeQueue: 306,
  getConsumerRunningInfo: 307,
  consumeMessageDirectly: 309,
  sendMessageV2: 310,
  getUnitTopicList: 311,
  getHasUnitSubTopicList: 312,
  getHasUnitSubUnUnitTopicList: 313,
  cloneGroupOffset: 314,
  viewBrokerStatsData: 315,
  cleanUnusedTopic: 316,
  getBrokerConsumeStats: 317,
  updateNameServerConfig: 318,
  getNameServerConfig: 319,
  sendBatchMessage: 320,
  queryConsumeQueue: 321,
  queryDataVersion: 322,
  resumeCheckHalfMessage: 323,
  sendReplyMessage: 324,
  sendReplyMessageV2: 325,
  pushReplyMessageToClient: 326,
  addWritePermOfBroker: 327,
  getAllProducerInfo: 328,
  deleteExpiredCommitLog: 329,
  queryTopicsByConsumer: 343,
  querySubscriptionByConsumer: 345,
  getTopicConfig: 351,
  getSubscriptionGroupConfig: 352,
  updateAndGetGroupForbidden: 353,
  checkRocksdbCqWriteProgress: 354,
  litePullMessage: 361,
  recallMessage: 370,
  queryAssignment: 400,
  setMessageRequestMode: 401,
  getBrokerMemberGroup: 901,
  brokerHeartbeat: 904,
  popMessage: 200_050,
  ackMessage: 200_051,
  peekMessage: 200_052,
  changeMessageInvisibleTime: 200_053,
  notification: 200_054,
  pollingInfo: 200_055,
  batchAckMessage: 200_151,
  getBrokerHaStatus: 907,
  resetMasterFlushOffset: 908,
  getBrokerEpochCache: 1007,
  getColdDataFlowCtrInfo: 2003,
  authCreateUser: 3001,
  authUpdateUser: 3002,
  authDeleteUser: 3003,
  authGetUser: 3004,
  authListUsers: 3005,
  authCreateAcl: 3006,
  authUpdateAcl: 3007,
  authDeleteAcl: 3008,
  authGetAcl: 3009,
  authListAcls: 3010,
} as const;

/** Numbers of org.apache.rocketmq.remoting.protocol.ResponseCode and RemotingSysResponseCode. */
export const responseCode = {
  success: 0,
  systemError: 1,
  requestCodeNotSupported: 3,
  flushDiskTimeout: 10,
  slaveNotAvailable: 11,
  flushSlaveTimeout: 12,
  serviceNotAvailable: 14,
  noPermission: 16,
  topicNotExist: 17,
  pullNotFound: 19,
  pullRetryImmediately: 20,
  pullOffsetMoved: 21,
  queryNotFound: 22,
  noBuyerId: 204,
  notInCurrentUnit: 205,
  pollingFull: 209,
  pollingTimeout: 210,
  flowControl: 215,
} as const;

/** What each stable code is on this wire. Codes that never reach a client over it are system errors. */
const numbers: Partial<Record<ErrorCode, number>> = {
  SYSTEM_BUSY: 2,
  REQUEST_CODE_NOT_SUPPORTED: responseCode.requestCodeNotSupported,
  MESSAGE_ILLEGAL: 13,
  SERVICE_NOT_AVAILABLE: responseCode.serviceNotAvailable,
  NO_PERMISSION: responseCode.noPermission,
  TOPIC_NOT_EXIST: responseCode.topicNotExist,
  QUERY_NOT_FOUND: responseCode.queryNotFound,
  SUBSCRIPTION_PARSE_FAILED: 23,
  SUBSCRIPTION_NOT_EXIST: 24,
  SUBSCRIPTION_NOT_LATEST: 25,
  SUBSCRIPTION_GROUP_NOT_EXIST: 26,
  FILTER_DATA_NOT_EXIST: 27,
  FILTER_DATA_NOT_LATEST: 28,
  INVALID_PARAMETER: 29,
  CONSUMER_NOT_ONLINE: 206,
  CONSUME_MSG_TIMEOUT: 207,
  ILLEGAL_OPERATION: 604,
  NO_MESSAGE: 208,
};

/**
 * The code behind the 16 bits that a binary header has for it. Those of POP and of lite topics are longer, from POP_MESSAGE (200050)
 * to BATCH_ACK_MESSAGE (200151), and no code is in between when they are cut: what Apache refuses as unknown is told back.
 */
export function codeOfShort(short: number): number {
  const code = short + 0x30000;
  return code >= 200_050 && code <= 200_151 ? code : short;
}

/** INVALID_PARAMETER is of 5.x; clients before it know only the system error (remoting facts: 4.9.1 answers 1). */
const firstVersionWithInvalidParameter = 413;

export function numberOf(code: ErrorCode, clientVersion: number): number {
  if (code === "INVALID_PARAMETER" && clientVersion < firstVersionWithInvalidParameter) return responseCode.systemError;
  return numbers[code] ?? responseCode.systemError;
}

const names = new Map(Object.entries(numbers).map(([code, number]) => [number, code as ErrorCode]));

/** The stable code of an answer that is no success, as its client names it; a number without a name is a system error. */
export function errorCodeOf(number: number): ErrorCode {
  if (number === responseCode.flowControl) return "SYSTEM_BUSY";
  return names.get(number) ?? "SYSTEM_ERROR";
}
