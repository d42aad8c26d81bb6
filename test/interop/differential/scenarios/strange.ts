import { frameOf } from "../../../lib/remoting-client.ts";
import type { Request } from "../request.ts";
import { valid } from "../template.ts";
import { encode } from "./vocabulary.ts";

/** Codes that no broker answers, those that only the other of the two servers does, and those that clients answer. */
export function* unknownCodes(): Generator<Request> {
  const brokers = [
    -1, 0, 1, 9, 13, 16, 19, 20, 22, 23, 24, 27, 39, 40, 44, 47, 48, 49, 50, 51, 52, 53, 54, 55, 62, 99, 209, 210,
  ];
  brokers.push(
    211,
    212,
    213,
    214,
    218,
    220,
    221,
    226,
    299,
    301,
    302,
    310_000,
    326,
    330,
    344,
    346,
    360,
    371,
    999,
    1_000,
    32_767,
  );
  brokers.push(65_535, 65_536, 100_000, 200_049, 200_057, 2_147_483_647);
  for (const code of brokers) yield { ...valid({ code }), variant: "to a broker" };
  for (const code of [0, 10, 11, 12, 14, 17, 34, 38, 99, 107, 200, 202, 300, 310, 999, 200_050]) {
    yield { ...valid({ code, rest: { to: "namesrv" } }), variant: "to a NameServer" };
  }
}

/** `code`: one that asks for no fields. */
const framesOf = (code: number): readonly (readonly [string, (opaque: number) => Uint8Array])[] => [
  ["header that is no JSON", () => frameOf(0, encode("{"))],
  ["header of nothing", () => frameOf(0, encode(""))],
  ["header that is an array", () => frameOf(0, encode("[]"))],
  ["header without a code", (opaque) => frameOf(0, encode(JSON.stringify({ opaque, flag: 0 })))],
  ["code that is text", (opaque) => frameOf(0, encode(JSON.stringify({ code: String(code), opaque, flag: 0 })))],
  ["code with a fraction", (opaque) => frameOf(0, encode(JSON.stringify({ code: code + 0.7, opaque, flag: 0 })))],
  ["without extFields", (opaque) => frameOf(0, encode(JSON.stringify({ code: 30, opaque, flag: 0 })))],
  ["extFields null", (opaque) => frameOf(0, encode(JSON.stringify({ code: 30, opaque, flag: 0, extFields: null })))],
  [
    "fields that are numbers",
    (opaque) => frameOf(0, encode(JSON.stringify({ code: 30, opaque, extFields: { topic: "Plain", queueId: 0 } }))),
  ],
  [
    "unknown members",
    (opaque) => frameOf(0, encode(JSON.stringify({ code, opaque, more: { a: [1] }, remark: "?", version: null }))),
  ],
  ["unknown language", (opaque) => frameOf(0, encode(JSON.stringify({ code, opaque, language: "COBOL" })))],
  ["no language", (opaque) => frameOf(0, encode(JSON.stringify({ code, opaque, language: null })))],
  ["white space", (opaque) => frameOf(0, encode(`\n { "code" : ${code} , "opaque" : ${opaque} } `))],
  ["single quotes", (opaque) => frameOf(0, encode(`{'code':${code},'opaque':${opaque}}`))],
  ["names without quotes", (opaque) => frameOf(0, encode(`{code:${code},opaque:${opaque}}`))],
  ["serialize type 2", (opaque) => frameOf(2, encode(JSON.stringify({ code, opaque })))],
  ["binary header of 3 bytes", () => frameOf(1, new Uint8Array(3))],
  ["binary header of zeros", () => frameOf(1, new Uint8Array(21))],
  ["length of nothing", () => new Uint8Array(8)],
  ["negative length", () => new Uint8Array([255, 255, 255, 255, 0, 0, 0, 0])],
  ["length beyond 16 MiB", () => new Uint8Array([1, 0, 0, 1, 0, 0, 0, 0])],
  ["header longer than its frame", () => new Uint8Array([0, 0, 0, 8, 0, 0, 1, 0, 0, 0, 0, 0])],
  ["text", () => encode("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")],
];

export function* strangeFrames(): Generator<Request> {
  for (const [to, code] of [
    ["broker", 305],
    ["namesrv", 106],
  ] as const) {
    for (const [variant, frame] of framesOf(code)) {
      yield { ...valid({ code: 0, rest: { to } }), variant: `${to}: ${variant}`, frame };
    }
  }
}
