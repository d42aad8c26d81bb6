import type { Client, MessageQueue, PullConsumer } from "../src/client/index.ts";
import { codeOf } from "./app.ts";
import type { Settings } from "./settings.ts";

/** A queue as the broker last told. */
export interface WatchedQueue {
  readonly queue: MessageQueue;
  /** The offset that the next message gets. */
  readonly endOffset: number;
  /** Where each group goes on; a group that never had the queue is not in it. */
  readonly committed: ReadonlyMap<string, number>;
}

/** A round costs the broker some requests a queue; a hidden tab asks for none. */
const roundMs = 2_000;
/** What happens together is looked at once. */
const soonMs = 150;

/** Looks again and again at the queues of the topics that the page knows, and of those that the broker keeps for its groups. */
export class Watch {
  readonly #settings: Settings;
  readonly #groups: readonly string[];
  readonly #consumers: ReadonlyMap<string, PullConsumer>;
  readonly #reader: PullConsumer;
  readonly #report: (error: unknown, what: string) => void;
  readonly #changed = new Set<() => void>();
  #queues: readonly WatchedQueue[] = [];
  #isLooking = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    client: Client,
    settings: Settings,
    groups: readonly string[],
    report: (error: unknown, what: string) => void,
  ) {
    this.#settings = settings;
    this.#groups = groups;
    this.#report = report;
    this.#consumers = new Map(groups.map((group) => [group, client.pullConsumer({ group })]));
    this.#reader = client.pullConsumer({ group: "page" });
    document.addEventListener("visibilitychange", () => this.soon());
  }

  get queues(): readonly WatchedQueue[] {
    return this.#queues;
  }

  onChange(changed: () => void): void {
    this.#changed.add(changed);
  }

  /** Looks without waiting for the next round. */
  soon(): void {
    if (!this.#isLooking) this.#lookIn(soonMs);
  }

  #lookIn(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), ms);
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    try {
      if (document.visibilityState === "visible") {
        const found = await Promise.all(this.#topics().map((topic) => this.#lookAt(topic)));
        this.#queues = found.flat();
        for (const changed of this.#changed) changed();
      }
    } catch (error) {
      this.#report(error, "looking at the queues");
    } finally {
      this.#isLooking = false;
      this.#lookIn(roundMs);
    }
  }

  #topics(): readonly string[] {
    if (this.#settings.topics.length === 0) return [];
    const kept = this.#groups.flatMap((group) => [`%RETRY%${group}`, `%DLQ%${group}`]);
    return [...this.#settings.topics, ...kept, "SCHEDULE_TOPIC_XXXX"];
  }

  async #lookAt(topic: string): Promise<WatchedQueue[]> {
    let queues: readonly MessageQueue[];
    try {
      queues = await this.#reader.queues(topic);
    } catch (error) {
      // The broker makes it with the first message for it.
      if (codeOf(error) === "TOPIC_NOT_EXIST") return [];
      throw error;
    }
    return Promise.all(
      queues.map(async (queue) => ({
        queue,
        endOffset: await this.#reader.maxOffset(queue),
        committed: await this.#committed(queue),
      })),
    );
  }

  async #committed(queue: MessageQueue): Promise<ReadonlyMap<string, number>> {
    const committed = new Map<string, number>();
    for (const [group, consumer] of this.#consumers) {
      if (!this.#isConsumed(queue.topic, group)) continue;
      const offset = await consumer.committedOffset(queue);
      if (offset !== undefined) committed.set(group, offset);
    }
    return committed;
  }

  #isConsumed(topic: string, group: string): boolean {
    return topic === `%RETRY%${group}` || this.#settings.topics.includes(topic);
  }
}
