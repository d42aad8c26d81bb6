import { Client, type MessageQueue, WasmqError } from "../../../../src/client/index.ts";
import { type BrowserBrokerOptions, openBroker, type TabsBroker } from "../../../../src/hosts/browser/index.ts";

/** A message as it was read. */
export interface Read {
  readonly queueId: number;
  readonly queueOffset: number;
  readonly body: string;
}

/** What a test does in a tab; bodies are texts, each of them different. */
export class Tab {
  readonly #broker: TabsBroker;
  readonly #client: Client;
  /** Bodies whose sends were answered, in that order. */
  readonly acked: string[] = [];
  readonly failures: { readonly code: string; readonly message: string }[] = [];
  #isSending = false;
  #sending: Promise<void> = Promise.resolve();

  constructor(options: BrowserBrokerOptions) {
    this.#broker = openBroker({
      name: options.name,
      worker: () =>
        new Worker(new URL("./broker-worker.ts", import.meta.url), { type: "module", name: JSON.stringify(options) }),
    });
    this.#client = new Client({
      nameServers: [this.#broker.address],
      carrier: this.#broker.carrier,
      requestTimeoutMs: 15_000,
    });
  }

  get isLeader(): boolean {
    return this.#broker.isLeader;
  }

  /** Sends `count` messages, some at a time; each queue gets its own in order. Rejects if one is refused. */
  async send(topic: string, prefix: string, count: number, bodyBytes = 20): Promise<void> {
    const producer = this.#client.producer(producing);
    const queues = await this.#queuesOf(topic);
    const inFlight = new Set<Promise<void>>();
    let failure: unknown;
    for (let i = 0; i < count && failure === undefined; i++) {
      const body = bodyOf(`${prefix}${i}`, bodyBytes);
      const sent = producer
        .send({ topic, body: encoder.encode(body) }, { queue: queues[i % queues.length]!, timeoutMs: 15_000 })
        .then(
          () => this.#ack(body),
          (error: unknown) => {
            failure ??= error;
          },
        );
      inFlight.add(sent);
      void sent.then(() => inFlight.delete(sent));
      if (inFlight.size >= 64) await Promise.race(inFlight);
    }
    await Promise.all(inFlight);
    if (failure !== undefined) throw failure;
  }

  /** Sends one message after the other until `stopSending`, whatever happens to them, from several senders at once. */
  startSending(topic: string, prefix: string, bodyBytes: number, senders: number): void {
    this.#isSending = true;
    const producer = this.#client.producer(producing);
    const send = async (sender: number): Promise<void> => {
      for (let i = 0; this.#isSending; i++) {
        const body = bodyOf(`${prefix}${sender}-${i}`, bodyBytes);
        try {
          await producer.send({ topic, body: encoder.encode(body) }, { timeoutMs: 15_000 });
          this.#ack(body);
        } catch (error) {
          const { message } = error as Error;
          this.failures.push({ code: error instanceof WasmqError ? error.code : "", message });
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    this.#sending = Promise.all(Array.from({ length: senders }, (_, sender) => send(sender))).then(() => {});
  }

  async stopSending(): Promise<void> {
    this.#isSending = false;
    await this.#sending;
  }

  /** All messages of a topic, queue after queue. */
  async readAll(topic: string): Promise<Read[]> {
    const consumer = this.#client.pullConsumer({ group: "e2e" });
    const read: Read[] = [];
    for (const queue of await consumer.queues(topic)) {
      for await (const message of consumer.read(queue, { from: "min" }))
        read.push(readOf(message.queueOffset, queue, message.body));
    }
    return read;
  }

  /** The next `count` messages of a topic, as they come, over all its queues. */
  async follow(topic: string, count: number): Promise<Read[]> {
    const consumer = this.#client.pullConsumer({ group: "e2e" });
    const read: Read[] = [];
    const done = new AbortController();
    const follow = async (queue: MessageQueue): Promise<void> => {
      for await (const message of consumer.read(queue, { from: "min", follow: true, signal: done.signal })) {
        read.push(readOf(message.queueOffset, queue, message.body));
        if (read.length >= count) done.abort();
      }
    };
    const queues = await consumer.queues(topic);
    await Promise.all(
      queues.map((queue) =>
        follow(queue).catch((error: unknown) => {
          if (!done.signal.aborted) throw error;
        }),
      ),
    );
    return read;
  }

  /** Sends messages with keys, batches and singles in turns; what of their bodies another client can compare, by key. */
  async sendKeyed(topic: string, prefix: string, count: number, bodyBytes: number): Promise<Record<string, string>> {
    const producer = this.#client.producer(producing);
    const sha256: Record<string, string> = {};
    for (let at = 0; at < count; at += 50) {
      const messages = Array.from({ length: Math.min(50, count - at) }, (_, i) => {
        const key = `${prefix}${at + i}`;
        return { topic, keys: [key], body: encoder.encode(bodyOf(key, bodyBytes)) };
      });
      await (at % 100 === 0 ? producer.send(messages) : Promise.all(messages.map((message) => producer.send(message))));
      for (const { keys, body } of messages) sha256[keys[0]!] = await sha256Of(body);
    }
    return sha256;
  }

  /** The store as an archive, a piece after the other to `window.takePiece`. */
  async exportStore(): Promise<void> {
    const reader = this.#broker.exportStore().getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      await window.takePiece!(btoa(Array.from(value, (byte) => String.fromCharCode(byte)).join("")));
    }
  }

  async close(): Promise<void> {
    await this.#client.close();
    await this.#broker.close();
  }

  async #queuesOf(topic: string): Promise<readonly MessageQueue[]> {
    const consumer = this.#client.pullConsumer({ group: "e2e" });
    try {
      return await consumer.queues(topic);
    } catch {
      // The first message makes the topic.
      const body = bodyOf("first", 20);
      await this.#client.producer(producing).send({ topic, body: encoder.encode(body) }, { timeoutMs: 15_000 });
      this.#ack(body);
      return consumer.queues(topic);
    }
  }

  #ack(body: string): void {
    this.acked.push(body);
    window.tellAcked?.(body.slice(0, body.indexOf(" ")));
  }
}

declare global {
  interface Window {
    Tab: typeof Tab;
    tab: Tab;
    /** Takes it out of the browser, for when that is killed. */
    tellAcked?: (body: string) => void;
    /** Takes bytes out of the browser, as base64. */
    takePiece?: (base64: string) => Promise<void>;
  }
}

window.Tab = Tab;

const producing = { group: "e2e", compressFromBytes: Number.POSITIVE_INFINITY };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A name and a space, filled up to a size with what does not compress: a quota is used up by bytes on the disk. */
function bodyOf(name: string, bytes: number): string {
  const start = `${name} `;
  const random = crypto.getRandomValues(new Uint8Array(Math.max(0, bytes - start.length)));
  return start + Array.from(random, (byte) => String.fromCharCode(48 + (byte & 63))).join("");
}

async function sha256Of(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function readOf(queueOffset: number, { queueId }: MessageQueue, body: Uint8Array): Read {
  return { queueId, queueOffset, body: decoder.decode(body) };
}
