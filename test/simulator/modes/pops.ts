import { type Popped, pop, poppedOf } from "../../lib/popping.ts";
import type { Mode } from "./mode.ts";
import { type HandedOut, PopLedger } from "./pop-ledger.ts";
import type { World } from "./world.ts";

const topic = "Popped";
const queues = 2;
const group = "POPPERS";
const poppers = ["popper-a", "popper-b"];

/** Consumers that pop messages, and acknowledge them, want them for longer or shorter, or forget them. */
export class Pops implements Mode {
  readonly topics = { [topic]: queues };
  readonly #world: World;
  readonly #ledger: PopLedger;
  #inHand: HandedOut[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#ledger = new PopLedger(world.history);
    world.history.onTrouble(() => this.#ledger.trouble(world.nowMs));
  }

  operate(): void {
    const { random } = this.#world;
    const what = random.below(100);
    if (what < 35) this.#send();
    else if (what < 70) this.#pop(random.between(1_000, 20_000), random.chance(0.3) ? 3_000 : 0);
    else if (what < 85) this.#eachInHand(0.5, (out) => this.#acknowledge(out));
    else if (what < 93) this.#eachInHand(0.3, (out) => this.#change(out));
    else this.#eachInHand(0.3, () => {});
  }

  windUp(): void {
    this.#eachInHand(1, (out) => this.#acknowledge(out));
    this.#pop(20_000, 0);
  }

  async audit(): Promise<void> {
    this.#ledger.audit();
  }

  #send(): void {
    const { random } = this.#world;
    const { id, acked } = this.#ledger.send();
    const given = { properties: { UNIQ_KEY: `POP${id}` }, queueId: random.below(queues) };
    this.#world.answered(this.#world.client("producer").trySend(topic, `popped ${id}`, given), ({ code }) => {
      if (code === 0) acked();
    });
  }

  #pop(invisibleMs: number, pollMs: number): void {
    const { random, tally, nowMs } = this.#world;
    const given = { max: random.pick([1, 4, 32]), invisibleMs, pollMs, bornMs: nowMs };
    const asked = pop(this.#world.client(random.pick(poppers)), group, topic, given);
    this.#world.answered(asked, (answer) => {
      if (answer.code !== 0) return;
      const popTimeMs = Number(answer.fields["popTime"]);
      for (const popped of poppedOf(group, answer)) {
        tally.count(popped.reconsumeTimes === 0 ? "pops: handed out" : "pops: handed out again");
        this.#inHand.push(this.#ledger.handedOut(popped, popTimeMs, Number(answer.fields["invisibleTime"])));
      }
    });
  }

  #eachInHand(share: number, act: (out: HandedOut) => void): void {
    const { random, history } = this.#world;
    const kept: HandedOut[] = [];
    for (const out of this.#inHand.splice(0)) {
      // Where it stood another message may be by now, and is what its consumer would tell of, as with Apache.
      if (!history.stands(out.at)) continue;
      if (random.chance(share)) act(out);
      else kept.push(out);
    }
    this.#inHand.push(...kept);
  }

  #acknowledge(out: HandedOut): void {
    const { random, tally } = this.#world;
    this.#ledger.asksForConsumed(out);
    this.#world.ask(random.pick(poppers), 200_051, fieldsOf(out.popped), ({ code }) => {
      if (code !== 0) return;
      tally.count("pops: acknowledged");
      this.#ledger.consumed(out, this.#world.nowMs);
    });
  }

  #change(out: HandedOut): void {
    const { random, tally, nowMs } = this.#world;
    const invisibleMs = random.between(500, 20_000);
    const answered = this.#ledger.asksForOther(out, nowMs, invisibleMs);
    const fields = { ...fieldsOf(out.popped), invisibleTime: String(invisibleMs) };
    this.#world.ask(random.pick(poppers), 200_053, fields, (answer) => {
      if (answer.code !== 0) {
        answered(undefined);
        return;
      }
      tally.count("pops: changed");
      const { popTime, invisibleTime, reviveQid } = answer.fields;
      const [, , , , ...rest] = out.popped.handle.split(" ");
      const handle = [out.popped.queueOffset, popTime, invisibleTime, reviveQid, ...rest].join(" ");
      answered({
        popped: { ...out.popped, handle },
        ...{ popTimeMs: Number(popTime), invisibleMs: Number(invisibleTime), nowMs: this.#world.nowMs },
      });
      this.#inHand.push(out);
    });
  }
}

function fieldsOf({ realTopic, queueId, queueOffset, handle }: Popped): Record<string, string> {
  const fields = { consumerGroup: group, topic: realTopic, queueId: String(queueId) };
  return { ...fields, offset: String(queueOffset), extraInfo: handle };
}
