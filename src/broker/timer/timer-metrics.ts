import type { Clock } from "../../ports/clock.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { type ConfigFile, type ConfigValue, isObject, otherMembers } from "../../store/config-file.ts";
import type { DueQueue, Later } from "../../store/due-queue.ts";
import { type DataVersion, firstVersion, nextVersion, readVersion } from "../data-version.ts";

/** Nobody's work depends on it: a crash may leave it behind by so much. */
const persistDelayMs = 10_000;

const tableMember = "timingCount";

interface Count {
  count: number;
  timeStamp: number;
}

/** How many messages wait, by the topic they are for: `config/timermetrics` (TimerMetrics). */
export class TimerMetrics {
  readonly #file: ConfigFile;
  readonly #clock: Clock;
  readonly #counts = new Map<string, Count>();
  readonly #persistLater: Later;
  #version: DataVersion;
  #others: ConfigValue = {};
  #dirty = false;

  constructor(file: ConfigFile, clock: Clock, telemetry: Telemetry, dues: DueQueue) {
    this.#file = file;
    this.#clock = clock;
    this.#version = firstVersion(clock);
    this.#persistLater = dues.later(persistDelayMs, () => {
      this.#persist().catch((error) =>
        telemetry.log("warn", "timermetrics could not be written", { error: `${error}` }),
      );
    });
  }

  async load(): Promise<void> {
    const saved = await this.#file.load().catch(() => undefined);
    this.#version = readVersion(saved?.["dataVersion"], this.#clock);
    this.#others = otherMembers(saved, "dataVersion", tableMember);
    const table = saved?.[tableMember];
    for (const [topic, value] of Object.entries(isObject(table) ? table : {})) {
      const { count, timeStamp } = isObject(value) ? value : {};
      if (typeof count === "number" && typeof timeStamp === "number") this.#counts.set(topic, { count, timeStamp });
    }
  }

  async stop(): Promise<void> {
    this.#persistLater.stop();
    await this.#persist();
  }

  add(topic: string | undefined, count: number): void {
    if (topic === undefined) return;
    const before = this.#counts.get(topic)?.count ?? 0;
    this.#counts.set(topic, { count: before + count, timeStamp: this.#clock.now() });
    this.#version = nextVersion(this.#version, this.#clock);
    this.#dirty = true;
    this.#persistLater.ask();
  }

  /** As the file has it (TimerMetricsSerializeWrapper). */
  show(): { readonly dataVersion: DataVersion; readonly timingCount: Readonly<Record<string, Readonly<Count>>> } {
    return { dataVersion: this.#version, [tableMember]: Object.fromEntries(this.#counts) };
  }

  async #persist(): Promise<void> {
    if (!this.#dirty) return;
    this.#dirty = false;
    await this.#file.save(() => ({
      ...this.#others,
      dataVersion: this.#version,
      [tableMember]: Object.fromEntries(this.#counts),
    }));
  }
}
