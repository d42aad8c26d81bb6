import { slicing } from "./slicing";

// Folding with a sparse multiple of the polynomial (the idea of the Chorba paper).
//
// P divides Q = x^300 + x^155 + x^117 + x^89 + 1, the smallest multiple of P with five terms. Adding a multiple of P to a message
// leaves its CRC as it is, so a message bit may be deleted and XORed back in at the four places 145, 183, 211 and 300 bits on.
// Deleting 64 bits at a time, the places of word w, in words and bits:
//
//   145 = 2·64 + 17     183 = 2·64 + 55     211 = 3·64 + 19     300 = 4·64 + 44
//
// so w+2 gets v<<17 and v<<55; w+3 their overflow v>>>47 and v>>>9, and v<<19; w+4 gets v>>>45 and v<<44; w+5 gets v>>>20.
// The next five words' due is carried in five accumulators. No tables, hence no loads but the message.

/** Least input of this kernel, bytes. */
export const SPARSE_WORDS_MIN: i32 = 40;

const END: usize = memory.data(48, 64);

export function sparseWords(register: u32, at: usize, length: i32): u32 {
  let a = u64(register);
  let b: u64 = 0;
  let c: u64 = 0;
  let d: u64 = 0;
  let e: u64 = 0;
  let v: u64;
  while (length >= 80) {
    v = load<u64>(at) ^ a;
    c ^= (v << 17) ^ (v << 55);
    d ^= (v >> 47) ^ (v >> 9) ^ (v << 19);
    e ^= (v >> 45) ^ (v << 44);
    a = v >> 20;

    v = load<u64>(at, 8) ^ b;
    d ^= (v << 17) ^ (v << 55);
    e ^= (v >> 47) ^ (v >> 9) ^ (v << 19);
    a ^= (v >> 45) ^ (v << 44);
    b = v >> 20;

    v = load<u64>(at, 16) ^ c;
    e ^= (v << 17) ^ (v << 55);
    a ^= (v >> 47) ^ (v >> 9) ^ (v << 19);
    b ^= (v >> 45) ^ (v << 44);
    c = v >> 20;

    v = load<u64>(at, 24) ^ d;
    a ^= (v << 17) ^ (v << 55);
    b ^= (v >> 47) ^ (v >> 9) ^ (v << 19);
    c ^= (v >> 45) ^ (v << 44);
    d = v >> 20;

    v = load<u64>(at, 32) ^ e;
    b ^= (v << 17) ^ (v << 55);
    c ^= (v >> 47) ^ (v >> 9) ^ (v << 19);
    d ^= (v >> 45) ^ (v << 44);
    e = v >> 20;

    at += 40;
    length -= 40;
  }
  while (length >= 48) {
    v = load<u64>(at) ^ a;
    a = b;
    b = c ^ (v << 17) ^ (v << 55);
    c = d ^ (v >> 47) ^ (v >> 9) ^ (v << 19);
    d = e ^ (v >> 45) ^ (v << 44);
    e = v >> 20;
    at += 8;
    length -= 8;
  }
  storeEnd(END, at, a, b, c, d, e);
  return slicing(0, END, length);
}

/** The last 40 to 47 bytes at `from`, with what is due to their five words, for slicing() to finish. */
export function storeEnd(to: usize, from: usize, a: u64, b: u64, c: u64, d: u64, e: u64): void {
  store<u64>(to, load<u64>(from) ^ a);
  store<u64>(to, load<u64>(from, 8) ^ b, 8);
  store<u64>(to, load<u64>(from, 16) ^ c, 16);
  store<u64>(to, load<u64>(from, 24) ^ d, 24);
  store<u64>(to, load<u64>(from, 32) ^ e, 32);
  store<u64>(to, load<u64>(from, 40), 40);
}
