import { loadI32, loadI64, storeI32, storeI64 } from "../endian";
import { RESULT } from "../memory";
import { countSlot } from "./header";
import { setSlot, slotAt, slotPlace } from "./slot";

// An entry of an IndexFile (org.apache.rocketmq.store.index.IndexFile), behind the slots. Big-endian.
//
//    0  i32  hash of the key, not negative
//    4  i64  where in the CommitLog the record with the key stands
//   12  i32  store time of the record, in whole seconds since the file's begin timestamp
//   16  i32  number of the entry before it in the same slot; 0 for none
//
// The seconds of entry 1 count from the begin timestamp before it set that (0 in a first file, where there is none; the gap to the
// last entry of the file before otherwise), and mean 0.

export const ENTRY_BYTES: i32 = 20;
const ENTRY_OFFSET: usize = 4;
const ENTRY_SECONDS: usize = 12;
const ENTRY_PREVIOUS: usize = 16;

export function encodeEntry(at: usize, hash: i32, physicalOffset: i64, seconds: i32, previous: i32): void {
  storeI32(at, hash);
  storeI64(at + ENTRY_OFFSET, physicalOffset);
  storeI32(at + ENTRY_SECONDS, seconds);
  storeI32(at + ENTRY_PREVIOUS, previous);
}

/** RESULT: f64 0 physical offset; i32 2 hash, 3 seconds, 4 number of the entry before. */
export function decodeEntry(at: usize): void {
  store<f64>(RESULT, f64(loadI64(at + ENTRY_OFFSET)));
  store<i32>(RESULT, loadI32(at), 8);
  store<i32>(RESULT, loadI32(at + ENTRY_SECONDS), 12);
  store<i32>(RESULT, loadI32(at + ENTRY_PREVIOUS), 16);
}

/** Entries that one call looks at, at most, and the physical offsets (f64) it can find. */
export const FOUND_MAX: i32 = 4096;
export const FOUND: usize = memory.data(4096 * 8, 64);

/**
 * Follows a chain, newest first, from entry `next` down to `first`, whose bytes are at `at`. Of those with this hash and `from` to `to`
 * seconds the offsets go to FOUND; their number is returned. RESULT: i32 0 the entry at which the chain goes on, below `first`, or 0 at
 * its end; 1 whether an entry did not belong to it: the file is damaged, and what may follow is not in the chain any more.
 */
export function followChain(at: usize, first: i32, next: i32, hash: i32, slots: i32, from: i32, to: i32): i32 {
  const slot = hash % slots;
  let found: i32 = 0;
  let damaged: i32 = 0;
  while (next >= first && next > 0) {
    const entry = at + usize(next - first) * ENTRY_BYTES;
    const entryHash = loadI32(entry);
    const seconds = next === 1 ? 0 : loadI32(entry + ENTRY_SECONDS);
    const previous = loadI32(entry + ENTRY_PREVIOUS);
    // Numbers only fall: a chain that is damaged has an end, too.
    if (entryHash < 0 || entryHash % slots !== slot || seconds < 0 || previous < 0 || previous >= next) {
      damaged = 1;
      next = 0;
      break;
    }
    if (entryHash === hash && seconds >= from && seconds <= to) {
      store<f64>(FOUND + (usize(found) << 3), f64(loadI64(entry + ENTRY_OFFSET)));
      found++;
    }
    // Those before it are older.
    next = seconds < from ? 0 : previous;
  }
  store<i32>(RESULT, next);
  store<i32>(RESULT, damaged, 4);
  return found;
}

/** The same for `count` entries at `at`, whatever chain they are in: newest first, the offsets of those with this hash go to FOUND. */
export function findEntries(at: usize, first: i32, count: i32, hash: i32, from: i32, to: i32): i32 {
  let found: i32 = 0;
  for (let index = count - 1; index >= 0; index--) {
    const entry = at + usize(index) * ENTRY_BYTES;
    if (loadI32(entry) !== hash) continue;
    const seconds = first + index === 1 ? 0 : loadI32(entry + ENTRY_SECONDS);
    if (seconds < from || seconds > to) continue;
    store<f64>(FOUND + (usize(found) << 3), f64(loadI64(entry + ENTRY_OFFSET)));
    found++;
  }
  return found;
}

/**
 * Puts `count` entries at `at`, numbered from `first` on, into the slots of a head that knows those before them. Returns how many belong
 * where they are: one ends it whose place in its chain is another, or whose record does not stand at or behind the one before, which
 * begins at `after`, and before `below`; unless `trusting`, when it is put all the same. RESULT: f64 0 where the last one's record stands.
 */
export function replayEntries(
  head: usize,
  changed: usize,
  slots: i32,
  at: usize,
  first: i32,
  count: i32,
  after: f64,
  below: f64,
  trusting: bool,
): i32 {
  let last = i64(after);
  const end = i64(below);
  let index: i32 = 0;
  for (; index < count; index++) {
    const hash = loadI32(at);
    const offset = loadI64(at + ENTRY_OFFSET);
    const place = slotPlace(hash & 0x7fffffff, slots);
    const previous = slotAt(head, place);
    const fits =
      hash >= 0 &&
      loadI32(at + ENTRY_PREVIOUS) === previous &&
      loadI32(at + ENTRY_SECONDS) >= 0 &&
      offset >= last &&
      offset < end;
    if (!fits && !trusting) break;
    if (hash >= 0) {
      if (previous === 0) countSlot(head);
      setSlot(head, place, first + index, changed);
    }
    if (offset >= last && offset < end) last = offset;
    at += ENTRY_BYTES;
  }
  store<f64>(RESULT, f64(last));
  return index;
}

/** How many of the last of `count` entries at `at` are of records at or behind `physicalOffset`: offsets never fall. */
export function entriesFrom(at: usize, count: i32, physicalOffset: f64): i32 {
  const offset = i64(physicalOffset);
  let found: i32 = 0;
  while (found < count && loadI64(at + usize(count - found - 1) * ENTRY_BYTES + ENTRY_OFFSET) >= offset) found++;
  return found;
}
