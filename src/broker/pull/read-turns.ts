import type { MemoryBudget } from "../../limits.ts";
import type { Client } from "../client/client.ts";
import { SetMap } from "../set-map.ts";

/**
 * Turns for pulls whose messages must be fetched: each has memory for what it may bring, so that as many read at a time as there is
 * room for, and the others wait in order. Where the storage answers at once nobody ever waits.
 */
export class ReadTurns {
  readonly #atOnceMax: number;
  readonly #waitingMax: number;
  readonly #waitingPerClientMax: number;
  #reading = 0;
  readonly #waiting = new Set<Turn>();
  readonly #clients = new SetMap<Client, Turn>();

  constructor(budget: Pick<MemoryBudget, "readsAtOnceMax" | "heldPullsMax" | "heldPullsPerConnectionMax">) {
    this.#atOnceMax = budget.readsAtOnceMax;
    this.#waitingMax = budget.heldPullsMax;
    this.#waitingPerClientMax = budget.heldPullsPerConnectionMax;
  }

  get areTaken(): boolean {
    return this.#reading >= this.#atOnceMax;
  }

  /** A read has begun; it never rejects. */
  take(read: Promise<void>): void {
    this.#reading++;
    void read.then(() => {
      this.#reading--;
      for (const turn of this.#waiting) {
        if (this.areTaken) return;
        this.#remove(turn);
        turn.go();
      }
    });
  }

  /** Calls `go` when it is its turn; false if as many wait as may. */
  wait(client: Client, go: () => void): boolean {
    if (this.#waiting.size >= this.#waitingMax || this.#clients.count(client) >= this.#waitingPerClientMax)
      return false;
    const turn = { client, go };
    this.#waiting.add(turn);
    this.#clients.add(client, turn);
    return true;
  }

  /** Forgets those of a client. */
  drop(client: Client): void {
    for (const turn of this.#clients.of(client)) this.#remove(turn);
  }

  #remove(turn: Turn): void {
    this.#waiting.delete(turn);
    this.#clients.delete(turn.client, turn);
  }
}

interface Turn {
  readonly client: Client;
  readonly go: () => void;
}
