import type { DecodedRecord } from "../core/core.ts";
import { lostMessagesKnownMax } from "../limits.ts";
import type { BatchConsumeQueue } from "./batch-consume-queue.ts";
import { blankUnitSize, ConsumeQueue, isBesideMainQueue } from "./consume-queue.ts";
import type { StoreContext } from "./context.ts";
import { type Dispatched, Dispatcher } from "./dispatcher.ts";
import { messagesIn } from "./inner-batch.ts";
import type { Queue } from "./queue.ts";
import type { Segments } from "./segments.ts";

/** Units looked at on either side for one that leads to its message. */
const neighboursMax = 16;

/** What is read at a time, unless a record takes more. */
const pieceBytes = 256 * 1024;

type HealedQueue = ConsumeQueue | BatchConsumeQueue;

interface Found {
  readonly physicalOffset: number;
  readonly size: number;
}

/**
 * What becomes of a unit that does not lead to its message: the message is looked for in the CommitLog between those of the units beside it,
 * and the unit put right. What is not there is lost, and remembered as such, so that it is looked for and told of once.
 */
export class UnitHealer {
  readonly #context: StoreContext;
  readonly #segments: Segments;
  readonly #logEnd: () => number;
  readonly #dispatcher: Dispatcher;
  readonly #lost = new Set<string>();
  readonly #proved = new Set<string>();
  /** One search at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  /** `logEnd` tells where the visible part of the CommitLog ends. */
  constructor(context: StoreContext, segments: Segments, logEnd: () => number) {
    this.#context = context;
    this.#segments = segments;
    this.#logEnd = logEnd;
    this.#dispatcher = new Dispatcher(context.options);
  }

