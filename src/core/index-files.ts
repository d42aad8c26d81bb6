import type { CoreExports } from "./exports.ts";
import type { Memory, Region } from "./memory.ts";

/** The header of an IndexFile. Times in milliseconds, offsets in bytes of the CommitLog. */
export interface IndexHeader {
  beginTimestamp: number;
  endTimestamp: number;
  beginPhyOffset: number;
  endPhyOffset: number;
  /** Slots in use. */
  hashSlotCount: number;
  /** The number of the next entry; the first is 1. */
  indexCount: number;
}

export interface IndexEntry {
  physicalOffset: number;
  /** Not negative. */
  keyHash: number;
  /** Since the file's begin timestamp; of entry 1 it means nothing. */
  seconds: number;
  /** The entry before it in its slot; 0 for none. */
  previous: number;
}

/** Why `IndexHead.put` ended: all is put, the file is full, or the room for entries is. */
export type PutEnd = "done" | "file-full" | "no-room";

/** In the order of the numbers that assembly/index-file/keys.ts gives them. */
const putEnds: readonly PutEnd[] = ["done", "file-full", "no-room"];

/** What one call found: offsets of the CommitLog, newest first. Reused. */
export interface FoundEntries {
  count: number;
  offsets: Float64Array;
  /** The entry below those looked at with which the chain goes on; 0 at its end. */
  next: number;
  /** An entry did not belong to the chain: the file is damaged, and the chain is broken there. */
  isDamaged: boolean;
}

/** Entries of one file that are wanted: those of a hash, by seconds since its begin timestamp, both ends included. */
export interface WantedEntries {
  readonly keyHash: number;
  readonly slots: number;
  readonly fromSeconds: number;
  readonly toSeconds: number;
}

/** The part of the core's door that knows IndexFiles (org.apache.rocketmq.store.index). */
export class IndexFiles {
  readonly headerBytes: number;
  readonly entryBytes: number;
  readonly slotBytes = 4;
  /** Entries that one call takes at most. */
  readonly entriesAtOnceMax: number;
  readonly #wasm: CoreExports;
  readonly #memory: Memory;
  readonly #allocate: (byteLength: number) => Region;
  readonly #result: number;
  readonly #window: number;
  readonly #windowBytes: number;
  readonly #foundAt: number;
  readonly #found: FoundEntries = { count: 0, offsets: new Float64Array(0), next: 0, isDamaged: false };

  constructor(wasm: CoreExports, memory: Memory, allocate: (byteLength: number) => Region) {
    this.#wasm = wasm;
    this.#memory = memory;
    this.#allocate = allocate;
    this.headerBytes = wasm.indexHeaderBytes.value;
    this.entryBytes = wasm.indexEntryBytes.value;
    this.entriesAtOnceMax = wasm.indexFoundMax.value;
    this.#result = wasm.result.value / 4;
    this.#window = wasm.window.value;
    this.#windowBytes = wasm.windowBytes.value;
    this.#foundAt = wasm.indexFound.value / 8;
  }

  /** Bytes of a file with so many slots and room for entries 0 to `entries` - 1, of which entry 0 is never used. */
  fileBytes(slots: number, entries: number): number {
    return this.entryPlace(slots, entries);
  }

  /** Where in a file an entry stands. */
  entryPlace(slots: number, entry: number): number {
    return this.headerBytes + slots * this.slotBytes + entry * this.entryBytes;
  }

  /** Where in a file the slot of a hash stands. */
  slotPlace(slots: number, keyHash: number): number {
    return this.headerBytes + (keyHash % slots) * this.slotBytes;
  }

