import type { Answer } from "../../lib/remoting-client.ts";
import { parseJavaJson } from "./java-json.ts";
import type { Answered } from "./judged-side.ts";
import type { BodyKind, Request, Side } from "./request.ts";

/** What was answered, as text: by name ("code", "remark", "fields", "body") a value or more of them. */
export type Comparable = string | { readonly [name: string]: Comparable };

/**
 * What must differ is masked where it stands, so that a time beside no time is a difference still:
 *  - wall-clock times, which are numbers of milliseconds of this year, wherever they stand;
 *  - addresses, folders, and the ids of messages (32 or, of IPv6, 56 hex digits: host, port and place in the log, or made up);
 *  - what is measured or counted by time, and what tells of the machine, by name;
 *  - unique keys and receipts that a broker made up.
 */
const patterns: readonly (readonly [pattern: RegExp, mask: string])[] = [
  [/\b(?:[0-9A-F]{32}|[0-9A-F]{56})\b/g, "<message id>"],
  [/\/tmp\/wasmq-interop-\w+-\w+/g, "<folder>"],
  [/127\.0\.0\.1:\d+/g, "<address>"],
  [/\b1[789]\d{11}\b/g, "<time>"],
  [/\b20[2-9]\d-\d\d-\d\d[# ]\d\d:\d\d:\d\d:\d{3}\b/g, "<time>"],
];

/** The names of members and fields. */
const maskedNames = new Set<string>([
  // Of several queues for check points, in turns that begin by chance.
  "reviveQid",
  // By time.
  "consumeTps",
  "topicPutTps",
  "delayTime",
  // Records that tell of ends of transactions, and of what is popped, are other ones, and so are the places of those behind them.
  "physicalOffset",
  "preparedTransactionOffset",
  "PREPARED_TRANSACTION_OFFSET",
  // Each has its own.
  "listenPort",
  // Ids with places and times in them.
  "recallHandle",
  // Measured (28).
  "bootTimestamp",
  "runtime",
  "commitLogDiskRatio",
  "consumeQueueDiskRatio",
  "commitLogDirCapacity",
  "getFoundTps",
  "getMissTps",
  "getTotalTps",
  "getTransferredTps",
  "msgGetTotalTodayNow",
  "putTps",
  "putMessageEntireTimeMax",
  "getMessageEntireTimeMax",
  "putMessageAverageSize",
  "putMessageDistributeTime",
  "remainHowManyDataToFlush",
  "putLatency99",
  "putLatency999",
  "pageCacheLockTimeMills",
  "dispatchBehindBytes",
  "timerReadBehind",
  "timerOffsetBehind",
]);

export function comparable(answered: Answered, request: Request, side: Side): Comparable {
  const mask = (name: string, value: string): string => {
    if (maskedNames.has(name) || name.startsWith("commitLogDiskRatio_")) return "<masked>";
    let masked = value.replaceAll(side.broker, "<broker>").replaceAll(side.namesrv, "<namesrv>");
    for (const [pattern, instead] of patterns) masked = masked.replace(pattern, instead);
    return masked;
  };
  const masked = (name: string, value: unknown): Comparable => {
    if (typeof value !== "object" || value === null) return mask(name, String(value));
    if (Object.keys(value).length === 0) return Array.isArray(value) ? "[]" : "{}";
    if (Array.isArray(value)) {
      // Most are Java's sets, and in no order: texts go by themselves, others by how they are sorted.
      const texts = value.map((item) => (typeof item === "string" ? mask("", item) : undefined));
      if (!texts.includes(undefined)) return Object.fromEntries(texts.map((text) => [text, "there"]));
      const items = value.map((item) => ({ item: masked("", item), printed: "" }));
      for (const one of items) one.printed = JSON.stringify(one.item);
      items.sort((a, b) => (a.printed < b.printed ? -1 : 1));
      return Object.fromEntries(items.map(({ item }, i) => [i, item]));
    }
    return Object.fromEntries(Object.entries(value).map(([one, member]) => [mask("", one), masked(one, member)]));
  };
  if (typeof answered === "string") return { code: answered };
  const { code, remark, fields, body } = answered;
  const told = {
    code,
    // A refusal says why; what some successes say nobody reads.
    ...(code === 0 ? {} : { remark: remark === undefined ? "none" : "some" }),
    fields,
    ...(body.length === 0 ? {} : { body: readBody(answered, request.answers) }),
  };
  return masked("", told);
}

function readBody(answer: Answer, kind: BodyKind): unknown {
  const text = () => new TextDecoder().decode(answer.body);
  if (kind === "messages") return readMessages(answer.body);
  if (kind === "text") return text();
  if (kind === "bytes") return { length: answer.body.length };
  if (kind === "properties") {
    return Object.fromEntries(
      text()
        .split("\n")
        .filter((line) => line !== "" && !line.startsWith("#"))
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
  }
  return parseJavaJson(text());
}

/** Each part of each record (CommitLog's layout, IPv4 hosts). */
function readMessages(bytes: Uint8Array): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = (from: number, length: number) => new TextDecoder().decode(bytes.subarray(from, from + length));
  // By number: their order counts.
  const messages: Record<number, unknown> = {};
  let count = 0;
  for (let at = 0; at < bytes.length; at += view.getInt32(at)) {
    const bodyLength = view.getInt32(at + 84);
    const topicAt = at + 88 + bodyLength + 1;
    const topicLength = view.getUint8(topicAt - 1);
    const propertiesAt = topicAt + topicLength + 2;
    const properties = text(propertiesAt, view.getInt16(propertiesAt - 2));
    messages[count++] = {
      size: view.getInt32(at),
      magic: view.getInt32(at + 4),
      bodyCrc: view.getInt32(at + 8),
      queueId: view.getInt32(at + 12),
      flag: view.getInt32(at + 16),
      queueOffset: view.getBigInt64(at + 20),
      physicalOffset: view.getBigInt64(at + 28),
      sysFlag: view.getInt32(at + 36),
      bornTimestamp: view.getBigInt64(at + 40),
      bornIp: view.getInt32(at + 48),
      storeTimestamp: view.getBigInt64(at + 56),
      storeIp: view.getInt32(at + 64),
      reconsumeTimes: view.getInt32(at + 72),
      preparedTransactionOffset: view.getBigInt64(at + 76),
      body: text(at + 88, bodyLength),
      topic: text(topicAt, topicLength),
      properties: Object.fromEntries(
        properties
          .split("\u0002")
          .filter((property) => property !== "")
          .map((property) => property.split("\u0001")),
      ),
    };
  }
  return messages;
}

export interface Place {
  /** "code", "fields.offset", "body.topicList.3". */
  readonly path: string;
  readonly apache: string;
  readonly wasmq: string;
}

/**
 * Where two answers differ, with what each has there: "-" for nothing, "..." for more than a value. Of answers with different codes that
 * alone is told: the rest follows from it.
 */
export function differencesOf(apache: Comparable, wasmq: Comparable): Place[] {
  const all = walk("", apache, wasmq);
  const code = all.find(({ path }) => path === "code");
  return code === undefined ? all : [code];
}

function walk(path: string, ofApache: Comparable | undefined, ofWasmq: Comparable | undefined): Place[] {
  // Beside an object, one without members is one, too.
  const apache = typeof ofWasmq === "object" && ofApache === "{}" ? {} : ofApache;
  const wasmq = typeof ofApache === "object" && ofWasmq === "{}" ? {} : ofWasmq;
  if (typeof apache !== "object" || typeof wasmq !== "object") {
    return apache === wasmq ? [] : [{ path, apache: print(apache), wasmq: print(wasmq) }];
  }
  return [...new Set([...Object.keys(apache), ...Object.keys(wasmq)])].flatMap((name) =>
    walk(path === "" ? name : `${path}.${name}`, apache[name], wasmq[name]),
  );
}

function print(value: Comparable | undefined): string {
  return value === undefined ? "-" : typeof value === "string" ? value : "...";
}
