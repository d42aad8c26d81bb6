import { DurableObject } from "cloudflare:workers";
import { exportStore } from "../src/archive/export-store.ts";
import { importStore } from "../src/archive/import-store.ts";
import { ObjectBroker, type TopicQueues } from "../src/hosts/durable-object/index.ts";
import { brokerPath, cluster, type Env, nameServer } from "./env.ts";
import { log } from "./log.ts";
import { failure, upgrade } from "./upgrade.ts";

/** Stands in the object's storage for the topics that the NameServer was told when the broker last started. */
const toldKey = "told";
const triesMax = 10;
/** Doubled with each: two minutes for all. */
const firstPauseMs = 60;

/** One broker. Its object's name is the broker's name. */
export class BrokerObject extends DurableObject<Env> {
  readonly #broker: ObjectBroker;
  readonly #name: string;
  /** By topic: what the NameServer is to be told. */
  #untold = new Map<string, TopicQueues>();
  #isFirstTime = true;
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
      ...(env.MESSAGE_DELAY_LEVEL === undefined ? {} : { messageDelayLevel: env.MESSAGE_DELAY_LEVEL }),
      registered: (topics) => {
        for (const topic of topics) {
          this.#topics.set(topic.topic, topic);
          this.#untold.set(topic.topic, topic);
        }
        this.#tellNameServer();
      },
    });
  }

  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    try {
      if (pathname.endsWith("/export") && request.method === "GET") {
        const archive = streamOf(exportStore(this.#broker.storage, this.#broker.exportSettings));
        return new Response(archive, { headers: { "Content-Type": "application/x-tar" } });
      }
      if (pathname.endsWith("/import") && request.method === "POST" && request.body !== null) {
        const { body } = request;
        try {
          await this.#broker.refill(async (storage) => void (await importStore(body, storage)));
        } catch (error) {
          // Who is still sending hears of it only when all was taken.
          if (!body.locked) await body.pipeTo(new WritableStream()).catch(() => {});
          throw error;
        }
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

  /** The NameServer does not know this broker: ends when it was told all. Throws why the broker could not start. */
  async register(): Promise<void> {
    this.#broker.sockets;
    await this.#told;
    this.#untold = new Map(this.#topics);
    this.#isFirstTime = false;
    this.#tellNameServer();
    await this.#told;
  }

  /** Once for all topics of a turn, and not at all if the NameServer knows them: an object that wakes up need not wake another. */
  #tellNameServer(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.#told = this.#tell().finally(() => {
      this.#isTelling = false;
    });
    this.ctx.waitUntil(this.#told);
  }

  async #tell(): Promise<void> {
    await undefined;
    for (let triesLeft = triesMax; triesLeft > 0 && this.#untold.size > 0; ) {
      const topics = this.#untold;
      this.#untold = new Map();
      const list = [...topics.values()];
      const digest = await digestOf(JSON.stringify(list));
      if (this.#isFirstTime && this.ctx.storage.kv.get(toldKey) === digest) {
        this.#isFirstTime = false;
        continue;
      }
      try {
        const registration = { cluster, brokerName: this.#name, address: brokerPath(this.#name) };
        await nameServer(this.env).register(registration, list);
        if (this.#isFirstTime) this.ctx.storage.kv.put(toldKey, digest);
        this.#isFirstTime = false;
      } catch (error) {
        triesLeft--;
        this.#untold = new Map([...topics, ...this.#untold]);
        log.log("error", "the NameServer could not be told of topics", { error: String(error) });
        await new Promise((resolve) => setTimeout(resolve, firstPauseMs * 2 ** (triesMax - triesLeft)));
      }
    }
  }
}

async function digestOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
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
