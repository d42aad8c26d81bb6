import { WasmqError } from "../../src/ports/error.ts";
import { silentTelemetry } from "../../src/ports/telemetry.ts";
import { encodeUtf8 } from "../../src/ports/text.ts";
import type { AppendListener } from "../../src/store/commit-log.ts";
import type { ConfigFile } from "../../src/store/config-file.ts";
import { DueQueue } from "../../src/store/due-queue.ts";
import { defaultStoreOptions, type StoreOptions } from "../../src/store/options.ts";
import { Store } from "../../src/store/store.ts";
import { append, batchOf, Crashes, stackOf } from "./crashes.ts";
import { AtomicDisk, type Disk, PagedDisk } from "./disk.ts";
import { Failures } from "./failures.ts";
import { Fullness, logBegin } from "./fullness.ts";
import { type CrashKind, crashOf, Ledger, type Moment, nameOf, type Send } from "./ledger.ts";
import { Loop } from "./loop.ts";
import { entropyOf, VirtualClock, VirtualScheduler } from "./ports.ts";
import { Random } from "./random.ts";
import { type Fault, type Pace, SimulatedStorage, type StorageHooks } from "./storage.ts";
import type { Tally } from "./tally.ts";
import { Violation } from "./violation.ts";

export interface RunOptions {
  readonly seed: number;
  /** Things done: sends, reads, time that passes, crashes. */
  readonly operations: number;
  /** Of the boundaries of the storage's operations, the share at which crashes are looked into; 1 for each. */
  readonly crashShare: number;
  readonly coreModule: WebAssembly.Module;
  readonly tally: Tally;
  /** How many single bits are flipped, one at a time, in what the run leaves. */
  readonly flips?: number;
  /** The storage's operation of this number fails; nothing else does. Without it failures come by chance. */
  readonly fault?: { readonly kind: Fault; readonly operation: number };
  /** Another one, with something wrong with it, to see whether it is noticed. */
  readonly Storage?: typeof SimulatedStorage;
}

/** One life of a store, from its start to its crash or close. */
interface Life {
  readonly storage: SimulatedStorage;
  readonly scheduler: VirtualScheduler;
  readonly store: Store;
  readonly config: ConfigFile;
}

const topics = ["TopicA", "TopicB", "%RETRY%group"];
/** In some runs its queues are for batches in one record. */
const batchTopic = "TopicB";
const queuesPerTopic = 3;
const configFile = "consumerOffset.json";

/** Versions of the config file: the last that was asked for, and the last that is known to be kept. */
interface ConfigKnown {
  readonly asked: number;
  readonly saved: number;
}

/** The store alone, on a disk and a clock of the simulator: one run, everything in it out of one seed. */
export class StoreRun {
  readonly #given: RunOptions;
  readonly #random: Random;
  readonly #loop = new Loop();
  readonly #clock: VirtualClock;
  readonly #ledger: Ledger;
  readonly #options: StoreOptions;
  readonly #filling: Random;
  /** In some runs files are deleted for their age, and for the room that they take. */
  readonly #fullness: Fullness | undefined;
  readonly #pace: Pace;
  readonly #hasFaults: boolean;
  /** Draws the batches; undefined in runs without. */
  readonly #batching: Random | undefined;
  #disk: Disk;
  #life!: Life;
  readonly #crashes: Crashes<ConfigKnown>;
  readonly #failures: Failures;
  #config: ConfigKnown = { asked: 0, saved: 0 };
  /** Of a checker that the store calls. */
  #violation: unknown;

