// What the core offers to its door, src/core/core.ts. Addresses and lengths are i32, 64-bit numbers f64, so that no call makes a
// BigInt. Nothing here knows the time, does I/O, or keeps anything between two calls but the end of the allocated memory.

import { buildPowers } from "./checksum/combine";
import { buildTables } from "./checksum/tables";
import { BATCH_ENTRIES, BATCH_ENTRIES_MAX } from "./commit-log/batch";
import { PROPERTIES_BYTES_MAX, RECORD_BYTES_MIN, TOPIC_V2_BYTES_MAX } from "./commit-log/layout";
import { CRC_PROPERTY_BYTES } from "./commit-log/properties";
import { check } from "./commit-log/record";
import { ENTRIES, ENTRIES_MAX } from "./commit-log/scan";
import { FILTER_HASHES, FILTER_HASHES_MAX, FILTER_INDICES, FILTER_UNITS_MAX, UNIT_BYTES } from "./consume-queue/unit";
import { ENTRY_BYTES, FOUND, FOUND_MAX } from "./index-file/entry";
import { HEADER_BYTES } from "./index-file/header";
import { HEAD_PAGE_SHIFT } from "./index-file/slot";
import {
  BORN_HOST_STAGE,
  PROPERTIES_STAGE,
  PROPERTIES_STAGE_BYTES,
  RESULT,
  STORE_HOST_STAGE,
  TOPIC_STAGE,
  WINDOW,
  WINDOW_BYTES,
} from "./memory";
import { TIMER_SLOT_BYTES, TIMER_SLOTS } from "./timer/slot";
import { TIMER_BLANK_BYTES, TIMER_UNIT_BYTES } from "./timer/unit";

export { multiply, power } from "./checksum/combine";
export { crc32 } from "./checksum/crc32";
export { batchItemGrowthMax, encodeBatch } from "./commit-log/batch";
export { encodeBlank } from "./commit-log/blank";
export { bodyAt } from "./commit-log/layout";
export { decodeRecord, encodeRecord, storeTimestamp } from "./commit-log/record";
export { findRecord, scanRecords } from "./commit-log/scan";
export { serveRecord } from "./commit-log/served";
export { decodeUnit, encodeUnit, filterUnits, nearUnits, scanUnits } from "./consume-queue/unit";
export { loadI32 as recordSize } from "./endian";
export { hashUtf8 } from "./hash/java-string";
export { decodeEntry, entriesFrom, findEntries, followChain, replayEntries } from "./index-file/entry";
export { decodeHeader, encodeHeader } from "./index-file/header";
export { hasKey, indexHash, putKeys } from "./index-file/keys";
export { slotAt } from "./index-file/slot";
export { allocate } from "./memory";
export { encodeTimerSlot } from "./timer/slot";
export { decodeTimerUnit, encodeTimerBlank, encodeTimerUnit } from "./timer/unit";

buildTables();
buildPowers();

export function checkRecord(at: usize, available: i32, physicalOffset: f64): i32 {
  return check(at, available, i64(physicalOffset));
}

/** Addresses of the static areas, for the door to make views of once. */
export const result: usize = RESULT;
export const window: usize = WINDOW;
export const windowBytes: i32 = WINDOW_BYTES;
export const propertiesStage: usize = PROPERTIES_STAGE;
export const propertiesStageBytes: i32 = PROPERTIES_STAGE_BYTES;
export const bornHostStage: usize = BORN_HOST_STAGE;
export const storeHostStage: usize = STORE_HOST_STAGE;
export const topicStage: usize = TOPIC_STAGE;
export const batchEntries: usize = BATCH_ENTRIES;
export const batchEntriesMax: i32 = BATCH_ENTRIES_MAX;
export const scanEntries: usize = ENTRIES;
export const scanEntriesMax: i32 = ENTRIES_MAX;
export const filterHashes: usize = FILTER_HASHES;
export const filterIndices: usize = FILTER_INDICES;
export const recordBytesMin: i32 = RECORD_BYTES_MIN;
export const topicV2BytesMax: i32 = TOPIC_V2_BYTES_MAX;
export const propertiesBytesMax: i32 = PROPERTIES_BYTES_MAX;
export const crcPropertyBytes: i32 = CRC_PROPERTY_BYTES;
export const unitBytes: i32 = UNIT_BYTES;
export const filterUnitsMax: i32 = FILTER_UNITS_MAX;
export const filterHashesMax: i32 = FILTER_HASHES_MAX;
export const indexHeaderBytes: i32 = HEADER_BYTES;
export const indexEntryBytes: i32 = ENTRY_BYTES;
export const indexHeadPageShift: i32 = HEAD_PAGE_SHIFT;
export const indexFound: usize = FOUND;
export const indexFoundMax: i32 = FOUND_MAX;
export const timerUnitBytes: i32 = TIMER_UNIT_BYTES;
export const timerBlankBytes: i32 = TIMER_BLANK_BYTES;
export const timerSlotBytes: i32 = TIMER_SLOT_BYTES;
export const timerSlots: i32 = TIMER_SLOTS;
