import { json, RemotingClient } from "../lib/remoting-client.ts";
import { openSocket } from "../lib/socket-wire.ts";

/** A connection to the broker that a NameServer names for TBW102. */
export async function connectToBroker(namesrv: string): Promise<RemotingClient> {
  const connect = (address: string) => {
    const port = Number(address.split(":")[1]);
    return RemotingClient.open((events) => openSocket(port, events));
  };
  const names = await connect(namesrv);
  const { brokerDatas } = json(await names.request(105, { topic: "TBW102", acceptStandardJsonOnly: "true" })) as {
    brokerDatas: { brokerAddrs: Record<string, string> }[];
  };
  names.close();
  return connect(brokerDatas[0]!.brokerAddrs["0"]!);
}
