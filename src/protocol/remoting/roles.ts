import type { Broker } from "../../broker/broker.ts";
import type { NameServer } from "../../namesrv/name-server.ts";
import type { BrokerAddress, RouteTable, TopicRoute } from "../../namesrv/route-table.ts";
import type { FieldNames } from "./answer-fields.ts";

/** What the request codes of a NameServer that tells of brokers work on. */
export interface RouteRole {
  readonly routes: RouteTable;
  /** Where a topic is; throws why nothing is told. */
  readonly route: (topic: string, zoneName: string | undefined) => TopicRoute | undefined;
  readonly orderTopicConf: (topic: string) => string | undefined;
  readonly settings: { readonly enableAllTopicList: boolean; readonly enableTopicList: boolean };
  /** A broker's address as a client is told that came by `localAddress`. */
  readonly brokerAddress: (address: BrokerAddress, localAddress: string) => string;
}

/** What those of a NameServer work on that is open to brokers elsewhere and to administrators. */
export interface NameServerRole extends RouteRole {
  readonly nameServer: NameServer;
  /** CRC-32, unsigned. */
  readonly crc32: (bytes: Uint8Array) => number;
  /** What 319 shows: RocketMQ's settings by their names. */
  readonly configuration: () => ReadonlyMap<string, string>;
}

/** What those of a broker work on. */
export interface BrokerRole {
  readonly broker: Broker;
  /** What is answered to a send. */
  readonly sentFields: FieldNames;
  /** The broker's own address as a client is told that came by `localAddress`. */
  readonly brokerAddress: (localAddress: string) => string;
  /** What 26 shows: RocketMQ's settings by their names, as the broker was started with. */
  readonly configuration: ReadonlyMap<string, string>;
}
