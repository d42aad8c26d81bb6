/** The address of a broker: `host:port`, or the broker in this process, at whichever address a client came by. */
export type BrokerAddress = string | typeof localBroker;
export const localBroker = Symbol("the broker of this process");

/** A broker as it registers (RegisterBrokerRequestHeader). */
export interface RegisteredBroker {
  readonly cluster: string;
  readonly brokerName: string;
  /** 0 is the master. */
  readonly brokerId: number;
  readonly address: BrokerAddress;
}

/** The queues that one broker has of a topic (QueueData). */
export interface QueueData {
  readonly brokerName: string;
  readonly readQueueNums: number;
  readonly writeQueueNums: number;
  readonly perm: number;
  readonly topicSysFlag: number;
}

/** All addresses of one broker name (BrokerData). */
export interface BrokerData {
  readonly cluster: string;
  readonly brokerName: string;
  readonly addresses: ReadonlyMap<number, BrokerAddress>;
}

export interface TopicRoute {
  readonly queues: readonly QueueData[];
  readonly brokers: readonly BrokerData[];
}

export interface TopicQueues extends Omit<QueueData, "brokerName"> {
  readonly topic: string;
}

/** Which broker has which topic: the NameServer (RouteInfoManager). */
export class RouteTable {
  readonly #brokers = new Map<string, { cluster: string; addresses: Map<number, BrokerAddress> }>();
  readonly #topics = new Map<string, Map<string, QueueData>>();

  /** Adds or refreshes a broker. Only a master says which topics there are; topics it no longer names stay known. */
  register(broker: RegisteredBroker, topics: Iterable<TopicQueues>): void {
    let known = this.#brokers.get(broker.brokerName);
    if (known === undefined) {
      known = { cluster: broker.cluster, addresses: new Map() };
      this.#brokers.set(broker.brokerName, known);
    }
    known.addresses.set(broker.brokerId, broker.address);
    if (broker.brokerId !== 0) return;
    for (const { topic, readQueueNums, writeQueueNums, perm, topicSysFlag } of topics) {
      let byBroker = this.#topics.get(topic);
      if (byBroker === undefined) {
        byBroker = new Map();
        this.#topics.set(topic, byBroker);
      }
      const { brokerName } = broker;
      byBroker.set(brokerName, { brokerName, readQueueNums, writeQueueNums, perm, topicSysFlag });
    }
  }

  /** Where a topic's queues are, or undefined if no broker that is there has it. */
  route(topic: string): TopicRoute | undefined {
    const byBroker = this.#topics.get(topic);
    if (byBroker === undefined) return undefined;
    const queues = [...byBroker.values()].filter(({ brokerName }) => this.#brokers.has(brokerName));
    if (queues.length === 0) return undefined;
    const brokers = queues.map(({ brokerName }) => {
      const { cluster, addresses } = this.#brokers.get(brokerName)!;
      return { cluster, brokerName, addresses };
    });
    return { queues, brokers };
  }

  /** All clusters with their brokers. */
  brokers(): BrokerData[] {
    return [...this.#brokers].map(([brokerName, { cluster, addresses }]) => ({ cluster, brokerName, addresses }));
  }
}
