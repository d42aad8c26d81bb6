import type { IndexHeader } from "../core/core.ts";
import { queryBlocksMax, queryBytesMax, queryRecordsMax } from "../limits.ts";
import { encodeUtf8 } from "../ports/text.ts";
import type { StoreContext } from "./context.ts";
import type { IndexFile } from "./index-file.ts";
import type { IndexService } from "./index-service.ts";
import type { Reader } from "./reader.ts";

/** Kinds of keys, as clients name them (MessageConst.INDEX_KEY_TYPE, INDEX_UNIQUE_TYPE, INDEX_TAG_TYPE); KEYS and unique keys are found alike. */
export type KeyType = "K" | "U" | "T";

export interface QueryResult {
  readonly messages: number;
  /** In the order of the CommitLog, one behind the other, as a client gets them. */
  readonly records: Uint8Array;
  /** Of the last message that is indexed, its store time and where it stands; 0 where nothing was found. */
  readonly indexLastUpdateTimestamp: number;
  readonly indexLastUpdatePhyoffset: number;
}

const nothing: QueryResult = {
  messages: 0,
  records: new Uint8Array(0),
  indexLastUpdateTimestamp: 0,
  indexLastUpdatePhyoffset: 0,
};

/** The messages of a topic that have a key and were stored within [beginMs, endMs]: the newest `messagesMax` of them. */
export interface Query {
  readonly topic: string;
  readonly key: string;
  readonly type: KeyType;
  readonly messagesMax: number;
  readonly beginMs: number;
  readonly endMs: number;
}

/** What a search is told of a record that it found: whether it may go on, and how the record lies to the time that is asked for. */
type Taken = "more" | "enough" | "too-new" | "too-old";

/** How a search reaches what it finds. */
interface Search {
  readonly take: (physicalOffset: number) => Promise<Taken>;
  /** When the record there was stored; undefined if none can be read. */
  readonly timeAt: (physicalOffset: number) => Promise<number | undefined>;
  /** Lets others have their turn: called again and again, it does so now and then. */
  readonly breathe: () => void | Promise<void>;
}

/**
 * Finds messages by key (DefaultMessageStore.queryMessage). What the index says is held against the record: topic, key and store time are
 * the record's own, and one that two entries lead to is found once. `pause` ends when others have had their turn.
 */
export async function queryByKey(
  context: StoreContext,
  index: IndexService | undefined,
  reader: Reader,
  { topic, key, type, messagesMax, beginMs, endMs }: Query,
  isKept: (physicalOffset: number) => boolean,
  pause: () => Promise<void>,
): Promise<QueryResult> {
  const { core, recordWindow, telemetry } = context;
  const isTag = type === "T";
  const topicBytes = encodeUtf8(topic);
  const keyBytes = encodeUtf8(key);
  const last = index?.files.at(-1)?.header;
  if (index === undefined || last === undefined || messagesMax <= 0) return nothing;
  if (topicBytes.length + keyBytes.length > queriedNameBytesMax) return nothing;
  const found = new Map<number, Uint8Array>();
  const seen = new Set<number>();
  let bytes = 0;
  let steps = 0;
  const search: Search = {
    async take(physicalOffset) {
      if (seen.has(physicalOffset) || !isKept(physicalOffset)) return "more";
      if (seen.size >= queryRecordsMax) return "enough";
      seen.add(physicalOffset);
      await search.breathe();
      const record = await reader.rawRecordAt(physicalOffset);
      if (record === undefined) return "more";
      recordWindow.bytes.set(record);
      const storeTime = core.index.storeTimeIfHas(recordWindow, 0, record.length, topicBytes, keyBytes, isTag);
      if (storeTime === undefined) return "more";
      if (storeTime > endMs) return "too-new";
      if (storeTime < beginMs) return "too-old";
      if (found.size > 0 && bytes + record.length > queryBytesMax) return "enough";
      found.set(physicalOffset, record);
      bytes += record.length;
      return found.size < messagesMax ? "more" : "enough";
    },
    async timeAt(physicalOffset) {
      return isKept(physicalOffset) ? (await reader.recordAt(physicalOffset))?.storeTimestamp : undefined;
    },
    breathe() {
      return ++steps % stepsAtOnce === 0 ? pause() : undefined;
    },
  };
  const keyHash = core.index.keyHash(topicBytes, keyBytes, isTag);
  const isWhole = await searchIndex(context, index, { keyHash, beginMs, endMs }, search);
  if (!isWhole || seen.size >= queryRecordsMax) {
    telemetry.log("warn", "a query by key was cut short", { topic, found: found.size, recordsLookedAt: seen.size });
  }
  if (found.size === 0) return nothing;
  const records = new Uint8Array(bytes);
  let at = 0;
  for (const [, record] of [...found].sort(([a], [b]) => a - b)) {
    records.set(record, at);
    at += record.length;
  }
  return {
    messages: found.size,
    records,
    indexLastUpdateTimestamp: last.endTimestamp,
    indexLastUpdatePhyoffset: last.endPhyOffset,
  };
}

/** No record can have longer ones: properties have 32,767 bytes. */
const queriedNameBytesMax = 60_000;

/** Records, or blocks of entries, that are looked at before others have their turn: each takes some 10 us where the system has it. */
const stepsAtOnce = 16;

/** A chain is read in blocks of so many entries where it is sparse; of twice as many each time where it is dense. */
const blockEntriesMin = 128;

/** What is looked for: the records of a key that were stored within [beginMs, endMs]. */
interface KeyAndTime {
  readonly keyHash: number;
  readonly beginMs: number;
  readonly endMs: number;
}

