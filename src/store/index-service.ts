import type { IndexEntry, IndexHead, IndexHeader, Region } from "../core/core.ts";
import { indexRecoveryBytesMax } from "../limits.ts";
import { WasmqError } from "../ports/error.ts";
import type { FileStat } from "../ports/log-storage.ts";
import type { StoreContext } from "./context.ts";
import { timeFileName } from "./file-name.ts";
import { IndexFile } from "./index-file.ts";

/** Entries that wait are written when they are so many, whoever has asked. */
const writtenEarlyBytes = 2 * 1024 * 1024;

/** Bytes of a head that are read at a time. */
const headReadBytes = 256 * 1024;

/** Where the index ends: it has the records before `offset`, and the first `keysDone` keys of the one there. */
export interface IndexEnd {
  readonly offset: number;
  readonly keysDone: number;
}

/**
 * All IndexFiles (org.apache.rocketmq.store.index.IndexService): by the hashes of their keys, where in the CommitLog messages are.
 *
 * Keys are taken out of the records as these are written, in the core and by the group. What is here can always be made again of the
 * CommitLog, so that trouble with it is told and loses nothing else.
 */
export class IndexService {
  readonly #context: StoreContext;
  readonly #head: IndexHead;
  readonly #ask: (how: "written" | "flushed") => void;
  #files: IndexFile[] = [];
  /** Those that may have what is not on the medium, the newest always among them. */
  #unkept: IndexFile[] = [];
  #unsure: IndexFile[] = [];
  #isWriteAsked = false;
  #isFlushAsked = false;
  /** Names that files of others have, whose size is not ours: the newest of all tells what the next file's must come after. */
  #lastName = "";
  #end: IndexEnd = { offset: 0, keysDone: 0 };
  #isCut = false;
  #hasDropped = false;
  /** Nothing is indexed any more, from this offset of the CommitLog on. */
  #stoppedAt: number | undefined;
  #syncFailed = false;
  /** Of the newest file that is full and on the medium: its end timestamp. */
  #fullTimestamp = 0;
  readonly #toldDamaged = new Set<string>();

  /** `ask`: much waits to be written, or a file is full and wants to be flushed. */
  constructor(context: StoreContext, ask: (how: "written" | "flushed") => void) {
    const { core, options } = context;
    this.#context = context;
    this.#ask = ask;
    this.#head = core.index.head(options.maxHashSlotNum, options.maxIndexNum);
  }

  /** Oldest first. */
  get files(): readonly IndexFile[] {
    return this.#files;
  }

  /** What recovery found, before it walked. */
  get end(): IndexEnd {
    return this.#end;
  }

  /** The newest file was cut off at a fault: `end` is before what was indexed once. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /**
   * Recovery took entries away that a header on the medium still counts. It is to be flushed before others are written in their place,
   * which the next recovery would take for indexed.
   */
  get hasDropped(): boolean {
    return this.#hasDropped;
  }

  /** 0 without a full file. */
  get fullTimestamp(): number {
    return this.#fullTimestamp;
  }

  /** It is behind, or may be, until the next start makes that good: what a failed sync has kept, no later one can tell. */
  get lags(): boolean {
    return this.#stoppedAt !== undefined || this.#syncFailed;
  }