  constructor(given: RunOptions) {
    this.#given = given;
    const random = new Random(given.seed);
    this.#random = random;
    const besides = random.fork();
    this.#clock = new VirtualClock(this.#loop);
    this.#pace = random.pick<Pace>(["at once", "syncs wait", "syncs wait", "all waits"]);
    this.#failures = new Failures(given.fault, given.tally);
    this.#hasFaults = given.fault === undefined && random.chance(0.5);
    this.#disk = random.chance(0.3) ? new AtomicDisk() : new PagedDisk();
    this.#options = {
      ...defaultStoreOptions,
      mappedFileSizeCommitLog: random.pick([3_000, 4_096, 8_192, 16_384]),
      mappedFileSizeConsumeQueue: 20 * random.pick([8, 16, 50, 205]),
      flushDiskType: random.chance(0.6) ? "SYNC_FLUSH" : "ASYNC_FLUSH",
      flushConsumeQueueThoroughIntervalMs: random.pick([2_000, 10_000]),
      flushConsumeQueueThoroughBytes: random.pick([Number.POSITIVE_INFINITY, 8_192]),
      logWindowBytes: random.pick([512, 4_096]),
      logWindows: 4,
      maxHashSlotNum: random.pick([7, 100]),
      maxIndexNum: random.pick([20, 150]),
      inMemoryBytesMax: random.pick([Number.POSITIVE_INFINITY, 4_096]),
    };
    const batching = new Random(given.seed ^ 0xba7c4);
    if (batching.chance(0.5)) {
      this.#batching = batching;
      this.#options = {
        ...this.#options,
        mapperFileSizeBatchConsumeQueue: 46 * batching.pick([4, 16, 50]),
        isOfBatches: (topic) => topic === batchTopic,
      };
    }
    const filling = new Random(given.seed ^ 0x0d15c);
    if (filling.chance(0.4)) {
      this.#fullness = new Fullness(filling, this.#options, this.#options.mappedFileSizeCommitLog);
      this.#options = { ...this.#options, ...this.#fullness.options };
    }
    this.#filling = filling;
    this.#ledger = new Ledger(this.#options.flushDiskType === "SYNC_FLUSH");
    this.#crashes = new Crashes({
      ledger: this.#ledger,
      clock: this.#clock,
      tally: given.tally,
      coreModule: given.coreModule,
      options: this.#options,
      random: besides,
      share: given.crashShare,
      check: async (store, known) => checkConfig(await store.configFile(configFile).load(), known),
    });
  }

  async run(): Promise<void> {
    const { operations } = this.#given;
    await this.#start();
    for (let i = 0; i < operations; i++) {
      if (this.#filling.chance(0.04)) this.#fullness?.othersChange();
      await this.#operation();
      if (this.#random.chance(0.6)) await this.#loop.run(this.#random.below(20));
      await this.#crashes.lookInto();
      if (this.#violation !== undefined) throw this.#violation;
    }
    this.#failures.disarm();
    if (this.#fullness !== undefined) await this.#takesAgain(this.#fullness);
    await this.#end(this.#random.pick(["close", "process", "power"]));
    const left = { disk: this.#disk.clone(), at: ++this.#ledger.now };
    await this.#start();
    await this.#crashes.lookInto();
    await this.#crashes.flipBits(left, this.#given.flips ?? 0, this.#config);
    this.#kill();
  }

  async #operation(): Promise<void> {
    const random = this.#random;
    const what = random.below(100);
    if (what < 45) this.#send();
    else if (what < 53) this.#sendBatch();
    else if (what < 65) await this.#read();
    else if (what < 70) await this.#lookUp();
    else if (what < 79) await this.#loop.run(random.below(60));
    else if (what < 86) await this.#loop.run(random.below(3_000));
    else if (what < 90) this.#saveConfig();
    else if (what < 92) this.#jump();
    else if (what < 95) this.#arm();
    else {
      await this.#end(random.pick(["close", "process", "process", "power", "power"]));
      await this.#start();
    }
  }

  // --- lives ---

  async #start(): Promise<void> {
    for (;;) {
      this.#failures.failed = new Set();
      this.#ledger.deletesTo(0);
      this.#life = this.#begin();
      const { store } = this.#life;
      try {
        await this.#loop.outcome(store.open());
        const configured = await this.#loop.outcome(this.#life.config.load());
        this.#failures.disarm();
        checkConfig(configured, this.#config);
        break;
      } catch (error) {
        if (error instanceof Violation) throw error;
        if (this.#failures.failed.size === 0)
          throw new Violation("refused", `the store can't be opened: ${stackOf(error)}`);
        this.#given.tally.count("start fails");
        this.#crash("process");
      }
    }
    const { store } = this.#life;
    this.#ledger.logBeginsAt(logBegin(this.#disk));
    this.#failures.isHeld = true;
    const found = await this.#loop.outcome(this.#ledger.inspect(store, { ...this.#moment(), isLive: true }));
    this.#failures.isHeld = false;
    this.#ledger.goOn(found);
  }

  #watching(fullness: Fullness): Pick<StorageHooks, "usage" | "deleting" | "deleted" | "notDeleted"> {
    // Recovery takes files off the log's end.
    const isDeletion = (file: string): boolean => {
      const { name, sizeBytes } = this.#disk.list("commitlog")[0] ?? { name: "", sizeBytes: 0 };
      return name === file && sizeBytes > 0;
    };
    let deleting: string | undefined;
    return {
      usage: () => fullness.tell(this.#disk),
      deleting: (file) => {
        if (!isDeletion(file)) return;
        deleting = file;
        this.#ledger.deletesTo(fullness.endOf(file));
        try {
          const why = fullness.mayGo(this.#disk, file, this.#clock.now(), this.#failures.failed.has("ENOSPC"));
          this.#given.tally.count(`run: file deleted: ${why}`);
        } catch (error) {
          // Thrown here it would be the store's trouble.
          this.#violation ??= error;
        }
      },
      deleted: (file) => {
        if (file !== deleting) return;
        this.#ledger.logBeginsAt(fullness.endOf(file));
        this.#ledger.deletesTo(0);
      },
      notDeleted: (file) => {
        if (file === deleting) this.#ledger.deletesTo(0);
      },
    };
  }

  /** Once there is room, and nothing fails any more, a message is taken. */
  async #takesAgain(fullness: Fullness): Promise<void> {
    fullness.othersLeave();
    // In time each goes, if there are more than the disk has room for.
    const files = this.#disk.list("commitlog").length;
    for (let attempts = 0; attempts < 40 + 4 * files; attempts++) {
      // The one failure of a run may come here.
      if (this.#failures.failed.has("EIO")) {
        await this.#end("process");
        await this.#start();
      }
      await this.#loop.run(5_000);
      const refused = this.#given.tally.of("refused: SERVICE_NOT_AVAILABLE");
      this.#send();
      if (this.#given.tally.of("refused: SERVICE_NOT_AVAILABLE") === refused) return;
      if (!this.#options.cleanFileForciblyEnable) return;
    }
    throw new Violation("takes-nothing", "there is room on the disk, and messages are refused");
  }

  #begin(): Life {
    const { tally, coreModule, Storage = SimulatedStorage } = this.#given;
    const random = this.#random.fork();
    const clock = this.#clock;
    const storage = new Storage({
      disk: this.#disk,
      loop: this.#loop,
      pace: this.#pace,
      now: () => clock.now(),
      random: random.fork(),
      hooks: {
        boundary: (what, half) => this.#crashes.boundary(this.#disk, () => this.#config, what, half),
        fault: (operation) => this.#failures.next(operation),
        ...(this.#fullness === undefined ? {} : this.#watching(this.#fullness)),
      },
      tally,
    });
    const scheduler = new VirtualScheduler(this.#loop, clock, random.fork(), tally);
    const dues = new DueQueue(clock, scheduler);
    const ports = { storage, clock, scheduler, entropy: entropyOf(random), telemetry: silentTelemetry, coreModule };
    const store = new Store(ports, this.#options, dues);
    return { storage, scheduler, store, config: store.configFile(configFile) };
  }

  async #end(how: "close" | CrashKind): Promise<void> {
    if (how !== "close") {
      this.#given.tally.count(`run: ${how} crash`);
      this.#crash(how);
      return;
    }
    try {
      await this.#loop.outcome(this.#life.store.close());
      this.#given.tally.count("run: clean stop");
    } catch (error) {
      if (this.#failures.failed.size === 0)
        throw new Violation("refused", `the store can't be closed: ${stackOf(error)}`);
    }
    this.#kill();
  }

  #crash(kind: CrashKind): void {
    this.#kill();
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

  // --- what is done ---

  #send(): void {
    const random = this.#random;
    const [topic, queueId] = [random.pick(topics), random.below(queuesPerTopic)];
    const [body, properties] = [this.#body(), this.#properties()];
    const isBatch = topic === batchTopic && this.#batching?.chance(0.7) === true;
    const messages = isBatch ? this.#batching!.between(2, 9) : 1;
    if (isBatch) this.#given.tally.count("sent: batches in one record");
    this.#append([this.#ledger.send(topic, queueId, body, properties, { messages })]);
  }

  #sendBatch(): void {
    const random = this.#random;
    const [topic, queueId] = [random.pick(topics), random.below(queuesPerTopic)];
    const sends = Array.from({ length: random.between(1, 6) }, () =>
      this.#ledger.send(topic, queueId, this.#body(), this.#properties()),
    );
    this.#append(sends, batchOf(sends));
  }

  #append(sends: readonly Send[], batch?: Uint8Array): void {
    const { tally } = this.#given;
    const life = this.#life;
    const first = sends[0]!;
    const mustTake = this.#fullness === undefined && !this.#failures.isArmed && !this.#failures.failed.has("EIO");
    const faults = this.#failures.count;
    try {
      const listener: AppendListener = {
        stored: (message) => {
          if (life.storage.isDead) return;
          tally.count("acknowledged", sends.length);
          let { physicalOffset } = message;
          try {
            for (const [i, send] of sends.entries()) {
              this.#ledger.acked(send, message.queueOffset + i, physicalOffset, message.storeTimestamp);
              physicalOffset += message.sizes[i]!;
            }
          } catch (error) {
            // Thrown here it would be the store's trouble.
            this.#violation ??= error;
          }
        },
        failed: () => tally.count("failed", sends.length),
      };
      if (this.#random.chance(0.5)) listener.flushTimedOut = () => tally.count("flush timed out", sends.length);
      append(life.store, this.#clock, first, listener, batch);
      tally.count("sent", sends.length);
    } catch (error) {
      if (!(error instanceof WasmqError)) throw error;
      tally.count(`refused: ${error.code}`, sends.length);
      if (error.code === "SERVICE_NOT_AVAILABLE" && mustTake && faults === this.#failures.count) {
        throw new Violation("takes-nothing", `${nameOf(first)} is refused although nothing fails: ${error.message}`);
      }
      // Nothing is changed then.
      for (const send of sends) send.goneAt = this.#ledger.now;
    }
  }

  async #read(): Promise<void> {
    const random = this.#random;
    const [topic, queueId] = [random.pick(topics), random.below(queuesPerTopic)];
    const { store } = this.#life;
    const { minOffset, maxOffset } = store.range(topic, queueId);
    const offset = random.between(minOffset, maxOffset);
    const limits = {
      messagesMax: random.pick([1, 4, 32]),
      bytesMax: random.pick([1_000, 256 * 1024]),
      unitsMax: random.pick([8, 800]),
      tagHashes: random.chance(0.3) ? Int32Array.of(store.core.hashCode("TagA")) : undefined,
    };
    await this.#unlessItFails(async () => {
      const begin = this.#ledger.beginAt(this.#ledger.now);
      const got = await store.get(topic, queueId, offset, limits);
      const at = ++this.#ledger.now;
      for (const send of this.#ledger.served(topic, queueId, got.records)) {
        if (send.goneAt <= at) throw new Violation("resurrected", `${nameOf(send)} had been gone`);
        if (send.physicalOffset < begin) throw new Violation("resurrected", `${nameOf(send)} had been deleted`);
        send.seenAt = Math.min(send.seenAt, at);
      }
    });
  }

  /** One message by its place, by its offset and by its time. */
  async #lookUp(): Promise<void> {
    const { sends, now } = this.#ledger;
    const isDeleted = (send: Send): boolean => send.physicalOffset < this.#ledger.keptBegin;
    const stands = sends.filter((send) => send.seenAt <= now && send.goneAt > now && !isDeleted(send));
    if (stands.length === 0) return;
    const send = this.#random.pick(stands);
    await this.#unlessItFails(async () => {
      try {
        await this.#find(send);
      } catch (error) {
        // While it was looked for it was deleted.
        if (!isDeleted(send)) throw error;
      }
    });
  }

  async #find(send: Send): Promise<void> {
    const { store } = this.#life;
    const raw = await store.rawRecordAt(send.physicalOffset);
    const found = raw === undefined ? [] : this.#ledger.served(send.topic, send.queueId, raw);
    if (found[0] !== send) throw new Violation("not-found", `${nameOf(send)} by its place in the log`);
    const within = send.queueOffset + this.#random.below(send.messages);
    const message = await store.messageAt(send.topic, send.queueId, within);
    if (message?.physicalOffset !== send.physicalOffset) {
      throw new Violation("not-found", `${nameOf(send)} by its offset`);
    }
    let offset = await store.offsetByTime(send.topic, send.queueId, message.storeTimestamp, "LOWER");
    // Where messages are lost, the next one that is there speaks for them.
    let first = await store.messageAt(send.topic, send.queueId, offset);
    while (first === undefined && offset < send.queueOffset) {
      first = await store.messageAt(send.topic, send.queueId, ++offset);
    }
    if (offset > send.queueOffset || first?.storeTimestamp !== message.storeTimestamp) {
      throw new Violation("not-found", `${nameOf(send)} by its time`);
    }
  }

  #saveConfig(): void {
    const life = this.#life;
    const version = this.#config.asked + 1;
    this.#config = { ...this.#config, asked: version };
    const filler = "x".repeat(this.#random.pick([0, 100, 5_000]));
    life.config
      .save(() => ({ version, filler }))
      .then(
        () => {
          if (!life.storage.isDead && version > this.#config.saved) this.#config = { ...this.#config, saved: version };
        },
        () => {},
      );
  }

  #jump(): void {
    this.#given.tally.count("clock jumps");
    this.#clock.aheadMs += this.#random.pick([-3_600_000, -500, 500, 3_600_000]);
  }

  // --- faults ---

  #arm(): void {
    if (this.#hasFaults) this.#failures.arm(this.#random);
  }

  /** What reads may fail with the storage. */
  async #unlessItFails(work: () => Promise<void>): Promise<void> {
    try {
      await this.#loop.outcome(work());
    } catch (error) {
      if (error instanceof Violation || !this.#failures.failed.has("EIO")) throw error;
    }
  }

  // --- messages ---

  #body(): Uint8Array {
    const random = this.#random;
    const max = this.#options.mappedFileSizeCommitLog - 400;
    const size = random.pick([0, random.below(60), random.below(400), random.below(400), random.below(max)]);
    const first = random.below(256);
    return Uint8Array.from({ length: size }, (_, i) => (first + i * 7) & 0xff);
  }

  #properties(): Uint8Array {
    const random = this.#random;
    if (random.chance(0.1)) return new Uint8Array(0);
    const properties = [
      ["UNIQ_KEY", `key${random.below(1_000_000)}`],
      ...(random.chance(0.5) ? [["TAGS", random.pick(["TagA", "TagB"])]] : []),
      ...(random.chance(0.5) ? [["KEYS", random.pick(["k1", "k2 k3", "k1 k4"])]] : []),
    ];
    return encodeUtf8(properties.map(([name, value]) => `${name}\u0001${value}\u0002`).join(""));
  }
}

function checkConfig(value: unknown, { asked, saved }: ConfigKnown): void {
  const version = (value as { version: number } | undefined)?.version ?? 0;
  if (version < saved || version > asked) {
    throw new Violation("config-lost", `version ${version} is there, ${saved} was kept`);
  }
}
