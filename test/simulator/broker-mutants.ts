/** Faults put into the broker's source on purpose, to see that the checkers of its modes notice. */
export interface Mutant {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** What the checker says. */
  readonly noticed: readonly string[];
}

/** What `mutant-main.ts` prints. */
export interface BrokerMutantRun {
  readonly seeds: number;
  readonly checker?: string;
  readonly message?: string;
}

export const brokerMutants: Readonly<Record<string, Mutant>> = {
  "a half message is visible though its producer does not know its end": {
    file: "src/protocol/remoting/end-transaction.ts",
    from: "if (type === transactionType.none) {",
    to: 'if (type === transactionType.none) {\n    void broker.transactions.end({ ...asked, outcome: "commit" }, { ended() {}, failed() {} });',
    noticed: ["half-visible"],
  },
  "a message that is rolled back is delivered": {
    file: "src/protocol/remoting/end-transaction.ts",
    from: 'outcome: type === transactionType.commit ? "commit" : "rollback"',
    to: 'outcome: "commit"',
    noticed: ["rollback-delivered"],
  },
  "producers are asked once too often": {
    file: "src/broker/transaction/check-backs.ts",
    from: "times >= transactionCheckMax",
    to: "times > transactionCheckMax",
    noticed: ["asked-too-often"],
  },
  "a timer is a second early": {
    file: "src/broker/timer/park.ts",
    from: "const outMs = (Math.ceil(deliverAtMs / timerPrecisionMs) - 1) * timerPrecisionMs;",
    to: "const outMs = (Math.ceil(deliverAtMs / timerPrecisionMs) - 1) * timerPrecisionMs - 1_000;",
    noticed: ["early"],
  },
  "a delay level is a second early": {
    file: "src/broker/delay/delivery.ts",
    from: "const delayMs = this.#levels.delayMs(queue.level);",
    to: "const delayMs = this.#levels.delayMs(queue.level) - 1_000;",
    noticed: ["early"],
  },
  "a recall is forgotten": {
    file: "src/broker/timer/timers.ts",
    from: "else recalled.add(recall);",
    to: "else recalled.delete(recall);",
    noticed: ["recalled-delivered"],
  },
  "the first retry has another level": {
    file: "src/broker/retry/send-back.ts",
    from: "const firstRetryLevel = 3;",
    to: "const firstRetryLevel = 2;",
    noticed: ["wrong-back-off"],
  },
  "a message is a dead letter one try too early": {
    file: "src/broker/retry/send-back.ts",
    from: "message.reconsumeTimes >= triesMax",
    to: "message.reconsumeTimes >= triesMax - 1",
    noticed: ["dead-early"],
  },
  "a popped message is handed out before its time is up": {
    file: "src/broker/pop/revival.ts",
    from: "return check.popTimeMs + check.invisibleMs + ackWaitMs;",
    to: "return check.popTimeMs;",
    noticed: ["held-twice", "acked-again"],
  },
  "an acknowledgement of a pop is forgotten": {
    file: "src/broker/pop/revival.ts",
    from: "for (const offset of ack!.offsets) point.settled.add(offset);",
    to: ";",
    noticed: ["acked-again"],
  },
  "a pop's check point is not kept": {
    file: "src/broker/pop/revive-log.ts",
    from: "this.#append(timerTopic, this.#timerTopicBytes, 0, properties, body, listener);",
    to: "if (tag === checkPointTag) queueMicrotask(() => listener.stored({ queueOffset: 0 } as never));\n    else this.#append(timerTopic, this.#timerTopicBytes, 0, properties, body, listener);",
    noticed: ["acked-lost", "held-twice"],
  },
  "a queue is locked by two": {
    file: "src/broker/orderly/queue-locks.ts",
    from: "lock === undefined || lock.clientId === clientId ||",
    to: "true ||",
    noticed: ["locked-twice"],
  },
};
