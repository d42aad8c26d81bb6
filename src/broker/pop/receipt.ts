import { WasmqError } from "../../ports/error.ts";
import { type PopRetryVersion, popRetryFlagOf } from "../names.ts";

/*
 * What a consumer shows to acknowledge a popped message (ExtraInfoUtil; property POP_CK), with spaces between:
 *
 *   offset where the pop began in the queue
 *   time of the pop, wall-clock milliseconds
 *   how long its messages are invisible, milliseconds
 *   queue of the revive topic, or 999 for an orderly pop
 *   0, or the version of the retry topic that the message came out of
 *   broker, queue
 *   queue offset of the message (missing in some)
 */
export interface Receipt {
  readonly startOffset: number;
  readonly popTimeMs: number;
  readonly invisibleMs: number;
  readonly reviveQueue: number;
  readonly brokerName: string;
}

/** In the place of a queue of the revive topic: what was popped in order is not revived (KeyBuilder.POP_ORDER_REVIVE_QUEUE). */
export const orderlyReviveQueue = 999;

/** The receipt of a message of `topic`, which may be one for retries. */
export function printReceipt(receipt: Receipt, topic: string, queueId: number, queueOffset: number): string {
  const { startOffset, popTimeMs, invisibleMs, reviveQueue, brokerName } = receipt;
  const flag = popRetryFlagOf(topic);
  return [startOffset, popTimeMs, invisibleMs, reviveQueue, flag, brokerName, queueId, queueOffset].join(" ");
}

/** Throws MESSAGE_ILLEGAL for what is no receipt. */
export function readReceipt(text: string): Receipt {
  const parts = text.split(" ");
  const [startOffset, popTimeMs, invisibleMs, reviveQueue] = parts.slice(0, 4).map(wholeNumber);
  const brokerName = parts[5];
  if (
    startOffset === undefined ||
    popTimeMs === undefined ||
    invisibleMs === undefined ||
    reviveQueue === undefined ||
    brokerName === undefined
  ) {
    throw new WasmqError("MESSAGE_ILLEGAL", `the extraInfo of a popped message can't be read: ${text.slice(0, 256)}`);
  }
  return { startOffset, popTimeMs, invisibleMs, reviveQueue, brokerName };
}

function wholeNumber(text: string): number | undefined {
  const value = Number(text);
  return /^\d{1,16}$/.test(text) && Number.isSafeInteger(value) ? value : undefined;
}

/** What the answer to a pop tells of where its messages stand, from which clients make the receipts. */
export class PopPlaces {
  readonly #starts: string[] = [];
  readonly #offsets: string[] = [];
  readonly #counts: string[] = [];

  add(topic: string, queueId: number, startOffset: number, queueOffsets: readonly number[]): void {
    const flag: 0 | PopRetryVersion = popRetryFlagOf(topic);
    this.#starts.push(`${flag} ${queueId} ${startOffset}`);
    this.#offsets.push(`${flag} ${queueId} ${queueOffsets.join(",")}`);
  }

  /** How often messages were consumed in order before; `all` is the least of any of the queue. */
  addCounts(topic: string, queueId: number, counts: ReadonlyMap<number, number>, all: number): void {
    const flag = popRetryFlagOf(topic);
    for (const [offset, count] of counts) this.#counts.push(`${flag} qo${queueId}%${offset} ${count}`);
    this.#counts.push(`${flag} ${queueId} ${all}`);
  }

  get startOffsetInfo(): string {
    return this.#starts.join(";");
  }

  get msgOffsetInfo(): string {
    return this.#offsets.join(";");
  }

  get orderCountInfo(): string {
    return this.#counts.join(";");
  }
}
