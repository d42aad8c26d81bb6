import { createConnection, type Socket } from "node:net";
import { WasmqError } from "../ports/error.ts";
import type { Carrier, Line, LineEvents } from "./carrier.ts";

/** A carrier over TCP, to wasmq and to Apache RocketMQ alike. Addresses are `host:port`, an IPv6 host in brackets. */
export function tcp(): Carrier {
  return { dial };
}

async function dial(address: string, events: LineEvents, signal?: AbortSignal): Promise<Line> {
  const { host, port } = parse(address);
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const socket = createConnection({ host, port, noDelay: true });
    const failed = (error: unknown): void => {
      signal?.removeEventListener("abort", aborted);
      socket.destroy();
      reject(error);
    };
    const unusable = (why: string): void => failed(new WasmqError("ADDRESS_UNUSABLE", `${address}: ${why}`));
    const aborted = (): void => failed(signal!.reason);
    signal?.addEventListener("abort", aborted, { once: true });
    // Stays for the socket's life: an error then ends the line, and "close" follows.
    socket.on("error", (error) => unusable(error.message));
    socket.once("close", () => unusable("the connection was closed"));
    socket.once("connect", () => {
      signal?.removeEventListener("abort", aborted);
      socket.on("data", (bytes) => events.received(bytes));
      socket.on("close", () => events.closed());
      resolve(new SocketLine(socket));
    });
  });
}

class SocketLine implements Line {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  send(chunks: readonly Uint8Array[]): void {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return;
    socket.cork();
    for (const chunk of chunks) socket.write(chunk);
    socket.uncork();
  }

  close(): void {
    this.#socket.destroySoon();
  }
}

function parse(address: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535) {
    throw new WasmqError("ADDRESS_UNUSABLE", `${JSON.stringify(address)} is no host:port`);
  }
  return { host, port: Number(port) };
}
