import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import type { LogStorage } from "../../../src/ports/log-storage.ts";
import { type HostedBroker, type HostedOptions, usualStoreHost } from "../../behaviour/host.ts";
import type { Wire, WireEvents } from "../../lib/remoting-client.ts";
import { freshObject } from "./objects.ts";
import { logged } from "./worker.ts";

/** A broker in an object of its own, reached by WebSocket. */
export class ObjectHosted implements HostedBroker {
  readonly storeHost = usualStoreHost;
  readonly brokerAddress = "ws://broker/";
  readonly object = freshObject();
  readonly #wires = new Set<ObjectWire>();
  #options: HostedOptions;
  #isRunning = false;

  constructor(options: HostedOptions) {
    this.#options = options;
  }

  get logged(): readonly string[] {
    return logged.get(this.object.id.toString()) ?? [];
  }

  async start(options = this.#options): Promise<void> {
    this.#options = options;
    await runInDurableObject(this.object, (object) => object.start(options));
    this.#isRunning = true;
  }

  async open(events: WireEvents): Promise<Wire> {
    const response = await this.object.fetch("http://broker/", { headers: { Upgrade: "websocket" } });
    const wire = new ObjectWire(response.webSocket!, events);
    this.#wires.add(wire);
    return wire;
  }

  /** The object loses its memory, and keeps its sockets. */
  async evict(): Promise<void> {
    await evictDurableObject(this.object, { webSockets: "hibernate" });
  }

  async stop(): Promise<void> {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    await runInDurableObject(this.object, (object) => object.stop());
  }

  async kill(): Promise<void> {
    this.#isRunning = false;
    for (const wire of this.#wires) wire.close();
    this.#wires.clear();
    await runInDurableObject(this.object, (object) => object.forget());
    await evictDurableObject(this.object, { webSockets: "close" });
  }

  files<T>(use: (storage: LogStorage) => T | Promise<T>): Promise<T> {
    return runInDurableObject(this.object, async (object) => {
      const storage = object.files();
      storage.lock();
      try {
        return await use(storage);
      } finally {
        await storage.close();
      }
    });
  }

  async dispose(): Promise<void> {
    await this.kill();
  }
}

class ObjectWire implements Wire {
  readonly #socket: WebSocket;
  readonly #events: WireEvents;
  #isClosed = false;

  constructor(socket: WebSocket, events: WireEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.binaryType = "arraybuffer";
    socket.accept();
    socket.addEventListener("message", ({ data }) => {
      if (!this.#isClosed && data instanceof ArrayBuffer) events.received(new Uint8Array(data));
    });
    for (const end of ["close", "error"] as const) socket.addEventListener(end, () => this.#closed());
  }

  send(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) if (!this.#isClosed) this.#socket.send(chunk);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#socket.close();
    this.#closed();
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#events.closed();
  }
}
