import { messagesOf, type PulledMessage } from "../../lib/remoting-client.ts";
import { DelayLedger } from "./delay-ledger.ts";
import type { Mode } from "./mode.ts";
import type { World } from "./world.ts";

const topic = "Delayed";
const queues = 2;
const secondsMax = 30;

/** The store's syncFlushTimeout: a recall that takes so long is answered before it is on the medium. */
const syncTimeOutMs = 5_000;

/** Producers of messages that come later, some of which they take back; one consumer that looks at what there is. */
export class Delays implements Mode {
  readonly topics = { [topic]: queues };
  readonly #world: World;
  readonly #ledger: DelayLedger;
  /** By level, from 1. */
  readonly #levelsMs: readonly number[];

  constructor(world: World, levelsMs: readonly number[]) {
    this.#world = world;
    this.#levelsMs = levelsMs;
    this.#ledger = new DelayLedger(world.history);
  }

  operate(): void {
    const { random } = this.#world;
    const what = random.below(100);
    if (what < 50) this.#send();
    else if (what < 70) this.#recall();
    else this.#look();
  }

  windUp(): void {}

  async audit(): Promise<void> {
    const visible: PulledMessage[] = [];
    for (let queueId = 0; queueId < queues; queueId++) visible.push(...(await this.#world.readAll(topic, queueId)));
    this.#world.tally.count("delays: delivered", visible.length);
    this.#ledger.audit(visible, this.#world.nowMs);
  }

  #send(): void {
    const { random, tally, history, nowMs } = this.#world;
    const sort = random.pick(["DELAY", "TIMER_DELAY_SEC", "TIMER_DELAY_MS", "TIMER_DELIVER_MS"] as const);
    const seconds = random.between(1, sort === "DELAY" ? this.#levelsMs.length : secondsMax);
    const ms = random.between(1, secondsMax * 1_000);
    const [value, delayMs] = {
      DELAY: [seconds, this.#levelsMs[seconds - 1]!] as const,
      TIMER_DELAY_SEC: [seconds, seconds * 1_000] as const,
      TIMER_DELAY_MS: [ms, ms] as const,
      TIMER_DELIVER_MS: [nowMs + ms, ms] as const,
    }[sort];
    const delayed = this.#ledger.send(random.below(queues), nowMs + delayMs);
    tally.count(`delays: sent by ${sort}`);
    const given = {
      properties: { UNIQ_KEY: `DELAYED${delayed.id}`, [sort]: String(value) },
      queueId: delayed.queueId,
    };
    const sent = this.#world.client("delayer").trySend(topic, `delayed ${delayed.id}`, given);
    this.#world.answered(sent, ({ code, fields }) => {
      if (code !== 0) return;
      delayed.ackedAt = history.moment();
      delayed.ackedMs = this.#world.nowMs;
      delayed.recallHandle = fields["recallHandle"];
    });
  }

  #recall(): void {
    const { random, tally, nowMs } = this.#world;
    const waiting = this.#ledger.all.filter(
      ({ recallHandle, isRecallAsked, dueMs }) => recallHandle !== undefined && !isRecallAsked && dueMs > nowMs,
    );
    if (waiting.length === 0) return;
    const delayed = random.pick(waiting);
    delayed.isRecallAsked = true;
    tally.count("delays: recalls");
    const fields = { producerGroup: "Delayers", topic, recallHandle: delayed.recallHandle };
    this.#world.ask("delayer", 370, fields, ({ code }) => {
      if (code !== 0) return;
      tally.count("delays: recalled");
      this.#ledger.recalled(delayed, this.#world.nowMs, this.#world.nowMs - nowMs, syncTimeOutMs);
    });
  }

  #look(): void {
    const { random, nowMs } = this.#world;
    const due = this.#ledger.all.filter(({ dueMs }) => dueMs < nowMs).length / (2 * queues);
    const offset = random.chance(0.5) ? Math.floor(due * random.next()) : 0;
    const pull = this.#world.client("reader").pull("READERS", topic, random.below(queues), offset, {
      subscription: "*",
    });
    this.#world.answered(pull, (answer) => {
      if (answer.code === 0) for (const message of messagesOf(answer)) this.#ledger.seen(message, this.#world.nowMs);
    });
  }
}
