import type { Broker } from "../../broker/broker.ts";
import type { SendListener, SendMessage, SentMessage } from "../../broker/send/send.ts";
import type { WasmqError } from "../../ports/error.ts";
import { FieldNames } from "./answer-fields.ts";
import { responseCode } from "./codes.ts";
import type { BrokerRole } from "./roles.ts";
import type { Answer, Request } from "./session.ts";

/** The same fields under the one-letter names of SendMessageRequestHeaderV2, and under those of the first version. */
export const lettersV2 = {
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
export type Names = Readonly<Record<keyof typeof lettersV2, string>>;
const noBytes = new Uint8Array(0);
export const namesV1 = Object.fromEntries(Object.keys(lettersV2).map((name) => [name, name])) as Names;

/** What is answered to each send of a broker. */
export function sentFieldsOf({ settings }: Broker): FieldNames {
  const constants = { TRACE_ON: String(settings.traceOn), MSG_REGION: settings.regionId };
  return new FieldNames(["queueId", "queueOffset", "msgId", "transactionId", "batchUniqId", "recallHandle"], constants);
}

/** 10 (SendMessageProcessor). */
export function sendMessage(request: Request, role: BrokerRole): void {
  send(request, role, namesV1);
}

/** 310, and 320 for batches. */
export function sendMessageV2(request: Request, role: BrokerRole): void {
  send(request, role, lettersV2);
}

function send(request: Request, { broker, sentFields }: BrokerRole, names: Names): void {
  broker.sending.send(readMessage(request, names), new SendReply(request.answer, sentFields));
}

/** The message of a send. Its properties and body are there until the handler returns. */
export function readMessage(request: Request, names: Names): SendMessage {
  const { fields } = request.header;
  fields.require(names.producerGroup);
  return {
    topic: fields.text(names.topic),
    defaultTopic: fields.text(names.defaultTopic),
    defaultTopicQueueNums: fields.int(names.defaultTopicQueueNums),
    queueId: fields.int(names.queueId),
    sysFlag: fields.int(names.sysFlag),
    bornTimestamp: fields.exactLong(names.bornTimestamp),
    bornHost: request.session.bornHost,
    flag: fields.int(names.flag),
    properties: fields.optionalBytes(names.properties) ?? noBytes,
    reconsumeTimes: fields.optionalInt(names.reconsumeTimes) ?? 0,
    unitMode: fields.flag(names.unitMode),
    batch: fields.flag(names.batch),
    maxReconsumeTimes: fields.optionalInt(names.maxReconsumeTimes),
    body: request.body,
  };
}

class SendReply implements SendListener {
  readonly #answer: Answer;
  readonly #fields: FieldNames;

  constructor(answer: Answer, fields: FieldNames) {
    this.#answer = answer;
    this.#fields = fields;
  }

  sent(message: SentMessage): void {
    this.#reply(responseCode.success, message);
  }

  flushTimedOut(message: SentMessage): void {
    this.#reply(responseCode.flushDiskTimeout, message);
  }

  failed(error: WasmqError): void {
    this.#answer.fail(error);
  }

  #reply(code: number, message: SentMessage): void {
    const { messageId, queueId, queueOffset, transactionId, batchUniqId, recallHandle } = message;
    const fields = this.#fields.of(queueId, queueOffset, messageId, transactionId, batchUniqId, recallHandle);
    if (this.#answer.isOneway) this.#answer.done();
    else this.#answer.reply(code, fields);
  }
}
