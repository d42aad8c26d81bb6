import { smallBudget } from "../../limits.ts";
import { silentTelemetry, type Telemetry } from "../../ports/telemetry.ts";
import { RouteTable, serveRoutes, type TopicQueues } from "../../wasmq.ts";
import { clock } from "./clock.ts";
import { Sockets } from "./network.ts";
import type { ObjectContext } from "./platform.ts";
import { AlarmScheduler } from "./scheduler.ts";

const schema = `
  CREATE TABLE IF NOT EXISTS broker (name TEXT PRIMARY KEY, cluster TEXT NOT NULL, address TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS topic (broker TEXT NOT NULL, name TEXT NOT NULL, queues TEXT NOT NULL, PRIMARY KEY (broker, name)) WITHOUT ROWID;
`;

/** A broker as it makes itself known. `address` is whatever `brokerAddress` makes of it for clients. */
export interface BrokerRegistration {
  readonly cluster: string;
  readonly brokerName: string;
  readonly address: string;
}

/**
 * A NameServer in a Durable Object, for brokers in other objects. They tell it their topics when they start and when these change; it
 * keeps them, since an object that sleeps is there all the same.
 */
export class ObjectNameServer {
  readonly sockets: Sockets;
  readonly #context: ObjectContext;
  readonly #routes = new RouteTable();

  constructor(
    context: ObjectContext,
    options: {
      /** What a client that came by `origin` (`wss://host`) is told as a broker's address. */
      readonly brokerAddress: (address: string, origin: string) => string;
      readonly telemetry?: Telemetry;
    },
  ) {
    this.#context = context;
    const { sql } = context.storage;
    sql.exec(schema);
    for (const { name, cluster, address } of sql.exec("SELECT name, cluster, address FROM broker").toArray()) {
      const broker = { brokerName: name as string, cluster: cluster as string, address: address as string };
      const topics = sql.exec("SELECT queues FROM topic WHERE broker = ?", name as string).toArray();
      this.#routes.register(
        { ...broker, brokerId: 0 },
        topics.map(({ queues }) => JSON.parse(queues as string) as TopicQueues),
      );
    }
    const nameServer = serveRoutes(
      {
        clock,
        scheduler: new AlarmScheduler(context.storage, undefined),
        telemetry: options.telemetry ?? silentTelemetry,
      },
      { routes: this.#routes, brokerAddress: options.brokerAddress, budget: smallBudget },
    );
    this.sockets = new Sockets(context, (connection, kept) => nameServer.accept(connection, kept));
  }

  /** True once the broker has registered, in whichever life of this object. */
  knows(brokerName: string): boolean {
    return this.#routes.brokers().some((broker) => broker.brokerName === brokerName);
  }

  /** Adds or refreshes a broker; topics that it no longer names stay known. Only what is new is written. */
  register({ cluster, brokerName, address }: BrokerRegistration, topics: readonly TopicQueues[]): void {
    const { sql } = this.#context.storage;
    this.#routes.register({ cluster, brokerName, brokerId: 0, address }, topics);
    sql.exec(
      `INSERT INTO broker (name, cluster, address) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET cluster = ?2, address = ?3 WHERE cluster <> ?2 OR address <> ?3`,
      brokerName,
      cluster,
      address,
    );
    for (const { topic, readQueueNums, writeQueueNums, perm, topicSysFlag } of topics) {
      sql.exec(
        `INSERT INTO topic (broker, name, queues) VALUES (?1, ?2, ?3)
          ON CONFLICT DO UPDATE SET queues = ?3 WHERE queues <> ?3`,
        brokerName,
        topic,
        JSON.stringify({ topic, readQueueNums, writeQueueNums, perm, topicSysFlag }),
      );
    }
  }
}
