import { type Answer, messagesOf } from "../../lib/remoting-client.ts";
import type { Mode } from "./mode.ts";
import { type Half, type Transaction, TransactionLedger } from "./transaction-ledger.ts";
import type { World } from "./world.ts";

const topic = "Transacted";
const queues = 2;
const group = "TransactionProducers";
const givenUpTopic = "TRANS_CHECK_MAX_TIME_TOPIC";
const codeOf = { commit: 8, rollback: 12, unknown: 0 };

export const transactionTimeOutMs = 2_000;
export const transactionCheckIntervalMs = 4_000;

/** Producers that end their transactions by themselves, when they are asked, or never; one consumer that looks at what there is. */
export class Transactions implements Mode {
  readonly topics = { [topic]: queues };
  readonly #world: World;
  readonly #ledger: TransactionLedger;

  constructor(world: World, checkMax: number) {
    this.#world = world;
    this.#ledger = new TransactionLedger(world.history, { checkMax, timeOutMs: transactionTimeOutMs });
    for (const name of producers) world.greets(name, (client) => client.produce([group], name));
  }

  operate(): void {
    const { random } = this.#world;
    this.#answerQuestions(0.3);
    const what = random.below(100);
    if (what < 40) this.#begin();
    else if (what < 75) this.#decide();
    else this.#look();
  }

  windUp(): void {
    this.#answerQuestions(1);
    // Somebody has to be there to be asked.
    for (const name of producers) this.#world.client(name);
  }

  async audit(): Promise<void> {
    const visible: number[] = [];
    for (let queueId = 0; queueId < queues; queueId++) {
      for (const { body } of await this.#world.readAll(topic, queueId)) visible.push(idOf(body));
    }
    const putAside = new Map<number, number>();
    for (const { body, properties } of await this.#world.readAll(givenUpTopic)) {
      putAside.set(idOf(body), Number(properties["TRANSACTION_CHECK_TIMES"]));
    }
    this.#world.tally.count("transactions: given up", putAside.size);
    this.#world.tally.count("transactions: committed and seen", new Set(visible).size);
    this.#ledger.audit(visible, putAside);
  }

  #begin(): void {
    const { random, tally, history } = this.#world;
    const transaction = this.#ledger.begin(this.#world.nowMs, random.chance(0.08));
    tally.count("transactions: begun");
    const properties = { TRAN_MSG: "true", PGROUP: group, UNIQ_KEY: `TX${transaction.id}` };
    const given = { properties, queueId: random.below(queues), sysFlag: 4, bornTimestamp: transaction.bornMs };
    const body = `transaction ${transaction.id}`;
    this.#world.answered(this.#world.client(random.pick(producers)).trySend(topic, body, given), (answer) => {
      if (answer.code !== 0) return;
      transaction.halfAckedAt = history.moment();
      const physicalOffset = Number.parseInt(answer.fields["msgId"]!.slice(16), 16);
      transaction.half = { queueOffset: Number(answer.fields["queueOffset"]), physicalOffset };
    });
  }

  /** A producer says by itself how one ends, or says again what it had said. */
  #decide(): void {
    const { random, history } = this.#world;
    // Where one was lost another may stand by now, and would be ended in its place, as with Apache.
    const open = this.#ledger.all
      .filter(({ half, isLeft, halfAckedAt }) => half !== undefined && !isLeft && history.stands(halfAckedAt))
      .slice(-20);
    if (open.length === 0) return;
    const transaction = random.pick(open);
    transaction.decision ??= random.chance(0.6) ? "commit" : "rollback";
    this.#end(random.pick(producers), transaction, transaction.half!, false);
  }

  #answerQuestions(decides: number): void {
    const { random, tally, nowMs } = this.#world;
    const questions = producers.flatMap((name) =>
      this.#world
        .client(name)
        .notifications.splice(0)
        .filter(({ code }) => code === 39)
        .map((question) => ({ name, half: halfOf(question), message: messagesOf(question)[0]! })),
    );
    // As they were asked: the later one is about the later copy.
    questions.sort((a, b) => a.half.queueOffset - b.half.queueOffset);
    for (const { name, half, message } of questions) {
      const times = Number(message.properties["TRANSACTION_CHECK_TIMES"]);
      const transaction = this.#ledger.questioned(idOf(message.body), times, nowMs);
      tally.count("transactions: questions");
      if (!transaction.isLeft && random.chance(decides)) {
        transaction.decision ??= random.chance(0.6) ? "commit" : "rollback";
      }
      this.#end(name, transaction, half, true);
    }
  }

  #end(name: string, transaction: Transaction, half: Half, isAnswer: boolean): void {
    const { random, tally, history } = this.#world;
    const { decision } = transaction;
    if (decision !== undefined) this.#ledger.told(transaction);
    tally.count(`transactions: told ${decision ?? "unknown"}`);
    const fields = {
      producerGroup: group,
      tranStateTableOffset: String(half.queueOffset),
      commitLogOffset: String(half.physicalOffset),
      commitOrRollback: String(codeOf[decision ?? "unknown"]),
      fromTransactionCheck: String(isAnswer),
      msgId: `TX${transaction.id}`,
    };
    // As clients do; those that ask for an answer learn more.
    if (random.chance(0.3)) {
      this.#world.client(name).oneway(37, fields);
      return;
    }
    this.#world.ask(name, 37, fields, ({ code }) => {
      if (code === 0 && decision !== undefined) {
        transaction.endAckedAt = Math.min(transaction.endAckedAt, history.moment());
      }
    });
  }

  #look(): void {
    const { random } = this.#world;
    const pull = this.#world.client("reader").pull("READERS", topic, random.below(queues), this.#from(), {
      subscription: "*",
    });
    this.#world.answered(pull, (answer) => {
      if (answer.code === 0) for (const { body } of messagesOf(answer)) this.#ledger.seen(idOf(body));
    });
  }

  /** Often near the end, where something new is. */
  #from(): number {
    const { random } = this.#world;
    const sent = this.#ledger.all.length / (2 * queues);
    return Math.floor(random.chance(0.5) ? sent * random.next() : 0);
  }
}

const producers = ["producer-a", "producer-b"];

function halfOf({ fields }: Answer): Half {
  return { queueOffset: Number(fields["tranStateTableOffset"]), physicalOffset: Number(fields["commitLogOffset"]) };
}

function idOf(body: string): number {
  return Number(/^transaction (\d+)$/.exec(body)?.[1] ?? Number.NaN);
}
