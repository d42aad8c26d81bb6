import { decodeBinaryHeader, encodeBinaryHeader } from "./binary-header.ts";

/** A response, or a request of the broker's. */
export interface Answer {
  readonly code: number;
  readonly opaque: number;
  readonly flag: number;
  readonly remark: string | undefined;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** How its header was written: 0 JSON, 1 ROCKETMQ. */
  readonly serializeType: number;
}

/** A message out of the body of a pull, read apart from the broker's own decoder. */
export interface PulledMessage {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly sysFlag: number;
  readonly storeTimestamp: number;
  readonly reconsumeTimes: number;
  readonly preparedTransactionOffset: number;
  readonly body: string;
  readonly properties: Readonly<Record<string, string>>;
}

const text = new TextEncoder();
const utf8 = new TextDecoder();
const noBytes = new Uint8Array(0);

/** What a message to send has besides its topic and its body. */
interface Sent {
  readonly queueId?: number;
  readonly properties?: Record<string, string>;
  readonly reconsumeTimes?: number;
  readonly sysFlag?: number;
  readonly bornTimestamp?: number;
}

/** What a wire tells its client. */
export interface WireEvents {
  /** Bytes as they arrived, cut anywhere. */
  received(bytes: Uint8Array): void;
  /** The wire is gone, from whichever side. Called once. */
  closed(): void;
}

/** The client's end of a connection to a broker, whatever carries it. */
export interface Wire {
  send(chunks: readonly Uint8Array[]): void;
  /** `closed` of the events follows. */
  close(): void;
}

export type OpenWire = (events: WireEvents) => Wire | Promise<Wire>;

/** What a request is answered with when its connection ends first. */
export const connectionClosed = -1_000;

/**
 * Speaks remoting over any wire, on any runtime: what the broker's behaviour is tested with where the official clients can't
 * run. That those see the same is for test/interop to show.
 */
export class RemotingClient {
  /** Requests of the broker's: changed consumer ids and the like. */
  readonly notifications: Answer[] = [];
  /** Answers to nothing that was asked. */
  readonly unasked: Answer[] = [];
  /** How it writes its headers: 0 JSON, 1 ROCKETMQ. */
  serializeType = 0;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #frames = new FrameCutter((answer) => this.#answer(answer));
  readonly #events: WireEvents = { received: (bytes) => this.#frames.push(bytes), closed: () => this.#closed() };
  #wire: Wire | undefined;
  #opaque = 0;

  constructor(open?: (events: WireEvents) => Wire) {
    this.#wire = open?.(this.#events);
  }

  static async open(open: OpenWire): Promise<RemotingClient> {
    const client = new RemotingClient();
    client.#wire = await open(client.#events);
    return client;
  }

