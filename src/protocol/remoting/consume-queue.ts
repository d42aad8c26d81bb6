import { shownUnitsMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import { responseCode } from "./codes.ts";
import { subscriptionData } from "./connections.ts";
import { writeJavaBody } from "./java-json.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

/** 321: units of a ConsumeQueue (AdminBrokerProcessor.queryConsumeQueue). */
export async function queryConsumeQueue({ header, answer }: Request, { broker }: BrokerRole): Promise<void> {
  const { fields } = header;
  const topic = fields.text("topic");
  const queueId = fields.int("queueId");
  const index = fields.long("index");
  const count = fields.int("count");
  const group = fields.optionalText("consumerGroup");
  const config = broker.topics.find(topic)?.config;
  if (config === undefined || queueId < 0 || queueId >= Math.max(config.readQueueNums, config.writeQueueNums)) {
    throw new WasmqError("SYSTEM_ERROR", `${queueId}@${topic} is not exist!`);
  }
  const { minOffset, maxOffset } = broker.store.range(topic, queueId);
  if (index < minOffset || index >= maxOffset) {
    answer.reply(responseCode.success, undefined, `Index ${index} of ${queueId}@${topic} is not exist!`);
    return;
  }
  const units = await broker.store.units(topic, queueId, index, Math.min(count, shownUnitsMax));
  const subscription = group === undefined ? undefined : broker.consumers.find(group)?.subscriptions.get(topic);
  const notOnline = group === undefined || subscription !== undefined ? undefined : `${group}@${topic} is not online!`;
  const body = {
    filterData: notOnline ?? (group === undefined ? undefined : "null"),
    maxQueueIndex: maxOffset,
    minQueueIndex: minOffset,
    queueData: units.map(({ physicalOffset, size, tagsCode }) => ({
      eval: false,
      physicOffset: physicalOffset,
      physicSize: size,
      tagsCode,
    })),
    subscriptionData: subscription && subscriptionData(subscription),
  };
  answer.reply(responseCode.success, undefined, undefined, writeJavaBody(body));
}
