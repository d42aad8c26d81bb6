import type { IndexHead, IndexHeader } from "../core/core.ts";
import type { StorageWrite } from "../ports/log-storage.ts";
import type { StoreContext } from "./context.ts";
import type { Eventually } from "./eventually.ts";

/** Slots are written in pieces of this size: one takes some 100 us, and what keeps others waiting is one. */
const slotsAtOnceBytes = 512 * 1024;

/** A head of at most this size is written whole where a batch is: a row that is changed costs the same however much of it is. */
const wholeHeadBytesMax = 256 * 1024;

/**
 * One IndexFile (org.apache.rocketmq.store.index.IndexFile): entries in the order of the CommitLog, each chained to the one before it in
 * the slot of its key's hash. Header and slots of the newest stand in the core's memory; new entries wait here to be written.
 *
 * The header is what counts: it is written when the entries that it counts, and their slots, are on the medium.
 */
export class IndexFile {
  readonly file: string;
  readonly #context: StoreContext;
  readonly #slots: number;
  /** Of the newest file. */
  #live: IndexHead | undefined;
  #header: IndexHeader;
  /** Header and slots of a full file that are not on the medium yet, and where in them changes are. */
  #head: Uint8Array | undefined;
  #changed: number[] = [];
  #isMade: boolean;
  /** Entries from number #tailFirst on. */
  #tail = new Uint8Array(0);
  #tailFirst: number;
  #tailLength = 0;
  /** The header that what was written last has, and the one that is on the medium. */
  #writtenHeader: Uint8Array | undefined;
  #keptCount: number;
  #unsynced = false;

  /** `isMade`: the storage has it, with what its header counts. */
  constructor(context: StoreContext, file: string, slots: number, header: IndexHeader, isMade: boolean) {
    this.#context = context;
    this.file = file;
    this.#slots = slots;
    this.#header = header;
    this.#isMade = isMade;
    this.#tailFirst = header.indexCount;
    this.#keptCount = isMade ? header.indexCount : 0;
  }

  get header(): IndexHeader {
    return this.#live?.header ?? this.#header;
  }

  /** Bytes of entries that are not written out. */
  get tailBytes(): number {
    return this.#tailLength;
  }

  /** Bytes of the head of a full file that is not on the medium yet. */
  get headBytes(): number {
    return this.#head?.length ?? 0;
  }

  /** Whether all of it is on the medium. */
  get isKept(): boolean {
    return this.#tailLength === 0 && this.#head === undefined && this.header.indexCount === this.#keptCount;
  }

  /** It is the newest from now on: `live` has its header and slots. */
  go(live: IndexHead): void {
    this.#live = live;
  }

  /** Its header counts fewer entries from now on: those behind are gone. */
  cutTo(header: IndexHeader): void {
    const inTail = header.indexCount - this.#tailFirst;
    this.#header = header;
    this.#tailFirst = Math.min(this.#tailFirst, header.indexCount);
    this.#tailLength = Math.max(0, inTail) * this.#context.core.index.entryBytes;
    this.#keptCount = -1;
  }

  /** What the storage has of its head is not what it should be: it is written again, though nothing more is put. */
  writeHeadAgain(): void {
    this.#keptCount = -1;
  }

  /** It is full: `live` will be another file's. */
  retire(): void {
    const live = this.#live!;
    this.#header = live.header;
    this.#head = live.region.bytes.slice();
    this.#changed = live.takeChanged();
    this.#live = undefined;
  }

