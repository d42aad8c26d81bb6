import { brokerConfBytesMax, maxMessageSizeMax, storeFileBytesMax } from "../limits.ts";
import { WasmqError } from "../ports/error.ts";
import type { FileStat, LogStorage } from "../ports/log-storage.ts";
import { fileNameOffset } from "./file-name.ts";
import { defaultStoreOptions } from "./options.ts";

/** The file of a store that says how it is to be opened, as Apache's `mqbroker -c` reads it: a Java properties file. */
export const brokerConfFile = "broker.conf";

/** Stands in a store from the begin of an import to its end: what is there without its end is no store. */
export const importMark = "import.unfinished";

/**
 * What has to be known to open a store, under RocketMQ's names (MessageStoreConfig, BrokerConfig). What is left out is unknown:
 * Apache's default then.
 */
export interface StoreSettings {
  /** Bytes of one CommitLog file. */
  readonly mappedFileSizeCommitLog?: number;
  /** Bytes of one ConsumeQueue file, a multiple of the 20 of a unit. */
  readonly mappedFileSizeConsumeQueue?: number;
  /** Bytes of the largest body. */
  readonly maxMessageSize?: number;
  readonly messageDelayLevel?: string;
  readonly brokerName?: string;
  readonly brokerClusterName?: string;
}

/** What `broker.conf` says, in its order; other brokers' keys are kept with it. */
export type BrokerConf = ReadonlyMap<string, string>;

/**
 * What the store's own `broker.conf` says; nothing without one. Throws STORE_UNREADABLE for a file that makes no sense and for a
 * store whose import has not ended.
 */
export async function storedConf(storage: LogStorage): Promise<BrokerConf> {
  const stats = await storage.list("");
  if (stats.some(({ name }) => name === importMark)) {
    throw new WasmqError("STORE_UNREADABLE", "an import into this store has not ended: import again");
  }
  if (!stats.some(({ name }) => name === brokerConfFile)) return new Map();
  const bytes = new Uint8Array(brokerConfBytesMax + 1);
  const length = await storage.read(brokerConfFile, 0, bytes);
  return parseBrokerConf(bytes.subarray(0, length));
}

/** The settings among what a `broker.conf` says. Throws STORE_UNREADABLE for a value that can't be. */
export function settingsOf(conf: BrokerConf): StoreSettings {
  const size = (name: string, max: number): number | undefined => {
    const text = conf.get(name)?.trim();
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d{1,15}$/.test(text) || value === 0 || value > max) {
      throw new WasmqError("STORE_UNREADABLE", `${brokerConfFile}: ${name} is from 1 to ${max}, not ${text}`);
    }
    return value;
  };
  const unitBytes = 20;
  const queueFileBytes = size("mappedFileSizeConsumeQueue", storeFileBytesMax);
  return known({
    mappedFileSizeCommitLog: size("mappedFileSizeCommitLog", storeFileBytesMax),
    // MessageStoreConfig.getMappedFileSizeConsumeQueue: whole units.
    mappedFileSizeConsumeQueue: queueFileBytes && Math.ceil(queueFileBytes / unitBytes) * unitBytes,
    maxMessageSize: size("maxMessageSize", maxMessageSizeMax),
    messageDelayLevel: conf.get("messageDelayLevel"),
    brokerName: conf.get("brokerName"),
    brokerClusterName: conf.get("brokerClusterName"),
  });
}

/** The sizes that a store's files have. */
export function sizesOf(stats: readonly FileStat[]): StoreSettings {
  const sizeIn = (folder: string): number | undefined =>
    stats.find(({ name, sizeBytes }) => name.startsWith(folder) && sizeBytes > 0 && fileNameOffset(name) !== undefined)
      ?.sizeBytes;
  return known({
    mappedFileSizeCommitLog: sizeIn("commitlog/"),
    mappedFileSizeConsumeQueue: sizeIn("consumequeue/"),
  });
}

/**
 * The text of a `broker.conf` for these settings; keys of `conf` that are none of them are kept, but for where files lie, which
 * is another place by now.
 */
export function printBrokerConf(settings: StoreSettings, conf: BrokerConf = new Map()): string {
  const values = new Map<string, string>([
    ["brokerName", "broker-a"],
    ["brokerClusterName", "DefaultCluster"],
    ["brokerId", "0"],
    ["autoCreateTopicEnable", "true"],
    ["mappedFileSizeCommitLog", String(defaultStoreOptions.mappedFileSizeCommitLog)],
    ["mappedFileSizeConsumeQueue", String(defaultStoreOptions.mappedFileSizeConsumeQueue)],
    ["maxMessageSize", String(defaultStoreOptions.maxMessageSize)],
    ...[...conf].filter(([key]) => !key.startsWith("storePath")),
    ...Object.entries(settings).map(([key, value]) => [key, String(value)] as const),
  ]);
  return [
    "# To open this store with Apache RocketMQ, set storePathRootDir to the folder that holds this file, then:",
    "# mqbroker -c broker.conf",
    "#storePathRootDir=/path/of/this/folder",
    ...[...values].map(
      ([key, value]) => `${escaped(key).replace(/[ =:#!]/g, "\\$&")}=${escaped(value).replace(/^ /, "\\ ")}`,
    ),
    "",
  ].join("\n");
}

/** A Java properties file (java.util.Properties.load). Throws STORE_UNREADABLE for one that is no text or is too long. */
export function parseBrokerConf(bytes: Uint8Array): BrokerConf {
  if (bytes.length > brokerConfBytesMax || bytes.includes(0)) {
    throw new WasmqError(
      "STORE_UNREADABLE",
      `${brokerConfFile} is no properties file of ${brokerConfBytesMax} bytes or less`,
    );
  }
  const conf = new Map<string, string>();
  let joined = "";
  for (const natural of `${latin1(bytes)}\n`.split(/\r\n|\n|\r/)) {
    const line = natural.replace(/^[ \t\f]+/, "");
    if (joined === "" && /^[#!]/.test(line)) continue;
    joined += line;
    // An odd number of backslashes at the end: the line goes on.
    if (/(?:^|[^\\])(?:\\\\)*\\$/.test(joined)) {
      joined = joined.slice(0, -1);
      continue;
    }
    const [, key, value] = /^((?:\\.|[^\\ \t\f=:])*)[ \t\f]*[=:]?[ \t\f]*(.*)$/.exec(joined) ?? [];
    joined = "";
    if (key !== undefined && key !== "") conf.set(unescaped(key), unescaped(value!));
  }
  return conf;
}

function unescaped(text: string): string {
  const named: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f" };
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, code: string | undefined, char: string) =>
    code === undefined ? (named[char] ?? char) : String.fromCharCode(Number.parseInt(code, 16)),
  );
}

function escaped(text: string): string {
  return text
    .replace(/\\/g, "\\\\")
    .replace(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

type Known<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function known<T extends object>(values: T): Known<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Known<T>;
}
