import { WasmqError } from "../../ports/error.ts";
import { responseCode } from "./codes.ts";
import type { Remoting } from "./remoting.ts";
import type { Request } from "./session.ts";

/** 33: the record at an offset of the CommitLog, as it is stored (QueryMessageProcessor.viewMessageById). */
export async function viewMessageById(request: Request, remoting: Remoting): Promise<void> {
  const offset = request.header.fields.long("offset");
  const record = await remoting.broker.store.rawRecordAt(offset);
  if (record === undefined) {
    throw new WasmqError("SYSTEM_ERROR", `can not find message by the offset, ${offset}`);
  }
  request.reply(responseCode.success, "", undefined, record);
}
