import { FieldNames } from "./answer-fields.ts";
import { responseCode } from "./codes.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request } from "./session.ts";

const offsetField = new FieldNames(["offset"]);
const timestampField = new FieldNames(["timestamp"]);

/** 14 (ConsumerManageProcessor.queryConsumerOffset). */
export async function queryConsumerOffset(request: Request, { broker }: BrokerRole): Promise<void> {
  const { fields } = request.header;
  const offset = await broker.offsets.query(
    fields.text("consumerGroup"),
    fields.text("topic"),
    fields.int("queueId"),
    fields.has("setZeroIfNotFound") ? fields.flag("setZeroIfNotFound") : undefined,
  );
  request.reply(responseCode.success, offsetField.of(offset));
}

/** 15 (ConsumerManageProcessor.updateConsumerOffset). */
export function updateConsumerOffset(request: Request, { broker }: BrokerRole): void {
  const { fields } = request.header;
  const topic = fields.text("topic");
  const group = fields.text("consumerGroup");
  broker.commitOffset(group, topic, fields.int("queueId"), fields.exactLong("commitOffset"));
  request.reply(responseCode.success);
}

/** 29 (AdminBrokerProcessor.searchOffsetByTimestamp). */
export async function searchOffsetByTimestamp(request: Request, { broker }: BrokerRole): Promise<void> {
  const { fields } = request.header;
  const boundary = fields.optionalText("boundaryType")?.toUpperCase() === "UPPER" ? "UPPER" : "LOWER";
  const offset = await broker.store.offsetByTime(
    fields.text("topic"),
    fields.int("queueId"),
    fields.long("timestamp"),
    boundary,
  );
  request.reply(responseCode.success, offsetField.of(offset));
}

/** 30: the offset of the next message to come (AdminBrokerProcessor.getMaxOffset). */
export function getMaxOffset(request: Request, { broker }: BrokerRole): void {
  const { fields } = request.header;
  const { maxOffset } = broker.store.range(fields.text("topic"), fields.int("queueId"));
  request.reply(responseCode.success, offsetField.of(maxOffset));
}

/** 31 (AdminBrokerProcessor.getMinOffset). */
export function getMinOffset(request: Request, { broker }: BrokerRole): void {
  const { fields } = request.header;
  const { minOffset } = broker.store.range(fields.text("topic"), fields.int("queueId"));
  request.reply(responseCode.success, offsetField.of(minOffset));
}

/** 32: -1 for a queue without messages (AdminBrokerProcessor.getEarliestMsgStoretime). */
export async function getEarliestMessageStoreTime(request: Request, { broker }: BrokerRole): Promise<void> {
  const { fields } = request.header;
  const { store } = broker;
  const topic = fields.text("topic");
  const queueId = fields.int("queueId");
  const timestamp = (await store.storeTimeAt(topic, queueId, store.range(topic, queueId).minOffset)) ?? -1;
  request.reply(responseCode.success, timestampField.of(timestamp));
}
