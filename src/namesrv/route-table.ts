import {
  queuesPerTopicMax,
  registeredBrokersMax,
  registeredNameCharsMax,
  registeredQueuesMax,
  topicMappingCharsTotalMax,
} from "../limits.ts";
import { WasmqError } from "../ports/error.ts";
import type { Connection } from "../ports/network.ts";

/** The address of a broker: `host:port`, or the broker in this process, at whichever address a client came by. */
export type BrokerAddress = string | typeof localBroker;
export const localBroker = Symbol("the broker of this process");

/** Bits of a topic's perm (org.apache.rocketmq.common.constant.PermName). */
const permWrite = 2;
/** Bits of topicSysFlag (org.apache.rocketmq.common.sysflag.TopicSysFlag). */
const unitBit = 1;
const unitSubBit = 2;

const masterId = 0;
/** A broker that says no heartbeatTimeoutMillis is gone when it was not heard of for so long (DEFAULT_BROKER_CHANNEL_EXPIRED_TIME). */
const silenceMsMax = 120_000;
/** In a route to it clients find members of a broker's group, never an acting master (TopicValidator.SYNC_BROKER_MEMBER_GROUP_PREFIX). */
const memberGroupTopicPrefix = "rmq_sys_SYNC_BROKER_MEMBER_";

/** A broker as it registers (RegisterBrokerRequestHeader). */
export interface RegisteredBroker {
  readonly cluster: string;
  readonly brokerName: string;
  /** 0 is the master. */
  readonly brokerId: number;
  readonly address: BrokerAddress;
}

/** Tells one state of a broker's topics from another (org.apache.rocketmq.remoting.protocol.DataVersion). */
export interface TopicsVersion {
  readonly counter: number;
  readonly stateVersion: number;
  readonly timestamp: number;
}

/** The connection a broker registered over: its end is the end of the broker's routes. */
export interface BrokerChannel {
  readonly connection: Pick<Connection, "close">;
}

/** What a broker elsewhere says of itself (RegisterBrokerRequestHeader, RegisterBrokerBody). */
export interface Registration extends RegisteredBroker {
  readonly address: string;
  /** Where its slaves replicate from. */
  readonly haServerAddress: string;
  readonly zoneName: string | undefined;
  /** Undefined from brokers before 5.0, whose slaves never stand in for a master. */
  readonly enableActingMaster: boolean | undefined;
  /** How long it may be silent, in milliseconds. */
  readonly heartbeatTimeoutMs: number | undefined;
  readonly version: TopicsVersion;
  readonly topics: readonly TopicQueues[];
  /** TopicQueueMappingInfo of static topics, by topic: handed on to clients as they are. */
  readonly mappings: ReadonlyMap<string, object>;
  readonly channel: BrokerChannel;
}

/** What a slave learns by registering. */
export interface RegisterResult {
  readonly haServerAddress?: string;
  readonly masterAddress?: string;
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
  readonly zoneName: string | undefined;
  readonly enableActingMaster: boolean;
}

export interface TopicRoute {
  readonly queues: readonly QueueData[];
  readonly brokers: readonly BrokerData[];
  /** Of a static topic: TopicQueueMappingInfo by broker. */
  readonly mappings: ReadonlyMap<string, object> | undefined;
}

export interface TopicQueues extends Omit<QueueData, "brokerName"> {
  readonly topic: string;
}

export interface RouteWishes {
  /** Show the slave that stands in for a missing master as the master (supportActingMaster). */
  readonly actingMaster?: boolean;
  /** Leave out brokers of other zones whose master is there (ZoneRouteRPCHook). */
  readonly zoneName?: string | undefined;
}

interface Broker {
  cluster: string;
  readonly brokerName: string;
  readonly addresses: Map<number, BrokerAddress>;
  zoneName: string | undefined;
  enableActingMaster: boolean;
}

interface Queues extends QueueData {
  perm: number;
  /** As the broker registered it: what it has again when write permission is given back. */
  readonly registeredPerm: number;
}

/** A broker elsewhere that is heard of (BrokerLiveInfo). */
export interface LiveBroker {
  readonly cluster: string;
  readonly brokerName: string;
  readonly address: string;
  readonly channel: BrokerChannel;
}

interface Mapping {
  readonly info: object;
  /** Of it as JSON and of its topic's name. */
  readonly chars: number;
}

interface Live extends LiveBroker {
  readonly haServerAddress: string;
  readonly silenceMsMax: number;
  readonly version: TopicsVersion;
  heardAtMs: number;
}

