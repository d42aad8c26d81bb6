// Who owns which part of the linear memory.
//
//   0 ──────────────┬──────────────────────┬───────────────────────────────► end of memory
//   static areas:   │ regions, handed out  │ never used: at least 64 bytes,
//   tables, window, │ once by allocate()   │ so that a 16-byte load that starts
//   result, entries │ in 64-byte steps     │ inside a region cannot trap
//
// Static areas are zero pages until they are touched, and cost nothing before that.

const ALIGNMENT: usize = 64;
const SLACK: usize = 64;
const PAGE: usize = 65536;

/**
 * Where a call leaves what it has to say beyond its return value. The door reads it through an Int32Array and a Float64Array,
 * which share this memory's byte order on every machine that runs WebAssembly with little-endian typed arrays.
 */
export const RESULT: usize = memory.data(256, 64);

/** Bytes on their way in: input of a checksum or a hash, hashes of a filter. Holds nothing between two calls. */
export const WINDOW_BYTES: i32 = 65536;
export const WINDOW: usize = memory.data(65536 + 64, 64);

/**
 * Properties of the record being encoded, before they move to their place behind the topic: a string of 32767 UTF-16 units
 * may arrive as three times as many bytes and is refused by its length only afterwards.
 */
export const PROPERTIES_STAGE_BYTES: i32 = 98304;
export const PROPERTIES_STAGE: usize = memory.data(98304 + 64, 64);

/** Born host, store host (20 bytes each, as drawn in commit-log/layout.ts) and topic of the record or batch being encoded. */
export const BORN_HOST_STAGE: usize = memory.data(32, 16);
export const STORE_HOST_STAGE: usize = memory.data(32, 16);
export const TOPIC_STAGE: usize = memory.data(32768 + 64, 64);

let top: usize = (__heap_base + ALIGNMENT - 1) & ~(ALIGNMENT - 1);

/** Address of `byteLength` zeroed bytes at a multiple of 64, or 0 when the host grants no more memory. Nothing is ever freed. */
export function allocate(byteLength: i32): usize {
  if (byteLength < 0) return 0;
  const address = top;
  const end = u64(address) + u64(byteLength);
  const needed = end + u64(SLACK);
  const present = u64(memory.size()) * u64(PAGE);
  if (needed > present) {
    const pages = (needed - present + u64(PAGE) - 1) / u64(PAGE);
    if (pages > 65536 || memory.grow(i32(pages)) < 0) return 0;
  }
  // The next region starts behind this one's slack, so reading over an end never meets a neighbour's bytes.
  top = usize(needed + u64(ALIGNMENT) - 1) & ~(ALIGNMENT - 1);
  return address;
}

/** memory.copy() without its call out of the generated code, which a few bytes do not repay. The ranges must not overlap. */
export function copy(to: usize, from: usize, length: i32): void {
  if (length > 512) {
    memory.copy(to, from, length);
    return;
  }
  for (; length >= 16; length -= 16, to += 16, from += 16) v128.store(to, v128.load(from));
  if (length & 8) {
    store<u64>(to, load<u64>(from));
    to += 8;
    from += 8;
  }
  if (length & 4) {
    store<u32>(to, load<u32>(from));
    to += 4;
    from += 4;
  }
  for (length &= 3; length > 0; length--) store<u8>(to++, load<u8>(from++));
}
