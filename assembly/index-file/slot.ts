import { loadI32, storeI32 } from "../endian";
import { HEADER_BYTES } from "./header";

// The slots of an IndexFile (org.apache.rocketmq.store.index.IndexFile), from byte 40 on. Big-endian.
//
//    i32  number of the newest entry of those whose hash, modulo the number of slots, is this slot's; 0 for none
//
// The head of a file, header and slots, may stand in memory as it does in the file. A table of one byte for each 4096 bytes of it
// says then which of its pages have changed.

export const SLOT_BYTES: i32 = 4;
export const HEAD_PAGE_SHIFT: i32 = 12;

/** Where in the file the slot of a hash stands. */
export function slotPlace(hash: i32, slots: i32): i32 {
  return HEADER_BYTES + (hash % slots) * SLOT_BYTES;
}

export function slotAt(head: usize, place: i32): i32 {
  return loadI32(head + usize(place));
}

/** `changed`: the table of pages. */
export function setSlot(head: usize, place: i32, entry: i32, changed: usize): void {
  storeI32(head + usize(place), entry);
  store<u8>(changed + usize(place >> HEAD_PAGE_SHIFT), 1);
}
