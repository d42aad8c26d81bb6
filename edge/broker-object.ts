import { DurableObject } from "cloudflare:workers";
import { exportStore } from "../src/archive/export-store.ts";
import { importStore } from "../src/archive/import-store.ts";
import { ObjectBroker, type TopicQueues } from "../src/hosts/durable-object/index.ts";
import { brokerPath, cluster, type Env, nameServer } from "./env.ts";
import { log } from "./log.ts";
import { failure, upgrade } from "./upgrade.ts";

/** What the NameServer was last told, as the object's storage keeps it. */
const registeredKey = "registered";

/** One broker. Its object's name is the broker's name. */
export class BrokerObject extends DurableObject<Env> {
  readonly #broker: ObjectBroker;
  readonly #name: string;
  /** By topic: what the NameServer is to be told. */
  readonly #topics = new Map<string, TopicQueues>();
  #isTelling = false;
  #told: Promise<void> = Promise.resolve();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const name = ctx.id.name;
    if (name === undefined) throw new Error("a broker object is found by its broker's name");
    this.#name = name;
    this.#broker = new ObjectBroker(ctx, {
      cluster,
      brokerName: name,
      brokerAddress: (origin) => origin + brokerPath(name),
      telemetry: log,
      registered: (topics) => {
        for (const topic of topics) this.#topics.set(topic.topic, topic);
        this.#tellNameServer();
      },
    });
  }

  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    try {
      if (pathname.endsWith("/export") && request.method === "GET") {
        const archive = streamOf(exportStore(this.#broker.storage));
        return new Response(archive, { headers: { "Content-Type": "application/x-tar" } });
      }
      if (pathname.endsWith("/import") && request.method === "POST" && request.body !== null) {
        const { body } = request;
        await this.#broker.refill(async (storage) => void (await importStore(body, storage)));
        return Response.json({ imported: true });
      }
    } catch (error) {
      return failure(error);
    }
    return upgrade(request, (socket, from) => this.#broker.sockets.accept(socket, from));
  }

  override webSocketMessage(socket: WebSocket, message: ArrayBuffer | string): void {
    this.#broker.sockets.message(socket, message);
  }

  override webSocketClose(socket: WebSocket): void {
    this.#broker.sockets.closed(socket);
  }

  override webSocketError(socket: WebSocket): void {
    this.#broker.sockets.closed(socket);
  }

  override alarm(): void {
    this.#broker.alarm();
  }

  /** The broker, for what runs in its object. */
  get broker(): ObjectBroker {
    return this.#broker;
  }

  /** Ends when the broker has started and the NameServer knows it. Throws why it could not. */
  async started(): Promise<void> {
    this.#broker.sockets;
    await this.#told;
  }

  /** Once for all topics of a turn, and not at all if the NameServer knows them: an object that wakes up need not wake another. */
  #tellNameServer(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    const tell = async (): Promise<void> => {
      for (let triesLeft = 5; triesLeft > 0; triesLeft--) {
        await undefined;
        const topics = [...this.#topics.values()];
        const said = JSON.stringify(topics);
        if (this.ctx.storage.kv.get(registeredKey) === said) break;
        try {
          const registration = { cluster, brokerName: this.#name, address: brokerPath(this.#name) };
          await nameServer(this.env).register(registration, topics);
          this.ctx.storage.kv.put(registeredKey, said);
          triesLeft = 5;
        } catch (error) {
          log.log("error", "the NameServer could not be told of topics", { error: String(error) });
        }
      }
      this.#isTelling = false;
    };
    this.#told = tell();
    this.ctx.waitUntil(this.#told);
  }
}

/** Takes a piece when there is room for it. */
function streamOf(pieces: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await pieces.return(undefined);
    },
  });
}
