import { Unzlib, zlibSync } from "fflate";
import { inflatedBodyBytesMax } from "../limits.ts";
import { ClientError } from "./error.ts";
import { inflateLz4 } from "./lz4.ts";
import { Output } from "./output.ts";
import { inflateZstd } from "./zstd.ts";

/** Bits of a message's sysFlag (MessageSysFlag). */
export const compressedBit = 1;
const compressionMask = 7 << 8;
const zlibOfOldClients = 0;
const lz4 = 1 << 8;
const zstd = 2 << 8;
const zlib = 3 << 8;

/** Bodies from this size on are worth trying (DefaultMQProducer.compressMsgBodyOverHowmuch). */
export const compressFromBytes = 4096;

/** What Java's producer makes of a large body: zlib, level 5. Undefined if it does not get smaller. */
export function compress(body: Uint8Array): { readonly body: Uint8Array; readonly sysFlag: number } | undefined {
  const smaller = zlibSync(body, { level: 5 });
  return smaller.length < body.length ? { body: smaller, sysFlag: compressedBit | zlib } : undefined;
}

/** The body as it was before its producer compressed it. Throws MESSAGE_UNREADABLE, also for one that inflates to too much. */
export function inflate(body: Uint8Array, sysFlag: number): Uint8Array {
  if ((sysFlag & compressedBit) === 0) return body;
  const how = sysFlag & compressionMask;
  try {
    if (how === zlib || how === zlibOfOldClients) return inflateZlib(body);
    if (how === lz4) return inflateLz4(body, inflatedBodyBytesMax);
    if (how === zstd) return inflateZstd(body, inflatedBodyBytesMax);
  } catch (error) {
    // What is wrong with the bytes is said by errors of many kinds.
    throw new ClientError("MESSAGE_UNREADABLE", `a compressed body can't be inflated: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new ClientError("MESSAGE_UNREADABLE", `a body compressed in an unknown way, ${how >> 8}`);
}

/** Deflate makes at most 1,032 bytes of one: fed in slices, it can't overrun the bound by much before that is seen. */
const zlibSliceBytes = 4096;

function inflateZlib(body: Uint8Array): Uint8Array {
  const out = new Output(body, inflatedBodyBytesMax);
  let ended = false;
  const stream = new Unzlib((piece, final) => {
    out.append(piece, 0, piece.length);
    ended = final;
  });
  for (let at = 0; at < body.length; at += zlibSliceBytes) {
    stream.push(body.subarray(at, at + zlibSliceBytes), at + zlibSliceBytes >= body.length);
  }
  if (!ended) throw new Error("it is cut off");
  return out.bytes();
}
