import { loadI32, loadI64, storeI16, storeI32 } from "../endian";
import { RESULT, TOPIC_STAGE } from "../memory";
import { QUEUE_ID, QUEUE_OFFSET, SIZE } from "./layout";
import { CRC_PROPERTY_BYTES, endsWithCrcProperty } from "./properties";
import {
  BAD_LENGTH,
  check,
  foundProperties,
  foundPropertiesLength,
  foundTopic,
  foundTopicLength,
  OTHER_MESSAGE,
  VALID,
} from "./record";

/** In the place of a topic's length: whichever message it is. */
export const ANY_MESSAGE: i32 = -1;

/**
 * Checks a record at rest and copies it to `to` as a client gets it: without the property CRC, which guards it on the medium and is
 * none of the application's properties. It is the last entry, so that nothing moves. The size of the copy, or the negative of
 * what is wrong: `size` is what the ConsumeQueue says, and another one is a bad length; nor may a unit lead to another message than the
 * one of its queue (the topic lies in TOPIC_STAGE) and place.
 *
 * RESULT: i32 0 distance of the copy's properties from its start, 1 their length.
 */
export function serveRecord(
  at: usize,
  available: i32,
  physicalOffset: f64,
  size: i32,
  to: usize,
  topicLength: i32,
  queueId: i32,
  queueOffset: f64,
): i32 {
  const state = check(at, available, i64(physicalOffset));
  if (state !== VALID) return -state;
  if (loadI32(at + SIZE) !== size) return -BAD_LENGTH;
  if (topicLength !== ANY_MESSAGE && !isMessage(at, topicLength, queueId, i64(queueOffset))) return -OTHER_MESSAGE;
  const propertiesAt = foundProperties - at;
  store<i32>(RESULT, i32(propertiesAt), 0);
  if (!endsWithCrcProperty(foundProperties, foundPropertiesLength)) {
    store<i32>(RESULT, foundPropertiesLength, 4);
    memory.copy(to, at, size);
    return size;
  }
  const served = size - CRC_PROPERTY_BYTES;
  memory.copy(to, at, served);
  storeI32(to + SIZE, served);
  const propertiesLength = foundPropertiesLength - CRC_PROPERTY_BYTES;
  storeI16(to + propertiesAt - 2, propertiesLength);
  store<i32>(RESULT, propertiesLength, 4);
  return served;
}

function isMessage(at: usize, topicLength: i32, queueId: i32, queueOffset: i64): bool {
  return (
    loadI64(at + QUEUE_OFFSET) === queueOffset &&
    loadI32(at + QUEUE_ID) === queueId &&
    foundTopicLength === topicLength &&
    memory.compare(foundTopic, TOPIC_STAGE, topicLength) === 0
  );
}
