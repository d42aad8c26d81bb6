import { POWERS, shift8, shift32 } from "./tables";

// A register is a polynomial over GF(2) of degree below 32, and n more bytes multiply it by x^(8n) mod P. So the CRC of A ‖ B
// follows from the registers of A and of B, without a second look at B.

/** The register after A ‖ B, from the register after A and the one that B alone, started from `start`, arrived at. */
export function combine(afterA: u32, start: u32, afterB: u32, lengthOfB: i32): u32 {
  return afterB ^ multiply(afterA ^ start, power(lengthOfB));
}

/** x^(8·bytes) mod P. */
export function power(bytes: i32): u32 {
  let product = load<u32>(POWERS + (usize(bytes & 255) << 2));
  const n = u32(bytes) >> 8;
  if (n & 255) product = multiply(product, load<u32>(POWERS + 1024 + (usize(n & 255) << 2)));
  if ((n >> 8) & 255) product = multiply(product, load<u32>(POWERS + 2048 + (usize((n >> 8) & 255) << 2)));
  if (n >> 16) product = multiply(product, load<u32>(POWERS + 3072 + (usize(n >> 16) << 2)));
  return product;
}

const EVERY_4TH: u64 = (u64(0x11111111) << 32) | 0x11111111;

/**
 * a·b mod P. WebAssembly multiplies integers, with carries. With only every fourth bit set in both factors a column sums up at
 * most eight ones, which the three bits above it hold: the lowest bit of each column is the carry-less product.
 */
export function multiply(a: u32, b: u32): u32 {
  const a0 = u64(a) & EVERY_4TH;
  const a1 = u64(a) & (EVERY_4TH << 1);
  const a2 = u64(a) & (EVERY_4TH << 2);
  const a3 = u64(a) & (EVERY_4TH << 3);
  const b0 = u64(b) & EVERY_4TH;
  const b1 = u64(b) & (EVERY_4TH << 1);
  const b2 = u64(b) & (EVERY_4TH << 2);
  const b3 = u64(b) & (EVERY_4TH << 3);
  const product =
    (((a0 * b0) ^ (a1 * b3) ^ (a2 * b2) ^ (a3 * b1)) & EVERY_4TH) |
    (((a0 * b1) ^ (a1 * b0) ^ (a2 * b3) ^ (a3 * b2)) & (EVERY_4TH << 1)) |
    (((a0 * b2) ^ (a1 * b1) ^ (a2 * b0) ^ (a3 * b3)) & (EVERY_4TH << 2)) |
    (((a0 * b3) ^ (a1 * b2) ^ (a2 * b1) ^ (a3 * b0)) & (EVERY_4TH << 3));
  // 63 bits, bit 62 being x^0: one step up makes bit 63 x^0, and the low half is what has to be brought below x^32.
  const aligned = product << 1;
  return u32(aligned >> 32) ^ shift32(u32(aligned));
}

/** Fills POWERS, once TABLES is there. */
export function buildPowers(): void {
  const one: u32 = 0x80000000;
  let step = shift8(one);
  for (let table: usize = 0; table < 4 * 1024; table += 1024) {
    let value = one;
    for (let digit: usize = 0; digit < 1024; digit += 4) {
      store<u32>(POWERS + table + digit, value);
      value = multiply(value, step);
    }
    step = value;
  }
}
