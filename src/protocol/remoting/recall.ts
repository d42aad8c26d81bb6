import { fieldsOf } from "./answer-fields.ts";
import { responseCode } from "./codes.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** 370 (RecallMessageProcessor). */
export async function recallMessage(request: Request, { broker }: BrokerRole): Promise<void> {
  const { fields } = request.header;
  const msgId = await broker.recalls.recall({
    producerGroup: fields.optionalText("producerGroup"),
    topic: fields.text("topic"),
    recallHandle: fields.optionalText("recallHandle") ?? "",
    bornHost: request.session.bornHost,
  });
  request.reply(responseCode.success, fieldsOf({ msgId, MSG_REGION: broker.settings.regionId }));
}
