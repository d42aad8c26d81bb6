import { manualCleaningsMax } from "../limits.ts";
import { isStoreFull, WasmqError } from "../ports/error.ts";
import type { StorageUsage } from "../ports/log-storage.ts";
import type { StoreContext } from "./context.ts";
import type { Due, DueQueue } from "./due-queue.ts";
import type { LogWindows } from "./log-windows.ts";
import type { QueueTable } from "./queue-table.ts";
import type { Segments } from "./segments.ts";

/** RocketMQ's settings of these names (MessageStoreConfig). */
export interface RetentionOptions {
  /** fileReservedTime: a CommitLog file that was last written so long ago is expired; Infinity for never. */
  readonly fileReservedTimeMs: number;
  /** deleteWhen: the hours of the day, in the host's time zone, in which expired files are deleted though there is room. */
  readonly deleteWhen: readonly number[];
  /** How often it is looked, while there is something to look for. */
  readonly cleanResourceIntervalMs: number;
  /** Files deleted at one look. */
  readonly deleteFileBatchMax: number;
  /** Percent of the disk. Above it expired files are deleted at any hour. */
  readonly diskMaxUsedSpaceRatio: number;
  /** Above it the oldest files are deleted, expired or not, if cleanFileForciblyEnable; the last one never. */
  readonly diskSpaceCleanForciblyRatio: number;
  /** Above it no messages are taken, until no more than diskSpaceCleanForciblyRatio is used. */
  readonly diskSpaceWarningLevelRatio: number;
  readonly cleanFileForciblyEnable: boolean;
  /**
   * Whether others fill the same disk, so that it is looked at every cleanResourceInterval. Where it is only this store (a Durable
   * Object), it is looked when the log has a new file, when a write found no room, and when a file expires: nothing wakes an idle host.
   */
  readonly watchesDisk: boolean;
}

/** How often an operator hears that there is nothing left to delete. */
const toldEveryMs = 60_000;

/** Queues looked at before others get a turn: some 20 us each where its file has to be read. */
const queuesAtOnce = 32;

const hourMs = 3_600_000;

/** Time zones differ by whole ones. */
const quarterHourMs = hourMs / 4;

/** A time zone's day may have 25 hours. */
const quarterHoursMax = 4 * 25;

/** How full the disk is: which of the three watermarks it is above. */
type Level = "below" | "reclaim" | "forced" | "full";

/**
 * Deletes what is expired, and keeps a disk from filling up (CleanCommitLogService and CleanConsumeQueueService of
 * DefaultMessageStore). CommitLog files go first, the oldest first; behind them those files of ConsumeQueues and of the index that only
 * point to what is gone. A crash between any two deletions leaves what recovery knows: queues that point before the log's begin.
 *
 * No CommitLog file goes before the ConsumeQueue units of all its messages are on the medium: where recovery could not bring them
 * back, a queue would begin anew at offset 0.
 */
export class Retention {
  readonly #context: StoreContext;
  readonly #segments: Segments;
  readonly #windows: LogWindows;
  readonly #queues: QueueTable;
  readonly #dues: DueQueue;
  readonly #soon: (task: () => void) => void;
  readonly #inTurn: (work: () => Promise<void>) => Promise<void>;
  readonly #flushQueues: () => Promise<void>;
  readonly #flushedEnd: () => number;
  readonly #flushLog: (besides?: string) => Promise<void>;
  readonly #deleteIndexBefore: (physicalOffset: number) => Promise<void>;
  readonly #options: RetentionOptions;
  readonly #hours: ReadonlySet<number>;

