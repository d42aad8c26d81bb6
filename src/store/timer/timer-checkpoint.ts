import type { LogStorage } from "../../ports/log-storage.ts";

/*
 * `config/timercheck` (TimerCheckpoint), 4096 bytes, big-endian, the rest zero:
 *
 *    0  i64  lastReadTimeMs           messages of all slots before this time were delivered
 *    8  i64  lastTimerLogFlushPos     the wheel's file knows of all units before this position; those behind it are replayed
 *   16  i64  lastTimerQueueOffset     messages of the timer queue before this offset are in the timer log, or were delivered
 *   24  i64  masterTimerQueueOffset   the same, of the master; Apache takes the smaller of the two
 *   32  i64  stateVersion, 40 i64 timestamp, 48 i64 counter: a DataVersion
 */
const timerCheckpointBytes = 4096;
export const timerCheckpointFile = "config/timercheck";

/** 0 means unknown. */
export interface TimerCheckpoint {
  lastReadTimeMs: number;
  lastTimerLogFlushPos: number;
  lastTimerQueueOffset: number;
  masterTimerQueueOffset: number;
  stateVersion: number;
  timestamp: number;
  counter: number;
}

const fields = [
  "lastReadTimeMs",
  "lastTimerLogFlushPos",
  "lastTimerQueueOffset",
  "masterTimerQueueOffset",
  "stateVersion",
  "timestamp",
  "counter",
] as const satisfies readonly (keyof TimerCheckpoint)[];

/** A missing file, or a field that makes no sense, reads as zeros. */
export async function readTimerCheckpoint(storage: LogStorage): Promise<TimerCheckpoint> {
  const bytes = new Uint8Array(fields.length * 8);
  await storage.read(timerCheckpointFile, 0, bytes);
  const view = new DataView(bytes.buffer);
  const checkpoint = {} as TimerCheckpoint;
  fields.forEach((field, index) => {
    const value = Number(view.getBigInt64(8 * index));
    checkpoint[field] = Number.isSafeInteger(value) && value > 0 ? value : 0;
  });
  return checkpoint;
}

/** What of the file is not zero; clients are told it as well (TimerCheckpoint.encode). */
export function encodeTimerCheckpoint(checkpoint: TimerCheckpoint): Uint8Array {
  const bytes = new Uint8Array(fields.length * 8);
  const view = new DataView(bytes.buffer);
  fields.forEach((field, index) => {
    view.setBigInt64(8 * index, BigInt(checkpoint[field]));
  });
  return bytes;
}

/** Ends when it is on the medium. */
export async function writeTimerCheckpoint(storage: LogStorage, checkpoint: TimerCheckpoint): Promise<void> {
  const bytes = encodeTimerCheckpoint(checkpoint);
  const stats = await storage.list("config");
  if (!stats.some(({ name }) => name === timerCheckpointFile)) {
    await storage.create(timerCheckpointFile, timerCheckpointBytes);
  }
  await storage.write([{ file: timerCheckpointFile, at: 0, bytes }]);
  await storage.sync([timerCheckpointFile]);
}
