import { storeI32, storeI64 } from "../endian";

// A slot of the timer wheel (org.apache.rocketmq.store.timer.Slot). Big-endian.
//
//    0  i64  its time, in units of timerPrecisionMs since 1970; a slot that says another time than is asked for is empty
//    8  i64  where in the timer log its first unit stands
//   16  i64  ... its last unit, from which the others are reached
//   24  i32  messages in it, those less that are taken off again
//   28  i32  0
//
// The file `timerwheel` is 1,209,600 of them whatever the precision: two weeks by seconds. The slot of a time is the time, in units of the
// precision, modulo that.

export const TIMER_SLOT_BYTES: i32 = 32;
export const TIMER_SLOTS: i32 = 2 * 7 * 24 * 3600;

export function encodeTimerSlot(at: usize, time: f64, first: f64, last: f64, num: i32): void {
  storeI64(at, i64(time));
  storeI64(at + 8, i64(first));
  storeI64(at + 16, i64(last));
  storeI32(at + 24, num);
  storeI32(at + 28, 0);
}
