import { WasmqError } from "../ports/error.ts";
import type { FileStat } from "../ports/log-storage.ts";
import { BatchConsumeQueue } from "./batch-consume-queue.ts";
import { ConsumeQueue } from "./consume-queue.ts";
import type { StoreContext } from "./context.ts";
import type { Queue } from "./queue.ts";

/** Of one queue's end in memory: 204 messages. */
const tailBytesKeptMax = 4096;

/** All ConsumeQueues, by topic and queue id (ConsumeQueueStore). A queue comes into being with its first message. */
export class QueueTable {
  readonly #context: StoreContext;
  #count = 0;
  readonly #extended = new Set<string>();
  readonly #topics = new Map<string, Map<number, ConsumeQueue | BatchConsumeQueue>>();

  constructor(context: StoreContext) {
    this.#context = context;
  }

  find(topic: string, queueId: number): ConsumeQueue | BatchConsumeQueue | undefined {
    return this.#topics.get(topic)?.get(queueId);
  }

  /** Throws SYSTEM_ERROR when there are as many queues as may be. */
  findOrMake(topic: string, queueId: number): Queue {
    const found = this.find(topic, queueId);
    if (found !== undefined) return found;
    const { queuesMax } = this.#context.options.budget;
    if (this.#count >= queuesMax) {
      throw new WasmqError("SYSTEM_ERROR", `the broker has its ${queuesMax} queues with messages, no more are made`);
    }
    return this.findOrCreate(topic, queueId);
  }

  /**
   * The same for what is in the store already, however much it is. All queues of a topic are of one kind: Apache refuses a store with a topic that
   * has both. `ofBatches`: which one, where the topic has none yet.
   */
  findOrCreate(topic: string, queueId: number, ofBatches = this.isOfBatches(topic)): ConsumeQueue | BatchConsumeQueue {
    let queues = this.#topics.get(topic);
    if (queues === undefined) {
      queues = new Map();
      this.#topics.set(topic, queues);
    }
    let queue = queues.get(queueId);
    if (queue === undefined) {
      queue = new (ofBatches ? BatchConsumeQueue : ConsumeQueue)(this.#context, topic, queueId);
      queues.set(queueId, queue);
      this.#count++;
      const { queueTails, options } = this.#context;
      queueTails.bytesKept = Math.min(tailBytesKeptMax, Math.floor(options.budget.queueTailBytesMax / this.#count));
    }
    return queue;
  }

  /** Takes out the queues of a topic; none if messages are on their way into one of them. */
  remove(topic: string): readonly Queue[] {
    const queues = [...(this.#topics.get(topic)?.values() ?? [])];
    if (queues.some(({ nextOffset, maxOffset }) => nextOffset !== maxOffset)) return [];
    this.#topics.delete(topic);
    this.#count -= queues.length;
    return queues;
  }

  /** Whether a topic's queues are BatchConsumeQueues, or would be. */
  isOfBatches(topic: string): boolean {
    const one = this.#topics.get(topic)?.values().next().value;
    return one === undefined ? this.#context.options.isOfBatches?.(topic) === true : one instanceof BatchConsumeQueue;
  }

  /** Whether Apache keeps an extension to the topic's queues: units have an address there in the place of a tags code (ConsumeQueueExt). */
  isExtended(topic: string): boolean {
    return this.#extended.has(topic);
  }

  *all(): Generator<ConsumeQueue | BatchConsumeQueue> {
    for (const queues of this.#topics.values()) yield* queues.values();
  }

  /**
   * Takes over the files below `consumequeue/` and `batchconsumequeue/`; folders that are no queue's are left alone, as Apache does. Throws
   * STORE_UNREADABLE for a topic that has queues in both, and for files that are none of a queue's.
   */
  async load(stats: readonly FileStat[]): Promise<void> {
    const byQueue = new Map<string, FileStat[]>();
    for (const stat of stats) {
      const extended = /^consumequeue_ext\/([^/]+)\//.exec(stat.name);
      if (extended !== null) this.#extended.add(extended[1]!);
      const path = /^((?:batch)?consumequeue)\/([^/]+)\/(\d{1,9})\/[^/]+$/.exec(stat.name);
      if (path === null) continue;
      const key = `${path[1]}/${path[2]}/${Number(path[3])}`;
      const files = byQueue.get(key);
      if (files === undefined) byQueue.set(key, [stat]);
      else files.push(stat);
    }
    for (const [key, files] of byQueue) {
      const [folder, topic, queueId] = key.split("/") as [string, string, string];
      const ofBatches = folder === "batchconsumequeue";
      if (this.#topics.has(topic) && this.isOfBatches(topic) !== ofBatches) {
        throw new WasmqError(
          "STORE_UNREADABLE",
          `topic ${topic} has queues below consumequeue and batchconsumequeue: remove the folder that is not its queue.type`,
        );
      }
      await this.findOrCreate(topic, Number(queueId), ofBatches).load(files);
    }
  }
}
