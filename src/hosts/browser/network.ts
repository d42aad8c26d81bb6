import { sendBufferBytesMax, smallBudget } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Connection, ConnectionHandler } from "../../ports/network.ts";
import {
  type BrokerMessage,
  brokerChannel,
  holdLock,
  type LinePurpose,
  lineChannel,
  lockName,
  whenReleased,
} from "./names.ts";
import { failureOf, post, sendPieces, takePieces } from "./pieces.ts";
import { type LineMessage, WindowedLine } from "./window.ts";

/** What is behind the lines. */
export interface Services {
  /** While it is false, a dial waits for the next `serving`. */
  readonly isServing: boolean;
  accept(connection: Connection): ConnectionHandler;
  exportStore(): AsyncGenerator<Uint8Array, void>;
  importStore(pieces: AsyncGenerator<Uint8Array, void>): Promise<void>;
}

/** The broker's end of a line. */
interface BrokerLine {
  readonly ended: Promise<void>;
  /** Aborted when the line is no more. */
  readonly ending: AbortSignal;
  /** The tab is no more. */
  gone(): void;
  abort(): void;
}

/** Takes the lines that tabs dial. That a tab is gone is told by the lock it holds for each. */
export class Listener {
  readonly #name: string;
  readonly #id = crypto.randomUUID();
  readonly #channel: BroadcastChannel;
  readonly #lines = new Map<string, BrokerLine>();
  #release: (() => void) | undefined;
  #port = 0;

  constructor(name: string) {
    this.#name = name;
    this.#channel = brokerChannel(name);
  }

  /** From now on lines are taken; tabs that wait for a broker dial again. */
  async serve(services: Services): Promise<void> {
    this.#release = await holdLock(lockName.broker(this.#name, this.#id));
    this.#channel.onmessage = ({ data }: MessageEvent<BrokerMessage>) => {
      if ("dial" in data) this.#dialled(data.dial, data.purpose, services);
    };
    this.serving();
  }

  /** Tells the tabs that there is a broker, or one again. */
  serving(): void {
    this.#post({ serving: this.#id });
  }

  /** Tells the tabs why there is no broker. */
  failed({ code, message }: WasmqError): void {
    this.#post({ failed: { code, message } });
  }

  /** Takes no more lines, ends those with archives, and the others once `graceMs` are over. */
  async close(graceMs: number): Promise<void> {
    this.#channel.close();
    for (const line of this.#lines.values()) if (line instanceof ArchiveLine) line.abort();
    const waits = [...this.#lines.values()].map(({ ended }) => ended);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([Promise.all(waits), grace]);
    clearTimeout(timer);
    for (const line of this.#lines.values()) line.abort();
    this.#release?.();
  }

  #dialled(id: string, purpose: LinePurpose, services: Services): void {
    if (this.#lines.has(id) || !services.isServing) return;
    const channel = lineChannel(this.#name, id);
    if (this.#lines.size >= smallBudget.connectionsMax) {
      channel.postMessage({ closed: true } satisfies LineMessage);
      channel.close();
      return;
    }
    channel.postMessage({ accepted: this.#id } satisfies LineMessage);
    const line =
      purpose === "export" || purpose === "import"
        ? new ArchiveLine(channel, purpose, services)
        : new TabConnection(channel, this.#nextPort(), services);
    this.#lines.set(id, line);
    void line.ended.then(() => this.#lines.delete(id));
    whenReleased(lockName.line(this.#name, id), line.ending, () => line.gone());
  }

  #nextPort(): number {
    this.#port = (this.#port % 65_535) + 1;
    return this.#port;
  }

  #post(message: BrokerMessage): void {
    this.#channel.postMessage(message);
  }
}

/** A lock's release may overtake what a tab sent before it closed its line. */
const overtakenMs = 200;

class TabConnection implements Connection, BrokerLine {
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort: number;
  readonly localAddress = "127.0.0.1";
  readonly localPort = 0;
  readonly ended: Promise<void>;
  readonly #line: WindowedLine;
  readonly #ending = new AbortController();

  constructor(channel: BroadcastChannel, remotePort: number, services: Services) {
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
    handler = services.accept(this);
    channel.onmessage = ({ data }: MessageEvent<LineMessage>) => this.#line.message(data);
  }

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

  gone(): void {
    setTimeout(() => this.#line.end(), overtakenMs);
  }
}

class ArchiveLine implements BrokerLine {
  readonly ended: Promise<void>;
  readonly #channel: BroadcastChannel;
  readonly #ending = new AbortController();

  constructor(channel: BroadcastChannel, purpose: "export" | "import", services: Services) {
    this.#channel = channel;
    this.ended = this.#run(purpose, services).finally(() => {
      this.#ending.abort();
      channel.close();
    });
  }

  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  abort(): void {
    const ended = new WasmqError("SERVICE_NOT_AVAILABLE", "the broker has ended");
    post(this.#channel, failureOf(ended));
    this.#ending.abort(ended);
  }

  gone(): void {
    this.#ending.abort(new WasmqError("CONNECTION_CLOSED", "the tab is gone"));
  }

  async #run(purpose: "export" | "import", services: Services): Promise<void> {
    const { signal } = this.#ending;
    try {
      if (purpose === "export") {
        await sendPieces(this.#channel, services.exportStore(), signal);
      } else {
        await services.importStore(takePieces(this.#channel, signal));
        post(this.#channel, { ended: true });
      }
    } catch (error) {
      post(this.#channel, failureOf(error));
    }
  }
}
