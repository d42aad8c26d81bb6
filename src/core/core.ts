import type { CoreExports } from "./exports.ts";
import { decodeHost, encodeHost } from "./host-address.ts";
import { IndexFiles } from "./index-files.ts";
import { javaHash } from "./java-hash.ts";
import { Memory, type Region } from "./memory.ts";
import type { DecodedRecord, Encoded, EncodedBatch, RecordState, RecordToEncode } from "./record.ts";
import { Scan } from "./scan.ts";
import { TimerFormats } from "./timers.ts";

export type { IndexEntry, IndexFiles, IndexHead, IndexHeader, PutEnd } from "./index-files.ts";
export type { Region } from "./memory.ts";
export type { DecodedRecord, Encoded, EncodedBatch, RecordState, RecordToEncode } from "./record.ts";
export type { Scan } from "./scan.ts";
export type { TimerFormats, TimerSlot, TimerUnit } from "./timers.ts";

/** A ConsumeQueue unit. The tags code is 64 bits of something else than a number: two i32. */
export interface Unit {
  physicalOffset: number;
  size: number;
  tagsHigh: number;
  tagsLow: number;
}

export interface CoreOptions {
  /** Whether records get Apache's `__CRC32#` property, which covers all of the record (enabledAppendPropCRC). Default true. */
  propertyCrc?: boolean;
}

/**
 * The only door to the WebAssembly core. Synchronous, without clock or I/O; two cores share nothing.
 *
 * Positions (`at`, `from`, `limit`) count from a region's first byte. Objects marked reused are overwritten by the next call of
 * the same method. Bad bytes are told by results; RangeError means that the caller broke the contract.
 */
export class Core {
  readonly unitSize = 20;
  /** What the core knows of IndexFiles. */
  readonly index: IndexFiles;
  /** What the core knows of the timer log and the timer wheel. */
  readonly timers: TimerFormats;
  readonly #wasm: CoreExports;
  readonly #memory: Memory;
  readonly #propertyCrc: number;
  readonly #encoded: Encoded = { size: 0, tagsHigh: 0, tagsLow: 0 };
  readonly #batch: BatchTable;
  readonly #scan: Scan;
  readonly #unit: Unit = { physicalOffset: 0, size: 0, tagsHigh: 0, tagsLow: 0 };
  readonly #filtered = { count: 0, indices: new Int32Array(0) };
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #at: Places;
  #stage!: Uint8Array;
  /** What lies in the core's stages of hosts and topic. */
  #bornHost: Uint8Array | undefined;
  #storeHost: Uint8Array | undefined;
  #topic: Uint8Array | undefined;

