import fc from "fast-check";
import type { RecordModel } from "../model/record.ts";
import { encodeRecordModel } from "../model/record.ts";

const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const offset = fc.oneof(fc.maxSafeNat(), fc.nat(), fc.constantFrom(0, Number.MAX_SAFE_INTEGER));
const host = fc.oneof(fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.uint8Array({ minLength: 20, maxLength: 20 }));

const word = fc.string({ unit: "grapheme", maxLength: 12 });
const entry = fc.oneof(
  fc.tuple(fc.constantFrom("TAGS", "KEYS", "UNIQ_KEY", "TAG", "TAGSS", "__CRC32#", "__CRC32"), word).map(join),
  fc.tuple(word, word).map(join),
  fc.constantFrom("", "TAGS", "TAGS\u0001", "\u0001", "__CRC32#\u0001", "__CRC32#", "TAGS\u0001a\u0001b"),
);

/** Property strings, well-formed and not. */
export const propertiesArbitrary: fc.Arbitrary<string> = fc
  .tuple(fc.array(entry, { maxLength: 8 }), fc.boolean())
  .map(([entries, closed]) => entries.join("\u0002") + (closed ? "\u0002" : ""));

/** Messages of all shapes: both versions, both address families, bodies around every CRC kernel's bounds. */
export const recordArbitrary: fc.Arbitrary<RecordModel> = fc.record({
  queueId: i32,
  flag: i32,
  queueOffset: offset,
  sysFlag: i32,
  bornTimestamp: offset,
  bornHost: host,
  storeTimestamp: offset,
  storeHost: host,
  reconsumeTimes: i32,
  preparedTransactionOffset: fc.oneof(offset, fc.constant(-1)),
  topic: fc.oneof(
    fc.uint8Array({ maxLength: 140 }),
    fc.constantFrom(127, 128, 300).map((length) => new Uint8Array(length).fill(97)),
  ),
  body: fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc
      .tuple(fc.nat(1500), fc.uint8Array({ minLength: 1, maxLength: 20 }))
      .map(([length, seed]) => Uint8Array.from({ length }, (_, index) => (seed[index % seed.length]! + index) & 255)),
  ),
  properties: propertiesArbitrary,
});

/** A log of records one after the other from `physicalOffset` on, and where each begins. */
export function logOf(
  records: readonly RecordModel[],
  physicalOffset: number,
  propertyCrc: (index: number) => boolean,
): { log: Uint8Array; starts: number[] } {
  const log: number[] = [];
  const starts: number[] = [];
  for (const [index, record] of records.entries()) {
    starts.push(log.length);
    log.push(...encodeRecordModel(record, physicalOffset + log.length, propertyCrc(index))!.bytes);
  }
  return { log: Uint8Array.from(log), starts };
}

function join([name, value]: [string, string]): string {
  return `${name}\u0001${value}`;
}
