import { slicing } from "./slicing";
import { storeEnd } from "./sparse-words";

// sparse-words.ts on two inputs at once, one in each lane of a vector, a word of each at a time. The longer input goes ahead
// alone until as many words of it are left as of the shorter; the other lane holds zeros that long.

/** Least length of either input, bytes. */
export const SPARSE_PAIR_MIN: i32 = 40;

const END: usize = memory.data(48, 64);

/** The registers after each input: that of the longer in the low half, that of the shorter in the high half. */
export function sparsePair(
  registerOfLonger: u32,
  longer: usize,
  lengthOfLonger: i32,
  registerOfShorter: u32,
  shorter: usize,
  lengthOfShorter: i32,
): u64 {
  const zero = i64x2.splat(0);
  let a = i64x2.replace_lane(zero, 0, i64(registerOfLonger));
  let b = zero;
  let c = zero;
  let d = zero;
  let e = zero;
  let v: v128;
  const words = (lengthOfShorter - 40) >> 3;
  const wordsAlone = ((lengthOfLonger - 40) >> 3) - words;
  for (const end = longer + (usize(wordsAlone) << 3); longer < end; longer += 8) {
    v = v128.xor(v128.load64_zero(longer), a);
    a = b;
    b = v128.xor(c, v128.xor(i64x2.shl(v, 17), i64x2.shl(v, 55)));
    c = v128.xor(v128.xor(d, i64x2.shr_u(v, 47)), v128.xor(i64x2.shr_u(v, 9), i64x2.shl(v, 19)));
    d = v128.xor(e, v128.xor(i64x2.shr_u(v, 45), i64x2.shl(v, 44)));
    e = i64x2.shr_u(v, 20);
  }
  a = i64x2.replace_lane(a, 1, i64(registerOfShorter));
  for (const end = shorter + (usize(words) << 3); shorter < end; longer += 8, shorter += 8) {
    v = v128.xor(v128.load64_lane(shorter, v128.load64_zero(longer), 1), a);
    a = b;
    b = v128.xor(c, v128.xor(i64x2.shl(v, 17), i64x2.shl(v, 55)));
    c = v128.xor(v128.xor(d, i64x2.shr_u(v, 47)), v128.xor(i64x2.shr_u(v, 9), i64x2.shl(v, 19)));
    d = v128.xor(e, v128.xor(i64x2.shr_u(v, 45), i64x2.shl(v, 44)));
    e = i64x2.shr_u(v, 20);
  }
  storeEnd(
    END,
    longer,
    u64(i64x2.extract_lane(a, 0)),
    u64(i64x2.extract_lane(b, 0)),
    u64(i64x2.extract_lane(c, 0)),
    u64(i64x2.extract_lane(d, 0)),
    u64(i64x2.extract_lane(e, 0)),
  );
  const afterLonger = slicing(0, END, 40 + (lengthOfLonger & 7));
  storeEnd(
    END,
    shorter,
    u64(i64x2.extract_lane(a, 1)),
    u64(i64x2.extract_lane(b, 1)),
    u64(i64x2.extract_lane(c, 1)),
    u64(i64x2.extract_lane(d, 1)),
    u64(i64x2.extract_lane(e, 1)),
  );
  return u64(afterLonger) | (u64(slicing(0, END, 40 + (lengthOfShorter & 7))) << 32);
}
