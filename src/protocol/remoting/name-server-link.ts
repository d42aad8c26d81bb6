import type { BrokerQueues, BrokerRegistration, NameServerLink } from "../../broker/name-servers/registrations.ts";
import type { TopicConfig } from "../../broker/topic/topic-config.ts";
import { frameBytesMax, queuesPerTopicMax, registrationPartCharsMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Connection, ConnectionHandler, Dialer } from "../../ports/network.ts";
import { encodeUtf8 } from "../../ports/text.ts";
import { type AnswerFields, FieldNames, noFields } from "./answer-fields.ts";
import { objects, readBody } from "./body-json.ts";
import { errorCodeOf, requestCode, responseCode } from "./codes.ts";
import { type Frame, FrameError, FrameReader, PartialFrames, prefixBytes, writePrefix } from "./frame.ts";
import { type OwnHeader, responseBit } from "./header.ts";
import { headerCodecs } from "./header-codecs.ts";
import { jsonHeaders } from "./header-json.ts";
import { HeaderMemory } from "./header-memory.ts";

/** How long a broker that stops waits for NameServers to hear of it: their clients find out without, a little later. */
const leaveMsMax = 1_000;

/** Only masters register: slaves of this broker there are none. */
const masterId = 0;
const brokerNames = ["brokerName", "brokerAddr", "clusterName"] as const;
const registerFields = new FieldNames([...brokerNames, "haServerAddr", "bodyCrc32"], {
  brokerId: String(masterId),
  enableActingMaster: "false",
  compressed: "false",
});
const routeFields = new FieldNames(["topic"], { acceptStandardJsonOnly: "true" });
const unregisterFields = new FieldNames(brokerNames, { brokerId: String(masterId) });

interface Answer {
  readonly body: Uint8Array;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: WasmqError) => void;
  readonly cancel: () => void;
}

/** A NameServer at the other end of a connection that speaks remoting (BrokerOuterAPI). */
export class RemotingNameServer implements NameServerLink {
  readonly address: string;
  readonly #dialer: Dialer;
  readonly #crc32: (bytes: Uint8Array) => number;
  readonly #after: (delayMs: number, run: () => void) => () => void;
  readonly #timeoutMs: number;
  #line: Line | undefined;
  #isClosed = false;
  #lost: () => void = () => {};

  constructor(given: {
    readonly address: string;
    readonly dialer: Dialer;
    /** CRC-32, unsigned. */
    readonly crc32: (bytes: Uint8Array) => number;
    /** Runs something after a while, unless what it returns is called. */
    readonly after: (delayMs: number, run: () => void) => () => void;
    readonly timeoutMs: number;
  }) {
    this.address = given.address;
    this.#dialer = given.dialer;
    this.#crc32 = given.crc32;
    this.#after = given.after;
    this.#timeoutMs = given.timeoutMs;
  }

  onLost(lost: () => void): void {
    this.#lost = lost;
  }

