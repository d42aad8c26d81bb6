import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inflateZstd } from "../../src/client/zstd.ts";
import { zstdBlocksMax } from "../../src/limits.ts";
import { body, compressedBodies } from "./compressed-bodies.ts";

const bytesMax = 1024 * 1024;

describe("bodies that the reference encoder made", () => {
  for (const [name, { whole, frame }] of Object.entries(references())) {
    test(name, () => {
      expect(inflateZstd(frame, bytesMax)).toEqual(whole);
      expect(inflateZstd(frame, whole.length)).toEqual(whole);
      expect(() => inflateZstd(frame, whole.length - 1)).toThrow(`it holds more than ${whole.length - 1} bytes`);
    });

    test(`${name}, cut off anywhere or with a byte behind it`, () => {
      for (let end = 0; end < frame.length; end++)
        expect(() => inflateZstd(frame.subarray(0, end), bytesMax)).toThrow(Error);
      expect(() => inflateZstd(Uint8Array.of(...frame, 0), bytesMax)).toThrow("it is cut off");
    });
  }

  test("several in a row, with skippable frames around", () => {
    const { even, recent } = references();
    const skippable = [...u32(0x184d2a5f), ...u32(3), 1, 2, 3];
    const all = Uint8Array.of(...skippable, ...even.frame, ...skippable, ...recent.frame, ...skippable);
    expect(inflateZstd(all, bytesMax)).toEqual(Uint8Array.of(...even.whole, ...recent.whole));
    expect(inflateZstd(Uint8Array.from(skippable), bytesMax)).toHaveLength(0);
  });

  test("as a part of a larger buffer", () => {
    const { even } = references();
    const buffer = Uint8Array.of(255, 255, 255, ...even.frame, 255);
    expect(inflateZstd(buffer.subarray(3, -1), bytesMax)).toEqual(even.whole);
  });
});

