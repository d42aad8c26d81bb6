import type { Watched } from "../usage.ts";

/** One protocol on one connection: all that differs between the servers that are loaded. */
export interface Wire {
  /** Sent once, before the first request. */
  readonly greeting: Buffer | undefined;
  /** What each place of a window is filled with; what differs from message to message in it has a constant width. */
  readonly request: Buffer;
  /** Makes a request new: `frames[at..]` is the `request` of a place that is used for the `round`th time. */
  patch(frames: Buffer, at: number, place: number, round: number): void;
  /** Tells `Answers` of each whole answer; the chunk is its owner's again when this returns. Throws on bytes it cannot read. */
  push(chunk: Buffer): void;
}

/** Told by a wire what came back. */
export interface Answers {
  /** The message is stored; false when nobody waits for it at this place. */
  stored(place: number): void;
  /** Flow control, which is no fault, but no work done either. */
  busy(place: number): void;
  failed(place: number, reason: string): void;
  /** Something the protocol asks for in between. */
  send(bytes: Buffer): void;
}

/** A server's protocol: what it needs before a load, and a wire for each connection. */
export interface Protocol {
  /** Makes what is written to: racing to do it, the connections would measure that instead. */
  prepare(options: LoadOptions): Promise<void>;
  wire(options: LoadOptions, connection: number, answers: Answers): Wire;
}

export interface LoadOptions {
  host: string;
  port: number;
  connections: number;
  /** Requests in flight on each connection. */
  window: number;
  bodyBytes: number;
  topic: string;
  queues: number;
  warmupMs: number;
  durationMs: number;
  codec: "json" | "binary";
  /** A property that each message has besides, where the protocol has such. */
  property?: { readonly name: string; readonly value: string };
  /** The server's process, if its use of the machine is to be measured. */
  server: Watched | undefined;
}

/** Bytes without a pattern, so that nothing on the way gains by compressing or deduplicating them. */
export function bodyOf(bytes: number): Buffer {
  const body = Buffer.allocUnsafe(bytes);
  let state = 0x9e3779b9;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    body[i] = state >>> 24;
  }
  return body;
}

export const DIGITS = 10;

/** A number below 10^10 as ten digits: it can be written over another without moving what follows. */
export function writeDigits(bytes: Buffer, at: number, value: number): void {
  let rest = value;
  for (let digit = at + DIGITS - 1; digit >= at; digit--) {
    const tenth = Math.trunc(rest / 10);
    bytes[digit] = 0x30 + rest - tenth * 10;
    rest = tenth;
  }
}

export function digitsIn(bytes: Buffer, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) value = value * 10 + bytes[at]! - 0x30;
  return value;
}

/** Cuts a stream of answers of unknown length: `cut` handles the one at `at` and says where the next is, or -1 if it is not whole. */
export class Cutter {
  readonly #cut: (bytes: Buffer, at: number) => number;
  #held: Buffer | undefined;

  constructor(cut: (bytes: Buffer, at: number) => number) {
    this.#cut = cut;
  }

  push(chunk: Buffer): void {
    const bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    let at = 0;
    while (at < bytes.length) {
      const next = this.#cut(bytes, at);
      if (next < 0) break;
      at = next;
    }
    this.#held = at < bytes.length ? Buffer.from(bytes.subarray(at)) : undefined;
  }
}
