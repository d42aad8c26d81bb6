import type { Unit } from "../core/core.ts";

/** What the store's parts need of a queue, whichever kind of ConsumeQueue it has (ConsumeQueueInterface). */
export interface Queue {
  readonly topic: string;
  /** As records have it. */
  readonly topicBytes: Uint8Array;
  readonly queueId: number;
  /** The first queue offset that can be read. */
  minOffset: number;
  /** The queue offset after the last visible message. */
  readonly maxOffset: number;
  /** The queue offset the next appended message gets; ahead of `maxOffset` while records wait to be kept. */
  nextOffset: number;
  /** The end, in the CommitLog, of the last message of the queue; 0 for none. */
  readonly physicalEnd: number;
  /**
   * The files hold more behind the unit that the queue was found to end with: units may be missing between, and only the CommitLog, from its
   * beginning, tells which.
   */
  isCutShort: boolean;
  /** Belongs to recovery: the offset behind the last record it met, or -1. */
  accounted: number;
  /** While the queue stands on a list of queues that got messages, what it got; belongs to whoever keeps that list. */
  arrivedMessages: number;
  arrivedBytes: number;
  /** Bytes of units that only memory holds. */
  readonly dirtyBytes: number;

  /** Makes the messages of the next record visible: one, but for a batch in one record. */
  append(
    physicalOffset: number,
    size: number,
    tagsHigh: number,
    tagsLow: number,
    messages: number,
    storeTimestamp: number,
  ): void;
  /** The unit that leads to the message at `offset`; undefined outside [minOffset, maxOffset) and where there is none. */
  unitAt(offset: number): Promise<Unit | undefined>;

  /** See `UnitFiles`. */
  writeOut(): Promise<void>;
  takeUnsynced(into: string[]): void;
  writeAgain(): Promise<void>;
  destroy(): Promise<void>;

  /** Drops the units of records at or behind `physicalOffset`, which recovery found not to be there. */
  dropFrom(physicalOffset: number): Promise<void>;
  /** Takes away what the files hold behind the queue's end, once the CommitLog has told what that is. */
  clearBehind(): Promise<void>;
  /** Sets `minOffset` to the first unit whose record is still in a CommitLog that begins at `logMinOffset`. */
  correctMinOffset(logMinOffset: number): Promise<void>;
  /** Deletes the leading files all of whose units are before `minOffset`; see `UnitFiles.deleteBefore`. */
  deleteBeforeMin(): Promise<number>;
}
