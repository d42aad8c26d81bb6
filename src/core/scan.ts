import type { CoreExports } from "./exports.ts";
import type { Memory } from "./memory.ts";
import type { RecordState } from "./record.ts";

/**
 * The records that scanRecords() walked over, by index. Positions count from the region's first byte. One object for all scans: the
 * next one overwrites it.
 */
export class Scan {
  count = 0;
  /** Position behind the last record of the scan. */
  stoppedAt = 0;
  /** Of what stands there. "valid": the limit was reached exactly, or the table is full. */
  state: RecordState = "valid";
  readonly #memory: Memory;
  readonly #words: number;
  readonly #doubles: number;

  constructor(memory: Memory, wasm: CoreExports) {
    this.#memory = memory;
    this.#words = wasm.scanEntries.value / 4;
    this.#doubles = wasm.scanEntries.value / 8;
  }

  at(index: number): number {
    return this.#word(index, 4);
  }

  size(index: number): number {
    return this.#word(index, 5);
  }

  queueId(index: number): number {
    return this.#word(index, 6);
  }

  queueOffset(index: number): number {
    return this.#double(index, 0);
  }

  /** ms */
  storeTimestamp(index: number): number {
    return this.#double(index, 1);
  }

  sysFlag(index: number): number {
    return this.#word(index, 7);
  }

  tagsHigh(index: number): number {
    return this.tagsLow(index) >> 31;
  }

  tagsLow(index: number): number {
    return this.#word(index, 8);
  }

  topicAt(index: number): number {
    return this.#word(index, 9);
  }

  topicLength(index: number): number {
    return this.#word(index, 10);
  }

  propertiesAt(index: number): number {
    return this.#word(index, 11);
  }

  propertiesLength(index: number): number {
    return this.#word(index, 12);
  }

  /** How many of its bytes a checksum covers: all of them with `__CRC32#`, else those of the body. */
  coveredBytes(index: number): number {
    return this.#word(index, 13);
  }

  #word(index: number, field: number): number {
    if (index < 0 || index >= this.count) throw new RangeError(`scan entry ${index} of ${this.count}`);
    return this.#memory.words[this.#words + index * 14 + field]!;
  }

  #double(index: number, field: number): number {
    if (index < 0 || index >= this.count) throw new RangeError(`scan entry ${index} of ${this.count}`);
    return this.#memory.doubles[this.#doubles + index * 7 + field]!;
  }
}