describe("frames made by hand", () => {
  test("literals raw, repeated, and of codes whose weights stand as they are", () => {
    expect(inflate(block(2, [...rawLiterals([1, 2, 3]), 0]))).toEqual(Uint8Array.of(1, 2, 3));
    expect(inflate(block(2, [...repeatedLiterals(9, 70_000), 0]))).toEqual(new Uint8Array(70_000).fill(9));
    const stream = backward(...[0, 1, 1, 0, 1, 0, 0].map((bit) => [bit, 1] as const));
    expect(inflate(block(2, [...huffmanLiterals(7, [128, 0x10, ...stream]), 0]))).toEqual(
      Uint8Array.of(0, 1, 1, 0, 1, 0, 0),
    );
  });

  test("sequences of one code each, and the distances of before", () => {
    // Two literals and 3 bytes from 2 back; then, after no literals, 3 from the distance before that, which a frame begins with: 1.
    const codes = (literals: number, offset: number) => [0b01_01_01_00, literals, offset, 0];
    const first = block(2, [...rawLiterals([0, 1]), 1, ...codes(2, 2), ...backward([1, 2])], false);
    expect(inflate(first, block(2, [...rawLiterals([]), 1, ...codes(0, 0), ...backward()]))).toEqual(
      Uint8Array.of(0, 1, 0, 1, 0, 0, 0, 0),
    );
  });

  test("a match reaches as far as the frame and its window, no further", () => {
    const match = (distance: number, ...literals: number[]) => {
      const code = 31 - Math.clz32(distance + 3);
      return block(2, [
        ...rawLiterals(literals),
        ...[1, 0b01_01_01_00, 0, code, 0],
        ...backward([distance + 3 - (1 << code), code]),
      ]);
    };
    const zeros = (bytes: number) => block(1, [7], false, bytes);
    expect(inflate(zeros(1024), match(1024))).toHaveLength(1027);
    expect(() => inflate(zeros(1023), match(1024))).toThrow("reaches back too far");
    const inWindow = (distance: number) =>
      inflateZstd(frame(window1KiB, zeros(1024), zeros(1), match(distance)), bytesMax);
    expect(inWindow(1024)).toHaveLength(1028);
    expect(() => inWindow(1025)).toThrow("reaches back too far");
    const frames = Uint8Array.of(...frame(window8MiB, block(1, [7], true, 8)), ...frame(window8MiB, match(8)));
    expect(() => inflateZstd(frames, bytesMax)).toThrow("reaches back too far");
    // The last distance less one is none.
    const none = [1, 0b01_01_01_00, 0, 1, 0, ...backward([1, 1])];
    expect(() => inflate(zeros(8), block(2, [...rawLiterals([]), ...none]))).toThrow("reaches back too far");
    expect(() => inflate(zeros(8), block(2, [...rawLiterals([]), 1, 0b01_01_01_00, 0, 31, 0, ...backward()]))).toThrow(
      "reaches back too far",
    );
  });

  test("what no encoder makes is turned away", () => {
    const raw = block(0, [1, 2]);
    const withDescriptor = (descriptor: number, ...more: number[]) =>
      inflateZstd(Uint8Array.of(...u32(magic), descriptor, ...more, ...raw), bytesMax);
    expect(withDescriptor(0, 0)).toEqual(Uint8Array.of(1, 2));
    expect(withDescriptor(1, 0, 0)).toEqual(Uint8Array.of(1, 2));
    expect(() => withDescriptor(1, 0, 5)).toThrow("a dictionary");
    expect(() => withDescriptor(8, 0)).toThrow("its header");
    expect(withDescriptor(0x20, 2)).toEqual(Uint8Array.of(1, 2));
    expect(() => withDescriptor(0x20, 3)).toThrow("as much as it says");
    expect(() => withDescriptor(0x20, 1)).toThrow("larger than it may be");
    expect(() => withDescriptor(0xc0, 0, ...new Array<number>(8).fill(255))).toThrow("as much as it says");
    expect(() => withDescriptor(4, 0)).toThrow("cut off");
    expect(() => inflate(block(3, []))).toThrow("unknown kind");
    expect(() => inflate(block(1, [1], true, 131_073))).toThrow("larger than it may be");
    expect(() => inflateZstd(frame(window1KiB, block(1, [1], true, 1025)), bytesMax)).toThrow("larger than it may be");
    expect(() => inflate(block(2, [...huffmanLiterals(5, [1], 2, 1), 0]))).toThrow(Error);
    expect(() => inflate(block(2, [...huffmanLiterals(7, [1], 3), 0]))).toThrow("none is");
    expect(() => inflate(block(2, [...rawLiterals([]), 1, 0b11_00_00_00]))).toThrow("none is");
    expect(() => inflate(block(2, [...rawLiterals([]), 1, 1]))).toThrow("unknown kind");
    expect(() => inflate(block(2, [...rawLiterals([]), 1, 0b01_00_00_00, 36]))).toThrow("table of codes");
    // Five of the same weight lack three, which no single code makes up for; and none at all.
    for (const weights of [[0x11, 0x11, 0x10], [0x00]]) {
      const table = [127 + 2 * weights.length - 1, ...weights];
      expect(() => inflate(block(2, [...huffmanLiterals(7, [...table, 1]), 0]))).toThrow("table of codes");
    }
  });
});

