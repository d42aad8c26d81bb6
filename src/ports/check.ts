import type { StoreSettings } from "./store-settings.ts";

/**
 * How bad a finding is. `note`: nothing is wrong, or what was lost is accounted for; `warning`: no message is lost, and opening the store, or
 * `--repair`, puts it right; `damage`: messages, or settings, are lost.
 */
export type Severity = "note" | "warning" | "damage";

/** What can be found, by stable codes. */
export const severities = {
  /** A process had the store open and did not close it. */
  NOT_STOPPED_CLEANLY: "note",
  /** Bytes of the CommitLog belong to no valid record, but valid ones follow. MESSAGE_LOST tells whose they were, as far as queues know. */
  RECORD_DAMAGED: "damage",
  /** What says that the rest of a CommitLog file is unused is damaged; no message is. */
  BLANK_DAMAGED: "warning",
  /** Behind the last valid record there are other bytes than zeros. */
  TORN_TAIL: "warning",
  /** A record that `--repair` has put in the place of damaged bytes. */
  DAMAGE_FILLED: "note",
  /** A ConsumeQueue knows of a message that is not in the CommitLog. */
  MESSAGE_LOST: "damage",
  /** Queue offsets that have neither a message nor a unit that knows of one. */
  QUEUE_HOLE: "damage",
  /** Queue offsets whose messages are lost, which the ConsumeQueue says. */
  QUEUE_GAP: "note",
  /** A valid record whose queue offset is another message's: it can be read by its id alone. */
  RECORD_NOT_IN_QUEUE: "damage",
  /** A record without a unit. */
  UNIT_MISSING: "warning",
  /** A unit that does not say what its record does. */
  UNIT_WRONG: "warning",
  /** Units that point behind the end of the CommitLog. */
  UNIT_BEHIND_LOG: "warning",
  /** Bytes behind the end of a ConsumeQueue. */
  UNIT_STRAY: "warning",
  /** A file below `consumequeue/` or `batchconsumequeue/` that can be none of its queue; neither wasmq nor Apache opens the store. */
  QUEUE_FILE_UNUSABLE: "warning",
  /** Units and records of such topics are not compared: queues beside the main one. */
  QUEUE_NOT_CHECKED: "note",
  /** An IndexFile that is not read. */
  INDEX_FILE_UNUSABLE: "warning",
  INDEX_HEADER_WRONG: "warning",
  INDEX_SLOT_WRONG: "warning",
  INDEX_ENTRY_WRONG: "warning",
  /** Messages that queries by key do not find. */
  INDEX_ENTRY_MISSING: "warning",
  /** The same, of messages that others have left unindexed. */
  INDEX_GAP: "note",
  CHECKPOINT_UNUSABLE: "warning",
  /** The checkpoint speaks of what is not in the CommitLog. */
  CHECKPOINT_WRONG: "warning",
  /** A config file can't be read; its `.bak` can. */
  CONFIG_TORN: "warning",
  /** Neither a config file nor its `.bak` can be read. */
  CONFIG_LOST: "damage",
  /** A consumer's, or a delay level's, offset is beyond the end of its queue. */
  CONFIG_OFFSET_BEYOND: "warning",
  /** A topic has messages, and no config: clients can't find them. */
  TOPIC_WITHOUT_CONFIG: "warning",
} as const satisfies Record<string, Severity>;

export type FindingCode = keyof typeof severities;

export interface Finding {
  readonly code: FindingCode;
  /** The file, below the store's root, and the byte in it. */
  readonly file?: string;
  readonly offset?: number;
  readonly bytes?: number;
  /** The place in the CommitLog. */
  readonly physicalOffset?: number;
  readonly topic?: string;
  readonly queueId?: number;
  readonly queueOffset?: number;
  /** Of how many messages, units or bytes in a row it is true, from `queueOffset` on. */
  count?: number;
  readonly detail: string;
}

/** A range of the CommitLog. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** What a check saw, beside what it found. */
export interface Checked {
  /** The CommitLog: where it begins and ends, and how many bytes of files were read. */
  readonly log: Range & { readonly files: number };
  readonly records: number;
  readonly queues: number;
  readonly units: number;
  /**
   * Records without `__CRC32#`, which Apache writes unless it is told otherwise: nothing but the CRC of their body guards them. Of their other
   * bytes, counted here, lengths, place, queue, queue offset, topic and tags were compared with what else knows of them; flags, times, hosts,
   * and the other properties can be compared with nothing.
   */
  readonly uncovered: { readonly records: number; readonly bytes: number; readonly ranges: readonly Range[] };
  /** Ranges of the CommitLog that hold no valid record, and when what is next to them was stored. */
  readonly damaged: readonly (Range & { readonly storeTimestamp: number })[];
  /** The queues, and the offset behind the last of each: of the message or unit there. */
  readonly ends: readonly { readonly topic: string; readonly queueId: number; readonly end: number }[];
}

export interface CheckOptions {
  /** Goes before what the store's `broker.conf`, and else its files' sizes, tell. */
  readonly settings?: StoreSettings;
  /** Told now and then how many bytes of the CommitLog were looked at. */
  readonly progress?: (bytes: number) => void;
}

export interface CheckReport extends Checked {
  /** Of the worst finding. */
  readonly severity: Severity | "none";
  readonly findings: readonly (Finding & { readonly severity: Severity })[];
  /** How often each was found, beyond those that are named. */
  readonly counts: Readonly<Partial<Record<FindingCode, number>>>;
}

export interface RepairReport {
  /** What was found before. */
  readonly before: CheckReport;
  /** What was done, in words. */
  readonly done: readonly string[];
}
