import fc from "fast-check";
import { gunzipSync, zlibSync } from "fflate";
import { describe, expect, test } from "vitest";
import { compress, inflate } from "../../src/client/compression.ts";
import { ClientError } from "../../src/client/error.ts";
import { inflatedBodyBytesMax } from "../../src/limits.ts";
import { body, compressedBodies } from "./compressed-bodies.ts";

/** How a body says that it is compressed (MessageSysFlag). */
const sysFlag = { zlib: 1 | (3 << 8), lz4: 1 | (1 << 8), zstd: 1 | (2 << 8) };

function bytesOf({ base64, bytes }: (typeof compressedBodies)[number]): Uint8Array {
  const decoded = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  return bytes > 3_000 ? gunzipSync(decoded) : decoded;
}

/** What `inflate` gives, or that it says the body can't be read; anything else is a failure. */
function tryInflate(bytes: Uint8Array, flag: number): Uint8Array | undefined {
  try {
    return inflate(bytes, flag);
  } catch (error) {
    if (error instanceof ClientError && error.code === "MESSAGE_UNREADABLE") return undefined;
    throw error;
  }
}

describe("bodies that Java compressed", () => {
  for (const golden of compressedBodies) {
    test(`${golden.name} by ${golden.how}`, () => {
      expect(inflate(bytesOf(golden), sysFlag[golden.how])).toEqual(body(golden.name));
    });
  }

  test("zlib of clients before 5, that do not say how", () => {
    const golden = compressedBodies.find(({ how }) => how === "zlib")!;
    expect(inflate(bytesOf(golden), 1)).toEqual(body(golden.name));
  });

  test("cut off anywhere, or with bytes behind, they are unreadable", () => {
    for (const golden of compressedBodies) {
      const bytes = bytesOf(golden);
      for (let end = 0; end < bytes.length; end += golden.name === "large" ? 997 : 13) {
        const cut = tryInflate(bytes.subarray(0, end), sysFlag[golden.how]);
        // zlib's own checksum stands at the end, and the library does not wait for it.
        if (golden.how !== "zlib" || end < bytes.length - 4)
          expect(cut, `${golden.name} ${golden.how} ${end}`).toBe(undefined);
      }
      if (golden.how === "zlib") continue;
      expect(tryInflate(Uint8Array.of(...bytes.subarray(0, 4_000), 0), sysFlag[golden.how])).toBe(undefined);
    }
  });

  test("changed anywhere, they are read as something bounded or not at all", () => {
    const small = compressedBodies.filter(({ name }) => name !== "large");
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.constantFrom(...small), changes, (golden, changed) => {
        const bytes = bytesOf(golden).slice();
        for (const [at, value] of changed) bytes[at % bytes.length] = value;
        const read = tryInflate(bytes, sysFlag[golden.how]);
        expect(read?.length ?? 0).toBeLessThanOrEqual(inflatedBodyBytesMax);
      }),
      { numRuns: 2_000 },
    );
  });

  test("bytes of chance are unreadable, or bounded", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(...Object.values(sysFlag)), (bytes, flag) => {
        expect(tryInflate(bytes, flag)?.length ?? 0).toBeLessThanOrEqual(inflatedBodyBytesMax);
      }),
      { numRuns: 2_000 },
    );
  });

  test("an unknown way to compress is unreadable", () => {
    expect(() => inflate(new Uint8Array(8), 1 | (4 << 8))).toThrow(ClientError);
  });
});

describe("a body that inflates to too much is turned away", () => {
  test("zlib", () => {
    expect(() => inflate(zlibSync(new Uint8Array(64 * 1024 * 1024)), sysFlag.zlib)).toThrow(/more than 16777216 bytes/);
    expect(inflate(zlibSync(new Uint8Array(inflatedBodyBytesMax)), sysFlag.zlib)).toHaveLength(inflatedBodyBytesMax);
  });

  test("LZ4", () => {
    // Blocks of one literal and one match of 4 MiB.
    const match = Uint8Array.of(0x1f, 65, 1, 0, ...new Array<number>(16_000).fill(255), 0, 0);
    const block = [...u32(match.length), ...match];
    const frame = [...u32(0x184d2204), 0x60, 0x70, 0, ...block, ...block, ...block, ...block, ...block, ...u32(0)];
    expect(() => inflate(Uint8Array.from(frame), sysFlag.lz4)).toThrow(/more than 16777216 bytes/);
  });

  test("Zstandard", () => {
    // Blocks that say one byte is there 131,072 times, in a window of 8 MiB.
    const rle = (isLast: boolean) => [...u32((131_072 << 3) | 2 | Number(isLast)).slice(0, 3), 65];
    const frame = (blocks: number) => [
      ...[...u32(0xfd2fb528), 0, 13 << 3],
      ...Array.from({ length: blocks }, (_, i) => rle(i === blocks - 1)).flat(),
    ];
    expect(inflate(Uint8Array.from(frame(128)), sysFlag.zstd)).toHaveLength(inflatedBodyBytesMax);
    expect(() => inflate(Uint8Array.from(frame(129)), sysFlag.zstd)).toThrow(/more than 16777216 bytes/);
  });
});

describe("what this client compresses", () => {
  test("is inflated as it was, and left as it is where that does not pay", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 50 }), fc.integer({ min: 1, max: 500 }), (unit, times) => {
        const whole = Uint8Array.from({ length: unit.length * times }, (_, i) => unit[i % unit.length]!);
        const smaller = compress(whole);
        if (smaller === undefined) return;
        expect(smaller.body.length).toBeLessThan(whole.length);
        expect(inflate(smaller.body, smaller.sysFlag)).toEqual(whole);
      }),
      { numRuns: 200 },
    );
    expect(compress(body("noise"))).toBe(undefined);
  });
});

function u32(value: number): number[] {
  return [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
}
