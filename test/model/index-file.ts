import { hashCodeModel } from "./java-string.ts";
import { parsePropertiesModel } from "./properties.ts";

/** What an IndexFile is told of a record (DispatchRequest). */
export interface IndexedRecord {
  readonly topic: string;
  readonly properties: string;
  readonly sysFlag: number;
  readonly physicalOffset: number;
  readonly storeTimestamp: number;
}

/** The keys of a record as IndexService.buildIndex of 5.5.0 makes them. */
export function indexKeysModel({ topic, properties, sysFlag }: IndexedRecord): string[] {
  if ((sysFlag & 0xc) === 0xc) return [];
  const values = parsePropertiesModel(properties);
  const keys: string[] = [];
  const uniqueKey = values.get("UNIQ_KEY");
  if (uniqueKey !== undefined) keys.push(`${topic}#${uniqueKey}`);
  for (const key of (values.get("KEYS") ?? "").split(" ")) if (key.length > 0) keys.push(`${topic}#${key}`);
  const tags = values.get("TAGS");
  if (tags !== undefined) keys.push(`${topic}#T#${tags}`);
  return keys;
}

/** IndexFile.indexKeyHashMethod. */
export function indexHashModel(key: string): number {
  const hash = Math.abs(hashCodeModel(key));
  return hash === 2 ** 31 ? 0 : hash;
}

/** One IndexFile, byte by byte as IndexFile.putKey writes it. */
export class IndexFileModel {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #slots: number;
  readonly #entries: number;
  #beginTimestamp = 0n;
  #count = 1;
  #slotCount = 0;

  constructor(slots: number, entries: number, before?: IndexFileModel) {
    this.#slots = slots;
    this.#entries = entries;
    this.bytes = new Uint8Array(40 + 4 * slots + 20 * entries);
    this.#view = new DataView(this.bytes.buffer);
    if (before === undefined) return;
    const end = before.#view.getBigInt64(8);
    const endOffset = before.#view.getBigInt64(24);
    this.#beginTimestamp = end;
    this.#view.setBigInt64(0, end);
    this.#view.setBigInt64(8, end);
    this.#view.setBigInt64(16, endOffset);
    this.#view.setBigInt64(24, endOffset);
  }

  get count(): number {
    return this.#count;
  }

  /** False if it is full. */
  put(key: string, physicalOffset: number, storeTimestamp: number): boolean {
    if (this.#count >= this.#entries) return false;
    const view = this.#view;
    const hash = indexHashModel(key);
    const slotAt = 40 + 4 * (hash % this.#slots);
    const previous = view.getInt32(slotAt);
    let seconds = (BigInt(storeTimestamp) - this.#beginTimestamp) / 1000n;
    if (this.#beginTimestamp <= 0n || seconds < 0n) seconds = 0n;
    if (seconds > 0x7fffffffn) seconds = 0x7fffffffn;
    const at = 40 + 4 * this.#slots + 20 * this.#count;
    view.setInt32(at, hash);
    view.setBigInt64(at + 4, BigInt(physicalOffset));
    view.setInt32(at + 12, Number(seconds));
    view.setInt32(at + 16, previous);
    view.setInt32(slotAt, this.#count);
    if (this.#count === 1) {
      this.#beginTimestamp = BigInt(storeTimestamp);
      view.setBigInt64(0, this.#beginTimestamp);
      view.setBigInt64(16, BigInt(physicalOffset));
    }
    if (previous === 0) this.#slotCount++;
    this.#count++;
    view.setBigInt64(8, BigInt(storeTimestamp));
    view.setBigInt64(24, BigInt(physicalOffset));
    view.setInt32(32, this.#slotCount);
    view.setInt32(36, this.#count);
    return true;
  }
}

/** All of a store's IndexFiles (IndexService). */
export class IndexModel {
  readonly files: IndexFileModel[] = [];
  readonly #slots: number;
  readonly #entries: number;

  constructor(slots: number, entries: number) {
    this.#slots = slots;
    this.#entries = entries;
  }

  put(record: IndexedRecord): void {
    for (const key of indexKeysModel(record)) {
      let file = this.files.at(-1);
      if (file?.put(key, record.physicalOffset, record.storeTimestamp) === true) continue;
      file = new IndexFileModel(this.#slots, this.#entries, file);
      this.files.push(file);
      file.put(key, record.physicalOffset, record.storeTimestamp);
    }
  }
}
