import type { LogStorage } from "../../src/ports/log-storage.ts";
import { RemotingClient } from "../lib/remoting-client.ts";
import type { HostedBroker, HostedOptions } from "./host.ts";

export interface Started {
  readonly broker: HostedBroker;
  /** Connected to the broker's first life. */
  readonly client: RemotingClient;
}

/** A broker on an empty store, on the host whose turn it is. It ends with the test. */
export type Start = (options?: HostedOptions) => Promise<Started>;

export function connect(broker: HostedBroker): Promise<RemotingClient> {
  return RemotingClient.open((events) => broker.open(events));
}

/** Ends the broker as a kill at this moment would, does to its store what `meanwhile` does, and starts it again. */
export async function killed(
  broker: HostedBroker,
  meanwhile: (storage: LogStorage) => void | Promise<void> = () => {},
): Promise<RemotingClient> {
  await broker.kill();
  await broker.files(meanwhile);
  await broker.start();
  return connect(broker);
}

/** The same with a clean stop. */
export async function restarted(
  broker: HostedBroker,
  meanwhile: (storage: LogStorage) => void | Promise<void> = () => {},
): Promise<RemotingClient> {
  await broker.stop();
  await broker.files(meanwhile);
  await broker.start();
  return connect(broker);
}
