import { crc32 as zlibCrc32 } from "node:zlib";
import { crc32 as nodeRsCrc32 } from "@node-rs/crc32";
import crc32Js from "crc-32";
import { createCRC32 } from "hash-wasm";
import { Core, type RecordToEncode, type Region } from "../src/core/core.ts";
import { loadCoreModule } from "../src/hosts/node/core-module.ts";
import type { BenchRow } from "./rows.ts";

// Everything is measured in one process, contenders taking turns, and the best of many short repeats counts: on a busy machine
// the best is what the code can do, while a mean is what its neighbours did.

const REPEATS = 61;
const REPEAT_MS = 2;
const KIB = 1024;
const MIB = 1024 * KIB;

export async function benchCore(): Promise<BenchRow[]> {
  const core = new Core(await loadCoreModule());
  const region = core.allocate(8 * MIB);
  return [
    ...(await crcRows(core, "CRC-32 of 1 KB", KIB, 1.5)),
    ...(await crcRows(core, "CRC-32 of 64 KB", 64 * KIB, 2)),
    ...encodeRows(core, region),
    ...scanRows(core, region),
    ...filterRows(core, region),
    ...hashRows(core),
  ];
}

/** Bytes come from JavaScript's heap, so that the copy into the core counts. */
async function crcRows(core: Core, name: string, length: number, zlibGoal: number): Promise<BenchRow[]> {
  const bytes = noise(length);
  const hashWasm = await createCRC32();
  const rivals = {
    "zlib.crc32": () => zlibCrc32(bytes),
    "npm crc-32": () => crc32Js.buf(bytes),
    "hash-wasm": () => hashWasm.init().update(bytes).digest(),
    "@node-rs/crc32": () => nodeRsCrc32(bytes),
  };
  const ns = bestNs({ wasmq: () => core.crc32(bytes), ...rivals });
  const rows: BenchRow[] = [
    { name, value: length / ns["wasmq"]!, unit: "GB/s", goal: length < 4096 ? ">= 4" : ">= 8" },
  ];
  for (const rival of Object.keys(rivals)) {
    const ratio = ns[rival]! / ns["wasmq"]!;
    rows.push({
      name: `${name} beside ${rival}`,
      value: ratio,
      unit: "x",
      ratio: { beside: `${rival} (${(length / ns[rival]!).toFixed(2)} GB/s)`, value: ratio },
      ...(rival === "zlib.crc32" ? { goal: `>= ${zlibGoal}` } : {}),
    });
  }
  return rows;
}

function encodeRows(core: Core, region: Region): BenchRow[] {
  const rows: BenchRow[] = [];
  for (const [bodyLength, goal] of [
    [128, undefined],
    [KIB, "<= 400"],
    [4 * KIB, undefined],
  ] as const) {
    const message = sample(core, bodyLength);
    const bytes = new TextEncoder().encode(message.properties as string);
    let at = 0;
    const encode = (given: RecordToEncode) => () => {
      // Every group of records begins at its region's start, and seldom holds more than this.
      if (at > 512 * KIB) at = 0;
      at += core.encodeRecord(region, at, at, given).size;
    };
    const ns = bestNs({ string: encode(message), bytes: encode({ ...message, properties: bytes }) });
    const name = `encode a record, ${bodyLength} byte body, both CRCs`;
    rows.push({ name, value: ns["string"]!, unit: "ns", ...(goal === undefined ? {} : { goal }) });
    rows.push({ name: `${name}, properties as bytes`, value: ns["bytes"]!, unit: "ns" });
  }
  return rows;
}

function scanRows(core: Core, region: Region): BenchRow[] {
  const rows: BenchRow[] = [];
  for (const [bodyLength, goal] of [
    [128, undefined],
    [KIB, ">= 3"],
    [4 * KIB, undefined],
  ] as const) {
    let end = 0;
    let records = 0;
    for (; end < 4 * MIB; records++) end += core.encodeRecord(region, end, end, sample(core, bodyLength)).size;
    const ns = bestNs({
      scan: () => {
        for (let from = 0; from < end; ) from = core.scanRecords(region, from, end, from).stoppedAt;
      },
    })["scan"]!;
    const name = `recovery scan with CRC, ${bodyLength} byte bodies`;
    rows.push({ name, value: end / ns, unit: "GB/s", ...(goal === undefined ? {} : { goal }) });
    rows.push({ name: `${name}, records`, value: (records / ns) * 1000, unit: "M/s" });
  }
  region.bytes.set(noise(4 * MIB));
  const ns = bestNs({ find: () => core.findRecord(region, 0, 4 * MIB, 0) })["find"]!;
  rows.push({ name: "search for a record in garbage", value: (4 * MIB) / ns, unit: "GB/s" });
  return rows;
}

