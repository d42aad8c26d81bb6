import type { ToldReset } from "../../broker/client/client.ts";
import { FieldNames } from "./answer-fields.ts";
import { writeBody } from "./body-json.ts";
import { requestCode, responseCode } from "./codes.ts";
import { ObjectMap, writeJavaBody } from "./java-json.ts";
import type { BrokerRole } from "./roles.ts";
import type { Request, Session } from "./session.ts";

const toldFields = new FieldNames(["topic", "group", "timestamp", "isForce"]);

/** 222 (AdminBrokerProcessor.resetOffset). */
export async function resetOffset({ header, answer }: Request, { broker }: BrokerRole): Promise<void> {
  const { fields } = header;
  const topic = fields.text("topic");
  const offsets = await broker.offsetResets.reset({
    topic,
    group: fields.text("group"),
    timestamp: fields.long("timestamp"),
    isForce: fields.flag("isForce"),
    queueId: fields.optionalInt("queueId") ?? -1,
    offset: fields.optionalLong("offset"),
  });
  answer.reply(responseCode.success, undefined, undefined, offsetTable(broker.settings.brokerName, topic, offsets));
}

/** 314 (cloneGroupOffset). As with Apache, offsets are cloned in one topic: without its name nothing is. */
export function cloneGroupOffset(request: Request, { broker }: BrokerRole): void {
  const { fields } = request.header;
  const topic = fields.optionalText("topic") ?? "";
  const from = fields.text("srcGroup");
  const to = fields.text("destGroup");
  const subscriptions = broker.consumers.find(from)?.subscriptions;
  const isConsumed = fields.flag("offline") || !subscriptions?.size || subscriptions.has(topic);
  if (broker.topics.find(topic) !== undefined && isConsumed) broker.offsets.clone(from, to, topic);
  request.reply(responseCode.success);
}

/** 220: C++ clients read a list, and others a map by queues (ResetOffsetBodyForC, ResetOffsetBody). */
export function tellReset(session: Session, { topic, group, timestamp, brokerName, offsets, language }: ToldReset) {
  const body =
    language === "CPP"
      ? writeBody({
          offsetTable: Array.from(offsets, ([queueId, offset]) => ({ brokerName, offset, queueId, topic })),
        })
      : offsetTable(brokerName, topic, offsets);
  session.tell(requestCode.resetConsumerClientOffset, toldFields.of(topic, group, timestamp, "true"), body);
}

function offsetTable(brokerName: string, topic: string, offsets: ReadonlyMap<number, number>): Uint8Array {
  const entries = Array.from(offsets, ([queueId, offset]) => [{ brokerName, queueId, topic }, offset] as const);
  return writeJavaBody({ offsetTable: new ObjectMap(entries) });
}
