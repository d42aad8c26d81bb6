import type { ErrorCode } from "../../ports/error.ts";

/** Numbers of org.apache.rocketmq.remoting.protocol.RequestCode. */
export const requestCode = {
  sendMessage: 10,
  pullMessage: 11,
  queryConsumerOffset: 14,
  updateConsumerOffset: 15,
  searchOffsetByTimestamp: 29,
  getMaxOffset: 30,
  getMinOffset: 31,
  getEarliestMessageStoreTime: 32,
  viewMessageById: 33,
  heartBeat: 34,
  unregisterClient: 35,
  consumerSendMessageBack: 36,
  getConsumerListByGroup: 38,
  checkTransactionState: 39,
  notifyConsumerIdsChanged: 40,
  lockBatch: 41,
  unlockBatch: 42,
  checkClientConfig: 46,
  getRouteInfoByTopic: 105,
  getBrokerClusterInfo: 106,
  resetConsumerClientOffset: 220,
  getConsumerRunningInfo: 307,
  sendMessageV2: 310,
  sendBatchMessage: 320,
  litePullMessage: 361,
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
  INVALID_PARAMETER: 29,
};

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