describe("frames that would keep a decoder busy", () => {
  test("a table whose cells all stand apart", () => {
    const table = fseTable(new Array<number>(32).fill(-1), 5);
    // The last state is the first code's, and so on downwards.
    const sequences = (literals: number) => [1, 0b10_01_01_00, ...table, 0, 0, ...backward([31 - literals, 5])];
    expect(inflate(block(2, [...rawLiterals([5]), ...sequences(1)]))).toEqual(Uint8Array.of(5, 5, 5, 5));
    expect(() => inflate(block(2, [...rawLiterals([5]), ...sequences(2)]))).toThrow("cut off");
  });

  test("weights whose states take no bits", () => {
    const table = fseTable([0, 32], 5);
    const weights = [...table, ...backward([0, 5], [0, 5])];
    expect(() => inflate(block(2, [...huffmanLiterals(7, [weights.length, ...weights, 1]), 0]))).toThrow(
      "table of codes",
    );
  });

  test("sequences that take no bits and write on and on", () => {
    const most = [255, 255, 255, 0b01_01_01_00];
    // Each 3 bytes: as many as a block has room for, and one more.
    const seven = block(1, [7], false, 8);
    expect(() => inflate(seven, block(2, [...rawLiterals([]), ...most, 0, 0, 0, 1]))).toThrow("larger than it may be");
    const long = [1, 0b01_01_01_00, 0, 0, 52, ...backward([65_535, 16])];
    expect(() => inflate(seven, block(2, [...rawLiterals([]), ...long]))).toThrow("larger than it may be");
  });

  test("blocks that hold nothing and bring the largest tables", () => {
    const table = fseTable([512], 9);
    const huffman = huffmanLiterals(0, [128 + 10, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xb0, 1]);
    const empty = block(2, [...huffman, 0], false);
    expect(inflate(...new Array<number[]>(10).fill(empty), block(0, []))).toHaveLength(0);
    const one = block(2, [...huffman, 1, 0b10_01_10_00, ...table, 0, ...table, ...backward([0, 18])], false);
    expect(() => inflate(one)).toThrow("reaches back too far");
    const all = (blocks: number) => [...new Array<number[]>(blocks - 1).fill(empty), block(0, [])];
    expect(inflate(...all(zstdBlocksMax))).toHaveLength(0);
    expect(() => inflate(...all(zstdBlocksMax + 1))).toThrow(`more than ${zstdBlocksMax} blocks`);
    const frames = new Array<number[]>(zstdBlocksMax + 1).fill([...frame(window1KiB, block(0, []))]).flat();
    expect(() => inflateZstd(Uint8Array.from(frames), bytesMax)).toThrow(`more than ${zstdBlocksMax} blocks`);
  });

  test("a frame changed anywhere, and bytes of chance behind a valid header, are read as something bounded or not at all", () => {
    const frames = Object.values(references()).map(({ frame }) => frame);
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.constantFrom(...frames), changes, fc.boolean(), (frame, changed, isNearStart) => {
        const bytes = frame.slice();
        for (const [at, value] of changed)
          bytes[at % (isNearStart ? Math.min(40, bytes.length) : bytes.length)] = value;
        expectBounded(bytes);
      }),
      { numRuns: 3_000 },
    );
    const headers = fc.constantFrom([], [0, 0x58], [0x20, 200], [0, 0x58, 0x05, 1, 0], [0, 0x58, 0x2d, 3, 0]);
    fc.assert(
      fc.property(headers, fc.uint8Array({ maxLength: 200 }), (header, bytes) => {
        expectBounded(Uint8Array.of(...u32(magic), ...header, ...bytes));
      }),
      { numRuns: 3_000 },
    );
  });
});

function expectBounded(bytes: Uint8Array): void {
  let inflated: Uint8Array;
  try {
    inflated = inflateZstd(bytes, bytesMax);
  } catch (error) {
    expect((error as Error).constructor).toBe(Error);
    return;
  }
  expect(inflated.length).toBeLessThanOrEqual(bytesMax);
}

const magic = 0xfd2fb528;

const window1KiB = 0;
const window8MiB = 13 << 3;

function inflate(...blocks: readonly (readonly number[])[]): Uint8Array {
  return inflateZstd(frame(window8MiB, ...blocks), bytesMax);
}

function frame(window: number, ...blocks: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from([...u32(magic), 0, window, ...blocks.flat()]);
}

/** Of kind 0 raw, 1 RLE or 2 compressed. */
function block(kind: number, bytes: readonly number[], isLast = true, size = bytes.length): number[] {
  return [...u32((size << 3) | (kind << 1) | Number(isLast)).slice(0, 3), ...bytes];
}

function rawLiterals(bytes: readonly number[]): number[] {
  return [bytes.length << 3, ...bytes];
}

function repeatedLiterals(byte: number, size: number): number[] {
  return [...u32((size << 4) | 13).slice(0, 3), byte];
}

/** In one stream, or four with format 1; treeless with kind 3. */
function huffmanLiterals(size: number, bytes: readonly number[], kind = 2, format = 0): number[] {
  return [...u32((bytes.length << 14) | (size << 4) | (format << 2) | kind).slice(0, 3), ...bytes];
}

/** A stream that gives these values, each of so many bits, when it is read from its end. */
function backward(...values: readonly (readonly [value: number, bits: number])[]): number[] {
  return littleEndian(values.reduce((all, [value, bits]) => (all << BigInt(bits)) | BigInt(value), 1n));
}

