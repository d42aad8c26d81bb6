import { serverBudget } from "../../../src/limits.ts";
import { silentTelemetry } from "../../../src/ports/telemetry.ts";
import { defaultStoreOptions, type StoreOptions } from "../../../src/store/options.ts";
import { type BrokerOptions, type RunningBroker, startBroker } from "../../../src/wasmq.ts";
import { type Answer, messagesOf, type PulledMessage, RemotingClient } from "../../lib/remoting-client.ts";
import { AtomicDisk, type Disk, PagedDisk } from "../disk.ts";
import { Failures } from "../failures.ts";
import { Loop } from "../loop.ts";
import { VirtualLine } from "../network.ts";
import { entropyOf, VirtualClock, VirtualScheduler } from "../ports.ts";
import { Random } from "../random.ts";
import { type Fault, type Pace, SimulatedStorage } from "../storage.ts";
import type { RunOptions } from "../store-run.ts";
import type { Tally } from "../tally.ts";
import { Violation } from "../violation.ts";
import { type EndOfLife, History } from "./history.ts";

interface Life {
  readonly storage: SimulatedStorage;
  readonly scheduler: VirtualScheduler;
  readonly broker: RunningBroker;
}

interface Line {
  readonly client: RemotingClient;
  readonly line: VirtualLine;
}

const queueReadAtOnce = 32;

/** One broker on a disk, life after life, and clients that have a line to it each while it lives. */
export class World {
  readonly random: Random;
  readonly tally: Tally;
  readonly loop = new Loop();
  readonly history: History;
  readonly #given: RunOptions;
  readonly #clock: VirtualClock;
  readonly #pace: Pace;
  readonly #disk: Disk;
  readonly #options: StoreOptions;
  readonly #rules: NonNullable<BrokerOptions["rules"]>;
  readonly #messageDelayLevel: string;
  readonly #failures: Failures;
  readonly #hasFailures: boolean;
  /** Chance that belongs to failures alone. */
  readonly #failing: Random;
  #life!: Life;
  readonly #lines = new Map<string, Line>();
  #linesOpened = 0;
  readonly #greetings = new Map<string, (client: RemotingClient) => Promise<unknown>>();
  #unanswered = 0;
  #violation: unknown;

  constructor(
    given: RunOptions,
    { rules, messageDelayLevel }: { rules: NonNullable<BrokerOptions["rules"]>; messageDelayLevel: string },
  ) {
    this.#given = given;
    this.tally = given.tally;
    const random = new Random(given.seed);
    this.random = random;
    this.#rules = rules;
    this.#messageDelayLevel = messageDelayLevel;
    this.#failures = new Failures(given.fault, given.tally);
    this.#failing = new Random(given.seed ^ 0x0fa17);
    this.#hasFailures = this.#failing.chance(0.4);
    this.#clock = new VirtualClock(this.loop);
    this.#pace = random.pick<Pace>(["at once", "syncs wait", "all waits"]);
    this.#disk = random.chance(0.5) ? new AtomicDisk() : new PagedDisk();
    this.#options = {
      ...defaultStoreOptions,
      mappedFileSizeCommitLog: random.pick([16_384, 65_536]),
      mappedFileSizeConsumeQueue: 20 * random.pick([50, 500]),
      flushDiskType: random.chance(0.6) ? "SYNC_FLUSH" : "ASYNC_FLUSH",
      logWindowBytes: 4_096,
      logWindows: 4,
      maxHashSlotNum: 100,
      maxIndexNum: random.pick([150, 1_000]),
    };
    this.history = new History(this.#options.flushDiskType === "SYNC_FLUSH");
  }

  /** Wall-clock milliseconds; it never jumps here. */
  get nowMs(): number {
    return this.#clock.now();
  }

  /** What the seed made of it. */
  get description(): string {
    return `${this.#options.flushDiskType}, ${this.#disk.isAtomic ? "atomic disk" : "paged disk"}, ${this.#pace}`;
  }

