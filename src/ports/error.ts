/**
 * The stable codes. Those that travel to clients carry the name of RocketMQ's response code
 * (org.apache.rocketmq.remoting.protocol.ResponseCode); each protocol maps them to its own numbers once.
 */
export type ErrorCode =
  | "SYSTEM_ERROR"
  | "SYSTEM_BUSY"
  | "REQUEST_CODE_NOT_SUPPORTED"
  | "MESSAGE_ILLEGAL"
  | "SERVICE_NOT_AVAILABLE"
  | "NO_PERMISSION"
  | "TOPIC_NOT_EXIST"
  | "QUERY_NOT_FOUND"
  | "SUBSCRIPTION_PARSE_FAILED"
  | "SUBSCRIPTION_NOT_EXIST"
  | "SUBSCRIPTION_NOT_LATEST"
  | "SUBSCRIPTION_GROUP_NOT_EXIST"
  | "CONSUMER_NOT_ONLINE"
  | "CONSUME_MSG_TIMEOUT"
  | "FILTER_DATA_NOT_EXIST"
  | "FILTER_DATA_NOT_LATEST"
  | "INVALID_PARAMETER"
  | "NO_MESSAGE"
  | "ILLEGAL_OPERATION"
  | "STORE_LOCKED"
  | "STORE_UNREADABLE"
  | "STORE_UNWRITABLE"
  | "STORE_FULL"
  | "ADDRESS_IN_USE"
  | "ADDRESS_UNUSABLE"
  // What only a client meets.
  | "CONNECTION_CLOSED"
  | "REQUEST_TIMEOUT"
  | "CLIENT_CLOSED"
  | "MESSAGE_UNREADABLE";

/** The world's trouble, told with a stable code and a free message. Our own bugs are plain `Error`s. */
export class WasmqError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "WasmqError";
    this.code = code;
  }
}

/** A storage has no room for what was to be written (STORE_FULL), and may have later. */
export function isStoreFull(error: unknown): boolean {
  return error instanceof WasmqError && error.code === "STORE_FULL";
}
