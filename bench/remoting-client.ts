import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import {
  decodeFrame,
  encodeRequest,
  FLAG_ONEWAY,
  FLAG_RESPONSE,
  FrameReader,
  type OnFrame,
  type RemotingFrame,
} from "./frame.ts";

export interface RemotingClientOptions {
  host?: string;
  port: number;
  /** How long refused connects are tried again: a server that is still starting refuses. */
  connectDeadlineMs?: number;
  /** The Java client's send timeout, which is what a late answer means to an application. */
  requestTimeoutMs?: number;
  /** Requests the server makes of this client (39, 40, 220, ...). */
  onRequest?: (frame: RemotingFrame) => void;
}

/** A refused loopback connect costs some 50 us, and a start-up time is measured to within this. */
const CONNECT_RETRY_MS = 5;
const TIMEOUT_SWEEP_MS = 100;

interface Waiting {
  resolve(frame: RemotingFrame): void;
  reject(error: Error): void;
  deadlineMs: number;
}

/** One connection, any number of requests in flight on it, answers in any order. */
export class RemotingClient {
  readonly socket: Socket;
  /** Settles when the connection is gone, whoever closed it. */
  readonly closed: Promise<void>;
  readonly #requestTimeoutMs: number;
  readonly #onRequest: ((frame: RemotingFrame) => void) | undefined;
  readonly #waiting = new Map<number, Waiting>();
  readonly #sweep: NodeJS.Timeout;
  #opaque = 0;
  #error: Error | undefined;

  static async connect(options: RemotingClientOptions): Promise<RemotingClient> {
    return new RemotingClient(await connectSocket(options), options);
  }

  constructor(socket: Socket, options: Pick<RemotingClientOptions, "requestTimeoutMs" | "onRequest">) {
    this.socket = socket;
    this.#requestTimeoutMs = options.requestTimeoutMs ?? 3000;
    this.#onRequest = options.onRequest;
    const reader = new FrameReader(this.#onFrame);
    socket.on("data", (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on("error", (error) => {
      this.#error = error;
    });
    this.#sweep = setInterval(this.#failOverdue, TIMEOUT_SWEEP_MS);
    this.#sweep.unref();
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        clearInterval(this.#sweep);
        const error = new Error(`connection closed${this.#error ? `: ${this.#error.message}` : ""}`);
        for (const waiting of this.#waiting.values()) waiting.reject(error);
        this.#waiting.clear();
        resolve();
      });
    });
  }

  request(code: number, extFields?: Readonly<Record<string, string>>, body?: Uint8Array): Promise<RemotingFrame> {
    const opaque = ++this.#opaque;
    return this.exchange(opaque, encodeRequest(code, opaque, 0, extFields, body));
  }

  /** Sends a frame made elsewhere and waits for the answer carrying its opaque. */
  exchange(opaque: number, frame: Uint8Array): Promise<RemotingFrame> {
    return new Promise((resolve, reject) => {
      if (this.socket.destroyed) return reject(new Error("connection closed"));
      this.#waiting.set(opaque, { resolve, reject, deadlineMs: performance.now() + this.#requestTimeoutMs });
      this.socket.write(frame);
    });
  }

  oneway(code: number, extFields?: Readonly<Record<string, string>>, body?: Uint8Array): void {
    this.socket.write(encodeRequest(code, ++this.#opaque, FLAG_ONEWAY, extFields, body));
  }

  close(): Promise<void> {
    this.socket.end();
    this.socket.destroySoon();
    return this.closed;
  }

  readonly #onFrame: OnFrame = (bytes, start, end) => {
    const frame = decodeFrame(bytes, start, end);
    if ((frame.flag & FLAG_RESPONSE) === 0) {
      this.#onRequest?.(frame);
      return;
    }
    const waiting = this.#waiting.get(frame.opaque);
    if (waiting === undefined) throw new Error(`an answer nobody waits for: opaque ${frame.opaque}`);
    this.#waiting.delete(frame.opaque);
    waiting.resolve(frame);
  };

  readonly #failOverdue = (): void => {
    const nowMs = performance.now();
    for (const [opaque, waiting] of this.#waiting) {
      if (waiting.deadlineMs > nowMs) continue;
      this.#waiting.delete(opaque);
      waiting.reject(new Error(`no answer in ${this.#requestTimeoutMs} ms`));
    }
  };
}

export async function connectSocket(
  options: Pick<RemotingClientOptions, "host" | "port" | "connectDeadlineMs">,
): Promise<Socket> {
  const deadlineMs = performance.now() + (options.connectDeadlineMs ?? 0);
  for (;;) {
    try {
      return await connectOnce(options.host ?? "127.0.0.1", options.port);
    } catch (error) {
      if (performance.now() >= deadlineMs) throw error;
      await sleep(CONNECT_RETRY_MS);
    }
  }
}

function connectOnce(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}
