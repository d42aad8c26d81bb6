import { messageBodyBytesMax, propertiesBytesMax } from "../limits.ts";
import { encodeUtf8 } from "../ports/text.ts";
import { ClientError } from "./error.ts";
import { type Message, property } from "./message.ts";

/** A message ready for the wire. */
export interface EncodedMessage {
  readonly topic: string;
  readonly body: Uint8Array;
  /** As MessageDecoder.messageProperties2String writes them. */
  readonly properties: string;
  readonly messageId: string;
  readonly flag: number;
}

/** Throws MESSAGE_ILLEGAL for what no broker would take. */
export function encodeMessage(
  message: Message,
  uniqueKey: string,
  more: Readonly<Record<string, string>> = {},
): EncodedMessage {
  const body = typeof message.body === "string" ? encodeUtf8(message.body) : message.body;
  if (body.length === 0) throw new ClientError("MESSAGE_ILLEGAL", "the message body is empty");
  if (body.length > messageBodyBytesMax) {
    throw new ClientError(
      "MESSAGE_ILLEGAL",
      `the message body has ${body.length} bytes: allowed are ${messageBodyBytesMax}`,
    );
  }
  const all: Record<string, string> = { ...message.properties };
  const { keys, tag, delayLevel, delayMs, deliverAtMs } = message;
  if (tag !== undefined && tag !== "") all[property.tags] = tag;
  if (keys !== undefined && keys.length > 0) {
    if (keys.some((key) => key.includes(" "))) throw new ClientError("MESSAGE_ILLEGAL", "a key holds a space");
    all[property.keys] = keys.join(" ");
  }
  if (delayLevel !== undefined && delayLevel !== 0) {
    if (!Number.isInteger(delayLevel) || delayLevel < 0) {
      throw new ClientError("MESSAGE_ILLEGAL", `the delay level is no level: ${delayLevel}`);
    }
    all[property.delay] = String(delayLevel);
  }
  if (delayMs !== undefined) all[property.timerDelayMs] = wholeMs(delayMs);
  if (deliverAtMs !== undefined) all[property.timerDeliverMs] = wholeMs(deliverAtMs);
  if ([delayLevel || undefined, delayMs, deliverAtMs].filter((each) => each !== undefined).length > 1) {
    throw new ClientError("MESSAGE_ILLEGAL", "a message has one of delayLevel, delayMs and deliverAtMs");
  }
  const messageId = all[property.uniqueKey] ?? uniqueKey;
  const properties = printProperties({ ...all, ...more, [property.uniqueKey]: messageId, [property.wait]: "true" });
  return { topic: message.topic, body, properties, messageId, flag: message.flag ?? 0 };
}

function wholeMs(ms: number): string {
  if (!Number.isSafeInteger(ms) || ms < 0) throw new ClientError("MESSAGE_ILLEGAL", `no milliseconds: ${ms}`);
  return String(ms);
}

export function printProperties(properties: Readonly<Record<string, string>>): string {
  let text = "";
  for (const name in properties) {
    const value = properties[name]!;
    if (separators.test(name) || separators.test(value)) {
      throw new ClientError("MESSAGE_ILLEGAL", `the property ${JSON.stringify(name)} holds a separator of properties`);
    }
    text += `${name}\u0001${value}\u0002`;
  }
  if (text.length * 3 > propertiesBytesMax && encodeUtf8(text).length > propertiesBytesMax) {
    throw new ClientError("MESSAGE_ILLEGAL", `the properties have more than ${propertiesBytesMax} bytes`);
  }
  return text;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are RocketMQ's separators.
const separators = /[\u0001\u0002]/;

/*
 * One message of a batch (MessageDecoder.encodeMessage), big-endian:
 *
 *   0  i32  size of all
 *   4  i32  magic code, i32 CRC: both 0
 *  12  i32  flag
 *  16  i32  length of the body, then the body
 *      i16  length of the properties, then the properties
 */
const batchFixedBytes = 4 + 4 + 4 + 4 + 4 + 2;

export function encodeBatch(messages: readonly EncodedMessage[]): Uint8Array {
  const parts = messages.map((message) => ({ ...message, properties: encodeUtf8(message.properties) }));
  const bytes = parts.reduce((sum, { body, properties }) => sum + batchFixedBytes + body.length + properties.length, 0);
  if (bytes > messageBodyBytesMax) {
    throw new ClientError("MESSAGE_ILLEGAL", `the batch has ${bytes} bytes: allowed are ${messageBodyBytesMax}`);
  }
  const into = new Uint8Array(bytes);
  const view = new DataView(into.buffer);
  let at = 0;
  for (const { body, properties, flag } of parts) {
    view.setInt32(at, batchFixedBytes + body.length + properties.length);
    view.setInt32(at + 12, flag);
    view.setInt32(at + 16, body.length);
    into.set(body, at + 20);
    at += 20 + body.length;
    view.setInt16(at, properties.length);
    into.set(properties, at + 2);
    at += 2 + properties.length;
  }
  return into;
}
