import { createServer, type Server, type Socket } from "node:net";
import { sendBufferBytesMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Connection, ConnectionHandler } from "../../ports/network.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { ConnectionLimits } from "./connection-limits.ts";

export type Accept = (connection: Connection) => ConnectionHandler;

/** A TCP port whose connections wait, unread, until the broker is there to take them. */
export class Listener {
  readonly #server: Server;
  readonly #limits: ConnectionLimits;
  readonly #sockets = new Set<Socket>();
  readonly #turnedAway: (reason: string) => void;
  #accept: Accept | undefined;

  private constructor(server: Server, telemetry: Telemetry, limits: ConnectionLimits) {
    this.#server = server;
    this.#limits = limits;
    this.#turnedAway = atMostEvery(warnPeriodMs, (reason: string) =>
      telemetry.log("warn", "connections are turned away", { reason }),
    );
    server.on("connection", (socket) => this.#connected(socket));
    // Such as too many open files when one is accepted: the others go on.
    server.on("error", (error) => {
      if (server.listening) this.#turnedAway(error.message);
    });
  }

  /** Port 0 takes a free one. `limits` may be shared with other ports. Rejects with ADDRESS_IN_USE or ADDRESS_UNUSABLE. */
  static listen(host: string, port: number, telemetry: Telemetry, limits = new ConnectionLimits()): Promise<Listener> {
    const server = createServer({ noDelay: true, pauseOnConnect: true });
    const listener = new Listener(server, telemetry, limits);
    return new Promise((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => {
        reject(
          error.code === "EADDRINUSE"
            ? new WasmqError("ADDRESS_IN_USE", `port ${port} of ${host} is taken by another program`)
            : new WasmqError("ADDRESS_UNUSABLE", `can't listen on ${host} port ${port}: ${error.message}`),
        );
      });
      server.listen({ host, port }, () => resolve(listener));
    });
  }

  get address(): string {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? plainAddress(address.address) : "";
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** From now on connections are served, those that wait first. */
  serve(accept: Accept): void {
    this.#accept = accept;
    for (const socket of this.#sockets) attach(socket, accept, this.#limits.idleMs);
  }

  /** Takes no more connections, and ends those that are left once `graceMs` are over. */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, graceMs);
    await closed;
    clearTimeout(timer);
  }

  #connected(socket: Socket): void {
    const { remoteAddress } = socket;
    const refused = remoteAddress === undefined ? "" : this.#limits.enter(remoteAddress);
    if (remoteAddress === undefined || refused !== undefined) {
      if (remoteAddress !== undefined) this.#turnedAway(refused!);
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#limits.leave(remoteAddress);
    });
    // A connection's own trouble ends it; "close" follows.
    socket.on("error", () => {});
    if (this.#accept !== undefined) attach(socket, this.#accept, this.#limits.idleMs);
  }
}

/** Connections are turned away in thousands, if at all: the operator hears of it once in a while. */
const warnPeriodMs = 60_000;

function atMostEvery<T>(periodMs: number, act: (value: T) => void): (value: T) => void {
  let nextAtMs = 0;
  return (value) => {
    const nowMs = performance.now();
    if (nowMs < nextAtMs) return;
    nextAtMs = nowMs + periodMs;
    act(value);
  };
}

/** Hands an open socket over to who handles it. */
export function attach(socket: Socket, accept: Accept, idleMs: number): void {
  if (socket.destroyed || socket.remoteAddress === undefined) {
    socket.destroy();
    return;
  }
  const connection = new SocketConnection(socket, idleMs);
  const handler = accept(connection);
  socket.on("data", (bytes) => {
    connection.heardAtMs = performance.now();
    handler.received(bytes);
  });
  socket.on("close", () => handler.closed());
  socket.setTimeout(idleMs, () => socket.destroy());
  socket.resume();
}

class SocketConnection implements Connection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  heardAtMs = performance.now();
  readonly #socket: Socket;
  readonly #idleMs: number;

  constructor(socket: Socket, idleMs: number) {
    this.#socket = socket;
    this.#idleMs = idleMs;
    this.remoteAddress = plainAddress(socket.remoteAddress ?? "");
    this.remotePort = socket.remotePort ?? 0;
    this.localAddress = plainAddress(socket.localAddress ?? "");
    this.localPort = socket.localPort ?? 0;
    socket.on("drain", () => socket.resume());
  }

  send(chunks: readonly Uint8Array[]): void {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return;
    // A peer that has gone without a word: to the socket's timer, what it is still sent is no idleness.
    if (!socket.isPaused() && performance.now() - this.heardAtMs > this.#idleMs) {
      socket.destroy();
      return;
    }
    if (chunks.length === 1) {
      socket.write(chunks[0]!);
    } else {
      socket.cork();
      for (const chunk of chunks) socket.write(chunk);
      socket.uncork();
    }
    // Who does not read its answers is not asked for more questions.
    if (socket.writableLength > sendBufferBytesMax) socket.pause();
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  abort(): void {
    this.#socket.destroy();
  }

  close(): void {
    this.#socket.destroySoon();
  }
}

/** An IPv4 address as itself, also where a dual-stack socket shows it as `::ffff:a.b.c.d`; IPv6 without its zone. */
function plainAddress(address: string): string {
  const zone = address.indexOf("%");
  const plain = zone < 0 ? address : address.slice(0, zone);
  return plain.startsWith("::ffff:") ? plain.slice("::ffff:".length) : plain;
}