/**
 * Which broker has which topic: the NameServer (RouteInfoManager). Times are of a monotonic clock, in milliseconds.
 *
 * Other than Apache's: the broker of this process is nobody's to replace or to remove; every broker of a connection that ends is
 * gone, where Apache finds one; an address that registers under another name leaves the first one; write permission that was wiped and is given back is what the broker registered, where
 * Apache makes every topic of it readable and writable.
 */
export class RouteTable {
  readonly #brokers = new Map<string, Broker>();
  /** By topic and broker name. */
  readonly #topics = new Map<string, Map<string, Queues>>();
  readonly #mappings = new Map<string, Map<string, Mapping>>();
  /** By cluster and address. */
  readonly #live = new Map<string, Live>();
  /** Entries of `#topics` and `#mappings`. */
  #queues = 0;
  #mappingChars = 0;

  /** Adds or refreshes a broker that is never silent. Only a master says which topics there are; topics it no longer names stay known. */
  register(broker: RegisteredBroker, topics: Iterable<TopicQueues>): void {
    const known = this.#broker(broker);
    known.addresses.set(broker.brokerId, broker.address);
    if (broker.brokerId !== masterId) return;
    for (const topic of topics) this.#put(topic, broker.brokerName, topic.perm);
  }

  /**
   * Adds or refreshes a broker elsewhere. Throws SYSTEM_ERROR for the first word of a broker if it is about one topic only: a broker that
   * is known to have a topic made it; all its others would be missing. Throws SYSTEM_ERROR, too, when there is no room
   * for all topics: those that were known, and those that had room, are served.
   */
  registerRemote(registration: Registration, nowMs: number): RegisterResult {
    const { cluster, brokerName, brokerId, address, version, topics, enableActingMaster, mappings } = registration;
    checkRegistration(registration);
    const there = this.#brokers.get(brokerName);
    const before = there?.addresses.get(brokerId);
    if (before === localBroker) {
      throw new WasmqError("NO_PERMISSION", `the broker ${brokerName} is that of this name server's process`);
    }
    const key = keyOf(cluster, address);
    const named = this.#live.get(key)?.brokerName ?? brokerName;
    if (before !== undefined && before !== address) {
      const other = this.#live.get(keyOf(cluster, before));
      if (other !== undefined && other.version.stateVersion > version.stateVersion) {
        // A master that was replaced while it was away; told nothing, as by Apache.
        this.unregister(cluster, named, address);
        return {};
      }
    }
    const isAddressKnown =
      before !== undefined || [...(there?.addresses.values() ?? [])].some((known) => known === address);
    if (!isAddressKnown && topics.length === 1) {
      throw new WasmqError("SYSTEM_ERROR", "register broker failed: register all topics first");
    }
    // One that is known may come by a new address each time.
    if (!this.#live.has(key) && this.#live.size >= registeredBrokersMax) {
      throw new WasmqError("SYSTEM_ERROR", `the name server has its ${registeredBrokersMax} brokers`);
    }
    // Or a peer with one address would leave behind as many names as it likes: one that is gone is looked for by its address.
    if (named !== brokerName) this.unregister(cluster, named, address);
    const broker = this.#broker(registration);
    broker.enableActingMaster = enableActingMaster === true;
    broker.zoneName = registration.zoneName;
    // A slave that has become a master: an address is one broker.
    for (const [id, known] of broker.addresses) if (known === address && id !== brokerId) broker.addresses.delete(id);
    broker.addresses.set(brokerId, address);
    const isFirst = before === undefined;
    const isMaster = brokerId === masterId;
    const isPrimeSlave = !isMaster && enableActingMaster !== undefined && brokerId === minId(broker);
    const isChanged = isFirst || !isSame(this.#live.get(key)?.version, version);
    let leftOut = 0;
    if (isMaster || isPrimeSlave) {
      for (const topic of topics) {
        if (!isChanged && this.#topics.get(topic.topic)?.has(brokerName) === true) continue;
        const perm = isPrimeSlave && broker.enableActingMaster ? topic.perm & ~permWrite : topic.perm;
        if (!this.#put(topic, brokerName, perm)) leftOut++;
      }
      if (isChanged) {
        for (const [topic, mapping] of mappings) if (!this.#map(topic, brokerName, mapping)) leftOut++;
      }
    }
    this.#live.set(key, {
      cluster,
      brokerName,
      address,
      haServerAddress: registration.haServerAddress,
      silenceMsMax: registration.heartbeatTimeoutMs ?? silenceMsMax,
      version,
      channel: registration.channel,
      heardAtMs: nowMs,
    });
    if (leftOut > 0) {
      throw new WasmqError(
        "SYSTEM_ERROR",
        `the name server has the queues of its ${registeredQueuesMax} topics, or all mappings it has room for: ${leftOut} of ${brokerName} are left out`,
      );
    }
    return isMaster ? {} : this.#masterOf(broker);
  }

  /** A broker takes its leave, or is found to be gone. False for one that is not known, or is this process's: it stays. */
  unregister(cluster: string, brokerName: string, address: string): boolean {
    const isKnown = this.#live.has(keyOf(cluster, address));
    this.#letGo([{ cluster, brokerName, address }]);
    return isKnown;
  }

  /** A sign of life. */
  heard(cluster: string, address: string, nowMs: number): void {
    const live = this.#live.get(keyOf(cluster, address));
    if (live !== undefined) live.heardAtMs = nowMs;
  }

  /** The version of a broker's topics as it registered them last; undefined for one that is not there. */
  versionOf(cluster: string, address: string): TopicsVersion | undefined {
    return this.#live.get(keyOf(cluster, address))?.version;
  }

  /** The connection is gone, and with it the brokers that registered over it last. Those. */
  disconnected(channel: BrokerChannel): LiveBroker[] {
    return this.#letGoWhere((live) => live.channel === channel);
  }

  /** Lets go of brokers that were silent for too long; their connections are to be closed. */
  expire(nowMs: number): LiveBroker[] {
    return this.#letGoWhere((live) => nowMs - live.heardAtMs > live.silenceMsMax);
  }

  /** True while brokers are there that may fall silent. */
  get hasLive(): boolean {
    return this.#live.size > 0;
  }

  /** Where a topic's queues are, or undefined if no broker that is there has it. */
  route(topic: string, wishes: RouteWishes = {}): TopicRoute | undefined {
    let queues = [...(this.#topics.get(topic)?.values() ?? [])].filter(({ brokerName }) =>
      this.#brokers.has(brokerName),
    );
    if (queues.length === 0) return undefined;
    let brokers: BrokerData[] = queues.map(({ brokerName }) => this.#brokers.get(brokerName)!);
    if (wishes.actingMaster === true && !topic.startsWith(memberGroupTopicPrefix)) {
      brokers = brokers.map((broker, i) => withActingMaster(broker, queues[i]!));
    }
    const { zoneName } = wishes;
    if (zoneName !== undefined) {
      brokers = brokers.filter(
        (broker) => !broker.addresses.has(masterId) || broker.zoneName?.toLowerCase() === zoneName.toLowerCase(),
      );
      const kept = new Set(brokers.map(({ brokerName }) => brokerName));
      queues = queues.filter(({ brokerName }) => kept.has(brokerName));
    }
    const mappings = this.#mappings.get(topic);
    return {
      queues,
      brokers,
      mappings: mappings && new Map(Array.from(mappings, ([brokerName, { info }]) => [brokerName, info])),
    };
  }

  /** All clusters with their brokers. */
  brokers(): readonly BrokerData[] {
    return [...this.#brokers.values()];
  }

  broker(brokerName: string): BrokerData | undefined {
    return this.#brokers.get(brokerName);
  }

  topics(): string[] {
    return [...this.#topics.keys()];
  }

  topicsOfCluster(cluster: string): string[] {
    return this.#topicsWhere((queues) =>
      queues.some(({ brokerName }) => this.#brokers.get(brokerName)?.cluster === cluster),
    );
  }

  /** Topics of a unit. As with Apache, the first broker of a topic tells. */
  unitTopics(): string[] {
    return this.#topicsWhere(([first]) => (first!.topicSysFlag & unitBit) !== 0);
  }

  /** Topics with subscribers of a unit; of `all`, or of those that are no unit's themselves. */
  unitSubTopics(of: "all" | "no unit's"): string[] {
    return this.#topicsWhere(
      ([first]) => (first!.topicSysFlag & unitSubBit) !== 0 && (of === "all" || (first!.topicSysFlag & unitBit) === 0),
    );
  }

  /** Adds queues of brokers that are there to a topic; nothing if one of them is not (RouteInfoManager.registerTopic). */
  registerTopic(topic: string, queues: readonly (TopicQueues & QueueData)[]): void {
    checkName(topic, "topic");
    if (queues.some(({ brokerName }) => this.#brokers.get(brokerName) === undefined)) return;
    for (const data of queues) {
      checkQueues(data);
      if (!this.#isLocal(data.brokerName) && !this.#put(data, data.brokerName, data.perm)) {
        throw new WasmqError("SYSTEM_ERROR", `the name server has the queues of its ${registeredQueuesMax} topics`);
      }
    }
  }

  /**
   * Forgets where a topic is, on brokers of one cluster or on all. Those that still have it bring it back with their next registration. The
   * broker of this process registers what changes only: it keeps what it has.
   */
  deleteTopic(topic: string, cluster: string | undefined): void {
    const byBroker = this.#topics.get(topic);
    if (byBroker === undefined) return;
    for (const brokerName of [...byBroker.keys()]) {
      const isMeant = cluster === undefined || this.#brokers.get(brokerName)?.cluster === cluster;
      if (isMeant && !this.#isLocal(brokerName)) this.#remove(topic, brokerName);
    }
  }

  /** A broker has a topic no more. */
  withdraw(topic: string, brokerName: string): void {
    this.#remove(topic, brokerName);
  }

  /** Takes topics from a broker that its registration does not name (deleteTopicWithBrokerRegistration). */
  keepOnly(brokerName: string, topics: ReadonlySet<string>): void {
    for (const topic of this.topics()) if (!topics.has(topic)) this.#remove(topic, brokerName);
  }

  /** Takes write permission from all topics of a broker, or gives back what it registered; how many topics it has. */
  setWritable(brokerName: string, isWritable: boolean): number {
    let count = 0;
    for (const byBroker of this.#topics.values()) {
      const queues = byBroker.get(brokerName);
      if (queues === undefined) continue;
      queues.perm = isWritable ? queues.registeredPerm : queues.perm & ~permWrite;
      count++;
    }
    return count;
  }

  #letGoWhere(isGone: (live: Live) => boolean): LiveBroker[] {
    const gone = [...this.#live.values()].filter(isGone);
    this.#letGo(gone);
    return gone;
  }

  /** All at once: the topics are gone over once, however many brokers came over one connection. */
  #letGo(gone: readonly Omit<LiveBroker, "channel">[]): void {
    const left = new Set<string>();
    const withoutMaster = new Set<string>();
    for (const { cluster, brokerName, address } of gone) {
      this.#live.delete(keyOf(cluster, address));
      const broker = this.#brokers.get(brokerName);
      if (broker === undefined) continue;
      for (const [id, known] of broker.addresses) if (known === address) broker.addresses.delete(id);
      if (broker.addresses.size === 0) {
        this.#brokers.delete(brokerName);
        left.add(brokerName);
      } else if (broker.enableActingMaster && minId(broker) > masterId) withoutMaster.add(brokerName);
    }
    if (left.size > 0) this.#forget(left);
    if (withoutMaster.size === 0) return;
    for (const byBroker of this.#topics.values()) {
      for (const [brokerName, queues] of byBroker) if (withoutMaster.has(brokerName)) queues.perm &= ~permWrite;
    }
  }

  #broker({ brokerName, cluster }: RegisteredBroker): Broker {
    let broker = this.#brokers.get(brokerName);
    if (broker === undefined) {
      broker = { cluster, brokerName, addresses: new Map(), zoneName: undefined, enableActingMaster: false };
      this.#brokers.set(brokerName, broker);
    }
    return broker;
  }

  #isLocal(brokerName: string): boolean {
    return this.#brokers.get(brokerName)?.addresses.get(masterId) === localBroker;
  }

  #masterOf(broker: Broker): RegisterResult {
    const address = broker.addresses.get(masterId);
    if (typeof address !== "string") return {};
    const live = this.#live.get(keyOf(broker.cluster, address));
    return live === undefined ? {} : { haServerAddress: live.haServerAddress, masterAddress: address };
  }

  /** False if there is no room for it. */
  #put(topic: TopicQueues, brokerName: string, registeredPerm: number): boolean {
    let byBroker = this.#topics.get(topic.topic);
    const known = byBroker?.get(brokerName);
    const { readQueueNums, writeQueueNums, topicSysFlag } = topic;
    if (
      known !== undefined &&
      known.registeredPerm === registeredPerm &&
      known.readQueueNums === readQueueNums &&
      known.writeQueueNums === writeQueueNums &&
      known.topicSysFlag === topicSysFlag &&
      known.perm === registeredPerm
    ) {
      return true;
    }
    if (known === undefined) {
      if (this.#queues >= registeredQueuesMax) return false;
      this.#queues++;
    }
    if (byBroker === undefined) {
      byBroker = new Map();
      this.#topics.set(topic.topic, byBroker);
    }
    byBroker.set(brokerName, {
      brokerName,
      readQueueNums,
      writeQueueNums,
      perm: registeredPerm,
      topicSysFlag,
      registeredPerm,
    });
    return true;
  }

  #map(topic: string, brokerName: string, info: object): boolean {
    let byBroker = this.#mappings.get(topic);
    const known = byBroker?.get(brokerName);
    const chars = topic.length + JSON.stringify(info).length;
    if (this.#mappingChars - (known?.chars ?? 0) + chars > topicMappingCharsTotalMax) return false;
    if (known === undefined) {
      if (this.#queues >= registeredQueuesMax) return false;
      this.#queues++;
    }
    if (byBroker === undefined) {
      byBroker = new Map();
      this.#mappings.set(topic, byBroker);
    }
    this.#mappingChars += chars - (known?.chars ?? 0);
    byBroker.set(brokerName, { info, chars });
    return true;
  }

  #forget(brokerNames: ReadonlySet<string>): void {
    for (const [topic, byBroker] of this.#topics) {
      for (const name of byBroker.keys()) if (brokerNames.has(name)) this.#remove(topic, name);
    }
    for (const [topic, byBroker] of this.#mappings) {
      for (const [name, { chars }] of byBroker) {
        if (!brokerNames.has(name)) continue;
        byBroker.delete(name);
        this.#queues--;
        this.#mappingChars -= chars;
      }
      if (byBroker.size === 0) this.#mappings.delete(topic);
    }
  }

  #remove(topic: string, brokerName: string): void {
    const byBroker = this.#topics.get(topic);
    if (byBroker?.delete(brokerName) !== true) return;
    this.#queues--;
    if (byBroker.size === 0) this.#topics.delete(topic);
  }

  #topicsWhere(holds: (queues: readonly QueueData[]) => boolean): string[] {
    return [...this.#topics].filter(([, byBroker]) => holds([...byBroker.values()])).map(([topic]) => topic);
  }
}

function keyOf(cluster: string, address: string): string {
  return `${cluster}\n${address}`;
}

function minId(broker: Broker): number {
  return Math.min(...broker.addresses.keys());
}

function isSame(a: TopicsVersion | undefined, b: TopicsVersion): boolean {
  return a?.counter === b.counter && a.stateVersion === b.stateVersion && a.timestamp === b.timestamp;
}

/** The slave with the lowest id in the master's place, where the broker wants that and its topics are not to be written to. */
function withActingMaster(broker: BrokerData, queues: QueueData): BrokerData {
  const { addresses } = broker;
  if (addresses.has(masterId) || !broker.enableActingMaster || (queues.perm & permWrite) !== 0) return broker;
  const acting = Math.min(...addresses.keys());
  return {
    ...broker,
    addresses: new Map([...addresses].map(([id, address]) => [id === acting ? masterId : id, address])),
  };
}

/** What a registration may say. Names end up in what clients are told, and some of these take bodies apart by hand. */
function checkRegistration(registration: Registration): void {
  checkName(registration.cluster, "cluster");
  checkName(registration.brokerName, "broker");
  if (registration.zoneName !== undefined) checkName(registration.zoneName, "zone");
  const { address, haServerAddress } = registration;
  if (!/^[^\s,"{}]+:\d{1,5}$/.test(address) || address.length > registeredNameCharsMax) {
    throw new WasmqError("INVALID_PARAMETER", `${JSON.stringify(address.slice(0, 64))} is no host:port of a broker`);
  }
  if (haServerAddress.length > registeredNameCharsMax) {
    throw new WasmqError("INVALID_PARAMETER", "the haServerAddr is too long");
  }
  for (const topic of registration.topics) {
    checkName(topic.topic, "topic");
    checkQueues(topic);
  }
}

function checkName(name: string, what: string): void {
  if (name === "" || name.length > registeredNameCharsMax || /["\\\p{Cc}]/u.test(name)) {
    throw new WasmqError("INVALID_PARAMETER", `${JSON.stringify(name.slice(0, 64))} can't be the name of a ${what}`);
  }
}

function checkQueues({ topic, readQueueNums, writeQueueNums, perm, topicSysFlag }: TopicQueues): void {
  const isCount = (count: number): boolean => Number.isInteger(count) && count >= 0 && count <= queuesPerTopicMax;
  if (
    !isCount(readQueueNums) ||
    !isCount(writeQueueNums) ||
    (perm | 0) !== perm ||
    (topicSysFlag | 0) !== topicSysFlag
  ) {
    throw new WasmqError("INVALID_PARAMETER", `the topic ${topic} is registered with queues that can't be`);
  }
}
