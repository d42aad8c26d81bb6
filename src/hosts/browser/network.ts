import { connectionsMax, sendBufferBytesMax } from "../../limits.ts";
import type { WasmqError } from "../../ports/error.ts";
import type { Connection, ConnectionHandler } from "../../ports/network.ts";
import { type BrokerMessage, brokerChannel, holdLock, lineChannel, lockName, whenReleased } from "./names.ts";
import { type LineMessage, WindowedLine } from "./window.ts";

type Accept = (connection: Connection) => ConnectionHandler;

/** Takes the lines that tabs dial. That a tab is gone is told by the lock it holds for each. */
export class Listener {
  readonly #name: string;
  readonly #id = crypto.randomUUID();
  readonly #channel: BroadcastChannel;
  readonly #connections = new Map<string, TabConnection>();
  #release: (() => void) | undefined;
  #port = 0;

  constructor(name: string) {
    this.#name = name;
    this.#channel = brokerChannel(name);
  }

  /** From now on lines are taken; tabs that wait for a broker dial again. */
  async serve(accept: Accept): Promise<void> {
    this.#release = await holdLock(lockName.broker(this.#name, this.#id));
    this.#channel.onmessage = ({ data }: MessageEvent<BrokerMessage>) => {
      if ("dial" in data) this.#dialled(data.dial, accept);
    };
    this.#post({ serving: this.#id });
  }

  /** Tells the tabs why there is no broker. */
  failed({ code, message }: WasmqError): void {
    this.#post({ failed: { code, message } });
  }

  /** Takes no more lines, and ends those that are left once `graceMs` are over. */
  async close(graceMs: number): Promise<void> {
    this.#channel.close();
    const waits = [...this.#connections.values()].map(({ ended }) => ended);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([Promise.all(waits), grace]);
    clearTimeout(timer);
    for (const connection of this.#connections.values()) connection.abort();
    this.#release?.();
  }

  #dialled(line: string, accept: Accept): void {
    if (this.#connections.has(line)) return;
    const channel = lineChannel(this.#name, line);
    if (this.#connections.size >= connectionsMax) {
      channel.postMessage({ closed: true } satisfies LineMessage);
      channel.close();
      return;
    }
    this.#port = (this.#port % 65_535) + 1;
    const connection = new TabConnection(channel, this.#port, accept);
    this.#connections.set(line, connection);
    void connection.ended.then(() => this.#connections.delete(line));
    whenReleased(lockName.line(this.#name, line), connection.ending, () => connection.gone());
    channel.postMessage({ accepted: this.#id } satisfies LineMessage);
  }

  #post(message: BrokerMessage): void {
    this.#channel.postMessage(message);
  }
}

class TabConnection implements Connection {
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort: number;
  readonly localAddress = "127.0.0.1";
  readonly localPort = 0;
  readonly ended: Promise<void>;
  readonly #line: WindowedLine;
  readonly #ending = new AbortController();

  constructor(channel: BroadcastChannel, remotePort: number, accept: Accept) {
    this.remotePort = remotePort;
    let handler: ConnectionHandler | undefined;
    let ended: () => void;
    this.ended = new Promise((resolve) => {
      ended = resolve;
    });
    this.#line = new WindowedLine(
      channel,
      {
        received: (bytes) => handler?.received(bytes),
        closed: () => {
          this.#ending.abort();
          ended();
          handler?.closed();
        },
      },
      sendBufferBytesMax,
    );
    handler = accept(this);
    channel.onmessage = ({ data }: MessageEvent<LineMessage>) => this.#line.message(data);
  }

  /** Aborted when the connection is no more. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  send(chunks: readonly Uint8Array[]): void {
    this.#line.send(chunks);
  }

  get unsentBytes(): number {
    return this.#line.unsentBytes;
  }

  abort(): void {
    this.#line.abort();
  }

  close(): void {
    this.#line.close();
  }

  /** The tab is no more. */
  gone(): void {
    this.#line.end();
  }
}