function fseTable(cells: readonly number[], log: number): number[] {
  let all = BigInt(log - 5);
  let at = 4n;
  const put = (value: number, bits: number) => {
    all |= BigInt(value) << at;
    at += BigInt(bits);
  };
  let left = 1 << log;
  for (const count of cells) {
    const value = count + 1;
    const bits = 32 - Math.clz32(left + 1);
    const short = (1 << bits) - 2 - left;
    if (value < short) put(value, bits - 1);
    else put(value < 1 << (bits - 1) ? value : value + short, bits);
    if (count === 0) put(0, 2);
    left -= Math.abs(count);
  }
  return littleEndian(all, Number(at + 7n) >> 3);
}

function littleEndian(value: bigint, bytes?: number): number[] {
  const all: number[] = [];
  for (let rest = value; bytes === undefined ? rest > 0n : all.length < bytes; rest >>= 8n)
    all.push(Number(rest & 255n));
  return all;
}

function u32(value: number): number[] {
  return [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
}

/** By zstd 1.5.7, but for Java's text, with what each has to have been. */
function references() {
  const made = (base64: string, whole: Uint8Array) => ({
    whole,
    frame: Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)),
  });
  const java = compressedBodies.find(({ name, how }) => name === "text" && how === "zstd")!;
  return {
    "text by Java": made(java.base64, body("text")),
    // Level 9, flushed each 400 bytes: blocks that go on with the tables of the block before.
    uneven: made(
      "KLUv/QBgrAQAEk0SCdClA2TLxADQWlZujtkDK0OlqLiAJlAgOZVBzkY43K3o5LVQnQIJAhzlifVtKdwsjSXd5NWeX3vHmTrUdC1lWHSC10o7NfEuLyAoIEKimHYHEIpYHkZBaIYPAQBaQw2HJpMHLXljsARlDi4bjGE/o0RA8B+0qUmf7k/4ptFV+8LwywdvqCI2ZY/PZ40cF27wAHXEBAAihQoMsCXpthG5pZwZhoEw0VVjdtFUYMuvOCxntACPuB+0EjrLk5fGaYOY8AExqOCQTLEBIAIiIMZQ7hAQz6ga1gO/Y5XtEZO9Mpg+vEgUlUlmudjFBLDFm6q7GW3+x6l+mqg0kLdqiPOVnnsIpLzZA+RHgQs6Im8IcHW0hoSQERS0GIJp+rDh3GxiGliO5xZkVqZEx8DmDHQEACOGCPlopOa4Ei9HDiPBKgnb+BmPgfkTJ+HTLq2L/Gt+eGgchQEuqODqxCBpDCBCQoyD5QMQSszqASajHQB/Of/T3AE84theZs8IBC3iDSPIkL2PgdHRftmY6G4volanFu2mv5Y4CznWuCar5TMUYdQAN52pTCpJyYVRlBeiFRqXBkK4ZEVT6R+iJ6INDt0VBABixQoNsCVpDE4gu0kpMwzDYZWEV1xQkGg7TEgX+ITRhYJl0aqUl9Sh4cSAkWA2I7jgjKbCYjEQEO+sAzLr8S907qHJo3IZ0eGDqZILsb29YBEPsG43Nx4+iZmT+hvYYtRdjD4yrEEN7jeSA3Tvib45Ae/cMpnAQbiNqmlWM6LrNrUE",
      uneven(random()),
    ),
    // Level 3, flushed each 300 bytes: four streams of literals, then again by the same codes. With a checksum.
    even: made(
      "KLUv/QRYlAUAxpIrDrDlASRJkjCkhpIkSUAJJgAmACcA15wagox6Rg75Z9KLFvzKAf9wHpu8P5e/Kgo7j8a1GGt46EB1tgGxtzgrpYthsAsiE35jSMe5SQkllFhtDDwfaXLPsRjXC8D6gQrwBckgM2j1jOKYpYgVwCi3+AYk6KwIDV29vJWCq5NWPXe7yYiUxRkgAYQaYi9Jry6sMsv65YD+rskv1YxepvkABrtOlY3Hepl7hMCAaWcIACUFAMcSKCYAJwAmAI3REl3HJ8p88z+hciTIoWhXySeHEhE0Z+KVy4uGAMPk1yA7GqUBc0IpYQNAD4bPEetJQIPZ6NmJl9EAbY2ok2FPsNgik9FFSxUVFwABsRt00oYvaB3aQ4AlgOAw0DzhPrqWjquZ/oQP3aFr0cq1zb6wMQcrwa5LFX62E+JdQWtDplUphElj1Nw+/OgUhqFb0EbZgtqxjQC7DAIAzVJxgg==",
      even(random()),
    ),
    // Level 1: one code for all sequences. With a checksum.
    runs: made(
      "KLUv/QRItAkAdAjGBwcDfoFrS/vi+1T2vd98HOGHAb8x3lZyD0dnZodZqog8WepWE3vShaHYPFRVLzeuZVvaAnmYzOMado5f2ZmPHz827kN4TQ36vqba5IaO3CltTv9W4XAg+4+xWAWQxQncU82qO0iZUtNSnQaf6rXCBhOYSbIBHqwyiDGcUkaVcTaPV/Y5HRaAhKgQ8Gvg9w0S+P//H0Fg/gFEnjx58uTJkydPnjx58uTJkydPnjx5yJMnT548efLkyZMnT548efLkyZMnTx7y5MmTJ0+ePHny5MmTJ0+ePHny5MmThzx58uSRJ0+ePHny5MmTJ0+ePHny5MlDnjx58uTJkydPnjx58uTJkydPnjx58pAnT548efLkyZMnT548efLkyZMnT5485MmTJ0+ePHnyyZNX5Nez8IeVAtUAAEgD+oh09Zh8F1wJVAEALeTJkydPnjx58pwDhIrL/w==",
      runs(random()),
    ),
    // Level 19, flushed each 900 bytes: matches at each of the recent distances, with literals between and without.
    recent: made(
      "KLUv/QBojAcA9lUlB/ANmZk5n3siACIAIgD5gPhuaFO2Wsz+n9zWiEir/5JItVkhlPu/7DwP+ZrTttgB2SIT9u1ubYt0Xx7c6cITJeTGv1OLgegomFXd1RRMHVMUAc6KSU7HWdwI/r0LaGI+jFDN34AnpzgX+6j6BJ2OfAG0EwHMczR17CbFahRhjvQ7WmWXuWesq11NIf8R38UBp1pLzjg2oFHR5v7/BsBcUOIBShvUSy80/h1hYtKhYSaUKGnwztgFHE0sMUOOX5DbQIeJceJHeAADuYnK4bG1ahIssMxjrtyK6/DhZnteS2bLAr/CcOBa7oBdkqJVAWQEABNEBg2ZUSD/V4jzhLGU4ForsSya74UEet/dawpS+BKAoEkSpYGkN9EEFInr3wHwJ9CxuDnjNkzBjWJLfuZjBuTZAf9LUyuqCikVHvX23qBLtzGWG+5B0s9fY8izIdHE/KT8Jf3mnahhIbC8M1eEsEFHI5bbzxOvQc9yuf3+9HvFlCQtrIxgJFG++yH2jQMA08MFN8wdcaYYuHhxYB09HcPPAmWeA7vkz/41oLBwNQagXFQdZMKgENdZm8jVjuGjYQFebSGOty55c2402khh3w2XFIYRykbmpxBkcF9G8oCLCj4DMaOY3JukmwlDEJZxk1yBaeA6bJObmdUKh4GMuDM=",
      recent(random()),
    ),
  };
}

function random(): () => number {
  let seed = 1;
  return () => {
    seed = (Math.imul(seed, 1103515245) + 12345) | 0;
    return (seed >>> 16) & 0x7fff;
  };
}

function uneven(chance: () => number): Uint8Array {
  return new Uint8Array(1500).map(() => 65 + Math.clz32(chance()));
}

function even(chance: () => number): Uint8Array {
  return new Uint8Array(600).map(() => 97 + ((chance() >> 4) % 16));
}

function runs(chance: () => number): Uint8Array {
  return new Uint8Array(140_000).map((_, i) => (i % 1000 === 0 ? chance() : i % 1000 < 3 ? 7 : 3));
}

function recent(chance: () => number): Uint8Array {
  const bytes = new Uint8Array(2400);
  for (let at = 0; at < bytes.length; ) {
    const isMatch = at > 300 && chance() % 3 !== 0;
    if (isMatch) {
      const distance = [70, 71, 131, 200][chance() % 4]!;
      for (const end = at + 4 + (chance() % 9); at < end; at++) bytes[at] = bytes[at - distance]!;
    }
    if (!isMatch || chance() % 2 === 1) bytes[at++] = 97 + (chance() % 8);
  }
  return bytes;
}
