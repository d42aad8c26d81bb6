import type { PulledMessage } from "../../lib/remoting-client.ts";
import { Violation } from "../violation.ts";
import type { History } from "./history.ts";

/** A message that is to come later: by a delay level, or at a time of its own. Moments are the history's; infinity for not yet. */
export interface Delayed {
  readonly id: number;
  readonly queueId: number;
  /** Wall clock: not before this may anybody see it. */
  readonly dueMs: number;
  readonly sentAt: number;
  readonly sentInLife: number;
  ackedAt: number;
  ackedMs: number;
  /** What takes it back, where it can be. */
  recallHandle: string | undefined;
  isRecallAsked: boolean;
  /** When the broker said that it is taken back, in time for that; of `isSure` a loss of power takes nothing under SYNC_FLUSH. */
  recalledAt: number;
  isRecallSure: boolean;
}

/** An alarm may come five seconds late, an operation of the storage take three, and a delivery takes some. */
const lateMsMax = 40_000;

/** What a broker owes to delayed messages: never early, never what was taken back, and once where nothing went wrong. */
export class DelayLedger {
  readonly all: Delayed[] = [];
  readonly #history: History;

  constructor(history: History) {
    this.#history = history;
  }

  send(queueId: number, dueMs: number): Delayed {
    const delayed: Delayed = {
      id: this.all.length,
      queueId,
      dueMs,
      sentAt: this.#history.moment(),
      sentInLife: this.#history.life,
      ackedAt: Number.POSITIVE_INFINITY,
      ackedMs: Number.POSITIVE_INFINITY,
      recallHandle: undefined,
      isRecallAsked: false,
      recalledAt: Number.POSITIVE_INFINITY,
      isRecallSure: false,
    };
    this.all.push(delayed);
    return delayed;
  }

  /** It was answered that a message is taken back, so many milliseconds after that was asked. */
  recalled(delayed: Delayed, nowMs: number, tookMs: number, syncTimeOutMs: number): void {
    // Too late: it may be on its way already.
    if (nowMs >= delayed.dueMs || delayed.recalledAt < Number.POSITIVE_INFINITY) return;
    delayed.recalledAt = this.#history.moment();
    delayed.isRecallSure = tookMs < syncTimeOutMs;
  }

  /** A consumer sees a message. */
  seen(message: PulledMessage, nowMs: number): Delayed {
    const id = idOf(message.body);
    const delayed = this.all[id];
    if (delayed === undefined) throw new Violation("corrupted-served", `${message.body} was never sent`);
    if (message.queueId !== delayed.queueId) {
      throw new Violation("corrupted-served", `delayed message ${id} is in queue ${message.queueId}`);
    }
    const storedMs = Math.min(message.storeTimestamp, nowMs);
    if (storedMs < delayed.dueMs) {
      throw new Violation("early", `delayed message ${id} comes ${delayed.dueMs - storedMs} ms before its time`);
    }
    if (this.#isRecalled(delayed)) {
      throw new Violation("recalled-delivered", `delayed message ${id} was taken back, and is there`);
    }
    const lateMs = storedMs - Math.max(delayed.dueMs, delayed.ackedMs);
    if (lateMs > lateMsMax && this.#isOfOneLife(delayed)) {
      throw new Violation("late", `delayed message ${id} comes ${lateMs} ms after its time`);
    }
    return delayed;
  }

  audit(visible: readonly PulledMessage[], nowMs: number): void {
    const times = new Map<number, number>();
    for (const message of visible) {
      const { id } = this.seen(message, nowMs);
      times.set(id, (times.get(id) ?? 0) + 1);
    }
    for (const delayed of this.all) {
      const { id, isRecallAsked, ackedAt } = delayed;
      const count = times.get(id) ?? 0;
      if (count > 1 && this.#isOfOneLife(delayed)) {
        throw new Violation("duplicated", `delayed message ${id} was delivered ${count} times`);
      }
      if (count === 0 && !isRecallAsked && this.#history.stands(ackedAt)) {
        throw new Violation("acked-lost", `delayed message ${id} was never delivered`);
      }
    }
  }

  #isRecalled({ recalledAt, isRecallSure }: Delayed): boolean {
    return this.#history.stands(recalledAt) && (isRecallSure || !this.#history.lostPowerSince(recalledAt));
  }

  #isOfOneLife({ sentAt, sentInLife }: Delayed): boolean {
    return sentInLife === this.#history.life && this.#history.isCalmSince(sentAt);
  }
}

function idOf(body: string): number {
  return Number(/^delayed (\d+)$/.exec(body)?.[1] ?? Number.NaN);
}
