/**
 * Bytes and fields that no honest client sends: what any carrier must bear (hostile-bytes.ts, hostile-requests.ts), and a TCP
 * port in a process of its own, whose memory is watched meanwhile (test/hosts/node/hostile-bytes.test.ts).
 */
import { concat } from "../lib/remoting-client.ts";

const mib = 1024 * 1024;
const none = new Uint8Array(0);

/** A byte a character. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** Mulberry32: the same bytes in every run, so a failure is replayed by running the test again. */
export function randomFrom(seed: number): { below(bound: number): number; bytes(length: number): Uint8Array } {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  return {
    below: (bound) => next() % bound,
    bytes: (length) => Uint8Array.from({ length }, () => next() & 0xff),
  };
}

/** The first bytes of other protocols, then nonsense. */
export const otherProtocols = [
  "GET / HTTP/1.1\r\nHost: \u0000\r\n\r\n",
  `POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n`,
  `GET /${"a".repeat(100_000)}`,
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff",
  "PROXY TCP4 not an address\r\n",
  `PROXY ${"x".repeat(10_000)}`,
  "\r\n\r\n\u0000\r\nQUIT\n\u0021\u0011\u00ff\u00ff",
  "\u0016\u0003\u0001\u00ff\u00ff\u0001\u0000",
].map(latin1);

/** What the length field of a frame can't say. */
export const wrongLengths = [
  ["1 GB", 0x40000000],
  ["negative", -1],
  ["the most negative", -0x80000000],
  ["the largest", 0x7fffffff],
  ["0", 0],
  ["1", 1],
  ["2", 2],
  ["3", 3],
] as const;

export const unknownSerializeTypes = [2, 3, 0x7f, 0x80, 0xff];

/** A byte a character. */
export const headersThatAreNoJson = [
  ["cut short", '{"code":310,"extFields":{"a":"P"'],
  ["empty", ""],
  ["spaces", "    "],
  ["an array", "[310]"],
  ["a number", "310"],
  ["a string", '"310"'],
  ["null", "null"],
  ["not UTF-8", "\u00ff\u00fe{\u0080"],
  ["no code", '{"opaque":1}'],
  ["two values", '{"code":34,"opaque":1}{"code":34,"opaque":2}'],
  ["never closed, 1 MiB deep", '{"code":34,"x":'.padEnd(mib, "[")],
] as const;

/** Headers nested deeply and closed. */
export const nestedHeaders = [1000, 100_000, 4_000_000].map((depth) => {
  const nested = "[".repeat(depth) + "]".repeat(depth);
  return [depth, `{"code":9999,"opaque":1,"flag":0,"extFields":{"a":${nested}}}`] as const;
});

/** extFields of a request for a route that name no topic. */
export const wrongExtFields = [
  ...["[]", "[1,2]", '"x"', "7", "true", "null", '{"topic":{}}', '{"topic":[1]}', '{"topic":null}'],
].map((value) => `{"code":105,"extFields":${value},"flag":0,"language":"JAVA","opaque":1,"version":513}`);

/** Headers whose members have wrong types or values. */
export const wrongMembers = [
  '"code":"34"',
  '"code":1.5',
  '"code":1e999',
  '"code":{}',
  '"code":9999,"opaque":"1"',
  '"code":9999,"opaque":9007199254740993',
  '"code":9999,"opaque":1.5',
  '"code":9999,"opaque":null',
  '"code":9999,"flag":"0"',
  '"code":9999,"flag":-1',
  '"code":9999,"version":"x"',
  '"code":9999,"language":{}',
  '"code":9999,"remark":[]',
].map((member) => `{${member}}`);

/** A send from a client that writes numbers and booleans as such. */
export const unquotedSend = `{"code":310,"extFields":{"a":"P","b":"Hostile","c":"TBW102","d":4,"e":0,"f":0,"g":1,"h":0,"j":0,"k":false,"m":false},"flag":0,"language":"CPP","opaque":1,"version":333}`;

export const inheritedNames = ["__proto__", "constructor", "toString", "hasOwnProperty"];
export const inheritedNamesHeader = `{"code":105,"extFields":{"__proto__":{"topic":"Hostile"},"constructor":"x"},"flag":0,"opaque":1,"version":513}`;

function binaryHeader(remarkLength: number, rest: Uint8Array): Uint8Array {
  const header = new Uint8Array(17);
  const view = new DataView(header.buffer);
  view.setInt16(0, 9999);
  view.setInt16(3, 513);
  view.setInt32(5, 1);
  view.setInt32(13, remarkLength);
  return concat([header, rest]);
}

function ext(bytes: number, ...rest: number[]): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setInt32(0, bytes);
  return concat([length, Uint8Array.from(rest)]);
}

