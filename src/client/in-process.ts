import type { Connection, ConnectionHandler } from "../ports/network.ts";
import type { Carrier, Line, LineEvents } from "./carrier.ts";

/** What takes connections: a running broker of the same process. */
export interface Acceptor {
  accept(connection: Connection): ConnectionHandler;
}

/** A carrier to a broker of the same process. Whatever the address, it is that broker. */
export function inProcess(acceptor: Acceptor): Carrier {
  let port = 0;
  return {
    async dial(_address: string, events: LineEvents): Promise<Line> {
      return new InProcessLine(acceptor, events, ++port & 0xffff);
    },
  };
}

/** Both ends at once. Bytes go over one task later, as on any other carrier. */
class InProcessLine implements Line {
  readonly #events: LineEvents;
  readonly #handler: ConnectionHandler;
  #isClosed = false;

  constructor(acceptor: Acceptor, events: LineEvents, port: number) {
    this.#events = events;
    const close = () => this.close();
    this.#handler = acceptor.accept({
      remoteAddress: "127.0.0.1",
      remotePort: port,
      localAddress: "127.0.0.1",
      localPort: 0,
      unsentBytes: 0,
      send: (chunks) => this.#later(chunks, (bytes) => events.received(bytes)),
      abort: close,
      close,
    });
  }

  get unsentBytes(): number {
    return 0;
  }

  send(chunks: readonly Uint8Array[]): void {
    this.#later(chunks, (bytes) => this.#handler.received(bytes));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    queueMicrotask(() => {
      this.#handler.closed();
      this.#events.closed();
    });
  }

  #later(chunks: readonly Uint8Array[], take: (bytes: Uint8Array) => void): void {
    if (this.#isClosed) return;
    queueMicrotask(() => {
      for (const chunk of chunks) take(chunk);
    });
  }
}
