import { sparseVectors } from "./sparse-vectors";

// sparse-words.ts on whole bytes, with Q^8: the places are 145, 183, 211 and 300 BYTES on, so nothing is shifted, and it is
// turned round: instead of scattering a deleted byte to four places, each byte gathers what four deleted ones owe it,
//
//   q[i] = m[i] ^ q[i-145] ^ q[i-183] ^ q[i-211] ^ q[i-300]
//
// sixteen at a time, since no lag is shorter than a vector. q is kept for one chunk, with the 304 bytes before it:
//
//   SCRATCH  │ 304 bytes carried over │ up to CHUNK bytes of q │ 32 zeros behind the last q │
//
// A chunk is small enough to stay in the first-level cache with the message. The last 300 to 315 bytes are not deleted: they are
// gathered once more, with q behind the end taken as zero, and what comes out has the CRC of the whole. From the byte on that is
// as far behind the end as a lag is long, the lag owes nothing; 32 zeros cover the vectors in which this happens.

/** Least input of this kernel, bytes. */
export const SPARSE_BYTES_MIN: i32 = 384;

const CARRY: usize = 304;
const CHUNK: i32 = 8192;
const SCRATCH: usize = memory.data(304 + 8192 + 32, 64);
const REMAINDER: usize = memory.data(320 + 16, 64);

export function sparseBytes(register: u32, at: usize, length: i32): u32 {
  const zero = i64x2.splat(0);
  for (let i: usize = 0; i < CARRY; i += 16) v128.store(SCRATCH + i, zero);
  // What lies 300 bytes back is XORed into the first four bytes: exactly where a CRC's initial register belongs.
  store<u32>(SCRATCH, register, CARRY - 300);

  let left = (length - 300) & ~15;
  const remainder = length - left;
  // Where the bytes stand that are CARRY before those being written, so that every lag is a constant offset upwards.
  let q: usize = SCRATCH;
  while (true) {
    const chunk = min(left, CHUNK);
    const end = SCRATCH + usize(chunk);
    q = SCRATCH;
    for (const fast = SCRATCH + usize(chunk & ~63); q < fast; q += 64, at += 64) {
      v128.store(q, gather(v128.load(at), q), CARRY);
      v128.store(q, gather(v128.load(at, 16), q + 16), CARRY + 16);
      v128.store(q, gather(v128.load(at, 32), q + 32), CARRY + 32);
      v128.store(q, gather(v128.load(at, 48), q + 48), CARRY + 48);
    }
    for (; q < end; q += 16, at += 16) v128.store(q, gather(v128.load(at), q), CARRY);
    left -= chunk;
    if (left === 0) break;
    for (let i: usize = 0; i < CARRY; i += 16) v128.store(SCRATCH + i, v128.load(q + i));
  }

  v128.store(q, zero, CARRY);
  v128.store(q, zero, CARRY + 16);
  let to = REMAINDER;
  for (; to < REMAINDER + 160; to += 16, q += 16, at += 16) v128.store(to, gather(v128.load(at), q));
  for (; to < REMAINDER + 192; to += 16, q += 16, at += 16) {
    v128.store(to, v128.xor(v128.load(q, CARRY - 183), gather211And300(v128.load(at), q)));
  }
  for (; to < REMAINDER + 224; to += 16, q += 16, at += 16) v128.store(to, gather211And300(v128.load(at), q));
  for (; to < REMAINDER + usize(remainder); to += 16, q += 16, at += 16) {
    v128.store(to, v128.xor(v128.load(at), v128.load(q, CARRY - 300)));
  }
  return sparseVectors(0, REMAINDER, remainder);
}

/** What the sixteen bytes at q + CARRY become, `message` being those of the message. */
function gather(message: v128, q: usize): v128 {
  return v128.xor(v128.xor(v128.load(q, CARRY - 145), v128.load(q, CARRY - 183)), gather211And300(message, q));
}

function gather211And300(message: v128, q: usize): v128 {
  return v128.xor(message, v128.xor(v128.load(q, CARRY - 211), v128.load(q, CARRY - 300)));
}