function filterRows(core: Core, region: Region): BenchRow[] {
  const units = 65536;
  for (let index = 0; index < units; index++) {
    core.encodeUnit(region, index * core.unitSize, index * 1000, 1000, 0, Math.imul(index, 2654435761) >>> 25);
  }
  const one = Int32Array.of(7);
  const four = Int32Array.of(7, 19, 77, 101);
  const many = Int32Array.from({ length: 100 }, (_, index) => 7 + index * 1000);
  const ns = bestNs({
    one: () => core.filterUnits(region, 0, units, one),
    four: () => core.filterUnits(region, 0, units, four),
    many: () => core.filterUnits(region, 0, units, many),
  });
  return [
    { name: "tag filter, one tag", value: (units / ns["one"]!) * 1000, unit: "M units/s", goal: ">= 500" },
    { name: "tag filter, four tags", value: (units / ns["four"]!) * 1000, unit: "M units/s" },
    { name: "tag filter, a hundred tags", value: (units / ns["many"]!) * 1000, unit: "M units/s" },
  ];
}

function hashRows(core: Core): BenchRow[] {
  const text = "TopicA#7F0000010001251A69D70000000A0001".padEnd(40, "x");
  const bytes = new TextEncoder().encode(text);
  const ns = bestNs({ text: () => core.hashCode(text), bytes: () => core.hashCodeUtf8(bytes) });
  return [
    { name: "String.hashCode of 40 characters, string", value: 1000 / ns["text"]!, unit: "M/s" },
    { name: "String.hashCode of 40 characters, bytes", value: 1000 / ns["bytes"]!, unit: "M/s" },
  ];
}

function sample(core: Core, bodyLength: number): RecordToEncode {
  return {
    queueId: 3,
    flag: 0,
    queueOffset: 12345,
    sysFlag: 0,
    bornTimestamp: 1700000000000,
    bornHost: core.encodeHost("192.168.1.20", 51234),
    storeTimestamp: 1700000000007,
    storeHost: core.encodeHost("192.168.1.10", 10911),
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    topic: new TextEncoder().encode("BenchmarkTopic"),
    body: noise(bodyLength),
    properties:
      "KEYS\u0001order-10293847\u0002UNIQ_KEY\u00017F0000010001251A69D70000000A0001\u0002WAIT\u0001true\u0002TAGS\u0001TagA\u0002CLUSTER\u0001DefaultCluster\u0002",
  };
}

/** Nanoseconds a call, the best of REPEATS repeats of about REPEAT_MS each, the contenders taking turns. */
function bestNs(contenders: Record<string, () => unknown>): Record<string, number> {
  const calls: Record<string, number> = {};
  const best: Record<string, number> = {};
  for (const [name, run] of Object.entries(contenders)) {
    let count = 1;
    while (timeMs(run, count) < REPEAT_MS) count *= 2;
    calls[name] = count;
    best[name] = Number.POSITIVE_INFINITY;
  }
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    for (const [name, run] of Object.entries(contenders)) {
      const ns = (timeMs(run, calls[name]!) * 1e6) / calls[name]!;
      best[name] = Math.min(best[name]!, ns);
    }
  }
  return best;
}

function timeMs(run: () => unknown, count: number): number {
  const start = performance.now();
  for (let index = 0; index < count; index++) run();
  return performance.now() - start;
}

function noise(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => Math.imul(index, 2654435761) >>> 13);
}

if (import.meta.main) {
  for (const row of await benchCore()) {
    const ratio = row.ratio === undefined ? "" : ` = ${row.ratio.value.toFixed(2)} x ${row.ratio.beside}`;
    const goal = row.goal === undefined ? "" : ` (goal ${row.goal})`;
    console.log(`${row.name.padEnd(58)} ${row.value.toFixed(2).padStart(8)} ${row.unit}${ratio}${goal}`);
  }
}