  /** Whether the unit leads to its message now. Never rejects: what can't be read can't be served. */
  heal(queue: HealedQueue, offset: number): Promise<boolean> {
    const key = keyOf(queue, offset);
    if (this.#lost.has(key) || isBesideMainQueue(queue.topic)) return Promise.resolve(false);
    const healed = this.#turn.then(async () => {
      if (this.#lost.has(key)) return false;
      const outcome = await (queue instanceof ConsumeQueue
        ? this.#heal(queue, offset)
        : this.#healBatch(queue, offset));
      if (outcome === "lost") remember(this.#lost, key);
      return outcome === "healed";
    });
    const told = healed.catch((error) => {
      this.#context.telemetry.log("error", "a unit of a ConsumeQueue could not be put right", { error: String(error) });
      return false;
    });
    this.#turn = told;
    return told;
  }

  /** Whether `prove` has looked at a unit. */
  isProved(queue: Queue, offset: number): boolean {
    return this.#proved.has(keyOf(queue, offset));
  }

  /** Compares a unit's tags code with its record's, and puts it right: whoever filters does not read what does not match. Never rejects. */
  async prove(queue: HealedQueue, offset: number): Promise<void> {
    remember(this.#proved, keyOf(queue, offset));
    const { telemetry } = this.#context;
    try {
      const unit = await queue.unitAt(offset);
      if (unit === undefined) return;
      const { physicalOffset, tagsHigh, tagsLow } = unit;
      const record = await this.#search(queue, offset, physicalOffset, physicalOffset + 1);
      if (record === undefined || (record.tagsHigh === tagsHigh && record.tagsLow === tagsLow)) return;
      await queue.correct(offset, record.physicalOffset, record.size, record.tagsHigh, record.tagsLow);
      const { topic, queueId } = queue;
      telemetry.log("warn", "a unit of a ConsumeQueue was wrong and is put right", { topic, queueId, offset });
    } catch (error) {
      telemetry.log("error", "a unit of a ConsumeQueue could not be put right", { error: String(error) });
    }
  }

  /** "sound": there was nothing to put right. */
  async #heal(queue: ConsumeQueue, offset: number): Promise<"healed" | "sound" | "lost"> {
    const { telemetry } = this.#context;
    const { topic, queueId } = queue;
    const unit = await queue.unitAt(offset);
    const [before, after] = [await queue.unitAt(offset - 1), await queue.unitAt(offset + 1)];
    if (unit === undefined) return "lost";
    const said = unit.physicalOffset;
    const twin = [before, after].find((neighbour) => neighbour?.physicalOffset === said);
    let record = twin?.size === unit.size ? undefined : await this.#search(queue, offset, said, said + 1);
    if (record === undefined && twin !== undefined) {
      // It repeats a neighbour: that is how a queue says that the message is lost. Or it is the one repeated, and its record is damaged.
      const isKnown = unit.size === blankUnitSize || said < this.#segments.minOffset;
      // All that lead to it tell of it once.
      const key = String(said);
      if (isKnown || this.#lost.has(key) || (await this.#recordAt(unit)) !== undefined) return "lost";
      remember(this.#lost, key);
      telemetry.log("error", "a damaged record is not served", { topic, queueId, offset, physicalOffset: said });
      return "lost";
    }
    if (record === undefined) {
      const from = await this.#neighbour(queue, offset, -1);
      const to = await this.#neighbour(queue, offset, 1);
      const begin = from === undefined ? this.#segments.minOffset : from.physicalOffset + from.size;
      record = await this.#search(queue, offset, begin, to?.physicalOffset ?? this.#logEnd());
    }
    if (record === undefined) {
      // One that was deleted a moment ago, before its queue hears of it, is not damaged.
      if (said < this.#segments.minOffset) return "lost";
      telemetry.log("error", "a damaged record is not served", { topic, queueId, offset, physicalOffset: said });
      return "lost";
    }
    if (record.physicalOffset === said && record.size === unit.size) return "sound";
    await queue.correct(offset, record.physicalOffset, record.size, record.tagsHigh, record.tagsLow);
    telemetry.log("warn", "a unit of a ConsumeQueue was wrong and is put right", { topic, queueId, offset });
    return "healed";
  }

  /** The same for the unit of a batch in one record, by its first offset. Which offsets it says it has only recovery can prove. */
  async #healBatch(queue: BatchConsumeQueue, offset: number): Promise<"healed" | "sound" | "lost"> {
    const { telemetry } = this.#context;
    const { topic, queueId } = queue;
    const unit = await queue.unitAt(offset);
    if (unit === undefined) return "lost";
    const before = await queue.unitAt(offset - 1);
    const after = await queue.unitAt(offset + unit.messages);
    const begin = before === undefined ? this.#segments.minOffset : before.physicalOffset + before.size;
    const record = await this.#search(queue, offset, begin, after?.physicalOffset ?? this.#logEnd());
    if (record === undefined) {
      if (unit.physicalOffset >= this.#segments.minOffset) {
        const said = { topic, queueId, offset, physicalOffset: unit.physicalOffset };
        telemetry.log("error", "a damaged record is not served", said);
      }
      return "lost";
    }
    if (record.physicalOffset === unit.physicalOffset && record.size === unit.size) return "sound";
    await queue.correct(offset, record.physicalOffset, record.size, record.tagsHigh, record.tagsLow);
    telemetry.log("warn", "a unit of a ConsumeQueue was wrong and is put right", { topic, queueId, offset });
    return "healed";
  }

  /** The nearest message, before or behind an offset, that its unit leads to. */
  async #neighbour(queue: ConsumeQueue, offset: number, step: 1 | -1): Promise<Found | undefined> {
    for (let i = 1; i <= neighboursMax; i++) {
      const at = offset + i * step;
      if (at < queue.minOffset || at >= queue.maxOffset) return undefined;
      const unit = await queue.unitAt(at);
      if (unit !== undefined && (await this.#isMessage(queue, at, unit))) return unit;
    }
    return undefined;
  }

  async #isMessage(queue: ConsumeQueue, offset: number, found: Found): Promise<boolean> {
    const record = await this.#recordAt(found);
    return record !== undefined && isMessageOf(record, queue, offset);
  }

  /** The valid record that stands there. */
  async #recordAt({ physicalOffset, size }: Found): Promise<DecodedRecord | undefined> {
    const { core, recordWindow } = this.#context;
    if (!Number.isSafeInteger(physicalOffset) || size <= 0 || size > recordWindow.byteLength) return undefined;
    const bytes = new Uint8Array(size);
    const read = await this.#segments.read(physicalOffset, bytes);
    recordWindow.bytes.set(bytes.subarray(0, read));
    const isValid = core.checkRecord(recordWindow, 0, read, physicalOffset) === "valid";
    return isValid ? core.decodeRecord(recordWindow, 0, read) : undefined;
  }

  /** Looks for the message among the records that begin in [from, to), and over what is damaged between them. */
  async #search(queue: HealedQueue, offset: number, from: number, to: number): Promise<Dispatched | undefined> {
    const { core, recordWindow } = this.#context;
    let wanted = pieceBytes;
    for (let at = from; at < to; ) {
      const segment = Number.isSafeInteger(at) ? this.#segments.holding(at) : undefined;
      if (segment === undefined) return undefined;
      const fileEnd = segment.startOffset + this.#segments.fileSize;
      const bytes = new Uint8Array(Math.min(wanted, recordWindow.byteLength, fileEnd - at));
      const read = await this.#segments.read(at, bytes);
      recordWindow.bytes.set(bytes.subarray(0, read));
      const scan = core.scanRecords(recordWindow, 0, read, at);
      for (let i = 0; i < scan.count && at + scan.at(i) < to; i++) {
        if (scan.queueOffset(i) !== offset || scan.queueId(i) !== queue.queueId) continue;
        const record = this.#dispatcher.place(scan, i, at, recordWindow);
        if (typeof record === "object" && record.topic === queue.topic) return record;
      }
      const { state, stoppedAt } = scan;
      const isWhole = bytes.length < wanted || wanted >= recordWindow.byteLength;
      if (state === "blank") {
        at = fileEnd;
      } else if (state === "valid" || (state === "incomplete" && stoppedAt > 0)) {
        at += stoppedAt;
        wanted = pieceBytes;
      } else if (!isWhole) {
        at += stoppedAt;
        wanted = recordWindow.byteLength;
      } else {
        const next = core.findRecord(recordWindow, stoppedAt + 1, read, at + stoppedAt + 1);
        at += next >= 0 ? next : Math.max(stoppedAt + 1, Math.floor(bytes.length / 2));
        wanted = pieceBytes;
      }
    }
    return undefined;
  }
}

/** Whether a record is, or holds, the message at an offset of a queue. */
export function isMessageOf(record: DecodedRecord, { topic, queueId }: Queue, offset: number): boolean {
  const { queueOffset } = record;
  const isThere = offset === queueOffset || (offset > queueOffset && offset < queueOffset + messagesIn(record));
  return record.topic === topic && record.queueId === queueId && isThere;
}

function keyOf({ topic, queueId }: Queue, offset: number): string {
  return `${topic}/${queueId}/${offset}`;
}

function remember(set: Set<string>, key: string): void {
  if (set.size >= lostMessagesKnownMax) set.delete(set.keys().next().value!);
  set.add(key);
}