/** Headers of serialize type 1 whose lengths lie. */
export const binaryHeadersThatLie: readonly (readonly [name: string, header: Uint8Array])[] = [
  ["nothing", none],
  ["20 bytes", binaryHeader(0, new Uint8Array(3))],
  ["a remark beyond the header", binaryHeader(1000, ext(0))],
  ["a remark of 2 GB", binaryHeader(0x7fffffff, ext(0))],
  ["extFields beyond the header", binaryHeader(0, ext(1000, 0, 1, 0x61))],
  ["extFields of 2 GB", binaryHeader(0, ext(0x7fffffff, 0, 1, 0x61))],
  ["a key beyond the block", binaryHeader(0, ext(5, 0x7f, 0xff, 0x61, 0x61, 0x61))],
  ["a negative key", binaryHeader(0, ext(4, 0x80, 0, 0x61, 0x61))],
  ["a value beyond the block", binaryHeader(0, ext(8, 0, 1, 0x61, 0, 0, 1, 0, 0x62))],
  ["a value of 2 GB", binaryHeader(0, ext(8, 0, 1, 0x61, 0x7f, 0xff, 0xff, 0xff, 0x62))],
  ["a negative value", binaryHeader(0, ext(8, 0, 1, 0x61, 0xff, 0xff, 0xff, 0xff, 0x62))],
];

/** The codes clients need, with the fields their headers require; I and L are numbers of 32 and 64 bits. */
export const requestCodes: readonly [code: number, required: string][] = [
  [105, "topic"],
  [10, "producerGroup topic defaultTopic defaultTopicQueueNums:I queueId:I sysFlag:I bornTimestamp:L flag:I"],
  [310, "a b c d:I e:I f:I g:L h:I"],
  [320, "a b c d:I e:I f:I g:L h:I"],
  [34, ""],
  [35, "clientID"],
  [37, "producerGroup tranStateTableOffset:L commitLogOffset:L commitOrRollback:I msgId"],
  [324, "producerGroup topic defaultTopic defaultTopicQueueNums:I queueId:I sysFlag:I bornTimestamp:L flag:I"],
  [325, "a b c d:I e:I f:I g:L h:I"],
  [370, "topic recallHandle"],
  [
    11,
    "consumerGroup topic queueId:I queueOffset:L maxMsgNums:I sysFlag:I commitOffset:L suspendTimeoutMillis:L subVersion:L",
  ],
  [
    361,
    "consumerGroup topic queueId:I queueOffset:L maxMsgNums:I sysFlag:I commitOffset:L suspendTimeoutMillis:L subVersion:L",
  ],
  [12, "topic key maxNum:I beginTimestamp:L endTimestamp:L"],
  [14, "consumerGroup topic queueId:I"],
  [15, "consumerGroup topic queueId:I commitOffset:L"],
  [29, "topic queueId:I timestamp:L"],
  [30, "topic queueId:I"],
  [31, "topic queueId:I"],
  [32, "topic queueId:I"],
  [33, "offset:L"],
  [36, "offset:L group delayLevel:I"],
  [38, "consumerGroup"],
  [41, ""],
  [42, ""],
  [46, ""],
  [400, ""],
  [401, ""],
  [200_050, "consumerGroup topic queueId:I maxMsgNums:I invisibleTime:L pollTime:L bornTime:L initMode:I"],
  [200_051, "consumerGroup topic queueId:I extraInfo offset:L"],
  [200_052, "consumerGroup topic queueId:I maxMsgNums:I"],
  [200_053, "consumerGroup topic queueId:I extraInfo offset:L invisibleTime:L"],
  [200_054, "consumerGroup topic queueId:I pollTime:L bornTime:L"],
  [200_055, "consumerGroup topic queueId:I"],
  [200_151, ""],
];

/** Nobody to unregister, no expression to check: nothing to do is done, and Apache says so. */
export const maySucceedEmpty: ReadonlySet<number> = new Set([35, 46]);

/** Fields an answer need not look at: the topic is there already, nothing is held, nothing is committed; a client's clock is not gone by. */
export const mayGoUnread: ReadonlySet<string> = new Set(["d", "defaultTopicQueueNums", "bornTime"]);

/** Texts that Java's parse methods refuse and JavaScript's are glad to make something of. */
export const noNumbers = ["abc", "NaN", "1e5", "0x10", "1.5"];
/** Texts that are numbers to some, or larger than what they are for; the last one is beyond 64 bits. */
export const strangeNumbers = [
  ...["", " 1", "+1", "-9223372036854775808", "9223372036854775807", "2147483647", "9".repeat(20)],
];

/** With every bit of the sysFlag set a pull asks to be held, and a pop with a time; no answer is then the right one. */
export function asksToBeHeld(field: string, value: string): boolean {
  return (field === "sysFlag" && value === "2147483647") || (field === "pollTime" && Number(value) > 0);
}

