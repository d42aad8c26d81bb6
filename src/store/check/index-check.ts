import type { IndexEntry, IndexHead, IndexHeader, Region, Scan } from "../../core/core.ts";
import type { FindingCode } from "../../ports/check.ts";
import type { FileStat } from "../../ports/log-storage.ts";
import type { StoreContext } from "../context.ts";
import type { Findings } from "./findings.ts";

/** What is read of a file at a time, in entries and in slots. */
const readBytes = 80 * 1024;

/** After so many entries in a row that are others than the CommitLog makes, a file is given up. */
const wrongInRowMax = 64;

/** Room for the keys of one scan, at first. */
const keysMin = 8_192;

/** Numbers of entries in a head that is never full. */
const endless = 0x7fffffff;

/** A key of a record, as it is to be indexed. */
interface Expected {
  readonly keyHash: number;
  readonly physicalOffset: number;
  readonly storeTimestamp: number;
}

interface OpenFile {
  readonly file: string;
  readonly header: IndexHeader;
  readonly isLast: boolean;
  /** Number of the next entry to compare, and the one behind the last. */
  next: number;
  readonly end: number;
  /** Records before this are in no file: that is known until the first entry is compared. */
  begin: number | undefined;
  usedSlots: number;
  lastPhysicalOffset: number | undefined;
  lastTimestamp: number | undefined;
  firstTimestamp: number | undefined;
  firstPhysicalOffset: number | undefined;
  wrongInRow: number;
}

/**
 * Compares the IndexFiles with the keys of the CommitLog's records, in order: each entry with the key it stands for, its place in the chain
 * of its slot, and at the end of a file its slots and header. One file's slots are in memory at a time.
 */
export class IndexCheck {
  readonly #context: StoreContext;
  readonly #findings: Findings;
  readonly #files: string[] = [];
  readonly #logMin: number;
  readonly #isClean: boolean;
  readonly #isDamaged: (physicalOffset: number) => boolean;
  /** Makes the hashes of keys. */
  readonly #head: IndexHead | undefined;
  #slots = new Int32Array(0);
  #opened = 0;
  #open: OpenFile | undefined;
  /** Keys that are to be compared, field by field: there are some for each message. */
  #hashes = new Int32Array(keysMin);
  #offsets = new Float64Array(keysMin);
  #times = new Float64Array(keysMin);
  #count = 0;
  #buffer = new Uint8Array(0);
  #bufferFirst = 0;
  #bufferCount = 0;
  #missing = 0;
  #missingFrom = 0;
  #gap = 0;

