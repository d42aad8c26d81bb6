import { responseCode } from "./codes.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** 36 (AbstractSendMessageProcessor.consumerSendMsgBack). */
export async function consumerSendMessageBack(request: Request, { broker }: BrokerRole): Promise<void> {
  const { fields } = request.header;
  await broker.sendBacks.sendBack({
    group: fields.text("group"),
    offset: fields.long("offset"),
    delayLevel: fields.int("delayLevel"),
    unitMode: fields.flag("unitMode"),
    maxReconsumeTimes: fields.optionalInt("maxReconsumeTimes"),
  });
  request.reply(responseCode.success);
}
