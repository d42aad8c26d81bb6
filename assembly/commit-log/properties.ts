import { hashUtf8 } from "../hash/java-string";

// Properties are entries `name 0x01 value 0x02`; the last 0x02 may be missing (MessageDecoder.messageProperties2String). An entry
// without a name, without 0x01 or with an empty value does not exist, and the last of several with one name counts
// (MessageDecoder.string2messageProperties).
//
// The property CRC (CommitLog.setMessageCrc32 … MessageDecoder.createCrc32), always the last entry of a record that has it:
//
//    0  8  __CRC32#
//    8  1  0x01
//    9 10  digits of the CRC over all bytes before this entry, bit 31 cleared, lowest digit first, filled up with '0'
//   19  1  0x02

const NAME_VALUE: i32 = 1;
const ENTRY: i32 = 2;

/** "TAGS", "KEYS", "UNIQ_KEY" and "__CRC32#" as the words that a little-endian load makes of them. */
const TAGS: u32 = 0x53474154;
const KEYS: u32 = 0x5359454b;
const UNIQUE_KEY_NAME: u64 = (u64(0x59454b5f) << 32) | 0x51494e55;
const CRC_NAME: u64 = (u64(0x23323343) << 32) | 0x52435f5f;

export const CRC_PROPERTY_BYTES: i32 = 20;

/** The tags code as its low half: String.hashCode of the TAGS property, 0 without one. */
export function tagsHash(at: usize, length: i32): i32 {
  findIndexed(at, length);
  return indexedTagsLength > 0 ? hashUtf8(indexedTags, indexedTagsLength) : 0;
}

/** tagsHash(), after dropping every `__CRC32#` entry (MessageUtils.deleteProperty); keptLength is the length that is left. */
export function tagsHashWithoutCrc(at: usize, length: i32): i32 {
  findIndexed(at, length);
  if (crcFound) {
    length = dropCrcProperties(at, length);
    findIndexed(at, length);
  }
  keptLength = length;
  return indexedTagsLength > 0 ? hashUtf8(indexedTags, indexedTagsLength) : 0;
}

export let keptLength: i32 = 0;

/** What findIndexed() came across: the values of the last UNIQ_KEY, KEYS and TAGS; their lengths are 0 where there is none. */
export let indexedUniqueKey: usize = 0;
export let indexedUniqueKeyLength: i32 = 0;
export let indexedKeys: usize = 0;
export let indexedKeysLength: i32 = 0;
export let indexedTags: usize = 0;
export let indexedTagsLength: i32 = 0;
/** And whether there is a `__CRC32#`. */
let crcFound: bool = false;

/**
 * Looks for the properties that the store knows records by. Separators are found sixteen bytes at a time, whatever the entries' lengths: a
 * search from each entry waits for the last one.
 */
export function findIndexed(at: usize, length: i32): void {
  indexedUniqueKeyLength = 0;
  indexedKeysLength = 0;
  indexedTagsLength = 0;
  crcFound = false;
  const end = at + usize(length);
  const separators = i8x16.splat(ENTRY as i8);
  let entry = at;
  for (; at <= end; at += 16) {
    let ends = i8x16.bitmask(i8x16.eq(v128.load(at), separators));
    if (end - at < 16) {
      const last = 1 << i32(end - at);
      ends = (ends & (last - 1)) | last;
    }
    for (; ends; ends &= ends - 1) {
      const next = at + usize(ctz(ends));
      const name = load<u32>(entry);
      if (name === TAGS) {
        if (load<u8>(entry, 4) === NAME_VALUE && entry + 5 < next) {
          indexedTags = entry + 5;
          indexedTagsLength = i32(next - indexedTags);
        }
      } else if (name === KEYS) {
        if (load<u8>(entry, 4) === NAME_VALUE && entry + 5 < next) {
          indexedKeys = entry + 5;
          indexedKeysLength = i32(next - indexedKeys);
        }
      } else if (name === u32(UNIQUE_KEY_NAME)) {
        if (load<u64>(entry) === UNIQUE_KEY_NAME && load<u8>(entry, 8) === NAME_VALUE && entry + 9 < next) {
          indexedUniqueKey = entry + 9;
          indexedUniqueKeyLength = i32(next - indexedUniqueKey);
        }
      } else if (name === u32(CRC_NAME)) {
        crcFound = crcFound || isCrcEntry(entry, next);
      }
      entry = next + 1;
    }
  }
}

function isCrcEntry(at: usize, end: usize): bool {
  return at + 9 <= end && load<u64>(at) === CRC_NAME && load<u8>(at, 8) === NAME_VALUE;
}

function dropCrcProperties(at: usize, length: i32): i32 {
  let end = at + usize(length);
  let entry = at;
  while (entry < end) {
    const next = min(entryEnd(entry, end) + 1, end);
    if (isCrcEntry(entry, end)) {
      memory.copy(entry, next, end - next);
      end -= next - entry;
    } else {
      entry = next;
    }
  }
  return i32(end - at);
}

/** Bytes that the property CRC adds to properties of this length: its own, and the 0x02 that the last entry may lack. */
export function crcPropertyGrowth(at: usize, length: i32): i32 {
  return CRC_PROPERTY_BYTES + i32(length > 0 && load<u8>(at + usize(length) - 1) !== ENTRY);
}

export function storeEntryEnd(at: usize): void {
  store<u8>(at, ENTRY);
}

