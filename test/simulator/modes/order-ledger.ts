import { Violation } from "../violation.ts";
import type { History } from "./history.ts";

/** A message of a row that is to be consumed in order. */
export interface Ordered {
  readonly id: number;
  readonly queueId: number;
  ackedAt: number;
  isConsumed: boolean;
}

/** A queue that a client was told is its own. */
interface Lock {
  readonly clientId: string;
  readonly life: number;
  /** Wall clock: not before this was it asked for. */
  readonly askedMs: number;
  /** It is given back, or may be: another one can have it. */
  isGivenBack: boolean;
}

/** RebalanceLockManager: a lock that is not renewed for this long is free. */
const lockLifeMs = 60_000;

/**
 * What a broker owes to those who consume in order: the queue is one client's at a time, as long as the broker lives and the client renews
 * its lock, and holds what was sent one after the other in that order, without a gap.
 */
export class OrderLedger {
  readonly #all: Ordered[] = [];
  readonly #locks = new Map<number, Lock[]>();
  /** By queue and client, when it asked to give that back last. */
  readonly #unlockedAt = new Map<string, number>();
  readonly #history: History;

  constructor(history: History) {
    this.#history = history;
  }

  send(queueId: number): Ordered {
    const ordered = { id: this.#all.length, queueId, ackedAt: Number.POSITIVE_INFINITY, isConsumed: false };
    this.#all.push(ordered);
    return ordered;
  }

  /** A client is told that a queue is its own; asked for at a time of the wall clock, answered at another. */
  locked(
    queueId: number,
    clientId: string,
    { life, askedAt, askedMs, nowMs }: { life: number; askedAt: number; askedMs: number; nowMs: number },
  ): void {
    const locks = this.#locks.get(queueId) ?? [];
    for (const lock of locks) {
      if (lock.life !== life || lock.clientId === clientId || lock.isGivenBack) continue;
      if (nowMs <= lock.askedMs + lockLifeMs) {
        const leftMs = lock.askedMs + lockLifeMs - nowMs;
        throw new Violation(
          "locked-twice",
          `queue ${queueId} is ${lock.clientId}'s for ${leftMs} ms, and ${clientId}'s`,
        );
      }
    }
    this.#locks.set(queueId, [
      ...locks.filter((lock) => lock.life === life && lock.clientId !== clientId),
      // It may have asked to give it back meanwhile.
      { clientId, life, askedMs, isGivenBack: (this.#unlockedAt.get(`${queueId} ${clientId}`) ?? 0) > askedAt },
    ]);
  }

  /** A client asks to give a queue back. */
  unlocks(queueId: number, clientId: string): void {
    this.#unlockedAt.set(`${queueId} ${clientId}`, this.#history.moment());
    for (const lock of this.#locks.get(queueId) ?? []) if (lock.clientId === clientId) lock.isGivenBack = true;
  }

  holds(queueId: number, clientId: string, life: number, nowMs: number): boolean {
    const locks = this.#locks.get(queueId) ?? [];
    return locks.some(
      (lock) =>
        lock.clientId === clientId && lock.life === life && !lock.isGivenBack && nowMs < lock.askedMs + lockLifeMs / 2,
    );
  }

  /** The holder of a queue consumes a message, for the first time or again. */
  consumed(id: number, queueId: number): void {
    const ordered = this.#find(id, queueId);
    // A group's offset may be beyond the end of a queue that has lost its last messages.
    if (!ordered.isConsumed && !this.#history.hasLost) {
      const missed = this.#all.find(
        (other) =>
          other.queueId === queueId && other.id < id && !other.isConsumed && other.ackedAt < Number.POSITIVE_INFINITY,
      );
      if (missed !== undefined) {
        throw new Violation("wrong-order", `message ${id} of queue ${queueId} is consumed before message ${missed.id}`);
      }
    }
    ordered.isConsumed = true;
  }

  /** All of a queue, when nothing goes on any more. */
  audit(queueId: number, ids: readonly number[]): void {
    const there = new Set<number>();
    let last = -1;
    for (const id of ids) {
      this.#find(id, queueId);
      if (there.has(id)) throw new Violation("duplicated", `message ${id} stands in queue ${queueId} twice`);
      if (id < last) throw new Violation("wrong-order", `message ${id} stands behind ${last} in queue ${queueId}`);
      there.add(id);
      last = id;
    }
    for (const { id, queueId: of, ackedAt, isConsumed } of this.#all) {
      if (of !== queueId || !this.#history.stands(ackedAt)) continue;
      if (!there.has(id)) throw new Violation("acked-lost", `message ${id} of queue ${queueId} is gone`);
      if (!isConsumed && !this.#history.hasLost) {
        throw new Violation("not-consumed", `message ${id} of queue ${queueId} was never consumed`);
      }
    }
  }

  #find(id: number, queueId: number): Ordered {
    const ordered = this.#all[id];
    if (ordered?.queueId !== queueId) throw new Violation("corrupted-served", `message ${id} is in queue ${queueId}`);
    return ordered;
  }
}