  /** Something is wrong: the run ends. */
  found(violation: unknown): void {
    this.#violation ??= violation;
  }

  /** Throws what was found meanwhile. */
  check(): void {
    if (this.#violation !== undefined) throw this.#violation;
  }

  // --- clients ---

  /** What a client says whenever it has a new line: a heartbeat. */
  greets(name: string, greet: (client: RemotingClient) => Promise<unknown>): void {
    this.#greetings.set(name, greet);
  }

  client(name: string): RemotingClient {
    const known = this.#lines.get(name);
    if (known?.line.isOpen) return known.client;
    const port = ++this.#linesOpened;
    let line!: VirtualLine;
    const client = new RemotingClient((events) => {
      line = new VirtualLine(this.loop, this.random.fork(), events, { port, isCut: !this.#disk.isAtomic });
      line.takenBy(this.#life.broker);
      return line.wire;
    });
    this.#lines.set(name, { client, line });
    this.#greet(name, client);
    return client;
  }

  /** A client goes away, without a word. */
  leave(name: string): void {
    this.#lines.get(name)?.line.close();
    this.#lines.delete(name);
  }

  /** Each client that has a line says again that it is there. */
  heartbeat(): void {
    for (const [name, { client }] of this.#lines) this.#greet(name, client);
  }

  #greet(name: string, client: RemotingClient): void {
    const greeted = this.#greetings.get(name)?.(client);
    if (greeted === undefined) return;
    this.#unanswered++;
    const over = (): void => void this.#unanswered--;
    // One that is refused, or cut off, is said again later.
    greeted.then(over, over);
  }

  /** Asks the broker; `then` is told the answer, or that the line was cut before it came (`connectionClosed`). */
  ask(name: string, code: number, fields: object, then: (answer: Answer) => void, body?: Uint8Array | object): void {
    this.answered(this.client(name).request(code, fields, body), then);
  }

  answered(asked: Promise<Answer>, then: (answer: Answer) => void): void {
    this.#unanswered++;
    asked
      .then((answer) => {
        this.#unanswered--;
        then(answer);
      })
      .catch((error) => this.found(error));
  }

  /** All messages of a queue, from its first to its last. */
  async readAll(topic: string, queueId = 0): Promise<PulledMessage[]> {
    const messages: PulledMessage[] = [];
    for (let offset = 0; ; ) {
      const pull = this.client("auditor").pull("AUDIT", topic, queueId, offset, {
        subscription: "*",
        maxMessages: queueReadAtOnce,
      });
      const answer = await this.loop.outcome(pull);
      // Nothing at the end; a topic that there is not, or that never got a message.
      if (answer.code === 19 || answer.code === 17) return messages;
      if (answer.code !== 0 && answer.code !== 20 && answer.code !== 21) {
        throw new Violation("refused", `a pull of ${topic}/${queueId} is answered ${answer.code}: ${answer.remark}`);
      }
      if (answer.code === 0) messages.push(...messagesOf(answer));
      const next = Number(answer.fields["nextBeginOffset"]);
      if (next <= offset) return messages;
      offset = next;
    }
  }

  // --- lives ---

  /** The first start, and topics. */
  async begin(topics: Readonly<Record<string, number>>): Promise<void> {
    await this.#start();
    for (const [topic, queues] of Object.entries(topics)) {
      const given = { topic, defaultTopic: "TBW102", readQueueNums: queues, writeQueueNums: queues, perm: 6 };
      const more = { topicFilterType: "SINGLE_TAG", topicSysFlag: 0, order: "false" };
      const { code, remark } = await this.loop.outcome(this.client("admin").request(17, { ...given, ...more }));
      if (code !== 0) throw new Error(`the topic ${topic} is answered ${code}: ${remark}`);
    }
  }

  /** Fails the storage's next operations, or ends a life, by chance. */
  async trouble(): Promise<void> {
    if (this.#hasFailures && this.#failing.chance(0.02)) this.#failures.arm(this.#failing);
    // A storage that has failed for good takes nothing until somebody starts the broker again.
    if (this.#failures.failed.has("EIO") && this.random.chance(0.1)) return this.restart("process");
    if (!this.random.chance(0.02)) return;
    await this.restart(this.random.pick<EndOfLife>(["stop", "eviction", "process", "process", "power", "power"]));
  }

  /** From here on nothing fails. */
  async calm(): Promise<void> {
    this.#failures.disarm();
    if (this.#failures.failed.has("EIO")) await this.restart("process");
  }

  async restart(how: EndOfLife): Promise<void> {
    if (how === "eviction") {
      // What waits for an answer keeps a broker in memory.
      if (!this.#disk.isAtomic || this.#unanswered > 0 || this.#life.storage.readsUnderWay > 0) return;
      this.#die(how);
      for (const { line } of this.#lines.values()) line.forgotten();
      await this.#start();
      for (const { line } of this.#lines.values()) line.takenBy(this.#life.broker);
      return;
    }
    if (how === "stop") await this.#stop();
    else this.#die(how);
    for (const { line } of this.#lines.values()) line.drop();
    this.#lines.clear();
    await this.loop.run(1);
    await this.#start();
  }

  async end(): Promise<void> {
    if (this.#unanswered > 0) throw new Violation("not-answered", `${this.#unanswered} requests have no answer`);
    for (const [name, { client }] of this.#lines) {
      if (client.unasked.length > 0) throw new Violation("answered-twice", `${name} has an answer to nothing`);
    }
    await this.#stop();
  }

  async #start(): Promise<void> {
    this.#failures.failed = new Set();
    while (!(await this.#starts())) {
      this.tally.count("start fails");
      this.history.ended("process");
      this.#failures.failed = new Set();
    }
    this.history.life++;
  }

  /** False where its storage has failed. */
  async #starts(): Promise<boolean> {
    const { coreModule, Storage = SimulatedStorage } = this.#given;
    const random = this.random.fork();
    const clock = this.#clock;
    const storage = new Storage({
      disk: this.#disk,
      loop: this.loop,
      pace: this.#pace,
      now: () => clock.now(),
      random: random.fork(),
      hooks: { fault: (operation) => this.#fault(this.#failures.next(operation)) },
      tally: this.tally,
    });
    const scheduler = new VirtualScheduler(this.loop, clock, random.fork(), this.tally);
    const ports = { storage, clock, scheduler, entropy: entropyOf(random), telemetry: silentTelemetry, coreModule };
    const { budget, tagsCodeOf, ...askedStore } = this.#options;
    try {
      const broker = await this.loop.outcome(
        startBroker(ports, {
          brokerName: "broker-a",
          clusterName: "DefaultCluster",
          storeHost: { address: "127.0.0.1", port: 10911 },
          brokerAddress: () => "127.0.0.1:10911",
          askedStore,
          budget: { ...serverBudget, ...budget },
          messageDelayLevel: this.#messageDelayLevel,
          rules: this.#rules,
        }),
      );
      this.#life = { storage, scheduler, broker };
      return true;
    } catch (error) {
      storage.isDead = true;
      scheduler.isDead = true;
      if (this.#failures.failed.size > 0) return false;
      throw new Violation("refused", `the broker can't be started: ${(error as Error).stack}`);
    }
  }

  async #stop(): Promise<void> {
    try {
      await this.loop.outcome(this.#life.broker.stop());
    } catch (error) {
      if (this.#failures.failed.size === 0) throw error;
    }
    // Of a stop that failed something may be left as a crash leaves it.
    this.#die(this.#failures.failed.size > 0 ? "process" : "stop");
  }

  #die(how: EndOfLife): void {
    this.tally.count(`run: ${how}`);
    this.#life.storage.isDead = true;
    this.#life.scheduler.isDead = true;
    if (how === "power") this.tally.count(`run: power: ${this.#disk.losePower(this.random)}`);
    this.history.ended(how);
  }

  #fault(fault: Fault | undefined): Fault | undefined {
    if (fault !== undefined) this.history.failed();
    return fault;
  }
}