export function storeCrcProperty(at: usize, crc: u32): void {
  store<u64>(at, CRC_NAME);
  store<u8>(at, NAME_VALUE, 8);
  store<u64>(at, lowDigits(crc), 9);
  store<u16>(at, highDigits(crc), 17);
  store<u8>(at, ENTRY, 19);
}

/** Whether the last entry is a property CRC, by its name and place; its digits may be damaged. */
export function endsWithCrcProperty(at: usize, length: i32): bool {
  if (length < CRC_PROPERTY_BYTES) return false;
  const entry = at + usize(length - CRC_PROPERTY_BYTES);
  return (
    load<u64>(entry) === CRC_NAME &&
    load<u8>(entry, 8) === NAME_VALUE &&
    (entry === at || load<u8>(entry - 1) === ENTRY)
  );
}

/** So many bytes of a property CRC may be damaged for the rest to tell that it was one: no property of an application comes as near. */
const CRC_DAMAGED_BYTES_MAX: i32 = 4;

/**
 * Whether properties that end at `end`, and not in a property CRC, did so before they were damaged: most of it is there, or the last byte
 * is NUL, which a sector that never reached the medium leaves and which ends no properties otherwise. What lies before `end` is looked
 * at whatever the lengths in the record say, for they may be what is damaged.
 */
export function lostCrcProperty(end: usize, length: i32): bool {
  if (length > 0 && load<u8>(end - 1) === 0) return true;
  const entry = end - usize(CRC_PROPERTY_BYTES);
  let same = i32(load<u8>(entry, 8) === NAME_VALUE) + i32(load<u8>(entry, 19) === ENTRY);
  const differing = load<u64>(entry) ^ CRC_NAME;
  for (let bit: u64 = 0; bit < 64; bit += 8) same += i32(((differing >> bit) & 0xff) === 0);
  for (let digit: usize = 9; digit < 19; digit++) same += i32(u32(load<u8>(entry + digit)) - 0x30 < 10);
  return same >= CRC_PROPERTY_BYTES - CRC_DAMAGED_BYTES_MAX;
}

/**
 * How much of these properties ends in an entry: the last one has a name and 0x01, or there is none. What follows is none of anybody's
 * properties. Apache makes the last entry itself, also behind those of a batch's items, which it takes as they come.
 */
export function entriesLength(at: usize, length: i32): i32 {
  let end = at + usize(length);
  while (end > at && !isLastEntry(at, end)) {
    end--;
    while (end > at && load<u8>(end - 1) !== ENTRY) end--;
  }
  return i32(end - at);
}

/**
 * Whether what ends at `end` and begins at `at` has an entry as its last. Apache makes its last one out of a Java string: it is UTF-8,
 * which what an older write has left seldom is. A property CRC is none: where it is whole it is looked for before.
 */
export function isLastEntry(at: usize, end: usize): bool {
  let byte = end - 1;
  if (load<u8>(byte) === ENTRY) byte--;
  const last = byte + 1;
  let isNamed = false;
  let isEntry = false;
  for (; byte >= at && load<u8>(byte) !== ENTRY; byte--) {
    // The first 0x01 counts, and it needs a name before it.
    isEntry = isNamed;
    if (load<u8>(byte) === NAME_VALUE) {
      isNamed = true;
      isEntry = false;
    }
  }
  return isEntry && !isCrcEntry(byte + 1, last) && isUtf8(byte + 1, last);
}

function isUtf8(at: usize, end: usize): bool {
  while (at < end) {
    const first = load<u8>(at++);
    if (first < 0x80) continue;
    if (first < 0xc2 || first > 0xf4) return false;
    for (let more = 1 + i32(first >= 0xe0) + i32(first >= 0xf0); more > 0; more--) {
      if (at === end || (load<u8>(at++) & 0xc0) !== 0x80) return false;
    }
  }
  return true;
}

/** Whether the property CRC that stands here says `crc`. */
export function crcPropertySays(at: usize, crc: u32): bool {
  return load<u64>(at, 9) === lowDigits(crc) && load<u16>(at, 17) === highDigits(crc) && load<u8>(at, 19) === ENTRY;
}

/**
 * The eight low digits as characters, the lowest in the lowest byte. All are split at once: into halves of four digits, these
 * into pairs, the pairs into digits, each division being a multiplication by a reciprocal that is exact for so few digits.
 */
function lowDigits(crc: u32): u64 {
  const low = crc % 100000000;
  const fours = u64(low % 10000) | (u64(low / 10000) << 32);
  const hundreds = ((fours * 10486) >> 20) & (0x0000007f | (u64(0x0000007f) << 32)); // x / 100, for x below 10000
  const pairs = fours + hundreds * (65536 - 100);
  const tens = ((pairs * 103) >> 10) & (0x000f000f | (u64(0x000f000f) << 32)); // x / 10, for x below 100
  return pairs + tens * (256 - 10) + (0x30303030 | (u64(0x30303030) << 32));
}

/** The two high digits likewise. */
function highDigits(crc: u32): u16 {
  const high = crc / 100000000;
  return u16(0x3030 + (high % 10) + ((high / 10) << 8));
}

/** Address of the 0x02 that ends this entry, or `end`. */
function entryEnd(at: usize, end: usize): usize {
  const separators = i8x16.splat(ENTRY as i8);
  while (at < end) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(at), separators));
    if (found) return min(at + usize(ctz(found)), end);
    at += 16;
  }
  return end;
}