  /** Instantiates at once; on a browser's main thread too, since the module is compiled already. */
  constructor(module: WebAssembly.Module, options: CoreOptions = {}) {
    this.#wasm = new WebAssembly.Instance(module, { env: { abort } }).exports as unknown as CoreExports;
    this.#memory = new Memory(this.#wasm);
    this.#propertyCrc = (options.propertyCrc ?? true) ? 1 : 0;
    this.#batch = new BatchTable();
    this.#scan = new Scan(this.#memory, this.#wasm);
    this.#at = places(this.#wasm);
    this.index = new IndexFiles(this.#wasm, this.#memory, (byteLength) => this.allocate(byteLength));
    this.timers = new TimerFormats(this.#wasm, this.#memory);
    this.#makeStage();
  }

  /**
   * Zeroed memory at a multiple of 64, with at least 64 bytes behind it that nobody uses. Meant for start-up: nothing is freed, and
   * growth detaches views taken before. Throws RangeError when the host grants no more.
   */
  allocate(byteLength: number): Region {
    const region = this.#memory.allocate(byteLength);
    this.#makeStage();
    return region;
  }

  /** java.util.zip.CRC32's value, 0 to 2^32-1. `seed` is the CRC of the bytes before these. */
  crc32(bytes: Uint8Array, seed = 0): number {
    const { window, windowBytes } = this.#at;
    if (bytes.length <= windowBytes) {
      this.#memory.bytes.set(bytes, window);
      return this.#wasm.crc32(window, bytes.length, seed) >>> 0;
    }
    let crc = seed;
    for (let from = 0; from < bytes.length; from += windowBytes) {
      const piece = bytes.subarray(from, from + windowBytes);
      this.#memory.bytes.set(piece, window);
      crc = this.#wasm.crc32(window, piece.length, crc);
    }
    return crc >>> 0;
  }

  /** Java's String.hashCode, an i32. */
  hashCode(text: string): number {
    return javaHash(text);
  }

  /** String.hashCode of `new String(bytes, UTF_8)`, malformed bytes replaced as Java's decoder does. */
  hashCodeUtf8(bytes: Uint8Array): number {
    const { window, windowBytes } = this.#at;
    if (bytes.length > windowBytes) throw new RangeError(`hashCodeUtf8: ${bytes.length} bytes, at most ${windowBytes}`);
    this.#memory.bytes.set(bytes, window);
    return this.#wasm.hashUtf8(window, bytes.length);
  }

  /** "1.2.3.4" or "2001:db8::1" and a port as a record's host: 8 or 20 bytes. Throws RangeError on anything else. */
  encodeHost(address: string, port: number): Uint8Array {
    return encodeHost(address, port);
  }

  decodeHost(host: Uint8Array): { address: string; port: number } {
    return decodeHost(host);
  }

  /** Bytes that encodeRecord() takes at most; a string's properties are counted at three bytes a UTF-16 unit. */
  recordSizeMax(message: RecordToEncode): number {
    return this.#sizeMax(this.#bodyAt(message.bornHost.length, message.storeHost.length), message);
  }

  /**
   * Writes a record whose first byte is `physicalOffset` of the CommitLog (MessageExtEncoder.encode with CommitLog's append callback).
   * Touches nothing beyond recordSizeMax() from `at`, which the region must have. Reused result.
   */
  encodeRecord(into: Region, at: number, physicalOffset: number, message: RecordToEncode): Encoded {
    const { body, topic, bornHost, storeHost } = message;
    const encoded = this.#encoded;
    const places = this.#at;
    const recordBodyAt = this.#bodyAt(bornHost.length, storeHost.length);
    if (at < 0 || at + this.#sizeMax(recordBodyAt, message) > into.byteLength) {
      throw new RangeError(`encodeRecord: no room at ${at} of ${into.byteLength}`);
    }
    const propertiesLength = this.#stageProperties(message);
    if (propertiesLength < 0 || topic.length > places.topicV2BytesMax) return refuse(encoded);

    const { bytes, words } = this.#memory;
    const address = into.address + at;
    const bodyAt = address + recordBodyAt;
    bytes.set(body, bodyAt);
    this.#stageEnvelope(bornHost, storeHost, topic);
    const size = this.#wasm.encodeRecord(
      address,
      physicalOffset,
      message.queueId,
      message.flag,
      message.queueOffset,
      message.sysFlag,
      message.bornTimestamp,
      bornHost.length,
      message.storeTimestamp,
      storeHost.length,
      message.reconsumeTimes,
      message.preparedTransactionOffset,
      body.length,
      topic.length,
      propertiesLength,
      this.#propertyCrc,
    );
    if (size < 0) return refuse(encoded);
    const tags = words[this.#at.result]!;
    encoded.size = size;
    encoded.tagsLow = tags;
    encoded.tagsHigh = tags >> 31;
    return encoded;
  }

  /**
   * Bytes that encodeBatch() takes at most, -1 for a batch whose item sizes do not add up. Reads nothing but each item's first
   * field, its i32 size: the body is not in the core's memory yet.
   */
  batchSizeMax(message: RecordToEncode): number {
    const count = this.batchCount(message.body);
    if (count < 0) return -1;
    const { bornHost, storeHost, topic, body } = message;
    return body.length + count * this.#wasm.batchItemGrowthMax(bornHost.length, storeHost.length, topic.length);
  }

  /** Items of a batch body by their sizes, -1 when these do not add up. 0 for an empty one. */
  batchCount(body: Uint8Array): number {
    let count = 0;
    let at = 0;
    while (at < body.length) {
      if (body.length - at < 4) return -1;
      const size = (body[at]! << 24) | (body[at + 1]! << 16) | (body[at + 2]! << 8) | body[at + 3]!;
      if (size < BATCH_ITEM_BYTES_MIN || size > body.length - at) return -1;
      at += size;
      count++;
    }
    return count;
  }

  /**
   * Writes each item of a MessageBatch body as a record with its own flag, body and properties and the next queue offset
   * (MessageExtEncoder.encode(MessageExtBatch)); `message.properties` is not copied. The region must have batchSizeMax() bytes from
   * `at`; on refusal (count -1; an empty batch is refused too) their content is undefined. Reused result.
   */
  encodeBatch(into: Region, at: number, physicalOffset: number, message: RecordToEncode): EncodedBatch {
    const { body, topic, bornHost, storeHost } = message;
    const batch = this.#batch;
    const room = this.batchSizeMax(message);
    batch.clear();
    if (room <= 0 || topic.length > this.#at.topicV2BytesMax) return batch.refuse();
    if (at < 0 || at + room > into.byteLength) {
      throw new RangeError(`encodeBatch: no room at ${at} of ${into.byteLength}`);
    }
    checkHostLength(bornHost.length);
    checkHostLength(storeHost.length);
    const { bytes, words, doubles } = this.#memory;
    const wasm = this.#wasm;
    const start = into.address + at;
    const itemsEnd = start + room;
    bytes.set(body, itemsEnd - body.length);
    this.#stageEnvelope(bornHost, storeHost, topic);
    let items = itemsEnd - body.length;
    let to = start;
    while (items < itemsEnd) {
      const count = wasm.encodeBatch(
        to,
        items,
        itemsEnd,
        physicalOffset + (to - start),
        message.queueId,
        message.queueOffset + batch.count,
        message.sysFlag,
        message.bornTimestamp,
        bornHost.length,
        message.storeTimestamp,
        storeHost.length,
        message.reconsumeTimes,
        topic.length,
        this.#propertyCrc,
      );
      if (count < 0) return batch.refuse();
      batch.append(words, this.#at.batchEntries, count);
      to = doubles[this.#at.result / 2]!;
      items = doubles[this.#at.result / 2 + 1]!;
    }
    batch.size = to - start;
    return batch;
  }

  /** Neighbours in the log mostly share their topic and hosts: what lies in the core already is not copied again. */
  #stageEnvelope(bornHost: Uint8Array, storeHost: Uint8Array, topic: Uint8Array): void {
    const { bytes } = this.#memory;
    if (bornHost !== this.#bornHost) bytes.set(bornHost, this.#at.bornHostStage);
    if (storeHost !== this.#storeHost) bytes.set(storeHost, this.#at.storeHostStage);
    if (topic !== this.#topic) bytes.set(topic, this.#at.topicStage);
    this.#bornHost = bornHost;
    this.#storeHost = storeHost;
    this.#topic = topic;
  }

  /** Marks the last `length` bytes of a CommitLog file as unused: writes 8 bytes. */
  encodeBlank(into: Region, at: number, length: number): void {
    checkRange(into, at, 8);
    this.#wasm.encodeBlank(into.address + at, length);
  }

  /** The record at `at`, if its lengths add up within `limit`. No CRC is checked. */
  decodeRecord(region: Region, at: number, limit: number): DecodedRecord | undefined {
    const address = region.address + at;
    if (at < 0 || this.#wasm.decodeRecord(address, end(region, limit) - at) !== 0) return undefined;
    const { bytes, words, doubles } = this.#memory;
    const i32 = this.#at.result;
    const f64 = i32 / 2;
    const copy = (from: number, length: number) =>
      bytes.slice(address + words[i32 + from]!, address + words[i32 + from]! + words[i32 + length]!);
    const text = (from: number, length: number) =>
      this.#decoder.decode(
        bytes.subarray(address + words[i32 + from]!, address + words[i32 + from]! + words[i32 + length]!),
      );
    const tags = words[i32 + 22]!;
    return {
      size: words[i32 + 10]!,
      magic: words[i32 + 11]!,
      bodyCrc: words[i32 + 12]!,
      queueId: words[i32 + 13]!,
      flag: words[i32 + 14]!,
      queueOffset: doubles[f64]!,
      physicalOffset: doubles[f64 + 1]!,
      sysFlag: words[i32 + 15]!,
      bornTimestamp: doubles[f64 + 2]!,
      bornHost: copy(23, 17),
      storeTimestamp: doubles[f64 + 3]!,
      storeHost: copy(24, 18),
      reconsumeTimes: words[i32 + 16]!,
      preparedTransactionOffset: doubles[f64 + 4]!,
      body: copy(25, 19),
      topic: text(26, 20),
      properties: text(27, 21),
      tagsHigh: tags >> 31,
      tagsLow: tags,
    };
  }

  /**
   * What stands at `at`, whose place in the CommitLog is `physicalOffset`. Of several faults the first counts: magic, lengths, CRC,
   * offset. The CRC is that of the whole record when `__CRC32#` is its last property, else that of the body, and the properties
   * end in an entry then, if there are any.
   */
  checkRecord(region: Region, at: number, limit: number, physicalOffset: number): RecordState {
    if (at < 0) return "incomplete";
    return STATES[this.#wasm.checkRecord(region.address + at, end(region, limit) - at, physicalOffset)]!;
  }

  /**
   * Copies the record of `size` bytes at `at` to `to` as it goes to a client: checked as by checkRecord(), and without `__CRC32#`,
   * which guards it on the medium. The size of the copy, at most `size`; 0, and nothing copied, for anything but a valid record of
   * that size and, where a topic is given (not changed afterwards), of the message at `queueOffset` of that queue.
   */
  serveRecord(
    from: Region,
    at: number,
    physicalOffset: number,
    size: number,
    into: Region,
    to: number,
    topic?: Uint8Array,
    queueId = 0,
    queueOffset = 0,
  ): number {
    checkRange(from, at, size);
    checkRange(into, to, size);
    const { topicV2BytesMax } = this.#at;
    if (topic !== undefined && topic !== this.#topic) {
      if (topic.length > topicV2BytesMax) throw new RangeError(`serveRecord: a topic of ${topic.length} bytes`);
      this.#memory.bytes.set(topic, this.#at.topicStage);
      this.#topic = topic;
    }
    const served = this.#wasm.serveRecord(
      from.address + at,
      size,
      physicalOffset,
      size,
      into.address + to,
      topic?.length ?? anyMessage,
      queueId,
      queueOffset,
    );
    return Math.max(served, 0);
  }

  /** Where the properties of the record that serveRecord() copied last stand in the copy, from its start. */
  get servedPropertiesAt(): number {
    return this.#memory.words[this.#at.result]!;
  }

  get servedPropertiesLength(): number {
    return this.#memory.words[this.#at.result + 1]!;
  }

  /** When the record of `size` bytes at `at` was stored, by its own account: nothing of it is checked. NaN for what is too short for one. */
  storeTimestamp(region: Region, at: number, size: number): number {
    checkRange(region, at, size);
    return this.#wasm.storeTimestamp(region.address + at, size);
  }

  /** The i32 that stands at `at`: a record's first field. */
  recordSize(region: Region, at: number): number {
    checkRange(region, at, 4);
    return this.#wasm.recordSize(region.address + at);
  }

  /**
   * Walks records from `from`, whose place in the CommitLog is `physicalOffset`, each checked as by checkRecord(). Stops at `limit`,
   * at the first place that holds no valid record, or after 4096 of them. Reused result.
   */
  scanRecords(region: Region, from: number, limit: number, physicalOffset: number): Scan {
    const scan = this.#scan;
    if (from < 0) throw new RangeError(`scanRecords: from ${from}`);
    scan.count = this.#wasm.scanRecords(region.address, from, end(region, limit), physicalOffset);
    scan.stoppedAt = this.#memory.words[this.#at.result]!;
    scan.state = STATES[this.#memory.words[this.#at.result + 1]!]!;
    return scan;
  }

  /**
   * The first position from `from` on, below `limit`, where checkRecord() finds a valid record; -1 without one. `physicalOffset` is
   * that of `from`. For damage in the middle of a log: sixteen bytes of garbage cost about a nanosecond.
   */
  findRecord(region: Region, from: number, limit: number, physicalOffset: number): number {
    if (from < 0) throw new RangeError(`findRecord: from ${from}`);
    return this.#wasm.findRecord(region.address, from, end(region, limit), physicalOffset);
  }

  encodeUnit(into: Region, at: number, physicalOffset: number, size: number, tagsHigh: number, tagsLow: number): void {
    checkRange(into, at, this.unitSize);
    this.#wasm.encodeUnit(into.address + at, physicalOffset, size, tagsHigh, tagsLow);
  }

  /** Reused result. */
  decodeUnit(region: Region, at: number): Unit {
    checkRange(region, at, this.unitSize);
    this.#wasm.decodeUnit(region.address + at);
    const { words, doubles } = this.#memory;
    const unit = this.#unit;
    unit.physicalOffset = doubles[this.#at.result / 2]!;
    unit.size = words[this.#at.result + 2]!;
    unit.tagsHigh = words[this.#at.result + 3]!;
    unit.tagsLow = words[this.#at.result + 4]!;
    return unit;
  }

  /** Number of leading units with offset >= 0 and size > 0, as ConsumeQueue.recover counts them; pre-blank units are such. */
  scanUnits(region: Region, at: number, count: number): number {
    checkRange(region, at, count * this.unitSize);
    return this.#wasm.scanUnits(region.address + at, count);
  }

  /**
   * Indices, 0 to count-1, of the units whose tags code is the sign extension of one of `hashes` (at most 16384, else RangeError),
   * ascending. Pre-blank units never match. Reused result.
   */
  filterUnits(region: Region, at: number, count: number, hashes: Int32Array): { count: number; indices: Int32Array } {
    checkRange(region, at, count * this.unitSize);
    const { filterHashes, filterHashesMax, filterIndices, filterUnitsMax } = this.#at;
    if (hashes.length > filterHashesMax) throw new RangeError(`filterUnits: ${hashes.length} hashes`);
    const { words } = this.#memory;
    words.set(hashes, filterHashes);
    if (hashes.length > 1) words.subarray(filterHashes, filterHashes + hashes.length).sort();
    const filtered = this.#filtered;
    if (filtered.indices.length < count) filtered.indices = new Int32Array(count);
    filtered.count = 0;
    for (let base = 0; base < count; base += filterUnitsMax) {
      const units = Math.min(count - base, filterUnitsMax);
      const found = this.#wasm.filterUnits(region.address + at + base * this.unitSize, units, hashes.length, base);
      filtered.indices.set(words.subarray(filterIndices, filterIndices + found), filtered.count);
      filtered.count += found;
    }
    return filtered;
  }

  /**
   * Indices of the units, of at most 65536, whose tags code is one bit away from the sign extension of one of `hashes`, and equal to none
   * nor to another unit's: what a bit that turned makes of a unit that would match.
   */
  nearUnits(region: Region, at: number, count: number, hashes: Int32Array): Int32Array {
    checkRange(region, at, count * this.unitSize);
    const { filterHashes, filterHashesMax, filterIndices, filterUnitsMax } = this.#at;
    if (hashes.length > filterHashesMax || count > filterUnitsMax) {
      throw new RangeError(`nearUnits: ${hashes.length} hashes, ${count} units`);
    }
    const { words } = this.#memory;
    words.set(hashes, filterHashes);
    const found = this.#wasm.nearUnits(region.address + at, count, hashes.length);
    return words.slice(filterIndices, filterIndices + found);
  }

  #sizeMax(bodyAt: number, { body, topic, properties, moreProperties }: RecordToEncode): number {
    const { propertiesBytesMax, crcPropertyBytes } = this.#at;
    const more = moreProperties === undefined ? 0 : 1 + moreProperties.length;
    const propertiesBytes = (typeof properties === "string" ? properties.length * 3 : properties.length) + more;
    return (
      bodyAt +
      body.length +
      (2 + topic.length) +
      (2 + Math.min(propertiesBytes + 1 + crcPropertyBytes, propertiesBytesMax))
    );
  }

  #bodyAt(bornHostLength: number, storeHostLength: number): number {
    if (bornHostLength === 8 && storeHostLength === 8) return this.#at.bodyV4V4;
    checkHostLength(bornHostLength);
    checkHostLength(storeHostLength);
    return this.#wasm.bodyAt(bornHostLength, storeHostLength);
  }

  /** Copies properties to where the core takes them from; their length in bytes, or -1 when too long for any record. */
  #stageProperties({ properties, moreProperties }: RecordToEncode): number {
    const { propertiesBytesMax } = this.#at;
    if (properties.length > propertiesBytesMax) return -1;
    const stage = this.#stage;
    let length = properties.length;
    if (typeof properties === "string") length = this.#encoder.encodeInto(properties, stage).written;
    else stage.set(properties);
    if (moreProperties === undefined) return length;
    if (length + 1 + moreProperties.length > propertiesBytesMax) return -1;
    if (length > 0 && stage[length - 1] !== entryEnd) stage[length++] = entryEnd;
    stage.set(moreProperties, length);
    return length + moreProperties.length;
  }

  #makeStage(): void {
    const { propertiesStage, propertiesStageBytes } = this.#at;
    this.#stage = this.#memory.bytes.subarray(propertiesStage, propertiesStage + propertiesStageBytes);
  }
}

/** In the order of the numbers that assembly/commit-log/record.ts gives them. */
const STATES: readonly RecordState[] = [
  "valid",
  "blank",
  "incomplete",
  "bad-magic",
  "bad-length",
  "bad-crc",
  "wrong-offset",
];

/** In the place of a topic's length: a record of whichever message. */
const anyMessage = -1;

/** Ends an entry of properties. */
const entryEnd = 2;

const BATCH_ITEM_BYTES_MIN = 22;

/** Sizes and tags codes of a batch's records; grows to the largest batch seen. */
class BatchTable implements EncodedBatch {
  count = 0;
  size = 0;
  #entries = new Int32Array(256);

  clear(): void {
    this.count = 0;
    this.size = 0;
  }

  refuse(): this {
    this.count = -1;
    this.size = 0;
    return this;
  }

  append(words: Int32Array, from: number, count: number): void {
    const needed = 2 * (this.count + count);
    if (needed > this.#entries.length) {
      const entries = new Int32Array(2 * needed);
      entries.set(this.#entries);
      this.#entries = entries;
    }
    this.#entries.set(words.subarray(from, from + 2 * count), 2 * this.count);
    this.count += count;
  }

  sizeOf(index: number): number {
    return this.#entry(index, 0);
  }

  tagsHighOf(index: number): number {
    return this.#entry(index, 1) >> 31;
  }

  tagsLowOf(index: number): number {
    return this.#entry(index, 1);
  }

  #entry(index: number, field: number): number {
    if (index < 0 || index >= this.count) throw new RangeError(`batch record ${index} of ${this.count}`);
    return this.#entries[2 * index + field]!;
  }
}

/** Where things are in the core's memory and in a record, read from the core once. */
type Places = ReturnType<typeof places>;

function places(wasm: CoreExports) {
  const number = (global: WebAssembly.Global): number => global.value;
  return {
    /** As indices of 32-bit words. */
    result: number(wasm.result) / 4,
    batchEntries: number(wasm.batchEntries) / 4,
    filterHashes: number(wasm.filterHashes) / 4,
    filterIndices: number(wasm.filterIndices) / 4,
    /** As addresses. */
    window: number(wasm.window),
    propertiesStage: number(wasm.propertiesStage),
    bornHostStage: number(wasm.bornHostStage),
    storeHostStage: number(wasm.storeHostStage),
    topicStage: number(wasm.topicStage),
    /** From a record's first byte. */
    bodyV4V4: wasm.bodyAt(8, 8),
    /** Bounds. */
    windowBytes: number(wasm.windowBytes),
    propertiesStageBytes: number(wasm.propertiesStageBytes),
    topicV2BytesMax: number(wasm.topicV2BytesMax),
    propertiesBytesMax: number(wasm.propertiesBytesMax),
    crcPropertyBytes: number(wasm.crcPropertyBytes),
    filterHashesMax: number(wasm.filterHashesMax),
    filterUnitsMax: number(wasm.filterUnitsMax),
  };
}

function end(region: Region, limit: number): number {
  return Math.min(limit, region.byteLength);
}

function checkRange(region: Region, at: number, length: number): void {
  if (at < 0 || length < 0 || at + length > region.byteLength) {
    throw new RangeError(`${length} bytes at ${at} of ${region.byteLength}`);
  }
}

function checkHostLength(length: number): void {
  if (length !== 8 && length !== 20) throw new RangeError(`a host of ${length} bytes, not 8 or 20`);
}

function refuse(encoded: Encoded): Encoded {
  encoded.size = -1;
  encoded.tagsHigh = 0;
  encoded.tagsLow = 0;
  return encoded;
}

function abort(): never {
  throw new Error("the core aborted");
}
