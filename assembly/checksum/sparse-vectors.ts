import { sparseWords } from "./sparse-words";

// sparse-words.ts on two 64-bit lanes, with Q² = x^600 + x^310 + x^234 + x^178 + 1 (squaring doubles every exponent), so that no
// place lies within the vector being deleted: the places are 290, 366, 422 and 600 bits on. In words and bits:
//
//   290 = 4·64 + 34     366 = 5·64 + 46     422 = 6·64 + 38     600 = 9·64 + 24
//
// Words 4, 6 and 10 on are the same lane 2, 3 and 5 vectors on: the `e` accumulators. Words 5, 7 and 9 on change lanes: lane 0
// goes to lane 1 of the vector 2, 3 and 4 on, lane 1 goes to lane 0 of the one after. These are summed unshuffled in the `o`
// accumulators; a vector then takes lane 1 of the previous sum and lane 0 of its own, one shuffle for all three.

/** Least input of this kernel, bytes. */
export const SPARSE_VECTORS_MIN: i32 = 240;

/** The last 80 to 159 bytes with the accumulators applied; the one place where this kernel writes. */
const TAIL: usize = memory.data(80 + 96, 64);

export function sparseVectors(register: u32, at: usize, length: i32): u32 {
  const zero = i64x2.splat(0);
  let e0 = i64x2.replace_lane(zero, 0, i64(register));
  let e1 = zero;
  let e2 = zero;
  let e3 = zero;
  let e4 = zero;
  let o0 = zero; // sum of the vector before the one being deleted
  let o1 = zero;
  let o2 = zero;
  let o3 = zero;
  let o4 = zero;
  let v: v128;
  while (length >= 160) {
    v = v128.xor(v128.xor(v128.load(at), e0), v128.shuffle<i64>(o0, o1, 1, 2));
    e2 = v128.xor(e2, i64x2.shl(v, 34));
    e3 = v128.xor(e3, v128.xor(i64x2.shr_u(v, 18), i64x2.shl(v, 38)));
    e0 = i64x2.shr_u(v, 40);
    o3 = v128.xor(o3, v128.xor(i64x2.shr_u(v, 30), i64x2.shl(v, 46)));
    o4 = v128.xor(o4, i64x2.shr_u(v, 26));
    o0 = i64x2.shl(v, 24);

    v = v128.xor(v128.xor(v128.load(at, 16), e1), v128.shuffle<i64>(o1, o2, 1, 2));
    e3 = v128.xor(e3, i64x2.shl(v, 34));
    e4 = v128.xor(e4, v128.xor(i64x2.shr_u(v, 18), i64x2.shl(v, 38)));
    e1 = i64x2.shr_u(v, 40);
    o4 = v128.xor(o4, v128.xor(i64x2.shr_u(v, 30), i64x2.shl(v, 46)));
    o0 = v128.xor(o0, i64x2.shr_u(v, 26));
    o1 = i64x2.shl(v, 24);

    v = v128.xor(v128.xor(v128.load(at, 32), e2), v128.shuffle<i64>(o2, o3, 1, 2));
    e4 = v128.xor(e4, i64x2.shl(v, 34));
    e0 = v128.xor(e0, v128.xor(i64x2.shr_u(v, 18), i64x2.shl(v, 38)));
    e2 = i64x2.shr_u(v, 40);
    o0 = v128.xor(o0, v128.xor(i64x2.shr_u(v, 30), i64x2.shl(v, 46)));
    o1 = v128.xor(o1, i64x2.shr_u(v, 26));
    o2 = i64x2.shl(v, 24);

    v = v128.xor(v128.xor(v128.load(at, 48), e3), v128.shuffle<i64>(o3, o4, 1, 2));
    e0 = v128.xor(e0, i64x2.shl(v, 34));
    e1 = v128.xor(e1, v128.xor(i64x2.shr_u(v, 18), i64x2.shl(v, 38)));
    e3 = i64x2.shr_u(v, 40);
    o1 = v128.xor(o1, v128.xor(i64x2.shr_u(v, 30), i64x2.shl(v, 46)));
    o2 = v128.xor(o2, i64x2.shr_u(v, 26));
    o3 = i64x2.shl(v, 24);

    v = v128.xor(v128.xor(v128.load(at, 64), e4), v128.shuffle<i64>(o4, o0, 1, 2));
    e1 = v128.xor(e1, i64x2.shl(v, 34));
    e2 = v128.xor(e2, v128.xor(i64x2.shr_u(v, 18), i64x2.shl(v, 38)));
    e4 = i64x2.shr_u(v, 40);
    o2 = v128.xor(o2, v128.xor(i64x2.shr_u(v, 30), i64x2.shl(v, 46)));
    o3 = v128.xor(o3, i64x2.shr_u(v, 26));
    o4 = i64x2.shl(v, 24);

    at += 80;
    length -= 80;
  }
  v128.store(TAIL, v128.xor(v128.xor(v128.load(at), e0), v128.shuffle<i64>(o0, o1, 1, 2)));
  v128.store(TAIL, v128.xor(v128.xor(v128.load(at, 16), e1), v128.shuffle<i64>(o1, o2, 1, 2)), 16);
  v128.store(TAIL, v128.xor(v128.xor(v128.load(at, 32), e2), v128.shuffle<i64>(o2, o3, 1, 2)), 32);
  v128.store(TAIL, v128.xor(v128.xor(v128.load(at, 48), e3), v128.shuffle<i64>(o3, o4, 1, 2)), 48);
  v128.store(TAIL, v128.xor(v128.xor(v128.load(at, 64), e4), v128.shuffle<i64>(o4, zero, 1, 2)), 64);
  for (let i: i32 = 80; i < length; i += 16) v128.store(TAIL + usize(i), v128.load(at + usize(i)));
  return sparseWords(0, TAIL, length);
}
