import { responseCode } from "./codes.ts";
import type { Remoting } from "./remoting.ts";
import type { Request } from "./session.ts";

/** From this client version on, a limit of retries in the header counts (MQVersion V3_4_9). */
const firstVersionWithMaxReconsumeTimes = 121;

/** 36 (AbstractSendMessageProcessor.consumerSendMsgBack). */
export async function consumerSendMessageBack(request: Request, remoting: Remoting): Promise<void> {
  const { fields, version } = request.header;
  await remoting.broker.sendBacks.sendBack({
    group: fields.text("group"),
    offset: fields.long("offset"),
    delayLevel: fields.int("delayLevel"),
    unitMode: fields.flag("unitMode"),
    maxReconsumeTimes:
      version >= firstVersionWithMaxReconsumeTimes ? fields.optionalInt("maxReconsumeTimes") : undefined,
  });
  request.reply(responseCode.success);
}
