/** RocketMQ's own protocol: SEND_MESSAGE_V2 over as many queues as the topic has. */
import { createTopic } from "../broker/offsets.ts";
import { FRAME_PREFIX_BYTES, FrameReader, frameOf } from "../frame.ts";
import { type Answers, bodyOf, DIGITS, type LoadOptions, type Protocol, type Wire, writeDigits } from "./wire.ts";

const SEND_MESSAGE_V2 = 310;
const SYSTEM_BUSY = 2;
/** Ten digits, below 2^31: an opaque of constant width can be patched in JSON without moving what follows. */
const OPAQUE_BASE = 1_000_000_000;
const QUEUE_ID_MARK = "7";
const UNIQUE_KEY_MARK = "0".repeat(DIGITS - 1).concat("7");

export const remoting: Protocol = {
  prepare: ({ port, topic, queues }) => createTopic(port, topic, queues),
  wire: (options, connection, answers) => new RemotingWire(options, connection, answers),
};

class RemotingWire implements Wire {
  readonly greeting = undefined;
  readonly request: Buffer;
  readonly #answers: Answers;
  readonly #json: boolean;
  readonly #window: number;
  readonly #queues: number;
  readonly #firstQueue: number;
  readonly #opaqueAt: number;
  readonly #queueIdAt: number;
  readonly #uniqueKeyAt: number;
  /** The opaque each place waits for: a place says which message, its opaque that it is not an earlier one. */
  readonly #opaques: Float64Array;
  readonly #scanner = new AnswerScanner();
  readonly #reader: FrameReader;

  constructor(options: LoadOptions, connection: number, answers: Answers) {
    this.#answers = answers;
    this.#json = options.codec === "json";
    this.#window = options.window;
    this.#queues = options.queues;
    this.#firstQueue = connection % options.queues;
    this.#opaques = new Float64Array(options.window);
    this.#reader = new FrameReader((bytes, start, end) => this.#onAnswer(bytes, start, end));

    const uniqueKey = `7F000001${process.pid.toString(16).padStart(6, "0")}${connection.toString(16).padStart(8, "0")}`;
    const besides =
      options.property === undefined ? "" : `${options.property.name}\u0001${options.property.value}\u0002`;
    const properties = `UNIQ_KEY\u0001${uniqueKey.toUpperCase()}${UNIQUE_KEY_MARK}\u0002WAIT\u0001true\u0002${besides}`;
    const extFields: [string, string][] = [
      ["a", "BenchProducer"],
      ["b", options.topic],
      ["c", "TBW102"],
      ["d", String(options.queues)],
      ["e", QUEUE_ID_MARK],
      ["f", "0"],
      ["g", String(Date.now())],
      ["h", "0"],
      ["i", properties],
      ["j", "0"],
      ["k", "false"],
      ["m", "false"],
      ["n", "broker-a"],
    ];
    const body = bodyOf(options.bodyBytes);
    this.request = this.#json
      ? frameOf(0, jsonHeader(SEND_MESSAGE_V2, OPAQUE_BASE, extFields), body)
      : frameOf(1, binaryHeader(SEND_MESSAGE_V2, OPAQUE_BASE, extFields), body);
    const queueIdText = this.#json ? `"e":"${QUEUE_ID_MARK}"` : `\u0000\u0001e\u0000\u0000\u0000\u0001${QUEUE_ID_MARK}`;
    this.#opaqueAt = this.#json
      ? this.request.indexOf(`"opaque":${OPAQUE_BASE}`) + '"opaque":'.length
      : FRAME_PREFIX_BYTES + 5;
    this.#queueIdAt = this.request.indexOf(queueIdText) + queueIdText.indexOf(QUEUE_ID_MARK);
    this.#uniqueKeyAt = this.request.indexOf(UNIQUE_KEY_MARK);
  }

  patch(frames: Buffer, at: number, place: number, round: number): void {
    const opaque = OPAQUE_BASE + round * this.#window + place;
    this.#opaques[place] = opaque;
    writeDigits(frames, at + this.#uniqueKeyAt, opaque);
    frames[at + this.#queueIdAt] = 0x30 + ((this.#firstQueue + round + place) % this.#queues);
    if (this.#json) writeDigits(frames, at + this.#opaqueAt, opaque);
    else frames.writeInt32BE(opaque, at + this.#opaqueAt);
  }

  push(chunk: Buffer): void {
    this.#reader.push(chunk);
  }

  #onAnswer(bytes: Buffer, start: number, end: number): void {
    this.#scanner.scan(bytes, start, end);
    const { code, opaque } = this.#scanner;
    const place = (opaque - OPAQUE_BASE) % this.#window;
    if (this.#opaques[place] !== opaque) throw new Error(`an answer nobody waits for: opaque ${opaque}`);
    if (code === 0) this.#answers.stored(place);
    else if (code === SYSTEM_BUSY) this.#answers.busy(place);
    else this.#answers.failed(place, bytes.toString("utf8", start + FRAME_PREFIX_BYTES, Math.min(end, start + 512)));
  }
}

function jsonHeader(code: number, opaque: number, extFields: [string, string][]): Buffer {
  return Buffer.from(
    JSON.stringify({
      code,
      extFields: Object.fromEntries(extFields),
      flag: 0,
      language: "JAVA",
      opaque,
      serializeTypeCurrentRPC: "JSON",
      version: 513,
    }),
  );
}

function binaryHeader(code: number, opaque: number, extFields: [string, string][]): Buffer {
  const fixed = Buffer.alloc(21);
  fixed.writeInt16BE(code, 0);
  fixed.writeInt16BE(513, 3);
  fixed.writeInt32BE(opaque, 5);
  const parts: Buffer[] = [fixed];
  let extBytes = 0;
  for (const [key, value] of extFields) {
    const keyLength = Buffer.alloc(2);
    keyLength.writeInt16BE(Buffer.byteLength(key));
    const valueLength = Buffer.alloc(4);
    valueLength.writeInt32BE(Buffer.byteLength(value));
    parts.push(keyLength, Buffer.from(key), valueLength, Buffer.from(value));
    extBytes += 6 + Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  fixed.writeInt32BE(extBytes, 17);
  return Buffer.concat(parts);
}

/** The two numbers of a response header that say whether a send went well, read without making a string or an object. */
class AnswerScanner {
  code = 0;
  opaque = 0;
  readonly #codeKey = Buffer.from('"code":');
  readonly #opaqueKey = Buffer.from('"opaque":');

  scan(bytes: Buffer, start: number, end: number): void {
    const headerStart = start + FRAME_PREFIX_BYTES;
    if (bytes[start + 4] === 1) {
      this.code = bytes.readInt16BE(headerStart);
      this.opaque = bytes.readInt32BE(headerStart + 5);
      return;
    }
    this.code = numberAfter(bytes, this.#codeKey, headerStart, end);
    this.opaque = numberAfter(bytes, this.#opaqueKey, headerStart, end);
  }
}

function numberAfter(bytes: Buffer, key: Buffer, start: number, end: number): number {
  const found = bytes.indexOf(key, start);
  if (found < 0 || found >= end) return Number.NaN;
  let at = found + key.length;
  while (bytes[at] === 0x20) at++;
  const negative = bytes[at] === 0x2d;
  if (negative) at++;
  let value = 0;
  for (let digit = bytes[at]! - 0x30; digit >= 0 && digit <= 9; digit = bytes[++at]! - 0x30) value = value * 10 + digit;
  return negative ? -value : value;
}
