import { Core } from "../../src/core/core.ts";
import type { Finding } from "../../src/ports/check.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { WasmqError } from "../../src/ports/error.ts";
import type { Ports } from "../../src/ports/ports.ts";
import { silentTelemetry, type Telemetry } from "../../src/ports/telemetry.ts";
import { encodeUtf8 } from "../../src/ports/text.ts";
import { checkStore as checkFiles } from "../../src/store/check/check.ts";
import { Findings } from "../../src/store/check/findings.ts";
import { objectIn } from "../../src/store/config-file.ts";
import { DueQueue } from "../../src/store/due-queue.ts";
import { printJavaJson } from "../../src/store/java-json.ts";
import type { StoreOptions } from "../../src/store/options.ts";
import { Store } from "../../src/store/store.ts";
import { repairStore } from "../../src/wasmq.ts";
import { CorePool } from "./core-pool.ts";
import type { Disk } from "./disk.ts";
import { type Flip, flipOf, hiddenBy } from "./flip.ts";
import { logBegin } from "./fullness.ts";
import { type Crash, type CrashKind, crashOf, type Ledger, type Moment, nameOf, type Send } from "./ledger.ts";
import { entropyOf, IdleScheduler } from "./ports.ts";
import type { Random } from "./random.ts";
import { SimulatedStorage, type StorageHooks } from "./storage.ts";
import type { Tally } from "./tally.ts";
import { Violation } from "./violation.ts";

/** A moment at which a crash is looked into: the disk as it was, and what had happened. */
interface CrashPoint<Known> {
  readonly disk: Disk;
  readonly at: number;
  readonly crashes: readonly Crash[];
  readonly known: Known;
  readonly what: string;
}

/** A disk with a flip, and without it. */
interface Flipped {
  readonly flip: Flip;
  readonly left: Disk;
  readonly disk: Disk;
  /** Who may count as deleted until a repair (`hiddenBy`). */
  readonly hidden: Send | undefined;
}

type FlippedMoment = Moment & { readonly damaged: ReadonlySet<Send> };

/** Of all stores beside a run. */
const cores = new CorePool();

/** Where a recovered store takes messages. */
const topicsAfterwards = ["TopicA", "TopicB"];

/**
 * Crashes beside a run: at many of its moments the disk is copied, and what a crash then would have left is recovered and looked at. None
 * of it changes the run. `Known` is what a run knows besides its sends.
 */
export class Crashes<Known> {
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #tally: Tally;
  readonly #coreModule: WebAssembly.Module;
  readonly #options: StoreOptions;
  readonly #random: Random;
  readonly #share: number;
  readonly #check: (store: Store, known: Known) => Promise<void>;
  #points: CrashPoint<Known>[] = [];

  constructor(given: {
    ledger: Ledger;
    clock: Clock;
    tally: Tally;
    coreModule: WebAssembly.Module;
    options: StoreOptions;
    random: Random;
    /** Of the boundaries of a storage's operations, the share that is looked into. */
    share: number;
    /** What is to be looked at besides messages. */
    check: (store: Store, known: Known) => Promise<void>;
  }) {
    this.#ledger = given.ledger;
    this.#clock = given.clock;
    this.#tally = given.tally;
    this.#coreModule = given.coreModule;
    // Beside the run nothing is deleted for its age: what it deletes it knows.
    this.#options = { ...given.options, fileReservedTimeMs: Number.POSITIVE_INFINITY };
    this.#random = given.random;
    this.#share = given.share;
    this.#check = given.check;
  }

