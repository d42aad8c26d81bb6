import { decodeUtf8 } from "../ports/text.ts";
import { inflate } from "./compression.ts";
import { crc32 } from "./crc32.ts";
import { ClientError } from "./error.ts";
import { property, type ReceivedMessage } from "./message.ts";

/*
 * A stored message (MessageDecoder), big-endian:
 *
 *   0  i32  size of all
 *   4  i32  magic: 0xDAA320A7, or 0xDAA320AB where the topic's length has two bytes
 *   8  i32  CRC-32 of the body, without its top bit
 *  12  i32  queueId, i32 flag
 *  20  i64  queueOffset, i64 physicalOffset
 *  36  i32  sysFlag
 *  40  i64  bornTimestamp, then the born host: 4 or 16 bytes and i32 port
 *      i64  storeTimestamp, then the store host likewise
 *      i32  reconsumeTimes
 *      i64  preparedTransactionOffset
 *      i32  length of the body, then the body
 *      u8 or u16 length of the topic, then the topic
 *      u16  length of the properties, then the properties
 */
const magicV1 = 0xdaa320a7;
const magicV2 = 0xdaa320ab;
const bornHostV6Bit = 16;
const storeHostV6Bit = 32;
const bornHostAt = 48;
/** Both bits: the body is a batch, to be taken apart by whoever consumes it (INNER_BATCH_FLAG, NEED_UNWRAP_FLAG). */
const batchBits = 0xc0;

/** A message that came but can't be read, with where it stands so that a consumer can go past it. */
export interface UnreadableMessage {
  readonly queueOffset: number;
  readonly error: ClientError;
}

export interface DecodedMessages {
  readonly messages: ReceivedMessage[];
  readonly unreadable: UnreadableMessage[];
}

/**
 * The messages of a pull's body, one after the other; of a batch in one record each by itself, but where a record is to stay one (`isWhole`).
 * Their bodies are views of it. Throws MESSAGE_UNREADABLE if they are no records.
 */
export function decodeMessages(bytes: Uint8Array, brokerName: string, isWhole = false): DecodedMessages {
  const messages: ReceivedMessage[] = [];
  const unreadable: UnreadableMessage[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const size = at + 4 <= bytes.length ? view.getInt32(at) : 0;
    if (size < bornHostAt || at + size > bytes.length)
      throw new ClientError("MESSAGE_UNREADABLE", "a record is cut off");
    const end = at + size;
    try {
      const message = decodeMessage(bytes, view, at, end, brokerName);
      const isBatch = !isWhole && (view.getInt32(at + 36) & batchBits) === batchBits;
      if (isBatch) messages.push(...unwrapped(message));
      else messages.push(message);
    } catch (error) {
      unreadable.push({ queueOffset: long(view, at + 20), error: unreadableBy(error) });
    }
    at = end;
  }
  return { messages, unreadable };
}

function decodeMessage(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  brokerName: string,
): ReceivedMessage {
  const magic = view.getUint32(start + 4);
  if (magic !== magicV1 && magic !== magicV2) throw new ClientError("MESSAGE_UNREADABLE", "a record has no magic code");
  const sysFlag = view.getInt32(start + 36);
  let at = start + bornHostAt;
  const born = readHost(view, at, (sysFlag & bornHostV6Bit) !== 0);
  at = born.end;
  const storeTimestampMs = long(view, at);
  const store = readHost(view, at + 8, (sysFlag & storeHostV6Bit) !== 0);
  at = store.end;
  const reconsumeTimes = view.getInt32(at);
  at += 12;
  const stored = sized(bytes, at + 4, view.getInt32(at), end);
  at += 4 + stored.length;
  if ((crc32(stored) & 0x7fffffff) !== (view.getInt32(start + 8) & 0x7fffffff)) {
    throw new ClientError("MESSAGE_UNREADABLE", "a body does not have its CRC");
  }
  const isLongTopic = magic === magicV2;
  const topic = sized(bytes, at + (isLongTopic ? 2 : 1), isLongTopic ? view.getUint16(at) : view.getUint8(at), end);
  at += (isLongTopic ? 2 : 1) + topic.length;
  const properties = readProperties(decodeUtf8(sized(bytes, at + 2, view.getUint16(at), end)));
  const commitLogOffset = long(view, start + 28);
  const offsetMessageId =
    hex(bytes, store.start, store.end) + commitLogOffset.toString(16).padStart(16, "0").toUpperCase();
  return {
    topic: decodeUtf8(topic),
    brokerName,
    queueId: view.getInt32(start + 12),
    queueOffset: long(view, start + 20),
    messageId: properties[property.uniqueKey] ?? offsetMessageId,
    offsetMessageId,
    body: inflate(stored, sysFlag),
    ...namesIn(properties),
    properties,
    flag: view.getInt32(start + 16),
    bornTimestampMs: long(view, start + 40),
    bornHost: born.text,
    storeTimestampMs,
    storeHost: store.text,
    commitLogOffset,
    storeSizeBytes: end - start,
    reconsumeTimes,
  };
}

