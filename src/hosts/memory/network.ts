import type { Connection, ConnectionHandler } from "../../ports/network.ts";

/** A client in the broker's own process: bytes go over as they are, one task later, as on any other carrier. */
export class InProcessConnection implements Connection {
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort: number;
  readonly localAddress = "127.0.0.1";
  readonly localPort = 0;
  readonly #received: (bytes: Uint8Array) => void;
  readonly #closed: () => void;
  #handler: ConnectionHandler | undefined;

  /** `received` gets what the broker sends; `closed` is called once, whoever ends the connection. */
  constructor(received: (bytes: Uint8Array) => void, closed: () => void, port = 1) {
    this.#received = received;
    this.#closed = closed;
    this.remotePort = port;
  }

  open(accept: (connection: Connection) => ConnectionHandler): void {
    this.#handler = accept(this);
  }

  /** The client's side: sends bytes to the broker. */
  push(bytes: Uint8Array): void {
    const handler = this.#handler;
    if (handler !== undefined) queueMicrotask(() => handler.received(bytes));
  }

  send(chunks: readonly Uint8Array[]): void {
    if (this.#handler === undefined) return;
    queueMicrotask(() => {
      for (const chunk of chunks) this.#received(chunk);
    });
  }

  get unsentBytes(): number {
    return 0;
  }

  abort(): void {
    this.close();
  }

  close(): void {
    const handler = this.#handler;
    this.#handler = undefined;
    if (handler === undefined) return;
    // Behind what was sent before, from either side.
    queueMicrotask(() => {
      handler.closed();
      this.#closed();
    });
  }
}
