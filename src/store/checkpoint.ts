import type { LogStorage } from "../ports/log-storage.ts";
import type { Eventually } from "./eventually.ts";

/*
 * `checkpoint` (StoreCheckpoint), 4096 bytes, big-endian, the rest zero:
 *
 *    0  i64  physicMsgTimestamp     store time of the last message known to be flushed in the CommitLog
 *    8  i64  logicsMsgTimestamp     ... of the last message whose ConsumeQueue unit is flushed
 *   16  i64  indexMsgTimestamp      ... of the last message in a full, flushed IndexFile
 *   24  i64  masterFlushedOffset
 *   32  i64  confirmPhyOffset       start of the last valid record, as recovery found it
 *   40  i64  logicsPhysicalOffset   start of the last record whose ConsumeQueue unit is flushed (5.5; 0 in older stores)
 */
export const checkpointBytes = 4096;
export const checkpointFile = "checkpoint";

/** What is known to be flushed. Timestamps in milliseconds, offsets in bytes of the CommitLog; 0 means unknown. */
export interface Checkpoint {
  physicMsgTimestamp: number;
  logicsMsgTimestamp: number;
  indexMsgTimestamp: number;
  masterFlushedOffset: number;
  confirmPhyOffset: number;
  logicsPhysicalOffset: number;
}

const fields = [
  "physicMsgTimestamp",
  "logicsMsgTimestamp",
  "indexMsgTimestamp",
  "masterFlushedOffset",
  "confirmPhyOffset",
  "logicsPhysicalOffset",
] as const satisfies readonly (keyof Checkpoint)[];

/** A missing or short file reads as zeros: recovery then starts further back. */
export async function readCheckpoint(storage: LogStorage): Promise<Checkpoint> {
  const bytes = new Uint8Array(checkpointBytes);
  await storage.read(checkpointFile, 0, bytes);
  const view = new DataView(bytes.buffer);
  const checkpoint = {} as Checkpoint;
  fields.forEach((field, index) => {
    const value = Number(view.getBigInt64(8 * index));
    checkpoint[field] = Number.isSafeInteger(value) && value > 0 ? value : 0;
  });
  return checkpoint;
}

export function writeCheckpoint(storage: LogStorage, checkpoint: Checkpoint): Eventually<void> {
  const bytes = new Uint8Array(checkpointBytes);
  const view = new DataView(bytes.buffer);
  fields.forEach((field, index) => {
    view.setBigInt64(8 * index, BigInt(checkpoint[field]));
  });
  return storage.write([{ file: checkpointFile, at: 0, bytes }]);
}
