import { popRetryTopicOf } from "../../broker/names.ts";
import type { Invisibility, PoppedMessages } from "../../broker/pop/acks.ts";
import type { NotificationListener } from "../../broker/pop/notifications.ts";
import type { PopListener, PopResult } from "../../broker/pop/pops.ts";
import { readReceipt } from "../../broker/pop/receipt.ts";
import { batchAcksMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import { FieldNames } from "./answer-fields.ts";
import { objects, readBody, text } from "./body-json.ts";
import { responseCode } from "./codes.ts";
import type { Fields } from "./fields.ts";
import type { KeptRequest } from "./kept.ts";
import type { BrokerRole } from "./roles.ts";
import type { Answer, Request, Session } from "./session.ts";

const popFields = new FieldNames([
  "popTime",
  "invisibleTime",
  "reviveQid",
  "restNum",
  "startOffsetInfo",
  "msgOffsetInfo",
  "orderCountInfo",
]);
const changeFields = new FieldNames(["popTime", "invisibleTime", "reviveQid"]);
/** PopMessageResponseHeader, of which a peek says no more. */
const restField = new FieldNames(["restNum"], { popTime: "0", invisibleTime: "0", reviveQid: "0" });
const notificationFields = new FieldNames(["hasMsg", "pollingFull"]);
const pollingField = new FieldNames(["pollingNum"]);

/** ConsumeInitMode.MAX. */
const initModeMax = 1;

const popCodes: Readonly<Record<PopResult["outcome"], number>> = {
  FOUND: responseCode.success,
  POLLING_FULL: responseCode.pollingFull,
  POLLING_TIMEOUT: responseCode.pollingTimeout,
};

/** 200050 (PopMessageProcessor). */
export function popMessage(request: Request, { broker }: BrokerRole): void {
  const { fields } = request.header;
  const expression = fields.optionalText("exp");
  const isOrderly = fields.flag("order");
  broker.popping.pops.pop(
    {
      ...readTarget(fields),
      isOrderly,
      messagesMax: fields.int("maxMsgNums"),
      invisibleMs: fields.long("invisibleTime"),
      pollMs: fields.long("pollTime"),
      initMode: fields.int("initMode") === initModeMax ? "max" : "min",
      expression:
        expression === undefined || expression === ""
          ? undefined
          : { text: expression, type: fields.optionalText("expType") },
      askedAtMs: request.resumedFromMs,
    },
    request.session,
    new PopReply(request, isOrderly),
  );
}

/** 200051 (AckMessageProcessor). */
export function ackMessage(request: Request, { broker }: BrokerRole): void {
  const { answer } = request;
  broker.popping.acks.ack(readPopped(request.header.fields), {
    stored: () => answer.reply(responseCode.success),
    failed: (error) => answer.fail(error),
  });
}

/** 200151: of many pops, for proxies. The answer tells of all; what can't be read is passed over, as an offset is that there is not. */
export function batchAckMessage(request: Request, { broker }: BrokerRole): void {
  const { answer } = request;
  const body = request.body.length === 0 ? {} : readBody(request.body);
  const brokerName = text(body["brokerName"]) ?? broker.settings.brokerName;
  const acks = objects(body["acks"]);
  if (acks.length === 0) throw new WasmqError("NO_MESSAGE", "the body acknowledges nothing");
  if (acks.length > batchAcksMax) {
    throw new WasmqError(
      "MESSAGE_ILLEGAL",
      `the body has ${acks.length} acknowledgements: allowed are ${batchAcksMax}`,
    );
  }
  let left = 1;
  let failure: WasmqError | undefined;
  const done = (error?: WasmqError): void => {
    failure ??= error;
    if (--left > 0) return;
    if (failure === undefined) answer.reply(responseCode.success);
    else answer.fail(failure);
  };
  for (const ack of acks) {
    left++;
    try {
      broker.popping.acks.ackAll(readBatchAck(ack, brokerName), { stored: () => done(), failed: done });
    } catch (error) {
      if (!(error instanceof WasmqError)) throw error;
      done(error);
    }
  }
  done();
}

/** 200053 (ChangeInvisibleTimeProcessor). */
export function changeInvisibleTime(request: Request, { broker }: BrokerRole): void {
  const { answer, header } = request;
  const { fields } = header;
  const change = { invisibleMs: fields.long("invisibleTime"), suspend: fields.flag("suspend") };
  broker.popping.acks.changeInvisibility(readPopped(fields), change, {
    changed: ({ popTimeMs, invisibleMs, reviveQueue }: Invisibility) =>
      answer.reply(responseCode.success, changeFields.of(popTimeMs, invisibleMs, reviveQueue)),
    failed: (error) => answer.fail(error),
  });
}

/** 200052 (PeekMessageProcessor). */
export async function peekMessage({ header, session, answer }: Request, { broker }: BrokerRole): Promise<void> {
  const { fields } = header;
  if (session.isBehind) throw new WasmqError("SYSTEM_BUSY", "too many bytes of answers unread");
  const { rest, messages, records } = await broker.popping.peeks.peek({
    group: fields.text("consumerGroup"),
    topic: fields.text("topic"),
    queueId: fields.int("queueId"),
    messagesMax: fields.int("maxMsgNums"),
  });
  if (messages > 0) answer.reply(responseCode.success, restField.of(rest), "FOUND", records);
  else answer.reply(responseCode.pullNotFound, restField.of(rest), "NO_MESSAGE_IN_QUEUE");
}

/** 200054 (NotificationProcessor). */
export function notification(request: Request, { broker }: BrokerRole): void {
  const { fields } = request.header;
  broker.popping.notifications.wish(
    {
      ...readTarget(fields),
      isOrderly: fields.flag("order"),
      pollMs: fields.long("pollTime"),
      askedAtMs: request.resumedFromMs,
    },
    request.session,
    new NotificationReply(request),
  );
}

/** 200055 (PollingInfoProcessor). */
export function pollingInfo({ header, answer }: Request, { broker }: BrokerRole): void {
  const { group, topic, queueId } = readTarget(header.fields);
  broker.popping.pops.check({ group, topic, queueId });
  answer.reply(responseCode.success, pollingField.of(broker.popping.pops.waiting(topic, group, queueId)));
}

/** The way back of a request that may be held. */
class HeldReply {
  protected readonly answer: Answer;
  readonly #session: Session;
  /** Only where it may have to be kept. */
  readonly #kept: KeptRequest | undefined;

  constructor(request: Request) {
    this.answer = request.answer;
    this.#session = request.session;
    this.#kept = request.session.connection.keep === undefined ? undefined : request.keptHeader();
  }

  held(): void {
    const request = this.#kept;
    if (request !== undefined) this.#session.keep((kept) => kept.held(this.answer.opaque, request));
  }

  failed(error: WasmqError): void {
    this.answer.fail(error);
  }
}

class PopReply extends HeldReply implements PopListener {
  readonly #isOrderly: boolean;

  constructor(request: Request, isOrderly: boolean) {
    super(request);
    this.#isOrderly = isOrderly;
  }

  popped({ outcome, popTimeMs, invisibleMs, reviveQueue, rest, places, records }: PopResult): void {
    const { startOffsetInfo, msgOffsetInfo, orderCountInfo } = places;
    const counts = this.#isOrderly ? orderCountInfo : undefined;
    this.answer.reply(
      popCodes[outcome],
      popFields.of(popTimeMs, invisibleMs, reviveQueue, rest, startOffsetInfo, msgOffsetInfo, counts),
      outcome === "FOUND" ? "FOUND" : "NO_MESSAGE_IN_QUEUE",
      records,
    );
  }
}

class NotificationReply extends HeldReply implements NotificationListener {
  told(hasMessages: boolean, isFull: boolean): void {
    this.answer.reply(responseCode.success, notificationFields.of(String(hasMessages), String(isFull)));
  }
}

function readTarget(fields: Fields) {
  return {
    group: fields.text("consumerGroup"),
    topic: fields.text("topic"),
    queueId: fields.int("queueId"),
    attemptId: fields.optionalText("attemptId"),
  };
}

function readPopped(fields: Fields) {
  return {
    group: fields.text("consumerGroup"),
    topic: fields.text("topic"),
    queueId: fields.int("queueId"),
    offset: fields.exactLong("offset"),
    receipt: readReceipt(fields.text("extraInfo")),
  };
}

/** BatchAck: `b` are bits in Base64, the lowest of the first byte for the message where the pop began. */
function readBatchAck(ack: Readonly<Record<string, unknown>>, brokerName: string): PoppedMessages {
  const group = text(ack["c"]);
  const topic = text(ack["t"]);
  const bits = text(ack["b"]);
  const [queueId, reviveQueue, startOffset, popTimeMs, invisibleMs] = ["q", "rq", "so", "pt", "it"].map((name) =>
    wholeNumber(ack[name]),
  );
  if (
    group === undefined ||
    topic === undefined ||
    queueId === undefined ||
    reviveQueue === undefined ||
    startOffset === undefined ||
    popTimeMs === undefined ||
    invisibleMs === undefined
  ) {
    throw new WasmqError("MESSAGE_ILLEGAL", "an acknowledgement of the body can't be read");
  }
  const retry = text(ack["r"]);
  return {
    group,
    topic: retry === "1" || retry === "2" ? popRetryTopicOf(group, topic, retry === "1" ? 1 : 2) : topic,
    queueId,
    receipt: { startOffset, popTimeMs, invisibleMs, reviveQueue, brokerName },
    distances: bitsIn(bits ?? ""),
  };
}

/** Which bits are set, the lowest of the first byte first; of as many as a pop may pass over on its way. */
function bitsIn(base64: string): number[] {
  const set: number[] = [];
  for (let i = 0; i < Math.min(base64.length, ackBitsCharsMax) && base64[i] !== "="; i++) {
    const six = base64Digits.indexOf(base64[i]!);
    if (six < 0) throw new WasmqError("MESSAGE_ILLEGAL", "the bits of an acknowledgement are no Base64");
    // The highest of a digit comes first, the lowest of a byte counts first.
    for (let j = 0; j < 6; j++) {
      const at = 6 * i + j;
      if ((six & (32 >> j)) !== 0) set.push(at - (at % 8) + 7 - (at % 8));
    }
  }
  return set.sort((a, b) => a - b);
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** A pop looks at 800 units at most (pullUnitsMax): 100 bytes of bits, four characters for three of them. */
const ackBitsCharsMax = 136;

function wholeNumber(value: unknown): number | undefined {
  const number = typeof value === "string" ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}
