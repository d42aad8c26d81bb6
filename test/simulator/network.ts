import type { Connection, ConnectionHandler } from "../../src/ports/network.ts";
import type { RunningBroker } from "../../src/wasmq.ts";
import { concat, type Wire, type WireEvents } from "../lib/remoting-client.ts";
import type { Loop } from "./loop.ts";
import type { Random } from "./random.ts";

/** Bytes are on their way for at most so long. */
const latencyMs = 3;

/**
 * A line between a client and a broker: bytes take their time in order, and come cut anywhere unless the carrier keeps frames whole. It
 * may outlive the broker's memory.
 */
export class VirtualLine implements Connection {
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort: number;
  readonly localAddress = "127.0.0.1";
  readonly localPort = 10911;
  readonly unsentBytes = 0;
  /** What the broker has kept of it. */
  kept: Uint8Array | undefined;
  readonly #loop: Loop;
  readonly #random: Random;
  readonly #events: WireEvents;
  readonly #isCut: boolean;
  #handler: ConnectionHandler | undefined;
  /** What came while no broker had the line: the host holds it back. */
  #waiting: Uint8Array[] = [];
  #isOpen = true;
  /** When what was sent last arrives, to the broker and to the client. */
  #arrivesMs = { there: 0, here: 0 };
  readonly #client: Wire;

  constructor(loop: Loop, random: Random, events: WireEvents, given: { port: number; isCut: boolean }) {
    this.#loop = loop;
    this.#random = random;
    this.#events = events;
    this.remotePort = given.port;
    this.#isCut = given.isCut;
    this.#client = { send: (chunks) => this.#toBroker(concat([...chunks])), close: () => this.close() };
  }

  /** The client's end. */
  get wire(): Wire {
    return this.#client;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** A broker takes it, for the first time or again. */
  takenBy(broker: RunningBroker): void {
    this.#handler = broker.accept(this, this.kept);
    for (const bytes of this.#waiting.splice(0)) this.#handler.received(bytes);
  }

  /** The broker's memory is gone; what comes meanwhile waits. */
  forgotten(): void {
    this.#handler = undefined;
  }

  keep(state: Uint8Array | undefined): void {
    this.kept = state;
  }

  send(chunks: readonly Uint8Array[]): void {
    if (!this.#isOpen) return;
    const bytes = concat([...chunks]);
    this.#after("here", () => {
      if (this.#isOpen) this.#events.received(bytes);
    });
  }

  abort(): void {
    this.close();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const handler = this.#handler;
    this.#handler = undefined;
    this.#loop.after(0, () => {
      handler?.closed();
      this.#events.closed();
    });
  }

  /** The broker has died: its end is gone without a word. */
  drop(): void {
    this.#handler = undefined;
    this.close();
  }

  #toBroker(bytes: Uint8Array): void {
    const cutAt = this.#isCut && this.#random.chance(0.1) ? this.#random.below(bytes.length) : 0;
    for (const part of [bytes.subarray(0, cutAt), bytes.subarray(cutAt)]) {
      if (part.length > 0) this.#after("there", () => this.#arrived(part));
    }
  }

  #arrived(bytes: Uint8Array): void {
    if (!this.#isOpen) return;
    if (this.#handler === undefined) this.#waiting.push(bytes);
    else this.#handler.received(bytes);
  }

  #after(end: "there" | "here", task: () => void): void {
    const atMs = Math.max(this.#arrivesMs[end], this.#loop.nowMs + this.#random.next() * latencyMs);
    this.#arrivesMs[end] = atMs;
    this.#loop.at(atMs, task);
  }
}
