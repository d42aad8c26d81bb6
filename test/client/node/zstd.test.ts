import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inflateZstd } from "../../../src/client/zstd.ts";

const bytesMax = 16 * 1024 * 1024;
const words = Array.from(
  { length: 300 },
  (_, i) => `${i.toString(36)}${"message queue topic ".slice(i % 7, 3 + (i % 17))}`,
);

/** Bodies of a size, by numbers of chance below 2^15. */
const kinds: Record<string, (bytes: number, chance: () => number) => Uint8Array> = {
  zeros: (bytes) => new Uint8Array(bytes),
  noise: (bytes, chance) => new Uint8Array(bytes).map(() => chance()),
  uneven: (bytes, chance) => new Uint8Array(bytes).map(() => 65 + 3 * Math.clz32(chance()) + (chance() & 1)),
  text: (bytes, chance) => {
    let text = "";
    while (text.length < bytes) text += words[(chance() * chance()) % words.length];
    return new TextEncoder().encode(text.slice(0, bytes));
  },
  repetitive: (bytes, chance) => {
    const unit = new Uint8Array(700).map(() => chance());
    return new Uint8Array(bytes).map((_, i) => (chance() % 100 === 0 ? chance() : unit[i % unit.length]!));
  },
};

describe("what the reference encoder makes is read as it was", () => {
  const sizes = [0, 1, 5, 255, 256, 1000, 65_791, 65_792, 131_072, 131_073, 700_000];
  for (const [kind, make] of Object.entries(kinds)) {
    test(`${kind} of many sizes, at fast, usual and slow levels`, { timeout: 60_000 }, () => {
      for (const size of sizes) {
        const body = make(size, chanceFrom(size + 1));
        for (const level of [-7, 1, 3, 5, 12, 19]) {
          if (level > 12 && size > 131_073) continue;
          for (const hasChecksum of [false, true]) expectSame(body, { level, hasChecksum, hasSize: !hasChecksum });
        }
      }
    });

    test(`${kind} of 4 MiB`, { timeout: 60_000 }, () => {
      const body = make(4 * 1024 * 1024, chanceFrom(7));
      for (const level of [1, 5]) expectSame(body, { level, hasChecksum: true, hasSize: true });
    });
  }

  test("bodies, levels and windows of chance", { timeout: 60_000 }, () => {
    const bodies = fc.array(fc.tuple(fc.constantFrom(...Object.values(kinds)), fc.nat(40_000), fc.integer()), {
      maxLength: 5,
    });
    const how = fc.record({
      level: fc.integer({ min: -10, max: 15 }),
      hasChecksum: fc.boolean(),
      hasSize: fc.boolean(),
      windowLog: fc.option(fc.integer({ min: 10, max: 24 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(bodies, how, (parts, options) => {
        expectSame(Buffer.concat(parts.map(([make, bytes, seed]) => make(bytes, chanceFrom(seed)))), options);
      }),
      { numRuns: 150 },
    );
  });
});

test("a changed frame that both this and the reference decoder read is the same to both", { timeout: 60_000 }, () => {
  const frames = Object.values(kinds).flatMap((make) =>
    [60, 800, 5000].map((bytes) =>
      compress(make(bytes, chanceFrom(bytes)), { level: 5, hasChecksum: false, hasSize: true }),
    ),
  );
  const changes = fc.noBias(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }));
  let both = 0;
  fc.assert(
    fc.property(fc.constantFrom(...frames), changes, (frame, changed) => {
      const bytes = Uint8Array.from(frame);
      for (const [at, value] of changed) bytes[4 + (at % (bytes.length - 4))] = value;
      const ours = tried(() => inflateZstd(bytes, bytesMax));
      const reference = tried(() => zstdDecompressSync(bytes, { maxOutputLength: bytesMax }));
      if (ours === undefined || reference === undefined) return;
      both++;
      expect(Buffer.compare(ours, reference)).toBe(0);
    }),
    { numRuns: 5_000 },
  );
  expect(both).toBeGreaterThan(500);
});

interface Options {
  readonly level: number;
  readonly hasChecksum: boolean;
  readonly hasSize: boolean;
  readonly windowLog?: number | undefined;
}

function expectSame(body: Uint8Array, options: Options): void {
  const inflated = inflateZstd(compress(body, options), bytesMax);
  // Faster than what compares element by element.
  expect(Buffer.compare(inflated, body), JSON.stringify({ bytes: body.length, ...options })).toBe(0);
}

function compress(body: Uint8Array, { level, hasChecksum, hasSize, windowLog }: Options): Uint8Array {
  return zstdCompressSync(body, {
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: Number(hasChecksum),
      [constants.ZSTD_c_contentSizeFlag]: Number(hasSize),
      ...(windowLog !== undefined && { [constants.ZSTD_c_windowLog]: windowLog }),
    },
  });
}

function chanceFrom(start: number): () => number {
  let seed = start;
  return () => {
    seed = (Math.imul(seed, 1103515245) + 12345) | 0;
    return (seed >>> 16) & 0x7fff;
  };
}

function tried(inflate: () => Uint8Array): Uint8Array | undefined {
  try {
    return inflate();
  } catch {
    return undefined;
  }
}