  /** The head of a file, in memory of the core that is never given back. */
  head(slots: number, entries: number): IndexHead {
    return new IndexHead(this.#wasm, this.#memory, this.#allocate, slots, entries);
  }

  /** The hash of `topic#key`, or of `topic#T#tag` (IndexFile.indexKeyHashMethod). Texts longer than 32 KiB together: RangeError. */
  keyHash(topic: Uint8Array, key: Uint8Array, isTag: boolean): number {
    const { bytes } = this.#memory;
    const between = isTag ? tagPrefix : keyPrefix;
    const length = topic.length + between.length + key.length;
    if (length > this.#windowBytes) throw new RangeError(`keyHash: ${length} bytes`);
    bytes.set(topic, this.#window);
    bytes.set(between, this.#window + topic.length);
    bytes.set(key, this.#window + topic.length + between.length);
    return this.#wasm.indexHash(this.#window, length);
  }

  /** The store time of the record at `at` if it has this topic and, among the keys that are indexed, this one; else undefined. */
  storeTimeIfHas(
    region: Region,
    at: number,
    limit: number,
    topic: Uint8Array,
    key: Uint8Array,
    isTag: boolean,
  ): number | undefined {
    if (topic.length + key.length > this.#windowBytes) return undefined;
    const { bytes } = this.#memory;
    bytes.set(topic, this.#window);
    bytes.set(key, this.#window + topic.length);
    const has = this.#wasm.hasKey(
      region.address + at,
      Math.min(limit, region.byteLength) - at,
      this.#window,
      topic.length,
      this.#window + topic.length,
      key.length,
      isTag ? 1 : 0,
    );
    return has === 0 ? undefined : this.#memory.doubles[this.#result / 2]!;
  }

  /** A slot as it stands in a file: the number of its newest entry, if that is one. */
  decodeSlot(region: Region, at: number): number {
    checkRange(region, at, this.slotBytes);
    return this.#wasm.slotAt(region.address + at, 0);
  }

  decodeHeader(region: Region, at: number): IndexHeader {
    checkRange(region, at, this.headerBytes);
    this.#wasm.decodeHeader(region.address + at);
    return headerOf(this.#memory, this.#result);
  }

  decodeEntry(region: Region, at: number): IndexEntry {
    checkRange(region, at, this.entryBytes);
    this.#wasm.decodeEntry(region.address + at);
    const { words, doubles } = this.#memory;
    return {
      physicalOffset: doubles[this.#result / 2]!,
      keyHash: words[this.#result + 2]!,
      seconds: words[this.#result + 3]!,
      previous: words[this.#result + 4]!,
    };
  }

  /** Follows a chain from entry `next` down through those that stand in the region, the first of which is `first`. Reused result. */
  followChain(region: Region, first: number, next: number, wanted: WantedEntries): FoundEntries {
    checkRange(region, 0, (next - first + 1) * this.entryBytes);
    const { keyHash, slots, fromSeconds, toSeconds } = wanted;
    const found = this.#found;
    found.count = this.#wasm.followChain(region.address, first, next, keyHash, slots, fromSeconds, toSeconds);
    found.next = this.#memory.words[this.#result]!;
    found.isDamaged = this.#memory.words[this.#result + 1] !== 0;
    this.#takeFound();
    return found;
  }

  /** The entries of a hash among `count` that stand in the region, whatever chain they are in. Reused result. */
  findEntries(region: Region, first: number, count: number, wanted: WantedEntries): FoundEntries {
    checkRange(region, 0, count * this.entryBytes);
    const { keyHash, fromSeconds, toSeconds } = wanted;
    const found = this.#found;
    found.count = this.#wasm.findEntries(region.address, first, count, keyHash, fromSeconds, toSeconds);
    found.next = 0;
    found.isDamaged = false;
    this.#takeFound();
    return found;
  }

  /** How many of the last of `count` entries in the region are of records at or behind `physicalOffset`. */
  entriesFrom(region: Region, count: number, physicalOffset: number): number {
    checkRange(region, 0, count * this.entryBytes);
    return this.#wasm.entriesFrom(region.address, count, physicalOffset);
  }

  #takeFound(): void {
    const found = this.#found;
    if (found.offsets.length < found.count) found.offsets = new Float64Array(this.entriesAtOnceMax);
    found.offsets.set(this.#memory.doubles.subarray(this.#foundAt, this.#foundAt + found.count));
  }
}

/** What `IndexHead.put` did. Reused. */
export interface Put {
  /** New entries, at the region's start. */
  count: number;
  /** Where in the records it ended. */
  position: number;
  /** Keys of the record there that are done. */
  keysDone: number;
  end: PutEnd;
}

/** Header and slots of one IndexFile as they stand in it, and which of their pages have changed. */
export class IndexHead {
  readonly slots: number;
  /** Entries that the file takes: numbers 0 to this, exclusive (maxIndexNum). */
  readonly entriesMax: number;
  readonly region: Region;
  readonly #wasm: CoreExports;
  readonly #memory: Memory;
  readonly #changed: Region;
  readonly #pageBytes: number;
  readonly #result: number;
  readonly #headerBytes: number;
  readonly #replayed = { count: 0, after: 0 };
  readonly #put: Put = { count: 0, position: 0, keysDone: 0, end: "done" };

  constructor(
    wasm: CoreExports,
    memory: Memory,
    allocate: (byteLength: number) => Region,
    slots: number,
    entriesMax: number,
  ) {
    this.#wasm = wasm;
    this.#memory = memory;
    this.slots = slots;
    this.entriesMax = entriesMax;
    this.#headerBytes = wasm.indexHeaderBytes.value;
    this.#pageBytes = 1 << wasm.indexHeadPageShift.value;
    this.#result = wasm.result.value / 4;
    this.region = allocate(this.#headerBytes + 4 * slots);
    this.#changed = allocate(Math.ceil(this.region.byteLength / this.#pageBytes));
  }

  get header(): IndexHeader {
    this.#wasm.decodeHeader(this.region.address);
    return headerOf(this.#memory, this.#result);
  }

  set header(header: IndexHeader) {
    this.#wasm.encodeHeader(
      this.region.address,
      header.beginTimestamp,
      header.endTimestamp,
      header.beginPhyOffset,
      header.endPhyOffset,
      header.hashSlotCount,
      header.indexCount,
    );
  }

  get isFull(): boolean {
    return this.header.indexCount >= this.entriesMax;
  }

  /** That of a file without entries. */
  clear(): void {
    this.region.bytes.fill(0);
    this.#changed.bytes.fill(0);
  }

  /**
   * Puts the keys of the records at [from, limit) of a region, whose first byte stands at `physicalOffset` of the CommitLog
   * (IndexService.buildIndex); the new entries go to the start of `into`. Records before `firstOffset` are left out, and the first
   * `keysSkipped` keys of the one there: where it did not end with "done", it is called again with what it told. Reused result.
   */
  put(
    records: Region,
    from: number,
    limit: number,
    physicalOffset: number,
    into: Region,
    firstOffset = 0,
    keysSkipped = 0,
  ): Put {
    checkRange(records, from, limit - from);
    const put = this.#put;
    put.count = this.#wasm.putKeys(
      this.region.address,
      this.#changed.address,
      this.slots,
      this.entriesMax,
      into.address,
      Math.floor(into.byteLength / this.#wasm.indexEntryBytes.value),
      records.address,
      from,
      limit,
      physicalOffset,
      firstOffset,
      keysSkipped,
    );
    const { words } = this.#memory;
    put.position = words[this.#result]!;
    put.keysDone = words[this.#result + 1]!;
    put.end = putEnds[words[this.#result + 2]!]!;
    return put;
  }

  /** The newest entry of a hash's slot; 0 for none. */
  newest(keyHash: number): number {
    return this.#wasm.slotAt(this.region.address, this.#headerBytes + (keyHash % this.slots) * 4);
  }

  /**
   * Puts entries that stand in a region, numbered from `first` on, into the slots. How many are where they belong: the first that is not
   * ends it, unless `trusting`. Records stand in the order of the entries, none before `after` and all before `below`; `after` is then
   * where the last one's stands. Reused result.
   */
  replay(
    entries: Region,
    first: number,
    count: number,
    { after, below, trusting }: { readonly after: number; readonly below: number; readonly trusting: boolean },
  ): { count: number; after: number } {
    checkRange(entries, 0, count * this.#wasm.indexEntryBytes.value);
    const replayed = this.#replayed;
    replayed.count = this.#wasm.replayEntries(
      this.region.address,
      this.#changed.address,
      this.slots,
      entries.address,
      first,
      count,
      after,
      below,
      trusting ? 1 : 0,
    );
    replayed.after = this.#memory.doubles[this.#result / 2]!;
    return replayed;
  }

  /** Ranges of the slots' bytes that have changed since they were last asked for: from and to in turn, in the file. */
  takeChanged(): number[] {
    const ranges: number[] = [];
    const { bytes } = this.#changed;
    for (let page = 0; page < bytes.length; page++) {
      if (bytes[page] === 0) continue;
      const from = Math.max(this.#headerBytes, page * this.#pageBytes);
      while (page + 1 < bytes.length && bytes[page + 1] !== 0) page++;
      ranges.push(from, Math.min(this.region.byteLength, (page + 1) * this.#pageBytes));
    }
    bytes.fill(0);
    return ranges;
  }

  /** They have not been written after all. */
  putBackChanged(ranges: readonly number[]): void {
    for (let i = 0; i < ranges.length; i += 2) {
      this.#changed.bytes.fill(
        1,
        Math.floor(ranges[i]! / this.#pageBytes),
        Math.ceil(ranges[i + 1]! / this.#pageBytes),
      );
    }
  }
}

const keyPrefix = Uint8Array.of(0x23);
const tagPrefix = Uint8Array.of(0x23, 0x54, 0x23);

function headerOf({ words, doubles }: Memory, result: number): IndexHeader {
  return {
    beginTimestamp: doubles[result / 2]!,
    endTimestamp: doubles[result / 2 + 1]!,
    beginPhyOffset: doubles[result / 2 + 2]!,
    endPhyOffset: doubles[result / 2 + 3]!,
    hashSlotCount: words[result + 8]!,
    indexCount: words[result + 9]!,
  };
}

function checkRange(region: Region, at: number, length: number): void {
  if (at < 0 || length < 0 || at + length > region.byteLength) {
    throw new RangeError(`${length} bytes at ${at} of ${region.byteLength}`);
  }
}
