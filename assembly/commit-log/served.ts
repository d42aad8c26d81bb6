import { loadI32, storeI16, storeI32 } from "../endian";
import { SIZE } from "./layout";
import { CRC_PROPERTY_BYTES, endsWithCrcProperty } from "./properties";
import { foundProperties, foundPropertiesLength, locate, VALID } from "./record";

/**
 * Makes of a record at rest what a client gets: the property CRC guards it on the medium and is none of the application's
 * properties. It is the last entry, so that nothing moves. The new size; the same as before for a record that has none, or whose
 * lengths do not add up.
 */
export function dropCrcProperty(at: usize, available: i32): i32 {
  const size = loadI32(at + SIZE);
  if (locate(at, available) !== VALID || !endsWithCrcProperty(foundProperties, foundPropertiesLength)) return size;
  storeI16(foundProperties - 2, foundPropertiesLength - CRC_PROPERTY_BYTES);
  storeI32(at + SIZE, size - CRC_PROPERTY_BYTES);
  return size - CRC_PROPERTY_BYTES;
}
