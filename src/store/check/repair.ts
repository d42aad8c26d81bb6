import type { Core, Region } from "../../core/core.ts";
import { filledRecordBytesMax } from "../../limits.ts";
import type { Checked, Finding, FindingCode } from "../../ports/check.ts";
import type { LogStorage } from "../../ports/log-storage.ts";
import { encodeUtf8 } from "../../ports/text.ts";
import { checkpointBytes, checkpointFile } from "../checkpoint.ts";
import { offsetFileName } from "../file-name.ts";
import { damagedFolder } from "../recovery.ts";
import { type Segment, Segments } from "../segments.ts";
import { filledTopic } from "./check.ts";

/** What was done to a store, in words. */
export type Told = (what: string) => void;

export interface Repair {
  readonly storage: LogStorage;
  readonly core: Core;
  /** One that writes no `__CRC32#`: ranges that have no room for it are filled all the same. */
  readonly plainCore: Core;
  readonly segmentBytes: number;
  readonly checked: Checked;
  readonly told: Told;
}

/** A record of a transaction that was rolled back: neither wasmq nor Apache gives it a place in a queue or an index (MessageSysFlag). */
const rolledBack = 0xc;

/** A blank record: its length and its magic. */
const blankBytes = 8;

/** What is copied at a time. */
const copiedBytes = 1024 * 1024;

/**
 * Makes a store that was checked one that Recovery can put right, and that Apache's broker reads to its end. In this order, so that at every
 * moment whoever opens it walks the whole CommitLog:
 *
 * 1. The checkpoint is emptied and `abort` put there.
 * 2. Damaged bytes of the CommitLog are copied to `damaged/<offset>`, and records put in their place that belong to no queue.
 * 3. Files that can be none of their ConsumeQueue are taken away, with the others of that queue; bytes behind the ends of queues too. So is
 *    the index, if anything is wrong with it or a record of it is gone.
 * 4. Config files and their `.bak` take each other's place where one can't be read.
 *
 * No intact record is touched. What opens the store next builds the units.
 */
export async function prepareRepair(given: Repair & { readonly findings: readonly Finding[] }): Promise<void> {
  const { storage, findings, told } = given;
  await markUnclean(storage);
  await new LogFiller(given).run();
  await takeAwayQueueFiles(storage, findings, told);
  await takeAwayIndex(given);
  await restoreConfigFiles(storage, findings, told);
}

async function markUnclean(storage: LogStorage): Promise<void> {
  const names = new Set((await storage.list("")).map(({ name }) => name));
  if (!names.has("abort")) {
    await storage.create("abort", 1);
    await storage.write([{ file: "abort", at: 0, bytes: encodeUtf8("0") }]);
  }
  if (!names.has(checkpointFile)) await storage.create(checkpointFile, checkpointBytes);
  await storage.write([{ file: checkpointFile, at: 0, bytes: new Uint8Array(checkpointBytes) }]);
  await storage.sync(["abort", checkpointFile]);
}

/** Puts records in the place of damaged ranges. */
class LogFiller {
  readonly #storage: LogStorage;
  readonly #core: Core;
  readonly #plainCore: Core;
  readonly #window: Region;
  readonly #plainWindow: Region;
  readonly #segments: Segments;
  readonly #checked: Checked;
  readonly #told: Told;
  #storeTimestamp = 0;

  constructor(given: Repair) {
    this.#storage = given.storage;
    this.#core = given.core;
    this.#plainCore = given.plainCore;
    this.#window = this.#core.allocate(2 * filledRecordBytesMax);
    this.#plainWindow = this.#plainCore.allocate(1024);
    this.#segments = new Segments(given.storage, given.segmentBytes);
    this.#checked = given.checked;
    this.#told = given.told;
  }

  async run(): Promise<void> {
    const stats = (await this.#storage.list("commitlog")).filter(
      ({ name, sizeBytes }) => /^commitlog\/[^/]+$/.test(name) && sizeBytes > 0,
    );
    await this.#segments.load(stats);
    const modified = new Map(stats.map(({ name, modifiedAtMs }) => [name, modifiedAtMs]));
    for (const { from, to, storeTimestamp } of this.#checked.damaged) {
      await this.#keep(from, to);
      this.#storeTimestamp = storeTimestamp;
      const files = new Set<string>();
      for (let at = from; at < to; ) {
        const segment = this.#segments.holding(at)!;
        const end = Math.min(to, segment.startOffset + this.#segments.fileSize);
        await this.#fill(segment, at, end);
        files.add(segment.file);
        at = end;
      }
      for (const file of files) await this.#storage.setModified(file, modified.get(file)!);
      await this.#storage.sync([...files]);
    }
  }

  /** Copies damaged bytes, unless an earlier repair did, which found more of them. */
  async #keep(from: number, to: number): Promise<void> {
    const copy = offsetFileName(damagedFolder, from);
    const known = (await this.#storage.list(damagedFolder)).find(({ name }) => name === copy);
    if (known === undefined || known.sizeBytes < to - from) {
      await this.#storage.delete(copy);
      await this.#storage.create(copy, to - from);
      for (let at = from; at < to; ) {
        const bytes = new Uint8Array(Math.min(copiedBytes, to - at));
        const read = await this.#segments.read(at, bytes);
        await this.#storage.write([{ file: copy, at: at - from, bytes: bytes.subarray(0, read) }]);
        at += read;
      }
      await this.#storage.sync([copy]);
    }
    this.#told(
      `bytes ${from} to ${to} of the CommitLog are damaged: they are kept in ${copy}, and passed over from now on`,
    );
  }

