import type { Broker } from "../../broker/broker.ts";
import type { BrokerAddress, RouteTable } from "../../namesrv/route-table.ts";

/** What the request codes of a NameServer work on. */
export interface NameServerRole {
  readonly routes: RouteTable;
  /** A broker's address as a client is told that came by `localAddress`. */
  readonly brokerAddress: (address: BrokerAddress, localAddress: string) => string;
}

/** What those of a broker work on. */
export interface BrokerRole {
  readonly broker: Broker;
}
