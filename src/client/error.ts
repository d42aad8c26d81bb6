import { type ErrorCode, WasmqError } from "../ports/error.ts";
import { errorCodeOf } from "../protocol/remoting/codes.ts";

/** What a client could not do. A broker's own refusal has the number it answered; what never reached one has none. */
export class ClientError extends WasmqError {
  /** RocketMQ's ResponseCode, where a NameServer or broker answered. */
  readonly responseCode: number | undefined;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions & { readonly responseCode?: number }) {
    super(code, message, options);
    this.name = "ClientError";
    this.responseCode = options?.responseCode;
  }

  /** Of an answer that is no success. */
  static ofAnswer(responseCode: number, remark: string | undefined, what: string): ClientError {
    const said = remark === undefined || remark === "" ? `answered ${responseCode}` : remark;
    return new ClientError(errorCodeOf(responseCode), `${what}: ${said}`, { responseCode });
  }
}

/** True for failures after which another broker, or the same one later, may do. */
export function isLost(error: unknown): boolean {
  if (!(error instanceof WasmqError)) return false;
  return error.code === "CONNECTION_CLOSED" || error.code === "REQUEST_TIMEOUT" || error.code === "ADDRESS_UNUSABLE";
}
