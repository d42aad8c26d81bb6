import { type Popped, pop, poppedOf } from "../../lib/popping.ts";
import { Violation } from "../violation.ts";
import type { Mode } from "./mode.ts";
import { OrderLedger } from "./order-ledger.ts";
import type { World } from "./world.ts";

const topic = "PoppedInOrder";
const queues = 2;
const group = "ORDERED_POPPERS";
const poppers = ["ordered-popper-a", "ordered-popper-b"];

/** A message in somebody's hands. */
interface HandedOut {
  readonly popped: Popped;
  heldUntilMs: number;
  isAckAsked: boolean;
}

/**
 * Consumers that pop in order: the next messages of a queue come when all before them are acknowledged, or their time is up; then those come
 * again, before any other.
 */
export class OrderedPops implements Mode {
  readonly topics = { [topic]: queues };
  readonly #world: World;
  readonly #ledger: OrderLedger;
  /** Of each queue, by offset, as it was handed out last. */
  readonly #out = Array.from({ length: queues }, () => new Map<number, HandedOut>());
  readonly #sending = new Set<number>();

  constructor(world: World) {
    this.#world = world;
    this.#ledger = new OrderLedger(world.history);
  }

  operate(): void {
    const { random } = this.#world;
    const what = random.below(100);
    if (what < 35) this.#send(random.below(queues));
    else if (what < 65) this.#pop(random.between(1_000, 15_000));
    else if (what < 92) this.#eachInHand(0.7, (out) => this.#acknowledge(out));
    else this.#eachInHand(0.3, (out) => this.#change(out));
  }

  windUp(): void {
    this.#eachInHand(1, (out) => this.#acknowledge(out));
    this.#pop(20_000);
  }

  async audit(): Promise<void> {
    for (let queueId = 0; queueId < queues; queueId++) {
      const messages = await this.#world.readAll(topic, queueId);
      this.#ledger.audit(
        queueId,
        messages.map(({ body }) => idOf(body)),
      );
    }
  }

  /** One after the other: of two under way at once, either may be first. */
  #send(queueId: number): void {
    if (this.#sending.has(queueId)) return;
    this.#sending.add(queueId);
    const { history } = this.#world;
    const ordered = this.#ledger.send(queueId);
    const sent = this.#world.client("producer").trySend(topic, `in order ${ordered.id}`, { queueId });
    this.#world.answered(sent, ({ code }) => {
      this.#sending.delete(queueId);
      if (code === 0) ordered.ackedAt = history.moment();
    });
  }

  #pop(invisibleMs: number): void {
    const { random, nowMs } = this.#world;
    const given = { max: random.pick([1, 3, 8]), invisibleMs, order: true, bornMs: nowMs };
    const asked = pop(this.#world.client(random.pick(poppers)), group, topic, given);
    this.#world.answered(asked, (answer) => {
      if (answer.code !== 0) return;
      const heldUntilMs = Number(answer.fields["popTime"]) + Number(answer.fields["invisibleTime"]);
      // It waited for its storage: nobody's any more when they come, as clients see too (isPopTimeout), who drop them.
      if (heldUntilMs <= this.#world.nowMs) return;
      const all = poppedOf(group, answer);
      for (const popped of all) this.#handedOut(popped, all);
      for (const popped of all) {
        this.#out[popped.queueId]!.set(popped.queueOffset, { popped, heldUntilMs, isAckAsked: false });
        this.#ledger.consumed(idOf(popped.body), popped.queueId);
      }
    });
  }

  /** Whether it may be, by what else was handed out of its queue before. */
  #handedOut({ queueId, queueOffset }: Popped, together: readonly Popped[]): void {
    const { tally, history, nowMs } = this.#world;
    tally.count("ordered pops: handed out");
    if (history.hasLost) return;
    for (const [offset, { heldUntilMs, isAckAsked }] of this.#out[queueId]!) {
      if (isAckAsked) continue;
      const name = `the message at ${queueOffset} of queue ${queueId} is popped in order,`;
      if (heldUntilMs > nowMs) {
        throw new Violation("held-twice", `${name} that at ${offset} is somebody's for ${heldUntilMs - nowMs} ms more`);
      }
      const isAmong = together.some((other) => other.queueId === queueId && other.queueOffset === offset);
      if (offset < queueOffset && !isAmong) {
        throw new Violation("wrong-order", `${name} before that at ${offset}, which nobody has acknowledged`);
      }
    }
  }

  #eachInHand(share: number, act: (out: HandedOut) => void): void {
    const { random } = this.#world;
    for (const out of this.#out) {
      for (const one of out.values()) if (!one.isAckAsked && random.chance(share)) act(one);
    }
  }

  #acknowledge(out: HandedOut): void {
    const { random, tally } = this.#world;
    out.isAckAsked = true;
    this.#world.ask(random.pick(poppers), 200_051, fieldsOf(out.popped), ({ code }) => {
      if (code === 0) tally.count("ordered pops: acknowledged");
    });
  }

  #change(out: HandedOut): void {
    const { random, nowMs } = this.#world;
    const invisibleMs = random.between(500, 10_000);
    out.heldUntilMs = Math.min(out.heldUntilMs, nowMs + invisibleMs);
    const fields = { ...fieldsOf(out.popped), invisibleTime: String(invisibleMs) };
    this.#world.ask(random.pick(poppers), 200_053, fields, ({ code }) => {
      if (code === 0) this.#world.tally.count("ordered pops: changed");
    });
  }
}

function fieldsOf({ realTopic, queueId, queueOffset, handle }: Popped): Record<string, string> {
  const fields = { consumerGroup: group, topic: realTopic, queueId: String(queueId) };
  return { ...fields, offset: String(queueOffset), extraInfo: handle };
}

function idOf(body: string): number {
  return Number(/^in order (\d+)$/.exec(body)?.[1] ?? Number.NaN);
}
