import type { Connection, ConnectionHandler } from "../ports/network.ts";
import type { Carrier, Line, LineEvents } from "./carrier.ts";

/*
 * What two ends of a MessagePort tell each other:
 *
 *   Uint8Array  bytes of the stream, handed over rather than copied
 *   number      so many bytes more were taken
 *   null        the end, answered by the same; a port is closed when both were said, since closing drops what is under way
 *
 * A port takes whatever it is given, however slow the other side is: bytes beyond the window wait here until the other side has
 * taken some.
 */

/** Bytes that may be under way in one direction: a few pulls, so that a fast reader never waits for the window. */
const windowBytesMax = 1024 * 1024;

export interface MessagePortOptions {
  /** Brings a port whose other end is served (`serve`) at that address. */
  connect(address: string, signal?: AbortSignal): MessagePort | Promise<MessagePort>;
}

/** A carrier over MessagePorts: between a page and the Worker that has its broker, or between tabs. */
export function messagePort(options: MessagePortOptions): Carrier {
  return {
    async dial(address: string, events: LineEvents, signal?: AbortSignal): Promise<Line> {
      const port = await options.connect(address, signal);
      if (signal?.aborted === true) {
        port.close();
        throw signal.reason;
      }
      const line = new PortLine(port);
      line.open(events);
      return line;
    },
  };
}

export interface ServeOptions {
  /** What the broker takes for the address of the other end. Default 127.0.0.1:0. */
  readonly remoteAddress?: string;
  readonly remotePort?: number;
}

/** The broker's end of a port. */
export function serve(
  port: MessagePort,
  accept: (connection: Connection) => ConnectionHandler,
  options: ServeOptions = {},
): Connection {
  const line = new PortLine(port);
  const close = (): void => line.close();
  const connection: Connection = {
    remoteAddress: options.remoteAddress ?? "127.0.0.1",
    remotePort: options.remotePort ?? 0,
    localAddress: "127.0.0.1",
    localPort: 0,
    send: (chunks) => line.send(chunks),
    get unsentBytes() {
      return line.unsentBytes;
    },
    abort: () => line.abort(),
    close,
  };
  line.open(accept(connection));
  return connection;
}

class PortLine implements Line {
  readonly #port: MessagePort;
  #events: LineEvents | undefined;
  #underWayBytes = 0;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Closed once what waits has left. */
  #isClosing = false;
  #isClosed = false;
  #canTransfer = true;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  open(events: LineEvents): void {
    this.#events = events;
    this.#port.onmessage = ({ data }: MessageEvent) => this.#told(data);
    // Where a runtime tells that the other end is gone, with its tab or its Worker.
    this.#port.addEventListener("close", () => this.#ended());
    this.#port.start();
  }

  get unsentBytes(): number {
    return this.#underWayBytes + this.#waitingBytes;
  }

  send(chunks: readonly Uint8Array[]): void {
    if (this.#isClosed || this.#isClosing) return;
    // What is handed over is gone from here, and chunks may be parts of something larger.
    const bytes = joined(chunks);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#flush();
  }

  close(): void {
    if (this.#isClosed || this.#isClosing) return;
    this.#isClosing = true;
    this.#flush();
  }

  /** Drops what waits. */
  abort(): void {
    if (this.#isClosed) return;
    this.#port.postMessage(null);
    this.#end();
  }

  #told(data: unknown): void {
    if (data === null) {
      if (!this.#isClosed) this.#port.postMessage(null);
      this.#ended();
    }
    if (this.#isClosed) return;
    if (data instanceof Uint8Array) {
      const { length } = data;
      this.#events?.received(data);
      if (!this.#isClosed) this.#port.postMessage(length);
    } else if (typeof data === "number") {
      this.#underWayBytes = Math.max(0, this.#underWayBytes - data);
      this.#flush();
    }
  }

  #ended(): void {
    this.#port.close();
    this.#end();
  }

  /** A piece larger than the window goes alone. */
  #flush(): void {
    while (this.#waiting.length > 0) {
      const [bytes] = this.#waiting;
      if (this.#underWayBytes > 0 && this.#underWayBytes + bytes!.length > windowBytesMax) return;
      this.#waiting.shift();
      this.#waitingBytes -= bytes!.length;
      this.#underWayBytes += bytes!.length;
      this.#post(bytes!);
    }
    if (this.#isClosing && !this.#isClosed) this.abort();
  }

  /** Handed over where the runtime can; workerd has ports, and copies. */
  #post(bytes: Uint8Array): void {
    if (this.#canTransfer) {
      try {
        this.#port.postMessage(bytes, [bytes.buffer as ArrayBuffer]);
        return;
      } catch {
        this.#canTransfer = false;
      }
    }
    this.#port.postMessage(bytes);
  }

  #end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#events?.closed();
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
