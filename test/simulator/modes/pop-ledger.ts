import type { Popped } from "../../lib/popping.ts";
import { Violation } from "../violation.ts";
import type { History } from "./history.ts";

/** A message in one consumer's hands. Moments are the history's; infinity for not yet. */
export interface HandedOut {
  readonly message: PoppedOnce;
  /** What it is acknowledged by. */
  popped: Popped;
  readonly at: number;
  /** Wall clock: nobody else gets it before. */
  heldUntilMs: number;
}

/** A message is its consumer's for another time. */
export interface Changed {
  readonly popped: Popped;
  readonly popTimeMs: number;
  readonly invisibleMs: number;
  readonly nowMs: number;
}

/** One that was sent to be popped. */
interface PoppedOnce {
  readonly id: number;
  readonly at: number;
  sentAckedAt: number;
  last: HandedOut | undefined;
  /** When it was answered, in time, that it is consumed. */
  consumedAt: number;
  /** Somebody said that it is consumed; perhaps the broker has heard it. */
  isConsumedPerhaps: boolean;
  /** It may be there more than once: something went wrong while it may have been on its way back. */
  hasCopiesPerhaps: boolean;
}

/**
 * What a broker owes to those who pop: a message is one consumer's until its time is up, or it says that it is done, and then nobody's any
 * more; else it comes again, counted.
 */
export class PopLedger {
  readonly #all: PoppedOnce[] = [];
  readonly #places = new Map<string, HandedOut>();
  readonly #history: History;

  constructor(history: History) {
    this.#history = history;
  }

  send(): { readonly id: number; readonly acked: () => void } {
    const message: PoppedOnce = {
      id: this.#all.length,
      at: this.#history.moment(),
      sentAckedAt: Number.POSITIVE_INFINITY,
      last: undefined,
      consumedAt: Number.POSITIVE_INFINITY,
      isConsumedPerhaps: false,
      // Where messages were lost there may be check points of them, which take for theirs what stands in their place now.
      hasCopiesPerhaps: this.#history.hasLost,
    };
    this.#all.push(message);
    return {
      id: message.id,
      acked: () => {
        message.sentAckedAt = this.#history.moment();
      },
    };
  }

  /**
   * A crash, or a failure of the storage. What nobody holds may be on its way back to its group just now, and come twice. So may what came back
   * before: the timer may tell of that pop's end once more, when that it came back is long noted. And where a loss of power takes what was
   * acknowledged, all may.
   */
  trouble(nowMs: number): void {
    for (const message of this.#all) {
      const { at, last, consumedAt } = message;
      const isFirst = last?.popped.reconsumeTimes === 0;
      const isSafe = isFirst && (last.heldUntilMs > nowMs || consumedAt < Number.POSITIVE_INFINITY);
      if (!isSafe || !this.#history.stands(at)) message.hasCopiesPerhaps = true;
    }
  }

  /** A consumer has popped a message, which the broker says is its own from `popTimeMs` on. */
  handedOut(popped: Popped, popTimeMs: number, invisibleMs: number): HandedOut {
    const { body, realTopic, queueId, queueOffset, physicalOffset, reconsumeTimes, storeTimestamp } = popped;
    const message = this.#all[idOf(body)];
    if (message === undefined) throw new Violation("corrupted-served", `${body} was never sent`);
    const { id, last, consumedAt, hasCopiesPerhaps } = message;
    const name = `popped message ${id}, at ${queueOffset} of ${realTopic}/${queueId},`;
    const place = `${realTopic}/${queueId}/${queueOffset}/${physicalOffset}`;
    const before = this.#places.get(place);
    if (before !== undefined && this.#history.stands(before.at)) {
      const leftMs = before.heldUntilMs - popTimeMs;
      throw new Violation("held-twice", `${name} is handed out a second time, ${leftMs} ms before it may come again`);
    }
    if (last !== undefined && this.#history.stands(last.at) && !hasCopiesPerhaps) {
      // A pop may have begun before, and have waited for a storage: it can't have got what was not stored yet.
      const leftMs = last.heldUntilMs - Math.max(popTimeMs, storeTimestamp);
      if (leftMs > 0) throw new Violation("held-twice", `${name} is somebody's for ${leftMs} ms more`);
      if (reconsumeTimes <= last.popped.reconsumeTimes) {
        throw new Violation("wrong-count", `${name} is said to come for the ${reconsumeTimes}th time once more`);
      }
    }
    if (this.#history.stands(consumedAt) && !hasCopiesPerhaps) {
      throw new Violation("acked-again", `${name} was acknowledged in time, and comes again`);
    }
    const out = { message, popped, at: this.#history.moment(), heldUntilMs: popTimeMs + invisibleMs };
    message.last = out;
    this.#places.set(place, out);
    return out;
  }

  asksForConsumed({ message }: HandedOut): void {
    message.isConsumedPerhaps = true;
  }

  /** It is answered that a message is consumed. Too late, it may be on its way back already. */
  consumed(out: HandedOut, nowMs: number): void {
    const { message } = out;
    if (message.last === out && nowMs < out.heldUntilMs) message.consumedAt = this.#history.moment();
  }

  /**
   * A consumer asks to have a message for so long from now on. What is returned is told once it has it, with what acknowledges it from then
   * on; or undefined where nobody knows whether it has: it may come at both times.
   */
  asksForOther(out: HandedOut, nowMs: number, invisibleMs: number): (changed: Changed | undefined) => void {
    const { message } = out;
    const untilMs = out.heldUntilMs;
    out.heldUntilMs = Math.min(untilMs, nowMs + invisibleMs);
    return (changed) => {
      // Too late, it may be on its way back already, or be somebody else's.
      const isInTime = changed !== undefined && changed.nowMs < untilMs && message.last === out;
      if (!isInTime) message.hasCopiesPerhaps = true;
      if (changed === undefined) return;
      out.popped = changed.popped;
      out.heldUntilMs = changed.popTimeMs + changed.invisibleMs;
    };
  }

  /** Everybody has popped all there was, and acknowledged it. */
  audit(): void {
    for (const { id, sentAckedAt, isConsumedPerhaps } of this.#all) {
      if (this.#history.stands(sentAckedAt) && !isConsumedPerhaps) {
        throw new Violation("acked-lost", `message ${id} was never popped, or never came again`);
      }
    }
  }
}

function idOf(body: string): number {
  return Number(/^popped (\d+)$/.exec(body)?.[1] ?? Number.NaN);
}