  /** The run has come to a boundary of an operation of its storage. */
  boundary(disk: Disk, known: () => Known, what: string, half?: (disk: Disk, random: Random) => void): void {
    if (!this.#random.chance(this.#share)) return;
    const copy = disk.clone();
    half?.(copy, this.#random);
    const ledger = this.#ledger;
    const at = ++ledger.now;
    this.#points.push({ disk: copy, at, crashes: ledger.crashes.slice(), known: known(), what });
  }

  /** At each point so far the power goes, twice, and the process dies. */
  async lookInto(): Promise<void> {
    for (const { disk, at, crashes, known, what } of this.#points.splice(0)) {
      for (const kind of ["power", "power", "process"] as const) {
        const left = kind === "process" ? disk : disk.clone();
        const crash = this.#crash(left, kind, what, at);
        await this.#recover(left, { at, crashes: [...crashes, crash] }, known, 0);
        cores.takeBack();
      }
    }
  }

  /** What a store that is started now would have; the disk is left alone. */
  async look(disk: Disk, moment: Moment, known: Known): Promise<Set<Send>> {
    const found = await this.#found(disk.clone(), moment, known);
    cores.takeBack();
    return found;
  }

  /**
   * Flips single bits of what a run had left at a moment. Whatever was whole without must be whole with it, and what was hit must not be
   * served. Only what had been promised to nobody then may go with damage before it: behind the end of a clean stop, where the bytes of a
   * failed write are, recovery looks for nothing beyond damage.
   */
  async flipBits({ disk: left, at: leftAt }: { disk: Disk; at: number }, count: number, known: Known): Promise<void> {
    const ledger = this.#ledger;
    const moment = { at: ++ledger.now, diskAt: leftAt, crashes: ledger.crashes };
    const found = await this.#found(left.clone(), moment, known);
    const unpromised = [...found].filter(({ ackedAt, seenAt }) => Math.min(ackedAt, seenAt) > leftAt);
    const uncovered = new Set(ledger.sends.filter(({ ackedAt }) => ackedAt === Number.POSITIVE_INFINITY));
    for (let i = 0; i < count; i++) {
      const flip = flipOf(left, [...found], this.#options, this.#random);
      if (flip === undefined) continue;
      const { what, file, at, bit, send } = flip;
      this.#tally.count(`bit flip: ${what}`);
      cores.takeBack();
      const disk = left.clone();
      disk.flip(file, at, bit);
      const damaged = new Set(send === undefined ? unpromised : [send, ...unpromised]);
      const hidden = hiddenBy(flip, disk, found, logBegin(disk));
      try {
        const before = { found, isKept: true };
        const flipped = { flip, left, disk, hidden };
        await this.#lookAtFlipped(flipped, { ...moment, damaged, uncovered, before }, known);
      } catch (error) {
        // Without any other record nothing tells what it is.
        if (found.size === 1 && String(error).includes("it is no CommitLog")) continue;
        if (error instanceof Error) error.message += ` (${what}: bit ${bit} of byte ${at} of ${file})`;
        throw error;
      }
    }
  }

  async #lookAtFlipped({ flip, left, disk, hidden }: Flipped, moment: FlippedMoment, known: Known): Promise<void> {
    const { what, file, at, send } = flip;
    const reports: string[] = [];
    const telemetry: Telemetry = { log: (level, event) => void (level === "info" || reports.push(event)) };
    const isTold = JSON.stringify(await this.#findingsOf(left)) !== JSON.stringify(await this.#findingsOf(disk));
    const store = this.#storeOn(disk, undefined, telemetry);
    await open(store);
    const isOfConfig = what.startsWith("config");
    if (isOfConfig) await this.#checkConfig(store, disk, file, left, reports);
    else await this.#check(store, known);
    const found = await this.#ledger.inspect(store, {
      ...moment,
      damaged: hidden === undefined ? moment.damaged : new Set([hidden, ...moment.damaged]),
    });
    if (isOfConfig) return;
    if (hidden !== undefined && !found.has(hidden)) {
      if (!isTold) throw new Violation("flip-unreported", `${nameOf(hidden)} is hidden, and a check does not say so`);
      this.#tally.count(`bit flip: ${what}: hides the first message of a queue until a repair`);
      await store.close();
      await this.#repair(disk);
      const repaired = this.#storeOn(disk);
      await open(repaired);
      await this.#ledger.inspect(repaired, moment);
      return;
    }
    if (send !== undefined) {
      if (found.has(send)) throw new Violation("flip-undetected", nameOf(send));
      if (reports.length === 0 || !isTold) throw new Violation("flip-unreported", nameOf(send));
      return;
    }
    const isOfIndex = what.startsWith("index");
    let missed = await this.#ledger.findAll(store, found);
    await store.close();
    const isHealed =
      byteOf(disk, file, at) === byteOf(left, file, at) ||
      !(await this.#findingsOf(disk)).some((finding) => finding.file === file);
    if (!isHealed && !isTold && reports.length === 0 && !isOfIndex) {
      throw new Violation("flip-undetected", `${file} is neither put right nor told of`);
    }
    this.#tally.count(`bit flip: ${what}: ${isHealed ? "put right, or of no meaning" : isTold ? "told" : "unused"}`);
    // Nor may what has become of it make anything worse.
    if (isOfIndex) missed ??= await this.#missedIn(disk, moment);
    if (missed === undefined) return;
    if (!isOfIndex || !isTold) throw new Violation("wrong-answer", `${missed}, and a check says nothing of the index`);
    this.#tally.count(`bit flip: ${what}: hides messages from queries until a repair`);
    await this.#repair(disk);
    const stillMissed = await this.#missedIn(disk, moment);
    if (stillMissed !== undefined) throw new Violation("wrong-answer", `${stillMissed}, after a repair`);
  }

  /** The first message that a key does not lead to, if there is one. */
  async #missedIn(disk: Disk, moment: Moment): Promise<string | undefined> {
    const store = this.#storeOn(disk);
    await open(store);
    return this.#ledger.findAll(store, await this.#ledger.inspect(store, moment));
  }

  /** What a check says of a store's CommitLog and what is made of it. */
  async #findingsOf(disk: Disk): Promise<readonly Finding[]> {
    const findings = new Findings();
    const core = cores.with(() => new Core(this.#coreModule));
    await checkFiles({ core, storage: this.#storageOn(disk), options: this.#options, findings });
    return findings.inOrder;
  }

  async #repair(disk: Disk): Promise<void> {
    const { mappedFileSizeCommitLog, mappedFileSizeConsumeQueue, mapperFileSizeBatchConsumeQueue } = this.#options;
    const { maxHashSlotNum, maxIndexNum } = this.#options;
    const settings = {
      ...{ mappedFileSizeCommitLog, mappedFileSizeConsumeQueue, mapperFileSizeBatchConsumeQueue },
      ...{ maxHashSlotNum, maxIndexNum },
    };
    await repairStore(this.#portsOn(disk), { settings });
  }

  /** A version that is damaged is not used: the other one is, and that is told; without one it is refused. Later versions are kept as ever. */
  async #checkConfig(store: Store, disk: Disk, file: string, left: Disk, reports: readonly string[]): Promise<void> {
    const main = file.replace(/\.bak$/, "");
    const crc32 = (bytes: Uint8Array): number => store.core.crc32(bytes);
    const other = configIn(left, file === main ? `${main}.bak` : main, crc32);
    const name = main.slice("config/".length);
    const config = store.configFile(name);
    const told = reports.length;
    let loaded: unknown;
    try {
      loaded = await config.load();
    } catch (error) {
      if (other !== undefined || !(error instanceof WasmqError) || error.code !== "STORE_UNREADABLE") throw error;
      this.#tally.count("bit flip: config: refused without another version");
      return;
    }
    // Where members are divided by another white space nothing has changed; of the version before nothing was asked.
    const isSame = printJavaJson(loaded) === printJavaJson(configIn(left, main, crc32));
    if (file === main && !isSame && reports.length === told) throw new Violation("flip-unreported", name);
    if (!isSame && printJavaJson(loaded) !== printJavaJson(other)) {
      throw new Violation("flip-undetected", `of ${name} another version is read than one that is whole`);
    }
    this.#tally.count(`bit flip: config: ${isSame ? "of no meaning" : "the version before is used"}`);
    const later = { later: "version" };
    await config.save(() => later);
    if (printJavaJson(await store.configFile(name).load()) !== printJavaJson(later)) {
      throw new Violation("config-lost", `a later version of ${name} is not read`);
    }
    // The damaged one did not take the place of the one that was used.
    if (configIn(disk, `${main}.bak`, crc32) === undefined) {
      throw new Violation("config-lost", `no version of ${name} is kept before the later one`);
    }
  }

  /** Opens what a crash has left, looks at all of it, crashes in the middle of that, and goes on for a while. */
  async #recover(disk: Disk, moment: Moment, known: Known, depth: number): Promise<void> {
    const random = this.#random;
    let untilCrash = depth < 3 && random.chance(0.3) ? random.below(8) : -1;
    let crashed: Disk | undefined;
    const store = this.#storeOn(disk, (_, half) => {
      if (untilCrash-- !== 0) return;
      crashed = disk.clone();
      half?.(crashed, random);
    });
    const found = await this.#lookAt(store, moment, known);
    if (crashed !== undefined) {
      const kind = random.pick<CrashKind>(["process", "power"]);
      const crashes = [...moment.crashes, this.#crash(crashed, kind, "in recovery")];
      await this.#recover(crashed, { ...moment, crashes }, known, depth + 1);
    }
    untilCrash = -1;
    if (random.chance(0.3)) await this.#goOn(disk, store, moment, known, found);
  }

  /** A recovered store takes messages, ends in one way or the other, and still has everything. */
  async #goOn(disk: Disk, store: Store, moment: Moment, known: Known, found: ReadonlySet<Send>): Promise<void> {
    const random = this.#random;
    const ledger = this.#ledger;
    const branch: Send[] = [];
    for (let i = random.below(5); i > 0; i--) {
      const body = new Uint8Array(random.below(1_200)).fill(i);
      const send = ledger.send(random.pick(topicsAfterwards), random.below(3), body, new Uint8Array(0), { branch });
      append(store, this.#clock, send, {
        stored: ({ queueOffset, physicalOffset, storeTimestamp }) =>
          ledger.acked(send, queueOffset, physicalOffset, storeTimestamp),
        failed: (error) => {
          throw new Violation("takes-nothing", `a recovered store fails: ${error.message}`);
        },
      });
    }
    await store.settle();
    const kind = random.pick<CrashKind | "close">(["process", "power", "power", "close"]);
    if (kind === "close") await store.close();
    const left = disk.clone();
    const crashes = kind === "close" ? moment.crashes : [...moment.crashes, this.#crash(left, kind, "after recovery")];
    const before = { found, isKept: kind !== "power" || ledger.isSync };
    await this.#found(left, { at: moment.at, crashes, branch, before }, known);
  }

