import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { brokerKeys, nameServerKeys } from "../../config/apache-keys.ts";
import { brokerPromises, brokerSettings } from "../../config/broker-settings.ts";
import { nameServerPromises, nameServerSettings } from "../../config/name-server-settings.ts";
import { type Configuration as FromFile, readConfiguration } from "../../config/read.ts";
import { type Effective, effective, type Said, type Settings } from "../../config/setting.ts";
import { formerKeys, storeKeysWithoutMeaning } from "../../config/store-keys.ts";
import { WasmqError } from "../../ports/error.ts";
import { printProperty } from "../../ports/properties.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { type StoreSettings, storeSettings } from "../../wasmq.ts";
import { hostAndPort } from "./dialer.ts";
import { NodeLogStorage } from "./log-storage.ts";

/** What one process is: a NameServer and a broker, or one of the two. */
export type Role = "both" | "broker" | "namesrv";

export interface WasmqOptions {
  /**
   * The directory of the store, or "memory" for one that is gone with the process. Default `~/.wasmq/store`, of a NameServer alone
   * `~/.wasmq/namesrv`.
   */
  readonly store?: string;
  /** The address to listen on. Default 127.0.0.1. */
  readonly bind?: string;
  /** Default 9876; 0 takes a free port. */
  readonly namesrvPort?: number;
  /** Default 10911; 0 takes a free port. */
  readonly brokerPort?: number;
  /**
   * The host that clients are told to come to, and that message ids name, instead of the address they came by. NameServers elsewhere
   * are told it, or else the address that the broker listens on.
   */
  readonly advertise?: string;
  /** Default DefaultCluster. */
  readonly cluster?: string;
  /** Default broker-a. */
  readonly brokerName?: string;
  /** NameServers elsewhere that the broker registers at: `host:port`, several of them with `;` between. */
  readonly namesrv?: string;
  /**
   * When a send is answered: "async" (default) once the message is in the operating system's hands, so that it survives the
   * death of this process; "sync" once it is on the disk.
   */
  readonly flush?: "async" | "sync";
  /** RocketMQ's setting of that name. Default `1s 5s 10s 30s 1m 2m ... 2h`. */
  readonly messageDelayLevel?: string;
  /** A `broker.conf` or `namesrv.conf` of RocketMQ's. What is said here goes before it. */
  readonly config?: string;
  /** How long a stop waits for the disk; the store is then left as a crash leaves it. Default 30. */
  readonly stopTimeoutSeconds?: number;
  /** Where the broker says what an operator should know. Default: nowhere. */
  readonly telemetry?: Telemetry;
}

const tables = {
  broker: { settings: brokerSettings, promises: brokerPromises, known: brokerKeys },
  namesrv: { settings: nameServerSettings, promises: nameServerPromises, known: nameServerKeys },
  both: {
    // The port that a file names is the broker's.
    settings: { ...nameServerSettings, ...brokerSettings },
    promises: { ...nameServerPromises, ...brokerPromises },
    known: new Set([...brokerKeys, ...nameServerKeys]),
  },
};

type BrokerSaid = Said<typeof brokerSettings>;
type NameServerSaid = Said<typeof nameServerSettings>;

/** What a process goes by: its options, what its file says, and RocketMQ's defaults. */
export interface Configuration {
  readonly store: string;
  readonly bind: string;
  readonly namesrvPort: number;
  readonly brokerPort: number;
  readonly advertise: string | undefined;
  readonly nameServers: readonly string[];
  readonly broker: Effective<typeof brokerSettings>;
  readonly nameServer: Effective<typeof nameServerSettings>;
  /** What an operator should know of the file. */
  readonly warnings: readonly string[];
}

/** Throws INVALID_PARAMETER for a file that can't be read, or that asks for what can't be. */
export function configurationOf(role: Role, options: WasmqOptions): Configuration {
  const file = options.config === undefined ? undefined : read(role, options.config);
  const said: BrokerSaid & NameServerSaid = file?.values ?? {};
  const refuse = (key: string, why: string): never => {
    throw new WasmqError("INVALID_PARAMETER", `${file?.places.get(key) ?? ""}: ${key} ${why}`);
  };
  const store =
    options.store ?? said.storePathRootDir ?? join(homedir(), ".wasmq", role === "namesrv" ? "namesrv" : "store");
  if (said.storePathCommitLog !== undefined && resolve(said.storePathCommitLog) !== resolve(store, "commitlog")) {
    refuse("storePathCommitLog", `is ${join(store, "commitlog")} here: a store is one directory`);
  }
  const { namesrvPort = role === "namesrv" ? said.listenPort : undefined } = options;
  const { brokerPort = role === "namesrv" ? undefined : said.listenPort } = options;
  const { advertise = said.brokerIP1, brokerName, cluster, messageDelayLevel, flush } = options;
  const nameServers = addressesOf(options.namesrv ?? said.namesrvAddr);
  return {
    store,
    bind: options.bind ?? said.bindAddress ?? "127.0.0.1",
    namesrvPort: namesrvPort ?? nameServerSettings.listenPort.standard!,
    brokerPort: brokerPort ?? brokerSettings.listenPort.standard!,
    advertise,
    nameServers,
    broker: effective(brokerSettings, {
      // Where clients can't make the topic of their traces, the traces would be lost.
      traceTopicEnable: said.autoCreateTopicEnable === false,
      ...said,
      ...given({
        brokerName,
        brokerClusterName: cluster,
        messageDelayLevel,
        flushDiskType: flush && (flush === "sync" ? "SYNC_FLUSH" : "ASYNC_FLUSH"),
      }),
    }),
    nameServer: effective(nameServerSettings, said),
    warnings: warningsOf(file, options.config),
  };
}