  /** Why no messages are taken, while the disk is too full. */
  #refusal: WasmqError | undefined;
  #level: Level = "below";
  #usage: StorageUsage | undefined;
  /** A write has found no room. */
  #foundNoRoom = false;
  #manualRuns = 0;
  /** Where the log began when the queues were last corrected. */
  #queuesCleanedTo = 0;
  /** A crash may have come between the log's files and those of the queues. */
  #mayHaveLeftOvers = true;
  #due: Due | undefined;
  #waiting = false;
  #stopped = false;
  #ranAtMs = Number.NEGATIVE_INFINITY;
  #toldStuckAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    context: StoreContext,
    given: {
      readonly segments: Segments;
      readonly windows: LogWindows;
      readonly queues: QueueTable;
      readonly dues: DueQueue;
      readonly soon: (task: () => void) => void;
      /** Runs work on the ConsumeQueues' files when no other is under way. */
      readonly inTurn: (work: () => Promise<void>) => Promise<void>;
      /** Makes all ConsumeQueues last; called in turn. */
      readonly flushQueues: () => Promise<void>;
      /** The ConsumeQueue units of all messages before this offset of the CommitLog are on the medium. */
      readonly flushedEnd: () => number;
      /** Makes all messages last that there are, and what has changed in the folder of a file. */
      readonly flushLog: (besides?: string) => Promise<void>;
      /** Deletes what of the index only points before this offset of the CommitLog; called in turn. */
      readonly deleteIndexBefore: (physicalOffset: number) => Promise<void>;
    },
  ) {
    this.#context = context;
    this.#segments = given.segments;
    this.#windows = given.windows;
    this.#queues = given.queues;
    this.#dues = given.dues;
    this.#soon = given.soon;
    this.#inTurn = given.inTurn;
    this.#flushQueues = given.flushQueues;
    this.#flushedEnd = given.flushedEnd;
    this.#flushLog = given.flushLog;
    this.#deleteIndexBefore = given.deleteIndexBefore;
    this.#options = context.options;
    this.#hours = new Set(this.#options.deleteWhen);
  }

  /** The store is open. */
  start(): void {
    this.#queuesCleanedTo = this.#segments.minOffset;
    if (this.#options.watchesDisk) this.#runAfter(this.#options.cleanResourceIntervalMs);
    else this.#run();
  }

  /** Nothing more is begun; what is under way ends in its turn. */
  stop(): void {
    this.#stopped = true;
    if (this.#due !== undefined) this.#dues.cancel(this.#due);
    this.#due = undefined;
  }

  /** Why no messages are taken, while the disk is too full: SERVICE_NOT_AVAILABLE. Asked before each one is taken. */
  get refusal(): WasmqError | undefined {
    const refusal = this.#refusal;
    if (refusal !== undefined && !this.#options.watchesDisk) {
      const { clock } = this.#context;
      if (clock.monotonic() - this.#ranAtMs >= this.#options.cleanResourceIntervalMs) this.#run();
    }
    return refusal;
  }

  /** The CommitLog has a new file. */
  grown(): void {
    if (!this.#options.watchesDisk) this.#run();
  }

  /** A write found no room (STORE_FULL). */
  foundNoRoom(): void {
    this.#foundNoRoom = true;
    this.#run();
  }

  /** An administrator asks for it: what is expired goes at any hour (DefaultMessageStore.executeDeleteFilesManually). */
  cleanManually(): void {
    this.#manualRuns = manualCleaningsMax;
    this.#run();
  }

  /** The same for ConsumeQueues whose messages are gone; ends when it is done. */
  cleanQueues(): Promise<void> {
    return this.#inTurn(() => this.#cleanQueues());
  }

  #runAfter(delayMs: number): void {
    if (this.#stopped) return;
    if (this.#due !== undefined) this.#dues.cancel(this.#due);
    this.#due = this.#dues.after(delayMs, () => {
      this.#due = undefined;
      this.#run();
    });
  }

  /** One run for all who ask before it begins. */
  #run(): void {
    if (this.#stopped || this.#waiting) return;
    this.#waiting = true;
    const run = this.#inTurn(async () => {
      this.#waiting = false;
      if (this.#stopped) return;
      this.#ranAtMs = this.#context.clock.monotonic();
      await this.#clean();
    });
    run
      .catch((error) => {
        this.#context.telemetry.log("error", "expired files could not be deleted", { error: String(error) });
        return undefined;
      })
      .then(() => this.#scheduleNext())
      .catch((error) => {
        this.#context.telemetry.log("error", "it is not known when files expire", { error: String(error) });
        this.#runAfter(this.#options.cleanResourceIntervalMs);
      });
  }

  async #clean(): Promise<void> {
    const { clock } = this.#context;
    const foundNoRoom = this.#foundNoRoom;
    this.#foundNoRoom = false;
    await this.#look();
    const isTime = this.#isHour(clock.now());
    const isManual = this.#manualRuns > 0;
    if (isManual) this.#manualRuns--;
    // Where the host only guesses, a write that found no room is the truth, and one file is worth the try.
    const forcedOnce = foundNoRoom && this.#usage?.isEstimate === true && !this.#isForced;
    if (isTime || isManual || forcedOnce || this.#level !== "below") {
      const deleted = await this.#deleteSegments(forcedOnce);
      if (deleted === 0) {
        this.#manualRuns = 0;
        if (this.#level !== "below") this.#tellStuck();
      }
    }
    if (this.#mayHaveLeftOvers || this.#segments.minOffset > this.#queuesCleanedTo) await this.#cleanQueues();
  }

  /** Reads how full the disk is, and takes messages or refuses them accordingly (CleanCommitLogService.isSpaceToDelete). */
  async #look(): Promise<void> {
    const { storage, telemetry } = this.#context;
    const { diskMaxUsedSpaceRatio, diskSpaceCleanForciblyRatio, diskSpaceWarningLevelRatio } = this.#options;
    const usage = await storage.usage();
    this.#usage = usage;
    const percent = usage === undefined ? 0 : percentOf(usage);
    this.#level =
      percent > diskSpaceWarningLevelRatio
        ? "full"
        : percent > diskSpaceCleanForciblyRatio
          ? "forced"
          : percent > diskMaxUsedSpaceRatio
            ? "reclaim"
            : "below";
    if (usage !== undefined && this.#level === "full") {
      const before = this.#refusal;
      this.#refusal = new WasmqError(
        "SERVICE_NOT_AVAILABLE",
        `service not available now: the broker's disk is full: ${usage.path} is ${percent} % used, more than ` +
          `diskSpaceWarningLevelRatio (${diskSpaceWarningLevelRatio} %); messages are taken again at ` +
          `${diskSpaceCleanForciblyRatio} % or less`,
      );
      if (before === undefined) telemetry.log("error", this.#refusal.message);
    } else if (this.#level !== "forced" && this.#refusal !== undefined) {
      this.#refusal = undefined;
      telemetry.log("info", "there is room on the disk again: messages are taken", { percent });
    }
  }

  get #isForced(): boolean {
    return this.#options.cleanFileForciblyEnable && (this.#level === "forced" || this.#level === "full");
  }

  /**
   * Deletes the oldest files that are expired, and others while the disk is too full: it is looked at again after each, so that no more
   * goes than needs to. `forcedOnce`: one goes in any case, unless that is switched off.
   */
  async #deleteSegments(forcedOnce: boolean): Promise<number> {
    const { telemetry } = this.#context;
    const { deleteFileBatchMax, cleanFileForciblyEnable } = this.#options;
    let deleted = 0;
    let early = 0;
    for (let first = this.#segments.deletable; first !== undefined; first = this.#segments.deletable) {
      if (deleted >= deleteFileBatchMax) break;
      const { file, startOffset } = first;
      let isExpired = await this.#isExpired(file);
      const isForced = this.#isForced || (forcedOnce && cleanFileForciblyEnable && deleted === 0);
      if (!isExpired && !isForced) break;
      if (startOffset + this.#segments.fileSize > this.#flushedEnd()) {
        let foundNoRoom = false;
        try {
          await this.#flushQueues();
        } catch (error) {
          foundNoRoom = isStoreFull(error);
          telemetry.log("warn", "ConsumeQueues could not be flushed", { error: String(error) });
        }
        const end = startOffset + this.#segments.fileSize;
        if (end > this.#flushedEnd() && !(foundNoRoom && (await this.#goesOnBehind(end)))) break;
        // That took a while, in which the file may have been written or the clock set.
        isExpired = await this.#isExpired(file);
        if (!isExpired && !isForced) break;
      }
      // A log that has failed could not make the deletion last.
      await this.#flushLog();
      this.#windows.forgetBefore(startOffset + this.#segments.fileSize);
      await this.#segments.deleteFirst();
      // It is gone for good before another one goes, so that no crash leaves a gap between the files.
      await this.#flushLog(this.#segments.list[0]!.file);
      deleted++;
      if (!isExpired) early++;
      if (this.#level !== "below") await this.#look();
    }
    if (deleted > 0) {
      const { minOffset } = this.#segments;
      const { path = "", usedBytes = 0, totalBytes = 1 } = this.#usage ?? {};
      if (early > 0) {
        telemetry.log("warn", "the disk is nearly full: CommitLog files were deleted before they expired", {
          files: early,
          minOffset,
          path,
          percent: percentOf({ usedBytes, totalBytes }),
        });
      }
      if (deleted > early) {
        telemetry.log("info", "expired CommitLog files were deleted", { files: deleted - early, minOffset });
      }
    }
    return deleted;
  }

  async #isExpired(file: string): Promise<boolean> {
    const { clock, storage } = this.#context;
    const stat = (await storage.list("commitlog")).find(({ name }) => name === file);
    return stat !== undefined && clock.now() >= stat.modifiedAtMs + this.#options.fileReservedTimeMs;
  }

  /**
   * Whether every queue whose units are not all on the medium has a later message that is, at or behind `end`: its offsets go on from there
   * without those units. A disk may have no room for any unit before a file of the log goes.
   */
  async #goesOnBehind(end: number): Promise<boolean> {
    const flushedEnd = this.#flushedEnd();
    for (const { physicalEnd } of this.#queues.all()) if (physicalEnd > flushedEnd && physicalEnd <= end) return false;
    await this.#flushLog();
    return true;
  }

  #tellStuck(): void {
    const { clock, telemetry } = this.#context;
    const nowMs = clock.monotonic();
    const usage = this.#usage;
    if (usage === undefined || nowMs - this.#toldStuckAtMs < toldEveryMs) return;
    this.#toldStuckAtMs = nowMs;
    const { path } = usage;
    telemetry.log("warn", "the disk is nearly full, and no file may be deleted", { path, percent: percentOf(usage) });
  }

  async #cleanQueues(): Promise<void> {
    const { minOffset } = this.#segments;
    const isMoved = minOffset > this.#queuesCleanedTo;
    let looks = 0;
    let files = 0;
    for (const queue of this.#queues.all()) {
      if (isMoved) await queue.correctMinOffset(minOffset);
      files += await queue.deleteBeforeMin();
      if (++looks % queuesAtOnce === 0) await new Promise<void>((resolve) => this.#soon(resolve));
    }
    await this.#deleteIndexBefore(minOffset);
    this.#queuesCleanedTo = minOffset;
    this.#mayHaveLeftOvers = false;
    if (files > 0) this.#context.telemetry.log("info", "expired ConsumeQueue files were deleted", { files, minOffset });
  }

  /** Whether expired files are deleted at that time though there is room (UtilAll.isItTimeToDo). */
  #isHour(atMs: number): boolean {
    const { zoneOffsetMs } = this.#context.clock;
    const localMs = atMs + (zoneOffsetMs?.(atMs) ?? 0);
    return this.#hours.has(Math.floor(localMs / hourMs) % 24);
  }

  async #scheduleNext(): Promise<void> {
    if (this.#stopped) return;
    const { cleanResourceIntervalMs, watchesDisk } = this.#options;
    const { deletable } = this.#segments;
    if (watchesDisk || this.#manualRuns > 0 || (this.#isForced && deletable !== undefined)) {
      this.#runAfter(cleanResourceIntervalMs);
      return;
    }
    const atMs = await this.#nextExpiryMs();
    if (atMs === undefined) return;
    const delayMs = atMs - this.#context.clock.now();
    // What is expired and still there could not be deleted, or is more than one run takes.
    this.#runAfter(delayMs > 0 ? delayMs : cleanResourceIntervalMs);
  }

  /** When the next file is deleted for its age; undefined if none will be. */
  async #nextExpiryMs(): Promise<number | undefined> {
    const { storage, clock } = this.#context;
    const { deletable } = this.#segments;
    if (deletable === undefined) return undefined;
    const stat = (await storage.list("commitlog")).find(({ name }) => name === deletable.file);
    if (stat === undefined) return undefined;
    let atMs = Math.max(clock.now(), stat.modifiedAtMs + this.#options.fileReservedTimeMs);
    if (atMs === Number.POSITIVE_INFINITY) return undefined;
    if (this.#level !== "below") return atMs;
    for (let step = 0; step < quarterHoursMax && !this.#isHour(atMs); step++) {
      atMs = (Math.floor(atMs / quarterHourMs) + 1) * quarterHourMs;
    }
    return this.#isHour(atMs) ? atMs : undefined;
  }
}

/** Rounded up, as UtilAll.getDiskPartitionSpaceUsedPercent does. */
function percentOf({ usedBytes, totalBytes }: Pick<StorageUsage, "usedBytes" | "totalBytes">): number {
  return Math.ceil((100 * usedBytes) / totalBytes);
}
