import { Broker } from "./broker/broker.ts";
import { checkConfigFiles } from "./broker/check/config-files.ts";
import { DelayLevels, defaultDelayLevels } from "./broker/delay/delay-levels.ts";
import { deliverTimeAsTagsCode } from "./broker/delay/park.ts";
import { Registrations, registered as registeredTopics } from "./broker/name-servers/registrations.ts";
import { checkTopicName } from "./broker/names.ts";
import { type BrokerRules, type BrokerSettings, defaultBrokerRules } from "./broker/settings.ts";
import type { TopicConfig } from "./broker/topic/topic-config.ts";
import { type Topics, topicsOfBatches } from "./broker/topic/topics.ts";
import { Core } from "./core/core.ts";
import { type MemoryBudget, serverBudget } from "./limits.ts";
import { defaultNameServerSettings, NameServer, type NameServerSettings } from "./namesrv/name-server.ts";
import { type BrokerAddress, localBroker, RouteTable, type TopicQueues } from "./namesrv/route-table.ts";
import { type CheckOptions, type CheckReport, type RepairReport, severities } from "./ports/check.ts";
import { WasmqError } from "./ports/error.ts";
import type { LogStorage } from "./ports/log-storage.ts";
import type { Connection, ConnectionHandler, Dialer } from "./ports/network.ts";
import type { Ports } from "./ports/ports.ts";
import type { StoreSettings } from "./ports/store-settings.ts";
import { silentTelemetry } from "./ports/telemetry.ts";
import { brokerHandlers, nameServerHandlers, routeHandlers } from "./protocol/remoting/handlers.ts";
import { RemotingNameServer } from "./protocol/remoting/name-server-link.ts";
import { Remoting } from "./protocol/remoting/remoting.ts";
import type { RouteRole } from "./protocol/remoting/roles.ts";
import { checkStore as checkFiles } from "./store/check/check.ts";
import { Findings } from "./store/check/findings.ts";
import { prepareRepair } from "./store/check/repair.ts";
import { ConfigFile } from "./store/config-file.ts";
import { DueQueue } from "./store/due-queue.ts";
import { defaultStoreOptions, type StoreOptions } from "./store/options.ts";
import { brokerConfFile, settingsOf, sizesOf, storedConf } from "./store/settings.ts";
import { Store } from "./store/store.ts";

export interface BrokerOptions {
  readonly brokerName: string;
  readonly clusterName: string;
  /** The address in records and message ids; one for as long as the broker runs. */
  readonly storeHost: { readonly address: string; readonly port: number };
  /** `host:port` of the broker for a client that came by `localAddress`. */
  readonly brokerAddress: (localAddress: string) => string;
  /** What a store that was moved here says of itself in its `broker.conf` goes before these sizes: they are its files'. */
  readonly store?: Partial<Omit<StoreOptions, "tagsCodeOf" | "budget">>;
  /** What an administrator asks for: goes before both, but for sizes of files that the store has others of; it is refused then. */
  readonly askedStore?: Partial<Omit<StoreOptions, "tagsCodeOf" | "budget">>;
  readonly rules?: Partial<BrokerRules>;
  /** RocketMQ's settings by their names, for administrators to see. */
  readonly configuration?: ReadonlyMap<string, string>;
  /** Default `serverBudget`. */
  readonly budget?: MemoryBudget;
  /** Told the broker's topics, at the start all and then those that are new or changed: for a NameServer elsewhere. */
  readonly registered?: (topics: readonly TopicQueues[]) => void;
  /** RocketMQ's setting of that name: the delay of each level. */
  readonly messageDelayLevel?: string;
  /**
   * The NameServer of this process: "own" (default) tells of this broker alone; "open" of others too, which register at it, and
   * administrators may leave settings with it. "none": NameServers are elsewhere.
   */
  readonly nameServer?: "own" | "none" | OpenNameServerOptions;
  /** NameServers elsewhere that are told of the broker. */
  readonly nameServers?: NameServersElsewhere;
}

export interface OpenNameServerOptions {
  readonly settings?: Partial<NameServerSettings>;
  /** RocketMQ's settings by their names, for administrators to see. */
  readonly configuration?: ReadonlyMap<string, string>;
}

