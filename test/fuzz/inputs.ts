import { unzlibSync, zlibSync } from "fflate";
import { frames } from "../golden/frames.ts";
import { javaCompressed, javaJson } from "../golden/registration.ts";
import { concat } from "../lib/remoting-client.ts";

/** Numbers from a seed: an input is replayed by its seed and its number alone. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to max - 1. */
  below(max: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * max);
  }

  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)]!;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}

const bytesOfBase64 = (base64: string) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
const real = frames.map(({ base64 }) => bytesOfBase64(base64));

/** One of the frames that official clients sent, mutated or not; or one made up, of parts that a broker looks at. */
export function inputOf(chance: Chance): Uint8Array {
  const which = chance.below(20);
  const frame = which < 13 ? chance.one(real).slice() : which < 16 ? madeUp(chance) : understood(chance);
  let mutated = frame;
  for (let left = chance.below(5); left > 0; left--) mutated = mutate(mutated, chance);
  // With a length that is right, damage is met behind the frame's own check.
  if (mutated.length >= 8 && chance.below(3) > 0) new DataView(mutated.buffer).setInt32(0, mutated.length - 4);
  return mutated;
}

const edges = [
  0,
  1,
  -1,
  4,
  127,
  128,
  255,
  256,
  32_767,
  32_768,
  65_535,
  16_777_215,
  16_777_216,
  2 ** 31 - 1,
  -(2 ** 31),
];
const texts = [
  ..."0|-1|1|2147483647|2147483648|-2147483649|9223372036854775807|-9223372036854775808|99999999999999999999".split(
    "|",
  ),
  ..."1e5|0x10| 1|NaN|true|null|T|%RETRY%G|%DLQ%G|TBW102|SCHEDULE_TOPIC_XXXX|../../etc|é\u{1f600}|*|A || B|a\u0001b\u0002".split(
    "|",
  ),
  "",
  "x".repeat(300),
  "DELAY\u00013\u0002UNIQ_KEY\u0001K\u0002",
];

function mutate(bytes: Uint8Array, chance: Chance): Uint8Array {
  const at = chance.below(bytes.length + 1);
  switch (chance.below(9)) {
    case 0:
      if (at < bytes.length) bytes[at]! ^= 1 << chance.below(8);
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = chance.below(256);
      return bytes;
    case 2:
      return concat([bytes.subarray(0, at), chance.bytes(1 + chance.below(8)), bytes.subarray(at)]);
    case 3:
      return concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + chance.below(32)))]);
    case 4:
      return bytes.slice(0, at);
    case 5:
      return concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - chance.below(64)))]);
    case 6: {
      const other = chance.one(real);
      return concat([bytes.subarray(0, at), other.subarray(chance.below(other.length))]);
    }
    case 7:
      // A number at one of its limits, wherever one may stand; those at the frame's begin most often.
      if (bytes.length >= 12) {
        const place = chance.below(2) === 0 ? 4 * chance.below(3) : Math.min(at, bytes.length - 4);
        new DataView(bytes.buffer).setInt32(place, chance.one(edges));
      }
      return bytes;
    default: {
      // The digits at a place, or what stands there, as a text that is none of its kind.
      let end = at;
      while (end < bytes.length && bytes[end]! >= 0x30 && bytes[end]! <= 0x39) end++;
      return concat([bytes.subarray(0, at), utf8.encode(chance.one(texts)), bytes.subarray(end)]);
    }
  }
}

const codes = [
  10, 11, 14, 15, 29, 30, 31, 32, 33, 34, 35, 36, 38, 41, 42, 46, 105, 106, 206, 224, 304, 310, 311, 312, 313, 320, 361,
  0, -1, 12, 999, 400, 401, 200_050, 200_050, 200_051, 200_052, 200_053, 200_054, 200_055, 200_151,
];
const nameServerCodes = [
  100, 101, 102, 103, 103, 103, 103, 104, 205, 206, 216, 217, 219, 224, 304, 318, 319, 322, 327, 901, 904,
];
const names = [
  ..."a b c d e f g h i j k l m n topic queueId queueOffset consumerGroup group producerGroup offset commitOffset".split(
    " ",
  ),
  ..."maxMsgNums maxMsgBytes sysFlag suspendTimeoutMillis subscription subVersion expressionType timestamp".split(" "),
  ..."invisibleTime pollTime bornTime initMode exp expType order attemptId extraInfo suspend".split(" "),
  ..."boundaryType delayLevel originTopic unitMode maxReconsumeTimes clientID defaultTopic properties body".split(" "),
];

function madeUp(chance: Chance): Uint8Array {
  const fields: [string, string][] = [];
  for (let left = chance.below(20); left > 0; left--) fields.push([chance.one(names), chance.one(texts)]);
  return frameOf(chance, chance.one(codes), fields, bodyOf(chance));
}

