import { TABLES } from "./tables";

/**
 * Slicing by 16: the kernel for short input and for the ends that the other kernels leave.
 *
 * The sixteen look-ups are spelt out here, once, so that a block costs no calls. Their sums are 64 bits wide because V8 makes one
 * load and one XOR of each look-up then; for 32-bit sums it makes two loads of the same word.
 */
export function slicing(register: u32, at: usize, length: i32): u32 {
  for (; length > 0; at += 16, length -= 16) {
    let first = load<u64>(at) ^ u64(register);
    let second = load<u64>(at, 8);
    let beyond: u32 = 0;
    if (length < 16) {
      // A short block moves to the end of sixteen bytes: an empty register stays empty over the zeros that come before it.
      const bits = u64(length) << 3;
      if (length > 8) {
        second = (second << (128 - bits)) | (first >> (bits - 64));
        first <<= 128 - bits;
      } else {
        second = first << (64 - bits);
        first = 0;
      }
      if (length < 4) beyond = register >> u32(bits);
    }
    const a = u32(first);
    const b = u32(first >> 32);
    const c = u32(second);
    const d = u32(second >> 32);
    const ofA =
      u64(load<u32>(usize((a << 2) & 1020), TABLES + 15 * 1024)) ^
      u64(load<u32>(usize((a >> 6) & 1020), TABLES + 14 * 1024)) ^
      u64(load<u32>(usize((a >> 14) & 1020), TABLES + 13 * 1024)) ^
      u64(load<u32>(usize((a >> 22) & 1020), TABLES + 12 * 1024));
    const ofB =
      u64(load<u32>(usize((b << 2) & 1020), TABLES + 11 * 1024)) ^
      u64(load<u32>(usize((b >> 6) & 1020), TABLES + 10 * 1024)) ^
      u64(load<u32>(usize((b >> 14) & 1020), TABLES + 9 * 1024)) ^
      u64(load<u32>(usize((b >> 22) & 1020), TABLES + 8 * 1024));
    const ofC =
      u64(load<u32>(usize((c << 2) & 1020), TABLES + 7 * 1024)) ^
      u64(load<u32>(usize((c >> 6) & 1020), TABLES + 6 * 1024)) ^
      u64(load<u32>(usize((c >> 14) & 1020), TABLES + 5 * 1024)) ^
      u64(load<u32>(usize((c >> 22) & 1020), TABLES + 4 * 1024));
    const ofD =
      u64(load<u32>(usize((d << 2) & 1020), TABLES + 3 * 1024)) ^
      u64(load<u32>(usize((d >> 6) & 1020), TABLES + 2 * 1024)) ^
      u64(load<u32>(usize((d >> 14) & 1020), TABLES + 1024)) ^
      u64(load<u32>(usize((d >> 22) & 1020), TABLES));
    register = beyond ^ u32(ofA ^ (ofB ^ (ofC ^ ofD)));
  }
  return register;
}
