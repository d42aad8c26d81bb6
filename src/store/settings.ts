import { brokerConfBytesMax, indexEntriesMax, indexSlotsMax, maxMessageSizeMax, storeFileBytesMax } from "../limits.ts";
import { WasmqError } from "../ports/error.ts";
import type { FileStat, LogStorage } from "../ports/log-storage.ts";
import { parseProperties, printProperty } from "../ports/properties.ts";
import { type StoreSettings, wholeUnits } from "../ports/store-settings.ts";
import { fileNameOffset } from "./file-name.ts";
import { defaultStoreOptions } from "./options.ts";

/** The file of a store that says how it is to be opened, as Apache's `mqbroker -c` reads it: a Java properties file. */
export const brokerConfFile = "broker.conf";

/** Stands in a store from the begin of an import to its end: what is there without its end is no store. */
export const importMark = "import.unfinished";

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
  const size = (name: string, max: number, min = 1): number | undefined => {
    const text = conf.get(name)?.trim();
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d{1,15}$/.test(text) || value < min || value > max) {
      throw new WasmqError("STORE_UNREADABLE", `${brokerConfFile}: ${name} is from ${min} to ${max}, not ${text}`);
    }
    return value;
  };
  const queueFileBytes = size("mappedFileSizeConsumeQueue", storeFileBytesMax);
  const batchQueueFileBytes = size("mapperFileSizeBatchConsumeQueue", storeFileBytesMax);
  return known({
    mappedFileSizeCommitLog: size("mappedFileSizeCommitLog", storeFileBytesMax),
    mappedFileSizeConsumeQueue: queueFileBytes && wholeUnits(queueFileBytes, 20),
    mapperFileSizeBatchConsumeQueue: batchQueueFileBytes && wholeUnits(batchQueueFileBytes, 46),
    maxHashSlotNum: size("maxHashSlotNum", indexSlotsMax),
    maxIndexNum: size("maxIndexNum", indexEntriesMax, 2),
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
    mapperFileSizeBatchConsumeQueue: sizeIn("batchconsumequeue/"),
  });
}

/** What to do about a file of another size: nothing in a store says which it was written with. */
export function sizeAdvice(key: keyof StoreSettings): string {
  return `a store that was written with another size is opened with ${key} in a ${brokerConfFile}, the one in its directory or that of -c`;
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
    ["mapperFileSizeBatchConsumeQueue", String(defaultStoreOptions.mapperFileSizeBatchConsumeQueue)],
    ["maxHashSlotNum", String(defaultStoreOptions.maxHashSlotNum)],
    ["maxIndexNum", String(defaultStoreOptions.maxIndexNum)],
    ["maxMessageSize", String(defaultStoreOptions.maxMessageSize)],
    ...[...conf].filter(([key]) => !key.startsWith("storePath")),
    ...Object.entries(settings).map(([key, value]) => [key, String(value)] as const),
  ]);
  return [
    "# To open this store with Apache RocketMQ, set storePathRootDir to the folder that holds this file, then:",
    "# mqbroker -c broker.conf",
    "#storePathRootDir=/path/of/this/folder",
    ...Array.from(values, ([key, value]) => printProperty(key, value)),
    "",
  ].join("\n");
}

/** A Java properties file. Throws STORE_UNREADABLE for one that is no text or is too long. */
export function parseBrokerConf(bytes: Uint8Array): BrokerConf {
  if (bytes.length > brokerConfBytesMax || bytes.includes(0)) {
    throw new WasmqError(
      "STORE_UNREADABLE",
      `${brokerConfFile} is no properties file of ${brokerConfBytesMax} bytes or less`,
    );
  }
  return new Map(parseProperties(bytes).map(({ key, value }) => [key, value]));
}

type Known<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function known<T extends object>(values: T): Known<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Known<T>;
}
