import type { MessageQueue, ReceivedMessage } from "./message.ts";

/** A message that was pulled, until it is consumed. */
export interface Pulled {
  /** Of all that were pulled of the queue, counted from 0. */
  readonly index: number;
  /** Counts up its `reconsumeTimes` here while it is tried again without going back to the group. */
  message: ReceivedMessage;
  isDone: boolean;
}

export function onceMore(message: ReceivedMessage): ReceivedMessage {
  return { ...message, reconsumeTimes: message.reconsumeTimes + 1 };
}

export interface CacheLimits {
  readonly messagesMax: number;
  readonly bytesMax: number;
}

/** How far the oldest message that is not consumed may lie behind the newest (DefaultMQPushConsumer.consumeConcurrentlyMaxSpan). */
const spanMax = 2_000;

/** One queue while it is this consumer's: what was pulled of it and is not consumed yet (ProcessQueue). */
export class AssignedQueue {
  readonly queue: MessageQueue;
  /** Where the next pull begins. */
  pullOffset: number;
  /** What the broker, or the store of a broadcasting consumer, holds. */
  committedOffset: number | undefined;
  /** The clock's time until which an orderly consumer has the queue to itself. */
  lockedUntil = 0;
  lastPullAt = 0;
  lastConsumeAt = 0;
  /** Resolves when nobody consumes of it any more; an orderly consumer gives its lock back then. */
  released: Promise<void> = Promise.resolve();
  readonly #limits: CacheLimits;
  readonly #dropping = new AbortController();
  /** In the order of offsets; what is done is let go at once, and its places before `#first` are cut off now and then. */
  #pulled: (Pulled | undefined)[] = [];
  /** The index of the first of `#pulled`. */
  #cut = 0;
  #first = 0;
  #next = 0;
  #count = 0;
  #bytes = 0;
  #changed: (() => void)[] = [];

  constructor(queue: MessageQueue, offset: number, limits: CacheLimits) {
    this.queue = queue;
    this.pullOffset = offset;
    this.#limits = limits;
  }

  /** Aborted when the queue is another's, or the consumer stops. */
  get dropping(): AbortSignal {
    return this.#dropping.signal;
  }

  get isDropped(): boolean {
    return this.#dropping.signal.aborted;
  }

  get cachedMessages(): number {
    return this.#count;
  }

  get cachedBytes(): number {
    return this.#bytes;
  }

  /** The offset before which everything is consumed. */
  get consumedOffset(): number {
    return this.#pulled[this.#first]?.message.queueOffset ?? this.pullOffset;
  }

  drop(): void {
    this.#dropping.abort();
    this.#tell();
  }

  add(messages: readonly ReceivedMessage[], nextOffset: number): void {
    for (const message of messages) {
      this.#pulled.push({ index: this.#cut + this.#pulled.length, message, isDone: false });
      this.#count++;
      this.#bytes += message.body.length;
    }
    this.pullOffset = nextOffset;
    this.#tell();
  }

  /** Those that nobody took yet, oldest first. */
  take(count: number): Pulled[] {
    const taken = this.#pulled.slice(this.#next, this.#next + count) as Pulled[];
    this.#next += taken.length;
    return taken;
  }

  get hasNext(): boolean {
    return this.#next < this.#pulled.length;
  }

  done(messages: readonly Pulled[]): void {
    for (const pulled of messages) {
      if (pulled.isDone) continue;
      pulled.isDone = true;
      this.#pulled[pulled.index - this.#cut] = undefined;
      this.#count--;
      this.#bytes -= pulled.message.body.length;
    }
    while (this.#first < this.#pulled.length && this.#pulled[this.#first] === undefined) this.#first++;
    if (this.#first > cutFrom && this.#first * 2 > this.#pulled.length) {
      this.#pulled = this.#pulled.slice(this.#first);
      this.#cut += this.#first;
      this.#next -= this.#first;
      this.#first = 0;
    }
    this.#tell();
  }

  /** Resolves once there is room for another pull, or the queue is dropped. */
  async room(): Promise<void> {
    while (!this.isDropped && this.#isFull) await this.#change();
  }

  /** Resolves once there is a message nobody took, or the queue is dropped. */
  async arrival(): Promise<void> {
    while (!this.isDropped && !this.hasNext) await this.#change();
  }

  get #isFull(): boolean {
    if (this.#count === 0) return false;
    const span = this.pullOffset - this.consumedOffset;
    return this.#count >= this.#limits.messagesMax || this.#bytes >= this.#limits.bytesMax || span > spanMax;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  #tell(): void {
    const changed = this.#changed;
    this.#changed = [];
    for (const resolve of changed) resolve();
  }
}

const cutFrom = 256;
