import { loadI16, loadI32 } from "../endian";
import { BORN_HOST_STAGE, copy, PROPERTIES_STAGE, RESULT, STORE_HOST_STAGE, TOPIC_STAGE } from "../memory";
import {
  BORN_HOST,
  bodyAt,
  MAGIC_V1,
  MAGIC_V2,
  STORE_HOST_AFTER_BORN_HOST,
  TOPIC_V1_BYTES_MAX,
  TOPIC_V2_BYTES_MAX,
  topicLengthBytes,
} from "./layout";
import { CRC_PROPERTY_BYTES } from "./properties";
import { encodeRecord, REFUSED } from "./record";

// An item of a message batch on the wire (MessageDecoder.encodeMessages). Big-endian. Topic and queue are the request's.
//
//    0  i32  size of the item
//    4  i32  magic, 0
//    8  i32  CRC, 0
//   12  i32  flag
//   16  i32  body length
//   20       body
//       i16  properties length
//            properties
//
// The broker stores each item as a record of its own (MessageExtEncoder.encode(MessageExtBatch)). The expansion happens in place:
// the batch stands at the far end of the room that its records take at most, and a record never reaches past its own item's
// end, since what it adds in front is more than the item had there.
//
//   at ─► │ records written │ room left, shrinking │ items not yet read │ ◄─ at + room

const ITEM_FLAG: usize = 12;
const ITEM_BODY_LENGTH: usize = 16;
const ITEM_BODY: usize = 20;
const ITEM_BYTES_MIN: i32 = 22;

// One entry a record: i32 size, i32 tags code's low half.
export const BATCH_ENTRIES_MAX: i32 = 4096;
const BATCH_ENTRY_BYTES: usize = 8;
export const BATCH_ENTRIES: usize = memory.data(4096 * 8, 64);

/** Bytes that an item grows by at most when it becomes a record. */
export function batchItemGrowthMax(bornHostLength: i32, storeHostLength: i32, topicLength: i32): i32 {
  const version = topicLength > TOPIC_V1_BYTES_MAX ? MAGIC_V2 : MAGIC_V1;
  return (
    bodyAt(bornHostLength, storeHostLength) +
    topicLengthBytes(version) +
    topicLength +
    2 +
    CRC_PROPERTY_BYTES +
    1 -
    ITEM_BYTES_MIN
  );
}

/**
 * Turns up to 4096 items at [items, itemsEnd) into records from `at` on. Hosts and topic lie in the BATCH_ areas. Returns the number
 * of records, or -1 when an item's lengths do not add up or its properties are too long. RESULT: f64 0 address behind the last
 * record, 1 address of the first item left.
 */
export function encodeBatch(
  at: usize,
  items: usize,
  itemsEnd: usize,
  physicalOffset: f64,
  queueId: i32,
  queueOffset: f64,
  sysFlag: i32,
  bornTimestamp: f64,
  bornHostLength: i32,
  storeTimestamp: f64,
  storeHostLength: i32,
  reconsumeTimes: i32,
  topicLength: i32,
  propertyCrc: bool,
): i32 {
  if (topicLength > TOPIC_V2_BYTES_MAX) return REFUSED;
  const body = usize(bodyAt(bornHostLength, storeHostLength));
  const topicPrefix = usize(topicLengthBytes(topicLength > TOPIC_V1_BYTES_MAX ? MAGIC_V2 : MAGIC_V1));
  let count: i32 = 0;
  while (items < itemsEnd && count < BATCH_ENTRIES_MAX) {
    const left = i32(itemsEnd - items);
    if (left < ITEM_BYTES_MIN) return REFUSED;
    const itemSize = loadI32(items);
    if (itemSize < ITEM_BYTES_MIN || itemSize > left) return REFUSED;
    const flag = loadI32(items + ITEM_FLAG);
    const bodyLength = loadI32(items + ITEM_BODY_LENGTH);
    if (bodyLength < 0 || bodyLength > itemSize - ITEM_BYTES_MIN) return REFUSED;
    const properties = items + ITEM_BODY + usize(bodyLength) + 2;
    const propertiesLength = loadI16(properties - 2);
    if (propertiesLength !== itemSize - ITEM_BYTES_MIN - bodyLength) return REFUSED;

    // Properties leave first; then the body moves down, over nothing but its own item; then the rest is written around it.
    copy(PROPERTIES_STAGE, properties, propertiesLength);
    memory.copy(at + body, items + ITEM_BODY, bodyLength);
    copy(at + body + usize(bodyLength) + topicPrefix, TOPIC_STAGE, topicLength);
    copy(at + BORN_HOST, BORN_HOST_STAGE, bornHostLength);
    copy(at + BORN_HOST + usize(bornHostLength) + STORE_HOST_AFTER_BORN_HOST, STORE_HOST_STAGE, storeHostLength);
    const size = encodeRecord(
      at,
      physicalOffset,
      queueId,
      flag,
      queueOffset,
      sysFlag,
      bornTimestamp,
      bornHostLength,
      storeTimestamp,
      storeHostLength,
      reconsumeTimes,
      0, // a batch is never part of a transaction
      bodyLength,
      topicLength,
      propertiesLength,
      propertyCrc,
    );
    if (size === REFUSED) return REFUSED;
    const entry = BATCH_ENTRIES + usize(count) * BATCH_ENTRY_BYTES;
    store<i32>(entry, size);
    store<i32>(entry, load<i32>(RESULT), 4);
    count++;
    at += usize(size);
    items += usize(itemSize);
    physicalOffset += f64(size);
    queueOffset += 1;
  }
  store<f64>(RESULT, f64(at));
  store<f64>(RESULT, f64(items), 8);
  return count;
}
