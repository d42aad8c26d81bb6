/** What becomes a CommitLog record. 64-bit fields are safe integers; hosts come from encodeHost(). */
export interface RecordToEncode {
  queueId: number;
  /** The application's flag, opaque. */
  flag: number;
  /** Index in the queue, not bytes. */
  queueOffset: number;
  /** The bits that say IPv6 (0x10 born host, 0x20 store host) are recomputed from the hosts given. */
  sysFlag: number;
  /** ms */
  bornTimestamp: number;
  /** As `Core.encodeHost` makes it. Hosts and topic are not changed once they were given: the core keeps the last ones. */
  bornHost: Uint8Array;
  /** ms */
  storeTimestamp: number;
  storeHost: Uint8Array;
  reconsumeTimes: number;
  /** Physical offset of the half message that a committed message came from, else 0. */
  preparedTransactionOffset: number;
  /** UTF-8, at most 32767 bytes. Longer than 127 bytes makes a V2 record, else V1 (MessageExtBrokerInner.setVersion). */
  topic: Uint8Array;
  /** As received: compressed if sysFlag says so. */
  body: Uint8Array;
  /** `name 0x01 value 0x02`, repeated. A `__CRC32#` among them is removed; the core writes its own, or else leaves out what is no entry at the end. */
  properties: string | Uint8Array;
  /** Entries added behind them, in UTF-8; a last entry without its 0x02 is given one. A batch takes none. */
  moreProperties?: Uint8Array | undefined;
}

/** Size in bytes and the ConsumeQueue's tags code as two i32: the sign-extended String.hashCode of TAGS, or 0. */
export interface Encoded {
  /** -1: refused, since properties with their CRC are longer than 32767 bytes, or the topic is. */
  size: number;
  tagsHigh: number;
  tagsLow: number;
}

export interface EncodedBatch {
  /** Records written. -1: the batch is malformed or the properties of an item are too long. */
  readonly count: number;
  /** Bytes of all records. */
  readonly size: number;
  sizeOf(index: number): number;
  tagsHighOf(index: number): number;
  tagsLowOf(index: number): number;
}

/** A record's fields, copied out. 64-bit numbers beyond 2^53 are rounded. */
export interface DecodedRecord {
  size: number;
  magic: number;
  bodyCrc: number;
  queueId: number;
  flag: number;
  queueOffset: number;
  physicalOffset: number;
  sysFlag: number;
  bornTimestamp: number;
  bornHost: Uint8Array;
  storeTimestamp: number;
  storeHost: Uint8Array;
  reconsumeTimes: number;
  preparedTransactionOffset: number;
  body: Uint8Array;
  topic: string;
  properties: string;
  tagsHigh: number;
  tagsLow: number;
}

/** What stands at a place in the CommitLog. */
export type RecordState =
  /** A record whose CRC holds and that stands where it says. Nothing else is wrong with it either. */
  | "valid"
  /** The rest of the file is unused: CommitLog.BLANK_MAGIC_CODE. */
  | "blank"
  /** Fewer bytes than it claims. */
  | "incomplete"
  /** Neither record nor blank. Zeros, for one. */
  | "bad-magic"
  /** Inner lengths that do not add up to the size, or a size no record can have. */
  | "bad-length"
  /** The property CRC, or without one the body CRC, does not hold. */
  | "bad-crc"
  /** A sound record of another place: its physical offset is not where it stands. */
  | "wrong-offset";
