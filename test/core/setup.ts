import { loadCoreModule } from "#core-wasm";
import { Core, type CoreOptions, type DecodedRecord, type RecordToEncode, type Region } from "../../src/core/core.ts";

const module = await loadCoreModule();

/** The module itself, for what the door does not offer. */
export const coreModule: WebAssembly.Module = module;

export function newCore(options?: CoreOptions): Core {
  return new Core(module, options);
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Bytes that look random and are the same every time. */
export function noise(length: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state >>> 24;
  });
}

/** A message as it would be sent again: what was decoded, with its topic as bytes. */
export function toEncode(record: DecodedRecord): RecordToEncode {
  return { ...record, topic: utf8(record.topic) };
}

/** A plain message; `changes` over it. */
export function message(changes: Partial<RecordToEncode> = {}): RecordToEncode {
  return {
    queueId: 1,
    flag: 0,
    queueOffset: 7,
    sysFlag: 0,
    bornTimestamp: 1700000000000,
    bornHost: Uint8Array.of(127, 0, 0, 1, 0, 0, 4, 210),
    storeTimestamp: 1700000000001,
    storeHost: Uint8Array.of(127, 0, 0, 1, 0, 0, 0x2a, 0x9f),
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    topic: utf8("TopicA"),
    body: utf8("hello"),
    properties: "TAGS\u0001TagA\u0002",
    ...changes,
  };
}

/** The first `length` bytes of a region, copied. */
export function take(region: Region, at: number, length: number): Uint8Array {
  return region.bytes.slice(at, at + length);
}

/** Indices of the records that a scan walked over. */
export function indices(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
