import { archiveFilesMax, brokerConfBytesMax, importBatchBytesMax } from "../limits.ts";
import { WasmqError } from "../ports/error.ts";
import type { FileStat, LogStorage, StorageWrite } from "../ports/log-storage.ts";
import type { StoreSettings } from "../ports/store-settings.ts";
import { encodeUtf8 } from "../ports/text.ts";
import {
  type BrokerConf,
  brokerConfFile,
  importMark,
  parseBrokerConf,
  printBrokerConf,
  settingsOf,
  sizesOf,
} from "../store/settings.ts";
import { eachDataRun } from "./data-ranges.ts";
import { abortFile } from "./export-store.ts";
import { readTar, type TarEntry } from "./tar-reader.ts";

/** A store with this file in it is one whose import did not end. */
export { importMark };

/** What stands at the top of a store, Apache's or ours: by these names the store is found in an archive that begins above it. */
const topNames = new Set([
  ...["commitlog", "consumequeue", "config", "checkpoint", abortFile, "lock", brokerConfFile, importMark],
  ...["index", "batchconsumequeue", "consumequeue_ext", "timerlog", "timerwheel", "compaction", "popcheckpoint"],
  ...["consumequeue_rocksdb", "rocksdbstore", "epochFileCheckpoint", "brokerIdentity", "dledger"],
]);

/** Files whose syncs are waited for together. */
const syncedAtOnce = 256;

/**
 * Fills an empty storage with the store that a tar stream holds: one of `exportStore`, or a directory of a stopped Apache broker
 * as `tar` packs it. Files keep their sizes and times, zeros take no room, and a `broker.conf` stands in the store afterwards, by
 * which later starts know its sizes. Returns what it says: the store is opened with these sizes and no others.
 *
 * The caller holds the storage (`lock`) and opens no engine on it meanwhile. Rejects with
 * - INVALID_PARAMETER for a storage that is not empty, and for an archive with what no store has: paths that lead out of it, links,
 *   devices, files that are too large or too many, two stores;
 * - STORE_UNREADABLE for an archive that is damaged or cut off, holds no store, or whose files have not the sizes it says;
 * - STORE_FULL, or whatever the storage rejects with.
 * Nothing is left behind then. If the process dies, what is there can't be opened, and the next import begins anew.
 */
export async function importStore(stream: AsyncIterable<Uint8Array>, storage: LogStorage): Promise<StoreSettings> {
  const present = (await storage.list("")).filter(({ name }) => !isLock(name));
  if (present.some(({ name }) => name === importMark)) {
    await discard(storage);
  } else if (present.length > 0) {
    throw new WasmqError("INVALID_PARAMETER", `the store is not empty: ${present[0]!.name} is in it`);
  }
  await storage.create(importMark, 0);
  try {
    await storage.sync([importMark]);
    const settings = await new Import(storage).run(stream);
    await storage.delete(importMark);
    await storage.sync([brokerConfFile]);
    return settings;
  } catch (error) {
    // If even this fails, the mark stays.
    await discard(storage).catch(() => {});
    throw error;
  }
}

async function discard(storage: LogStorage): Promise<void> {
  for (const { name } of await storage.list("")) {
    if (!isLock(name) && name !== importMark) await storage.delete(name);
  }
  await storage.delete(importMark);
  await storage.sync([]);
}

class Import {
  readonly #storage: LogStorage;
  /** Files, and the folders above them: `true` for a file. */
  readonly #names = new Map<string, boolean>();
  #files = 0;
  /** What precedes the store's own names in the archive, once a file has told. */
  #above: string | undefined;
  #conf: BrokerConf = new Map();
  #confTime: number | undefined;
  #newest = 0;
  /** Files of the CommitLog and of ConsumeQueues, by their sizes: the first of each. */
  readonly #sized = new Map<string, FileStat>();
  #unsynced: string[] = [];

  constructor(storage: LogStorage) {
    this.#storage = storage;
  }

