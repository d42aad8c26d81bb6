import type { Broker } from "../../broker/broker.ts";
import type { SendListener, SendMessage, SentMessage } from "../../broker/send/send.ts";
import type { WasmqError } from "../../ports/error.ts";
import { responseCode } from "./codes.ts";
import type { BrokerRole } from "./roles.ts";
import type { Answer, Request } from "./session.ts";

/** The same fields under the one-letter names of SendMessageRequestHeaderV2, and under those of the first version. */
const lettersV2 = {
  producerGroup: "a",
  topic: "b",
  defaultTopic: "c",
  defaultTopicQueueNums: "d",
  queueId: "e",
  sysFlag: "f",
  bornTimestamp: "g",
  flag: "h",
  properties: "i",
  reconsumeTimes: "j",
  unitMode: "k",
  maxReconsumeTimes: "l",
  batch: "m",
} as const;
type Names = Readonly<Record<keyof typeof lettersV2, string>>;
const namesV1 = Object.fromEntries(Object.keys(lettersV2).map((name) => [name, name])) as Names;

/** 10 (SendMessageProcessor). */
export function sendMessage(request: Request, { broker }: BrokerRole): void {
  send(request, broker, namesV1);
}

/** 310, and 320 for batches. */
export function sendMessageV2(request: Request, { broker }: BrokerRole): void {
  send(request, broker, lettersV2);
}

function send(request: Request, broker: Broker, names: Names): void {
  const { fields } = request.header;
  const message: SendMessage = {
    producerGroup: fields.text(names.producerGroup),
    topic: fields.text(names.topic),
    defaultTopic: fields.text(names.defaultTopic),
    defaultTopicQueueNums: fields.int(names.defaultTopicQueueNums),
    queueId: fields.int(names.queueId),
    sysFlag: fields.int(names.sysFlag),
    bornTimestamp: fields.exactLong(names.bornTimestamp),
    bornHost: request.session.bornHost,
    flag: fields.int(names.flag),
    properties: fields.optionalText(names.properties) ?? "",
    reconsumeTimes: fields.optionalInt(names.reconsumeTimes) ?? 0,
    unitMode: fields.flag(names.unitMode),
    batch: fields.flag(names.batch),
    maxReconsumeTimes: fields.optionalInt(names.maxReconsumeTimes),
    body: request.body,
  };
  broker.sending.send(message, new SendReply(request.answer, broker.settings.regionId));
}

class SendReply implements SendListener {
  readonly #answer: Answer;
  readonly #regionId: string;

  constructor(answer: Answer, regionId: string) {
    this.#answer = answer;
    this.#regionId = regionId;
  }

  sent({ messageId, queueId, queueOffset, transactionId }: SentMessage): void {
    if (this.#answer.isOneway) return;
    const transaction = transactionId === undefined ? "" : `,"transactionId":${JSON.stringify(transactionId)}`;
    this.#answer.reply(
      responseCode.success,
      `"queueId":"${queueId}","TRACE_ON":"true","MSG_REGION":"${this.#regionId}","msgId":"${messageId}","queueOffset":"${queueOffset}"${transaction}`,
    );
  }

  failed(error: WasmqError): void {
    this.#answer.fail(error);
  }
}
