/** One write of a batch: `bytes` at byte `at` of `file`. The bytes belong to the store again once the write has ended. */
export interface StorageWrite {
  readonly file: string;
  readonly at: number;
  readonly bytes: Uint8Array;
}

export interface FileStat {
  /** Path below the store's root, folders separated by `/`. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Wall-clock milliseconds; retention goes by it. */
  readonly modifiedAtMs: number;
  /** An upper bound of how many bytes are not zero, wherever they are; the size where the host can't tell. */
  readonly dataBytesMax: number;
}

/** How full the place is that holds the store. */
export interface StorageUsage {
  /** The place, as an operator knows it: a path, where it has one. */
  readonly path: string;
  readonly usedBytes: number;
  /** What is used and what this process may still use, by which `df` counts its percentage. */
  readonly totalBytes: number;
  /** The host's own guess: a write that finds no room knows better. */
  readonly isEstimate: boolean;
}

/**
 * The store's files, by name. The least promise of every host:
 *
 * - A write is whole and in memory of the host's operating system (or better) when it ends; a crash may keep any part of a
 *   batch unless `supports.atomicBatch`. Recovery copes with either.
 * - A write or create that finds no room rejects with STORE_FULL. Nothing that was there before is lost by it, and it may be
 *   tried again when there is room.
 * - `sync` ends when the named files, and what was made, renamed and deleted before in the folders that they are in, survive loss of power
 *   as far as the host can promise it. After a rejected sync nothing is known about the files: the store refuses writes from then on.
 * - Methods that return `void | Promise<void>` may finish at once. A rejection is a `WasmqError` or an error of the host;
 *   either way the operation is not known to have happened.
 */
export interface LogStorage {
  readonly supports: { readonly atomicBatch: boolean };

  /** Who holds the store, as Apache writes it into `abort`: a decimal process id, or 0 where there is none. */
  readonly owner: string;

  /** Takes the store for this process. Rejects with STORE_LOCKED while another live process holds it. */
  lock(): void | Promise<void>;

  /** All files below `folder`, at any depth, sorted by name; none where the folder is missing. */
  list(folder: string): readonly FileStat[] | Promise<readonly FileStat[]>;

  /** Makes a new file of `sizeBytes` zero bytes (sparse where possible). The folders above it are made. */
  create(file: string, sizeBytes: number): void | Promise<void>;

  /** Writes in the order given. Writing beyond a file's end extends it; the gap reads as zeros. */
  write(batch: readonly StorageWrite[]): void | Promise<void>;

  /**
   * Fills `into` from byte `at` of the file if that takes no waiting worth the name. Returns the bytes read (fewer at the
   * file's end, 0 where the file is missing), or undefined when the bytes must be fetched by `read`.
   */
  readNow(file: string, at: number, into: Uint8Array): number | undefined;

  /** As `readNow`, for bytes that may have to be fetched. */
  read(file: string, at: number, into: Uint8Array): number | Promise<number>;

  /** Replaces `to` if it exists, atomically. */
  rename(from: string, to: string): void | Promise<void>;

  /** A missing file is not an error. */
  delete(file: string): void | Promise<void>;

  sync(files: readonly string[]): void | Promise<void>;

  /** Sets the time that `list` shows, to the second at least: a store that moves keeps its times. */
  setModified(file: string, atMs: number): void | Promise<void>;

  /** Whoever fills it; of several places that of the CommitLog or the ConsumeQueues that is fuller. Undefined without a limit that the host knows of. */
  usage(): StorageUsage | undefined | Promise<StorageUsage | undefined>;

  /** Gives the store back. No other call follows. */
  close(): void | Promise<void>;
}
