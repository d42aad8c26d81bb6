import { InProcessConnection } from "../../src/hosts/memory/network.ts";
import type { RunningBroker } from "../../src/wasmq.ts";

/** A response, or a request of the broker's. */
export interface Answer {
  readonly code: number;
  readonly opaque: number;
  readonly flag: number;
  readonly remark: string | undefined;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** A message out of the body of a pull, read apart from the broker's own decoder. */
export interface PulledMessage {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly storeTimestamp: number;
  readonly reconsumeTimes: number;
  readonly body: string;
  readonly properties: Readonly<Record<string, string>>;
}

const text = new TextEncoder();
const utf8 = new TextDecoder();

/**
 * Speaks remoting to a broker of the same process, on any runtime: what the broker's behaviour is tested with where the
 * official clients can't run. That those see the same is for test/interop to show.
 */
export class InProcessClient {
  /** Requests of the broker's: changed consumer ids and the like. */
  readonly notifications: Answer[] = [];
  readonly #connection: InProcessConnection;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #opaque = 0;
  #rest = new Uint8Array(0);

  constructor(broker: RunningBroker, port?: number) {
    this.#connection = new InProcessConnection(
      (bytes) => this.#received(bytes),
      () => {},
      port,
    );
    this.#connection.open((connection) => broker.accept(connection));
  }

  request(code: number, fields: object = {}, body: Uint8Array | object = new Uint8Array(0)): Promise<Answer> {
    const opaque = ++this.#opaque;
    return new Promise((resolve) => {
      this.#waiting.set(opaque, resolve);
      this.#push(code, opaque, 0, fields, body);
    });
  }

  oneway(code: number, fields: object, body: Uint8Array | object = new Uint8Array(0)): void {
    this.#push(code, ++this.#opaque, 2, fields, body);
  }

  close(): void {
    this.#connection.close();
  }

  /** 310. Fails if the answer is not success. */
  async send(
    topic: string,
    body: string,
    given: { queueId?: number; properties?: Record<string, string>; reconsumeTimes?: number } = {},
  ): Promise<Answer> {
    return succeeded(await this.trySend(topic, body, given));
  }

  trySend(
    topic: string,
    body: string | Uint8Array,
    given: { queueId?: number; properties?: Record<string, string>; reconsumeTimes?: number; batch?: boolean } = {},
  ): Promise<Answer> {
    return this.request(
      310,
      {
        a: "PG",
        b: topic,
        c: "TBW102",
        d: "4",
        e: String(given.queueId ?? 0),
        f: "0",
        g: "1700000000000",
        h: "0",
        i: printProperties({ UNIQ_KEY: `U${++this.#opaque}`, ...given.properties }),
        j: String(given.reconsumeTimes ?? 0),
        k: "false",
        m: String(given.batch ?? false),
      },
      typeof body === "string" ? text.encode(body) : body,
    );
  }

  /** 34 for one consumer group, with its subscriptions by topic. */
  async consume(
    group: string,
    subscriptions: Record<string, string>,
    given: { clientId?: string; version?: number; model?: string } = {},
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
                expressionType: "TAG",
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
    given: { suspendMs?: number; maxMessages?: number; subscription?: string; commit?: number } = {},
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
      subVersion: "0",
      ...(given.subscription === undefined ? {} : { subscription: given.subscription }),
    });
  }

  #push(code: number, opaque: number, flag: number, extFields: object, body: Uint8Array | object): void {
    const header = text.encode(JSON.stringify({ code, opaque, flag, extFields, language: "JAVA", version: 513 }));
    const bytes = body instanceof Uint8Array ? body : text.encode(JSON.stringify(body));
    const frame = new Uint8Array(8 + header.length + bytes.length);
    const view = new DataView(frame.buffer);
    view.setInt32(0, frame.length - 4);
    view.setInt32(4, header.length);
    frame.set(header, 8);
    frame.set(bytes, 8 + header.length);
    this.#connection.push(frame);
  }

  #received(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    const view = new DataView(all.buffer);
    let at = 0;
    while (all.length - at >= 8 && all.length - at >= 4 + view.getInt32(at)) {
      const end = at + 4 + view.getInt32(at);
      const bodyAt = at + 8 + (view.getInt32(at + 4) & 0xffffff);
      const header = JSON.parse(utf8.decode(all.subarray(at + 8, bodyAt)));
      this.#answer({ ...header, fields: header.extFields, body: all.slice(bodyAt, end) });
      at = end;
    }
    this.#rest = all.slice(at);
  }

  #answer(answer: Answer): void {
    if ((answer.flag & 1) === 0) {
      this.notifications.push(answer);
      return;
    }
    this.#waiting.get(answer.opaque)?.(answer);
    this.#waiting.delete(answer.opaque);
  }
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
      storeTimestamp: Number(view.getBigInt64(at + 56)),
      reconsumeTimes: view.getInt32(at + 72),
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
  const batch = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    batch.set(part, at);
    at += part.length;
  }
  return batch;
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
