import { loadI32, loadI64 } from "../endian";
import { RESULT } from "../memory";
import { PHYSICAL_OFFSET, QUEUE_ID, QUEUE_OFFSET, RECORD_BYTES_MIN, SIZE, SYS_FLAG } from "./layout";
import { tagsHash } from "./properties";
import {
  check,
  foundCoveredBytes,
  foundProperties,
  foundPropertiesLength,
  foundStoreTimestamp,
  foundTopic,
  foundTopicLength,
  VALID,
} from "./record";

// One entry of the table that a scan fills, in WebAssembly's own byte order since only the door reads it:
//
//    0  f64  queue offset
//    8  f64  store timestamp
//   16  i32  position, from the region's start, as are those below
//   20  i32  size
//   24  i32  queue id
//   28  i32  sysFlag
//   32  i32  tags code, low half
//   36  i32  position of the topic
//   40  i32  length of the topic
//   44  i32  position of the properties
//   48  i32  length of the properties
//   52  i32  bytes that a checksum covers: all, or those of the body

export const ENTRIES_MAX: i32 = 4096;
const ENTRY_BYTES: usize = 56;
export const ENTRIES: usize = memory.data(4096 * 56, 64);

/**
 * Walks the records at region + [from, limit), checking each as check() does. Stops at the limit, at the first place that is not
 * a valid record, or with a full table. Returns the number of entries. RESULT: i32 0 the position stopped at, 1 its state.
 */
export function scanRecords(region: usize, from: i32, limit: i32, physicalOffset: f64): i32 {
  let count: i32 = 0;
  let position = from;
  let state = VALID;
  let offset = i64(physicalOffset);
  let entry = ENTRIES;
  while (position < limit && count < ENTRIES_MAX) {
    const at = region + usize(position);
    state = check(at, limit - position, offset);
    if (state !== VALID) break;
    const size = loadI32(at + SIZE);
    store<f64>(entry, f64(loadI64(at + QUEUE_OFFSET)));
    store<f64>(entry, f64(loadI64(foundStoreTimestamp)), 8);
    store<i32>(entry, position, 16);
    store<i32>(entry, size, 20);
    store<i32>(entry, loadI32(at + QUEUE_ID), 24);
    store<i32>(entry, loadI32(at + SYS_FLAG), 28);
    store<i32>(entry, tagsHash(foundProperties, foundPropertiesLength), 32);
    store<i32>(entry, i32(foundTopic - region), 36);
    store<i32>(entry, foundTopicLength, 40);
    store<i32>(entry, i32(foundProperties - region), 44);
    store<i32>(entry, foundPropertiesLength, 48);
    store<i32>(entry, foundCoveredBytes, 52);
    entry += ENTRY_BYTES;
    count++;
    position += size;
    offset += i64(size);
  }
  store<i32>(RESULT, position);
  store<i32>(RESULT, state, 4);
  return count;
}

/**
 * The first position in [from, limit) of region where a valid record stands that says it stands there; -1 without one.
 * `physicalOffset` is that of `from`. Looks for a magic's first bytes sixteen places at a time, then at the offset field, which
 * garbage does not match, and only then at the rest.
 */
export function findRecord(region: usize, from: i32, limit: i32, physicalOffset: f64): i32 {
  const first = i64(physicalOffset) - i64(from);
  const da = i8x16.splat(0xda as i8);
  const a3 = i8x16.splat(0xa3 as i8);
  for (let position = from; position <= limit - RECORD_BYTES_MIN; position += 16) {
    const at = region + usize(position);
    let hits = i8x16.bitmask(v128.and(i8x16.eq(v128.load(at, 4), da), i8x16.eq(v128.load(at, 5), a3)));
    while (hits) {
      const place = position + ctz(hits);
      hits &= hits - 1;
      if (place > limit - RECORD_BYTES_MIN) return -1;
      const offset = first + i64(place);
      if (loadI64(region + usize(place) + PHYSICAL_OFFSET) !== offset) continue;
      if (check(region + usize(place), limit - place, offset) === VALID) return place;
    }
  }
  return -1;
}
