/**
 * A load generator that leaves the machine to the server: it runs in a process of its own, every frame is built before
 * the clock starts, and only the opaque, the queue id and the unique key are patched before a frame goes out again.
 * It speaks the standard protocol, so any RocketMQ broker can be measured with it.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { FRAME_PREFIX_BYTES, FrameReader, frameOf } from "./frame.ts";
import { LatencyHistogram } from "./latency.ts";
import { cpuUs } from "./proc.ts";
import { RemotingClient } from "./remoting-client.ts";

const USAGE = `node bench/load.ts --port PORT [options]

Sends 1 KB messages with SEND_MESSAGE_V2 over N connections, W in flight on each, and prints one line of JSON.

  --host HOST          default 127.0.0.1
  --port PORT          the broker's
  --connections N      default 8
  --window W           requests in flight on each connection, default 64; 1 is a synchronous sender
  --body BYTES         default 1024
  --topic TOPIC        default BenchLoad; created by the first message if the broker creates topics
  --queues Q           1 to 10, default 8
  --warmup-ms MS       sent but not counted, default 1000
  --duration-ms MS     default 3000; with --pull the longest a drain may take
  --codec json|binary  the header's encoding, default json
  --pid PID            the server's process: adds the CPU time it spent on each message
  --pull               drains the topic instead: PULL_MESSAGE, 32 messages at a time, one request in flight a queue`;

const SEND_MESSAGE_V2 = 310;
const PULL_MESSAGE = 11;
const SYSTEM_BUSY = 2;
const PULL_NOT_FOUND = 19;
const PULL_OFFSET_MOVED = 21;
const PULL_BATCH_MESSAGES = 32;
/** PullSysFlag.SUBSCRIPTION: the subscription is in the header, so no heartbeat must register one first. */
const PULL_SYS_FLAG = 4;
/** Ten digits, below 2^31: an opaque of constant width can be patched in JSON without moving what follows. */
const OPAQUE_BASE = 1_000_000_000;
const OPAQUE_DIGITS = 10;
const ANSWER_BYTES_MAX = 64 * 1024;
const DRAIN_AFTER_LOAD_MS = 5000;

export interface LoadResult {
  messages: number;
  seconds: number;
  messagesPerSecond: number;
  meanUs: number;
  p50Us: number;
  p99Us: number;
  maxUs: number;
  /** Messages answered with SYSTEM_BUSY: flow control, which is no fault, but no work done either. */
  busy: number;
  errors: number;
  /** What went wrong first. */
  error?: string;
  generatorCpuUsPerMessage: number;
  serverCpuUsPerMessage?: number;
}

interface LoadOptions {
  host: string;
  port: number;
  connections: number;
  window: number;
  bodyBytes: number;
  topic: string;
  queues: number;
  warmupMs: number;
  durationMs: number;
  codec: "json" | "binary";
  pid: number | undefined;
}

/** What all connections of a run count into. */
class Tally {
  readonly latency = new LatencyHistogram();
  messages = 0;
  busy = 0;
  errors = 0;
  error: string | undefined;
  maxUs = 0;
  stopping = false;

  fail(error: string, count = 1): void {
    this.errors += count;
    this.error ??= error;
  }

  reset(): void {
    this.latency.reset();
    this.messages = 0;
    this.busy = 0;
    this.maxUs = 0;
  }
}

/** One frame to copy, and where in it the parts are that differ from message to message. */
interface SendTemplate {
  frame: Buffer;
  codec: "json" | "binary";
  opaqueAt: number;
  queueIdAt: number;
  uniqueKeyAt: number;
}

const QUEUE_ID_MARK = "7";
const UNIQUE_KEY_MARK = "0123456789";

