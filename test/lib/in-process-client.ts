import { InProcessConnection } from "../../src/hosts/memory/network.ts";
import type { RunningBroker } from "../../src/wasmq.ts";
import { concat, RemotingClient, type Wire, type WireEvents } from "./remoting-client.ts";

/** A client in the broker's own process, on any runtime. */
export class InProcessClient extends RemotingClient {
  constructor(broker: RunningBroker, port?: number) {
    super((events) => openInProcess(broker, events, port));
  }
}

export function openInProcess(broker: Pick<RunningBroker, "accept">, events: WireEvents, port?: number): Wire {
  const connection = new InProcessConnection(
    (bytes) => events.received(bytes),
    () => events.closed(),
    port,
  );
  connection.open((accepted) => broker.accept(accepted));
  return {
    send: (chunks) => connection.push(chunks.length === 1 ? chunks[0]! : concat(chunks)),
    close: () => connection.close(),
  };
}
