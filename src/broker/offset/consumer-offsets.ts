import { youngQueueBytesMax } from "../../limits.ts";
import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import type { ConfigFile } from "../../store/config-file.ts";
import type { Store } from "../../store/store.ts";
import { type DataVersion, firstVersion, nextVersion, readVersion } from "../data-version.ts";
import type { Topics } from "../topic/topics.ts";

const separator = "@";

/** How far each group has consumed each queue, kept in consumerOffset.json (ConsumerOffsetManager). */
export class ConsumerOffsets {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #file: ConfigFile;
  readonly #clock: Clock;
  /** `topic@group` to queue id to the next offset to consume. */
  readonly #table = new Map<string, Map<number, number>>();
  #version: DataVersion;
  readonly #offsetsMax: number;
  #count = 0;
  readonly #changed: () => void;
  #dirty = false;

  /** `offsetsMax`: MemoryBudget.consumerOffsetsMax. `changed` is told that there is something to persist. */
  constructor(store: Store, topics: Topics, file: ConfigFile, clock: Clock, offsetsMax: number, changed: () => void) {
    this.#offsetsMax = offsetsMax;
    this.#store = store;
    this.#topics = topics;
    this.#file = file;
    this.#clock = clock;
    this.#changed = changed;
    this.#version = firstVersion(clock);
  }

  async load(): Promise<void> {
    const saved = (await this.#file.load()) as
      | { offsetTable?: Record<string, Record<string, unknown> | null>; dataVersion?: unknown }
      | undefined;
    this.#version = readVersion(saved?.dataVersion, this.#clock);
    for (const [key, queues] of Object.entries(saved?.offsetTable ?? {})) {
      for (const [queueId, offset] of Object.entries(queues ?? {})) {
        if (typeof offset === "number" && Number.isSafeInteger(offset) && offset >= 0) {
          this.#set(key, Number(queueId), offset);
        }
      }
    }
    this.#dirty = false;
  }

  /** Writes the file if anything changed since it was written. */
  async persist(): Promise<void> {
    if (!this.#dirty) return;
    this.#dirty = false;
    this.#version = nextVersion(this.#version, this.#clock);
    try {
      await this.#file.save(() => ({
        dataVersion: this.#version,
        offsetTable: Object.fromEntries([...this.#table].map(([key, queues]) => [key, Object.fromEntries(queues)])),
      }));
    } catch (error) {
      this.#dirty = true;
      throw error;
    }
  }

  /** Throws SYSTEM_ERROR for a queue more than offsets are kept of. */
  commit(group: string, topic: string, queueId: number, offset: number): void {
    if (this.#count >= this.#offsetsMax && this.find(group, topic, queueId) === undefined) {
      throw new WasmqError("SYSTEM_ERROR", `the broker keeps its ${this.#offsetsMax} offsets, no more are taken`);
    }
    this.#set(topic + separator + group, queueId, offset);
  }

  find(group: string, topic: string, queueId: number): number | undefined {
    return this.#table.get(topic + separator + group)?.get(queueId);
  }

  /**
   * Where a group goes on, or begins (ConsumerManageProcessor.queryConsumerOffset). A group without an offset begins at 0 of
   * a young queue whatever it asked for, and of one of the topic never written: told "not found" the client would ask for the end, and
   * skip what arrives in between. Throws QUERY_NOT_FOUND for all other groups without an offset.
   */
  async query(group: string, topic: string, queueId: number, zeroIfNotFound: boolean): Promise<number> {
    const known = this.find(group, topic, queueId);
    if (known !== undefined) return known;
    if (zeroIfNotFound || (await this.#isYoung(topic, queueId))) return 0;
    throw new WasmqError("QUERY_NOT_FOUND", "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first");
  }

  async #isYoung(topic: string, queueId: number): Promise<boolean> {
    const { minOffset, maxOffset } = this.#store.range(topic, queueId);
    if (maxOffset === 0) return this.#topics.find(topic) !== undefined;
    return minOffset === 0 && (await this.#store.bytesBehind(topic, queueId, 0)) <= youngQueueBytesMax;
  }

  #set(key: string, queueId: number, offset: number): void {
    let queues = this.#table.get(key);
    if (queues === undefined) {
      queues = new Map();
      this.#table.set(key, queues);
    }
    const known = queues.get(queueId);
    if (known === offset) return;
    if (known === undefined) this.#count++;
    queues.set(queueId, offset);
    if (!this.#dirty) this.#changed();
    this.#dirty = true;
  }
}
