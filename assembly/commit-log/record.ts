import { combine } from "../checksum/combine";
import { advance, advanceBoth } from "../checksum/crc32";
import { loadI16, loadI32, loadI64, storeI16, storeI32, storeI64 } from "../endian";
import { BORN_HOST_STAGE, copy, PROPERTIES_STAGE, RESULT, STORE_HOST_STAGE, TOPIC_STAGE } from "../memory";
import {
  BODY_AT_X,
  BODY_CRC,
  BODY_LENGTH_AT_X,
  BORN_HOST,
  BORN_HOST_V6,
  BORN_TIMESTAMP,
  bodyAt,
  CRC_MASK,
  FLAG,
  HOST_V4_BYTES,
  HOST_V6_BYTES,
  MAGIC,
  MAGIC_BLANK,
  MAGIC_V1,
  MAGIC_V2,
  PHYSICAL_OFFSET,
  PREPARED_TRANSACTION_OFFSET_AT_X,
  PROPERTIES_BYTES_MAX,
  QUEUE_ID,
  QUEUE_OFFSET,
  RECONSUME_TIMES_AT_X,
  RECORD_BYTES_MIN,
  SIZE,
  STORE_HOST_AFTER_BORN_HOST,
  STORE_HOST_V6,
  STORE_TIMESTAMP_AFTER_BORN_HOST,
  SYS_FLAG,
  TOPIC_V1_BYTES_MAX,
  TOPIC_V2_BYTES_MAX,
  topicLengthBytes,
} from "./layout";
import {
  CRC_PROPERTY_BYTES,
  crcPropertyGrowth,
  crcPropertySays,
  endsWithCrcProperty,
  entriesLength,
  isLastEntry,
  keptLength,
  lostCrcProperty,
  storeCrcProperty,
  storeEntryEnd,
  tagsHash,
  tagsHashWithoutCrc,
} from "./properties";

// What stands at a place in the log. The door names these in the same order.
export const VALID: i32 = 0;
export const BLANK: i32 = 1;
export const INCOMPLETE: i32 = 2;
export const BAD_MAGIC: i32 = 3;
export const BAD_LENGTH: i32 = 4;
export const BAD_CRC: i32 = 5;
export const WRONG_OFFSET: i32 = 6;
export const OTHER_MESSAGE: i32 = 7;

/** What encodeRecord and encodeBatch refuse instead of writing it. */
export const REFUSED: i32 = -1;

/**
 * Completes a record whose body already stands where it belongs and whose properties, topic and hosts lie in their stages.
 * Returns its size, or -1 when the properties (with their CRC) or the topic are too long for their length field.
 * RESULT: i32 0 the tags code's low half.
 */
export function encodeRecord(
  at: usize,
  physicalOffset: f64,
  queueId: i32,
  flag: i32,
  queueOffset: f64,
  sysFlag: i32,
  bornTimestamp: f64,
  bornHostLength: i32,
  storeTimestamp: f64,
  storeHostLength: i32,
  reconsumeTimes: i32,
  preparedTransactionOffset: f64,
  bodyLength: i32,
  topicLength: i32,
  propertiesLength: i32,
  propertyCrc: bool,
): i32 {
  if (topicLength > TOPIC_V2_BYTES_MAX) return REFUSED;
  const tags = tagsHashWithoutCrc(PROPERTIES_STAGE, propertiesLength);
  if (keptLength > PROPERTIES_BYTES_MAX) return REFUSED;
  // Without a CRC, what does not end in an entry passes for damage.
  const kept = propertyCrc ? keptLength : entriesLength(PROPERTIES_STAGE, keptLength);
  const length = kept + (propertyCrc ? crcPropertyGrowth(PROPERTIES_STAGE, kept) : 0);
  if (length > PROPERTIES_BYTES_MAX) return REFUSED;

  const version = topicLength > TOPIC_V1_BYTES_MAX ? MAGIC_V2 : MAGIC_V1;
  const body = bodyAt(bornHostLength, storeHostLength);
  const topicAt = body + bodyLength + topicLengthBytes(version);
  const propertiesAt = at + usize(topicAt + topicLength + 2);
  const size = topicAt + topicLength + 2 + length;
  copy(at + BORN_HOST, BORN_HOST_STAGE, bornHostLength);
  copy(at + BORN_HOST + usize(bornHostLength) + STORE_HOST_AFTER_BORN_HOST, STORE_HOST_STAGE, storeHostLength);
  copy(at + usize(topicAt), TOPIC_STAGE, topicLength);
  copy(propertiesAt, PROPERTIES_STAGE, kept);
  if (length > kept + CRC_PROPERTY_BYTES) storeEntryEnd(propertiesAt + usize(kept));

  let hosts: i32 = 0;
  if (bornHostLength === HOST_V6_BYTES) hosts |= BORN_HOST_V6;
  if (storeHostLength === HOST_V6_BYTES) hosts |= STORE_HOST_V6;
  const bornHostEnd = at + BORN_HOST + usize(bornHostLength);
  const x = bornHostEnd + STORE_HOST_AFTER_BORN_HOST + usize(storeHostLength);
  storeI32(at + SIZE, size);
  storeI32(at + MAGIC, version);
  storeI32(at + QUEUE_ID, queueId);
  storeI32(at + FLAG, flag);
  storeI64(at + QUEUE_OFFSET, i64(queueOffset));
  storeI64(at + PHYSICAL_OFFSET, i64(physicalOffset));
  storeI32(at + SYS_FLAG, (sysFlag & ~(BORN_HOST_V6 | STORE_HOST_V6)) | hosts);
  storeI64(at + BORN_TIMESTAMP, i64(bornTimestamp));
  storeI64(bornHostEnd + STORE_TIMESTAMP_AFTER_BORN_HOST, i64(storeTimestamp));
  storeI32(x + RECONSUME_TIMES_AT_X, reconsumeTimes);
  storeI64(x + PREPARED_TRANSACTION_OFFSET_AT_X, i64(preparedTransactionOffset));
  storeI32(x + BODY_LENGTH_AT_X, bodyLength);
  if (version === MAGIC_V2) storeI16(at + usize(topicAt - 2), topicLength);
  else store<u8>(at + usize(topicAt - 1), topicLength);
  storeI16(propertiesAt - 2, length);

  storeChecksums(at, body, bodyLength, size, propertyCrc);
  store<i32>(RESULT, tags);
  return size;
}