export interface RequiredField {
  name: string;
  numeric: boolean;
}

export function parseRequired(text: string): RequiredField[] {
  return text.split(" ").map((field) => ({ name: field.split(":")[0]!, numeric: field.includes(":") }));
}

export function requiredOf(code: number): RequiredField[] {
  return parseRequired(requestCodes.find(([each]) => each === code)![1]);
}

const validText: Readonly<Record<string, string>> = {
  ...{ topic: "Hostile", b: "Hostile", defaultTopic: "TBW102", c: "TBW102" },
  ...{ defaultTopicQueueNums: "4", d: "4", maxMsgNums: "1", maxNum: "1", extraInfo: "0 0 0 0 0 broker-a 0 0" },
};

export function validHeader(required: readonly RequiredField[]): Record<string, string> {
  return Object.fromEntries(
    required.map(({ name, numeric }) => [name, validText[name] ?? (numeric ? "0" : `Hostile${name}`)]),
  );
}

export function sendHeader(topic: string): Record<string, string> {
  // biome-ignore format: the letters of SendMessageRequestHeaderV2, one line
  return { a: "HostileProducer", b: topic, c: "TBW102", d: "4", e: "0", f: "0", g: "1700000000000", h: "0", i: "WAIT\u0001true\u0002", j: "0", k: "false", m: "false" };
}

export const heartbeatBody = latin1(
  '{"clientID":"hostile","consumerDataSet":[],"producerDataSet":[{"groupName":"HostileProducer"}]}',
);

export const unsupportedCodes = [0, -1, 9999, 32767, 2147483647];

function batchItem(size: number, bodyLength: number, propertiesLength: number, rest: number): Uint8Array {
  const bytes = new Uint8Array(22 + rest);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, size);
  view.setInt32(16, bodyLength);
  if (rest >= 2) view.setInt16(20, propertiesLength);
  return bytes;
}

/** Bodies of batches whose items do not add up. */
export const batchesThatLie: readonly (readonly [name: string, body: Uint8Array])[] = [
  ["nothing", none],
  ["3 bytes", new Uint8Array(3)],
  ["items of size 0", new Uint8Array(64)],
  ["a size beyond the body", batchItem(1000, 0, 0, 0)],
  ["a size of 2 GB", batchItem(0x7fffffff, 0, 0, 0)],
  ["a negative size", batchItem(-22, 0, 0, 0)],
  ["a body beyond its item", batchItem(32, 1000, 0, 10)],
  ["a body of 2 GB", batchItem(32, 0x7fffffff, 0, 10)],
  ["a negative body", batchItem(32, -1, 0, 10)],
  ["properties beyond their item", batchItem(32, 0, 1000, 10)],
  ["negative properties", batchItem(32, 0, -1, 10)],
];

/** Heartbeats that must be refused, and those that are answered with anything. */
export const heartbeatsThatAreNone = [
  ...["not JSON", "", "{", '{"clientID":', "[".repeat(100_000), '{"a":'.repeat(100_000)],
];
export const strangeHeartbeats = [
  "null",
  "[]",
  "7",
  "{}",
  "[".repeat(100_000) + "]".repeat(100_000),
  `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`,
  '{"clientID":7,"consumerDataSet":"x","producerDataSet":{}}',
  '{"clientID":"c","consumerDataSet":[null,7,"x",[]]}',
  '{"clientID":"c","consumerDataSet":[{"groupName":null}]}',
  '{"clientID":"c","consumerDataSet":[{"groupName":"HostileGroup","subscriptionDataSet":[{"topic":{},"subVersion":"abc"}]}]}',
  '{"clientID":"c","consumerDataSet":[{"groupName":"HostileGroup","subscriptionDataSet":[{"topic":"T","codeSet":[1e999],"tagsSet":"A"}]}]}',
  '{"clientID":"c","__proto__":{"consumerDataSet":[]},"producerDataSet":[{"groupName":"__proto__"}]}',
];

/** Codes whose body is JSON, texts that are none, and texts that are answered with anything. */
export const jsonBodyCodes = [41, 42, 46, 400, 401, 200_151];
export const bodiesThatAreNoJson = ["not JSON", '{"mqSet":[', "[".repeat(100_000)];
export const strangeBodies = [
  '{"acks":[null,7,{},{"b":{},"c":"G","t":"Hostile","q":-1,"rq":1e9,"so":1e300,"pt":"x","it":null}]}',
  ...["null", "[]", '{"mqSet":[null,{},7]}', '{"mqSet":{"a":1},"topic":[],"consumerGroup":{}}'],
];

/** Of a send, that claims longer addresses. */
export const strangeSysFlags = ["16", "32", "48", "64", "128", "-1", "2147483647"];
