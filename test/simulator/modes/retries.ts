import { messagesOf, type PulledMessage } from "../../lib/remoting-client.ts";
import type { Mode } from "./mode.ts";
import { RetryLedger } from "./retry-ledger.ts";
import type { World } from "./world.ts";

const topic = "Tried";
const group = "TRIERS";
const retryTopic = `%RETRY%${group}`;
const deadTopic = `%DLQ%${group}`;
const consumer = "trier";

/** What is sent back comes again before the end: the longest level, and what may be late. */
const lastTryMs = 60_000;

/** A consumer that takes some messages, and sends others back, again and again. */
export class Retries implements Mode {
  readonly topics = { [topic]: 1 };
  readonly #world: World;
  readonly #ledger: RetryLedger;
  readonly #triesMax: number;
  /** Where it reads on. */
  readonly #offsets = new Map<string, number>();
  /** In which life of the broker. */
  #life = 0;
  /** Topics that a pull is under way of. */
  readonly #pulling = new Set<string>();
  /** Given back once, each: of a message that comes twice, the second one is let go. */
  readonly #handled = new Set<string>();
  /** Of the time to end things in. */
  #leftMs = Number.POSITIVE_INFINITY;

  /** `triesMax`: as consumers ask for, or 16, which is a group's, where they ask for nothing. */
  constructor(world: World, triesMax: number, levelsMs: readonly number[]) {
    this.#world = world;
    this.#triesMax = triesMax;
    this.#ledger = new RetryLedger(world.history, { triesMax, levelsMs });
    world.greets(consumer, (client) => client.consume(group, { [topic]: "*", [retryTopic]: "*" }));
  }

  operate(): void {
    if (this.#world.random.chance(0.35)) this.#send();
    this.#pull(this.#world.random.chance(0.4) ? topic : retryTopic);
  }

  windUp(leftMs: number): void {
    this.#leftMs = leftMs;
    this.#pull(topic);
    this.#pull(retryTopic);
  }

  async audit(): Promise<void> {
    const found = {
      topic: await this.#world.readAll(topic),
      retry: await this.#world.readAll(retryTopic),
      dead: await this.#world.readAll(deadTopic),
    };
    this.#world.tally.count("retries: tried again", found.retry.length);
    this.#world.tally.count("retries: dead letters", found.dead.length);
    this.#ledger.audit(found, this.#world.nowMs);
  }

  #send(): void {
    const { id, acked } = this.#ledger.send();
    const sent = this.#world.client("producer").trySend(topic, `tried ${id}`, { properties: { UNIQ_KEY: `TRY${id}` } });
    this.#world.answered(sent, ({ code }) => {
      if (code === 0) acked();
    });
  }

  #pull(from: string): void {
    const { random, history } = this.#world;
    if (this.#life !== history.life) {
      // Somebody else goes on from where the group was known to be; that may be a while ago, and of a queue that is shorter by now.
      this.#life = history.life;
      this.#pulling.clear();
      for (const [queue, offset] of this.#offsets) this.#offsets.set(queue, Math.max(0, offset - random.below(4)));
    }
    if (this.#pulling.has(from)) return;
    this.#pulling.add(from);
    const { life } = history;
    const offset = this.#offsets.get(from) ?? 0;
    const pull = this.#world.client(consumer).pull(group, from, 0, offset, { subscription: "*", maxMessages: 8 });
    this.#world.answered(pull, (answer) => {
      if (life !== this.#life) return;
      this.#pulling.delete(from);
      const next = answer.fields["nextBeginOffset"];
      if (next !== undefined) this.#offsets.set(from, Number(next));
      if (answer.code !== 0) return;
      for (const message of messagesOf(answer)) {
        this.#ledger.seen(message, from === topic ? "topic" : "retry", this.#world.nowMs);
        this.#handle(message);
      }
    });
  }

  #handle(message: PulledMessage): void {
    const { random, tally, history } = this.#world;
    const key = `${message.body} ${message.reconsumeTimes} ${message.physicalOffset}`;
    // Those that nobody can take go all the way.
    const isHopeless = Number(message.body.slice(message.body.indexOf(" "))) % 10 === 0;
    if (this.#handled.has(key) || this.#leftMs < lastTryMs) return;
    this.#handled.add(key);
    if (!isHopeless && (this.#leftMs < Number.POSITIVE_INFINITY || random.chance(0.4))) return;
    const delayLevel = isHopeless ? 0 : random.pick([0, 0, 0, 0, 1, 5, -1]);
    const sentBack = this.#ledger.sendBack(message, delayLevel, this.#world.nowMs);
    tally.count("retries: sent back");
    const fields = {
      ...{ group, offset: String(message.physicalOffset), delayLevel: String(delayLevel), originMsgId: "" },
      ...{ originTopic: topic, unitMode: "false" },
      ...(this.#triesMax === 16 ? {} : { maxReconsumeTimes: String(this.#triesMax) }),
    };
    this.#world.ask(consumer, 36, fields, ({ code }) => {
      if (code === 0) sentBack.ackedAt = history.moment();
      // As a client does that can't give back a message: it will get it once more.
      else this.#handled.delete(key);
    });
  }
}
