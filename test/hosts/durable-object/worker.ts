import { DurableObject } from "cloudflare:workers";
import { ObjectBroker } from "../../../src/hosts/durable-object/host.ts";
import { DurableObjectLogStorage } from "../../../src/hosts/durable-object/log-storage.ts";
import { Sockets } from "../../../src/hosts/durable-object/network.ts";
import { AlarmScheduler } from "../../../src/hosts/durable-object/scheduler.ts";
import type { Connection, ConnectionHandler } from "../../../src/ports/network.ts";
import type { HostedOptions } from "../../behaviour/host.ts";

export * from "../../../edge/worker.ts";
export { default } from "../../../edge/worker.ts";

const optionsKey = "options";

/** What takes the connections of an object that runs no broker. */
export const acceptors = new Map<string, (connection: Connection) => ConnectionHandler>();

/** What each object has told its Telemetry, over all its lives. */
export const logged = new Map<string, string[]>();

/** A broker object that tests start, stop and look into. One that is started starts again in each of its lives. */
export class TestObject extends DurableObject {
  #broker: ObjectBroker | undefined;
  #sockets: Sockets | undefined;
  readonly scheduler: AlarmScheduler;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.scheduler = new AlarmScheduler(ctx.storage, undefined);
    const options = ctx.storage.kv.get<HostedOptions>(optionsKey);
    if (options !== undefined) this.#make(options);
  }

  /** Throws as `startBroker` does. */
  async start(options: HostedOptions): Promise<void> {
    this.#make(options);
    await this.#broker!.ready;
    this.#broker!.broker;
    this.ctx.storage.kv.put(optionsKey, options);
  }

  async stop(): Promise<void> {
    this.ctx.storage.kv.delete(optionsKey);
    await this.#broker?.stop();
    this.#broker = undefined;
  }

  /** The next life begins without a broker. */
  forget(): void {
    this.ctx.storage.kv.delete(optionsKey);
  }

  /** The files, while no broker is on them. */
  files(): DurableObjectLogStorage {
    return new DurableObjectLogStorage(this.ctx.storage);
  }

  override fetch(): Response {
    const [client, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    this.#open().accept(server, { remoteAddress: "127.0.0.1", origin: "ws://broker" });
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketMessage(socket: WebSocket, message: ArrayBuffer | string): void {
    this.#open().message(socket, message);
  }

  override webSocketClose(socket: WebSocket): void {
    // Of an object whose broker was stopped nobody wants to hear.
    if (this.#broker !== undefined || this.#sockets !== undefined) this.#open().closed(socket);
  }

  override webSocketError(socket: WebSocket): void {
    this.webSocketClose(socket);
  }

  override alarm(): void {
    if (this.#broker === undefined) this.scheduler.alarm();
    else this.#broker.alarm();
  }

  #open(): Sockets {
    if (this.#broker !== undefined) return this.#broker.sockets;
    this.#sockets ??= new Sockets(this.ctx, acceptors.get(this.ctx.id.toString())!);
    return this.#sockets;
  }

  #make({ brokerName, clusterName, messageDelayLevel, store, rules }: HostedOptions): void {
    const key = this.ctx.id.toString();
    const lines = logged.get(key) ?? [];
    logged.set(key, lines);
    this.#broker = new ObjectBroker(this.ctx, {
      brokerAddress: (origin) => `${origin}/`,
      telemetry: { log: (level, event) => lines.push(`${level}: ${event}`) },
      ...(clusterName === undefined ? {} : { cluster: clusterName }),
      ...(brokerName === undefined ? {} : { brokerName }),
      ...(messageDelayLevel === undefined ? {} : { messageDelayLevel }),
      ...(store === undefined ? {} : { store }),
      ...(rules === undefined ? {} : { rules }),
    });
  }
}
