import { Violation } from "../violation.ts";
import type { History } from "./history.ts";

export type Decision = "commit" | "rollback";

/** Where a half message stands: what its transaction is ended by. */
export interface Half {
  readonly queueOffset: number;
  readonly physicalOffset: number;
}

/** One transaction: what its producer did, and what is known of it. Moments are the history's; infinity for not yet. */
export interface Transaction {
  readonly id: number;
  readonly bornMs: number;
  /** In which life of the broker. */
  readonly beganInLife: number;
  readonly beganAt: number;
  /** Where its half message stands, once the producer has been told. */
  half: Half | undefined;
  halfAckedAt: number;
  /** A producer says the same each time. */
  decision: Decision | undefined;
  /** It never decides. */
  readonly isLeft: boolean;
  /** When the broker was told for the first time, and in which life last; when it said that it has heard. */
  toldAt: number;
  toldInLife: number;
  endAckedAt: number;
  /** How often the producer was asked, as the last question had it, and in which life that came. */
  asked: { readonly times: number; readonly life: number; readonly at: number };
  seenAt: number;
}

/**
 * What a broker owes to transactions. A half message is seen by nobody until its producer says so, and one that is rolled back never. Producers
 * are asked after the time-out, at most `checkMax` times, and then the message is put aside. What came through is kept as other messages are.
 */
export class TransactionLedger {
  readonly all: Transaction[] = [];
  readonly #history: History;
  readonly #checkMax: number;
  readonly #timeOutMs: number;

  constructor(history: History, { checkMax, timeOutMs }: { checkMax: number; timeOutMs: number }) {
    this.#history = history;
    this.#checkMax = checkMax;
    this.#timeOutMs = timeOutMs;
  }

  begin(bornMs: number, isLeft: boolean): Transaction {
    const transaction: Transaction = {
      id: this.all.length,
      bornMs,
      beganInLife: this.#history.life,
      beganAt: this.#history.moment(),
      half: undefined,
      halfAckedAt: Number.POSITIVE_INFINITY,
      decision: undefined,
      isLeft,
      toldAt: Number.POSITIVE_INFINITY,
      toldInLife: 0,
      endAckedAt: Number.POSITIVE_INFINITY,
      asked: { times: 0, life: 0, at: 0 },
      seenAt: Number.POSITIVE_INFINITY,
    };
    this.all.push(transaction);
    return transaction;
  }

  /** A producer is asked for its decision, for the `times`-th time as the message says. */
  questioned(id: number, times: number, nowMs: number): Transaction {
    const transaction = this.#find(id, "a question");
    const { bornMs, asked } = transaction;
    if (!(times >= 1 && times <= this.#checkMax)) {
      throw new Violation("asked-too-often", `transaction ${id} is asked about for the ${times}th time`);
    }
    if (nowMs <= bornMs + this.#timeOutMs) {
      throw new Violation("asked-early", `transaction ${id} is asked about ${nowMs - bornMs} ms after its begin`);
    }
    const { life } = this.#history;
    if (asked.life === life && times <= asked.times && this.#history.isCalmSince(asked.at)) {
      throw new Violation("asked-again", `transaction ${id} is asked about for the ${times}th time once more`);
    }
    transaction.asked = { times, life, at: this.#history.moment() };
    return transaction;
  }

  /** A producer tells the broker of its decision. */
  told(transaction: Transaction): void {
    transaction.toldAt = Math.min(transaction.toldAt, this.#history.moment());
    transaction.toldInLife = this.#history.life;
  }

  /** A consumer sees the message. */
  seen(id: number): void {
    const transaction = this.#find(id, "a message");
    if (transaction.decision === "rollback") {
      throw new Violation("rollback-delivered", `transaction ${id} was rolled back, and its message is seen`);
    }
    if (transaction.toldAt === Number.POSITIVE_INFINITY) {
      throw new Violation("half-visible", `transaction ${id} is not committed, and its message is seen`);
    }
    transaction.seenAt = Math.min(transaction.seenAt, this.#history.moment());
  }

  /** All that consumers can see, and what was put aside with how often its producer was asked, when nothing goes on any more. */
  audit(visible: readonly number[], putAside: ReadonlyMap<number, number>): void {
    const times = new Map<number, number>();
    for (const id of visible) {
      this.seen(id);
      times.set(id, (times.get(id) ?? 0) + 1);
    }
    for (const [id, asked] of putAside) {
      this.#find(id, "what was put aside");
      if (asked < this.#checkMax) {
        throw new Violation(
          "given-up-early",
          `transaction ${id} was given up after ${asked} of ${this.#checkMax} times`,
        );
      }
    }
    for (const transaction of this.all) {
      const { id, decision, beganAt, halfAckedAt, endAckedAt, beganInLife, toldInLife } = transaction;
      const isVisible = times.has(id);
      // What a broker knows of copies it forgets with its memory: an end of each sends the message again, as with Apache.
      const isOfOneLife = beganInLife === toldInLife && this.#history.isCalmSince(beganAt);
      if ((times.get(id) ?? 0) > 1 && isOfOneLife) {
        throw new Violation("duplicated", `transaction ${id} has ${times.get(id)} messages`);
      }
      if (decision === "commit" && !isVisible && this.#history.stands(endAckedAt)) {
        throw new Violation("acked-lost", `transaction ${id} is committed, and its message is not there`);
      }
      if (!this.#history.stands(halfAckedAt) || decision === "rollback") continue;
      if (!isVisible && !putAside.has(id)) {
        throw new Violation("half-lost", `transaction ${id} (${decision}) was neither ended nor given up`);
      }
    }
  }

  #find(id: number, what: string): Transaction {
    const transaction = this.all[id];
    if (transaction === undefined) throw new Violation("corrupted-served", `${what} is of transaction ${id}: none`);
    return transaction;
  }
}