  async register(registration: BrokerRegistration): Promise<readonly string[]> {
    let ordered: readonly string[] = [];
    for (const body of registrationBodies(registration)) {
      const { brokerName, address, clusterName } = registration;
      // UtilAll.crc32 has no sign.
      const crc = this.#crc32(body) & 0x7fffffff;
      const fields = registerFields.of(brokerName, address, clusterName, haServerAddress(address), crc);
      const line = await this.#open();
      const answer = await line.request(requestCode.registerBroker, fields, body, this.#timeoutMs);
      if (answer.body.length > 0) ordered = Object.keys(objects([readBody(answer.body)["table"]])[0] ?? {});
    }
    return ordered;
  }

  async queues(topic: string): Promise<readonly BrokerQueues[] | undefined> {
    const line = await this.#open();
    let answer: Answer;
    try {
      const fields = routeFields.of(topic);
      answer = await line.request(requestCode.getRouteInfoByTopic, fields, noBytes, this.#timeoutMs);
    } catch (error) {
      if (error instanceof WasmqError && error.code === "TOPIC_NOT_EXIST") return undefined;
      throw error;
    }
    return objects(readBody(answer.body)["queueDatas"]).flatMap(({ brokerName, readQueueNums, perm }) =>
      typeof brokerName === "string" && isCount(readQueueNums) && isCount(perm)
        ? [{ brokerName, readQueueNums, perm }]
        : [],
    );
  }

  async unregister(registration: BrokerRegistration): Promise<void> {
    try {
      const { brokerName, address, clusterName } = registration;
      const fields = unregisterFields.of(brokerName, address, clusterName);
      await this.#line?.request(requestCode.unregisterBroker, fields, noBytes, leaveMsMax);
    } catch {
      // It hears of it by the end of the connection.
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#line?.close();
  }

  async #open(): Promise<Line> {
    if (this.#line !== undefined) return this.#line;
    await this.#dialer.dial(this.address, (connection) => {
      const line = new Line(this.address, connection, this.#after, () => {
        this.#line = undefined;
        if (!this.#isClosed) this.#lost();
      });
      this.#line = line;
      return line;
    });
    // As long as it took, much may have happened.
    const line = this.#line as Line | undefined;
    if (this.#isClosed) line?.close();
    if (line === undefined || this.#isClosed) throw closedError(this.address);
    return line;
  }
}

const noBytes = new Uint8Array(0);

/** An open connection: requests are matched with their answers. */
class Line implements ConnectionHandler {
  readonly #address: string;
  readonly #connection: Connection;
  readonly #after: (delayMs: number, run: () => void) => () => void;
  readonly #ended: () => void;
  readonly #frames: FrameReader;
  readonly #headerMemory = new HeaderMemory();
  readonly #waiting = new Map<number, Waiting>();
  #opaque = 0;

  constructor(
    address: string,
    connection: Connection,
    after: (delayMs: number, run: () => void) => () => void,
    ended: () => void,
  ) {
    this.#address = address;
    this.#connection = connection;
    this.#after = after;
    this.#ended = ended;
    this.#frames = new FrameReader(
      new PartialFrames(frameBytesMax),
      (frame) => this.#frame(frame),
      () => connection.close(),
    );
  }

  /** Rejects with REQUEST_TIMEOUT, CONNECTION_CLOSED, or what the other end refuses with. One that does not answer is left. */
  request(code: number, fields: AnswerFields, body: Uint8Array, timeoutMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const opaque = ++this.#opaque;
      const cancel = this.#after(timeoutMs, () => {
        this.#waiting.delete(opaque);
        reject(new WasmqError("REQUEST_TIMEOUT", `${this.#address} did not answer request ${code} in ${timeoutMs} ms`));
        this.#connection.abort();
      });
      this.#waiting.set(opaque, { resolve, reject, cancel });
      this.#send({ code, flag: 0, opaque, fields, remark: undefined }, body);
    });
  }

  close(): void {
    this.#connection.close();
  }

  received(bytes: Uint8Array): void {
    try {
      this.#frames.push(bytes);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#connection.close();
    }
  }

  closed(): void {
    this.#frames.end();
    for (const { reject, cancel } of this.#waiting.values()) {
      cancel();
      reject(closedError(this.#address));
    }
    this.#waiting.clear();
    this.#ended();
  }

  #frame(frame: Frame): void {
    // An Apache NameServer answers with headers of the kind it is set to, whatever it was asked with.
    const codec = headerCodecs[frame.serializeType];
    if (codec === undefined) throw new FrameError(`headers of serialize type ${frame.serializeType} are not read`);
    const { source, headerAt, bodyAt } = frame;
    const { code, opaque, isResponse, isOneway } = codec.read(source, headerAt, bodyAt, this.#headerMemory);
    if (!isResponse) {
      if (isOneway) return;
      const remark = ` request type ${code} not supported`;
      const refused = {
        code: responseCode.requestCodeNotSupported,
        flag: responseBit,
        opaque,
        fields: noFields,
        remark,
      };
      this.#send(refused, noBytes);
      return;
    }
    const waiting = this.#waiting.get(opaque);
    if (waiting === undefined) return;
    this.#waiting.delete(opaque);
    waiting.cancel();
    if (code === responseCode.success) waiting.resolve({ body: frame.body.slice() });
    else {
      const remark = codec.remark(source, headerAt, bodyAt) ?? "";
      waiting.reject(new WasmqError(errorCodeOf(code), `refused with ${code}: ${remark}`));
    }
  }

  #send(header: OwnHeader, body: Uint8Array): void {
    const start = new Uint8Array(prefixBytes + jsonHeaders.bytesMax(header));
    const end = jsonHeaders.write(header, start, prefixBytes);
    writePrefix(start, 0, jsonHeaders.serializeType, end - prefixBytes, body.length);
    const head = start.subarray(0, end);
    this.#connection.send(body.length > 0 ? [head, body] : [head]);
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= queuesPerTopicMax;
}

function closedError(address: string): WasmqError {
  return new WasmqError("CONNECTION_CLOSED", `the connection to ${address} is closed`);
}

/** Where slaves would replicate from: the port above, as Apache's broker has it. */
function haServerAddress(address: string): string {
  const colon = address.lastIndexOf(":");
  return `${address.slice(0, colon)}:${Number(address.slice(colon + 1)) + 1}`;
}

/** RegisterBrokerBody; several where one would be larger than a frame. */
function* registrationBodies({ version, topics }: BrokerRegistration): Generator<Uint8Array> {
  const { counter, stateVersion, timestamp } = version;
  const dataVersion = JSON.stringify({ counter, stateVersion, timestamp });
  const body = (entries: readonly string[]): Uint8Array =>
    encodeUtf8(
      `{"filterServerList":[],"topicConfigSerializeWrapper":{"dataVersion":${dataVersion},"topicConfigTable":{${entries.join(",")}}}}`,
    );
  let entries: string[] = [];
  let chars = 0;
  for (const topic of topics) {
    const entry = `${JSON.stringify(topic.topicName)}:${topicJson(topic)}`;
    if (chars + entry.length > registrationPartCharsMax) {
      yield body(entries);
      entries = [];
      chars = 0;
    }
    entries.push(entry);
    chars += entry.length;
  }
  yield body(entries);
}

function topicJson(topic: TopicConfig): string {
  const { attributes, order, perm, readQueueNums, topicFilterType, topicName, topicSysFlag, writeQueueNums } = topic;
  return JSON.stringify({
    attributes,
    order,
    perm,
    readQueueNums,
    topicFilterType,
    topicName,
    topicSysFlag,
    writeQueueNums,
  });
}
