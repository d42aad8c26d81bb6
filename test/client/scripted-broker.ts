import type { Carrier, LineEvents } from "../../src/client/carrier.ts";
import type { ClientClock } from "../../src/client/clock.ts";
import { WasmqError } from "../../src/ports/error.ts";

export interface Asked {
  readonly address: string;
  readonly code: number;
  readonly fields: Readonly<Record<string, string>>;
}

export interface Scripted {
  readonly code: number;
  readonly remark?: string;
  readonly fields?: Record<string, string>;
  readonly body?: object | Uint8Array;
}

const text = new TextEncoder();
const utf8 = new TextDecoder();

/**
 * Brokers that answer by a script, for what real ones do rarely: "drop" ends the line, "silent" never answers. Routes and heartbeats
 * are answered for the topic T and those of retries, of two queues on each of the brokers.
 */
export class ScriptedBrokers implements Carrier {
  readonly asked: Asked[] = [];
  readonly away = new Set<string>();
  readonly #brokers: readonly string[];
  readonly #answer: (asked: Asked) => Scripted | "drop" | "silent";

  constructor(brokers: readonly string[], answer: (asked: Asked) => Scripted | "drop" | "silent") {
    this.#brokers = brokers;
    this.#answer = answer;
  }

  sends(): Asked[] {
    return this.asked.filter(({ code }) => code === 310 || code === 320);
  }

  async dial(address: string, events: LineEvents) {
    if (this.away.has(address)) throw new WasmqError("ADDRESS_UNUSABLE", `${address} is away`);
    let isClosed = false;
    const close = (): void => {
      if (isClosed) return;
      isClosed = true;
      queueMicrotask(() => events.closed());
    };
    return {
      unsentBytes: 0,
      close,
      send: (chunks: readonly Uint8Array[]) => {
        for (const header of headersOf(chunks)) {
          if (isClosed) return;
          const asked = { address, code: header.code, fields: header.extFields };
          this.asked.push(asked);
          const scripted = this.#usual(asked) ?? this.#answer(asked);
          if (scripted === "drop") close();
          else if (scripted !== "silent" && (header.flag & 2) === 0) {
            queueMicrotask(() => events.received(frameOf(header.opaque, scripted)));
          }
        }
      },
    };
  }

  #usual({ code, fields }: Asked): Scripted | undefined {
    if (code === 34 || code === 35) return { code: 0 };
    if (code !== 105) return undefined;
    if (fields["topic"] !== "T" && !fields["topic"]!.startsWith("%RETRY%")) return { code: 17 };
    return {
      code: 0,
      body: {
        brokerDatas: this.#brokers.map((name) => ({ brokerName: name, brokerAddrs: { 0: name } })),
        queueDatas: this.#brokers.map((brokerName) => ({ brokerName, perm: 6, readQueueNums: 2, writeQueueNums: 2 })),
      },
    };
  }
}

/** A send that succeeds. */
export const sent: Scripted = { code: 0, fields: { msgId: "ID", queueId: "0", queueOffset: "0" } };

interface Header {
  readonly code: number;
  readonly opaque: number;
  readonly flag: number;
  readonly extFields: Record<string, string>;
}

function headersOf(chunks: readonly Uint8Array[]): Header[] {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const chunk of chunks) {
    all.set(chunk, end);
    end += chunk.length;
  }
  const view = new DataView(all.buffer);
  const headers: Header[] = [];
  for (let at = 0; at < all.length; at += 4 + view.getInt32(at)) {
    headers.push(JSON.parse(utf8.decode(all.subarray(at + 8, at + 8 + (view.getInt32(at + 4) & 0xffffff)))));
  }
  return headers;
}

function frameOf(opaque: number, { code, remark, fields = {}, body }: Scripted): Uint8Array {
  const header = text.encode(JSON.stringify({ code, opaque, flag: 1, remark, extFields: fields }));
  const bytes = body instanceof Uint8Array ? body : text.encode(body === undefined ? "" : JSON.stringify(body));
  const frame = new Uint8Array(8 + header.length + bytes.length);
  const view = new DataView(frame.buffer);
  view.setInt32(0, frame.length - 4);
  view.setInt32(4, header.length);
  frame.set(header, 8);
  frame.set(bytes, 8 + header.length);
  return frame;
}

/** A clock that goes on by itself to what is due next, once all else has been done. */
export class QuickClock implements ClientClock {
  nowMs = 1_700_000_000_000;
  /** What was waited for, in milliseconds. */
  readonly waits: number[] = [];
  readonly #due: { readonly atMs: number; readonly task: () => void }[] = [];
  #random = 0;

  now(): number {
    return this.nowMs;
  }

  /** The same in each run: 0, 0.25, 0.5, 0.75. */
  random(): number {
    this.#random = (this.#random + 1) % 4;
    return this.#random / 4;
  }

  after(ms: number, task: () => void): () => void {
    const due = { atMs: this.nowMs + ms, task };
    this.#due.push(due);
    return () => {
      const at = this.#due.indexOf(due);
      if (at >= 0) this.#due.splice(at, 1);
    };
  }

  soon(task: () => void): void {
    queueMicrotask(task);
  }

  monthStart(): number {
    return 1_698_793_200_000;
  }

  /** Runs until `promise` is settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    promise.then(
      () => {
        isSettled = true;
      },
      () => {
        isSettled = true;
      },
    );
    for (;;) {
      // All microtasks that are due, and those they bring.
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (isSettled) return promise;
      this.#due.sort((a, b) => a.atMs - b.atMs);
      const next = this.#due.shift();
      if (next === undefined) throw new Error("nothing is due, and what is waited for does not come");
      this.waits.push(next.atMs - this.nowMs);
      this.nowMs = next.atMs;
      next.task();
    }
  }
}
