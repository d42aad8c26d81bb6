import { json, RemotingClient } from "../lib/remoting-client.ts";
import { openSocket } from "../lib/socket-wire.ts";
import type { RunningBroker } from "./running-broker.ts";

/** What speaks to a broker, and to the NameServer that told its address, as no official client does. */
export interface WireClients {
  readonly namesrv: RemotingClient;
  readonly client: RemotingClient;
  /** The broker's, host:port. */
  readonly address: string;
}

export async function wireClients(broker: RunningBroker): Promise<WireClients> {
  const portOf = (address: string) => Number(address.split(":")[1]);
  const connect = (port: number) => RemotingClient.open((events) => openSocket(port, events));
  const namesrv = await connect(portOf(broker.namesrv));
  const { brokerDatas } = json(await namesrv.request(105, { topic: "TBW102", acceptStandardJsonOnly: "true" })) as {
    brokerDatas: { brokerAddrs: Record<string, string> }[];
  };
  const address = brokerDatas[0]!.brokerAddrs["0"]!;
  return { namesrv, client: await connect(portOf(address)), address };
}
