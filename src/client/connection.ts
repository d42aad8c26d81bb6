import { frameBytesMax } from "../limits.ts";
import { decodeUtf8, encodeUtf8 } from "../ports/text.ts";
import { requestCode, responseCode } from "../protocol/remoting/codes.ts";
import {
  type Frame,
  FrameError,
  FrameReader,
  type PartialFrames,
  prefixBytes,
  serializeType,
  writePrefix,
} from "../protocol/remoting/frame.ts";
import type { Carrier, Line, LineEvents } from "./carrier.ts";
import type { ClientClock } from "./clock.ts";
import { ClientError } from "./error.ts";

export type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/** What a NameServer or a broker answered, whatever its code. */
export interface Response {
  readonly code: number;
  readonly remark: string | undefined;
  readonly fields: Readonly<Record<string, string>>;
  /** The receiver's own. */
  readonly body: Uint8Array;
}

/** A request of the broker's. */
export interface BrokerRequest {
  readonly code: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** What a request of the broker's is answered with; nobody hears it if the request was one-way. */
export interface BrokerReply {
  readonly code: number;
  readonly remark?: string;
  readonly body?: Uint8Array;
}

export interface ConnectionOwner {
  readonly clock: ClientClock;
  readonly partialFrames: PartialFrames;
  asked(request: BrokerRequest, connection: Connection): BrokerReply;
  closed(connection: Connection): void;
}

export interface RequestOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

interface Waiting {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: unknown) => void;
  readonly release: () => void;
}

/** V5_5_0 of org.apache.rocketmq.common.MQVersion: what brokers may expect of this client. */
const version = 513;
/** LanguageCode: of those that every broker's generation knows, the one that promises least. */
const language = "OTHER";

const responseBit = 1;
const onewayBit = 2;
const noBytes = new Uint8Array(0);

/** One open line that speaks remoting: requests are matched with their answers, in whatever order these come. */
export class Connection implements LineEvents {
  readonly address: string;
  readonly #owner: ConnectionOwner;
  readonly #frames: FrameReader;
  readonly #waiting = new Map<number, Waiting>();
  #line: Line | undefined;
  #isClosed = false;
  #opaque = 0;
  #chunks: Uint8Array[] = [];

