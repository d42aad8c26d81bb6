import { loadCoreModule } from "#core-wasm";
import { clock } from "../../src/hosts/memory/clock.ts";
import { MemoryLogStorage } from "../../src/hosts/memory/log-storage.ts";
import { TimerScheduler } from "../../src/hosts/memory/scheduler.ts";
import { type OpenNameServerOptions, type RunningBroker, startNameServer } from "../../src/wasmq.ts";
import { InProcessClient } from "./in-process-client.ts";
import { type Answer, json, type RemotingClient, succeeded } from "./remoting-client.ts";

/** A NameServer alone, in this process, whose settings outlive it. */
export class MemoryNameServer {
  readonly storage = new MemoryLogStorage();
  readonly logged: string[] = [];
  running!: RunningBroker;
  #scheduler!: TimerScheduler;

  static async start(options: OpenNameServerOptions = {}): Promise<MemoryNameServer> {
    const nameServer = new MemoryNameServer();
    await nameServer.start(options);
    return nameServer;
  }

  async start(options: OpenNameServerOptions = {}): Promise<void> {
    this.#scheduler = new TimerScheduler();
    const { storage, logged } = this;
    this.running = await startNameServer(
      {
        storage,
        clock,
        scheduler: this.#scheduler,
        telemetry: { log: (level, event, fields) => logged.push(`${level}: ${event} ${JSON.stringify(fields)}`) },
        coreModule: await loadCoreModule(),
      },
      options,
    );
  }

  async stop(): Promise<void> {
    await this.running.stop();
    this.#scheduler.stop();
  }

  connect(): RemotingClient {
    return new InProcessClient(this.running);
  }
}

/** The body of a successful answer. */
// biome-ignore lint/suspicious/noExplicitAny: the bodies of many answers
export function bodyOf(answer: Answer): any {
  return json(succeeded(answer));
}
