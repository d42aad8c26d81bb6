import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleWorker, edgeObjects, Workerd } from "../../bench/workerd.ts";
import { Client, type ClientOptions, webSocket } from "../../src/client/index.ts";
import { freePort } from "../interop/ports.ts";

/** The Worker of `edge/`, bundled once for a test file. */
export class EdgeBundle {
  readonly #directory: string;
  readonly #running = new Set<Edge>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async make(): Promise<EdgeBundle> {
    const directory = await mkdtemp(join(tmpdir(), "wasmq-edge-"));
    await bundleWorker(join(directory, "bundle"));
    return new EdgeBundle(directory);
  }

  /** A deployment with nothing in it, on a bare workerd. `vars` are those of wrangler.toml, and its secrets. */
  async start(vars: Readonly<Record<string, string | number>> = {}): Promise<Edge> {
    const store = await mkdtemp(join(this.#directory, "store-"));
    const options = {
      bundle: join(this.#directory, "bundle"),
      store,
      port: await freePort(),
      objects: edgeObjects,
      vars: { BROKERS: 1, ...vars },
    };
    const edge = new Edge(() => Workerd.start(options), await Workerd.start(options));
    this.#running.add(edge);
    return edge;
  }

  /** Ends what `start` began. */
  async clean(): Promise<void> {
    const running = [...this.#running];
    this.#running.clear();
    await Promise.all(running.map((edge) => edge.close()));
  }

  async close(): Promise<void> {
    await this.clean();
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class Edge {
  readonly #start: () => Promise<Workerd>;
  #workerd: Workerd;
  readonly #clients: Client[] = [];

  constructor(start: () => Promise<Workerd>, workerd: Workerd) {
    this.#start = start;
    this.#workerd = workerd;
  }

  get pid(): number {
    return this.#workerd.pid;
  }

  get url(): string {
    return `http://${this.#workerd.host}`;
  }

  get nameServer(): string {
    return `ws://${this.#workerd.host}/name-server`;
  }

  /** What workerd printed in this life of it. */
  output(): string {
    return this.#workerd.output();
  }

  /** A client over WebSocket that ends with the deployment. */
  client(options: Partial<ClientOptions> & { readonly token?: string } = {}): Client {
    const { token, ...more } = options;
    const carrier = webSocket(token === undefined ? {} : { token });
    const client = new Client({ nameServers: [this.nameServer], carrier, ...more });
    this.#clients.push(client);
    return client;
  }

  /** SIGKILL. */
  kill(): Promise<void> {
    return this.#workerd.kill();
  }

  /** After a kill: on the same port and the same objects. */
  async restart(): Promise<void> {
    this.#workerd = await this.#start();
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.close()));
    await this.#workerd.kill();
  }
}
