import type { CoreExports } from "./exports.ts";
import type { Memory } from "./memory.ts";

/** A unit of the timer log: a message that waits. Offsets in bytes, times in milliseconds. */
export interface TimerUnit {
  /** Where in the timer log the unit before it in its slot stands; -1 for none. */
  previous: number;
  /** It is put onto the wheel once more when its slot's time has come. */
  rolls: boolean;
  /** It takes another message off. */
  deletes: boolean;
  writeTime: number;
  /** The slot's time, after `writeTime`. */
  delay: number;
  /** Of the message in the CommitLog. */
  physicalOffset: number;
  recordSize: number;
  topicHash: number;
}

export interface TimerSlot {
  /** In units of the precision. */
  readonly time: number;
  readonly first: number;
  readonly last: number;
  readonly num: number;
}

const magicAlways = 1;
const magicRoll = 2;
const magicDelete = 4;

/** The part of the core's door that knows the files of timers (org.apache.rocketmq.store.timer). */
export class TimerFormats {
  readonly unitBytes: number;
  readonly blankBytes: number;
  readonly slotBytes: number;
  /** Of a wheel. */
  readonly slots: number;
  /** Bytes that `load` takes at most: whole units. */
  readonly loadedBytesMax: number;
  readonly #wasm: CoreExports;
  readonly #memory: Memory;
  readonly #result: number;
  readonly #window: number;
  #loaded = 0;
  readonly #unit: TimerUnit = {
    ...{ previous: 0, rolls: false, deletes: false, writeTime: 0, delay: 0 },
    ...{ physicalOffset: 0, recordSize: 0, topicHash: 0 },
  };

  constructor(wasm: CoreExports, memory: Memory) {
    this.#wasm = wasm;
    this.#memory = memory;
    this.unitBytes = wasm.timerUnitBytes.value;
    this.blankBytes = wasm.timerBlankBytes.value;
    this.slotBytes = wasm.timerSlotBytes.value;
    this.slots = wasm.timerSlots.value;
    this.#result = wasm.result.value / 4;
    this.#window = wasm.window.value;
    this.loadedBytesMax = Math.floor(wasm.windowBytes.value / this.unitBytes) * this.unitBytes;
  }

  putUnit(into: Uint8Array, at: number, unit: TimerUnit): void {
    const { previous, rolls, deletes, writeTime, delay, physicalOffset, recordSize, topicHash } = unit;
    const magic = magicAlways | (rolls ? magicRoll : 0) | (deletes ? magicDelete : 0);
    this.#wasm.encodeTimerUnit(
      ...([this.#window, previous, magic, writeTime, delay] as const),
      ...([physicalOffset, recordSize, topicHash] as const),
    );
    this.#copyOut(into, at, this.unitBytes);
  }

  /** What fills a file up for whose next unit there is no room: `length` bytes are left of it. */
  putBlank(into: Uint8Array, at: number, length: number): void {
    this.#wasm.encodeTimerBlank(this.#window, length);
    this.#copyOut(into, at, this.blankBytes);
  }

  putSlot(into: Uint8Array, at: number, { time, first, last, num }: TimerSlot): void {
    this.#wasm.encodeTimerSlot(this.#window, time, first, last, num);
    this.#copyOut(into, at, this.slotBytes);
  }

  /** Takes bytes of a timer log, for `unitAt` to look at until something else of the core is called. */
  load(bytes: Uint8Array): void {
    if (bytes.length > this.loadedBytesMax) throw new RangeError(`load: ${bytes.length} bytes`);
    this.#memory.bytes.set(bytes, this.#window);
    this.#loaded = bytes.length;
  }

  /** The unit at a place of what was loaded; "blank" where the file ends before its end; undefined for no unit. Reused. */
  unitAt(at: number): TimerUnit | "blank" | undefined {
    if (at + this.blankBytes > this.#loaded) return undefined;
    const kind = this.#wasm.decodeTimerUnit(this.#window + at);
    if (kind === 2) return "blank";
    if (kind !== 1 || at + this.unitBytes > this.#loaded) return undefined;
    const { words, doubles } = this.#memory;
    const unit = this.#unit;
    const of = this.#result / 2;
    unit.previous = doubles[of]!;
    unit.writeTime = doubles[of + 1]!;
    unit.physicalOffset = doubles[of + 2]!;
    const magic = words[this.#result + 6]!;
    unit.rolls = (magic & magicRoll) !== 0;
    unit.deletes = (magic & magicDelete) !== 0;
    unit.delay = words[this.#result + 7]!;
    unit.recordSize = words[this.#result + 8]!;
    unit.topicHash = words[this.#result + 9]!;
    return unit;
  }

  #copyOut(into: Uint8Array, at: number, length: number): void {
    into.set(this.#memory.bytes.subarray(this.#window, this.#window + length), at);
  }
}
