import { encodeUtf8 } from "../../ports/text.ts";

/*
 * Where Apache's broker marks what a group's filter matches, when it is told to (enableCalcFilterBitMap). It believes a consumerFilter.json only if
 * each filter in it has this, for as many bits and hashes as it would make itself (BloomFilter.createByFn): those of its usual
 * maxErrorRateOfBloomFilter, 20, and expectConsumerNumUseFilter, 32.
 */
const bitNum = 112;
const hashes = 3;

export interface BloomFilterData {
  readonly bitNum: number;
  readonly bitPos: readonly number[];
}

/** BloomFilter.generate, which hashes by the first half of a MurmurHash3 of 128 bits. */
export function bloomFilterData(group: string, topic: string): BloomFilterData {
  const hash = murmur3(encodeUtf8(`${group}#${topic}`));
  const low = Number(BigInt.asIntN(32, hash));
  const high = Number(BigInt.asIntN(32, hash >> 32n));
  const bitPos: number[] = [];
  for (let i = 1; i <= hashes; i++) {
    const combined = (low + Math.imul(i, high)) | 0;
    bitPos.push((combined < 0 ? ~combined : combined) % bitNum);
  }
  return { bitNum, bitPos };
}

/** The first 64 bits of MurmurHash3_x64_128 with the seed 0. */
function murmur3(bytes: Uint8Array): bigint {
  const padded = new Uint8Array(Math.ceil((bytes.length + 1) / 16) * 16);
  padded.set(bytes);
  const words = new DataView(padded.buffer);
  let h1 = 0n;
  let h2 = 0n;
  for (let at = 0; at < padded.length; at += 16) {
    const k1 = mixK1(words.getBigUint64(at, true));
    const k2 = mixK2(words.getBigUint64(at + 8, true));
    // What is left at the end is hashed without mixing.
    if (at + 16 > bytes.length) {
      h1 ^= k1;
      h2 ^= k2;
      break;
    }
    h1 = u64((rotate(h1 ^ k1, 27n) + h2) * 5n + 0x52dce729n);
    h2 = u64((rotate(h2 ^ k2, 31n) + h1) * 5n + 0x38495ab5n);
  }
  h1 ^= BigInt(bytes.length);
  h2 ^= BigInt(bytes.length);
  h1 = u64(h1 + h2);
  h2 = u64(h2 + h1);
  return u64(finish(h1) + finish(h2));
}

const c1 = 0x87c37b91114253d5n;
const c2 = 0x4cf5ad432745937fn;

function mixK1(k: bigint): bigint {
  return u64(rotate(u64(k * c1), 31n) * c2);
}

function mixK2(k: bigint): bigint {
  return u64(rotate(u64(k * c2), 33n) * c1);
}

function finish(h: bigint): bigint {
  let k = h;
  k = u64((k ^ (k >> 33n)) * 0xff51afd7ed558ccdn);
  k = u64((k ^ (k >> 33n)) * 0xc4ceb9fe1a85ec53n);
  return k ^ (k >> 33n);
}

function rotate(value: bigint, bits: bigint): bigint {
  return u64((value << bits) | (value >> (64n - bits)));
}

function u64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}