  async run(stream: AsyncIterable<Uint8Array>): Promise<StoreSettings> {
    for await (const entry of readTar(stream)) {
      const name = this.#nameInStore(entry.name);
      if (isLock(name)) continue;
      if (name === importMark) throw unreadable("it is one of an import that has not ended");
      this.#register(name);
      this.#newest = Math.max(this.#newest, entry.modifiedAtMs);
      if (name === brokerConfFile) {
        this.#conf = parseBrokerConf(await textOf(entry));
        this.#confTime = entry.modifiedAtMs;
      } else if (name === abortFile) {
        // It says that the store was not stopped cleanly. Whose process it was means nothing here.
        await this.#small(name, encodeUtf8("0"), entry.modifiedAtMs);
      } else {
        await this.#file(name, entry);
      }
    }
    if (this.#files === 0) throw unreadable("there is no store in it");
    const conf = encodeUtf8(printBrokerConf(this.#settings(), this.#conf));
    await this.#small(brokerConfFile, conf, this.#confTime ?? this.#newest);
    await this.#sync();
    return settingsOf(parseBrokerConf(conf));
  }

  /** The path within the store. All files must be of one store; its place in the archive is told by the first. */
  #nameInStore(path: string): string {
    if (this.#above === undefined) {
      const parts = path.split("/");
      const at = parts.findIndex((part) => topNames.has(part));
      if (at < 0) throw unreadable(`there is no store in it: ${path} is none of one`);
      this.#above = parts
        .slice(0, at)
        .map((part) => `${part}/`)
        .join("");
    }
    if (!path.startsWith(this.#above)) {
      throw new WasmqError(
        "INVALID_PARAMETER",
        `the archive holds more than a store: ${path} is not below ${this.#above}`,
      );
    }
    return path.slice(this.#above.length);
  }

  /** Refuses a file that is there twice, or in the place of a folder. */
  #register(name: string): void {
    if (++this.#files > archiveFilesMax) {
      throw new WasmqError("INVALID_PARAMETER", `the archive holds more than ${archiveFilesMax} files`);
    }
    const twice = (): never => {
      throw new WasmqError("INVALID_PARAMETER", `${name} is in the archive twice`);
    };
    if (this.#names.has(name)) twice();
    this.#names.set(name, true);
    for (let at = name.lastIndexOf("/"); at > 0; at = name.lastIndexOf("/", at - 1)) {
      const folder = name.slice(0, at);
      if (this.#names.get(folder) === true) twice();
      this.#names.set(folder, false);
    }
  }

  async #file(name: string, entry: TarEntry): Promise<void> {
    this.#checkSize(name, entry.sizeBytes);
    await this.#storage.create(name, entry.sizeBytes);
    let batch: StorageWrite[] = [];
    let batchBytes = 0;
    const write = async (): Promise<void> => {
      if (batch.length > 0) await this.#storage.write(batch);
      batch = [];
      batchBytes = 0;
    };
    for await (const { at, bytes } of entry.data) {
      eachDataRun(bytes, at, (from, to) => {
        batch.push({ file: name, at: at + from, bytes: bytes.subarray(from, to) });
      });
      batchBytes += bytes.length;
      if (batchBytes >= importBatchBytesMax) await write();
    }
    await write();
    await this.#finish(name, entry.modifiedAtMs);
  }

  async #small(name: string, bytes: Uint8Array, modifiedAtMs: number): Promise<void> {
    await this.#storage.create(name, bytes.length);
    await this.#storage.write([{ file: name, at: 0, bytes }]);
    await this.#finish(name, modifiedAtMs);
  }

  async #finish(name: string, modifiedAtMs: number): Promise<void> {
    await this.#storage.setModified(name, modifiedAtMs);
    this.#unsynced.push(name);
    if (this.#unsynced.length >= syncedAtOnce) await this.#sync();
  }

  async #sync(): Promise<void> {
    await this.#storage.sync(this.#unsynced);
    this.#unsynced = [];
  }

  /** All files of the CommitLog have one size, and so have those of ConsumeQueues; only an empty one may be left by a crash. */
  #checkSize(name: string, sizeBytes: number): void {
    const [, folder] = /^(commitlog|consumequeue|batchconsumequeue)\/(?:.*\/)?\d{20}$/.exec(name) ?? [];
    if (folder === undefined || sizeBytes === 0) return;
    const first = this.#sized.get(folder);
    if (first === undefined) {
      this.#sized.set(folder, { name, sizeBytes, modifiedAtMs: 0, dataBytesMax: 0 });
    } else if (first.sizeBytes !== sizeBytes) {
      throw unreadable(`${first.name} has ${first.sizeBytes} bytes, and ${name} ${sizeBytes}`);
    }
  }

  /** What the archive's `broker.conf` says, and where it says nothing what its files tell. */
  #settings(): StoreSettings {
    const found = sizesOf([...this.#sized.values()]);
    const said = settingsOf(this.#conf);
    for (const key of sizes) {
      if (said[key] !== undefined && found[key] !== undefined && said[key] !== found[key]) {
        throw unreadable(`its ${brokerConfFile} says ${key}=${said[key]}, but its files have ${found[key]} bytes`);
      }
    }
    return { ...found, ...said };
  }
}

/** What its files tell of an archive. */
const sizes = ["mappedFileSizeCommitLog", "mappedFileSizeConsumeQueue", "mapperFileSizeBatchConsumeQueue"] as const;

async function textOf(entry: TarEntry): Promise<Uint8Array> {
  if (entry.sizeBytes > brokerConfBytesMax) throw unreadable(`${brokerConfFile} has ${entry.sizeBytes} bytes`);
  const whole = new Uint8Array(entry.sizeBytes);
  for await (const { at, bytes } of entry.data) whole.set(bytes, at);
  return whole;
}

function isLock(name: string): boolean {
  return /^lock(\.|$)/.test(name);
}

function unreadable(what: string): WasmqError {
  return new WasmqError("STORE_UNREADABLE", `the archive can't be imported: ${what}`);
}
