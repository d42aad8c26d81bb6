import { WasmqError } from "../ports/error.ts";
import type { FileStat } from "../ports/log-storage.ts";
import { ConsumeQueue } from "./consume-queue.ts";
import type { StoreContext } from "./context.ts";

/** Of one queue's end in memory: 204 messages. */
const tailBytesKeptMax = 4096;

/** All ConsumeQueues, by topic and queue id (ConsumeQueueStore). A queue comes into being with its first message. */
export class QueueTable {
  readonly #context: StoreContext;
  #count = 0;
  readonly #ofBatches = new Set<string>();
  readonly #extended = new Set<string>();
  readonly #topics = new Map<string, Map<number, ConsumeQueue>>();

  constructor(context: StoreContext) {
    this.#context = context;
  }

  find(topic: string, queueId: number): ConsumeQueue | undefined {
    return this.#topics.get(topic)?.get(queueId);
  }

  /** Throws SYSTEM_ERROR when there are as many queues as may be. */
  findOrMake(topic: string, queueId: number): ConsumeQueue {
    const found = this.find(topic, queueId);
    if (found !== undefined) return found;
    const { queuesMax } = this.#context.options.budget;
    if (this.#count >= queuesMax) {
      throw new WasmqError("SYSTEM_ERROR", `the broker has its ${queuesMax} queues with messages, no more are made`);
    }
    return this.findOrCreate(topic, queueId);
  }

  /** The same for what is in the store already, however much it is. */
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
      this.#count++;
      const { queueTails, options } = this.#context;
      queueTails.bytesKept = Math.min(tailBytesKeptMax, Math.floor(options.budget.queueTailBytesMax / this.#count));
    }
    return queue;
  }

  /** Takes out the queues of a topic; none if messages are on their way into one of them. */
  remove(topic: string): readonly ConsumeQueue[] {
    const queues = [...(this.#topics.get(topic)?.values() ?? [])];
    if (queues.some(({ nextOffset, maxOffset }) => nextOffset !== maxOffset)) return [];
    this.#topics.delete(topic);
    this.#count -= queues.length;
    return queues;
  }

  /**
   * Whether Apache keeps the topic's queue as one of batches (BatchConsumeQueue). It refuses a store in which such a topic has a
   * ConsumeQueue too.
   */
  isOfBatches(topic: string): boolean {
    return this.#ofBatches.has(topic);
  }

  /** Whether Apache keeps an extension to the topic's queues: units have an address there in the place of a tags code (ConsumeQueueExt). */
  isExtended(topic: string): boolean {
    return this.#extended.has(topic);
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
      const extended = /^consumequeue_ext\/([^/]+)\//.exec(stat.name);
      if (extended !== null) this.#extended.add(extended[1]!);
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
