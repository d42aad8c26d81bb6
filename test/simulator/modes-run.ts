import { Delays } from "./modes/delays.ts";
import type { Mode } from "./modes/mode.ts";
import { OrderedPops } from "./modes/ordered-pops.ts";
import { Orders } from "./modes/orders.ts";
import { Pops } from "./modes/pops.ts";
import { Retries } from "./modes/retries.ts";
import { Transactions, transactionCheckIntervalMs, transactionTimeOutMs } from "./modes/transactions.ts";
import { World } from "./modes/world.ts";
import { Random } from "./random.ts";
import type { RunOptions } from "./store-run.ts";
import { Violation } from "./violation.ts";

/** So long, when nothing fails any more, everything that was begun has ended: the longest is a transaction that is asked about 15 times. */
const windUpMs = 400_000;
const windUpStepMs = 2_000;

/** Level n waits for n seconds: the sixteenth retry, of level 18, is not far. */
const delayLevelsSeconds = Array.from({ length: 18 }, (_, i) => i + 1);

/** The whole broker, and clients of each way of messages but the plain one; crashes, restarts, and a storage that fails. */
export class ModesRun {
  readonly #given: RunOptions;
  readonly #world: World;
  readonly #modes: readonly Mode[];

  constructor(given: RunOptions) {
    this.#given = given;
    const random = new Random(given.seed ^ 0x30de5);
    const timerPrecisionMs = random.pick([1_000, 1_000, 200]);
    const transactionCheckMax = random.pick([15, 15, 3]);
    const world = new World(given, {
      messageDelayLevel: delayLevelsSeconds.map((seconds) => `${seconds}s`).join(" "),
      rules: {
        ...{ transactionTimeOutMs, transactionCheckIntervalMs, transactionCheckMax },
        recallMessageEnable: true,
        timerPrecisionMs,
        // Some go round: by more than an alarm may be late.
        timerRollWindowSlot: random.pick([172_800, 20_000 / timerPrecisionMs]),
        mappedFileSizeTimerLog: 4_096,
      },
    });
    this.#world = world;
    const levelsMs = delayLevelsSeconds.map((seconds) => seconds * 1_000);
    this.#modes = [
      new Transactions(world, transactionCheckMax),
      new Delays(world, levelsMs),
      new Retries(world, random.pick([16, 16, 3]), levelsMs),
      new Pops(world),
      new Orders(world),
      new OrderedPops(world),
    ];
  }

  async run(): Promise<void> {
    // A failure that nobody hears ends a broker's process.
    const unheard = (error: unknown): void => this.#world.found(new Violation("unheard", String(error)));
    process.on("unhandledRejection", unheard);
    try {
      await this.#run();
    } catch (error) {
      if (error instanceof Error) error.message += ` (${this.#world.description})`;
      throw error;
    } finally {
      process.off("unhandledRejection", unheard);
    }
  }

  async #run(): Promise<void> {
    const world = this.#world;
    const { random, loop } = world;
    await world.begin(Object.assign({}, ...this.#modes.map(({ topics }) => topics)));
    for (let i = 0; i < this.#given.operations; i++) {
      random.pick(this.#modes).operate();
      if (random.chance(0.6)) await loop.run(random.below(20));
      else if (random.chance(0.3)) await loop.run(random.below(4_000));
      if (random.chance(0.05)) world.heartbeat();
      await world.trouble();
      world.check();
    }
    await world.calm();
    for (let leftMs = windUpMs; leftMs > 0; leftMs -= windUpStepMs) {
      for (const mode of this.#modes) mode.windUp(leftMs);
      if (leftMs % 20_000 === 0) world.heartbeat();
      await loop.run(windUpStepMs);
      world.check();
    }
    for (const mode of this.#modes) await mode.audit();
    world.check();
    await world.end();
  }
}
