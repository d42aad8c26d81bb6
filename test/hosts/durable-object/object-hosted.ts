import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { type OpenSocket, openLine } from "../../../src/client/web-socket.ts";
import type { LogStorage } from "../../../src/ports/log-storage.ts";
import { type HostedBroker, type HostedOptions, usualStoreHost } from "../../behaviour/host.ts";
import type { Wire, WireEvents } from "../../lib/remoting-client.ts";
import { freshObject } from "./objects.ts";
import { logged, type TestObject } from "./worker.ts";

/** A broker in an object of its own, reached by WebSocket. */
export class ObjectHosted implements HostedBroker {
  readonly storeHost = usualStoreHost;
  readonly brokerAddress = "ws://broker/";
  readonly object = freshObject();
  readonly #wires = new Set<Wire>();
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
    const wire = await openWire(this.object, events);
    this.#wires.add(wire);
    return wire;
  }

  /** The object loses its memory, and keeps its sockets. */
  async evict(): Promise<void> {
    // Only an object with a memory can lose it.
    await runInDurableObject(this.object, () => {});
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

/** A WebSocket to an object. */
export async function openWire(object: DurableObjectStub<TestObject>, events: WireEvents): Promise<Wire> {
  const { webSocket } = await object.fetch("http://broker/", { headers: { Upgrade: "websocket" } });
  webSocket!.accept();
  return openLine(webSocket as unknown as OpenSocket, events);
}