  private constructor(address: string, owner: ConnectionOwner) {
    this.address = address;
    this.#owner = owner;
    this.#frames = new FrameReader(
      owner.partialFrames,
      (frame) => this.#frame(frame),
      () => this.close(),
    );
  }

  static async open(
    carrier: Carrier,
    address: string,
    owner: ConnectionOwner,
    signal: AbortSignal,
  ): Promise<Connection> {
    const connection = new Connection(address, owner);
    connection.#line = await carrier.dial(address, connection, signal);
    return connection;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** None once it is closed, although a WebSocket counts on for ever what did not leave. */
  get unsentBytes(): number {
    return this.#isClosed ? 0 : (this.#line?.unsentBytes ?? 0);
  }

  /**
   * Resolves with the answer, whatever its code. Rejects with REQUEST_TIMEOUT, CONNECTION_CLOSED or the signal's reason: then
   * the request may have been done or not.
   */
  request(code: number, fields: Fields, body: Uint8Array, { timeoutMs, signal }: RequestOptions): Promise<Response> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      if (this.#isClosed) {
        reject(this.#closedError());
        return;
      }
      const opaque = this.#nextOpaque();
      const fail = (error: unknown): void => {
        this.#take(opaque);
        reject(error);
      };
      const aborted = (): void => fail(signal!.reason);
      const cancel = this.#owner.clock.after(timeoutMs, () =>
        fail(new ClientError("REQUEST_TIMEOUT", `${this.address} did not answer request ${code} in ${timeoutMs} ms`)),
      );
      signal?.addEventListener("abort", aborted, { once: true });
      const release = (): void => {
        cancel();
        signal?.removeEventListener("abort", aborted);
      };
      this.#waiting.set(opaque, { resolve, reject, release });
      try {
        this.#write(code, opaque, 0, fields, body);
      } catch (error) {
        fail(error);
      }
    });
  }

  /** Sends without asking for an answer. Nobody knows whether it arrives. */
  oneway(code: number, fields: Fields, body: Uint8Array): void {
    if (this.#isClosed) throw this.#closedError();
    this.#write(code, this.#nextOpaque(), onewayBit, fields, body);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#flush();
    this.#line?.close();
    this.closed();
  }

  received(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      this.#frames.push(bytes);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.close();
    }
  }

  closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#frames.end();
    this.#chunks = [];
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject, release } of waiting) {
      release();
      reject(this.#closedError());
    }
    this.#owner.closed(this);
  }

  #closedError(): ClientError {
    return new ClientError("CONNECTION_CLOSED", `the connection to ${this.address} is closed`);
  }

  #take(opaque: number): Waiting | undefined {
    const waiting = this.#waiting.get(opaque);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(opaque);
    waiting.release();
    return waiting;
  }

  /** Never one that still waits, after 2^31 of them. */
  #nextOpaque(): number {
    do this.#opaque = (this.#opaque + 1) & 0x7fffffff;
    while (this.#waiting.has(this.#opaque));
    return this.#opaque;
  }

  #frame(frame: Frame): void {
    if (this.#isClosed) return;
    if (frame.serializeType !== serializeType.json) {
      throw new FrameError(`headers of serialize type ${frame.serializeType} are not read`);
    }
    const read = readHeader(frame.header);
    const { body } = frame;
    if ((read.flag & responseBit) !== 0) {
      this.#take(read.opaque)?.resolve({ ...read, body: body.slice() });
      return;
    }
    const reply = this.#owner.asked({ ...read, body }, this);
    if ((read.flag & onewayBit) !== 0 || this.#isClosed) return;
    this.#write(reply.code, read.opaque, responseBit, {}, reply.body ?? noBytes, reply.remark);
  }

  #write(code: number, opaque: number, flag: number, extFields: Fields, body: Uint8Array, remark?: string): void {
    const texts: Record<string, string> = {};
    for (const name in extFields) {
      const value = extFields[name];
      if (value !== undefined) texts[name] = String(value);
    }
    const header = encodeUtf8(
      JSON.stringify({
        code,
        extFields: texts,
        flag,
        language,
        opaque,
        remark,
        serializeTypeCurrentRPC: "JSON",
        version,
      }),
    );
    const bytes = prefixBytes + header.length + body.length;
    if (bytes > frameBytesMax) {
      throw new ClientError("MESSAGE_ILLEGAL", `a request of ${bytes} bytes: allowed are ${frameBytesMax}`);
    }
    const start = new Uint8Array(prefixBytes + header.length);
    writePrefix(start, 0, serializeType.json, header.length, body.length);
    start.set(header, prefixBytes);
    if (this.#chunks.length === 0) this.#owner.clock.soon(() => this.#flush());
    this.#chunks.push(start);
    if (body.length > 0) this.#chunks.push(body);
  }

  #flush(): void {
    const chunks = this.#chunks;
    this.#chunks = [];
    if (chunks.length > 0 && !this.#isClosed) this.#line?.send(chunks);
  }
}

/** Succeeds or throws the answer as a `ClientError`. */
export function succeeded(response: Response, what: string): Response {
  if (response.code !== responseCode.success) throw ClientError.ofAnswer(response.code, response.remark, what);
  return response;
}

/** A field of an answer that must be a number this client can hold. */
export function numberField(response: Response, name: string): number {
  const value = Number(response.fields[name]);
  if (response.fields[name] === undefined || !Number.isSafeInteger(value)) {
    throw new ClientError("SYSTEM_ERROR", `the answer's field ${name} is no offset: ${response.fields[name]}`);
  }
  return value;
}

interface Header {
  readonly code: number;
  readonly opaque: number;
  readonly flag: number;
  readonly remark: string | undefined;
  readonly fields: Readonly<Record<string, string>>;
}

function readHeader(bytes: Uint8Array): Header {
  let value: unknown;
  try {
    value = JSON.parse(decodeUtf8(bytes));
  } catch {
    value = undefined;
  }
  const { code, opaque, flag, remark, extFields } = (value ?? {}) as Record<string, unknown>;
  if (typeof code !== "number" || typeof opaque !== "number") {
    throw new FrameError("a header that is no JSON object with code and opaque");
  }
  return {
    code,
    opaque,
    flag: typeof flag === "number" ? flag : 0,
    remark: typeof remark === "string" ? remark : undefined,
    fields: typeof extFields === "object" && extFields !== null ? (extFields as Record<string, string>) : {},
  };
}

export { requestCode, responseCode };
