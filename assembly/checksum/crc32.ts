import { slicing } from "./slicing";
import { SPARSE_BYTES_MIN, sparseBytes } from "./sparse-bytes";
import { SPARSE_PAIR_MIN, sparsePair } from "./sparse-pair";
import { SPARSE_VECTORS_MIN, sparseVectors } from "./sparse-vectors";
import { SPARSE_WORDS_MIN, sparseWords } from "./sparse-words";

/**
 * CRC-32 of `length` bytes as java.util.zip.CRC32 and zlib have it. `seed` is the CRC of what came before, 0 at the start.
 * Reads up to 15 bytes past the end, and lets none of them count.
 */
export function crc32(at: usize, length: i32, seed: u32): u32 {
  return ~advance(~seed, at, length);
}

/** The register after `length` more bytes, by the kernel that is fastest for that many. */
export function advance(register: u32, at: usize, length: i32): u32 {
  if (length < SPARSE_WORDS_FROM) return slicing(register, at, length);
  if (length < SPARSE_VECTORS_FROM) return sparseWords(register, at, length);
  if (length < SPARSE_BYTES_FROM) return sparseVectors(register, at, length);
  return sparseBytes(register, at, length);
}

/** advance() for two inputs, cheaper than apart: the first one's register is the low half, the second one's the high half. */
export function advanceBoth(register1: u32, at1: usize, length1: i32, register2: u32, at2: usize, length2: i32): u64 {
  if (min(length1, length2) < SPARSE_PAIR_MIN || max(length1, length2) >= SPARSE_PAIR_BELOW) {
    return u64(advance(register1, at1, length1)) | (u64(advance(register2, at2, length2)) << 32);
  }
  if (length1 >= length2) return sparsePair(register1, at1, length1, register2, at2, length2);
  return rotl<u64>(sparsePair(register2, at2, length2, register1, at1, length1), 32);
}

// Where the kernels overtake each other, measured; none may lie below the least input of its kernel.
const SPARSE_WORDS_FROM: i32 = max(80, SPARSE_WORDS_MIN);
const SPARSE_VECTORS_FROM: i32 = max(256, SPARSE_VECTORS_MIN);
const SPARSE_BYTES_FROM: i32 = max(896, SPARSE_BYTES_MIN);
/** Of the longer input: what is ahead of the shorter goes slower than apart. */
const SPARSE_PAIR_BELOW: i32 = 320;
