import { type MessageQueue, queueKey } from "./message.ts";

/**
 * Where a broadcasting consumer keeps its places: every member goes through all queues by itself, so that no broker keeps them. An
 * application that wants to go on after a restart brings one that lasts.
 */
export interface OffsetStore {
  /** Where to go on, or undefined if this queue is new. */
  load(group: string, queue: MessageQueue): number | undefined | Promise<number | undefined>;
  save(group: string, queue: MessageQueue, offset: number): void | Promise<void>;
}

/** Gone with the process. */
export class MemoryOffsetStore implements OffsetStore {
  readonly #offsets = new Map<string, number>();

  load(group: string, queue: MessageQueue): number | undefined {
    return this.#offsets.get(`${group}\u0001${queueKey(queue)}`);
  }

  save(group: string, queue: MessageQueue, offset: number): void {
    this.#offsets.set(`${group}\u0001${queueKey(queue)}`, offset);
  }
}
