import type { FileStat } from "../ports/log-storage.ts";
import { ConsumeQueue } from "./consume-queue.ts";
import type { StoreContext } from "./context.ts";

/** All ConsumeQueues, by topic and queue id (ConsumeQueueStore). A queue comes into being with its first message. */
export class QueueTable {
  readonly #context: StoreContext;
  readonly #ofBatches = new Set<string>();
  readonly #topics = new Map<string, Map<number, ConsumeQueue>>();

  constructor(context: StoreContext) {
    this.#context = context;
  }

  find(topic: string, queueId: number): ConsumeQueue | undefined {
    return this.#topics.get(topic)?.get(queueId);
  }

  findOrCreate(topic: string, queueId: number): ConsumeQueue {
    let queues = this.#topics.get(topic);
    if (queues === undefined) {
      queues = new Map();
      this.#topics.set(topic, queues);
    }
    let queue = queues.get(queueId);
    if (queue === undefined) {
      queue = new ConsumeQueue(this.#context, topic, queueId);
      queues.set(queueId, queue);
    }
    return queue;
  }

  /**
   * Whether Apache keeps the topic's queue as one of batches (BatchConsumeQueue). It refuses a store in which such a topic has a
   * ConsumeQueue too.
   */
  isOfBatches(topic: string): boolean {
    return this.#ofBatches.has(topic);
  }

  *all(): Generator<ConsumeQueue> {
    for (const queues of this.#topics.values()) yield* queues.values();
  }

  /** Takes over the files below `consumequeue/`; folders that are no queue's are left alone, as Apache does. */
  async load(stats: readonly FileStat[]): Promise<void> {
    const byQueue = new Map<string, FileStat[]>();
    for (const stat of stats) {
      const ofBatches = /^batchconsumequeue\/([^/]+)\//.exec(stat.name);
      if (ofBatches !== null) this.#ofBatches.add(ofBatches[1]!);
      const path = /^consumequeue\/([^/]+)\/(\d{1,9})\/[^/]+$/.exec(stat.name);
      if (path === null) continue;
      const key = `${path[1]}/${Number(path[2])}`;
      const files = byQueue.get(key);
      if (files === undefined) byQueue.set(key, [stat]);
      else files.push(stat);
    }
    for (const [key, files] of byQueue) {
      const slash = key.lastIndexOf("/");
      await this.findOrCreate(key.slice(0, slash), Number(key.slice(slash + 1))).load(files);
    }
  }
}
