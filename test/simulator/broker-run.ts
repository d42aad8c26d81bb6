import { serverBudget } from "../../src/limits.ts";
import { silentTelemetry } from "../../src/ports/telemetry.ts";
import { encodeUtf8 } from "../../src/ports/text.ts";
import { defaultStoreOptions, type StoreOptions } from "../../src/store/options.ts";
import type { Store } from "../../src/store/store.ts";
import { type RunningBroker, startBroker } from "../../src/wasmq.ts";
import { type Answer, RemotingClient } from "../lib/remoting-client.ts";
import { batchOf, Crashes, stackOf } from "./crashes.ts";
import { AtomicDisk, type Disk, PagedDisk } from "./disk.ts";
import { Failures } from "./failures.ts";
import { type CrashKind, crashOf, Ledger, type Moment, nameOf, type Send } from "./ledger.ts";
import { Loop } from "./loop.ts";
import { VirtualLine } from "./network.ts";
import { entropyOf, VirtualClock, VirtualScheduler } from "./ports.ts";
import { Random } from "./random.ts";
import { type Fault, type Operation, type Pace, SimulatedStorage } from "./storage.ts";
import type { RunOptions } from "./store-run.ts";
import { Violation } from "./violation.ts";

/** An offset that the broker said it has taken. */
interface Commit {
  readonly queue: string;
  readonly offset: number;
  readonly atMs: number;
}

/** What is known of offsets at a moment. */
interface OffsetsKnown {
  readonly commits: readonly Commit[];
  readonly nowMs: number;
  readonly failedAtMs: number;
}

/** One life of a broker. */
interface Life {
  readonly storage: SimulatedStorage;
  readonly scheduler: VirtualScheduler;
  readonly broker: RunningBroker;
}

const topics = ["TopicA", "TopicB"];
const queuesPerTopic = 2;
const group = "group";
const delayLevels = "1s 2s 10s";
const delayMsMax = 10_000;
const flushConsumerOffsetIntervalMs = 1_000;

/**
 * Within so long what was committed is kept: the interval, a wake that is late, and a file written to a storage whose every operation may
 * take three seconds.
 */
const offsetsKeptWithinMs = flushConsumerOffsetIntervalMs + 5_000 + 30_000;

/** The whole broker, with clients on lines of the simulator: sends, pulls that wait, offsets, delays; crashes, evictions and clean stops. */
export class BrokerRun {
  readonly #given: RunOptions;
  readonly #random: Random;
  readonly #loop = new Loop();
  readonly #clock: VirtualClock;
  readonly #ledger: Ledger;
  readonly #options: StoreOptions;
  readonly #pace: Pace;
  readonly #disk: Disk;
  readonly #crashes: Crashes<OffsetsKnown>;
  #life!: Life;
  #line!: VirtualLine;
  #client!: RemotingClient;
  #lines = 0;
  /** Requests but pulls that have no answer. */
  #unanswered = 0;
  #heldPulls = 0;
  /** What is delayed and was delivered when this life began: it stands by itself, whatever a loss of power took of where it was parked. */
  #delivered: ReadonlySet<Send> = new Set();
  readonly #commits: Commit[] = [];
  #violation: unknown;
  readonly #failures: Failures;
  readonly #hasFailures: boolean;
  /** Chance that belongs to failures alone. */
  readonly #failing: Random;
  /** When an operation of the storage has failed last. */
  #failedAtMs = Number.NEGATIVE_INFINITY;

