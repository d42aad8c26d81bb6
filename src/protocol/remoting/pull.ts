import type { PullListener, PullOutcome, PullResult } from "../../broker/pull/pull.ts";
import type { WasmqError } from "../../ports/error.ts";
import { responseCode } from "./codes.ts";
import type { KeptRequest } from "./kept.ts";
import type { BrokerRole } from "./roles.ts";
import type { Answer, Request, Session } from "./session.ts";

/** Bits of a pull's sysFlag (PullSysFlag). */
const commitOffsetBit = 1;
const suspendBit = 2;
const subscriptionBit = 4;

const codes: Readonly<Record<PullOutcome, number>> = {
  FOUND: responseCode.success,
  NOT_FOUND: responseCode.pullNotFound,
  RETRY_IMMEDIATELY: responseCode.pullRetryImmediately,
  OFFSET_MOVED: responseCode.pullOffsetMoved,
};

/** 11, and 361 from lite pull consumers (PullMessageProcessor). */
export function pullMessage(request: Request, { broker }: BrokerRole): void {
  const { fields } = request.header;
  const sysFlag = fields.int("sysFlag");
  const isResumed = request.resumedFromMs !== undefined;
  broker.pulls.pull(
    {
      group: fields.text("consumerGroup"),
      topic: fields.text("topic"),
      queueId: fields.int("queueId"),
      offset: fields.long("queueOffset"),
      messagesMax: fields.int("maxMsgNums"),
      bytesMax: fields.optionalLong("maxMsgBytes"),
      // Taken when it came; meanwhile the group may have gone on.
      commitOffset: !isResumed && (sysFlag & commitOffsetBit) !== 0 ? fields.exactLong("commitOffset") : undefined,
      suspendMs: (sysFlag & suspendBit) !== 0 ? fields.long("suspendTimeoutMillis") : 0,
      expression:
        (sysFlag & subscriptionBit) !== 0
          ? { text: fields.optionalText("subscription") ?? "*", type: fields.optionalText("expressionType") }
          : undefined,
      subscriptionVersion: fields.big("subVersion"),
      askedAtMs: request.resumedFromMs,
    },
    request.session,
    new PullReply(request),
  );
}

class PullReply implements PullListener {
  readonly #answer: Answer;
  readonly #session: Session;
  /** Only where it may have to be kept. */
  readonly #kept: KeptRequest | undefined;

  constructor(request: Request) {
    this.#answer = request.answer;
    this.#session = request.session;
    this.#kept = request.session.connection.keep === undefined ? undefined : request.keptHeader();
  }

  held(): void {
    const request = this.#kept;
    if (request !== undefined) this.#session.keep((kept) => kept.held(this.#answer.opaque, request));
  }

  pulled({ outcome, status, nextOffset, minOffset, maxOffset, records }: PullResult): void {
    this.#answer.reply(
      codes[outcome],
      `"suggestWhichBrokerId":"0","nextBeginOffset":"${nextOffset}","minOffset":"${minOffset}","maxOffset":"${maxOffset}"`,
      status,
      records,
    );
  }

  failed(error: WasmqError): void {
    this.#answer.fail(error);
  }
}