/** Of a client, a broker or an administrator, with most of what it takes to be understood. */
function understood(chance: Chance): Uint8Array {
  const isCompressed = chance.below(2) === 0;
  const right = {
    clusterName: chance.one(["C", "DefaultCluster"]),
    brokerName: chance.one(["broker-a", "broker-b", "broker-c"]),
    brokerAddr: `10.0.0.${chance.below(8)}:10911`,
    haServerAddr: "10.0.0.1:10912",
    brokerId: `${chance.below(3)}`,
    compressed: `${isCompressed}`,
    enableActingMaster: chance.one(["true", "false"]),
    heartbeatTimeoutMillis: chance.one(["1", "10000", "-1"]),
    namespace: chance.one(["ORDER_TOPIC_CONFIG", "N"]),
    key: chance.one(["Orders", "K"]),
    value: chance.one(["broker-b:4", "v"]),
    topic: chance.one(["Orders", "Static", "TBW102", "T", "T", "T", "%RETRY%G"]),
    cluster: "C",
    consumerGroup: chance.one(["G", "G", "H"]),
    group: "G",
    producerGroup: "P",
    clientID: "C",
    defaultTopic: "TBW102",
    defaultTopicQueueNums: "4",
    queueId: `${chance.below(5)}`,
    queueOffset: `${chance.below(40)}`,
    commitOffset: `${chance.below(40)}`,
    // The first records of a store are some 200 bytes long.
    offset: chance.one(["0", "0", `${chance.below(2_000)}`]),
    originTopic: "T",
    originMsgId: "M",
    delayLevel: chance.one(["-1", "0", "3"]),
    maxReconsumeTimes: chance.one(["0", "16"]),
    reconsumeTimes: "1",
    bornTimestamp: "1700000000000",
    timestamp: chance.one(["0", "1700000000000", "99999999999999"]),
    boundaryType: chance.one(["LOWER", "UPPER"]),
    flag: "0",
    unitMode: "false",
    batch: "false",
    properties: chance.one([
      "",
      "TAGS\u0001A\u0002KEYS\u0001k\u0002",
      "DELAY\u00011\u0002",
      "INNER_MULTI_DISPATCH\u0001x\u0002",
    ]),
    // Pulls that are held, commit, bring their subscription, or are lite; a body that is said to be compressed.
    sysFlag: `${chance.below(32)}`,
    suspendTimeoutMillis: chance.one(["1", "20", "15000"]),
    maxMsgNums: chance.one(["1", "32"]),
    subscription: chance.one(["*", "A || B"]),
    subVersion: "1",
    expressionType: "TAG",
    invisibleTime: chance.one(["0", "1", "60000", "300000000"]),
    pollTime: chance.one(["0", "20", "15000"]),
    bornTime: "1700000000000",
    initMode: chance.one(["0", "1"]),
    exp: chance.one(["", "*", "A || B"]),
    order: chance.one(["true", "false"]),
    attemptId: chance.one(["a", "b"]),
    extraInfo: `${chance.below(40)} ${chance.one(["1700000000000", "1"])} 60000 ${chance.one([0, 7, 8, 999])} 0 broker-a 0 0`,
    suspend: chance.one(["true", "false"]),
    __ZONE_NAME: "z",
    __ZONE_MODE: chance.one(["true", "false"]),
  };
  const fields = Object.entries(right)
    .filter(() => chance.below(60) > 0)
    .map(([name, value]): [string, string] => [name, chance.below(60) > 0 ? value : chance.one(texts)]);
  const code = chance.one(chance.below(3) === 0 ? nameServerCodes : codes);
  if (code !== 103)
    return frameOf(chance, code, fields, chance.below(2) === 0 ? utf8.encode(javaJson) : bodyOf(chance));
  // Damage to what is compressed, and to what comes out of it.
  let inside = (isCompressed ? inflated : utf8.encode(javaJson)).slice();
  for (let left = chance.below(4); left > 0; left--) inside = mutate(inside, chance).slice();
  return frameOf(chance, code, fields, isCompressed ? zlibSync(inside, { level: 1 }) : inside);
}

const inflated = unzlibSync(bytesOfBase64(javaCompressed));

function frameOf(chance: Chance, code: number, fields: readonly [string, string][], body: Uint8Array): Uint8Array {
  const isBinary = chance.below(2) === 0;
  const flag = chance.one([0, 0, 0, 1, 2]);
  const header = isBinary ? binaryHeader(code, flag, fields) : jsonHeader(chance, code, flag, fields);
  const frame = concat([new Uint8Array(8), header, body]);
  const view = new DataView(frame.buffer);
  view.setInt32(0, frame.length - 4);
  view.setInt32(4, header.length);
  frame[4] = isBinary ? 1 : 0;
  return frame;
}