/**
 * The messages of a batch that stands in one record (MessageDecoder.decodeMessage), with offsets in a row:
 *
 *   0  i32  size of all, then 8 bytes, i32 flag
 *  16  i32  length of the body, then the body
 *      u16  length of the properties, then the properties
 */
function unwrapped(record: ReceivedMessage): ReceivedMessage[] {
  const { body: bytes } = record;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: ReceivedMessage[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + view.getInt32(at);
    if (end <= at || end > bytes.length) throw new ClientError("MESSAGE_UNREADABLE", "a batch is cut off");
    const body = sized(bytes, at + 20, view.getInt32(at + 16), end);
    const propertiesAt = at + 20 + body.length;
    const properties = readProperties(decodeUtf8(sized(bytes, propertiesAt + 2, view.getUint16(propertiesAt), end)));
    messages.push({
      ...record,
      ...{ body, properties, flag: view.getInt32(at + 12), queueOffset: record.queueOffset + messages.length },
      ...{ messageId: properties[property.uniqueKey] ?? record.offsetMessageId, ...namesIn(properties) },
    });
    at = end;
  }
  return messages;
}

function namesIn(properties: Readonly<Record<string, string>>): Pick<ReceivedMessage, "tag" | "keys"> {
  const keys = properties[property.keys]?.split(" ").filter((key) => key !== "") ?? [];
  return { tag: properties[property.tags], keys };
}

/** Name, 0x01, value, 0x02; the last 0x02 is missing from clients before 5. */
export function readProperties(text: string): Record<string, string> {
  // No prototype: "__proto__" and "constructor" are names like any other.
  const properties: Record<string, string> = Object.create(null);
  for (const pair of text.split("\u0002")) {
    const at = pair.indexOf("\u0001");
    if (at > 0) properties[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return properties;
}

interface Host {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

function readHost(view: DataView, at: number, isV6: boolean): Host {
  const portAt = at + (isV6 ? 16 : 4);
  const port = view.getInt32(portAt);
  let address: string;
  if (isV6) {
    const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(at + 2 * i).toString(16));
    address = `[${groups.join(":")}]`;
  } else {
    address = Array.from({ length: 4 }, (_, i) => view.getUint8(at + i)).join(".");
  }
  return { start: at, end: portAt + 4, text: `${address}:${port}` };
}

function sized(bytes: Uint8Array, at: number, length: number, end: number): Uint8Array {
  if (length < 0 || at + length > end) throw new ClientError("MESSAGE_UNREADABLE", "a record is cut off");
  return bytes.subarray(at, at + length);
}

function long(view: DataView, at: number): number {
  return Number(view.getBigInt64(at));
}

function hex(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) text += bytes[at]!.toString(16).padStart(2, "0");
  return text.toUpperCase();
}

/** A record that ends too early is read past its end, which is a RangeError. */
function unreadableBy(error: unknown): ClientError {
  if (error instanceof ClientError) return error;
  if (error instanceof RangeError)
    return new ClientError("MESSAGE_UNREADABLE", "a record is cut off", { cause: error });
  throw error;
}
