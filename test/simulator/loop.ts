interface Event {
  readonly atMs: number;
  readonly task: () => void;
}

/**
 * Virtual time: what is to happen, in order. Nothing waits for a clock; between two events all that promises have to do is done.
 */
export class Loop {
  /** Milliseconds since the begin; goes on from event to event and never back. */
  nowMs = 0;
  /** By time; of one time, in the order they were asked for. */
  readonly #events: Event[] = [];

  after(delayMs: number, task: () => void): void {
    this.at(this.nowMs + delayMs, task);
  }

  at(atMs: number, task: () => void): void {
    const event = { atMs: Math.max(this.nowMs, atMs), task };
    let at = this.#events.length;
    while (at > 0 && this.#events[at - 1]!.atMs > event.atMs) at--;
    this.#events.splice(at, 0, event);
  }

  /** Lets so much time pass. */
  async run(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    await drained();
    while (this.#events.length > 0 && this.#events[0]!.atMs <= untilMs) await this.#step();
    this.nowMs = untilMs;
  }

  /** Goes on until `done`; throws if it does not come about within the time. */
  async until(done: () => boolean, withinMs = 60_000): Promise<void> {
    const untilMs = this.nowMs + withinMs;
    await drained();
    while (!done()) {
      if (this.#events.length === 0 || this.#events[0]!.atMs > untilMs) throw new Error("it does not come to an end");
      await this.#step();
    }
  }

  /** The outcome of a promise that events bring about. */
  async outcome<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    promise.then(over, over);
    await this.until(() => isOver);
    return promise;
  }

  async #step(): Promise<void> {
    const { atMs, task } = this.#events.shift()!;
    this.nowMs = atMs;
    task();
    await drained();
  }
}

/** Ends when every promise that can go on has gone on. */
function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
