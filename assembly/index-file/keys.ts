import { SIZE, SYS_FLAG } from "../commit-log/layout";
import {
  findIndexed,
  indexedKeys,
  indexedKeysLength,
  indexedTags,
  indexedTagsLength,
  indexedUniqueKey,
  indexedUniqueKeyLength,
} from "../commit-log/properties";
import {
  foundProperties,
  foundPropertiesLength,
  foundStoreTimestamp,
  foundTopic,
  foundTopicLength,
  locate,
  VALID,
} from "../commit-log/record";
import { loadI32, loadI64 } from "../endian";
import { hashUtf8From } from "../hash/java-string";
import { RESULT } from "../memory";
import { ENTRY_BYTES, encodeEntry } from "./entry";
import { beginTimestampOf, countEntry, countSlot, indexCountOf } from "./header";
import { setSlot, slotAt, slotPlace } from "./slot";

// The keys of a record (IndexService.buildIndex of 5.5.0), in the order in which they are indexed:
//
//   topic # UNIQ_KEY
//   topic # each piece of KEYS between single spaces, but for empty ones
//   topic # T # TAGS
//
// Their hash is the absolute value of String.hashCode, and 0 where that has none (IndexFile.indexKeyHashMethod).

const SHARP: i32 = 0x23;
const TAG_TYPE: i32 = 0x54;
const KEY_SEPARATOR: i32 = 0x20;

const TRANSACTION_BITS: i32 = 0xc;
const TRANSACTION_ROLLBACK: i32 = 0xc;

/** What ends putKeys. */
const DONE: i32 = 0;
const FILE_FULL: i32 = 1;
const NO_ROOM: i32 = 2;

/** The hash of a whole key as the index has it. */
export function indexHash(at: usize, length: i32): i32 {
  return notNegative(hashUtf8From(0, at, length));
}

function notNegative(hash: i32): i32 {
  return hash === i32.MIN_VALUE ? 0 : abs(hash);
}

// The keys of one record, one after the other: nextHash() until it is negative.
let topicHash: i32 = 0;
let stage: i32 = 0;
let keysAt: usize = 0;
let keysEnd: usize = 0;

function startKeys(): void {
  topicHash = hashUtf8From(0, foundTopic, foundTopicLength) * 31 + SHARP;
  findIndexed(foundProperties, foundPropertiesLength);
  stage = 0;
  keysAt = indexedKeys;
  keysEnd = indexedKeys + usize(indexedKeysLength);
}

function nextHash(): i32 {
  if (stage === 0) {
    stage = 1;
    if (indexedUniqueKeyLength > 0) {
      return notNegative(hashUtf8From(topicHash, indexedUniqueKey, indexedUniqueKeyLength));
    }
  }
  if (stage === 1) {
    while (keysAt < keysEnd && load<u8>(keysAt) === KEY_SEPARATOR) keysAt++;
    if (keysAt < keysEnd) {
      const at = keysAt;
      while (keysAt < keysEnd && load<u8>(keysAt) !== KEY_SEPARATOR) keysAt++;
      return notNegative(hashUtf8From(topicHash, at, i32(keysAt - at)));
    }
    stage = 2;
  }
  if (stage === 2) {
    stage = 3;
    if (indexedTagsLength > 0) {
      const prefix = (topicHash * 31 + TAG_TYPE) * 31 + SHARP;
      return notNegative(hashUtf8From(prefix, indexedTags, indexedTagsLength));
    }
  }
  return -1;
}

/**
 * Puts the keys of the records at region + [from, limit) into an IndexFile whose head stands in memory, as far as it has less than
 * `indexMax` entries and `room` for new ones is left at `into`. Records before `firstOffset` are left out, and the first `skipped` keys
 * of the one there. `physicalOffset` is that of `from`.
 *
 * Returns the number of new entries. RESULT: i32 0 the position it ended at, 1 how many keys of the record there are done, 2 why it
 * ended: 0 at the limit, or where no record stands; 1 the file is full; 2 there is no room.
 */
export function putKeys(
  head: usize,
  changed: usize,
  slots: i32,
  indexMax: i32,
  into: usize,
  room: i32,
  region: usize,
  from: i32,
  limit: i32,
  physicalOffset: f64,
  firstOffset: f64,
  skipped: i32,
): i32 {
  const base = i64(physicalOffset) - i64(from);
  const first = i64(firstOffset);
  let position = from;
  let put: i32 = 0;
  let done: i32 = 0;
  let end = DONE;
  while (position < limit) {
    const at = region + usize(position);
    if (locate(at, limit - position) !== VALID) break;
    const offset = base + i64(position);
    if (offset >= first && (loadI32(at + SYS_FLAG) & TRANSACTION_BITS) !== TRANSACTION_ROLLBACK) {
      const storeTimestamp = loadI64(foundStoreTimestamp);
      let left = offset === first ? skipped : 0;
      startKeys();
      done = 0;
      for (let hash = nextHash(); hash >= 0; hash = nextHash()) {
        if (left > 0) {
          left--;
        } else {
          const count = indexCountOf(head);
          if (count >= indexMax) end = FILE_FULL;
          else if (put >= room) end = NO_ROOM;
          if (end !== DONE) break;
          const place = slotPlace(hash, slots);
          const last = slotAt(head, place);
          const previous = last > 0 && last < count ? last : 0;
          encodeEntry(into, hash, offset, seconds(head, storeTimestamp), previous);
          into += ENTRY_BYTES;
          put++;
          setSlot(head, place, count, changed);
          if (previous === 0) countSlot(head);
          countEntry(head, offset, storeTimestamp);
        }
        done++;
      }
      if (end !== DONE) break;
    }
    position += loadI32(at + SIZE);
    done = 0;
  }
  store<i32>(RESULT, position);
  store<i32>(RESULT, done, 4);
  store<i32>(RESULT, end, 8);
  return put;
}

function seconds(head: usize, storeTimestamp: i64): i32 {
  const begin = beginTimestampOf(head);
  if (begin <= 0) return 0;
  return i32(min<i64>(max<i64>((storeTimestamp - begin) / 1000, 0), i32.MAX_VALUE));
}

/**
 * Whether a record has a topic and, among those that are indexed, a key: a tag if `isTag`. RESULT: f64 0 its store time. The index has
 * no more than hashes of both, and may be damaged.
 */
export function hasKey(
  at: usize,
  available: i32,
  topic: usize,
  topicLength: i32,
  key: usize,
  keyLength: i32,
  isTag: bool,
): bool {
  if (locate(at, available) !== VALID) return false;
  store<f64>(RESULT, f64(loadI64(foundStoreTimestamp)));
  if (!isSame(foundTopic, foundTopicLength, topic, topicLength)) return false;
  findIndexed(foundProperties, foundPropertiesLength);
  if (isTag) return isSame(indexedTags, indexedTagsLength, key, keyLength);
  if (isSame(indexedUniqueKey, indexedUniqueKeyLength, key, keyLength)) return true;
  const end = indexedKeys + usize(indexedKeysLength);
  for (let piece = indexedKeys; piece < end; ) {
    let next = piece;
    while (next < end && load<u8>(next) !== KEY_SEPARATOR) next++;
    if (isSame(piece, i32(next - piece), key, keyLength)) return true;
    piece = next + 1;
  }
  return false;
}

function isSame(a: usize, aLength: i32, b: usize, bLength: i32): bool {
  return aLength === bLength && aLength > 0 && memory.compare(a, b, usize(aLength)) === 0;
}
