import type { StorageUsage } from "../../src/ports/log-storage.ts";
import { fileNameOffset } from "../../src/store/file-name.ts";
import type { RetentionOptions } from "../../src/store/retention.ts";
import type { Disk } from "./disk.ts";
import type { Random } from "./random.ts";
import { Violation } from "./violation.ts";

/** A disk that fills, by the store and by others, and what may be deleted of the store for that, or for its age. */
export class Fullness {
  readonly options: RetentionOptions;
  readonly #random: Random;
  readonly #logFileBytes: number;
  readonly #totalBytes: number;
  readonly #isEstimate: boolean;
  #othersBytes = 0;
  /** As it was told last. */
  #toldPercent = 0;

  constructor(random: Random, before: RetentionOptions, logFileBytes: number) {
    this.#random = random;
    this.#logFileBytes = logFileBytes;
    this.#totalBytes = random.pick([8, 15, 40]) * logFileBytes;
    this.#isEstimate = random.chance(0.3);
    this.options = {
      ...before,
      fileReservedTimeMs: random.pick([15_000, 60_000, Number.POSITIVE_INFINITY]),
      deleteWhen: random.pick([[4], Array.from({ length: 24 }, (_, hour) => hour)]),
      cleanResourceIntervalMs: random.pick([500, 10_000]),
      deleteFileBatchMax: random.pick([1, 10]),
      cleanFileForciblyEnable: random.chance(0.8),
      watchesDisk: random.chance(0.5),
    };
  }

  /** Others need more room, or less. */
  othersChange(): void {
    this.#othersBytes = this.#totalBytes * this.#random.pick([0, 0.3, 0.6, 0.8]);
  }

  othersLeave(): void {
    this.#othersBytes = 0;
  }

  tell(disk: Disk): StorageUsage {
    const used = this.#othersBytes + disk.list("commitlog").reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const usedBytes = Math.min(used, this.#totalBytes);
    this.#toldPercent = Math.ceil((100 * usedBytes) / this.#totalBytes);
    return { path: "/the/disk", usedBytes, totalBytes: this.#totalBytes, isEstimate: this.#isEstimate };
  }

  /** A file of the CommitLog goes only when it is the first of several, and expired or the disk too full. Why it does. */
  mayGo(disk: Disk, file: string, nowMs: number, foundNoRoom: boolean): "expired" | "forced" {
    const files = disk.list("commitlog");
    if (files.length < 2 || files[0]!.name !== file) throw new Violation("deleted-early", `${file} is not the oldest`);
    const { fileReservedTimeMs, diskSpaceCleanForciblyRatio, cleanFileForciblyEnable } = this.options;
    if (nowMs >= files[0]!.modifiedAtMs + fileReservedTimeMs) return "expired";
    const isFull = this.#toldPercent > diskSpaceCleanForciblyRatio || (this.#isEstimate && foundNoRoom);
    if (!cleanFileForciblyEnable || !isFull) {
      throw new Violation("deleted-early", `${file} at ${this.#toldPercent} % of the disk`);
    }
    return "forced";
  }

  /** Where the log begins without a file of it. */
  endOf(file: string): number {
    return fileNameOffset(file)! + this.#logFileBytes;
  }
}

/** Where the CommitLog on a disk begins. */
export function logBegin(disk: Disk): number {
  const first = disk.list("commitlog")[0];
  return first === undefined ? 0 : (fileNameOffset(first.name) ?? 0);
}
