import type { FileStat } from "../../ports/log-storage.ts";
import { blankUnitSize } from "../consume-queue.ts";
import type { StoreContext } from "../context.ts";
import { fileNameOffset, offsetFileName } from "../file-name.ts";

/** A unit as it stands in a file; the view is the cursor's until it reads on. */
export interface StoredUnit {
  readonly physicalOffset: number;
  readonly size: number;
  readonly tagsHigh: number;
  readonly tagsLow: number;
  /** Nothing but zeros: no unit was ever written. */
  readonly isZero: boolean;
  readonly isBlank: boolean;
}

/** The units of one ConsumeQueue in order, a piece of its files at a time. Queue offsets count units. */
export class QueueCursor {
  readonly topic: string;
  readonly queueId: number;
  /** Where the queue's files begin and end. */
  readonly start: number;
  readonly end: number;
  /** The first unit that nothing is known of yet. */
  next: number;
  /** Records of the queue that were seen, and where the last of them stands. */
  records = 0;
  lastPhysicalOffset = -1;
  readonly #context: Pick<StoreContext, "core" | "storage" | "unitWindow">;
  readonly #folder: string;
  readonly #fileBytes: number;
  readonly #lastFileDataBytes: number;
  #buffer = new Uint8Array(0);
  #bufferStart = 0;
  #bufferBytes = 0;

  /** `files` are the queue's, without a gap between them. */
  constructor(
    context: Pick<StoreContext, "core" | "storage" | "unitWindow" | "options">,
    topic: string,
    queueId: number,
    files: readonly FileStat[],
  ) {
    this.#context = context;
    this.topic = topic;
    this.queueId = queueId;
    this.#folder = `consumequeue/${topic}/${queueId}`;
    this.#fileBytes = context.options.mappedFileSizeConsumeQueue;
    const { unitSize } = context.core;
    const starts = files.map(({ name }) => fileNameOffset(name)!);
    this.start = (starts[0] ?? 0) / unitSize;
    this.end = starts.length === 0 ? 0 : (starts.at(-1)! + this.#fileBytes) / unitSize;
    this.next = this.start;
    this.#lastFileDataBytes = files.at(-1)?.dataBytesMax ?? 0;
  }

  get hasFiles(): boolean {
    return this.end > this.start;
  }

  /** Where a unit stands. */
  place(offset: number): { file: string; offset: number } {
    const at = offset * this.#context.core.unitSize;
    const within = at % this.#fileBytes;
    return { file: offsetFileName(this.#folder, at - within), offset: within };
  }

  /** Whether the files hold the unit at `offset` of the queue. */
  has(offset: number): boolean {
    return offset >= this.start && offset < this.end;
  }

  /** Brings in the piece that begins with a unit, unless it is there. */
  async load(offset: number, bytesMax: number): Promise<void> {
    const { core, storage } = this.#context;
    if (this.#at(offset) !== undefined) return;
    const { file, offset: within } = this.place(offset);
    const units = Math.max(1, Math.floor(Math.min(bytesMax, this.#fileBytes - within) / core.unitSize));
    if (this.#buffer.length < units * core.unitSize) this.#buffer = new Uint8Array(units * core.unitSize);
    const into = this.#buffer.subarray(0, units * core.unitSize);
    const read = storage.readNow(file, within, into) ?? (await storage.read(file, within, into));
    if (read < into.length) this.#buffer.fill(0, read);
    this.#bufferStart = offset;
    this.#bufferBytes = into.length;
  }

  isLoaded(offset: number): boolean {
    return this.#at(offset) !== undefined;
  }

  /** The last unit of the files, found by halving: their units come without a gap. */
  async last(bytesMax: number): Promise<StoredUnit | undefined> {
    const { unitSize } = this.#context.core;
    const unitsPerFile = this.#fileBytes / unitSize;
    for (let fileEnd = this.end; fileEnd > this.start; fileEnd -= unitsPerFile) {
      let low = fileEnd - unitsPerFile;
      let high = fileEnd;
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        await this.load(middle, bytesMax);
        if (this.unit(middle).isZero) high = middle;
        else low = middle + 1;
      }
      if (low > fileEnd - unitsPerFile) {
        await this.load(low - 1, bytesMax);
        return this.unit(low - 1);
      }
    }
    return undefined;
  }

  /** Whether the loaded unit at `offset` has exactly the bytes that `unit` begins with. */
  equals(offset: number, unit: Uint8Array): boolean {
    const at = this.#at(offset)!;
    const { unitSize } = this.#context.core;
    for (let i = 0; i < unitSize; i++) if (this.#buffer[at + i] !== unit[i]) return false;
    return true;
  }

  /** The loaded unit at `offset`. */
  unit(offset: number): StoredUnit {
    const { core, unitWindow } = this.#context;
    const at = this.#at(offset)!;
    const bytes = this.#buffer.subarray(at, at + core.unitSize);
    unitWindow.bytes.set(bytes);
    const unit = core.decodeUnit(unitWindow, 0);
    return { ...unit, isZero: bytes.every((byte) => byte === 0), isBlank: unit.size === blankUnitSize };
  }

  /** From this unit on the files hold nothing but zeros, as the host tells: what is allocated is so from a file's begin on. */
  get dataEnd(): number {
    const { unitSize } = this.#context.core;
    const lastFile = this.end * unitSize - this.#fileBytes;
    return Math.ceil((lastFile + Math.min(this.#fileBytes, this.#lastFileDataBytes + slackBytes)) / unitSize);
  }

  #at(offset: number): number | undefined {
    const { unitSize } = this.#context.core;
    const at = (offset - this.#bufferStart) * unitSize;
    return at >= 0 && at + unitSize <= this.#bufferBytes ? at : undefined;
  }
}

/** Blocks of a file system, and a little. */
const slackBytes = 8 * 1024;
