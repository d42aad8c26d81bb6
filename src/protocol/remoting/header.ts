import type { AnswerFields } from "./answer-fields.ts";
import type { Fields } from "./fields.ts";
import type { HeaderMemory } from "./header-memory.ts";

/** A header as a peer wrote it (RemotingCommand). */
export interface Header {
  readonly code: number;
  readonly opaque: number;
  readonly isResponse: boolean;
  readonly isOneway: boolean;
  readonly language: string;
  readonly version: number;
  readonly fields: Fields;
}

/** A header of ours. */
export interface OwnHeader {
  readonly code: number;
  readonly flag: number;
  readonly opaque: number;
  readonly fields: AnswerFields;
  readonly remark: string | undefined;
}

/** How headers are written on a wire: JSON or ROCKETMQ (SerializeType). Every frame says which. */
export interface HeaderCodec {
  readonly serializeType: number;
  /** The header at [from, to). Throws FrameError for bytes that are none. Its fields are there as long as these bytes are. */
  read(bytes: Uint8Array, from: number, to: number, memory: HeaderMemory): Header;
  /** The remark of a header that `read` has read, for who asked. */
  remark(bytes: Uint8Array, from: number, to: number): string | undefined;
  /** Bytes that `write` takes at most. */
  bytesMax(header: OwnHeader): number;
  /** Returns the end of what it wrote from `at` on. */
  write(header: OwnHeader, into: Uint8Array, at: number): number;
}

export const responseBit = 1;
export const onewayBit = 2;

/** The version answered: V5_5_0 of org.apache.rocketmq.common.MQVersion. */
export const ownVersion = 513;