  /** [from, to) of the CommitLog, within one file. */
  async #fill(segment: Segment, from: number, to: number): Promise<void> {
    const fileEnd = segment.startOffset + this.#segments.fileSize;
    let at = from;
    // A file whose first record is a blank is none that Apache begins with.
    const blankAt = to < fileEnd ? to : from > segment.startOffset ? from : to - blankBytes;
    while (at < blankAt) {
      const left = blankAt - at;
      const size = left > 2 * filledRecordBytesMax ? filledRecordBytesMax : left;
      const bytes = this.#record(at, size);
      if (bytes === undefined) {
        this.#told(`${size} bytes at ${at} of the CommitLog are too few for a record: Apache cuts the log there`);
        return;
      }
      await this.#storage.write([{ file: segment.file, at: at - segment.startOffset, bytes }]);
      at += size;
    }
    if (to < fileEnd) return;
    this.#core.encodeBlank(this.#window, 0, fileEnd - at);
    const bytes = this.#window.bytes.slice(0, blankBytes);
    await this.#storage.write([{ file: segment.file, at: at - segment.startOffset, bytes }]);
  }

  /** A record of exactly `size` bytes for the place `at`; undefined if none can be so small. */
  #record(at: number, size: number): Uint8Array | undefined {
    const host = this.#core.encodeHost("127.0.0.1", 0);
    const record = {
      queueId: 0,
      flag: 0,
      queueOffset: 0,
      sysFlag: rolledBack,
      bornTimestamp: this.#storeTimestamp,
      bornHost: host,
      storeTimestamp: this.#storeTimestamp,
      storeHost: host,
      reconsumeTimes: 0,
      preparedTransactionOffset: 0,
      topic: encodeUtf8(filledTopic),
      body: new Uint8Array(0),
      properties: "",
    };
    for (const [core, window] of [
      [this.#core, this.#window],
      [this.#plainCore, this.#plainWindow],
    ] as const) {
      const least = core.encodeRecord(window, 0, at, record).size;
      if (least > size) continue;
      core.encodeRecord(window, 0, at, { ...record, body: new Uint8Array(size - least) });
      return window.bytes.slice(0, size);
    }
    return undefined;
  }
}

/** A BatchConsumeQueue is looked through by halving: one wrong unit hides others, so that all are made anew. */
const rebuiltWhole: ReadonlySet<FindingCode> = new Set(["UNIT_MISSING", "UNIT_WRONG", "UNIT_STRAY", "MESSAGE_LOST"]);

async function takeAwayQueueFiles(storage: LogStorage, findings: readonly Finding[], told: Told): Promise<void> {
  const unusable = findings.flatMap(({ code, file }) =>
    code === "QUEUE_FILE_UNUSABLE" || (rebuiltWhole.has(code) && file?.startsWith("batchconsumequeue/") === true)
      ? [file!]
      : [],
  );
  const folders = new Set(unusable.map((file) => file.slice(0, file.lastIndexOf("/") + 1)));
  for (const folder of folders) {
    for (const { name } of await storage.list(folder.slice(0, -1))) await storage.delete(name);
    told(`the files of ${folder} are taken away, to be made again`);
  }
  for (const { code, file, offset, bytes = 0, count = 1 } of findings) {
    if (code !== "UNIT_STRAY" || folders.has(file!.slice(0, file!.lastIndexOf("/") + 1))) continue;
    await storage.write([{ file: file!, at: offset!, bytes: new Uint8Array(bytes * count) }]);
  }
}

async function takeAwayIndex({ storage, findings, checked, told }: Parameters<typeof prepareRepair>[0]): Promise<void> {
  if (checked.damaged.length === 0 && !findings.some(({ code }) => code.startsWith("INDEX_"))) return;
  const files = await storage.list("index");
  for (const { name } of files) await storage.delete(name);
  if (files.length > 0) told("the index is made anew");
}

async function restoreConfigFiles(storage: LogStorage, findings: readonly Finding[], told: Told): Promise<void> {
  for (const { code, file: name } of findings) {
    if (code !== "CONFIG_TORN") continue;
    const file = name!;
    if (file.endsWith(".bak")) {
      await storage.delete(file);
      told(`${file}, which can't be read, is deleted`);
      continue;
    }
    const backup = (await storage.list("config")).find((stat) => stat.name === `${file}.bak`)!;
    const bytes = new Uint8Array(backup.sizeBytes);
    await storage.read(backup.name, 0, bytes);
    const fresh = `${file}.tmp`;
    await storage.delete(fresh);
    await storage.create(fresh, bytes.length);
    await storage.write([{ file: fresh, at: 0, bytes }]);
    await storage.sync([fresh]);
    await storage.rename(fresh, file);
    await storage.sync([file]);
    told(`${file} is what its .bak says`);
  }
}
