import { WasmqError } from "../../ports/error.ts";
import { responseCode } from "./codes.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** 33: the record at an offset of the CommitLog, as it is stored (QueryMessageProcessor.viewMessageById). */
export function viewMessageById({ header, session, answer }: Request, { broker }: BrokerRole): void | Promise<void> {
  const offset = header.fields.long("offset");
  if (session.isBehind) throw new WasmqError("SYSTEM_BUSY", "too many bytes of answers unread");
  const reply = (record: Uint8Array | undefined): void => {
    if (record === undefined) {
      throw new WasmqError("SYSTEM_ERROR", `can not find message by the offset, ${offset}`);
    }
    answer.reply(responseCode.success, undefined, undefined, record);
  };
  // Answered at once where it can be: of requests in a row, each is to see what those before it left unread.
  const record = broker.recordAt(offset);
  return record instanceof Promise ? record.then(reply) : reply(record);
}
