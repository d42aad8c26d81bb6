import { decodeUtf8, encodeUtf8 } from "../../ports/text.ts";

/*
 * Message properties as they travel and are stored (MessageDecoder.string2messageProperties):
 *
 *   name 0x01 value 0x02 name 0x01 value 0x02 ...
 *
 * The last 0x02 may be missing (4.x clients leave it out). They are looked up as text, which costs
 * less than taking all of them apart. Those of most sends are not even made a text of (`uniqueKeyIfPlain`).
 */
const nameEnd = "\u0001";
const valueEnd = "\u0002";

/** Names of properties that the broker reads or writes (org.apache.rocketmq.common.message.MessageConst). */
export const property = {
  tags: "TAGS",
  waitStoreMessageOk: "WAIT",
  delayLevel: "DELAY",
  retryTopic: "RETRY_TOPIC",
  realTopic: "REAL_TOPIC",
  realQueueId: "REAL_QID",
  transactionPrepared: "TRAN_MSG",
  producerGroup: "PGROUP",
  transactionId: "__transactionId__",
  transactionCheckTimes: "TRANSACTION_CHECK_TIMES",
  checkImmunitySeconds: "CHECK_IMMUNITY_TIME_IN_SECONDS",
  preparedQueueOffset: "TRAN_PREPARED_QUEUE_OFFSET",
  originMessageId: "ORIGIN_MESSAGE_ID",
  messageRegion: "MSG_REGION",
  traceSwitch: "TRACE_ON",
  cluster: "CLUSTER",
  uniqueKey: "UNIQ_KEY",
  popCheckPoint: "POP_CK",
  firstPopTime: "1ST_POP_TIME",
  originGroup: "ORIGIN_GROUP",
  timerDelaySeconds: "TIMER_DELAY_SEC",
  timerDelayMs: "TIMER_DELAY_MS",
  timerDeliverMs: "TIMER_DELIVER_MS",
  replyToClient: "REPLY_TO_CLIENT",
  pushReplyTime: "PUSH_REPLY_TIME",
  timerOutMs: "TIMER_OUT_MS",
  timerEnqueueMs: "TIMER_ENQUEUE_MS",
  timerDequeueMs: "TIMER_DEQUEUE_MS",
  timerRollTimes: "TIMER_ROLL_TIMES",
  timerDeleteUniqueKey: "TIMER_DEL_UNIQKEY",
  bornTimestamp: "BORN_TIMESTAMP",
  innerNum: "INNER_NUM",
  innerBase: "INNER_BASE",
} as const;

/** The value of a property, or undefined if there is none. */
export function getProperty(properties: string, name: string): string | undefined {
  const start = find(properties, name);
  if (start < 0) return undefined;
  const valueStart = start + name.length + 1;
  const end = properties.indexOf(valueEnd, valueStart);
  return end < 0 ? properties.slice(valueStart) : properties.slice(valueStart, end);
}

export function hasProperty(properties: string, name: string): boolean {
  return find(properties, name) >= 0;
}

/** All of that name, should a client have sent more than one. */
export function removeProperty(properties: string, name: string): string {
  let start = find(properties, name);
  if (start < 0) return properties;
  const others: string[] = [];
  let from = 0;
  while (start >= 0) {
    others.push(properties.slice(from, start));
    const end = properties.indexOf(valueEnd, start);
    if (end < 0) return others.join("");
    from = end + 1;
    start = find(properties, name, from);
  }
  others.push(properties.slice(from));
  return others.join("");
}

export function setProperty(properties: string, name: string, value: string): string {
  const others = removeProperty(properties, name);
  const separator = others.length === 0 || others.endsWith(valueEnd) ? "" : valueEnd;
  return `${others}${separator}${name}${nameEnd}${value}${valueEnd}`;
}

/** Where the entry of a property begins, or -1. `from`: where an entry begins. */
function find(properties: string, name: string, from = 0): number {
  const key = name + nameEnd;
  if (properties.startsWith(key, from)) return from;
  const at = properties.indexOf(valueEnd + key, from);
  return at < 0 ? -1 : at + 1;
}

/** Those that change what a send does with a message. The unique key is not among them: it is only told. */
const meaningfulNames = [
  property.transactionPrepared,
  property.popCheckPoint,
  property.cluster,
  property.delayLevel,
  property.timerDelaySeconds,
  property.timerDelayMs,
  property.timerDeliverMs,
  property.innerNum,
].map((name) => encodeUtf8(name));
const uniqueKeyName = encodeUtf8(property.uniqueKey);

/**
 * The unique key of properties that can be stored as they came: all ASCII, with a unique key, and with nothing in them that means anything
 * to the broker. Undefined for others, which are looked at as text.
 */
export function uniqueKeyIfPlain(properties: Uint8Array): string | undefined {
  let keyAt = -1;
  let keyEnd = -1;
  for (let at = 0; at < properties.length; ) {
    let end = at;
    let nameLength = -1;
    for (; end < properties.length; end++) {
      const byte = properties[end]!;
      if (byte === valueEndByte) break;
      if (byte > lastAscii) return undefined;
      if (byte === nameEndByte && nameLength < 0) nameLength = end - at;
    }
    if (nameLength >= 0) {
      if (keyAt < 0 && isNamed(properties, at, nameLength, uniqueKeyName)) {
        keyAt = at + nameLength + 1;
        keyEnd = end;
      }
      for (const name of meaningfulNames) if (isNamed(properties, at, nameLength, name)) return undefined;
    }
    at = end + 1;
  }
  return keyAt < 0 ? undefined : decodeUtf8(properties.subarray(keyAt, keyEnd));
}

function isNamed(properties: Uint8Array, at: number, length: number, name: Uint8Array): boolean {
  if (length !== name.length) return false;
  for (let i = 0; i < length; i++) if (properties[at + i] !== name[i]) return false;
  return true;
}

const nameEndByte = 1;
const valueEndByte = 2;
const lastAscii = 0x7f;
