import type { PullListener, PullOutcome, PullResult } from "../../broker/pull/pull.ts";
import type { WasmqError } from "../../ports/error.ts";
import { FieldNames } from "./answer-fields.ts";
import { requestCode, responseCode } from "./codes.ts";
import type { Fields } from "./fields.ts";
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

const fieldNames = new FieldNames(["nextBeginOffset", "minOffset", "maxOffset", "topicSysFlag", "groupSysFlag"], {
  suggestWhichBrokerId: "0",
});

/** 11, and 361 from lite pull consumers (PullMessageProcessor). */
export function pullMessage(request: Request, { broker }: BrokerRole): void {
  const { fields } = request.header;
  const sysFlag = fields.int("sysFlag");
  const isResumed = request.resumedFromMs !== undefined;
  // Both are read whether they count or not, as Apache does: wrong ones tell of a wrong client.
  const suspendMs = fields.optionalLong("suspendTimeoutMillis") ?? 0;
  const commitOffset = readCommitOffset(fields, (sysFlag & commitOffsetBit) !== 0);
  broker.pulls.pull(
    {
      group: fields.text("consumerGroup"),
      topic: fields.text("topic"),
      queueId: fields.int("queueId"),
      offset: fields.long("queueOffset"),
      messagesMax: fields.int("maxMsgNums"),
      bytesMax: fields.optionalInt("maxMsgBytes"),
      // Taken when it came; meanwhile the group may have gone on.
      commitOffset: isResumed ? undefined : commitOffset,
      suspendMs: (sysFlag & suspendBit) !== 0 ? suspendMs : 0,
      expression:
        (sysFlag & subscriptionBit) !== 0
          ? { text: fields.optionalText("subscription") ?? "*", type: fields.optionalText("expressionType") }
          : undefined,
      subscriptionVersion: fields.has("subVersion") ? fields.big("subVersion") : 0n,
      isLite: request.header.code === requestCode.litePullMessage,
      askedAtMs: request.resumedFromMs,
    },
    request.session,
    new PullReply(request),
  );
}

/** Undefined for none. */
function readCommitOffset(fields: Fields, isMeant: boolean): number | undefined {
  if (!fields.has("commitOffset")) return isMeant ? 0 : undefined;
  if (isMeant) return fields.exactLong("commitOffset");
  fields.long("commitOffset");
  return undefined;
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

  pulled({ outcome, status, nextOffset, minOffset, maxOffset, topicSysFlag, groupSysFlag, records }: PullResult): void {
    const said = fieldNames.of(nextOffset, minOffset, maxOffset, topicSysFlag, groupSysFlag);
    this.#answer.reply(codes[outcome], said, status, records);
  }

  failed(error: WasmqError): void {
    this.#answer.fail(error);
  }
}
