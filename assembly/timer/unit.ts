import { MAGIC_BLANK } from "../commit-log/layout";
import { loadI32, loadI64, storeI32, storeI64 } from "../endian";
import { RESULT } from "../memory";

// A unit of the timer log (org.apache.rocketmq.store.timer.TimerLog): one message that waits on the wheel. Big-endian.
//
//    0  i32  52
//    4  i64  where in the timer log the unit before it in its slot stands; -1 for the first
//   12  i32  what is to be done: bit 0 always, bit 1 put it onto the wheel again, bit 2 take another message off
//   16  i64  the wheel's time when it was written, ms
//   24  i32  the time of its slot, ms after that
//   28  i64  where in the CommitLog the message stands
//   36  i32  the size of its record
//   40  i32  String.hashCode of the topic it is for
//   44  i64  0
//
// What fills a file up when the next unit does not fit with these 16 bytes behind it:
//
//    0  i32  bytes from here to the end of the file
//    4  i64  0
//   12  i32  magic CBD43194

export const TIMER_UNIT_BYTES: i32 = 52;
export const TIMER_BLANK_BYTES: i32 = 16;

const PREVIOUS: usize = 4;
const MAGIC: usize = 12;
const WRITE_TIME: usize = 16;
const DELAY: usize = 24;
const PHYSICAL_OFFSET: usize = 28;
const RECORD_SIZE: usize = 36;
const TOPIC_HASH: usize = 40;
const RESERVED: usize = 44;

/** TimerMessageStore.isMagicOK. */
const MAGIC_BITS: i32 = 0xf;

export function encodeTimerUnit(
  at: usize,
  previous: f64,
  magic: i32,
  writeTime: f64,
  delay: i32,
  physicalOffset: f64,
  recordSize: i32,
  topicHash: i32,
): void {
  storeI32(at, TIMER_UNIT_BYTES);
  storeI64(at + PREVIOUS, i64(previous));
  storeI32(at + MAGIC, magic);
  storeI64(at + WRITE_TIME, i64(writeTime));
  storeI32(at + DELAY, delay);
  storeI64(at + PHYSICAL_OFFSET, i64(physicalOffset));
  storeI32(at + RECORD_SIZE, recordSize);
  storeI32(at + TOPIC_HASH, topicHash);
  storeI64(at + RESERVED, 0);
}

export function encodeTimerBlank(at: usize, length: i32): void {
  storeI32(at, length);
  storeI64(at + PREVIOUS, 0);
  storeI32(at + MAGIC, MAGIC_BLANK);
}

/**
 * 1 for a unit, 2 for what fills a file up, 0 for neither. Of a unit RESULT: f64 0 previous, 1 write time, 2 physical offset; i32 6 magic,
 * 7 delay, 8 size of the record, 9 hash of the topic.
 */
export function decodeTimerUnit(at: usize): i32 {
  const magic = loadI32(at + MAGIC);
  if (magic === MAGIC_BLANK) return 2;
  if (loadI32(at) !== TIMER_UNIT_BYTES || (magic | MAGIC_BITS) !== MAGIC_BITS) return 0;
  store<f64>(RESULT, f64(loadI64(at + PREVIOUS)));
  store<f64>(RESULT, f64(loadI64(at + WRITE_TIME)), 8);
  store<f64>(RESULT, f64(loadI64(at + PHYSICAL_OFFSET)), 16);
  store<i32>(RESULT, magic, 24);
  store<i32>(RESULT, loadI32(at + DELAY), 28);
  store<i32>(RESULT, loadI32(at + RECORD_SIZE), 32);
  store<i32>(RESULT, loadI32(at + TOPIC_HASH), 36);
  return 1;
}
