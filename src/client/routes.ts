import { cachedRoutesMax, queuesPerTopicMax } from "../limits.ts";
import { decodeUtf8 } from "../ports/text.ts";
import { type Response, responseCode, succeeded } from "./connection.ts";
import { ClientError } from "./error.ts";
import { compareQueues, type MessageQueue } from "./message.ts";

/** Where a topic's queues are (TopicRouteData). */
export interface TopicRoute {
  /** In the order of broker names and queue ids. */
  readonly readQueues: readonly MessageQueue[];
  /** Only of brokers whose master is there. */
  readonly writeQueues: readonly MessageQueue[];
  readonly brokers: ReadonlyMap<string, ReadonlyMap<number, string>>;
}

/** A topic that brokers make others after: a new topic gets its route until it has its own. */
const defaultTopic = "TBW102";
export const defaultTopicQueueNums = 4;

const readBit = 4;
const writeBit = 2;
const masterId = 0;

/** Where topics are, as the NameServers say. What is known is kept until it is refreshed. */
export class Routes {
  readonly #ask: (topic: string) => Promise<Response>;
  readonly #routes = new Map<string, Promise<TopicRoute | undefined>>();
  readonly #publish = new Map<string, Promise<TopicRoute>>();
  readonly #refreshing = new Map<string, Promise<TopicRoute | undefined>>();
  readonly #brokers = new Map<string, ReadonlyMap<number, string>>();

  /** `ask` brings a NameServer's answer to GET_ROUTEINFO_BY_TOPIC. */
  constructor(ask: (topic: string) => Promise<Response>) {
    this.#ask = ask;
  }

  /** Undefined for a topic that no NameServer knows. */
  get(topic: string): Promise<TopicRoute | undefined> {
    const known = this.#routes.get(topic);
    return known ?? this.refresh(topic);
  }

  /** Where to send to, be it a topic that its first message makes. Rejects with TOPIC_NOT_EXIST. */
  forSending(topic: string): Promise<TopicRoute> {
    let route = this.#publish.get(topic);
    if (route === undefined) {
      route = this.#sendingRoute(topic);
      // One promise for all senders: they go on in the order they came.
      this.#publish.set(topic, route);
      keepAtMost(this.#publish, cachedRoutesMax);
      const asked = route;
      asked.catch(() => {
        if (this.#publish.get(topic) === asked) this.#publish.delete(topic);
      });
    }
    return route;
  }

  /** Asks again. If no NameServer answers, what is known stays, and the promise rejects. */
  refresh(topic: string): Promise<TopicRoute | undefined> {
    let refreshing = this.#refreshing.get(topic);
    if (refreshing === undefined) {
      refreshing = this.#refresh(topic).finally(() => this.#refreshing.delete(topic));
      this.#refreshing.set(topic, refreshing);
    }
    return refreshing;
  }

  /** Topics whose routes were asked for. */
  topics(): string[] {
    return [...new Set([...this.#routes.keys(), ...this.#publish.keys()])];
  }

  /** The address of a broker by one of the routes; a slave's if it is asked for and there. */
  brokerAddress(brokerName: string, brokerId = masterId): string | undefined {
    const addresses = this.#brokers.get(brokerName);
    return addresses?.get(brokerId) ?? addresses?.get(masterId) ?? addresses?.values().next().value;
  }

  /** Undefined while the broker's master is away. */
  masterAddress(brokerName: string): string | undefined {
    return this.#brokers.get(brokerName)?.get(masterId);
  }

  /** All brokers that are known, or their masters only. */
  brokerAddresses(mastersOnly: boolean): string[] {
    const found = new Set<string>();
    for (const addresses of this.#brokers.values()) {
      for (const [id, address] of addresses) if (id === masterId || !mastersOnly) found.add(address);
    }
    return [...found];
  }

  async #sendingRoute(topic: string): Promise<TopicRoute> {
    const own = await this.get(topic);
    if (own !== undefined && own.writeQueues.length > 0) return own;
    const model = own ?? (await this.get(defaultTopic));
    if (model === undefined || (own === undefined && model.writeQueues.length === 0)) {
      throw new ClientError("TOPIC_NOT_EXIST", `no NameServer has a route for the topic ${topic}`);
    }
    if (own !== undefined) throw new ClientError("NO_PERMISSION", `no broker of the topic ${topic} takes messages now`);
    const writeQueues = model.writeQueues
      .filter(({ queueId }) => queueId < defaultTopicQueueNums)
      .map((queue) => ({ ...queue, topic }));
    return { ...model, writeQueues };
  }

  async #refresh(topic: string): Promise<TopicRoute | undefined> {
    const response = await this.#ask(topic);
    const isUnknown = response.code === responseCode.topicNotExist;
    const route = isUnknown ? undefined : readRoute(topic, succeeded(response, `route of ${topic}`).body);
    for (const [name, addresses] of route?.brokers ?? []) this.#brokers.set(name, addresses);
    if (route === undefined) {
      this.#routes.delete(topic);
    } else {
      this.#routes.delete(topic);
      this.#routes.set(topic, Promise.resolve(route));
      keepAtMost(this.#routes, cachedRoutesMax);
      if (this.#publish.has(topic) && route.writeQueues.length > 0) this.#publish.set(topic, Promise.resolve(route));
    }
    return route;
  }
}

/** Forgets what was put in longest ago. */
export function keepAtMost(map: Map<string, unknown>, count: number): void {
  if (map.size <= count) return;
  const [oldest] = map.keys();
  map.delete(oldest!);
}

interface WrittenRoute {
  readonly brokerDatas?: readonly {
    readonly brokerName: string;
    readonly brokerAddrs: Readonly<Record<string, string>>;
  }[];
  readonly queueDatas?: readonly {
    readonly brokerName: string;
    readonly perm: number;
    readonly readQueueNums?: number;
    readonly writeQueueNums?: number;
  }[];
}

function readRoute(topic: string, body: Uint8Array): TopicRoute {
  let written: WrittenRoute;
  try {
    written = JSON.parse(decodeUtf8(body)) as WrittenRoute;
  } catch (error) {
    throw new ClientError("SYSTEM_ERROR", `the route of ${topic} is no JSON`, { cause: error });
  }
  const brokers = new Map<string, ReadonlyMap<number, string>>();
  for (const { brokerName, brokerAddrs } of written.brokerDatas ?? []) {
    brokers.set(brokerName, new Map(Object.entries(brokerAddrs).map(([id, address]) => [Number(id), address])));
  }
  const readQueues: MessageQueue[] = [];
  const writeQueues: MessageQueue[] = [];
  const add = (queues: MessageQueue[], brokerName: string, count = 0): void => {
    if (!Number.isInteger(count) || count < 0 || queues.length + count > queuesPerTopicMax) {
      throw new ClientError("SYSTEM_ERROR", `the route of ${topic} has no possible number of queues: ${count}`);
    }
    for (let queueId = 0; queueId < count; queueId++) queues.push({ topic, brokerName, queueId });
  };
  for (const { brokerName, perm, readQueueNums, writeQueueNums } of written.queueDatas ?? []) {
    const addresses = brokers.get(brokerName);
    if (addresses === undefined) continue;
    if ((perm & readBit) !== 0) add(readQueues, brokerName, readQueueNums);
    if ((perm & writeBit) !== 0 && addresses.has(masterId)) add(writeQueues, brokerName, writeQueueNums);
  }
  return { readQueues: readQueues.sort(compareQueues), writeQueues: writeQueues.sort(compareQueues), brokers };
}
