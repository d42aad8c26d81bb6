import type { Random } from "./random.ts";
import type { Fault, Operation } from "./storage.ts";
import type { Tally } from "./tally.ts";

/** Which operations of a storage fail, in all lives on it: one of a given number, or those that are armed. */
export class Failures {
  /** What has failed in this life. */
  failed = new Set<Fault>();
  /** How often anything has failed. */
  count = 0;
  /** Nothing fails, and nothing is counted, while checkers read. */
  isHeld = false;
  readonly #one: { readonly kind: Fault; readonly operation: number } | undefined;
  readonly #tally: Tally;
  #operations = 0;
  /** How many operations from now, and for how many. */
  #armed: { readonly kind: Fault; after: number; times: number } | undefined;

  /** `one`: the operation of this number fails, and nothing else does. */
  constructor(one: { readonly kind: Fault; readonly operation: number } | undefined, tally: Tally) {
    this.#one = one;
    this.#tally = tally;
  }

  get isArmed(): boolean {
    return this.#armed !== undefined;
  }

  arm(random: Random): void {
    const kind = random.pick<Fault>(["EIO", "ENOSPC", "ENOSPC"]);
    this.#armed = { kind, after: random.below(12), times: kind === "EIO" ? 1 : random.between(1, 8) };
  }

  disarm(): void {
    this.#armed = undefined;
  }

  /** Whether the next operation fails. */
  next(operation: Operation): Fault | undefined {
    if (this.isHeld) return undefined;
    const number = this.#operations++;
    if (this.#one !== undefined) {
      if (this.#one.operation !== number) return undefined;
      this.#tally.count(`swept: ${this.#one.kind}`);
      return this.#fails(this.#one.kind);
    }
    const armed = this.#armed;
    if (armed === undefined) return undefined;
    if (armed.after > 0) {
      armed.after--;
      return undefined;
    }
    if (armed.kind === "ENOSPC" && operation !== "create" && operation !== "write") return undefined;
    if (--armed.times <= 0) this.#armed = undefined;
    return this.#fails(armed.kind);
  }

  #fails(kind: Fault): Fault {
    this.failed.add(kind);
    this.count++;
    return kind;
  }
}