/** Both CRCs. The body counts in both, and is run over once unless it is short enough for a second look to be cheaper. */
function storeChecksums(at: usize, body: i32, bodyLength: i32, size: i32, propertyCrc: bool): void {
  const start: u32 = 0xffffffff;
  const afterBody = advance(start, at + usize(body), bodyLength);
  storeI32(at + BODY_CRC, i32(~afterBody & CRC_MASK));
  if (!propertyCrc) return;
  const covered = size - CRC_PROPERTY_BYTES;
  let register: u32;
  if (bodyLength < COMBINE_FROM) {
    register = advance(start, at, covered);
  } else {
    // All from the body on is one part, so that the runs over what is before the body and what is behind it can go side by side.
    const behind = body + bodyLength;
    const both = advanceBoth(start, at, body, afterBody, at + usize(behind), covered - behind);
    register = combine(u32(both), start, u32(both >> 32), covered - body);
  }
  storeCrcProperty(at + usize(covered), ~register & CRC_MASK);
}

/** Body length from which combining two CRCs beats computing the second, measured. */
const COMBINE_FROM: i32 = 256;

// The record that locate() last found VALID or BAD_CRC or WRONG_OFFSET, as addresses and lengths.
let bornHostLength: i32 = 0;
let storeHostLength: i32 = 0;
let foundBody: usize = 0;
let foundBodyLength: i32 = 0;
export let foundTopic: usize = 0;
export let foundTopicLength: i32 = 0;
export let foundProperties: usize = 0;
export let foundPropertiesLength: i32 = 0;
export let foundStoreTimestamp: usize = 0;
/** Of a valid record: how many of its bytes a checksum covers, all of them or those of its body. */
export let foundCoveredBytes: i32 = 0;

/**
 * Reads lengths, trusting none: VALID when they add up to the record's size within the `available` bytes, else what is wrong.
 * Keeps CommitLog.checkMessageAndReturnSize's order: size, magic, then the rest. Every length is compared with what is left of
 * the record, never summed up, so none can overflow.
 */
export function locate(at: usize, available: i32): i32 {
  if (available < 8) return INCOMPLETE;
  const size = loadI32(at + SIZE);
  const magic = loadI32(at + MAGIC);
  if (magic === MAGIC_BLANK) return size < 8 ? BAD_LENGTH : BLANK;
  if (magic !== MAGIC_V1 && magic !== MAGIC_V2) return BAD_MAGIC;
  if (size < RECORD_BYTES_MIN) return BAD_LENGTH;
  if (size > available) return INCOMPLETE;

  const sysFlag = loadI32(at + SYS_FLAG);
  bornHostLength = sysFlag & BORN_HOST_V6 ? HOST_V6_BYTES : HOST_V4_BYTES;
  storeHostLength = sysFlag & STORE_HOST_V6 ? HOST_V6_BYTES : HOST_V4_BYTES;
  const topicPrefix = topicLengthBytes(magic);
  const body = bodyAt(bornHostLength, storeHostLength);
  let left = size - body - topicPrefix - 2;
  if (left < 0) return BAD_LENGTH;

  foundBody = at + usize(body);
  foundBodyLength = loadI32(foundBody - 4);
  if (foundBodyLength < 0 || foundBodyLength > left) return BAD_LENGTH;
  left -= foundBodyLength;

  foundTopic = foundBody + usize(foundBodyLength + topicPrefix);
  foundTopicLength = magic === MAGIC_V2 ? loadI16(foundTopic - 2) : i32(load<i8>(foundTopic - 1));
  if (foundTopicLength < 0 || foundTopicLength > left) return BAD_LENGTH;
  left -= foundTopicLength;

  foundProperties = foundTopic + usize(foundTopicLength + 2);
  foundPropertiesLength = loadI16(foundProperties - 2);
  foundStoreTimestamp = at + BORN_HOST + usize(bornHostLength);
  return foundPropertiesLength === left ? VALID : BAD_LENGTH;
}

