import type { Clock } from "../../ports/clock.ts";
import type { Entropy } from "../../ports/entropy.ts";

/**
 * Makes ids for messages whose client gave none, in the shape of MessageClientIDSetter: 32 hex digits, of which the first 20
 * are this broker's own, then milliseconds and a counter.
 */
export class UniqueKeys {
  readonly #clock: Clock;
  readonly #prefix: string;
  #counter = 0;

  constructor(clock: Clock, entropy: Entropy) {
    this.#clock = clock;
    this.#prefix = Array.from({ length: 20 }, () => Math.floor(entropy.random() * 16).toString(16))
      .join("")
      .toUpperCase();
  }

  next(): string {
    this.#counter = (this.#counter + 1) & 0xffff;
    const time = this.#clock.now() % 2 ** 32;
    return this.#prefix + hex(time, 8) + hex(this.#counter, 4);
  }
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, "0");
}