  #crash(disk: Disk, kind: CrashKind, what: string, at = ++this.#ledger.now): Crash {
    const crash = crashOf(disk, kind, at);
    this.#tally.count(`crash point: ${kind}: ${what}`);
    if (kind === "power") this.#tally.count(`power: ${disk.losePower(this.#random)}`);
    return crash;
  }

  #found(disk: Disk, moment: Moment, known: Known, telemetry?: Telemetry): Promise<Set<Send>> {
    return this.#lookAt(this.#storeOn(disk, undefined, telemetry), moment, known);
  }

  async #lookAt(store: Store, moment: Moment, known: Known): Promise<Set<Send>> {
    await open(store);
    await this.#check(store, known);
    return this.#ledger.inspect(store, moment);
  }

  #storeOn(disk: Disk, boundary?: StorageHooks["boundary"], telemetry = silentTelemetry): Store {
    const ports = this.#portsOn(disk, boundary, telemetry);
    return cores.with(() => new Store(ports, this.#options, new DueQueue(ports.clock, ports.scheduler)));
  }

  #portsOn(disk: Disk, boundary?: StorageHooks["boundary"], telemetry = silentTelemetry): Ports {
    const storage = this.#storageOn(disk, boundary);
    const entropy = entropyOf(this.#random);
    const scheduler = new IdleScheduler();
    return { storage, clock: this.#clock, scheduler, entropy, telemetry, coreModule: this.#coreModule };
  }

  #storageOn(disk: Disk, boundary?: StorageHooks["boundary"]): SimulatedStorage {
    const clock = this.#clock;
    return new SimulatedStorage({
      disk,
      pace: "at once",
      now: () => clock.now(),
      random: this.#random,
      hooks: boundary === undefined ? {} : { boundary },
      tally: this.#tally,
    });
  }
}