  /** `isDamaged`: whether a place of the CommitLog was found to hold no valid record. */
  constructor(given: {
    context: StoreContext;
    findings: Findings;
    stats: readonly FileStat[];
    logMin: number;
    isClean: boolean;
    isDamaged: (physicalOffset: number) => boolean;
  }) {
    const { context, findings, stats, logMin, isClean, isDamaged } = given;
    this.#context = context;
    this.#findings = findings;
    this.#logMin = logMin;
    this.#isClean = isClean;
    this.#isDamaged = isDamaged;
    const { core, options } = context;
    const fileBytes = core.index.fileBytes(options.maxHashSlotNum, options.maxIndexNum);
    for (const { name, sizeBytes } of stats) {
      if (!/^index\/[^/]+$/.test(name) || sizeBytes === 0) continue;
      if (!/^index\/\d{1,18}$/.test(name)) {
        this.#found("INDEX_FILE_UNUSABLE", name, 0, "its name is none of an IndexFile");
      } else if (sizeBytes !== fileBytes) {
        const detail = `it has ${sizeBytes} bytes, but maxHashSlotNum and maxIndexNum make ${fileBytes}`;
        this.#found("INDEX_FILE_UNUSABLE", name, 0, detail);
      } else {
        this.#files.push(name);
      }
    }
    // Without files the store is not indexed: there is nothing to compare.
    if (this.#files.length > 0) this.#head = core.index.head(1, endless);
  }

  /** Takes the keys of records, which are the caller's again afterwards; `compare` compares them. */
  take(scan: Scan, window: Region, base: number): void {
    if (this.#head === undefined) return;
    const { core, indexWindow } = this.#context;
    let record = 0;
    let from = 0;
    let keysDone = 0;
    for (;;) {
      const put = this.#head.put(window, from, scan.stoppedAt, base + from, indexWindow, base + from, keysDone);
      const { count, position, end } = put;
      keysDone = put.keysDone;
      for (let i = 0; i < count; i++) {
        const { keyHash, physicalOffset } = core.index.decodeEntry(indexWindow, i * core.index.entryBytes);
        while (base + scan.at(record) < physicalOffset) record++;
        if (this.#count === this.#hashes.length) this.#grow();
        this.#hashes[this.#count] = keyHash;
        this.#offsets[this.#count] = physicalOffset;
        this.#times[this.#count++] = scan.storeTimestamp(record);
      }
      if (end === "done") return;
      from = position;
    }
  }

  async compare(): Promise<void> {
    const count = this.#count;
    this.#count = 0;
    for (let i = 0; i < count; i++) {
      if (this.#isRight(this.#hashes[i]!, this.#offsets[i]!, this.#times[i]!)) continue;
      const key = this.#key(i);
      const file = await this.#current();
      if (file === undefined) {
        if (this.#missing++ === 0) this.#missingFrom = key.physicalOffset;
      } else if (file.begin !== undefined && key.physicalOffset < file.begin) {
        this.#gap++;
      } else if (!(await this.#compareOne(file, key, i + 1 < count ? this.#key(i + 1) : undefined))) {
        i--;
      }
    }
  }

  #key(i: number): Expected {
    return { keyHash: this.#hashes[i]!, physicalOffset: this.#offsets[i]!, storeTimestamp: this.#times[i]! };
  }

  #grow(): void {
    const larger = <T extends Int32Array | Float64Array>(before: T, after: T): T => {
      after.set(before);
      return after;
    };
    this.#hashes = larger(this.#hashes, new Int32Array(2 * this.#count));
    this.#offsets = larger(this.#offsets, new Float64Array(2 * this.#count));
    this.#times = larger(this.#times, new Float64Array(2 * this.#count));
  }

  /** At once, for a key whose entry is at hand and right in all it says, which is then done with. */
  #isRight(keyHash: number, physicalOffset: number, storeTimestamp: number): boolean {
    const file = this.#open;
    const { core, indexWindow } = this.#context;
    if (file === undefined || file.next < 2 || file.next >= file.end || file.begin !== undefined) return false;
    const at = (file.next - this.#bufferFirst) * core.index.entryBytes;
    if (at < 0 || file.next >= this.#bufferFirst + this.#bufferCount) return false;
    indexWindow.bytes.set(this.#buffer.subarray(at, at + core.index.entryBytes));
    const entry = core.index.decodeEntry(indexWindow, 0);
    const slot = keyHash % this.#slots.length;
    const previous = this.#slots[slot]!;
    const seconds = Math.max(0, Math.floor((storeTimestamp - file.header.beginTimestamp) / 1000));
    if (entry.keyHash !== keyHash || entry.physicalOffset !== physicalOffset) return false;
    if (entry.previous !== previous || entry.seconds !== seconds) return false;
    if (previous === 0) file.usedSlots++;
    this.#slots[slot] = file.next++;
    file.lastPhysicalOffset = physicalOffset;
    file.lastTimestamp = storeTimestamp;
    file.wrongInRow = 0;
    return true;
  }

  async finish(): Promise<void> {
    if (this.#head === undefined) return;
    const file = await this.#current();
    // Entries that are left are of records that are not there.
    if (file !== undefined) {
      while (file.next < file.end) await this.#accept(file, await this.#entry(file, file.next), undefined);
      await this.#close(file);
    }
    if (this.#gap > 0) {
      this.#findings.add({
        code: "INDEX_GAP",
        count: this.#gap,
        detail: "keys of messages that Apache, after a crash, or an older broker has left unindexed",
      });
    }
    if (this.#missing > 0) {
      this.#findings.add({
        ...{ code: "INDEX_ENTRY_MISSING", count: this.#missing, physicalOffset: this.#missingFrom },
        detail: "keys of the last messages are not in the index: they are when the store is opened, or by --repair",
      });
    }
  }

  /** The file with the next entry to compare; undefined behind the last. */
  async #current(): Promise<OpenFile | undefined> {
    for (;;) {
      if (this.#open !== undefined && this.#open.next < this.#open.end) return this.#open;
      if (this.#open !== undefined) await this.#close(this.#open);
      const file = this.#files[this.#opened];
      if (file === undefined) return undefined;
      this.#opened++;
      this.#open = await this.#begin(file);
    }
  }

  async #begin(file: string): Promise<OpenFile> {
    const { core, storage, indexWindow, options } = this.#context;
    const bytes = new Uint8Array(core.index.headerBytes);
    await storage.read(file, 0, bytes);
    indexWindow.bytes.set(bytes);
    const header = { ...core.index.decodeHeader(indexWindow, 0) };
    const isLast = this.#opened === this.#files.length;
    const { indexCount } = header;
    const isCount =
      indexCount <= options.maxIndexNum &&
      (isLast ? indexCount > 1 || header.hashSlotCount === 0 : indexCount === options.maxIndexNum);
    if (!isCount) {
      this.#found("INDEX_HEADER_WRONG", file, 36, `it counts ${indexCount} entries of ${options.maxIndexNum}`);
    }
    if (this.#slots.length === 0) this.#slots = new Int32Array(options.maxHashSlotNum);
    else this.#slots.fill(0);
    this.#bufferCount = 0;
    const end = isCount ? indexCount : isLast ? 1 : options.maxIndexNum;
    const opened: OpenFile = {
      ...{ file, header, isLast, next: 1, end, begin: undefined, usedSlots: 0 },
      ...{ lastPhysicalOffset: undefined, lastTimestamp: undefined },
      ...{ firstTimestamp: undefined, firstPhysicalOffset: undefined, wrongInRow: 0 },
    };
    // Of records that are gone nothing but the chain can be compared.
    while (opened.next < end) {
      const entry = await this.#entry(opened, opened.next);
      if (entry.physicalOffset >= this.#logMin || entry.physicalOffset < 0) {
        const second = opened.next + 1 < end ? await this.#entry(opened, opened.next + 1) : entry;
        // One of the two may be damaged: the other tells.
        const isWrong = entry.physicalOffset < 0 || entry.physicalOffset > second.physicalOffset;
        opened.begin =
          isWrong && opened.next === 1 ? header.beginPhyOffset : Math.max(entry.physicalOffset, this.#logMin);
        break;
      }
      await this.#accept(opened, entry, undefined);
    }
    return opened;
  }

  /** False if the key is to be compared with the next entry. */
  async #compareOne(file: OpenFile, key: Expected, next: Expected | undefined): Promise<boolean> {
    const number = file.next;
    const entry = await this.#entry(file, number);
    file.begin = undefined;
    if (isOf(entry, key)) {
      file.wrongInRow = 0;
      await this.#accept(file, entry, key);
      return true;
    }
    if (entry.physicalOffset < key.physicalOffset && this.#isDamaged(entry.physicalOffset)) {
      await this.#accept(file, entry, undefined);
      return false;
    }
    const following = number + 1 < file.end ? await this.#entry(file, number + 1) : undefined;
    const isNextRight = following !== undefined && next !== undefined && isOf(following, next);
    if (!isNextRight && following !== undefined && isOf(following, key)) {
      // Apache indexes the last message of a file twice when it opens the store.
      if (this.#previous(entry) !== entry.previous) this.#wrongEntry(file, number, "it is none that a message makes");
      await this.#accept(file, entry, undefined);
      return false;
    }
    if (!isNextRight && next !== undefined && isOf(entry, next)) {
      this.#wrongEntry(file, number, `there is none before it for a key of the message at ${key.physicalOffset}`);
      return true;
    }
    this.#wrongEntry(
      file,
      number,
      `hash ${entry.keyHash} and physical offset ${entry.physicalOffset}, not ${key.keyHash} and ${key.physicalOffset}`,
    );
    await this.#accept(file, { ...entry, ...key }, key);
    if (++file.wrongInRow < wrongInRowMax) return true;
    this.#found("INDEX_FILE_UNUSABLE", file.file, 0, `from entry ${number} on it is not what the CommitLog makes`);
    file.next = file.end;
    this.#open = undefined;
    return true;
  }

  /** The entry is where it is: it goes to its slot. `key` is undefined where its record is not there to compare with. */
  async #accept(file: OpenFile, entry: IndexEntry, key: Expected | undefined): Promise<void> {
    const { options } = this.#context;
    const number = file.next++;
    const previous = this.#previous(entry);
    if (entry.previous !== previous) {
      this.#wrongEntry(
        file,
        number,
        `the entry before it in its slot is said to be ${entry.previous}, not ${previous}`,
      );
    }
    if (key !== undefined && number > 1 && file.header.beginTimestamp > 0) {
      const seconds = Math.max(0, Math.floor((key.storeTimestamp - file.header.beginTimestamp) / 1000));
      if (entry.seconds !== seconds) this.#wrongEntry(file, number, `it says ${entry.seconds} seconds, not ${seconds}`);
    }
    if (number === 1) {
      file.firstTimestamp = key?.storeTimestamp;
      file.firstPhysicalOffset = entry.physicalOffset;
    }
    file.lastPhysicalOffset = entry.physicalOffset;
    file.lastTimestamp = key?.storeTimestamp;
    if (entry.keyHash < 0) return;
    if (previous === 0) file.usedSlots++;
    this.#slots[entry.keyHash % options.maxHashSlotNum] = number;
  }

  #previous({ keyHash }: IndexEntry): number {
    return keyHash < 0 ? 0 : this.#slots[keyHash % this.#slots.length]!;
  }

  async #close(file: OpenFile): Promise<void> {
    this.#open = undefined;
    const { header, lastPhysicalOffset, firstTimestamp } = file;
    if (lastPhysicalOffset === undefined) return;
    const wrong = (offset: number, name: keyof IndexHeader, right: number): void => {
      const detail = `${name} is ${header[name]}, not ${right}`;
      if (header[name] !== right) this.#found("INDEX_HEADER_WRONG", file.file, offset, detail);
    };
    if (firstTimestamp !== undefined) wrong(0, "beginTimestamp", firstTimestamp);
    const end = file.lastTimestamp;
    // Of a file that was cut off the time of the last entry is known to the second.
    const isNear = end !== undefined && header.endTimestamp >= end && header.endTimestamp < end + 1_000;
    if (end !== undefined && !isNear) wrong(8, "endTimestamp", end);
    if (file.firstPhysicalOffset !== undefined) wrong(16, "beginPhyOffset", file.firstPhysicalOffset);
    wrong(24, "endPhyOffset", lastPhysicalOffset);
    // Those of the newest file are made anew when a store is opened that was not closed.
    if (!this.#isClean && file.isLast) return;
    wrong(32, "hashSlotCount", file.usedSlots);
    await this.#checkSlots(file);
  }

  async #checkSlots({ file }: OpenFile): Promise<void> {
    const { core, storage, indexWindow } = this.#context;
    const { headerBytes, slotBytes } = core.index;
    const bytes = new Uint8Array(Math.min(readBytes, indexWindow.byteLength));
    const atOnce = Math.floor(bytes.length / slotBytes);
    for (let slot = 0; slot < this.#slots.length; slot += atOnce) {
      const count = Math.min(atOnce, this.#slots.length - slot);
      const place = headerBytes + slot * slotBytes;
      await storage.read(file, place, bytes.subarray(0, count * slotBytes));
      indexWindow.bytes.set(bytes);
      for (let i = 0; i < count; i++) {
        const said = core.index.decodeSlot(indexWindow, i * slotBytes);
        const right = this.#slots[slot + i]!;
        if (said === right) continue;
        this.#found(
          "INDEX_SLOT_WRONG",
          file,
          place + i * slotBytes,
          `its newest entry is said to be ${said}, not ${right}`,
        );
      }
    }
  }

  async #entry(file: OpenFile, number: number): Promise<IndexEntry> {
    const { core, storage, indexWindow, options } = this.#context;
    const { entryBytes } = core.index;
    if (number < this.#bufferFirst || number >= this.#bufferFirst + this.#bufferCount) {
      const count = Math.min(Math.floor(readBytes / entryBytes), file.end - number);
      if (this.#buffer.length < count * entryBytes) this.#buffer = new Uint8Array(count * entryBytes);
      const into = this.#buffer.subarray(0, count * entryBytes);
      await storage.read(file.file, core.index.entryPlace(options.maxHashSlotNum, number), into);
      this.#bufferFirst = number;
      this.#bufferCount = count;
    }
    const at = (number - this.#bufferFirst) * entryBytes;
    indexWindow.bytes.set(this.#buffer.subarray(at, at + entryBytes));
    return core.index.decodeEntry(indexWindow, 0);
  }

  #wrongEntry({ file }: OpenFile, number: number, detail: string): void {
    const { core, options } = this.#context;
    const place = core.index.entryPlace(options.maxHashSlotNum, number);
    this.#found("INDEX_ENTRY_WRONG", file, place, `entry ${number}: ${detail}`);
  }

  #found(code: FindingCode, file: string, offset: number, detail: string): void {
    this.#findings.add({ code, file, offset, detail });
  }
}

function isOf(entry: IndexEntry, key: Expected): boolean {
  return entry.keyHash === key.keyHash && entry.physicalOffset === key.physicalOffset;
}
