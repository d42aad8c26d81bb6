import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type LoadResult, startClock, Tally } from "./tally.ts";
import type { Answers, LoadOptions, Protocol, Wire } from "./wire.ts";

const ANSWER_BYTES_MAX = 64 * 1024;
const DRAIN_AFTER_LOAD_MS = 5000;

/** Sends messages as fast as they are answered, for as long as the options say. */
export async function send(protocol: Protocol, options: LoadOptions): Promise<LoadResult> {
  await protocol.prepare(options);
  const tally = new Tally();
  const senders: PipelinedSender[] = [];
  for (let i = 0; i < options.connections; i++) senders.push(new PipelinedSender(protocol, options, tally, i));
  await sleep(options.warmupMs);

  tally.reset();
  const clock = startClock(options.server);
  const endMs = performance.now() + options.durationMs;
  while (performance.now() < endMs && !senders.every((sender) => sender.closed)) {
    await sleep(Math.max(0, Math.min(100, endMs - performance.now())));
  }
  const result = clock.result(tally);

  tally.stopping = true;
  const drainedByMs = performance.now() + DRAIN_AFTER_LOAD_MS;
  while (performance.now() < drainedByMs && senders.some((sender) => sender.inFlight > 0)) await sleep(5);
  for (const sender of senders) sender.close();
  return { ...result, ...tally.errorFigures };
}

/**
 * One connection with its window. Each place in the window owns a request in `#frames` for good: it may be patched as
 * soon as its answer is in, because an answered request has left the socket.
 */
class PipelinedSender implements Answers {
  readonly #tally: Tally;
  readonly #wire: Wire;
  readonly #window: number;
  readonly #frames: Buffer;
  readonly #sentAtMs: Float64Array;
  readonly #waiting: Uint8Array;
  /** How often each place was used. */
  readonly #rounds: Uint32Array;
  readonly #socket: Socket;
  #inFlight = 0;
  #nowMs = 0;
  #closed = false;

  constructor(protocol: Protocol, options: LoadOptions, tally: Tally, connection: number) {
    this.#tally = tally;
    this.#window = options.window;
    this.#wire = protocol.wire(options, connection, this);
    const { request } = this.#wire;
    this.#frames = Buffer.alloc(request.length * options.window);
    for (let place = 0; place < options.window; place++) this.#frames.set(request, place * request.length);
    this.#sentAtMs = new Float64Array(options.window);
    this.#waiting = new Uint8Array(options.window);
    this.#rounds = new Uint32Array(options.window);
    const buffer = Buffer.alloc(ANSWER_BYTES_MAX);
    this.#socket = connect({
      host: options.host,
      port: options.port,
      noDelay: true,
      onread: { buffer, callback: (length) => this.#onBytes(buffer.subarray(0, length)) },
    });
    this.#socket.on("connect", () => {
      if (this.#wire.greeting !== undefined) this.#socket.write(this.#wire.greeting);
      this.#sendFree();
    });
    this.#socket.on("error", (error) => this.#tally.fail(error.message, 0));
    this.#socket.on("close", () => {
      this.#closed = true;
      if (this.#inFlight > 0) this.#tally.fail("connection closed with messages in flight", this.#inFlight);
      this.#inFlight = 0;
    });
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    if (this.#inFlight > 0) this.#tally.fail("messages never answered", this.#inFlight);
    this.#inFlight = 0;
    this.#socket.destroy();
  }

  stored(place: number): void {
    if (this.#answered(place)) this.#tally.done((this.#nowMs - this.#sentAtMs[place]!) * 1000);
  }

  busy(place: number): void {
    if (this.#answered(place)) this.#tally.busy++;
  }

  failed(place: number, reason: string): void {
    this.#answered(place);
    this.#tally.fail(reason);
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  #answered(place: number): boolean {
    if (this.#waiting[place] !== 1) {
      this.#tally.fail(`an answer nobody waits for, place ${place}`);
      return false;
    }
    this.#waiting[place] = 0;
    this.#inFlight--;
    return true;
  }

  #onBytes(chunk: Buffer): boolean {
    this.#nowMs = performance.now();
    try {
      this.#wire.push(chunk);
    } catch (error) {
      this.#socket.destroy(error as Error);
      return false;
    }
    if (!this.#tally.stopping) this.#sendFree();
    return true;
  }

  /** Sends every free place, neighbours as one buffer, all of them as one system call. */
  #sendFree(): void {
    const requestBytes = this.#wire.request.length;
    const nowMs = performance.now();
    this.#socket.cork();
    for (let place = 0; place < this.#window; place++) {
      if (this.#waiting[place] === 1) continue;
      const first = place;
      for (; place < this.#window && this.#waiting[place] === 0; place++) {
        this.#wire.patch(this.#frames, place * requestBytes, place, this.#rounds[place]!++);
        this.#sentAtMs[place] = nowMs;
        this.#waiting[place] = 1;
        this.#inFlight++;
      }
      this.#socket.write(this.#frames.subarray(first * requestBytes, place * requestBytes));
    }
    this.#socket.uncork();
  }
}
