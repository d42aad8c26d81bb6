import type { Clock } from "../../ports/clock.ts";

/** A queue as clients name it (MessageQueue). */
export interface QueueName {
  readonly topic: string;
  readonly brokerName: string;
  readonly queueId: number;
}

/** A lock not renewed for this long is free (RebalanceLockManager, rocketmq.broker.rebalance.lockMaxLiveTime). */
const lockLifeMs = 60_000;

/**
 * Which client of a group may consume a queue in order (RebalanceLockManager). Clients renew their locks every 20 s; a
 * client that dies without unlocking holds up its queues until the lock expires, as with Apache.
 */
export class QueueLocks {
  readonly #clock: Clock;
  readonly #locksMax: number;
  #count = 0;
  readonly #locks = new Map<string, Map<string, { clientId: string; renewedAtMs: number }>>();

  /** `locksMax`: MemoryBudget.queueLocksMax. */
  constructor(clock: Clock, locksMax: number) {
    this.#clock = clock;
    this.#locksMax = locksMax;
  }

  /** Locks or renews, as asked at a time; the queues that the client holds afterwards. The queues are there, the names checked. */
  lock(group: string, clientId: string, queues: readonly QueueName[], atMs: number): QueueName[] {
    let locks = this.#locks.get(group);
    if (locks === undefined) {
      locks = new Map();
      this.#locks.set(group, locks);
    }
    const nowMs = this.#clock.now();
    const held: QueueName[] = [];
    for (const queue of queues) {
      const key = keyOf(queue);
      const lock = locks.get(key);
      if (lock === undefined && this.#count >= this.#locksMax) continue;
      if (lock === undefined || lock.clientId === clientId || isExpired(lock.renewedAtMs, nowMs)) {
        if (lock === undefined) this.#count++;
        locks.set(key, { clientId, renewedAtMs: atMs });
        held.push(queue);
      }
    }
    return held;
  }

  /** Only the holder's own locks are given back. */
  unlock(group: string, clientId: string, queues: readonly QueueName[]): void {
    const locks = this.#locks.get(group);
    if (locks === undefined) return;
    for (const queue of queues) {
      const key = keyOf(queue);
      if (locks.get(key)?.clientId === clientId && locks.delete(key)) this.#count--;
    }
    if (locks.size === 0) this.#locks.delete(group);
  }

  /** True while any queue is locked by a member of the group. */
  isAnyHeld(group: string): boolean {
    const nowMs = this.#clock.now();
    for (const { renewedAtMs } of this.#locks.get(group)?.values() ?? []) {
      if (!isExpired(renewedAtMs, nowMs)) return true;
    }
    return false;
  }

  /** Forgets locks that expired. */
  expire(): void {
    const nowMs = this.#clock.now();
    for (const [group, locks] of [...this.#locks]) {
      for (const [key, { renewedAtMs }] of [...locks]) {
        if (isExpired(renewedAtMs, nowMs) && locks.delete(key)) this.#count--;
      }
      if (locks.size === 0) this.#locks.delete(group);
    }
  }
}

function isExpired(renewedAtMs: number, nowMs: number): boolean {
  return nowMs - renewedAtMs > lockLifeMs;
}

/** Whatever a client calls this broker, the queue is the same. */
function keyOf({ topic, queueId }: QueueName): string {
  return `${topic}@${queueId}`;
}