function sendTemplate(options: LoadOptions, connection: number): SendTemplate {
  const uniqueKey = `7F000001${process.pid.toString(16).padStart(6, "0")}${connection.toString(16).padStart(8, "0")}`;
  const properties = `UNIQ_KEY\u0001${uniqueKey.toUpperCase()}${UNIQUE_KEY_MARK}\u0002WAIT\u0001true\u0002`;
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
  const frame =
    options.codec === "json"
      ? frameOf(0, jsonHeader(SEND_MESSAGE_V2, OPAQUE_BASE, extFields), body)
      : frameOf(1, binaryHeader(SEND_MESSAGE_V2, OPAQUE_BASE, extFields), body);
  const json = options.codec === "json";
  const queueIdText = json ? `"e":"${QUEUE_ID_MARK}"` : `\u0000\u0001e\u0000\u0000\u0000\u0001${QUEUE_ID_MARK}`;
  return {
    frame,
    codec: options.codec,
    opaqueAt: json ? frame.indexOf(`"opaque":${OPAQUE_BASE}`) + '"opaque":'.length : FRAME_PREFIX_BYTES + 5,
    queueIdAt: frame.indexOf(queueIdText) + queueIdText.indexOf(QUEUE_ID_MARK),
    uniqueKeyAt: frame.indexOf(UNIQUE_KEY_MARK),
  };
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

/** Bytes without a pattern, so that nothing on the way gains by compressing or deduplicating them. */
function bodyOf(bytes: number): Buffer {
  const body = Buffer.allocUnsafe(bytes);
  let state = 0x9e3779b9;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    body[i] = state >>> 24;
  }
  return body;
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

/**
 * One connection with its window. Each place in the window owns a frame in `#frames` for good: it may be patched as
 * soon as its answer is in, because an answered frame has left the socket.
 */
class PipelinedSender {
  readonly #tally: Tally;
  readonly #template: SendTemplate;
  readonly #window: number;
  readonly #queues: number;
  readonly #frames: Buffer;
  readonly #inFlightOpaque: Float64Array;
  readonly #sentAtMs: Float64Array;
  /** Places answered in this turn of the event loop, to go out together. */
  readonly #free: Uint8Array;
  readonly #scanner = new AnswerScanner();
  readonly #reader: FrameReader;
  readonly #socket: Socket;
  /** How often each place was used; it makes the opaque of a place new every time. */
  readonly #rounds: Uint32Array;
  readonly #firstQueue: number;
  #inFlight = 0;
  #nowMs = 0;
  #closed = false;

  constructor(options: LoadOptions, tally: Tally, connection: number) {
    this.#tally = tally;
    this.#window = options.window;
    this.#queues = options.queues;
    this.#firstQueue = connection % options.queues;
    this.#rounds = new Uint32Array(options.window);
    this.#template = sendTemplate(options, connection);
    this.#frames = Buffer.alloc(this.#template.frame.length * options.window);
    for (let slot = 0; slot < options.window; slot++) {
      this.#frames.set(this.#template.frame, slot * this.#template.frame.length);
    }
    this.#inFlightOpaque = new Float64Array(options.window);
    this.#sentAtMs = new Float64Array(options.window);
    this.#free = new Uint8Array(options.window).fill(1);
    this.#reader = new FrameReader((bytes, start, end) => this.#onAnswer(bytes, start, end));
    const buffer = Buffer.alloc(ANSWER_BYTES_MAX);
    this.#socket = connect({
      host: options.host,
      port: options.port,
      noDelay: true,
      onread: { buffer, callback: (length) => this.#onBytes(buffer.subarray(0, length)) },
    });
    this.#socket.on("connect", () => this.#sendFree());
    this.#socket.on("error", (error) => this.#tally.fail(error.message, 0));
    this.#socket.on("close", () => {
      this.#closed = true;
      if (this.#inFlight > 0) this.#tally.fail("connection closed with messages in flight", this.#inFlight);
      this.#inFlight = 0;
    });
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    if (this.#inFlight > 0) this.#tally.fail("messages never answered", this.#inFlight);
    this.#inFlight = 0;
    this.#socket.destroy();
  }

  #onBytes(chunk: Buffer): boolean {
    this.#nowMs = performance.now();
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#socket.destroy(error as Error);
      return false;
    }
    if (!this.#tally.stopping) this.#sendFree();
    return true;
  }

  #onAnswer(bytes: Buffer, start: number, end: number): void {
    const { code, opaque } = this.#readAnswer(bytes, start, end);
    const slot = (opaque - OPAQUE_BASE) % this.#window;
    if (this.#inFlightOpaque[slot] !== opaque) {
      this.#tally.fail(`an answer nobody waits for: opaque ${opaque}`);
      return;
    }
    this.#inFlightOpaque[slot] = 0;
    this.#inFlight--;
    this.#free[slot] = 1;
    if (code === SYSTEM_BUSY) {
      this.#tally.busy++;
      return;
    }
    if (code !== 0) {
      this.#tally.fail(
        `code ${code}: ${bytes.toString("utf8", start + FRAME_PREFIX_BYTES, Math.min(end, start + 512))}`,
      );
      return;
    }
    const us = (this.#nowMs - this.#sentAtMs[slot]!) * 1000;
    this.#tally.messages++;
    this.#tally.latency.add(us);
    if (us > this.#tally.maxUs) this.#tally.maxUs = us;
  }

  #readAnswer(bytes: Buffer, start: number, end: number): AnswerScanner {
    this.#scanner.scan(bytes, start, end);
    return this.#scanner;
  }

  /** Sends every free place, neighbours as one buffer, all of them as one system call. */
  #sendFree(): void {
    const frameBytes = this.#template.frame.length;
    const nowMs = performance.now();
    this.#socket.cork();
    for (let slot = 0; slot < this.#window; slot++) {
      if (this.#free[slot] === 0) continue;
      const first = slot;
      for (; slot < this.#window && this.#free[slot] === 1; slot++) this.#patch(slot, nowMs);
      this.#socket.write(this.#frames.subarray(first * frameBytes, slot * frameBytes));
    }
    this.#socket.uncork();
  }

  #patch(slot: number, nowMs: number): void {
    const at = slot * this.#template.frame.length;
    const round = this.#rounds[slot]!++;
    const opaque = OPAQUE_BASE + round * this.#window + slot;
    const queueId = (this.#firstQueue + round + slot) % this.#queues;
    this.#inFlightOpaque[slot] = opaque;
    this.#sentAtMs[slot] = nowMs;
    this.#free[slot] = 0;
    this.#inFlight++;
    writeDigits(this.#frames, at + this.#template.uniqueKeyAt, opaque);
    this.#frames[at + this.#template.queueIdAt] = 0x30 + queueId;
    if (this.#template.codec === "json") writeDigits(this.#frames, at + this.#template.opaqueAt, opaque);
    else this.#frames.writeInt32BE(opaque, at + this.#template.opaqueAt);
  }
}

function writeDigits(bytes: Buffer, at: number, value: number): void {
  let rest = value;
  for (let digit = at + OPAQUE_DIGITS - 1; digit >= at; digit--) {
    const tenth = Math.trunc(rest / 10);
    bytes[digit] = 0x30 + rest - tenth * 10;
    rest = tenth;
  }
}

async function send(options: LoadOptions): Promise<LoadResult> {
  await createTopic(options);
  const tally = new Tally();
  const senders: PipelinedSender[] = [];
  for (let i = 0; i < options.connections; i++) senders.push(new PipelinedSender(options, tally, i));
  await sleep(options.warmupMs);

  tally.reset();
  const clock = startClock(options.pid);
  const endMs = performance.now() + options.durationMs;
  while (performance.now() < endMs && !senders.every((sender) => sender.closed)) {
    await sleep(Math.min(100, endMs - performance.now()));
  }
  const result = clock.result(tally);

  tally.stopping = true;
  const drainedByMs = performance.now() + DRAIN_AFTER_LOAD_MS;
  while (performance.now() < drainedByMs && senders.some((sender) => sender.inFlight > 0)) await sleep(5);
  for (const sender of senders) sender.close();
  return { ...result, ...errorsOf(tally) };
}

/** The first message makes the topic with all its queues; senders racing to do it would measure that instead. */
async function createTopic(options: LoadOptions): Promise<void> {
  const client = await RemotingClient.connect({ host: options.host, port: options.port, connectDeadlineMs: 3000 });
  const answer = await client.request(
    SEND_MESSAGE_V2,
    {
      a: "BenchProducer",
      b: options.topic,
      c: "TBW102",
      d: String(options.queues),
      e: "0",
      f: "0",
      g: String(Date.now()),
      h: "0",
      i: "WAITtrue",
      j: "0",
      k: "false",
      m: "false",
    },
    Buffer.from("first"),
  );
  await client.close();
  if (answer.code !== 0) throw new Error(`the first message was refused with ${answer.code}: ${answer.remark}`);
}

/** Drains every queue from its minimum offset and checks that no offset is left out or comes twice. */
async function pull(options: LoadOptions): Promise<LoadResult> {
  const clients: RemotingClient[] = [];
  for (let i = 0; i < Math.min(options.connections, options.queues); i++) {
    clients.push(await RemotingClient.connect({ host: options.host, port: options.port, connectDeadlineMs: 3000 }));
  }
  const tally = new Tally();
  const clock = startClock(options.pid);
  const endMs = performance.now() + options.durationMs;
  const queues: Promise<void>[] = [];
  for (let queueId = 0; queueId < options.queues; queueId++) {
    queues.push(drainQueue(clients[queueId % clients.length]!, options.topic, queueId, endMs, tally));
  }
  await Promise.all(queues);
  const result = clock.result(tally);
  for (const client of clients) await client.close();
  return { ...result, ...errorsOf(tally) };
}

async function drainQueue(
  client: RemotingClient,
  topic: string,
  queueId: number,
  endMs: number,
  tally: Tally,
): Promise<void> {
  const header: Record<string, string> = {
    consumerGroup: "BenchConsumer",
    topic,
    queueId: String(queueId),
    queueOffset: "0",
    maxMsgNums: String(PULL_BATCH_MESSAGES),
    sysFlag: String(PULL_SYS_FLAG),
    commitOffset: "0",
    suspendTimeoutMillis: "0",
    subscription: "*",
    subVersion: "0",
    expressionType: "TAG",
  };
  while (performance.now() < endMs) {
    const sentMs = performance.now();
    const answer = await client.request(PULL_MESSAGE, header);
    const nextOffset = Number(answer.extFields["nextBeginOffset"]);
    if (answer.code === PULL_NOT_FOUND) return;
    if (answer.code === PULL_OFFSET_MOVED && nextOffset > Number(header["queueOffset"])) {
      header["queueOffset"] = String(nextOffset);
      continue;
    }
    if (answer.code !== 0) return tally.fail(`code ${answer.code}: ${answer.remark}`);
    const us = (performance.now() - sentMs) * 1000;
    tally.latency.add(us);
    if (us > tally.maxUs) tally.maxUs = us;
    const messages = countMessages(answer.body, queueId, Number(header["queueOffset"]), tally);
    tally.messages += messages;
    if (messages === 0) return tally.fail("an answer with success and no message");
    header["queueOffset"] = String(nextOffset);
  }
}

/** Stored messages back to back: total size at 0, queue id at 12, queue offset at 20. */
function countMessages(body: Buffer, queueId: number, firstOffset: number, tally: Tally): number {
  let messages = 0;
  for (let at = 0; at < body.length; at += body.readInt32BE(at)) {
    if (body.readInt32BE(at + 12) !== queueId) tally.fail(`queue ${queueId} gave a message of another queue`);
    const offset = body.readUInt32BE(at + 20) * 2 ** 32 + body.readUInt32BE(at + 24);
    if (offset !== firstOffset + messages) tally.fail(`queue ${queueId} gave ${offset} for ${firstOffset + messages}`);
    messages++;
  }
  return messages;
}

function startClock(pid: number | undefined): { result(tally: Tally): LoadResult } {
  const startMs = performance.now();
  const own = process.cpuUsage();
  const serverUs = pid === undefined ? 0 : cpuUs(pid);
  return {
    result(tally) {
      const seconds = (performance.now() - startMs) / 1000;
      const ownUsed = process.cpuUsage(own);
      const messages = Math.max(1, tally.messages);
      return {
        messages: tally.messages,
        seconds: round(seconds, 3),
        messagesPerSecond: Math.round(tally.messages / seconds),
        meanUs: Math.round(tally.latency.meanUs),
        p50Us: Math.round(tally.latency.percentileUs(50)),
        p99Us: Math.round(tally.latency.percentileUs(99)),
        maxUs: Math.round(tally.maxUs),
        busy: tally.busy,
        errors: 0,
        generatorCpuUsPerMessage: round((ownUsed.user + ownUsed.system) / messages, 2),
        ...(pid === undefined ? {} : { serverCpuUsPerMessage: round((cpuUs(pid) - serverUs) / messages, 2) }),
      };
    },
  };
}

function errorsOf(tally: Tally): Pick<LoadResult, "errors" | "error"> {
  return tally.error === undefined ? { errors: tally.errors } : { errors: tally.errors, error: tally.error };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

const { values } = parseArgs({
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string" },
    connections: { type: "string", default: "8" },
    window: { type: "string", default: "64" },
    body: { type: "string", default: "1024" },
    topic: { type: "string", default: "BenchLoad" },
    queues: { type: "string", default: "8" },
    "warmup-ms": { type: "string", default: "1000" },
    "duration-ms": { type: "string", default: "3000" },
    codec: { type: "string", default: "json" },
    pid: { type: "string" },
    pull: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help || values.port === undefined) {
  console.log(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  const options: LoadOptions = {
    host: values.host,
    port: Number(values.port),
    connections: Number(values.connections),
    window: Number(values.window),
    bodyBytes: Number(values.body),
    topic: values.topic,
    queues: Number(values.queues),
    warmupMs: Number(values["warmup-ms"]),
    durationMs: Number(values["duration-ms"]),
    codec: values.codec === "binary" ? "binary" : "json",
    pid: values.pid === undefined ? undefined : Number(values.pid),
  };
  if (!(options.queues >= 1 && options.queues <= 10)) throw new Error("queues: 1 to 10, a queue id is one digit here");
  console.log(JSON.stringify(values.pull ? await pull(options) : await send(options)));
}
