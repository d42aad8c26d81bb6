import { hashCodeModel } from "./java-string.ts";

/** A message of the timer queue, as the wheel is told of it. */
export interface TimerMessageModel {
  readonly physicalOffset: number;
  readonly size: number;
  readonly outMs: number;
  readonly topic: string;
  readonly deletes: boolean;
}

const slots = 1_209_600;

/** The timer log and the wheel, byte by byte as TimerMessageStore.doEnqueue, TimerLog.append and TimerWheel.putSlot write them. */
export class TimerModel {
  readonly log: number[] = [];
  readonly wheel = new Map<number, { readonly time: number; first: number; last: number; num: number }>();
  readonly #fileBytes: number;
  readonly #precisionMs: number;
  readonly #window: number;

  constructor({
    fileBytes,
    precisionMs = 1_000,
    window = 172_800,
  }: { fileBytes: number; precisionMs?: number; window?: number }) {
    this.#fileBytes = fileBytes;
    this.#precisionMs = precisionMs;
    this.#window = window;
  }

  put({ physicalOffset, size, outMs, topic, deletes }: TimerMessageModel, writeTimeMs: number): void {
    const precision = this.#precisionMs;
    let delayedMs = outMs;
    let magic = 1;
    if (outMs - writeTimeMs >= this.#window * precision) {
      magic |= 2;
      const isLastButOne = outMs - writeTimeMs - this.#window * precision < Math.trunc(this.#window / 3) * precision;
      delayedMs = writeTimeMs + (isLastButOne ? Math.trunc(this.#window / 2) : this.#window) * precision;
    }
    if (deletes) magic |= 4;
    const left = this.#fileBytes - (this.log.length % this.#fileBytes);
    if (left < 52 + 16) {
      this.log.push(...i32(left), ...i64(0), ...i32(0xcbd43194));
      while (this.log.length % this.#fileBytes !== 0) this.log.push(0);
    }
    const position = this.log.length;
    const time = Math.trunc(delayedMs / precision);
    let slot = this.wheel.get(time % slots);
    if (slot?.time !== time) {
      slot = { time, first: position, last: -1, num: 0 };
      this.wheel.set(time % slots, slot);
    }
    this.log.push(...i32(52), ...i64(slot.last), ...i32(magic), ...i64(writeTimeMs), ...i32(delayedMs - writeTimeMs));
    this.log.push(...i64(physicalOffset), ...i32(size), ...i32(hashCodeModel(topic)), ...i64(0));
    slot.last = position;
    slot.num += deletes ? -1 : 1;
  }

  /** The bytes of each slot in use, by its number. */
  slots(): Map<number, number[]> {
    const found = new Map<number, number[]>();
    for (const [index, { time, first, last, num }] of this.wheel) {
      found.set(index, [...i64(time), ...i64(first), ...i64(last), ...i32(num), ...i32(0)]);
    }
    return found;
  }
}

function i32(value: number): number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

function i64(value: number): number[] {
  const bits = BigInt.asUintN(64, BigInt(value));
  return [...i32(Number(bits >> 32n)), ...i32(Number(bits & 0xffffffffn))];
}