export interface NameServersElsewhere {
  /** `host:port` of each. */
  readonly addresses: readonly string[];
  readonly dialer: Dialer;
  /** `host:port` of this broker, as they tell clients. */
  readonly brokerAddress: string;
  /** RocketMQ's settings registerNameServerPeriod (10 to 60 seconds) and registerBrokerTimeoutMills. */
  readonly periodMs: number;
  readonly timeoutMs: number;
}

export interface RunningBroker {
  /**
   * Takes a connection that speaks remoting, to the NameServer or to the broker. `kept` is what it was last given to keep
   * (`Connection.keep`), for one that was open before this broker started.
   */
  accept(connection: Connection, kept?: Uint8Array): ConnectionHandler;
  /** Answers what was sent, ends the connections, keeps everything and gives the store back. Asked again: the same stop. */
  stop(): Promise<void>;
}

/**
 * The engine, whatever the host: NameServer and broker on one store. Read from here: the store keeps messages
 * (`store/store.ts`), the broker gives them RocketMQ's meaning (`broker/broker.ts`), remoting puts it on a wire
 * (`protocol/remoting/remoting.ts`). Rejects with STORE_LOCKED, STORE_UNREADABLE, or
 * INVALID_PARAMETER for a name that can be none, and for files' sizes that are not the store's.
 */
