import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { ApacheHome } from "./apache.ts";
import type { Child } from "./child.ts";
import { freePort } from "./ports.ts";
import { untilRouted } from "./route.ts";
import { removeDirectory, startTimeoutMs, stopTimeoutMs, temporaryDirectory } from "./running-broker.ts";
import { startCommand } from "./wasmq-broker.ts";

export type Owner = "Apache" | "wasmq";

/**
 * One store, one address and one NameServer for brokers of both kinds that come one after the other: clients stay, and what a message
 * id says of its broker is true of each.
 */
export class OnePlace {
  readonly store: string;
  readonly brokerPort: number;
  readonly namesrv: string;
  readonly #directory: string;
  readonly #home: ApacheHome;
  readonly #conf: string;
  readonly #namesrvProcess: Child;
  #broker: { readonly owner: Owner; readonly child: Child } | undefined;

  private constructor(given: {
    directory: string;
    home: ApacheHome;
    conf: string;
    namesrvPort: number;
    namesrvProcess: Child;
    brokerPort: number;
  }) {
    this.#directory = given.directory;
    this.store = path.join(given.directory, "store");
    this.#home = given.home;
    this.#conf = given.conf;
    this.namesrv = `127.0.0.1:${given.namesrvPort}`;
    this.#namesrvProcess = given.namesrvProcess;
    this.brokerPort = given.brokerPort;
  }

  /** `conf`: what the store's `broker.conf` says of it. */
  static async make(conf: Readonly<Record<string, number | boolean>>): Promise<OnePlace> {
    const directory = await temporaryDirectory("place");
    const lines = Object.entries(conf).map(([key, value]) => `${key}=${value}\n`);
    await mkdir(path.join(directory, "store"));
    if (lines.length > 0) await writeFile(path.join(directory, "store", "broker.conf"), lines.join(""));
    const namesrvPort = await freePort();
    const args = ["namesrv", "--store", path.join(directory, "namesrv"), "--namesrv-port", String(namesrvPort)];
    return new OnePlace({
      ...{ directory, home: await ApacheHome.make(), conf: lines.join(""), namesrvPort },
      namesrvProcess: await startCommand(args, 1),
      // Apache's broker also opens the port two below (its fast channel) and the one above (replication).
      brokerPort: await freePort([-2, 0, 1]),
    });
  }

  /** Starts a broker on the store; ends when the NameServer tells clients of it. */
  async open(owner: Owner): Promise<void> {
    const { store, brokerPort, namesrv } = this;
    const port = String(brokerPort);
    // What is no size of a file is not read out of the store.
    const config = this.#conf === "" ? [] : ["--config", path.join(store, "broker.conf")];
    const child =
      owner === "wasmq"
        ? await startCommand(["broker", "--store", store, "--broker-port", port, "--namesrv", namesrv, ...config], 1)
        : await this.#home.startBroker(
            {
              brokerName: "broker-a",
              brokerIP1: "127.0.0.1",
              namesrvAddr: namesrv,
              listenPort: port,
              bindAddress: "127.0.0.1",
              autoCreateTopicEnable: "true",
              storePathRootDir: store,
              // Asks soon for the end of transactions that were left without one, and notes soon which have one.
              transactionCheckInterval: 1_000,
              transactionOpBatchInterval: 100,
              // On a starved machine requests wait for longer than the 200 ms after which they are refused.
              waitTimeMillsInSendQueue: 10_000,
            },
            this.#conf,
          );
    this.#broker = { owner, child };
    await untilRouted(namesrv, "TBW102", startTimeoutMs);
  }

  /** SIGTERM, and a clean end. */
  async stop(): Promise<void> {
    const { owner, child } = this.#broker!;
    child.signal("SIGTERM");
    const end = await child.untilEnd(stopTimeoutMs);
    // A JVM whose shutdown hooks ran to their end after SIGTERM exits with 128 + 15.
    if (end !== "exit 0" && !(owner === "Apache" && end === "exit 143")) {
      throw new Error(`${owner} ended by ${end}\n${child.lastLines()}`);
    }
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#broker!.child.signal("SIGKILL");
    await this.#broker!.child.untilEnd(stopTimeoutMs);
  }

  /** Ends whatever still runs, and removes all. */
  async close(): Promise<void> {
    for (const child of [this.#broker?.child, this.#namesrvProcess]) {
      child?.signal("SIGKILL");
      await child?.ended;
    }
    await this.#home.close();
    await removeDirectory(this.#directory);
  }
}
