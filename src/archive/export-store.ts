import { archiveChunkBytes, exportedAtOnceBytesMax } from "../limits.ts";
import { WasmqError } from "../ports/error.ts";
import type { FileStat, LogStorage } from "../ports/log-storage.ts";
import type { StoreSettings } from "../ports/store-settings.ts";
import { encodeUtf8 } from "../ports/text.ts";
import { fileNameOffset } from "../store/file-name.ts";
import { brokerConfFile, printBrokerConf, settingsOf, sizesOf, storedConf } from "../store/settings.ts";
import { dataRanges, eachDataRun } from "./data-ranges.ts";
import { paddingOf } from "./tar-header.ts";
import { endOfArchive, startOfFile } from "./tar-writer.ts";

/**
 * A store as one tar stream (POSIX pax; zeros left out as GNU tar does it): every file at its full size, with its time, and a
 * `broker.conf` with which Apache RocketMQ opens the store once storePathRootDir is set in it. Not exported are `lock` and
 * files half-written (`*.tmp`).
 *
 * The caller holds the store (`lock`): a stopped one, or one whose engine runs on this storage. Of a running one it is what a
 * `kill -9` at some moment of the export might have left: every message acknowledged before the export began is in it. `abort`
 * is in it then, so that whoever opens it recovers first; a store that was stopped cleanly has none, and needs no recovery.
 *
 * What IndexFiles have room for, their sizes don't tell: where neither the settings nor the `broker.conf` say it, Apache's default is said.
 *
 * `settings` go before what the store's own `broker.conf` says, and that before what its files' sizes tell; Apache's
 * defaults hold for the rest. Throws STORE_UNREADABLE for files that contradict them and for a store whose import has not ended.
 *
 * Pieces are of some 256 KiB, and the consumer's to keep.
 */
export async function* exportStore(storage: LogStorage, settings: StoreSettings = {}): AsyncGenerator<Uint8Array> {
  const conf = await storedConf(storage);
  // What it says of ConsumeQueues is true of all that is read after it.
  const checkpoint = await readAtOnce(storage, "checkpoint", 0);
  const before = await filesOf(storage);
  const known = { ...sizesOf(before), ...settingsOf(conf), ...settings };
  checkSizes(before, known);
  const newest = before.reduce((latest, { modifiedAtMs }) => Math.max(latest, modifiedAtMs), 0);

  const confBytes = encodeUtf8(printBrokerConf(known, conf));
  const confStat = before.find(({ name }) => name === brokerConfFile);
  yield* smallFile(brokerConfFile, confStat?.modifiedAtMs ?? newest, confBytes);
  for (const stat of before) {
    if (isMessages(stat) || isTopics(stat) || stat.name === abortFile || stat.name === brokerConfFile) continue;
    if (stat.name === "checkpoint" && checkpoint !== undefined) {
      yield* smallFile(stat.name, stat.modifiedAtMs, checkpoint);
    } else {
      yield* file(storage, stat, known);
    }
  }
  // What ConsumeQueues and offsets point to was in the CommitLog before them; and a message's topic is read after the message.
  const after = await filesOf(storage);
  checkSizes(after, known);
  for (const stat of after) {
    // The oldest may have expired meanwhile.
    if (isMessages(stat) && !(await isGone(storage, stat))) yield* file(storage, stat, known);
  }
  for (const stat of after) if (isTopics(stat)) yield* file(storage, stat, known);
  const abort = [...before, ...after].find(({ name }) => name === abortFile);
  // Apache writes its process id into it, which means nothing elsewhere.
  if (abort !== undefined) yield* smallFile(abortFile, abort.modifiedAtMs, encodeUtf8("0"));
  yield endOfArchive();
}

export const abortFile = "abort";

async function filesOf(storage: LogStorage): Promise<FileStat[]> {
  const stats = await storage.list("");
  return stats.filter(({ name }) => !/^lock(\.|$)/.test(name) && !name.endsWith(".tmp"));
}

function isMessages({ name }: FileStat): boolean {
  return name.startsWith("commitlog/");
}

