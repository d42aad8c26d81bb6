import { InProcessConnection } from "../../src/hosts/memory/network.ts";
import { WasmqError } from "../../src/ports/error.ts";
import type { Connection, ConnectionHandler, Dialer } from "../../src/ports/network.ts";
import type { RunningBroker } from "../../src/wasmq.ts";
import { concat } from "./remoting-client.ts";

/** Reaches what runs in this process, by the addresses that a test gives it; others are down. */
export class InProcessDialer implements Dialer {
  readonly servers = new Map<string, Pick<RunningBroker, "accept">>();
  /** Of each address: connections that were asked for. */
  readonly dialled: string[] = [];
  readonly #open = new Map<string, InProcessConnection[]>();

  async dial(address: string, accept: (connection: Connection) => ConnectionHandler): Promise<void> {
    this.dialled.push(address);
    const server = this.servers.get(address);
    if (server === undefined) throw new WasmqError("ADDRESS_UNUSABLE", `${address}: nobody is there`);
    let handler: ConnectionHandler | undefined;
    const there = new InProcessConnection(
      (bytes) => handler!.received(bytes),
      () => handler!.closed(),
    );
    handler = accept({
      remoteAddress: "127.0.0.1",
      remotePort: 9876,
      localAddress: "127.0.0.1",
      localPort: 1,
      unsentBytes: 0,
      send: (chunks) => there.push(concat([...chunks])),
      close: () => there.close(),
      abort: () => there.close(),
    });
    there.open((connection) => server.accept(connection));
    this.#open.set(address, [...(this.#open.get(address) ?? []), there]);
  }

  /** The server is gone, and its connections with it. */
  end(address: string): void {
    this.servers.delete(address);
    for (const connection of this.#open.get(address) ?? []) connection.close();
    this.#open.delete(address);
  }
}