/**
 * Finds where in the CommitLog records with a key may stand, newest first (IndexService.queryOffset): the index has hashes, times to the
 * second, and perhaps damage. False if the search was cut short.
 */
async function searchIndex(
  context: StoreContext,
  index: IndexService,
  wanted: KeyAndTime,
  search: Search,
): Promise<boolean> {
  const budget = { blocks: queryBlocksMax };
  for (const file of index.files.toReversed()) {
    const { header } = file;
    if (header.indexCount === 1 || header.beginTimestamp > wanted.endMs || header.endTimestamp < wanted.beginMs)
      continue;
    const inFile = new FileSearch(context, file, header, wanted, budget, search);
    const outcome = await inFile.chain();
    if (outcome === "enough") return true;
    if (outcome === "damaged") {
      index.tellDamaged(file);
      if ((await inFile.all()) === "enough") return true;
    }
    if (budget.blocks <= 0) return false;
  }
  return true;
}

type Outcome = "enough" | "ended" | "damaged";

/** The search through one file, as long as its header was when it began. */
class FileSearch {
  readonly #context: StoreContext;
  readonly #file: IndexFile;
  readonly #header: IndexHeader;
  readonly #endMs: number;
  readonly #wanted: { keyHash: number; slots: number; fromSeconds: number; toSeconds: number };
  readonly #budget: { blocks: number };
  readonly #search: Search;
  /** Records behind it were stored too late; undefined until that is found out. */
  #offsetMax: number | undefined;

  constructor(
    context: StoreContext,
    file: IndexFile,
    header: IndexHeader,
    { keyHash, beginMs, endMs }: KeyAndTime,
    budget: { blocks: number },
    search: Search,
  ) {
    this.#context = context;
    this.#file = file;
    this.#header = header;
    this.#endMs = endMs;
    this.#budget = budget;
    this.#search = search;
    const seconds = (ms: number): number =>
      Math.max(-1, Math.min(0x7fffffff, Math.floor((ms - header.beginTimestamp) / 1000)));
    this.#wanted = {
      keyHash,
      slots: context.options.maxHashSlotNum,
      fromSeconds: seconds(beginMs),
      toSeconds: seconds(endMs),
    };
  }

  /** By the chain of the key's slot. */
  async chain(): Promise<Outcome> {
    const { core, indexWindow } = this.#context;
    let next = await this.#file.newest(this.#wanted.keyHash);
    if (next < 0 || next >= this.#header.indexCount) return "damaged";
    let entries = blockEntriesMin;
    while (next > 0) {
      if (--this.#budget.blocks < 0) return "ended";
      await this.#search.breathe();
      const first = Math.max(1, next - entries + 1);
      const bytes = await this.#file.entries(first, next - first + 1);
      indexWindow.bytes.set(bytes);
      const found = core.index.followChain(indexWindow, first, next, this.#wanted);
      const { isDamaged } = found;
      next = found.next;
      const outcome = await this.#take(found.offsets.slice(0, found.count));
      if (outcome !== undefined) return outcome;
      if (isDamaged) return "damaged";
      const isDense = first - next < entries;
      entries = isDense ? Math.min(2 * entries, this.#entriesMax) : blockEntriesMin;
    }
    return "ended";
  }

  /** By a look at every entry. */
  async all(): Promise<Outcome> {
    const { core, indexWindow } = this.#context;
    for (let end = this.#header.indexCount; end > 1; ) {
      if (--this.#budget.blocks < 0) return "ended";
      await this.#search.breathe();
      const count = Math.min(this.#entriesMax, end - 1);
      end -= count;
      const bytes = await this.#file.entries(end, count);
      indexWindow.bytes.set(bytes);
      const found = core.index.findEntries(indexWindow, end, count, this.#wanted);
      const outcome = await this.#take(found.offsets.slice(0, found.count));
      if (outcome !== undefined) return outcome;
    }
    return "ended";
  }

  get #entriesMax(): number {
    const { core, indexWindow } = this.#context;
    return Math.floor(indexWindow.byteLength / core.index.entryBytes);
  }

  /** Records are in the order of their times: one that is too old is followed by none that is not, as Apache has it too. */
  async #take(offsets: Float64Array): Promise<Outcome | undefined> {
    for (const offset of offsets) {
      if (this.#offsetMax !== undefined && offset > this.#offsetMax) continue;
      const taken = await this.#search.take(offset);
      if (taken === "enough") return "enough";
      if (taken === "too-old") return "ended";
      if (taken === "too-new") this.#offsetMax ??= await this.#lastInTime();
    }
    return undefined;
  }

  /**
   * Where the last record stands that was stored early enough. Entries have seconds, of which there are many records: looking at each that
   * may be too new would take as long as there are.
   */
  async #lastInTime(): Promise<number> {
    const { core, indexWindow } = this.#context;
    let last = -1;
    for (let low = 1, high = this.#header.indexCount; low < high; ) {
      const middle = Math.floor((low + high) / 2);
      const bytes = await this.#file.entries(middle, 1);
      indexWindow.bytes.set(bytes);
      const { physicalOffset, seconds } = core.index.decodeEntry(indexWindow, 0);
      const after = middle === 1 ? 0 : seconds;
      let isInTime = after < this.#wanted.toSeconds;
      if (after === this.#wanted.toSeconds) {
        const time = await this.#search.timeAt(physicalOffset);
        // Damage: the records are looked at one by one.
        if (time === undefined) return Number.POSITIVE_INFINITY;
        isInTime = time <= this.#endMs;
      }
      if (isInTime) {
        last = physicalOffset;
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return last;
  }
}