/** locate(), then the CRC, then whether the record stands where it says. */
export function check(at: usize, available: i32, physicalOffset: i64): i32 {
  const state = locate(at, available);
  if (state !== VALID) return state;
  if (!crcHolds(at)) return BAD_CRC;
  return loadI64(at + PHYSICAL_OFFSET) === physicalOffset ? VALID : WRONG_OFFSET;
}

/**
 * Of the located record: its property CRC if it has one, which covers everything; else its body CRC, which a body must have. A record
 * that has lost its property CRC does not pass for one that never had it: what an older write has left in a sector that never reached the
 * medium is no property.
 */
function crcHolds(at: usize): bool {
  const start: u32 = 0xffffffff;
  const end = foundProperties + usize(foundPropertiesLength);
  if (endsWithCrcProperty(foundProperties, foundPropertiesLength)) {
    const covered = end - usize(CRC_PROPERTY_BYTES);
    foundCoveredBytes = i32(end - at);
    return crcPropertySays(covered, ~advance(start, at, i32(covered - at)) & CRC_MASK);
  }
  if (lostCrcProperty(end, foundPropertiesLength)) return false;
  if (foundPropertiesLength > 0 && !isLastEntry(foundProperties, end)) return false;
  foundCoveredBytes = foundBodyLength;
  if (foundBodyLength === 0) return true;
  return loadI32(at + BODY_CRC) === i32(~advance(start, foundBody, foundBodyLength) & CRC_MASK);
}

/** When the record at `at` was stored, unchecked; NaN where there is no room for one. */
export function storeTimestamp(at: usize, available: i32): f64 {
  if (available < RECORD_BYTES_MIN) return NaN;
  const bornHostLength = (loadI32(at + SYS_FLAG) & BORN_HOST_V6) !== 0 ? HOST_V6_BYTES : HOST_V4_BYTES;
  return f64(loadI64(at + BORN_HOST + bornHostLength + STORE_TIMESTAMP_AFTER_BORN_HOST));
}

/**
 * Reads the fields of a record whose lengths add up; returns its state otherwise. RESULT:
 *
 *   f64: 0 queue offset, 1 physical offset, 2 born timestamp, 3 store timestamp, 4 prepared transaction offset
 *   i32: 10 size, 11 magic, 12 body CRC, 13 queue id, 14 flag, 15 sysFlag, 16 reconsume times, 17 born host length, 18 store host
 *        length, 19 body length, 20 topic length, 21 properties length, 22 tags code's low half,
 *        23 to 27 distance of born host, store host, body, topic and properties from the record's start
 */
export function decodeRecord(at: usize, available: i32): i32 {
  const state = locate(at, available);
  if (state !== VALID) return state;
  const x = foundBody - BODY_AT_X;
  store<f64>(RESULT, f64(loadI64(at + QUEUE_OFFSET)), 0);
  store<f64>(RESULT, f64(loadI64(at + PHYSICAL_OFFSET)), 8);
  store<f64>(RESULT, f64(loadI64(at + BORN_TIMESTAMP)), 16);
  store<f64>(RESULT, f64(loadI64(foundStoreTimestamp)), 24);
  store<f64>(RESULT, f64(loadI64(x + PREPARED_TRANSACTION_OFFSET_AT_X)), 32);
  store<i32>(RESULT, loadI32(at + SIZE), 40);
  store<i32>(RESULT, loadI32(at + MAGIC), 44);
  store<i32>(RESULT, loadI32(at + BODY_CRC), 48);
  store<i32>(RESULT, loadI32(at + QUEUE_ID), 52);
  store<i32>(RESULT, loadI32(at + FLAG), 56);
  store<i32>(RESULT, loadI32(at + SYS_FLAG), 60);
  store<i32>(RESULT, loadI32(x + RECONSUME_TIMES_AT_X), 64);
  store<i32>(RESULT, bornHostLength, 68);
  store<i32>(RESULT, storeHostLength, 72);
  store<i32>(RESULT, foundBodyLength, 76);
  store<i32>(RESULT, foundTopicLength, 80);
  store<i32>(RESULT, foundPropertiesLength, 84);
  store<i32>(RESULT, tagsHash(foundProperties, foundPropertiesLength), 88);
  store<i32>(RESULT, i32(BORN_HOST), 92);
  store<i32>(RESULT, i32(BORN_HOST + STORE_HOST_AFTER_BORN_HOST) + bornHostLength, 96);
  store<i32>(RESULT, i32(foundBody - at), 100);
  store<i32>(RESULT, i32(foundTopic - at), 104);
  store<i32>(RESULT, i32(foundProperties - at), 108);
  return VALID;
}