  request(code: number, fields: object = {}, body: Uint8Array | object = noBytes): Promise<Answer> {
    const opaque = ++this.#opaque;
    return this.exchange(opaque, this.#frame(code, opaque, 0, fields, body));
  }

  /** Sends a frame as it is; the answer to `opaque`. */
  exchange(opaque: number, frame: Uint8Array): Promise<Answer> {
    return new Promise((resolve) => {
      this.#waiting.set(opaque, resolve);
      if (this.#wire === undefined) this.#closed();
      else this.#wire.send([frame]);
    });
  }

  oneway(code: number, fields: object, body: Uint8Array | object = noBytes): void {
    this.push(this.#frame(code, ++this.#opaque, 2, fields, body));
  }

  #frame(code: number, opaque: number, flag: number, fields: object, body: Uint8Array | object): Uint8Array {
    const frame = this.serializeType === 0 ? requestFrame : binaryRequestFrame;
    return frame(code, opaque, flag, fields, body);
  }

  /** Sends bytes as they are. */
  push(bytes: Uint8Array): void {
    this.#wire?.send([bytes]);
  }

  close(): void {
    this.#wire?.close();
  }

  /** 310. Fails if the answer is not success. */
  async send(topic: string, body: string, given: Sent = {}): Promise<Answer> {
    return succeeded(await this.trySend(topic, body, given));
  }

  trySend(topic: string, body: string | Uint8Array, given: Sent & { batch?: boolean } = {}): Promise<Answer> {
    return this.request(
      310,
      {
        a: "PG",
        b: topic,
        c: "TBW102",
        d: "4",
        e: String(given.queueId ?? 0),
        f: String(given.sysFlag ?? 0),
        g: String(given.bornTimestamp ?? 1_700_000_000_000),
        h: "0",
        i: printProperties({ UNIQ_KEY: `U${++this.#opaque}`, ...given.properties }),
        j: String(given.reconsumeTimes ?? 0),
        k: "false",
        m: String(given.batch ?? false),
      },
      typeof body === "string" ? text.encode(body) : body,
    );
  }

  /** 34 for producer groups. */
  async produce(groups: readonly string[], clientId = "producer"): Promise<void> {
    const producerDataSet = groups.map((groupName) => ({ groupName }));
    succeeded(await this.request(34, {}, { clientID: clientId, consumerDataSet: [], producerDataSet }));
  }

  /** 34 for one consumer group, with its subscriptions by topic. */
  async consume(
    group: string,
    subscriptions: Record<string, string>,
    given: { clientId?: string; version?: number; model?: string; expressionType?: string } = {},
  ): Promise<void> {
    succeeded(
      await this.request(
        34,
        {},
        {
          clientID: given.clientId ?? "client",
          consumerDataSet: [
            {
              consumeFromWhere: "CONSUME_FROM_FIRST_OFFSET",
              consumeType: "CONSUME_PASSIVELY",
              groupName: group,
              messageModel: given.model ?? "CLUSTERING",
              subscriptionDataSet: Object.entries(subscriptions).map(([topic, subString]) => ({
                topic,
                subString,
                subVersion: given.version ?? 1,
                // As clients subscribe to their retry topic, whatever else they ask for.
                expressionType: topic.startsWith("%RETRY%") ? "TAG" : (given.expressionType ?? "TAG"),
              })),
            },
          ],
          producerDataSet: [],
        },
      ),
    );
  }

  /** 11 by the group's subscription; `suspendMs` above 0 waits. */
  pull(
    group: string,
    topic: string,
    queueId: number,
    offset: number,
    given: {
      suspendMs?: number;
      maxMessages?: number;
      subscription?: string;
      expressionType?: string;
      version?: number;
      commit?: number;
    } = {},
  ): Promise<Answer> {
    const suspendMs = given.suspendMs ?? 0;
    const sysFlag =
      (given.commit === undefined ? 0 : 1) + (suspendMs > 0 ? 2 : 0) + (given.subscription === undefined ? 0 : 4);
    return this.request(11, {
      consumerGroup: group,
      topic,
      queueId: String(queueId),
      queueOffset: String(offset),
      maxMsgNums: String(given.maxMessages ?? 32),
      sysFlag: String(sysFlag),
      commitOffset: String(given.commit ?? 0),
      suspendTimeoutMillis: String(suspendMs),
      subVersion: String(given.version ?? 0),
      ...(given.subscription === undefined ? {} : { subscription: given.subscription }),
      ...(given.expressionType === undefined ? {} : { expressionType: given.expressionType }),
    });
  }

  #answer(answer: Answer): void {
    if ((answer.flag & 1) === 0) {
      this.notifications.push(answer);
      return;
    }
    const resolve = this.#waiting.get(answer.opaque);
    if (resolve === undefined) this.unasked.push(answer);
    this.#waiting.delete(answer.opaque);
    resolve?.(answer);
  }

  #closed(): void {
    this.#wire = undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [opaque, resolve] of waiting) {
      resolve({
        code: connectionClosed,
        opaque,
        flag: 1,
        remark: "the connection was closed",
        fields: {},
        body: noBytes,
        serializeType: this.serializeType,
      });
    }
  }
}

/** Cuts what a broker sends into its answers and requests. */
export class FrameCutter {
  readonly #onFrame: (answer: Answer) => void;
  #rest = noBytes;

  constructor(onFrame: (answer: Answer) => void) {
    this.#onFrame = onFrame;
  }

