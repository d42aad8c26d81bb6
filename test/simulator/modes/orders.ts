import { json, messagesOf } from "../../lib/remoting-client.ts";
import type { Mode } from "./mode.ts";
import { OrderLedger } from "./order-ledger.ts";
import type { World } from "./world.ts";

const topic = "Ordered";
const queues = 2;
const group = "ORDERLY";
const members = ["member-a", "member-b", "member-c"];

interface Queue {
  readonly queueId: number;
  /** To whom the group has given it, by its latest rebalance: others may not have heard of that. */
  owner: string;
  /** A message of it has no answer yet: the next one is sent behind it. */
  isSending: boolean;
  /** The offset that its holder goes on at, and where it knows that from. */
  progress: { readonly clientId: string; readonly life: number; readonly offset: number } | undefined;
  isBusy: boolean;
}

/** Consumers in order: queues that change hands, by rebalance or because somebody is gone, and are consumed by who holds their lock. */
export class Orders implements Mode {
  readonly topics = { [topic]: queues };
  readonly #world: World;
  readonly #ledger: OrderLedger;
  readonly #queues: Queue[];

  constructor(world: World) {
    this.#world = world;
    this.#ledger = new OrderLedger(world.history);
    this.#queues = Array.from({ length: queues }, (_, queueId) => ({
      queueId,
      owner: members[queueId]!,
      isSending: false,
      progress: undefined,
      isBusy: false,
    }));
    for (const name of members) {
      world.greets(name, (client) => client.consume(group, { [topic]: "*" }, { clientId: name }));
    }
  }

  operate(): void {
    const { random } = this.#world;
    const queue = random.pick(this.#queues);
    const what = random.below(100);
    if (what < 30) this.#send(queue);
    else if (what < 50) this.#lock(queue, random.chance(0.7) ? queue.owner : random.pick(members));
    else if (what < 90) this.#goOn(queue, random.chance(0.9) ? queue.owner : random.pick(members));
    else if (what < 96) this.#rebalance(queue);
    else this.#world.leave(random.pick(members));
  }

  windUp(): void {
    for (const queue of this.#queues) {
      this.#lock(queue, queue.owner);
      this.#goOn(queue, queue.owner);
    }
  }

  async audit(): Promise<void> {
    for (const { queueId } of this.#queues) {
      const messages = await this.#world.readAll(topic, queueId);
      this.#ledger.audit(
        queueId,
        messages.map(({ body }) => idOf(body)),
      );
    }
  }

  /** One after the other: of two under way at once, either may be first. */
  #send(queue: Queue): void {
    if (queue.isSending) return;
    queue.isSending = true;
    const { history } = this.#world;
    const ordered = this.#ledger.send(queue.queueId);
    const sent = this.#world.client("producer").trySend(topic, `ordered ${ordered.id}`, { queueId: queue.queueId });
    this.#world.answered(sent, ({ code }) => {
      queue.isSending = false;
      if (code === 0) ordered.ackedAt = history.moment();
    });
  }

  #lock(queue: Queue, clientId: string): void {
    const { tally, history, nowMs: askedMs } = this.#world;
    const { life } = history;
    const askedAt = history.moment();
    const body = { clientId, consumerGroup: group, mqSet: [nameOf(queue)] };
    const answered = ({ code, body }: { code: number; body: Uint8Array }): void => {
      if (code !== 0) return;
      const { lockOKMQSet } = json({ body } as never) as { lockOKMQSet: unknown[] };
      tally.count(lockOKMQSet.length > 0 ? "order: locks" : "order: locks that another one has");
      if (lockOKMQSet.length === 0) return;
      this.#ledger.locked(queue.queueId, clientId, { life, askedAt, askedMs, nowMs: this.#world.nowMs });
    };
    this.#world.ask(clientId, 41, {}, answered, body);
  }

  #rebalance(queue: Queue): void {
    const { random, tally } = this.#world;
    tally.count("order: rebalances");
    const before = queue.owner;
    queue.owner = random.pick(members);
    // Who loses a queue gives its lock back, if it hears of that.
    if (before === queue.owner || random.chance(0.3)) return;
    this.#ledger.unlocks(queue.queueId, before);
    this.#world.ask(before, 42, {}, () => {}, { clientId: before, consumerGroup: group, mqSet: [nameOf(queue)] });
  }

  /** A holder asks where the group is, and consumes from there on; each batch that it has done it commits. */
  #goOn(queue: Queue, clientId: string): void {
    const { history, nowMs } = this.#world;
    const { life } = history;
    const holds = (): boolean => this.#ledger.holds(queue.queueId, clientId, life, this.#world.nowMs);
    if (queue.isBusy || !this.#ledger.holds(queue.queueId, clientId, life, nowMs)) return;
    queue.isBusy = true;
    const { progress, queueId } = queue;
    if (progress?.clientId !== clientId || progress.life !== life) {
      const fields = { consumerGroup: group, topic, queueId: String(queueId) };
      this.#world.ask(clientId, 14, fields, ({ code, fields }) => {
        queue.isBusy = false;
        // 22: the group has no offset yet.
        if (code === 0 || code === 22) queue.progress = { clientId, life, offset: Number(fields["offset"] ?? 0) };
      });
      return;
    }
    const { offset } = progress;
    const pull = this.#world
      .client(clientId)
      .pull(group, topic, queueId, offset, { subscription: "*", maxMessages: 4 });
    this.#world.answered(pull, (answer) => {
      queue.isBusy = false;
      if (queue.progress !== progress || !holds() || answer.fields["nextBeginOffset"] === undefined) return;
      const next = Number(answer.fields["nextBeginOffset"]);
      queue.progress = { clientId, life, offset: next };
      if (answer.code !== 0) return;
      for (const { body } of messagesOf(answer)) this.#ledger.consumed(idOf(body), queueId);
      this.#world.tally.count("order: batches consumed");
      const fields = { consumerGroup: group, topic, queueId: String(queueId), commitOffset: String(next) };
      this.#world.ask(clientId, 15, fields, () => {});
    });
  }
}

function nameOf({ queueId }: Queue): object {
  return { brokerName: "broker-a", queueId, topic };
}

function idOf(body: string): number {
  return Number(/^ordered (\d+)$/.exec(body)?.[1] ?? Number.NaN);
}