function byteOf(disk: Disk, file: string, at: number): number | undefined {
  const byte = new Uint8Array(1);
  return disk.read(file, at, byte) === 1 ? byte[0] : undefined;
}

/** What a version of a config file holds; undefined for none, and for one that can't be read. */
function configIn(disk: Disk, file: string, crc32: (bytes: Uint8Array) => number): unknown {
  const stat = disk.list("config").find(({ name }) => name === file);
  if (stat === undefined) return undefined;
  const bytes = new Uint8Array(stat.sizeBytes);
  disk.read(file, 0, bytes);
  try {
    const { "__CRC32#": _, ...value } = objectIn(bytes, crc32);
    return value;
  } catch {
    return undefined;
  }
}

/** A store that can't be opened has lost everything. */
async function open(store: Store): Promise<void> {
  try {
    await store.open();
  } catch (error) {
    throw new Violation("refused", `the store can't be opened: ${stackOf(error)}`);
  }
}

const hosts = Uint8Array.of(127, 0, 0, 1, 0, 0, 0x2a, 0x9f);

/** Appends a send, or a batch of several, as the broker does. */
export function append(
  store: Store,
  clock: Clock,
  { id, topic, queueId, body, properties, messages }: Send,
  listener: Parameters<Store["append"]>[2],
  batch?: Uint8Array,
): void {
  const message = {
    topic,
    topicBytes: encodeUtf8(topic),
    flag: id,
    sysFlag: 0,
    bornTimestamp: clock.now(),
    bornHost: hosts,
    storeHost: hosts,
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    body: batch ?? body,
    properties: batch === undefined ? properties : new Uint8Array(0),
    batch: batch !== undefined,
    innerBatch: messages > 1 ? messages : undefined,
  };
  store.append(message, queueId, listener);
}

/** As producers encode it (MessageDecoder.encodeMessages), the flag of each item its own. */
export function batchOf(sends: readonly Send[]): Uint8Array {
  const sizes = sends.map(({ body, properties }) => 22 + body.length + properties.length);
  const batch = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  const view = new DataView(batch.buffer);
  let at = 0;
  for (const [i, { id, body, properties }] of sends.entries()) {
    view.setInt32(at, sizes[i]!);
    view.setInt32(at + 12, id);
    view.setInt32(at + 16, body.length);
    batch.set(body, at + 20);
    view.setInt16(at + 20 + body.length, properties.length);
    batch.set(properties, at + 22 + body.length);
    at += sizes[i]!;
  }
  return batch;
}

export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