  append(entries: Uint8Array): void {
    const length = this.#tailLength + entries.length;
    if (length > this.#tail.length) {
      const larger = new Uint8Array(Math.max(2 * this.#tail.length, length));
      larger.set(this.#tail.subarray(0, this.#tailLength));
      this.#tail = larger;
    }
    this.#tail.set(entries, this.#tailLength);
    this.#tailLength = length;
  }

  /** The number of the newest entry in the slot of a hash; not one that the file has where it is damaged. */
  newest(keyHash: number): Eventually<number> {
    if (this.#live !== undefined) return this.#live.newest(keyHash);
    const { core, indexWindow } = this.#context;
    const { slotBytes } = core.index;
    const place = core.index.slotPlace(this.#slots, keyHash);
    const decode = (bytes: Uint8Array): number => {
      indexWindow.bytes.set(bytes);
      return core.index.decodeSlot(indexWindow, 0);
    };
    if (this.#head !== undefined) return decode(this.#head.subarray(place, place + slotBytes));
    const into = new Uint8Array(slotBytes);
    const read = this.#context.storage.read(this.file, place, into);
    return read instanceof Promise ? read.then(() => decode(into)) : decode(into);
  }

  /** `count` entries from number `first` on; those that can't be read are zeros. Off the way of everybody else. */
  entries(first: number, count: number): Eventually<Uint8Array> {
    const { core, storage } = this.#context;
    const { entryBytes } = core.index;
    const into = new Uint8Array(count * entryBytes);
    const inFile = Math.min(count, Math.max(0, this.#tailFirst - first));
    const at = Math.max(0, first - this.#tailFirst) * entryBytes;
    into.set(
      this.#tail.subarray(at, Math.min(this.#tailLength, at + (count - inFile) * entryBytes)),
      inFile * entryBytes,
    );
    if (inFile === 0) return into;
    const place = core.index.entryPlace(this.#slots, first);
    const read = storage.read(this.file, place, into.subarray(0, inFile * entryBytes));
    return read instanceof Promise ? read.then(() => into) : into;
  }

  /** Writes out the entries that only memory holds. After a rejection they are still held, and written the next time. */
  async writeEntries(): Promise<void> {
    await this.#make();
    const { core, storage } = this.#context;
    const length = this.#tailLength;
    if (length === 0) return;
    const at = core.index.entryPlace(this.#slots, this.#tailFirst);
    await storage.write([{ file: this.file, at, bytes: this.#tail.slice(0, length) }]);
    this.#unsynced = true;
    this.#entriesWritten(length);
  }

  /** Writes entries and slots, and the header where a batch is whole. It counts, and is to be synced, by `writeHeader`. */
  async write(): Promise<void> {
    if (this.isKept) return;
    if (this.#context.storage.supports.atomicBatch) return this.#writeAtOnce();
    const header = this.#headBytes(0, this.#context.core.index.headerBytes);
    await this.writeEntries();
    const changed = this.#takeChanged();
    try {
      for (let i = 0; i < changed.length; i += 2) {
        for (let at = changed[i]!; at < changed[i + 1]!; at += slotsAtOnceBytes) {
          const bytes = this.#headBytes(at, Math.min(changed[i + 1]!, at + slotsAtOnceBytes));
          await this.#context.storage.write([{ file: this.file, at, bytes }]);
        }
      }
    } catch (error) {
      this.#putBackChanged(changed);
      throw error;
    }
    this.#unsynced = true;
    this.#writtenHeader = header;
  }

  /** Whether it was written since the last asking, and has to be synced. */
  takeUnsynced(): boolean {
    const was = this.#unsynced;
    this.#unsynced = false;
    return was;
  }

  /** What `write` has written is on the medium. True if the header was written, and has to be synced. */
  async writeHeader(): Promise<boolean> {
    const header = this.#writtenHeader;
    // A batch that is whole has it already.
    if (header === undefined || this.#context.storage.supports.atomicBatch) return false;
    await this.#context.storage.write([{ file: this.file, at: 0, bytes: header }]);
    return true;
  }

  /** What `writeHeader` has written is on the medium. */
  kept(): void {
    const header = this.#writtenHeader;
    if (header === undefined) return;
    this.#writtenHeader = undefined;
    const { core, indexWindow } = this.#context;
    indexWindow.bytes.set(header);
    this.#keptCount = core.index.decodeHeader(indexWindow, 0).indexCount;
    const isFull = this.#live === undefined;
    if (isFull && this.#keptCount === this.#header.indexCount && this.#changed.length === 0) this.#head = undefined;
  }

  async #writeAtOnce(): Promise<void> {
    await this.#make();
    const { core, storage } = this.#context;
    const { headerBytes } = core.index;
    const changed = this.#takeChanged();
    const headBytes = headerBytes + this.#slots * core.index.slotBytes;
    const ranges = headBytes <= wholeHeadBytesMax ? [0, headBytes] : [0, headerBytes, ...changed];
    const writes: StorageWrite[] = [];
    for (let i = 0; i < ranges.length; i += 2) {
      writes.push({ file: this.file, at: ranges[i]!, bytes: this.#headBytes(ranges[i]!, ranges[i + 1]!) });
    }
    const length = this.#tailLength;
    if (length > 0) {
      const at = core.index.entryPlace(this.#slots, this.#tailFirst);
      writes.push({ file: this.file, at, bytes: this.#tail.slice(0, length) });
    }
    const header = writes[0]!.bytes.slice(0, headerBytes);
    try {
      await storage.write(writes);
    } catch (error) {
      this.#putBackChanged(changed);
      throw error;
    }
    this.#entriesWritten(length);
    this.#unsynced = true;
    this.#writtenHeader = header;
  }

  async #make(): Promise<void> {
    if (this.#isMade) return;
    const { core, storage, options } = this.#context;
    await storage.create(this.file, core.index.fileBytes(this.#slots, options.maxIndexNum));
    this.#isMade = true;
  }

  #entriesWritten(length: number): void {
    this.#tail.copyWithin(0, length, this.#tailLength);
    this.#tailLength -= length;
    this.#tailFirst += length / this.#context.core.index.entryBytes;
    if (this.#tailLength === 0 && this.#tail.length > tailBytesKept) this.#tail = new Uint8Array(0);
  }

  #headBytes(from: number, to: number): Uint8Array {
    return (this.#live?.region.bytes ?? this.#head!).slice(from, to);
  }

  #takeChanged(): number[] {
    if (this.#live !== undefined) return this.#live.takeChanged();
    const changed = this.#changed;
    this.#changed = [];
    return changed;
  }

  #putBackChanged(changed: number[]): void {
    if (this.#live !== undefined) this.#live.putBackChanged(changed);
    else this.#changed.push(...changed);
  }
}

/** Of the room for entries that wait, what is kept for those to come: a second of 5,000 messages. */
const tailBytesKept = 256 * 1024;