  /**
   * Takes over the files below `index/`. What is no IndexFile of this store's geometry is left alone and told. After an unclean stop the
   * newest file's slots are made of its entries, up to the first that is not where it belongs: `end` is before it then, and recovery
   * puts the records from there on anew; slots that were written then may be older or newer than the header. `logEnd`: where the
   * CommitLog's files end. `keptTimestamp`: of the last message in a file that is known to be on the medium. `isSuspect`: what was written
   * behind that may be lost although it can be read, unless the stop was clean: then all of the index was on the medium, and nobody has
   * written to it since.
   */
  async load(
    stats: readonly FileStat[],
    clean: boolean,
    logEnd: number,
    { keptTimestamp, isSuspect }: { readonly keptTimestamp: number; readonly isSuspect: boolean },
  ): Promise<void> {
    const { core, storage, telemetry, options } = this.#context;
    const { maxHashSlotNum, maxIndexNum } = options;
    const fileBytes = core.index.fileBytes(maxHashSlotNum, maxIndexNum);
    for (const { name, sizeBytes } of stats) {
      if (!/^index\/\d{1,18}$/.test(name)) {
        telemetry.log("warn", `${name} is no IndexFile`);
      } else if (sizeBytes === 0) {
        await storage.delete(name);
      } else if (sizeBytes !== fileBytes) {
        this.#lastName = name;
        telemetry.log(
          "error",
          `${name} is not read: it has ${sizeBytes} bytes, but maxHashSlotNum (${maxHashSlotNum}) and maxIndexNum (${maxIndexNum}) make ${fileBytes}`,
        );
      } else {
        this.#lastName = name;
        this.#files.push(new IndexFile(this.#context, name, maxHashSlotNum, await this.#headerOf(name), true));
      }
    }
    const isUnsure = ({ header: { indexCount, beginTimestamp, endTimestamp } }: IndexFile): boolean => {
      if (indexCount === 1 || endTimestamp !== keptTimestamp) return indexCount === 1 || endTimestamp > keptTimestamp;
      // Several may end in the same millisecond: `keptTimestamp` is then of the first at the latest, which may be deleted already. All others
      // begin in it, too.
      return indexCount < maxIndexNum || beginTimestamp === endTimestamp;
    };
    while (!clean && isSuspect && this.#files.length > 0 && isUnsure(this.#files.at(-1)!)) {
      await storage.delete(this.#files.pop()!.file);
    }
    if (!clean) this.#unsure = this.#files.filter(isUnsure);
    // What was begun before the file before it was whole has no header yet that counts anything.
    while (!clean && this.#files.length > 1 && this.#files.at(-1)!.header.indexCount === 1) {
      if (this.#files.at(-2)!.header.indexCount === maxIndexNum) break;
      await storage.delete(this.#files.pop()!.file);
    }
    const newest = this.#files.at(-1);
    if (newest === undefined) return;
    const isSound = clean && (await this.#isSound(newest));
    const isShort = newest.header.indexCount * core.index.entryBytes < this.#head.region.byteLength;
    if (isSound && !isShort) await this.#readHead(newest);
    else await this.#replay(newest, logEnd);
    // The next start, if this one ends cleanly, takes them as they are in the file.
    if (!isSound && !isShort) await this.#correctHead(newest);
    // What the slots are made of is less to read than they are.
    if (isSound && newest.isKept) this.#head.takeChanged();
    this.#unkept = [newest];
    this.#fullTimestamp = this.#files.at(-2)?.header.endTimestamp ?? 0;
    await this.#findEnd();
  }

  /** Files that the owner before may have left unsynced: what is found in them counts as kept once they are synced. */
  takeUnsure(): string[] {
    const files = this.#files.filter((file) => this.#unsure.includes(file)).map(({ file }) => file);
    this.#unsure = [];
    return files;
  }

  /** Puts the keys of records that the CommitLog has: they begin at `physicalOffset` there, and at `from` in the region. */
  wrote(physicalOffset: number, length: number, records: Region, from: number): void {
    this.#put(records, from, from + length, physicalOffset, 0, 0);
  }

  /** The same for those that recovery found; what is there already is left alone. */
  restore(records: Region, limit: number, physicalOffset: number): void {
    this.#put(records, 0, limit, physicalOffset, this.#end.offset, this.#end.keysDone);
  }

  /** Drops the entries of records at or behind `physicalOffset`, which recovery found not to be there. */
  async dropFrom(physicalOffset: number): Promise<void> {
    const { storage } = this.#context;
    for (let newest = this.#files.at(-1); newest !== undefined; newest = this.#files.at(-1)) {
      const { indexCount, endPhyOffset } = newest.header;
      if (endPhyOffset < physicalOffset) return;
      const kept = indexCount - (await this.#entriesFrom(newest, indexCount, physicalOffset));
      if (kept > 1) {
        if (kept < indexCount) await this.#cut(newest, kept);
        return;
      }
      if (indexCount === 1 && this.#files.length === 1) return;
      await storage.delete(newest.file);
      this.#files.pop();
      this.#unkept = this.#unkept.filter((file) => file !== newest);
      this.#head.clear();
      const before = this.#files.at(-1);
      if (before === undefined) return;
      if (!this.#unkept.includes(before)) this.#unkept.push(before);
      await this.#cut(before, before.header.indexCount);
    }
  }

  /** Writes out the entries that only memory holds. */
  async writeEntries(): Promise<void> {
    this.#isWriteAsked = false;
    for (const file of [...this.#unkept]) await file.writeEntries();
  }

  /** While much is put at once: writes what waits, so that memory holds little of it; `markOpen` before anything is. */
  async relieve(markOpen: () => Promise<void>): Promise<void> {
    const isFileFull = this.#unkept.length > 1;
    if (!isFileFull && this.#unwrittenBytes() <= writtenEarlyBytes) return;
    await markOpen();
    if (isFileFull) await this.flush();
    else await this.writeEntries();
  }

  /** Writes all but headers. The files that have to be synced for these to be written (`writeHeaders`) are added to `into`. */
  async write(into: string[]): Promise<void> {
    this.#isWriteAsked = false;
    this.#isFlushAsked = false;
    const files = [...this.#unkept];
    for (const file of files) await file.write();
    for (const file of files) if (file.takeUnsynced()) into.push(file.file);
  }

  /**
   * What was written is on the medium: from now on the headers count it, each on the medium before the next file's is written: a file that
   * has one follows a whole one.
   */
  async writeHeaders(): Promise<void> {
    const unsure = this.takeUnsure();
    if (unsure.length > 0) await this.#sync(unsure);
    for (const file of [...this.#unkept]) {
      if (await file.writeHeader()) await this.#sync([file.file]);
      file.kept();
      if (file === this.#files.at(-1) || !file.isKept) continue;
      this.#unkept = this.#unkept.filter((other) => other !== file);
      this.#fullTimestamp = Math.max(this.#fullTimestamp, file.header.endTimestamp);
    }
  }

  async flush(): Promise<void> {
    const written: string[] = [];
    await this.write(written);
    if (written.length > 0) await this.#sync(written);
    await this.writeHeaders();
  }

  async #sync(files: readonly string[]): Promise<void> {
    try {
      await this.#context.storage.sync(files);
    } catch (error) {
      this.#syncFailed = true;
      throw error;
    }
  }

  /** Deletes the files that have nothing but records before `physicalOffset`, never the newest (IndexService.deleteExpiredFile). */
  async deleteBefore(physicalOffset: number): Promise<void> {
    while (this.#files.length > 1 && this.#files[0]!.isKept && this.#files[0]!.header.endPhyOffset < physicalOffset) {
      await this.#context.storage.delete(this.#files[0]!.file);
      this.#files.shift();
    }
  }

  /** A file of which something can't be: told once. */
  tellDamaged({ file }: IndexFile): void {
    if (this.#toldDamaged.has(file)) return;
    this.#toldDamaged.add(file);
    this.#context.telemetry.log(
      "error",
      `${file} is damaged: queries by key look through all of it; it can be made again`,
    );
  }

  #put(
    records: Region,
    from: number,
    limit: number,
    physicalOffset: number,
    firstOffset: number,
    keysDone: number,
  ): void {
    if (this.#stoppedAt !== undefined) return;
    const { core, indexWindow } = this.#context;
    const { entryBytes } = core.index;
    let file = this.#files.at(-1);
    for (;;) {
      const put = this.#head.put(records, from, limit, physicalOffset, indexWindow, firstOffset, keysDone);
      if (put.count > 0) {
        file ??= this.#add();
        file.append(indexWindow.bytes.subarray(0, put.count * entryBytes));
      }
      if (put.end === "done") break;
      physicalOffset += put.position - from;
      from = put.position;
      firstOffset = physicalOffset;
      keysDone = put.keysDone;
      if (put.end === "file-full") file = this.#follow(file!);
    }
    const unwritten = this.#unwrittenBytes();
    const { unwrittenIndexBytesMax } = this.#context.options.budget;
    if (unwritten > unwrittenIndexBytesMax) this.#stop(physicalOffset);
    if (unwritten <= Math.min(writtenEarlyBytes, unwrittenIndexBytesMax / 2) || this.#isWriteAsked) return;
    this.#isWriteAsked = true;
    this.#ask("written");
  }

  /** Entries that wait, and heads of full files but for one, which may be larger than the budget. */
  #unwrittenBytes(): number {
    let bytes = 0;
    for (let i = 0; i < this.#unkept.length; i++) {
      bytes += this.#unkept[i]!.tailBytes + (i > 0 ? this.#unkept[i]!.headBytes : 0);
    }
    return bytes;
  }

  /** The index is behind for good: what is sent from now on is found by key after the next start. */
  #stop(physicalOffset: number): void {
    this.#stoppedAt = physicalOffset;
    const { telemetry, options } = this.#context;
    telemetry.log("error", "the index can't be written: messages are not indexed until the next start", {
      from: physicalOffset,
      unwrittenIndexBytesMax: options.budget.unwrittenIndexBytesMax,
    });
  }

  /** The file that the head in memory is of, which has entries already. */
  #add(): IndexFile {
    const { clock, options } = this.#context;
    const nowMs = clock.now();
    let name = timeFileName("index", nowMs + (clock.zoneOffsetMs?.(nowMs) ?? 0));
    // Files are in the order of their names, whatever clocks do.
    if (name <= this.#lastName) name = `index/${BigInt(this.#lastName.slice("index/".length)) + 1n}`;
    this.#lastName = name;
    const file = new IndexFile(this.#context, name, options.maxHashSlotNum, emptyHeader(), false);
    file.go(this.#head);
    this.#files.push(file);
    this.#unkept.push(file);
    return file;
  }

  /** The file after a full one (IndexService.getAndCreateLastIndexFile). */
  #follow(full: IndexFile): IndexFile {
    full.retire();
    const { endTimestamp, endPhyOffset } = full.header;
    this.#head.clear();
    this.#head.header = {
      ...emptyHeader(),
      beginTimestamp: endTimestamp,
      endTimestamp,
      beginPhyOffset: endPhyOffset,
      endPhyOffset,
    };
    const file = this.#add();
    if (!this.#isFlushAsked) {
      this.#isFlushAsked = true;
      this.#ask("flushed");
    }
    return file;
  }

  /** What can't be is none: the entries tell. */
  async #headerOf(name: string): Promise<IndexHeader> {
    const { core, storage, options, indexWindow } = this.#context;
    const bytes = new Uint8Array(core.index.headerBytes);
    await storage.read(name, 0, bytes);
    indexWindow.bytes.set(bytes);
    const header = core.index.decodeHeader(indexWindow, 0);
    const sound = (value: number): number => (Number.isSafeInteger(value) && value >= 0 ? value : 0);
    return {
      beginTimestamp: sound(header.beginTimestamp),
      endTimestamp: sound(header.endTimestamp),
      beginPhyOffset: sound(header.beginPhyOffset),
      endPhyOffset: sound(header.endPhyOffset),
      hashSlotCount: header.hashSlotCount,
      indexCount: Math.min(header.indexCount, options.maxIndexNum),
    };
  }

  /** Whether a file that was closed cleanly ends where its header says. */
  async #isSound(file: IndexFile): Promise<boolean> {
    const { indexCount, endPhyOffset } = file.header;
    return indexCount === 1 || (await this.#entry(file, indexCount - 1)).physicalOffset === endPhyOffset;
  }

  /** Brings the head of the newest file into memory, but for what is zero anyway. */
  async #readHead(file: IndexFile): Promise<void> {
    const { region } = this.#head;
    await this.#eachOfHead(file, (bytes, at) => copyWhatIsNotZero(bytes, region, at));
    this.#head.header = file.header;
    file.go(this.#head);
  }

  /** The head as the storage has it, piece by piece. */
  async #eachOfHead({ file }: IndexFile, piece: (bytes: Uint8Array, at: number) => void): Promise<void> {
    const { storage } = this.#context;
    const { byteLength } = this.#head.region;
    for (let at = 0; at < byteLength; at += headReadBytes) {
      const bytes = new Uint8Array(Math.min(headReadBytes, byteLength - at));
      const read = storage.readNow(file, at, bytes) ?? (await storage.read(file, at, bytes));
      if (read < bytes.length) throw new WasmqError("STORE_UNREADABLE", `${file} could not be read to its end`);
      piece(bytes, at);
    }
  }

  /** Makes header and slots of the newest file's entries. */
  async #replay(file: IndexFile, logEnd: number): Promise<void> {
    const { indexCount } = file.header;
    let sound = await this.#replayUpTo(file, indexCount, logEnd, false);
    if (sound < indexCount) {
      const from = sound > 1 ? (await this.#entry(file, sound - 1)).physicalOffset : file.header.beginPhyOffset;
      if (logEnd - from > indexRecoveryBytesMax) {
        this.tellDamaged(file);
        sound = await this.#replayUpTo(file, indexCount, logEnd, true);
      } else {
        this.#isCut = true;
        this.#context.telemetry.log("warn", `${file.file} is not whole: records are indexed anew from its fault on`, {
          entry: sound,
          from,
        });
      }
    }
    await this.#headEndsAt(file, sound);
    file.go(this.#head);
  }

  /** Has those parts of the head written again that the storage has otherwise than they were made of the entries. */
  async #correctHead(file: IndexFile): Promise<void> {
    const { region } = this.#head;
    const wrong: number[] = [];
    await this.#eachOfHead(file, (bytes, at) => {
      for (let from = 0; from < bytes.length; from += pageBytes) {
        const to = Math.min(bytes.length, from + pageBytes);
        if (!isEqual(bytes.subarray(from, to), region.bytes.subarray(at + from, at + to)))
          wrong.push(at + from, at + to);
      }
    });
    if (wrong.length === 0) return;
    this.#head.putBackChanged(wrong);
    file.writeHeadAgain();
  }

  /** Puts the entries below `end` into the slots of an empty head; where it ended. */
  async #replayUpTo(file: IndexFile, end: number, below: number, trusting: boolean): Promise<number> {
    const { core, indexWindow } = this.#context;
    const { header } = file;
    this.#head.clear();
    this.#head.header = { ...header, hashSlotCount: 0 };
    const atOnce = Math.floor(indexWindow.byteLength / core.index.entryBytes);
    let after = 0;
    for (let first = 1; first < end; first += atOnce) {
      const count = Math.min(atOnce, end - first);
      const bytes = await file.entries(first, count);
      indexWindow.bytes.set(bytes);
      const replayed = this.#head.replay(indexWindow, first, count, { after, below, trusting });
      if (replayed.count < count) return first + replayed.count;
      after = replayed.after;
    }
    return end;
  }

  /** The head counts the entries below `end`. */
  async #headEndsAt(file: IndexFile, end: number): Promise<void> {
    const { header } = this.#head;
    const wasCount = header.indexCount;
    header.indexCount = end;
    if (end > 1) {
      const last = await this.#entry(file, end - 1);
      if (Number.isSafeInteger(last.physicalOffset)) header.endPhyOffset = last.physicalOffset;
      // To the second, where the record's own time is not known.
      if (end !== wasCount) header.endTimestamp = header.beginTimestamp + 1000 * last.seconds + 999;
    } else {
      const before = this.#files[this.#files.indexOf(file) - 1]?.header;
      header.beginTimestamp = before?.endTimestamp ?? 0;
      header.endTimestamp = header.beginTimestamp;
      header.beginPhyOffset = before?.endPhyOffset ?? 0;
      header.endPhyOffset = header.beginPhyOffset;
    }
    this.#head.header = header;
    if (end === wasCount) return;
    file.cutTo(header);
    this.#hasDropped = true;
  }

  async #entry(file: IndexFile, number: number): Promise<IndexEntry> {
    const { core, indexWindow } = this.#context;
    const bytes = await file.entries(number, 1);
    indexWindow.bytes.set(bytes);
    return core.index.decodeEntry(indexWindow, 0);
  }

  async #cut(file: IndexFile, kept: number): Promise<void> {
    await this.#replayUpTo(file, kept, Number.MAX_SAFE_INTEGER, true);
    await this.#headEndsAt(file, kept);
    file.go(this.#head);
  }

  async #findEnd(): Promise<void> {
    const offset = this.#files.at(-1)!.header.endPhyOffset;
    let keysDone = 0;
    for (const file of this.#files.toReversed()) {
      const { indexCount } = file.header;
      const found = await this.#entriesFrom(file, indexCount, offset);
      keysDone += found;
      if (found < indexCount - 1) break;
    }
    this.#end = { offset, keysDone };
  }

  /** How many of the entries below `end` are of records at or behind `physicalOffset`. */
  async #entriesFrom(file: IndexFile, end: number, physicalOffset: number): Promise<number> {
    const { core, indexWindow } = this.#context;
    const atOnce = Math.floor(indexWindow.byteLength / core.index.entryBytes);
    let found = 0;
    for (let left = end - 1; left > 0; ) {
      const count = Math.min(atOnce, left);
      const bytes = await file.entries(left - count + 1, count);
      indexWindow.bytes.set(bytes);
      const some = core.index.entriesFrom(indexWindow, count, physicalOffset);
      found += some;
      if (some < count) break;
      left -= count;
    }
    return found;
  }
}

