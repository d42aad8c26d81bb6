import { shift8, TABLES } from "./tables";

/** Slicing by 16, 8, 4 and 1: the kernel for short input and for the ends that the other kernels leave. */
export function slicing(register: u32, at: usize, length: i32): u32 {
  while (length >= 16) {
    register = slice16(load<u64>(at) ^ u64(register), load<u64>(at, 8));
    at += 16;
    length -= 16;
  }
  if (length >= 8) {
    register = slice8(load<u64>(at) ^ u64(register));
    at += 8;
    length -= 8;
  }
  if (length >= 4) {
    register = slice4(load<u32>(at) ^ register);
    at += 4;
    length -= 4;
  }
  while (length > 0) {
    register = shift8(register ^ u32(load<u8>(at)));
    at++;
    length--;
  }
  return register;
}

/** The register after 16 bytes, `first` being the first 8 with the old register XORed into its low half. */
export function slice16(first: u64, second: u64): u32 {
  return (
    load<u32>(TABLES + (usize(first & 255) << 2), 15 * 1024) ^
    load<u32>(TABLES + (usize((first >> 8) & 255) << 2), 14 * 1024) ^
    load<u32>(TABLES + (usize((first >> 16) & 255) << 2), 13 * 1024) ^
    load<u32>(TABLES + (usize((first >> 24) & 255) << 2), 12 * 1024) ^
    load<u32>(TABLES + (usize((first >> 32) & 255) << 2), 11 * 1024) ^
    load<u32>(TABLES + (usize((first >> 40) & 255) << 2), 10 * 1024) ^
    load<u32>(TABLES + (usize((first >> 48) & 255) << 2), 9 * 1024) ^
    load<u32>(TABLES + (usize(first >> 56) << 2), 8 * 1024) ^
    slice8(second)
  );
}

/** The register after 8 bytes with the old register XORed into their low half. */
export function slice8(word: u64): u32 {
  return (
    load<u32>(TABLES + (usize(word & 255) << 2), 7 * 1024) ^
    load<u32>(TABLES + (usize((word >> 8) & 255) << 2), 6 * 1024) ^
    load<u32>(TABLES + (usize((word >> 16) & 255) << 2), 5 * 1024) ^
    load<u32>(TABLES + (usize((word >> 24) & 255) << 2), 4 * 1024) ^
    load<u32>(TABLES + (usize((word >> 32) & 255) << 2), 3 * 1024) ^
    load<u32>(TABLES + (usize((word >> 40) & 255) << 2), 2 * 1024) ^
    load<u32>(TABLES + (usize((word >> 48) & 255) << 2), 1024) ^
    load<u32>(TABLES + (usize(word >> 56) << 2))
  );
}

function slice4(word: u32): u32 {
  return (
    load<u32>(TABLES + (usize(word & 255) << 2), 3 * 1024) ^
    load<u32>(TABLES + (usize((word >> 8) & 255) << 2), 2 * 1024) ^
    load<u32>(TABLES + (usize((word >> 16) & 255) << 2), 1024) ^
    load<u32>(TABLES + (usize(word >> 24) << 2))
  );
}
