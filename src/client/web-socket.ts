import { socketCreditBytes } from "../limits.ts";
import { WasmqError } from "../ports/error.ts";
import type { Carrier, Line, LineEvents } from "./carrier.ts";

/** What a line needs of a WebSocket: the platform's own, or one that a Worker was handed. */
export interface OpenSocket {
  binaryType?: string;
  readonly bufferedAmount?: number;
  send(data: Uint8Array<ArrayBuffer> | string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close" | "error", listener: () => void): void;
}

/**
 * A carrier over WebSocket. Addresses are URLs (`wss://host/path`); a `host:port` becomes `ws://host:port/`. Binary messages hold
 * whole frames, one or many. A text message `+N` tells the broker that N more bytes were taken, since the broker of an edge
 * platform can't see what waits to be sent.
 *
 * `token`, if given, goes into the query as `token`: a browser's WebSocket takes no headers.
 */
export function webSocket(options: { readonly token?: string } = {}): Carrier {
  return {
    dial: async (address, events, signal) => dial(urlOf(address, options.token), events, signal),
  };
}

function urlOf(address: string, token: string | undefined): string {
  const text = /^wss?:\/\//.test(address) ? address : `ws://${address}/`;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new WasmqError("ADDRESS_UNUSABLE", `${address} is no address: give a ws:// or wss:// URL, or host:port`);
  }
  if (token !== undefined) url.searchParams.set("token", token);
  return url.href;
}

async function dial(url: string, events: LineEvents, signal?: AbortSignal): Promise<Line> {
  signal?.throwIfAborted();
  const socket = new WebSocket(url);
  await new Promise<void>((resolve, reject) => {
    const ended = (): void => {
      signal?.removeEventListener("abort", aborted);
    };
    const aborted = (): void => {
      ended();
      socket.close();
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", aborted, { once: true });
    const failed = (): void => {
      ended();
      // The platform does not say why; the address without its query, which may hold a token.
      reject(new WasmqError("ADDRESS_UNUSABLE", `${url.replace(/\?.*/, "")} takes no WebSocket connection`));
    };
    socket.addEventListener("error", failed, { once: true });
    socket.addEventListener("close", failed, { once: true });
    socket.addEventListener(
      "open",
      () => {
        ended();
        socket.removeEventListener("error", failed);
        socket.removeEventListener("close", failed);
        resolve();
      },
      { once: true },
    );
  });
  return openLine(socket as OpenSocket, events);
}

/** The line over a WebSocket that is open already. */
export function openLine(socket: OpenSocket, events: LineEvents): Line {
  return new SocketLine(socket, events);
}

class SocketLine implements Line {
  readonly #socket: OpenSocket;
  readonly #events: LineEvents;
  #isClosed = false;
  #taken = 0;

  constructor(socket: OpenSocket, events: LineEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => {
      if (this.#isClosed || !(data instanceof ArrayBuffer)) return;
      events.received(new Uint8Array(data));
      this.#took(data.byteLength);
    });
    socket.addEventListener("close", () => this.#closed());
    socket.addEventListener("error", () => this.#closed());
  }

  get unsentBytes(): number {
    return this.#socket.bufferedAmount ?? 0;
  }

  send(chunks: readonly Uint8Array[]): void {
    if (this.#isClosed) return;
    const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    this.#socket.send(bytes);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#socket.close(1000);
    this.#closed();
  }

  #took(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken < socketCreditBytes || this.#isClosed) return;
    this.#socket.send(`+${this.#taken}`);
    this.#taken = 0;
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#events.closed();
  }
}
