import type { PulledMessage } from "../../lib/remoting-client.ts";
import { Violation } from "../violation.ts";
import type { History } from "./history.ts";

/** A message, or a copy that came of sending one back: nobody sends back the same one twice. */
interface Tried {
  readonly id: number;
  /** How often it had been sent back before: 0 for what its producer sent. */
  readonly times: number;
  readonly physicalOffset: number;
}

/** A message that a consumer could not take, and gave back. Moments are the history's; infinity for not yet. */
export interface SentBack extends Tried {
  /** As it asked: 0 for the broker to say, negative for never again. */
  readonly delayLevel: number;
  readonly askedMs: number;
  ackedAt: number;
}

/**
 * What a broker owes to messages that are sent back: the n-th retry waits for level 2 + n, never less, or as long as its consumer asks; after
 * `triesMax` of them it is a dead letter, and not before.
 */
export class RetryLedger {
  readonly #history: History;
  readonly #triesMax: number;
  readonly #levelsMs: readonly number[];
  readonly #sent: { ackedAt: number }[] = [];
  /** By id and number of tries before. */
  readonly #sentBack = new Map<string, SentBack[]>();

  constructor(history: History, { triesMax, levelsMs }: { triesMax: number; levelsMs: readonly number[] }) {
    this.#history = history;
    this.#triesMax = triesMax;
    this.#levelsMs = levelsMs;
  }

  send(): { readonly id: number; readonly acked: () => void } {
    const sent = { ackedAt: Number.POSITIVE_INFINITY };
    const id = this.#sent.push(sent) - 1;
    return {
      id,
      acked: () => {
        sent.ackedAt = this.#history.moment();
      },
    };
  }

  sendBack(message: PulledMessage, delayLevel: number, askedMs: number): SentBack {
    const { reconsumeTimes: times, physicalOffset } = message;
    const id = idOf(message.body);
    const sentBack = { id, times, physicalOffset, delayLevel, askedMs, ackedAt: Number.POSITIVE_INFINITY };
    const key = keyOf(id, times);
    const known = this.#sentBack.get(key);
    if (known === undefined) this.#sentBack.set(key, [sentBack]);
    else known.push(sentBack);
    return sentBack;
  }

  /** A consumer gets a message, of the topic, of the retry topic, or of the dead letters. */
  seen(message: PulledMessage, where: "topic" | "retry" | "dead", nowMs: number): void {
    const { body, reconsumeTimes: times, properties, storeTimestamp } = message;
    const id = idOf(body);
    if (this.#sent[id] === undefined) throw new Violation("corrupted-served", `${body} was never sent`);
    if (where === "topic") {
      if (times !== 0) throw new Violation("wrong-count", `message ${id} was sent, and comes as tried ${times} times`);
      return;
    }
    const causes = this.#sentBack.get(keyOf(id, times - 1)) ?? [];
    const name = `message ${id}, tried ${times} times,`;
    if (causes.length === 0) throw new Violation("wrong-count", `${name} is there, and nobody sent it back so often`);
    if (where === "dead") {
      const isDue = times > this.#triesMax || causes.some(({ delayLevel }) => delayLevel < 0);
      if (!isDue) throw new Violation("dead-early", `${name} is a dead letter: ${this.#triesMax} tries are allowed`);
      return;
    }
    if (times > this.#triesMax) throw new Violation("dead-late", `${name} comes again: ${this.#triesMax} are allowed`);
    const storedMs = Math.min(storeTimestamp, nowMs);
    const expected = causes.filter(({ delayLevel }) => delayLevel >= 0).map((cause) => this.#expected(cause));
    const level = Number(properties["DELAY"]);
    if (!expected.some((one) => one.level === level)) {
      const levels = expected.map((one) => one.level).join(" or ");
      throw new Violation("wrong-back-off", `${name} was to wait for level ${levels}, and did for ${level}`);
    }
    if (!expected.some(({ dueMs }) => storedMs >= dueMs)) {
      const earlyMs = Math.min(...expected.map(({ dueMs }) => dueMs)) - storedMs;
      throw new Violation("early", `${name} comes ${earlyMs} ms before its time`);
    }
  }

  /** All that there is of the topic, of retries and dead letters, when nothing goes on any more. */
  audit(found: Record<"topic" | "retry" | "dead", readonly PulledMessage[]>, nowMs: number): void {
    const there = new Set<string>();
    for (const where of ["topic", "retry", "dead"] as const) {
      for (const message of found[where]) {
        this.seen(message, where, nowMs);
        there.add(keyOf(idOf(message.body), message.reconsumeTimes));
      }
    }
    for (const [id, { ackedAt }] of this.#sent.entries()) {
      if (this.#history.stands(ackedAt) && !there.has(keyOf(id, 0))) {
        throw new Violation("acked-lost", `message ${id} is gone`);
      }
    }
    for (const causes of this.#sentBack.values()) {
      for (const { id, times, ackedAt } of causes) {
        if (this.#history.stands(ackedAt) && !there.has(keyOf(id, times + 1))) {
          throw new Violation("acked-lost", `message ${id}, sent back for the ${times + 1}th time, never came again`);
        }
      }
    }
  }

  /** AbstractSendMessageProcessor.consumerSendMsgBack: the first retry has level 3; there is none above the last. */
  #expected({ times, delayLevel, askedMs }: SentBack): { level: number; dueMs: number } {
    const level = Math.min(delayLevel > 0 ? delayLevel : 3 + times, this.#levelsMs.length);
    return { level, dueMs: askedMs + this.#levelsMs[level - 1]! };
  }
}

function keyOf(id: number, times: number): string {
  return `${id} ${times}`;
}

function idOf(body: string): number {
  return Number(/^tried (\d+)$/.exec(body)?.[1] ?? Number.NaN);
}
