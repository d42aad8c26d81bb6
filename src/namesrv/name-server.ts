import type { Clock } from "../ports/clock.ts";
import { WasmqError } from "../ports/error.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { ConfigFile } from "../store/config-file.ts";
import type { DueQueue, Later } from "../store/due-queue.ts";
import { KvConfig, orderTopicNamespace } from "./kv-config.ts";
import type { BrokerChannel, LiveBroker, RegisterResult, Registration, RouteTable, TopicRoute } from "./route-table.ts";

/** RocketMQ's settings of those names, with its defaults (NamesrvConfig). */
export interface NameServerSettings {
  /** Routes of ordered topics say which broker has how many of their queues. */
  readonly orderMessageEnable: boolean;
  readonly returnOrderTopicConfigToBroker: boolean;
  readonly enableAllTopicList: boolean;
  readonly enableTopicList: boolean;
  readonly supportActingMaster: boolean;
  /**
   * Topics that a master's registration does not name are gone. Never by one of a single topic, as brokers send it for a new one: Apache's
   * NameServer loses all others by it.
   */
  readonly deleteTopicWithBrokerRegistration: boolean;
  readonly scanNotActiveBrokerIntervalMs: number;
  /** No route is told before brokers had so long to register, or one is known. */
  readonly needWaitForService: boolean;
  readonly waitForServiceMs: number;
}

export const defaultNameServerSettings: NameServerSettings = {
  orderMessageEnable: false,
  returnOrderTopicConfigToBroker: true,
  enableAllTopicList: true,
  enableTopicList: true,
  supportActingMaster: false,
  deleteTopicWithBrokerRegistration: false,
  scanNotActiveBrokerIntervalMs: 5_000,
  needWaitForService: false,
  waitForServiceMs: 45_000,
};

/** The NameServer: routes of brokers that come and go, and the settings that administrators leave with it (NamesrvController). */
export class NameServer {
  readonly settings: NameServerSettings;
  readonly routes: RouteTable;
  readonly kv: KvConfig;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #scanLater: Later;
  readonly #readyAtMs: number;
  #isReady = false;

  constructor(given: {
    readonly routes: RouteTable;
    readonly settings: NameServerSettings;
    readonly kvFile: ConfigFile;
    readonly clock: Clock;
    readonly telemetry: Telemetry;
    readonly dues: DueQueue;
  }) {
    this.settings = given.settings;
    this.routes = given.routes;
    this.kv = new KvConfig(given.kvFile);
    this.#clock = given.clock;
    this.#telemetry = given.telemetry;
    this.#scanLater = given.dues.later(given.settings.scanNotActiveBrokerIntervalMs, () => this.#scan());
    this.#readyAtMs = given.clock.monotonic() + given.settings.waitForServiceMs;
  }

  /** Rejects with STORE_UNREADABLE. */
  start(): Promise<void> {
    return this.kv.load();
  }

  stop(): void {
    this.#scanLater.stop();
  }

  /** See `RouteTable.registerRemote`. */
  register(registration: Registration): RegisterResult {
    const { brokerName, brokerId, address, topics } = registration;
    const before = this.routes.broker(brokerName)?.addresses.get(brokerId);
    try {
      const result = this.routes.registerRemote(registration, this.#clock.monotonic());
      const isAll = brokerId === 0 && topics.length > 1 && registration.mappings.size === 0;
      if (isAll && this.settings.deleteTopicWithBrokerRegistration) {
        this.routes.keepOnly(brokerName, new Set(topics.map(({ topic }) => topic)));
      }
      return result;
    } finally {
      this.#scanLater.ask();
      const now = this.routes.broker(brokerName)?.addresses.get(brokerId);
      if (now === address && before !== now) {
        const fields = { broker: brokerName, id: brokerId, address, topics: topics.length };
        if (before === undefined) this.#telemetry.log("info", "a broker registered", fields);
        else this.#telemetry.log("warn", "a broker took the place of another", { ...fields, other: String(before) });
      }
    }
  }

  heard(cluster: string, address: string): void {
    this.routes.heard(cluster, address, this.#clock.monotonic());
  }

  unregister(cluster: string, brokerName: string, address: string): void {
    if (this.routes.unregister(cluster, brokerName, address)) this.#gone({ brokerName, address }, "it took its leave");
  }

  disconnected(channel: BrokerChannel): void {
    for (const broker of this.routes.disconnected(channel)) this.#gone(broker, "its connection ended");
  }

  /** Where a topic is, or undefined. Throws SYSTEM_ERROR while brokers have not had the time to register. */
  route(topic: string, zoneName: string | undefined): TopicRoute | undefined {
    const { needWaitForService, supportActingMaster } = this.settings;
    if (needWaitForService && !this.#isReady && this.#clock.monotonic() < this.#readyAtMs) {
      if (this.routes.route(topic) === undefined) throw new WasmqError("SYSTEM_ERROR", "name server not ready");
    }
    const route = this.routes.route(topic, { actingMaster: supportActingMaster, zoneName });
    if (route !== undefined) this.#isReady = true;
    return route;
  }

  /** Which broker has how many queues of an ordered topic, as administrators said. */
  orderTopicConf(topic: string): string | undefined {
    return this.settings.orderMessageEnable ? this.kv.get(orderTopicNamespace, topic) : undefined;
  }

  #scan(): void {
    for (const broker of this.routes.expire(this.#clock.monotonic())) {
      this.#gone(broker, "it was silent for too long");
      broker.channel.connection.close();
    }
    if (this.routes.hasLive) this.#scanLater.ask();
  }

  #gone({ brokerName, address }: Pick<LiveBroker, "brokerName" | "address">, why: string): void {
    this.#telemetry.log("info", "a broker is gone", { broker: brokerName, address, why });
  }
}