/** RocketMQ's settings, as `mqbroker -p` prints them: by their names, with the values that hold. */
export async function printConfiguration(role: Role, options: WasmqOptions): Promise<string> {
  const configuration = configurationOf(role, options);
  const values = new Map([
    ...(role === "broker" ? [] : nameServerConfiguration(configuration)),
    ...(role === "namesrv" ? [] : brokerConfiguration(configuration, await storedIn(configuration.store))),
  ]);
  return Array.from(values, ([key, value]) => printProperty(key, value)).join("\n");
}

/** What a NameServer goes by, as 319 shows it. */
export function nameServerConfiguration(configuration: Configuration): Map<string, string> {
  const { nameServer, namesrvPort, bind } = configuration;
  return texts({ ...nameServer, listenPort: namesrvPort, bindAddress: bind });
}

/** What a broker goes by, as 26 shows it: with what it has one value of. */
export async function shownBrokerConfiguration(configuration: Configuration): Promise<Map<string, string>> {
  const only = Object.entries(brokerPromises)
    .filter(([, { value }]) => value !== "")
    .map(([key, { value }]) => [key, value] as const);
  return new Map([...only, ...brokerConfiguration(configuration, await storedIn(configuration.store))]);
}

function brokerConfiguration(configuration: Configuration, stored: StoreSettings): Map<string, string> {
  const { broker, brokerPort, bind, advertise, nameServers, store } = configuration;
  return texts({
    defaultTopicQueueNums: 8,
    ...stored,
    ...given(broker),
    listenPort: brokerPort,
    bindAddress: bind,
    storePathRootDir: store,
    storePathCommitLog: join(store, "commitlog"),
    brokerIP1: advertise,
    namesrvAddr: nameServers.length === 0 ? undefined : nameServers.join(";"),
  });
}

/** Addresses of NameServers. Throws INVALID_PARAMETER. */
function addressesOf(text: string | undefined): string[] {
  const addresses = (text ?? "").split(";").map((address) => address.trim());
  const named = [...new Set(addresses.filter((address) => address !== ""))];
  for (const address of named) hostAndPort(address);
  return named;
}

function read(role: Role, path: string): FromFile<Settings> & { values: BrokerSaid & NameServerSaid } {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new WasmqError("INVALID_PARAMETER", `the configuration can't be read: ${why}`, { cause: error });
  }
  const { settings, promises, known } = tables[role];
  return readConfiguration<Settings>({ settings, promises, known }, { name: path, bytes });
}

function warningsOf(file: FromFile<Settings> | undefined, path: string | undefined): string[] {
  if (file === undefined) return [];
  const { meaningless, unknown } = file;
  const former = unknown.filter((key) => formerKeys.has(key)).map((key) => `${key} (${formerKeys.get(key)})`);
  const others = unknown.filter((key) => !formerKeys.has(key));
  return [
    ...(meaningless.length > 0 ? [`settings of ${path} without a meaning here: ${withReasons(meaningless)}`] : []),
    ...(former.length > 0 ? [`settings of ${path} that RocketMQ 5 ignores: ${former.join(", ")}`] : []),
    ...(others.length > 0 ? [`settings of ${path} that are not known: ${others.join(", ")}`] : []),
  ];
}

/** Keys, and behind those that have one reason the reason. */
function withReasons(keys: readonly string[]): string {
  const byReason = new Map<string | undefined, string[]>();
  for (const key of keys) {
    const why = storeKeysWithoutMeaning.get(key);
    byReason.set(why, [...(byReason.get(why) ?? []), key]);
  }
  return Array.from(byReason, ([why, some]) => some.join(", ") + (why === undefined ? "" : ` (${why})`)).join("; ");
}

/** What the store is opened with unless another value is asked for. */
function storedIn(store: string): Promise<StoreSettings> {
  return storeSettings(store === "memory" || !existsSync(store) ? undefined : new NodeLogStorage(store));
}

function texts(values: object): Map<string, string> {
  return new Map(Object.entries(given(values)).map(([key, value]) => [key, String(value)]));
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without what is undefined. */
export function given<T extends object>(values: T): Given<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Given<T>;
}
