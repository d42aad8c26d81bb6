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
  | "INVALID_PARAMETER"
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
