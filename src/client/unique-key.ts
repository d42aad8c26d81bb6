import type { ClientClock } from "./clock.ts";

/*
 * The id that a producer gives a message, in 32 upper-case hex digits (MessageClientIDSetter):
 *
 *   0  4 bytes  the machine, 2 the process, 4 the class loader: here ten of chance
 *  10  i32      milliseconds since the month began
 *  14  i16      a counter
 */
const digits = 20;

export class UniqueKeys {
  readonly #clock: ClientClock;
  readonly #prefix: string;
  #monthStart = 0;
  #nextMonthStart = 0;
  #counter: number;

  constructor(clock: ClientClock) {
    this.#clock = clock;
    let prefix = "";
    while (prefix.length < digits) prefix += Math.floor(clock.random() * 16).toString(16);
    this.#prefix = prefix.toUpperCase();
    this.#counter = Math.floor(clock.random() * 0x10000);
  }

  next(): string {
    const now = this.#clock.now();
    if (now >= this.#nextMonthStart) {
      this.#monthStart = this.#clock.monthStart(now);
      this.#nextMonthStart = this.#clock.monthStart(this.#monthStart + 32 * 86_400_000);
    }
    this.#counter = (this.#counter + 1) & 0xffff;
    return this.#prefix + hex(Math.max(0, now - this.#monthStart), 8) + hex(this.#counter, 4);
  }
}

function hex(value: number, length: number): string {
  return (value >>> 0).toString(16).padStart(length, "0").toUpperCase();
}