function jsonHeader(chance: Chance, code: number, flag: number, fields: readonly [string, string][]): Uint8Array {
  const extFields = Object.fromEntries(
    // C++ clients write some of them as numbers and booleans.
    fields.map(([name, value]) => [
      name,
      chance.below(8) === 0 ? chance.one([1, -1, 1e300, true, null, [], {}]) : value,
    ]),
  );
  const header = {
    code,
    extFields,
    flag,
    language: chance.one(["JAVA", "CPP", "x", 3]),
    opaque: chance.below(1000),
    version: 395,
  };
  return utf8.encode(JSON.stringify(header));
}

function binaryHeader(code: number, flag: number, fields: readonly [string, string][]): Uint8Array {
  const parts = fields.flatMap(([name, value]) => {
    const [nameBytes, valueBytes] = [utf8.encode(name), utf8.encode(value)];
    const lengths = new DataView(new ArrayBuffer(6));
    lengths.setInt16(0, nameBytes.length);
    lengths.setInt32(2, valueBytes.length);
    const at = new Uint8Array(lengths.buffer);
    return [at.subarray(0, 2), nameBytes, at.subarray(2), valueBytes];
  });
  const block = concat(parts);
  const fixed = new DataView(new ArrayBuffer(21));
  fixed.setInt16(0, code);
  fixed.setInt16(3, 513);
  fixed.setInt32(5, 7);
  fixed.setInt32(9, flag);
  fixed.setInt32(17, block.length);
  return concat([new Uint8Array(fixed.buffer), block]);
}

/** Of every kind that a handler takes apart. */
function bodyOf(chance: Chance): Uint8Array {
  const text = () => chance.one(texts);
  const queue = () => ({ topic: text(), brokerName: "broker-a", queueId: chance.one([0, -1, 1e9, "1", null]) });
  const subscription = () => ({
    topic: text(),
    subString: chance.one(["*", "A || B", "", "||||", "a".repeat(5_000), null, 3]),
    expressionType: chance.one(["TAG", "SQL92", null]),
    subVersion: chance.one([1, -1, "1700000000000000000", 1e300, null]),
    tagsSet: chance.one([[], ["A"], null, {}]),
  });
  switch (chance.below(9)) {
    case 7:
      return json({
        brokerName: "broker-a",
        acks: chance.one([
          [],
          null,
          [
            {
              b: chance.one(["CQI=", "AQ==", text()]),
              c: "G",
              it: 60_000,
              pt: 1,
              q: 0,
              r: chance.one(["0", "1", 2]),
              rq: chance.one([0, 999, 9]),
              so: chance.below(40),
              t: "T",
            },
          ],
        ]),
      });
    case 8:
      return json({
        ...{
          topic: chance.one(["T", text()]),
          consumerGroup: "G",
          clientId: "C",
          messageModel: chance.one(["CLUSTERING", 3]),
        },
        ...{ strategyName: chance.one(["AVG", "AVG_BY_CIRCLE", text()]), mode: chance.one(["POP", "PULL", 1]) },
        popShareQueueNum: chance.one([-1, 0, 1, 1e9, "1"]),
      });
    case 0:
      return json({
        clientID: text(),
        heartbeatFingerprint: chance.one([0, 1, -7]),
        withoutSub: chance.below(2) === 0,
        producerDataSet: chance.one([[], [{ groupName: text() }], [{ groupName: "P" }], null, [null, 3]]),
        consumerDataSet: chance.one([
          [],
          null,
          [
            {
              groupName: chance.one([text(), "G"]),
              consumeType: chance.one(["CONSUME_PASSIVELY", 1, 99]),
              messageModel: chance.one(["CLUSTERING", "BROADCASTING", 0]),
              consumeFromWhere: chance.one(["CONSUME_FROM_FIRST_OFFSET", 4, null]),
              subscriptionDataSet: [subscription(), subscription()],
            },
          ],
        ]),
      });
    case 1:
      return json({ consumerGroup: text(), clientId: text(), mqSet: [queue(), queue(), null, 7] });
    case 2:
      return json({ clientId: text(), group: text(), subscriptionData: chance.one([null, subscription(), []]) });
    case 3: {
      // A batch: size, magic, CRC, flag, body, properties; one or two of the numbers may be wrong.
      const items = Array.from({ length: 1 + chance.below(4) }, () => {
        const item = new DataView(new ArrayBuffer(22 + 10 + 6));
        item.setInt32(0, chance.below(6) === 0 ? chance.one(edges) : 38);
        item.setInt32(16, chance.below(6) === 0 ? chance.one(edges) : 10);
        item.setInt16(30, chance.below(6) === 0 ? chance.one(edges) : 6);
        return new Uint8Array(item.buffer);
      });
      return concat(items);
    }
    case 4:
      return utf8.encode("[".repeat(chance.below(200)) + text());
    case 5:
      return chance.bytes(chance.below(64));
    default:
      return new Uint8Array(0);
  }
}

const utf8 = new TextEncoder();
const json = (value: unknown) => utf8.encode(JSON.stringify(value));
