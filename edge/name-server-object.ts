import { DurableObject } from "cloudflare:workers";
import { type BrokerRegistration, ObjectNameServer, type TopicQueues } from "../src/hosts/durable-object/index.ts";
import { broker, brokerNames, type Env } from "./env.ts";
import { log } from "./log.ts";
import { upgrade } from "./upgrade.ts";

/** The one NameServer: which broker objects have which topics. */
export class NameServerObject extends DurableObject<Env> {
  readonly #nameServer: ObjectNameServer;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#nameServer = new ObjectNameServer(ctx, {
      brokerAddress: (path, origin) => origin + path,
      telemetry: log,
    });
  }

  register(broker: BrokerRegistration, topics: readonly TopicQueues[]): void {
    this.#nameServer.register(broker, topics);
  }

  override async fetch(request: Request): Promise<Response> {
    await this.#wakeBrokers();
    return upgrade(request, (socket, from) => this.#nameServer.sockets.accept(socket, from));
  }

  override webSocketMessage(socket: WebSocket, message: ArrayBuffer | string): void {
    this.#nameServer.sockets.message(socket, message);
  }

  override webSocketClose(socket: WebSocket): void {
    this.#nameServer.sockets.closed(socket);
  }

  override webSocketError(socket: WebSocket): void {
    this.#nameServer.sockets.closed(socket);
  }

  /** A broker object comes into being when it is first called, and is in no route before. One that can't start keeps nobody out. */
  async #wakeBrokers(): Promise<void> {
    const asleep = brokerNames(this.env).filter((name) => !this.#nameServer.knows(name));
    await Promise.all(
      asleep.map((name) =>
        broker(this.env, name)
          .register()
          .catch((error: unknown) => log.log("error", "a broker does not start", { name, error: String(error) })),
      ),
    );
  }
}