export async function startBroker(ports: Ports, options: BrokerOptions): Promise<RunningBroker> {
  checkName("broker", options.brokerName);
  checkName("cluster", options.clusterName);
  const dues = new DueQueue(ports.clock, ports.scheduler);
  await ports.storage.lock();
  const budget = options.budget ?? serverBudget;
  let messageDelayLevel: string;
  let store: Store;
  let topics: Topics | undefined;
  let ofBatches: ReadonlySet<string> = new Set();
  let fileReservedTimeMs: number;
  try {
    const stored = settingsOf(await storedConf(ports.storage));
    checkSizes(options.askedStore ?? {}, stored);
    messageDelayLevel = options.messageDelayLevel ?? stored.messageDelayLevel ?? defaultDelayLevels;
    const tagsCodeOf = deliverTimeAsTagsCode(new DelayLevels(messageDelayLevel));
    const storeOptions = {
      ...defaultStoreOptions,
      ...options.store,
      ...stored,
      ...options.askedStore,
      budget,
      tagsCodeOf,
      isOfBatches: (topic: string) => topics?.find(topic)?.isOfBatches ?? ofBatches.has(topic),
    };
    ({ fileReservedTimeMs } = storeOptions);
    store = new Store(ports, storeOptions, dues);
    ofBatches = await topicsOfBatches(store.configFile("topics.json"));
  } catch (error) {
    await ports.storage.close();
    throw error;
  }
  await store.open();
  const { brokerName, clusterName, storeHost } = options;
  const settings: BrokerSettings = {
    ...defaultBrokerRules,
    ...options.rules,
    brokerName,
    clusterName,
    storeHost: store.core.encodeHost(storeHost.address, storeHost.port),
    messageDelayLevel,
    fileReservedTimeMs,
    budget,
  };
  const broker = new Broker(ports, store, dues, settings);
  topics = broker.topics;
  const routes = new RouteTable();
  const { nameServer: which = "own" } = options;
  const nameServer =
    typeof which === "string"
      ? undefined
      : new NameServer({
          ...ports,
          routes,
          dues,
          settings: { ...defaultNameServerSettings, ...which.settings },
          kvFile: store.configFile(kvConfigFile),
        });
  try {
    await nameServer?.start();
    await broker.start();
  } catch (error) {
    await store.close();
    throw error;
  }
  const elsewhere = registrationsOf(broker, dues, ports, options.nameServers);
  const register = (configs: Iterable<TopicConfig>): void => {
    const topics = registeredTopics(configs, settings).map((config) => ({ topic: config.topicName, ...config }));
    routes.register({ cluster: clusterName, brokerName, brokerId: 0, address: localBroker }, topics);
    options.registered?.(topics);
  };
  register(Array.from(broker.topics.all(), ({ config }) => config));
  elsewhere?.start();
  const isElsewhere = elsewhere !== undefined && options.nameServers!.addresses.length > 0;
  if (isElsewhere) broker.assignments.askForQueues((topic) => elsewhere.queues(topic));
  else if (nameServer !== undefined) broker.assignments.askForQueues((topic) => routes.route(topic)?.queues);
  broker.topics.onChange((config) => {
    register([config]);
    elsewhere?.changed(config);
  });
  broker.topics.onDelete((topic) => routes.withdraw(topic, brokerName));
  const brokerAddress = (address: BrokerAddress, localAddress: string): string =>
    address === localBroker ? options.brokerAddress(localAddress) : address;
  const routeRole = routeRoleOf(routes, brokerAddress);
  const nameServerCodes =
    nameServer !== undefined
      ? nameServerHandlers({
          ...routeRole,
          ...openRoleOf(nameServer, typeof which === "string" ? {} : which, store.core),
        })
      : which === "own"
        ? routeHandlers(routeRole)
        : [];
  const shown = { brokerAddress: options.brokerAddress, configuration: options.configuration ?? new Map() };
  const remoting = new Remoting(ports, {
    budget,
    handlers: new Map([...nameServerCodes, ...brokerHandlers(broker, shown)]),
    encodeHost: (address, port) => store.core.encodeHost(address, port),
    after: afterOf(dues),
    disconnected: (session) => {
      nameServer?.disconnected(session);
      broker.disconnected(session);
    },
  });
  const stop = async (): Promise<void> => {
    // Clients that hear of it go elsewhere.
    await elsewhere?.stop();
    // What has arrived is taken, written (and synced, if it is waited for) and answered first.
    await new Promise<void>((resolve) => ports.scheduler.soon(resolve));
    // If the storage failed, whoever waited was told, and closing the store tells again.
    await store.settle().catch(() => {});
    remoting.close();
    nameServer?.stop();
    try {
      await broker.stop();
    } finally {
      await store.close();
    }
  };
  // A second stop must not touch a store that may be another's by then.
  let stopped: Promise<void> | undefined;
  return {
    accept: (connection, kept) => remoting.accept(connection, kept),
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/**
 * A NameServer alone, for brokers that are elsewhere. What administrators leave with it is kept in the storage, which it locks. Rejects with
 * STORE_LOCKED or STORE_UNREADABLE.
 */
export async function startNameServer(
  ports: Omit<Ports, "entropy">,
  options: OpenNameServerOptions,
): Promise<RunningBroker> {
  const core = new Core(ports.coreModule);
  const dues = new DueQueue(ports.clock, ports.scheduler);
  const routes = new RouteTable();
  const { storage } = ports;
  await storage.lock();
  const nameServer = new NameServer({
    ...ports,
    routes,
    dues,
    settings: { ...defaultNameServerSettings, ...options.settings },
    kvFile: new ConfigFile(storage, ports.telemetry, (bytes) => core.crc32(bytes), kvConfigFile),
  });
  try {
    await nameServer.start();
  } catch (error) {
    await storage.close();
    throw error;
  }
  const remoting = new Remoting(ports, {
    budget: serverBudget,
    handlers: new Map(
      nameServerHandlers({
        // Only brokers that are elsewhere register here.
        ...routeRoleOf(routes, (address) => String(address)),
        ...openRoleOf(nameServer, options, core),
      }),
    ),
    encodeHost: () => noHost,
    after: afterOf(dues),
    disconnected: (session) => nameServer.disconnected(session),
  });
  const stop = async (): Promise<void> => {
    await new Promise<void>((resolve) => ports.scheduler.soon(resolve));
    nameServer.stop();
    remoting.close();
    await nameServer.kv.settled();
    await storage.close();
  };
  let stopped: Promise<void> | undefined;
  return {
    accept: (connection) => remoting.accept(connection),
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** Answers where brokers are that somebody puts into `routes`; none can register by itself. */
export function serveRoutes(
  ports: Pick<Ports, "clock" | "scheduler" | "telemetry">,
  options: {
    readonly routes: RouteTable;
    /** What a client that came by `localAddress` is told as the address of a registered broker. */
    readonly brokerAddress: (address: string, localAddress: string) => string;
    readonly budget?: MemoryBudget;
  },
): Pick<RunningBroker, "accept"> {
  const { routes, brokerAddress } = options;
  return new Remoting(ports, {
    budget: options.budget ?? serverBudget,
    handlers: new Map(
      routeHandlers(routeRoleOf(routes, (address, localAddress) => brokerAddress(String(address), localAddress))),
    ),
    encodeHost: () => noHost,
    // Whoever asks there is told; none is asked.
    after: () => () => {},
    disconnected: () => {},
  });
}

const noHost = new Uint8Array(0);
/** Below `config/`, beside the broker's own where both are one process. */
const kvConfigFile = "kvConfig.json";

function routeRoleOf(routes: RouteTable, brokerAddress: RouteRole["brokerAddress"]): RouteRole {
  return {
    routes,
    route: (topic, zoneName) => routes.route(topic, { zoneName }),
    orderTopicConf: () => undefined,
    settings: defaultNameServerSettings,
    brokerAddress,
  };
}

function openRoleOf(nameServer: NameServer, { configuration }: OpenNameServerOptions, core: Core) {
  return {
    nameServer,
    route: (topic: string, zoneName: string | undefined) => nameServer.route(topic, zoneName),
    orderTopicConf: (topic: string) => nameServer.orderTopicConf(topic),
    settings: nameServer.settings,
    crc32: (bytes: Uint8Array) => core.crc32(bytes),
    configuration: () => configuration ?? new Map<string, string>(),
  };
}

function afterOf(dues: DueQueue) {
  return (delayMs: number, run: () => void): (() => void) => {
    const due = dues.after(delayMs, run);
    return () => dues.cancel(due);
  };
}

function registrationsOf(
  broker: Broker,
  dues: DueQueue,
  ports: Ports,
  elsewhere: NameServersElsewhere | undefined,
): Registrations | undefined {
  if (elsewhere === undefined) return undefined;
  const { addresses, dialer, brokerAddress, periodMs, timeoutMs } = elsewhere;
  const after = afterOf(dues);
  const { core } = broker.store;
  return new Registrations({
    links: addresses.map(
      (address) => new RemotingNameServer({ address, dialer, after, timeoutMs, crc32: (bytes) => core.crc32(bytes) }),
    ),
    topics: broker.topics,
    settings: broker.settings,
    address: brokerAddress,
    periodMs,
    dues,
    soon: (task) => ports.scheduler.soon(task),
    telemetry: ports.telemetry,
  });
}

/**
 * Checks a store that nobody has open, on whatever host: its CommitLog, ConsumeQueues, checkpoint and config files, each against the
 * others. Changes nothing. Rejects with STORE_UNREADABLE for what is none, or can be opened by nobody.
 */
export async function checkStore(
  { storage, coreModule }: Pick<Ports, "storage" | "coreModule">,
  { settings = {}, progress }: CheckOptions = {},
): Promise<CheckReport> {
  const known = { ...sizesOf(await storage.list("")), ...settingsOf(await storedConf(storage)), ...settings };
  const levels = new DelayLevels(known.messageDelayLevel ?? defaultDelayLevels);
  const findings = new Findings();
  const core = new Core(coreModule);
  const ofBatches = await batchTopics(storage, core);
  const isOfBatches = (topic: string): boolean => ofBatches.has(topic);
  const checked = await checkFiles({
    core,
    storage,
    options: { ...defaultStoreOptions, ...known, tagsCodeOf: deliverTimeAsTagsCode(levels), isOfBatches },
    findings,
    ...(progress === undefined ? {} : { progress }),
  });
  await checkConfigFiles(storage, checked.ends, findings, (bytes) => core.crc32(bytes));
  return {
    severity: findings.worst,
    findings: findings.inOrder.map((finding) => ({ severity: severities[finding.code], ...finding })),
    counts: Object.fromEntries(findings.counts),
    ...checked,
  };
}

/**
 * Puts right what a check finds in a store that the caller has locked, and gives the store back: ConsumeQueues and checkpoint are made anew
 * from the CommitLog, a torn tail is cut off, and damaged bytes in the middle are kept apart and passed over, by Apache's broker too. Intact
 * messages are left as they are. If it dies in the middle, it can be run again, or the store be opened. Rejects as `checkStore` does.
 */
export async function repairStore(ports: Ports, options: CheckOptions = {}): Promise<RepairReport> {
  const { storage, coreModule, telemetry } = ports;
  const done: string[] = [];
  const told = (what: string): void => void done.push(what);
  let before: CheckReport;
  let storeOptions: StoreOptions;
  try {
    before = await checkStore(ports, options);
    const known = { ...sizesOf(await storage.list("")), ...settingsOf(await storedConf(storage)), ...options.settings };
    const levels = new DelayLevels(known.messageDelayLevel ?? defaultDelayLevels);
    const ofBatches = await batchTopics(storage, new Core(coreModule));
    const isOfBatches = (topic: string): boolean => ofBatches.has(topic);
    storeOptions = { ...defaultStoreOptions, ...known, tagsCodeOf: deliverTimeAsTagsCode(levels), isOfBatches };
    await prepareRepair({
      ...{ storage, told, checked: before, findings: before.findings },
      core: new Core(coreModule),
      plainCore: new Core(coreModule, { propertyCrc: false }),
      segmentBytes: storeOptions.mappedFileSizeCommitLog,
    });
  } catch (error) {
    await storage.close();
    throw error;
  }
  const store = new Store({ ...ports, telemetry }, storeOptions, new DueQueue(ports.clock, ports.scheduler));
  const { records, tornBytes, correctedUnits, lostMessages } = await store.open();
  await store.close();
  if (tornBytes > 0) told(`a torn tail of ${tornBytes} bytes is cut off`);
  if (lostMessages > 0) told(`${lostMessages} messages are lost: their offsets are passed over`);
  told(`${records} records were compared with their units, of which ${correctedUnits} were put right`);
  return { before, done };
}

/** The topics whose queues are for inner batches, as far as topics.json can be read. */
function batchTopics(storage: LogStorage, core: Core): Promise<ReadonlySet<string>> {
  return topicsOfBatches(new ConfigFile(storage, silentTelemetry, (bytes) => core.crc32(bytes), "topics.json"));
}

/** What a store, or a new one, is opened with where nothing else is asked for. Rejects as `startBroker` does. */
export async function storeSettings(storage: LogStorage | undefined): Promise<StoreSettings> {
  const stored = storage === undefined ? {} : settingsOf(await storedConf(storage));
  const standard = defaultStoreOptions;
  return {
    mappedFileSizeCommitLog: stored.mappedFileSizeCommitLog ?? standard.mappedFileSizeCommitLog,
    mappedFileSizeConsumeQueue: stored.mappedFileSizeConsumeQueue ?? standard.mappedFileSizeConsumeQueue,
    mapperFileSizeBatchConsumeQueue: stored.mapperFileSizeBatchConsumeQueue ?? standard.mapperFileSizeBatchConsumeQueue,
    maxHashSlotNum: stored.maxHashSlotNum ?? standard.maxHashSlotNum,
    maxIndexNum: stored.maxIndexNum ?? standard.maxIndexNum,
    maxMessageSize: stored.maxMessageSize ?? standard.maxMessageSize,
    messageDelayLevel: stored.messageDelayLevel ?? defaultDelayLevels,
  };
}

/** Files' sizes are the store's for ever: other ones, asked for, would make another store of it. */
function checkSizes(asked: Partial<StoreOptions>, stored: StoreSettings): void {
  const keys = [
    ...(["mappedFileSizeCommitLog", "mappedFileSizeConsumeQueue", "mapperFileSizeBatchConsumeQueue"] as const),
    ...(["maxHashSlotNum", "maxIndexNum"] as const),
  ];
  for (const key of keys) {
    if (asked[key] === undefined || stored[key] === undefined || asked[key] === stored[key]) continue;
    throw new WasmqError(
      "INVALID_PARAMETER",
      `${key} is ${asked[key]}, but the store was written with ${stored[key]}, as its ${brokerConfFile} says: leave it out`,
    );
  }
}

/** Names of brokers and clusters are names of topics too. */
function checkName(what: string, name: string): void {
  try {
    checkTopicName(name);
  } catch (error) {
    throw new WasmqError(
      "INVALID_PARAMETER",
      `${JSON.stringify(name)} can't be the name of a ${what}: ${(error as Error).message}`,
    );
  }
}

export { RouteTable, type StoreSettings, type TopicQueues };
