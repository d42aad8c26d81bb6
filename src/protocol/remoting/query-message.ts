import { WasmqError } from "../../ports/error.ts";
import { FieldNames } from "./answer-fields.ts";
import { responseCode } from "./codes.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

const fieldNames = new FieldNames(["indexLastUpdateTimestamp", "indexLastUpdatePhyoffset"]);

/** 12: messages by key, unique key or tag (QueryMessageProcessor.queryMessage). `lastKey` means something to stores in RocksDB alone. */
export function queryMessage(request: Request, { broker }: BrokerRole): void {
  const { header, session, answer } = request;
  const { fields } = header;
  if (session.isBehind) throw new WasmqError("SYSTEM_BUSY", "too many bytes of answers unread");
  const query = {
    topic: fields.text("topic"),
    key: fields.text("key"),
    messagesMax: fields.int("maxNum"),
    beginMs: fields.long("beginTimestamp"),
    endMs: fields.long("endTimestamp"),
    indexType: fields.optionalText("indexType"),
    isUniqueKey: fields.flag("_UNIQUE_KEY_QUERY"),
  };
  answer.claim(request.frameBytes);
  broker.queries.query(query, session, {
    found({ messages, records, indexLastUpdateTimestamp, indexLastUpdatePhyoffset }) {
      const answered = fieldNames.of(indexLastUpdateTimestamp, indexLastUpdatePhyoffset);
      if (messages > 0) answer.reply(responseCode.success, answered, undefined, records);
      else answer.reply(responseCode.queryNotFound, answered, "can not find message, maybe time range not correct");
    },
    failed: (error) => answer.fail(error),
  });
}
