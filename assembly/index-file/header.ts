import { loadI32, loadI64, storeI32, storeI64 } from "../endian";
import { RESULT } from "../memory";

// The header of an IndexFile (org.apache.rocketmq.store.index.IndexHeader). Big-endian.
//
//    0  i64  begin timestamp         ms, store time of the record that the first entry is of
//    8  i64  end timestamp           ... the last entry
//   16  i64  begin physical offset   where in the CommitLog the record of the first entry stands
//   24  i64  end physical offset     ... of the last entry
//   32  i32  slots in use
//   36  i32  index count             the number of the next entry: they count from 1, and 0 reads as 1
//
// A file that follows a full one begins with all four begin and end fields set to the full one's end; its first entry sets the
// begin fields anew.
//
// It follows the file: 4 bytes a slot (slot.ts), then 20 bytes an entry (entry.ts), entry 0 never being used.

export const HEADER_BYTES: i32 = 40;

const BEGIN_TIMESTAMP: usize = 0;
const END_TIMESTAMP: usize = 8;
const BEGIN_OFFSET: usize = 16;
const END_OFFSET: usize = 24;
const SLOTS_IN_USE: usize = 32;
const INDEX_COUNT: usize = 36;

export function encodeHeader(
  at: usize,
  beginTimestamp: f64,
  endTimestamp: f64,
  beginOffset: f64,
  endOffset: f64,
  slotsInUse: i32,
  indexCount: i32,
): void {
  storeI64(at + BEGIN_TIMESTAMP, i64(beginTimestamp));
  storeI64(at + END_TIMESTAMP, i64(endTimestamp));
  storeI64(at + BEGIN_OFFSET, i64(beginOffset));
  storeI64(at + END_OFFSET, i64(endOffset));
  storeI32(at + SLOTS_IN_USE, slotsInUse);
  storeI32(at + INDEX_COUNT, indexCount);
}

/** RESULT: f64 0 begin timestamp, 1 end timestamp, 2 begin physical offset, 3 end physical offset; i32 8 slots in use, 9 index count. */
export function decodeHeader(at: usize): void {
  store<f64>(RESULT, f64(loadI64(at + BEGIN_TIMESTAMP)));
  store<f64>(RESULT, f64(loadI64(at + END_TIMESTAMP)), 8);
  store<f64>(RESULT, f64(loadI64(at + BEGIN_OFFSET)), 16);
  store<f64>(RESULT, f64(loadI64(at + END_OFFSET)), 24);
  store<i32>(RESULT, loadI32(at + SLOTS_IN_USE), 32);
  store<i32>(RESULT, indexCountOf(at), 36);
}

export function indexCountOf(at: usize): i32 {
  return max(loadI32(at + INDEX_COUNT), 1);
}

export function beginTimestampOf(at: usize): i64 {
  return loadI64(at + BEGIN_TIMESTAMP);
}

export function countSlot(at: usize): void {
  storeI32(at + SLOTS_IN_USE, loadI32(at + SLOTS_IN_USE) + 1);
}

/** Counts one more entry, of a record at `physicalOffset` (IndexFile.putKey). */
export function countEntry(at: usize, physicalOffset: i64, storeTimestamp: i64): void {
  const count = indexCountOf(at);
  if (count <= 1) {
    storeI64(at + BEGIN_OFFSET, physicalOffset);
    storeI64(at + BEGIN_TIMESTAMP, storeTimestamp);
  }
  storeI32(at + INDEX_COUNT, count + 1);
  storeI64(at + END_OFFSET, physicalOffset);
  storeI64(at + END_TIMESTAMP, storeTimestamp);
}