function emptyHeader(): IndexHeader {
  return { beginTimestamp: 0, endTimestamp: 0, beginPhyOffset: 0, endPhyOffset: 0, hashSlotCount: 0, indexCount: 1 };
}

/** Pages that are never touched cost no memory. */
function copyWhatIsNotZero(bytes: Uint8Array, region: Region, at: number): void {
  for (let from = 0; from < bytes.length; from += pageBytes) {
    const page = bytes.subarray(from, from + pageBytes);
    if (!isZero(page)) region.bytes.set(page, at + from);
  }
}

/** Header and slots are whole words. */
function isZero(bytes: Uint8Array): boolean {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}

function isEqual(bytes: Uint8Array, others: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== others[i]) return false;
  return true;
}

const pageBytes = 4096;

/**
 * Makes the index anew of the CommitLog, in the place of what is there: for a store that nobody else has open, and that has an `abort` as
 * long as it is not done. `walk` tells every valid record in order, by regions: those at [0, limit) of one begin at `physicalOffset` of the
 * CommitLog. Rejects with what the storage does.
 */
export async function rebuildIndex(
  context: StoreContext,
  walk: (each: (records: Region, limit: number, physicalOffset: number) => Promise<void>) => Promise<void>,
): Promise<{ readonly files: number; readonly entries: number }> {
  const { storage } = context;
  for (const { name } of await storage.list("index")) await storage.delete(name);
  const index = new IndexService(context, () => {});
  await walk(async (records, limit, physicalOffset) => {
    index.wrote(physicalOffset, limit, records, 0);
    await index.relieve(async () => {});
  });
  await index.flush();
  return {
    files: index.files.length,
    entries: index.files.reduce((sum, { header }) => sum + header.indexCount - 1, 0),
  };
}