  push(bytes: Uint8Array): void {
    const all = concat([this.#rest, bytes]);
    const view = new DataView(all.buffer);
    let at = 0;
    while (all.length - at >= 8 && all.length - at >= 4 + view.getInt32(at)) {
      const end = at + 4 + view.getInt32(at);
      const bodyAt = at + 8 + (view.getInt32(at + 4) & 0xffffff);
      const serializeType = all[at + 4]!;
      const header = readHeader(serializeType, all.subarray(at + 8, bodyAt));
      this.#onFrame({ ...header, body: all.slice(bodyAt, end), serializeType });
      at = end;
    }
    this.#rest = all.slice(at);
  }
}

function readHeader(serializeType: number, bytes: Uint8Array): Omit<Answer, "body" | "serializeType"> {
  if (serializeType === 1) {
    const { code, opaque, flag, remark, fields } = decodeBinaryHeader(bytes);
    return { code, opaque, flag, remark, fields };
  }
  const { code, opaque, flag, remark, extFields } = JSON.parse(utf8.decode(bytes));
  return { code, opaque, flag, remark, fields: extFields ?? {} };
}

/** A request as the Java client writes it. `flag` 2: one-way. */
export function requestFrame(
  code: number,
  opaque: number,
  flag = 0,
  extFields: object = {},
  body: Uint8Array | object = noBytes,
): Uint8Array<ArrayBuffer> {
  const header = text.encode(JSON.stringify({ code, opaque, flag, extFields, language: "JAVA", version: 513 }));
  return frameOf(0, header, body instanceof Uint8Array ? body : text.encode(JSON.stringify(body)));
}

/** The same with a binary header. */
export function binaryRequestFrame(
  code: number,
  opaque: number,
  flag = 0,
  extFields: object = {},
  body: Uint8Array | object = noBytes,
): Uint8Array<ArrayBuffer> {
  const header = encodeBinaryHeader({ code, opaque, flag, fields: extFields as Record<string, string> });
  return frameOf(1, header, body instanceof Uint8Array ? body : text.encode(JSON.stringify(body)));
}

/** Any header under any serialize type: hostile input needs frames that no honest encoder would make. */
export function frameOf(
  serializeType: number,
  header: Uint8Array,
  body = noBytes as Uint8Array,
): Uint8Array<ArrayBuffer> {
  const prefix = new Uint8Array(8);
  const view = new DataView(prefix.buffer);
  view.setInt32(0, 4 + header.length + body.length);
  view.setUint32(4, ((serializeType << 24) | header.length) >>> 0);
  return concat([prefix, header, body]);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export function succeeded(answer: Answer): Answer {
  if (answer.code !== 0) throw new Error(`answered ${answer.code}: ${answer.remark}`);
  return answer;
}

export function json(answer: Answer): unknown {
  return JSON.parse(utf8.decode(answer.body));
}

/** The messages of a pull's body (IPv4 hosts, first version of the record). */
export function messagesOf(answer: Answer): PulledMessage[] {
  const { body: bytes } = answer;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: PulledMessage[] = [];
  for (let at = 0; at < bytes.length; at += view.getInt32(at)) {
    const bodyAt = at + 88;
    const bodyEnd = bodyAt + view.getInt32(at + 84);
    const topicEnd = bodyEnd + 1 + view.getUint8(bodyEnd);
    messages.push({
      queueId: view.getInt32(at + 12),
      queueOffset: Number(view.getBigInt64(at + 20)),
      physicalOffset: Number(view.getBigInt64(at + 28)),
      sysFlag: view.getInt32(at + 36),
      storeTimestamp: Number(view.getBigInt64(at + 56)),
      reconsumeTimes: view.getInt32(at + 72),
      preparedTransactionOffset: Number(view.getBigInt64(at + 76)),
      body: utf8.decode(bytes.subarray(bodyAt, bodyEnd)),
      topic: utf8.decode(bytes.subarray(bodyEnd + 1, topicEnd)),
      properties: readProperties(utf8.decode(bytes.subarray(topicEnd + 2, topicEnd + 2 + view.getInt16(topicEnd)))),
    });
  }
  return messages;
}

/** A batch as producers encode it (MessageDecoder.encodeMessages). */
export function encodeBatch(items: readonly { body: string; properties?: Record<string, string> }[]): Uint8Array {
  const parts = items.map(({ body, properties }) => {
    const bodyBytes = text.encode(body);
    const propertyBytes = text.encode(printProperties(properties ?? {}));
    const part = new Uint8Array(22 + bodyBytes.length + propertyBytes.length);
    const view = new DataView(part.buffer);
    view.setInt32(0, part.length);
    view.setInt32(16, bodyBytes.length);
    part.set(bodyBytes, 20);
    view.setInt16(20 + bodyBytes.length, propertyBytes.length);
    part.set(propertyBytes, 22 + bodyBytes.length);
    return part;
  });
  return concat(parts);
}

function printProperties(properties: Record<string, string>): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}\u0001${value}\u0002`)
    .join("");
}

function readProperties(properties: string): Record<string, string> {
  return Object.fromEntries(
    properties
      .split("\u0002")
      .filter((entry) => entry !== "")
      .map((entry) => entry.split("\u0001") as [string, string]),
  );
}
