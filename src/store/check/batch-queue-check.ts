import type { FindingCode } from "../../ports/check.ts";
import type { FileStat } from "../../ports/log-storage.ts";
import { type BatchUnit, batchUnitBytes, decodeBatchUnit, isSameBatchUnit } from "../batch-consume-queue.ts";
import type { StoreContext } from "../context.ts";
import type { Dispatched } from "../dispatcher.ts";
import { fileNameOffset, offsetFileName } from "../file-name.ts";
import type { Findings } from "./findings.ts";

export interface BatchQueueCheckOptions {
  readonly context: Pick<StoreContext, "storage" | "options">;
  readonly findings: Findings;
  /** Where the CommitLog begins. */
  readonly logMin: number;
  /** Told of a unit whose record is not there. */
  readonly onLost: (unit: BatchUnit) => void;
}

/** Compares the units of one BatchConsumeQueue with the records of its topic, both in the order of the CommitLog. */
export class BatchQueueCheck {
  readonly topic: string;
  readonly queueId: number;
  /** Behind the last message that a record or a unit knows of. */
  next = 0;
  units = 0;
  readonly #given: BatchQueueCheckOptions;
  readonly #folder: string;
  readonly #fileBytes: number;
  /** Where the files end, and from where on they hold nothing but zeros, as the host tells. */
  readonly #end: number;
  readonly #dataEnd: number;
  /** The byte of the queue that the next unit begins with. */
  #at: number;
  #records = 0;
  #piece = new Uint8Array(0);
  #pieceStart = 0;

  /** `files` are the queue's, without a gap between them. */
  constructor(given: BatchQueueCheckOptions, topic: string, queueId: number, files: readonly FileStat[]) {
    this.#given = given;
    this.topic = topic;
    this.queueId = queueId;
    this.#folder = `batchconsumequeue/${topic}/${queueId}`;
    this.#fileBytes = given.context.options.mapperFileSizeBatchConsumeQueue;
    this.#at = files.length === 0 ? 0 : fileNameOffset(files[0]!.name)!;
    const last = files.length === 0 ? 0 : fileNameOffset(files.at(-1)!.name)!;
    this.#end = files.length === 0 ? 0 : last + this.#fileBytes;
    this.#dataEnd = Math.min(this.#end, last + (files.at(-1)?.dataBytesMax ?? 0));
  }

  /** Where the record of the last unit ends, found by halving: units come without a gap. 0 without any. */
  async physicalEnd(): Promise<number> {
    const start = this.#at;
    let low = start / batchUnitBytes;
    let high = this.#end / batchUnitBytes;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      this.#at = middle * batchUnitBytes;
      if ((await this.#unit()) === undefined) high = middle;
      else low = middle + 1;
    }
    this.#at = (low - 1) * batchUnitBytes;
    const last = this.#at < start ? undefined : await this.#unit();
    this.#at = start;
    return last === undefined ? 0 : last.physicalOffset + last.size;
  }

  async compare(record: Dispatched): Promise<void> {
    const { queueOffset, physicalOffset, messages } = record;
    let hasLost = false;
    for (;;) {
      const unit = await this.#unit();
      const isIts = unit?.physicalOffset === physicalOffset || unit?.queueOffset === queueOffset;
      if (unit === undefined || (!isIts && unit.physicalOffset > physicalOffset)) {
        this.#found(
          "UNIT_MISSING",
          record,
          "the record has no unit: it is made when the store is opened, or by --repair",
        );
        break;
      }
      if (!isIts) {
        hasLost = this.#pass(unit) || hasLost;
        continue;
      }
      if (!isSameBatchUnit(unit, record))
        this.#found("UNIT_WRONG", record, "the unit does not say what its record does");
      this.#at += batchUnitBytes;
      break;
    }
    if (this.#records > 0 && queueOffset > this.next && !hasLost) {
      this.#given.findings.add({
        ...{ code: "QUEUE_GAP", topic: this.topic, queueId: this.queueId, queueOffset: this.next },
        ...{ count: queueOffset - this.next, detail: "the messages are lost, which the queue says" },
      });
    }
    this.units++;
    this.#records++;
    this.next = Math.max(this.next, queueOffset + messages);
  }

  /** What the files hold behind the unit of the last record. `durableEnd`: records that begin before it were on the medium. */
  async finish(logEnd: number, durableEnd: number): Promise<void> {
    for (let unit = await this.#unit(); unit !== undefined; unit = await this.#unit()) {
      this.units++;
      this.next = Math.max(this.next, unit.queueOffset + unit.messages);
      if (unit.physicalOffset < Math.max(logEnd, durableEnd)) {
        this.#pass(unit);
        continue;
      }
      this.#found("UNIT_BEHIND_LOG", unit, `the CommitLog ends at ${logEnd}: the message was not written, or cut off`);
      this.#at += batchUnitBytes;
    }
    for (; this.#at + batchUnitBytes <= this.#dataEnd; this.#at += batchUnitBytes) {
      if ((await this.#bytes()).every((byte) => byte === 0)) continue;
      this.#found("UNIT_STRAY", undefined, "bytes behind the end of the queue");
      return;
    }
  }

  /** Goes past a unit that no record has; whether its messages are lost. */
  #pass(unit: BatchUnit): boolean {
    const isExpired = unit.physicalOffset < this.#given.logMin && this.#records === 0;
    if (!isExpired) {
      this.#given.onLost(unit);
      this.#found("MESSAGE_LOST", unit, "no record of the CommitLog is this batch of messages", unit.messages);
    }
    this.#at += batchUnitBytes;
    return !isExpired;
  }

  /** The next unit, whatever it says; undefined where the files hold nothing. */
  async #unit(): Promise<BatchUnit | undefined> {
    if (this.#at >= this.#end) return undefined;
    const bytes = await this.#bytes();
    return bytes.every((byte) => byte === 0) ? undefined : decodeBatchUnit(bytes, 0);
  }

  async #bytes(): Promise<Uint8Array> {
    const { storage } = this.#given.context;
    if (this.#at < this.#pieceStart || this.#at + batchUnitBytes > this.#pieceStart + this.#piece.length) {
      const fileStart = this.#at - (this.#at % this.#fileBytes);
      const piece = new Uint8Array(Math.min(pieceUnits * batchUnitBytes, fileStart + this.#fileBytes - this.#at));
      await storage.read(offsetFileName(this.#folder, fileStart), this.#at - fileStart, piece);
      this.#piece = piece;
      this.#pieceStart = this.#at;
    }
    return this.#piece.subarray(this.#at - this.#pieceStart, this.#at - this.#pieceStart + batchUnitBytes);
  }

  #found(code: FindingCode, about: BatchUnit | undefined, detail: string, count = 1): void {
    const within = this.#at % this.#fileBytes;
    const { topic, queueId } = this;
    this.#given.findings.add({
      ...{ code, file: offsetFileName(this.#folder, this.#at - within), offset: within, topic, queueId, count, detail },
      ...(about === undefined
        ? { bytes: batchUnitBytes }
        : { queueOffset: about.queueOffset, physicalOffset: about.physicalOffset }),
    });
  }
}

/** Units read at a time. */
const pieceUnits = 256;