function isTopics({ name }: FileStat): boolean {
  return name.startsWith("config/topics.json");
}

async function isGone(storage: LogStorage, { name, sizeBytes }: FileStat): Promise<boolean> {
  return sizeBytes > 0 && (await storage.read(name, 0, new Uint8Array(1))) === 0;
}

/** The size that a file has where it is mapped whole, whatever this host keeps of it. */
function fullSize({ name, sizeBytes }: FileStat, settings: StoreSettings): number {
  if (fileNameOffset(name) === undefined) return sizeBytes;
  if (name.startsWith("commitlog/")) return settings.mappedFileSizeCommitLog ?? sizeBytes;
  if (name.startsWith("consumequeue/")) return settings.mappedFileSizeConsumeQueue ?? sizeBytes;
  if (name.startsWith("batchconsumequeue/")) return settings.mapperFileSizeBatchConsumeQueue ?? sizeBytes;
  return sizeBytes;
}

/** Files that are larger than their size or do not follow one another by it: it is another store's. */
function checkSizes(stats: readonly FileStat[], settings: StoreSettings): void {
  for (const stat of stats) {
    const offset = fileNameOffset(stat.name);
    const size = fullSize(stat, settings);
    const begins = isMessages(stat) || /^(batch)?consumequeue\//.test(stat.name);
    if (begins && offset !== undefined && (stat.sizeBytes > size || offset % size !== 0)) {
      throw new WasmqError(
        "STORE_UNREADABLE",
        `${stat.name} has ${stat.sizeBytes} bytes: files of ${size} are none of this store`,
      );
    }
  }
}

async function* file(storage: LogStorage, stat: FileStat, settings: StoreSettings): AsyncGenerator<Uint8Array> {
  const { name, modifiedAtMs } = stat;
  const sizeBytes = fullSize(stat, settings);
  if (name.startsWith("config/") && sizeBytes <= exportedAtOnceBytesMax) {
    const bytes = await readAtOnce(storage, name, sizeBytes);
    // It was renamed meanwhile: the version under its new name is listed too.
    if (bytes !== undefined) yield* smallFile(name, modifiedAtMs, bytes);
    return;
  }
  const ranges = stat.dataBytesMax === 0 ? [] : await dataRanges(storage, name, sizeBytes);
  yield startOfFile({ name, sizeBytes, modifiedAtMs, ranges });
  let dataBytes = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const end = ranges[i + 1]!;
    for (let at = ranges[i]!; at < end; ) {
      const bytes = new Uint8Array(Math.min(archiveChunkBytes, end - at));
      // What a host keeps no bytes of is zeros.
      if (storage.readNow(name, at, bytes) === undefined) await storage.read(name, at, bytes);
      yield bytes;
      at += bytes.length;
      dataBytes += bytes.length;
    }
  }
  if (paddingOf(dataBytes) > 0) yield new Uint8Array(paddingOf(dataBytes));
}

async function* smallFile(name: string, modifiedAtMs: number, bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const ranges: number[] = [];
  eachDataRun(bytes, 0, (from, to) => ranges.push(from, to));
  yield startOfFile({ name, sizeBytes: bytes.length, modifiedAtMs, ranges });
  let dataBytes = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const run = bytes.slice(ranges[i], ranges[i + 1]);
    dataBytes += run.length;
    yield run;
  }
  if (paddingOf(dataBytes) > 0) yield new Uint8Array(paddingOf(dataBytes));
}

/** The file as it is at one moment, though another version may take its place; undefined if it is gone. */
async function readAtOnce(storage: LogStorage, file: string, sizeBytes: number): Promise<Uint8Array | undefined> {
  for (let room = sizeBytes + 4096; room <= 2 * exportedAtOnceBytesMax; room *= 2) {
    const bytes = new Uint8Array(room);
    const read = await storage.read(file, 0, bytes);
    if (read === 0 && sizeBytes > 0) return undefined;
    if (read < room) return bytes.subarray(0, read);
  }
  throw new WasmqError("STORE_UNREADABLE", `${file} grew while it was read`);
}
