/** How the memory of a broker, or more, came to an end. */
export type EndOfLife = "stop" | "eviction" | "process" | "power";

/** What befell a broker and its storage, in order: what was promised before it may be void. Moments are counted, no two are the same. */
export class History {
  readonly isSync: boolean;
  /** Which life of the broker it is, counted from 1. */
  life = 0;
  #now = 0;
  #powerLostAt = 0;
  #troubleAt = 0;
  readonly #listeners: (() => void)[] = [];

  /** `isSync`: the broker has SYNC_FLUSH. */
  constructor(isSync: boolean) {
    this.isSync = isSync;
  }

  /** The present moment: later than all that were asked for before. */
  moment(): number {
    return ++this.#now;
  }

  ended(how: EndOfLife): void {
    const at = this.moment();
    if (how === "power") this.#powerLostAt = at;
    if (how !== "stop") this.#trouble(at);
  }

  /** An operation of the storage failed. */
  failed(): void {
    this.#trouble(this.moment());
  }

  /** Told of each crash and each failure of the storage, when it happens. */
  onTrouble(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Whether a message that was acknowledged at a moment has to be there still: a loss of power takes some of ASYNC_FLUSH. */
  stands(at: number): boolean {
    return at < Number.POSITIVE_INFINITY && (this.isSync || this.#powerLostAt < at);
  }

  /** Whether anything that was acknowledged may ever have been lost. */
  get hasLost(): boolean {
    return !this.isSync && this.#powerLostAt > 0;
  }

  /** Whether power was lost since a moment, whatever the flush mode promises of it. */
  lostPowerSince(at: number): boolean {
    return this.#powerLostAt > at;
  }

  /** Whether nothing happened since that lets a broker do something a second time: no crash, and no failure of the storage. */
  isCalmSince(at: number): boolean {
    return this.#troubleAt < at;
  }

  #trouble(at: number): void {
    this.#troubleAt = at;
    for (const listener of this.#listeners) listener();
  }
}
