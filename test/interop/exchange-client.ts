import type { AcceptedLine, DeliveredLine, JavaClients, JavaProgram, LineOf } from "./java-client.ts";

const waitMs = 60_000;

/** Exchange.java: a client that stays while brokers come and go. */
export class ExchangeClient {
  readonly #program: JavaProgram;
  readonly #deliveries = new Map<string, Deliveries>();
  #seen = 0;

  constructor(clients: JavaClients, namesrv: string) {
    this.#program = clients.start(namesrv, "Exchange", {});
  }

  async send(kind: string, topic: string, prefix: string, count: number): Promise<void> {
    await this.#tell(`send ${kind} ${topic} ${prefix} ${count}`);
  }

  get accepted(): AcceptedLine[] {
    return this.#program.all("accepted");
  }

  /** From then on a transaction that was left without an end is committed when a broker asks. */
  async decide(): Promise<void> {
    await this.#tell("decide");
  }

  /** Sends under `work` without end; the names of what was acknowledged meanwhile. */
  async load(
    topic: string,
    prefix: string,
    threads: number,
    work: (acked: number) => Promise<void>,
  ): Promise<string[]> {
    const before = this.#program.counts.acked;
    await this.#tell(`load ${topic} ${prefix} ${threads}`);
    await work(before);
    await this.#tell("unload");
    return this.#program.all("acked").flatMap(({ keys }) => (keys.startsWith(prefix) ? keys : []));
  }

  async untilAcked(count: number): Promise<void> {
    await this.#program.until(() => this.#program.counts.acked >= count, `${count} acked messages`, waitMs);
  }

  async consume(consumer: string, topic: string, group: string, retried = ""): Promise<void> {
    await this.#tell(`consume ${consumer} ${topic} ${group} ${retried}`);
  }

  /** What a consumer was given so far. */
  deliveries(consumer: string): Deliveries {
    for (; this.#seen < this.#program.lines.length; this.#seen++) {
      const line = this.#program.lines[this.#seen]!;
      if (line.event === "delivered") this.#of(line.consumer).add(line);
    }
    return this.#of(consumer);
  }

  async until(holds: () => boolean, what: () => string): Promise<void> {
    await this.#program.until(holds, "it", waitMs).catch((error: Error) => {
      throw new Error(`${what()}\n${error.message}`);
    });
  }

  /** A clean end; the offsets that the broker holds then, by queue. */
  async leave(consumer: string): Promise<ReadonlyMap<number, number>> {
    await this.#tell(`leave ${consumer}`);
    const line = this.#program.all("committed").find((one) => one.consumer === consumer);
    if (line === undefined) throw new Error(`${consumer} could not commit\n${this.#program.child.lastLines()}`);
    return new Map(Object.entries(line.offsets).map(([queue, offset]) => [Number(queue), offset]));
  }

  async quit(consumer: string): Promise<void> {
    await this.#tell(`quit ${consumer}`);
  }

  async positions(topic: string, group: string): Promise<LineOf<"position">[]> {
    return (await this.#tell(`positions ${topic} ${group}`))
      .filter((line) => line.event === "position")
      .filter((line) => line.topic === topic && line.group === group);
  }

  async view(topic: string, ids: readonly string[]): Promise<LineOf<"viewed">[]> {
    return (await this.#tell(`view ${topic} ${ids.join(",")}`)).filter((line) => line.event === "viewed");
  }

  /** The messages that a query by each of the keys finds. */
  async query(topic: string, keys: readonly string[]): Promise<LineOf<"answer">[]> {
    return (await this.#tell(`query ${topic} ${keys.join(",")}`)).filter((line) => line.event === "answer");
  }

  async close(): Promise<void> {
    await this.#program.stop();
  }

  /** What was printed meanwhile, by this command and others. */
  async #tell(command: string): Promise<JavaProgram["lines"]> {
    const from = this.#program.lines.length;
    await this.#program.tell(command);
    const lines = this.#program.lines.slice(from);
    const failed = lines.find((line) => line.event === "failed" && line.command === command.trim());
    if (failed !== undefined) throw new Error(JSON.stringify(failed));
    return lines;
  }

  #of(consumer: string): Deliveries {
    let deliveries = this.#deliveries.get(consumer);
    if (deliveries === undefined) {
      deliveries = new Deliveries();
      this.#deliveries.set(consumer, deliveries);
    }
    return deliveries;
  }
}

/** What one consumer was given. */
export class Deliveries {
  /** In order of their coming, each place of a queue once; what came by the retry topic is apart. */
  readonly lines: DeliveredLine[] = [];
  readonly again: DeliveredLine[] = [];
  readonly #offsets = new Map<number, Set<number>>();

  add(line: DeliveredLine): void {
    if (line.reconsumeTimes > 0) {
      this.again.push(line);
      return;
    }
    const offsets = this.#offsets.get(line.queueId) ?? new Set();
    if (offsets.has(line.queueOffset)) return;
    this.#offsets.set(line.queueId, offsets.add(line.queueOffset));
    this.lines.push(line);
  }

  /** The offsets of [from, to) of a queue that it was not given. */
  missing(queueId: number, from: number, to: number): number[] {
    const offsets = this.#offsets.get(queueId) ?? new Set();
    const all = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
    return all.filter((offset) => !offsets.has(offset));
  }

  /** The first and the last offset of a queue that it was given; undefined for none. */
  range(queueId: number): { readonly first: number; readonly last: number } | undefined {
    const offsets = [...(this.#offsets.get(queueId) ?? [])];
    return offsets.length === 0 ? undefined : { first: min(offsets), last: max(offsets) };
  }

  get queues(): number[] {
    return [...this.#offsets.keys()];
  }

  get names(): string[] {
    return this.lines.map(({ name }) => name);
  }
}

const min = (numbers: readonly number[]): number => numbers.reduce((a, b) => Math.min(a, b));
const max = (numbers: readonly number[]): number => numbers.reduce((a, b) => Math.max(a, b));
