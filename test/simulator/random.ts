/** Chance out of a seed: the same numbers each time (sfc32). */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = Math.imul(seed, 0x9e3779b1) | 0;
    this.#c = 0x6a09e667;
    // Neighbouring seeds begin alike.
    for (let i = 0; i < 12; i++) this.#u32();
  }

  /** Uniform in [0, 1). */
  next(): number {
    return this.#u32() / 2 ** 32;
  }

  /** A whole number of [0, end). */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  /** A whole number of [min, max]. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  /** Another stream: how much one of them is asked changes nothing for the other. */
  fork(): Random {
    return new Random(this.#u32());
  }

  #u32(): number {
    const sum = (this.#a + this.#b + this.#count++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }
}