  constructor(given: RunOptions) {
    this.#given = given;
    const random = new Random(given.seed);
    this.#random = random;
    const besides = random.fork();
    this.#failures = new Failures(given.fault, given.tally);
    this.#failing = new Random(given.seed ^ 0x0fa17);
    this.#hasFailures = given.fault === undefined && this.#failing.chance(0.5);
    this.#clock = new VirtualClock(this.#loop);
    this.#pace = random.pick<Pace>(["at once", "syncs wait", "all waits"]);
    this.#disk = random.chance(0.5) ? new AtomicDisk() : new PagedDisk();
    this.#options = {
      ...defaultStoreOptions,
      mappedFileSizeCommitLog: random.pick([8_192, 16_384]),
      mappedFileSizeConsumeQueue: 20 * random.pick([16, 50]),
      flushDiskType: random.chance(0.6) ? "SYNC_FLUSH" : "ASYNC_FLUSH",
      flushConsumeQueueThoroughIntervalMs: 5_000,
      flushConsumeQueueThoroughBytes: random.pick([Number.POSITIVE_INFINITY, 8_192]),
      logWindowBytes: 4_096,
      logWindows: 4,
      maxHashSlotNum: random.pick([7, 100]),
      maxIndexNum: random.pick([20, 150]),
    };
    this.#ledger = new Ledger(this.#options.flushDiskType === "SYNC_FLUSH", true);
    this.#crashes = new Crashes({
      ledger: this.#ledger,
      clock: this.#clock,
      tally: given.tally,
      coreModule: given.coreModule,
      options: this.#options,
      random: besides,
      share: given.crashShare,
      check: (store, known) => this.#checkOffsets(store, known),
    });
  }

  async run(): Promise<void> {
    const random = this.#random;
    await this.#start();
    this.#connect();
    for (let i = 0; i < this.#given.operations; i++) {
      if (this.#hasFailures && this.#failing.chance(0.03)) this.#failures.arm(this.#failing);
      await this.#operation();
      if (random.chance(0.6)) await this.#loop.run(random.below(20));
      await this.#crashes.lookInto();
      if (this.#violation !== undefined) throw this.#violation;
    }
    this.#failures.disarm();
    // Whatever is delayed comes, and whoever waits is told; a storage that fails meanwhile takes another life.
    do {
      if (this.#failures.failed.has("EIO")) await this.#restart("process");
      await this.#loop.run(delayMsMax + 60_000);
    } while (this.#failures.failed.has("EIO"));
    if (this.#hasFailures) await this.#takesAgain();
    if (this.#violation !== undefined) throw this.#violation;
    if (this.#heldPulls > 0) throw new Violation("not-answered", `${this.#heldPulls} pulls still wait`);
    if (this.#unanswered > 0) throw new Violation("not-answered", `${this.#unanswered} requests have no answer`);
    if (this.#client.unasked.length > 0) throw new Violation("answered-twice", "an answer to what nobody asked");
    await this.#stop();
    await this.#crashes.lookInto();
    const delivered = new Set<Send>();
    const moment = { ...this.#moment(), delivered };
    await this.#crashes.look(this.#disk, moment, this.#known());
    for (const send of this.#ledger.sends) {
      if (send.isDelayed && this.#ledger.mustStand(send, moment) && !delivered.has(send)) {
        throw new Violation("acked-lost", `${nameOf(send)}, which was delayed, was never delivered`);
      }
    }
  }

  async #operation(): Promise<void> {
    const random = this.#random;
    const what = random.below(100);
    if (what < 40) this.#send();
    else if (what < 46) this.#sendBatch();
    else if (what < 66) this.#pull(random.chance(0.3));
    else if (what < 76) this.#commit();
    else if (what < 84) await this.#loop.run(random.below(100));
    else if (what < 91) await this.#loop.run(random.below(5_000));
    else if (what < 92) await this.#loop.run(random.below(60_000));
    else if (what < 94) this.#jump();
    else if (what < 97) await this.#evict();
    else await this.#restart(random.pick(["stop", "process", "power"]));
  }

  // --- lives ---

  async #start(): Promise<void> {
    this.#failures.failed = new Set();
    while (!(await this.#starts())) {
      this.#given.tally.count("start fails");
      this.#ledger.crashes.push(crashOf(this.#disk, "process", ++this.#ledger.now));
      this.#failures.failed = new Set();
    }
  }

  /** False where its storage has failed. */
  async #starts(): Promise<boolean> {
    const delivered = new Set<Send>();
    const found = await this.#crashes.look(this.#disk, { ...this.#moment(), delivered }, this.#known());
    this.#delivered = delivered;
    const { coreModule, tally, Storage = SimulatedStorage } = this.#given;
    const random = this.#random.fork();
    const clock = this.#clock;
    const storage = new Storage({
      disk: this.#disk,
      loop: this.#loop,
      pace: this.#pace,
      now: () => clock.now(),
      random: random.fork(),
      hooks: {
        boundary: (what, half) => this.#crashes.boundary(this.#disk, () => this.#known(), what, half),
        fault: (operation) => this.#fault(operation),
      },
      tally,
    });
    const scheduler = new VirtualScheduler(this.#loop, clock, random.fork(), tally);
    const ports = { storage, clock, scheduler, entropy: entropyOf(random), telemetry: silentTelemetry, coreModule };
    const { budget, tagsCodeOf, ...askedStore } = this.#options;
    try {
      const broker = await this.#loop.outcome(
        startBroker(ports, {
          brokerName: "broker-a",
          clusterName: "DefaultCluster",
          storeHost: { address: "127.0.0.1", port: 10911 },
          brokerAddress: () => "127.0.0.1:10911",
          askedStore,
          budget: { ...serverBudget, ...budget },
          messageDelayLevel: delayLevels,
          rules: { flushConsumerOffsetIntervalMs, flushDelayOffsetIntervalMs: 1_000 },
        }),
      );
      this.#life = { storage, scheduler, broker };
      // Before that nobody has seen it.
      this.#ledger.goOn(found);
      return true;
    } catch (error) {
      storage.isDead = true;
      scheduler.isDead = true;
      if (this.#failures.failed.size > 0) return false;
      throw new Violation("refused", `the broker can't be started: ${stackOf(error)}`);
    }
  }

  /** Once nothing fails any more a message is taken; of one whose sync takes its time the sender hears only that (FLUSH_DISK_TIMEOUT). */
  async #takesAgain(): Promise<void> {
    for (let attempts = 0; attempts < 3; attempts++) {
      // A topic whose config a crash took has no more queues than got messages.
      this.#send(0);
      const send = this.#ledger.sends.at(-1)!;
      await this.#loop.run(30_000);
      if (send.ackedAt === Number.POSITIVE_INFINITY) continue;
      await this.#loop.run(delayMsMax + 60_000);
      return;
    }
    throw new Violation("takes-nothing", "nothing fails any more, and no message is acknowledged");
  }

  async #restart(how: "stop" | CrashKind): Promise<void> {
    if (how === "stop") await this.#stop();
    else this.#die(how);
    this.#line.drop();
    await this.#loop.run(1);
    await this.#start();
    this.#connect();
  }

  async #stop(): Promise<void> {
    try {
      await this.#loop.outcome(this.#life.broker.stop());
    } catch (error) {
      if (this.#failures.failed.size === 0) throw error;
    }
    if (this.#failures.failed.size > 0) {
      // Something may be left as a crash leaves it.
      this.#die("process");
      return;
    }
    this.#given.tally.count("run: clean stop");
    this.#kill();
    this.#reckon((commit) => ({ ...commit, atMs: Number.NEGATIVE_INFINITY }));
  }

  /** Memory is lost, storage and sockets are kept: between two events, when nobody but pulls waits for an answer. */
  async #evict(): Promise<void> {
    // What is being read may be the answer to a pull that waits no more.
    if (!this.#disk.isAtomic || this.#unanswered > 0 || this.#life.storage.readsUnderWay > 0) return;
    this.#given.tally.count("run: eviction");
    this.#die("process");
    this.#line.forgotten();
    await this.#start();
    this.#line.takenBy(this.#life.broker);
  }

  #die(kind: CrashKind): void {
    this.#given.tally.count(`run: ${kind} crash`);
    this.#kill();
    // What was not yet promised to be kept never will be.
    const nowMs = this.#loop.nowMs;
    this.#reckon((commit) => (this.#keptAtMs(commit) <= nowMs ? commit : undefined));
    const crash = crashOf(this.#disk, kind, ++this.#ledger.now);
    if (kind === "power") this.#given.tally.count(`run: power: ${this.#disk.losePower(this.#random)}`);
    this.#ledger.crashes.push(crash);
  }

  #kill(): void {
    this.#life.storage.isDead = true;
    this.#life.scheduler.isDead = true;
  }

  #moment(): Moment {
    return { at: ++this.#ledger.now, crashes: this.#ledger.crashes };
  }

  #connect(): void {
    const port = ++this.#lines;
    this.#client = new RemotingClient((events) => {
      this.#line = new VirtualLine(this.#loop, this.#random.fork(), events, { port, isCut: !this.#disk.isAtomic });
      this.#line.takenBy(this.#life.broker);
      return this.#line.wire;
    });
    this.#client.consume(group, Object.fromEntries(topics.map((topic) => [topic, "*"]))).catch(() => {});
  }

  // --- what clients do ---

  #send(queueId?: number): void {
    const random = this.#random;
    const delay = random.chance(0.15) ? random.between(1, 3) : 0;
    const properties = [
      ["UNIQ_KEY", `key${random.below(1_000_000)}`],
      ...(random.chance(0.5) ? [["TAGS", random.pick(["TagA", "TagB"])]] : []),
      ...(delay > 0 ? [["DELAY", String(delay)]] : []),
    ];
    const text = properties.map(([name, value]) => `${name}\u0001${value}\u0002`).join("");
    const [topic, anyQueue] = [random.pick(topics), random.below(queuesPerTopic)];
    const send = this.#ledger.send(topic, queueId ?? anyQueue, this.#body(), encodeUtf8(text), {
      isDelayed: delay > 0,
    });
    this.#request([send], text, send.body, false);
  }

  #sendBatch(): void {
    const random = this.#random;
    const [topic, queueId] = [random.pick(topics), random.below(queuesPerTopic)];
    const sends = Array.from({ length: random.between(1, 4) }, (_, i) =>
      this.#ledger.send(topic, queueId, this.#body(), encodeUtf8(`UNIQ_KEY\u0001batched${i}\u0002`)),
    );
    this.#request(sends, "", batchOf(sends), true);
  }

  #request(sends: readonly Send[], properties: string, body: Uint8Array, isBatch: boolean): void {
    const { tally } = this.#given;
    const { topic, queueId, id } = sends[0]!;
    tally.count("sent", sends.length);
    const fields = {
      ...{ a: "PG", b: topic, c: "TBW102", d: "4", e: String(queueId), f: "0", g: "1700000000000", h: String(id) },
      ...{ i: properties, j: "0", k: "false", m: String(isBatch) },
    };
    this.#answered(this.#client.request(310, fields, body), (answer) => {
      if (answer.code !== 0) {
        tally.count(`answered ${answer.code}`, sends.length);
        return;
      }
      tally.count("acknowledged", sends.length);
      const places = answer.fields["msgId"]!.split(",").map((messageId) => Number.parseInt(messageId.slice(16), 16));
      for (const [i, send] of sends.entries()) {
        this.#ledger.acked(send, Number(answer.fields["queueOffset"]) + i, places[i]!, 0);
      }
    });
  }

  /** From where the group is, or from the end, where it waits. */
  #pull(isHeld: boolean): void {
    const random = this.#random;
    const [topic, queueId] = [random.pick(topics), random.below(queuesPerTopic)];
    const end = Math.max(
      0,
      ...this.#ledger.sends.map((send) =>
        send.topic === topic && send.queueId === queueId && !send.isDelayed ? send.queueOffset + 1 : 0,
      ),
    );
    const client = this.#client;
    if (isHeld) this.#heldPulls++;
    const offset = isHeld ? end : random.between(0, end);
    const given = { suspendMs: isHeld ? 20_000 : 0, maxMessages: 8, subscription: "*" };
    const pulled = client.pull(group, topic, queueId, offset, given);
    if (!isHeld) this.#unanswered++;
    this.#then(pulled, (answer) => {
      if (isHeld) this.#heldPulls--;
      else this.#unanswered--;
      if (answer.code !== 0) return;
      const at = ++this.#ledger.now;
      for (const send of this.#ledger.served(topic, queueId, answer.body)) {
        if (send.goneAt <= at) {
          if (this.#delivered.has(send)) continue;
          throw new Violation("resurrected", `${nameOf(send)} had been gone`);
        }
        send.seenAt = Math.min(send.seenAt, at);
      }
    });
  }

  /** How far the group is: somewhere up to the last message that it has seen. */
  #commit(): void {
    const random = this.#random;
    const [topic, queueId] = [random.pick(topics), random.below(queuesPerTopic)];
    const seen = this.#ledger.sends.filter(
      (send) =>
        send.topic === topic &&
        send.queueId === queueId &&
        !send.isDelayed &&
        send.seenAt <= this.#ledger.now &&
        send.goneAt > this.#ledger.now,
    );
    if (seen.length === 0) return;
    const offset = random.pick(seen).queueOffset + 1;
    const fields = { consumerGroup: group, topic, queueId: String(queueId), commitOffset: String(offset) };
    const asked: Commit = { queue: `${topic}/${queueId}`, offset, atMs: Number.POSITIVE_INFINITY };
    const index = this.#commits.push(asked) - 1;
    this.#answered(this.#client.request(15, fields), (answer) => {
      if (answer.code === 0) this.#commits[index] = { ...asked, atMs: this.#loop.nowMs };
    });
  }

  #jump(): void {
    this.#given.tally.count("clock jumps");
    this.#clock.aheadMs += this.#random.pick([-3_600_000, -500, 500, 3_600_000]);
  }

  #answered(asked: Promise<Answer>, then: (answer: Answer) => void): void {
    this.#unanswered++;
    this.#then(asked, (answer) => {
      this.#unanswered--;
      then(answer);
    });
  }

  #then(asked: Promise<Answer>, then: (answer: Answer) => void): void {
    asked.then(then).catch((error) => {
      this.#violation ??= error;
    });
  }

  // --- offsets ---

  #known(): OffsetsKnown {
    return { commits: this.#commits.slice(), nowMs: this.#loop.nowMs, failedAtMs: this.#failedAtMs };
  }

  #fault(operation: Operation): Fault | undefined {
    const fault = this.#failures.next(operation);
    if (fault === undefined) return undefined;
    // What was kept before stays so.
    const { nowMs } = this.#loop;
    this.#reckon((commit) =>
      this.#keptAtMs(commit) <= nowMs ? { ...commit, atMs: Number.NEGATIVE_INFINITY } : commit,
    );
    this.#failedAtMs = nowMs;
    return fault;
  }

  #keptAtMs(commit: Commit): number {
    return keptAtMs(commit, this.#failedAtMs);
  }

  /** A life has ended: what became of the commits that were answered in it; undefined where nobody knows. */
  #reckon(outcome: (commit: Commit) => Commit | undefined): void {
    for (const [i, commit] of this.#commits.entries()) {
      if (commit.atMs === Number.POSITIVE_INFINITY) continue;
      this.#commits[i] = outcome(commit) ?? { ...commit, atMs: Number.POSITIVE_INFINITY };
    }
  }

  /** What is kept of offsets: one that was committed, none older than the interval promises, and none beyond the queue's end. */
  async #checkOffsets(store: Store, known: OffsetsKnown): Promise<void> {
    const saved = (await store.configFile("consumerOffset.json").load()) as
      | { offsetTable: Record<string, Record<string, number>> }
      | undefined;
    for (const topic of topics) {
      for (let queueId = 0; queueId < queuesPerTopic; queueId++) {
        const queue = `${topic}/${queueId}`;
        const commits = known.commits.filter((commit) => commit.queue === queue);
        const offset = saved?.offsetTable[`${topic}@${group}`]?.[queueId];
        const due = commits.findLastIndex((commit) => keptAtMs(commit, known.failedAtMs) <= known.nowMs);
        if (offset === undefined) {
          if (due >= 0)
            throw new Violation("offset-lost", `${queue}: ${commits[due]!.offset} was committed, none is kept`);
          continue;
        }
        if (commits.findLastIndex((commit) => commit.offset === offset) < due) {
          throw new Violation("offset-lost", `${queue}: ${commits[due]!.offset} was committed, ${offset} is kept`);
        }
        const { maxOffset } = store.range(topic, queueId);
        if (offset > maxOffset) {
          if (this.#ledger.isSync) {
            throw new Violation("offset-beyond", `${queue}: ${offset} is kept, the queue ends at ${maxOffset}`);
          }
          this.#given.tally.count("offset beyond the end (ASYNC_FLUSH)");
        }
      }
    }
  }

  #body(): Uint8Array {
    const random = this.#random;
    const size = random.pick([random.below(60), random.below(400), random.below(3_000)]);
    const first = random.below(256);
    return Uint8Array.from({ length: size + 1 }, (_, i) => (first + i * 7) & 0xff);
  }
}

/** When a commit is kept for sure. What failed is tried again within the same time. */
function keptAtMs({ atMs }: Commit, failedAtMs: number): number {
  return atMs === Number.NEGATIVE_INFINITY ? atMs : Math.max(atMs, failedAtMs) + offsetsKeptWithinMs;
}
