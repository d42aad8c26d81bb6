import { describe, expect, test } from "vitest";
import type { CoreExports } from "../../src/core/exports.ts";
import { crc32ByTable, crc32Model } from "../model/crc32.ts";
import { coreModule, newCore, noise } from "./setup.ts";

const core = newCore();
const wasm = new WebAssembly.Instance(coreModule).exports as unknown as CoreExports;
const bytes = noise(2100);

describe("CRC-32", () => {
  test("of the check string, nothing, zeros and ones", () => {
    const check = new TextEncoder().encode("123456789");
    expect(crc32Model(check)).toBe(0xcbf43926);
    expect(core.crc32(check)).toBe(0xcbf43926);
    expect(core.crc32(new Uint8Array(0))).toBe(0);
    expect(core.crc32(new Uint8Array(0), 0x12345678)).toBe(0x12345678);
    for (const length of [1, 300, 4096]) {
      expect(core.crc32(new Uint8Array(length))).toBe(crc32ByTable(new Uint8Array(length)));
      expect(core.crc32(new Uint8Array(length).fill(255))).toBe(crc32ByTable(new Uint8Array(length).fill(255)));
    }
  });

  test("at every size up to 2000, chained to a seed", () => {
    const wrong = [];
    for (let length = 0; length <= 2000; length++) {
      const part = bytes.subarray(0, length);
      const seed = Math.imul(length, 0x9e3779b1) >>> 0;
      if (core.crc32(part, seed) !== crc32ByTable(part, seed)) wrong.push(length);
    }
    expect(wrong).toEqual([]);
  });

  test("at every alignment, around every kernel's and chunk's edge", () => {
    const at = wasm.allocate(32768);
    const memory = new Uint8Array(wasm.memory.buffer);
    memory.set(noise(32768, 7), at);
    const wrong = [];
    const edges = [
      0,
      4,
      8,
      16,
      40,
      48,
      80,
      88,
      128,
      240,
      256,
      384,
      512,
      896,
      1024,
      8192,
      8192 + 300,
      8192 + 316,
      16384 + 300,
    ];
    for (const length of edges.flatMap((edge) => [edge - 17, edge - 1, edge, edge + 1, edge + 15, edge + 33])) {
      if (length < 0) continue;
      for (let from = at; from < at + 16; from++) {
        const expected = crc32ByTable(memory.subarray(from, from + length));
        if (wasm.crc32(from, length, 0) >>> 0 !== expected) wrong.push([length, from - at]);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("of long input, in pieces and at once", () => {
    const long = noise((1 << 20) + 12345, 3);
    for (const length of [65535, 65536, 65537, 131072, 1 << 20, long.length]) {
      const part = long.subarray(long.length - length);
      expect(core.crc32(part)).toBe(crc32ByTable(part));
    }
    let chained = 0;
    for (let from = 0, step = 1; from < long.length; from += step, step = step * 2 + 3) {
      chained = core.crc32(long.subarray(from, from + step), chained);
    }
    expect(chained).toBe(core.crc32(long));
  });

  test("what lies behind the input does not count", () => {
    const at = wasm.allocate(8192);
    const memory = new Uint8Array(wasm.memory.buffer);
    for (const length of [1, 87, 130, 255, 300, 639, 641, 5000]) {
      memory.fill(0, at, at + 8192);
      memory.set(bytes.subarray(0, Math.min(length, 2100)), at);
      const clean = wasm.crc32(at, length, 0);
      memory.fill(0xa5, at + length, at + length + 64);
      expect(wasm.crc32(at, length, 0)).toBe(clean);
    }
  });
});

describe("the arithmetic behind it", () => {
  const P = (1n << 32n) | 0x04c11db7n;

  test("the sparse multiples leave no remainder", () => {
    for (const scale of [1, 2, 8]) {
      const multiple = [300, 155, 117, 89, 0].reduce((sum, exponent) => sum | (1n << BigInt(exponent * scale)), 0n);
      expect(remainder(multiple)).toBe(0n);
    }
  });

  test("multiply() is multiplication modulo the polynomial", () => {
    for (let index = 0; index < 200; index++) {
      const a = Math.imul(index + 1, 0x9e3779b1) >>> 0;
      const b = Math.imul(index + 7, 0x85ebca6b) >>> 0;
      expect(wasm.multiply(a, b) >>> 0).toBe(reflect(remainder(carryless(reflect(a), reflect(b)))));
    }
    for (const a of [0, 1, 0x80000000, 0xffffffff]) {
      expect(wasm.multiply(a, 0x80000000) >>> 0).toBe(a); // x^0
      expect(wasm.multiply(a, 0)).toBe(0);
      expect(wasm.multiply(a, 0xffffffff) >>> 0).toBe(reflect(remainder(carryless(reflect(a), 0xffffffffn))));
    }
  });

  test("power() is x^(8n)", () => {
    for (const bytes of [0, 1, 2, 3, 4, 37, 255, 256, 257, 4096, 5000]) {
      expect(wasm.power(bytes) >>> 0).toBe(reflect(remainder(1n << BigInt(8 * bytes))));
    }
    for (const [a, b] of [
      [1 << 24, 5],
      [4194304, 4194305],
      [16777215, 16777217],
    ] as const) {
      expect(wasm.multiply(wasm.power(a), wasm.power(b))).toBe(wasm.power(a + b));
    }
  });

  function carryless(a: bigint, b: bigint): bigint {
    let product = 0n;
    for (let bit = 0n; bit < 32n; bit++) if ((b >> bit) & 1n) product ^= a << bit;
    return product;
  }

  function remainder(value: bigint): bigint {
    let rest = value;
    for (let degree = rest.toString(2).length - 1; degree >= 32; degree--) {
      if ((rest >> BigInt(degree)) & 1n) rest ^= P << BigInt(degree - 32);
    }
    return rest;
  }

  /** Between bit 31 = x^0, as registers are, and bit 0 = x^0. */
  function reflect(value: number): bigint;
  function reflect(value: bigint): number;
  function reflect(value: number | bigint): number | bigint {
    const bits = [...value.toString(2).padStart(32, "0")].reverse().join("");
    return typeof value === "number" ? BigInt(`0b${bits}`) : Number.parseInt(bits, 2);
  }
});
