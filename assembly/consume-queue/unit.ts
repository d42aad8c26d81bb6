import { loadI32, loadI64, storeI32, storeI64 } from "../endian";
import { RESULT } from "../memory";

// A ConsumeQueue unit (org.apache.rocketmq.store.ConsumeQueue). Big-endian.
//
//    0  i64  physical offset of the record
//    8  i32  size of the record
//   12  i64  tags code: String.hashCode(TAGS) with its sign extended, 0 without tags; a deliver time in a delay queue; below -2^31
//            a place in a ConsumeQueueExt, where Apache had one: 80 in the first byte
//
// The units below a queue's first offset are pre-blank: offset 0, size 7FFFFFFF, tags code 0.

export const UNIT_BYTES: i32 = 20;
const UNIT_SIZE: usize = 8;
const UNIT_TAGS: usize = 12;
const PRE_BLANK_SIZE: i32 = 0x7fffffff;

export function encodeUnit(at: usize, physicalOffset: f64, size: i32, tagsHigh: i32, tagsLow: i32): void {
  storeI64(at, i64(physicalOffset));
  storeI32(at + UNIT_SIZE, size);
  storeI32(at + UNIT_TAGS, tagsHigh);
  storeI32(at + UNIT_TAGS + 4, tagsLow);
}

/** RESULT: f64 0 physical offset; i32 2 size, 3 and 4 the tags code's high and low half. */
export function decodeUnit(at: usize): void {
  store<f64>(RESULT, f64(loadI64(at)));
  store<i32>(RESULT, loadI32(at + UNIT_SIZE), 8);
  store<i32>(RESULT, loadI32(at + UNIT_TAGS), 12);
  store<i32>(RESULT, loadI32(at + UNIT_TAGS + 4), 16);
}

/** Number of leading units that ConsumeQueue.recover takes as written: offset not negative, size positive. */
export function scanUnits(at: usize, count: i32): i32 {
  for (let index: i32 = 0; index < count; index++) {
    if (loadI64(at) < 0 || loadI32(at + UNIT_SIZE) <= 0) return index;
    at += usize(UNIT_BYTES);
  }
  return count;
}

/** Units that one call of a filter looks at, at most. */
export const FILTER_UNITS_MAX: i32 = 65536;
export const FILTER_INDICES: usize = memory.data(65536 * 4 + 64, 64);

/** Hashes that a filter knows, at most. */
export const FILTER_HASHES_MAX: i32 = 16384;
export const FILTER_HASHES: usize = memory.data(16384 * 4, 64);

/** Up to this many hashes, each unit is compared with all of them at once; the rest of two vectors repeats the first hash. */
const COMPARE_ALL_MAX: i32 = 8;

/**
 * Writes the indices of the units with one of the `hashes` (ascending, in FILTER_HASHES) as tags code, plus `base`, to
 * FILTER_INDICES; returns their number. Units with a place in an extension may have any tags: they are among them, and consumers look
 * at the tags themselves. Every loop stores every index and keeps it by moving on, which costs no branch to
 * mispredict.
 */
export function filterUnits(at: usize, count: i32, hashes: i32, base: i32): i32 {
  if (hashes === 0) return 0;
  let out = FILTER_INDICES;
  if (hashes === 1) {
    const code = bswap<u64>(u64(i64(load<i32>(FILTER_HASHES))));
    const blank = bswap<i32>(PRE_BLANK_SIZE);
    for (let index: i32 = 0; index < count; index++) {
      store<i32>(out, base + index);
      const found = load<u64>(at, 12);
      const matches = i32(found === code) | i32((found & 0xff) === 0x80);
      out += usize(matches & i32(load<i32>(at, 8) !== blank)) << 2;
      at += usize(UNIT_BYTES);
    }
  } else if (hashes <= COMPARE_ALL_MAX) {
    for (let i = hashes; i < COMPARE_ALL_MAX; i++) {
      store<i32>(FILTER_HASHES + (usize(i) << 2), load<i32>(FILTER_HASHES));
    }
    const first = v128.load(FILTER_HASHES);
    const second = v128.load(FILTER_HASHES, 16);
    for (let index: i32 = 0; index < count; index++) {
      const code = loadI64(at + UNIT_TAGS);
      const low = i32x4.splat(i32(code));
      const known = v128.any_true(v128.or(i32x4.eq(low, first), i32x4.eq(low, second)));
      store<i32>(out, base + index);
      const matches = (i32(known) & i32(i64(i32(code)) === code)) | isExtended(at);
      out += usize(matches & isWritten(at)) << 2;
      at += usize(UNIT_BYTES);
    }
  } else {
    for (let index: i32 = 0; index < count; index++) {
      const code = loadI64(at + UNIT_TAGS);
      store<i32>(out, base + index);
      const matches = (i32(isFound(i32(code), hashes)) & i32(i64(i32(code)) === code)) | isExtended(at);
      out += usize(matches & isWritten(at)) << 2;
      at += usize(UNIT_BYTES);
    }
  }
  return i32((out - FILTER_INDICES) >> 2);
}

/**
 * Writes the indices of units whose tags code is one bit away from one of the `hashes` in FILTER_HASHES, and equal to none of them nor to
 * another unit's, to FILTER_INDICES; returns their number. A tag that messages have comes more than once; a bit that turned makes a code
 * that stands alone.
 */
export function nearUnits(at: usize, count: i32, hashes: i32): i32 {
  let out = FILTER_INDICES;
  for (let index: i32 = 0; index < count; index++) {
    const unit = at + usize(index) * usize(UNIT_BYTES);
    if (!isWritten(unit)) continue;
    const code = loadI64(unit + UNIT_TAGS);
    let isNear = false;
    for (let i: i32 = 0; i < hashes; i++) {
      const differing = code ^ i64(load<i32>(FILTER_HASHES + (usize(i) << 2)));
      if (differing === 0) {
        isNear = false;
        break;
      }
      isNear = isNear || popcnt(differing) === 1;
    }
    if (!isNear || !isAlone(at, count, index)) continue;
    store<i32>(out, index);
    out += 4;
  }
  return i32((out - FILTER_INDICES) >> 2);
}

/** Whether no other unit has the same tags code. Those nearby are looked at first: a common one is met soon. */
function isAlone(at: usize, count: i32, index: i32): bool {
  const code = load<u64>(at + usize(index) * usize(UNIT_BYTES), 12);
  for (let distance: i32 = 1; distance < count; distance++) {
    const before = index - distance;
    const behind = index + distance;
    if (before >= 0 && load<u64>(at + usize(before) * usize(UNIT_BYTES), 12) === code) return false;
    if (behind < count && load<u64>(at + usize(behind) * usize(UNIT_BYTES), 12) === code) return false;
  }
  return true;
}

/** ConsumeQueueExt.isExtAddr, but for places that no file is long enough for. */
function isExtended(at: usize): i32 {
  return i32(load<u8>(at, UNIT_TAGS) === 0x80);
}

function isWritten(at: usize): i32 {
  return i32(loadI32(at + UNIT_SIZE) !== PRE_BLANK_SIZE);
}

function isFound(hash: i32, hashes: i32): bool {
  let low: i32 = 0;
  let high = hashes;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<i32>(FILTER_HASHES + (usize(middle) << 2)) < hash) low = middle + 1;
    else high = middle;
  }
  return low < hashes && load<i32>(FILTER_HASHES + (usize(low) << 2)) === hash;
}
