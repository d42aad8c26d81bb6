import { WasmqError } from "../../ports/error.ts";

/** Counts the groups that all connections are in, as producers and as consumers: both grow with what clients say. */
export class Memberships {
  readonly #max: number;
  #count = 0;

  /** `max`: MemoryBudget.groupMembersMax. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Counts one more. Throws SYSTEM_ERROR when there is no room. */
  join(): void {
    if (this.#count >= this.#max) {
      throw new WasmqError("SYSTEM_ERROR", `the broker has its ${this.#max} members of groups, no more are taken`);
    }
    this.#count++;
  }

  leave(): void {
    this.#count--;
  }
}
