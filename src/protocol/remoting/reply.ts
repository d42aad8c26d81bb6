import type { PushedReply } from "../../broker/client/client.ts";
import { WasmqError } from "../../ports/error.ts";
import { FieldNames } from "./answer-fields.ts";
import { requestCode, responseCode } from "./codes.ts";
import type { BrokerRole } from "./roles.ts";
import { lettersV2, type Names, namesV1, readMessage } from "./send.ts";
import type { Request, Session } from "./session.ts";

/** How long a client may take to answer (Broker2Client.callClient). */
const pushMsMax = 10_000;

const pushedFields = new FieldNames([
  "producerGroup",
  "topic",
  "defaultTopic",
  "defaultTopicQueueNums",
  "queueId",
  "sysFlag",
  "bornTimestamp",
  "flag",
  "properties",
  "reconsumeTimes",
  "unitMode",
  "bornHost",
  "storeHost",
  "storeTimestamp",
]);

/** 324 (ReplyMessageProcessor). */
export function sendReplyMessage(request: Request, role: BrokerRole): Promise<void> {
  return reply(request, role, namesV1);
}

/** 325. */
export function sendReplyMessageV2(request: Request, role: BrokerRole): Promise<void> {
  return reply(request, role, lettersV2);
}

async function reply(request: Request, { broker, sentFields }: BrokerRole, names: Names): Promise<void> {
  const { answer } = request;
  const replied = await broker.replies.reply({
    ...readMessage(request, names),
    producerGroup: request.header.fields.text(names.producerGroup),
    bornAddress: request.session.address,
  });
  const { failure, messageId, queueId, queueOffset } = replied;
  const code = failure === undefined ? responseCode.success : responseCode.systemError;
  answer.reply(code, sentFields.of(queueId, queueOffset, messageId, undefined), failure);
}

/** 326. Rejects with REQUEST_TIMEOUT, CONNECTION_CLOSED, or SYSTEM_ERROR where the client refuses. */
export async function pushReply(session: Session, pushed: PushedReply): Promise<void> {
  const fields = pushedFields.of(
    pushed.producerGroup,
    pushed.topic,
    pushed.defaultTopic,
    pushed.defaultTopicQueueNums,
    pushed.queueId,
    pushed.sysFlag,
    pushed.bornTimestamp,
    pushed.flag,
    pushed.properties,
    pushed.reconsumeTimes,
    String(pushed.unitMode),
    pushed.bornHost,
    pushed.storeHost,
    pushed.storeTimestamp,
  );
  const { code, remark } = await session.ask(requestCode.pushReplyMessageToClient, fields, pushed.body, pushMsMax);
  if (code !== responseCode.success) throw new WasmqError("SYSTEM_ERROR", `answered ${code}: ${remark ?? ""}`);
}
