import type { Client } from "../../broker/client/client.ts";
import { outputChunkBytesMax, sendBufferBytesMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Connection, ConnectionHandler } from "../../ports/network.ts";
import { encodeUtf8Into } from "../../ports/text.ts";
import { numberOf, requestCode } from "./codes.ts";
import { type Frame, FrameError, FrameReader, prefixBytes, writePrefix } from "./frame.ts";
import { type Header, readHeader, writeFields, writeOneway, writeResponse } from "./header-json.ts";
import { type KeptRequest, KeptRequests, type ResumedRequest } from "./kept.ts";
import type { Remoting } from "./remoting.ts";

const jsonSerializeType = 0;
const noBytes = new Uint8Array(0);

/** The way back to who made a request: all that is kept of it while its answer is awaited, for some a minute long. */
export class Answer {
  readonly isOneway: boolean;
  readonly #session: Session;
  readonly #code: number;
  readonly opaque: number;
  readonly #version: number;

  constructor(session: Session, header: Header, isOneway: boolean) {
    this.isOneway = isOneway;
    this.#session = session;
    this.#code = header.code;
    this.opaque = header.opaque;
    this.#version = header.version;
  }

  /** `extFields` as `writeFields` makes them. A one-way request is never answered. */
  reply(code: number, extFields = "", remark?: string, body: Uint8Array = noBytes): void {
    if (this.isOneway) return;
    this.#session.answered(this.opaque);
    this.#session.write(writeResponse(code, this.opaque, extFields, remark), body);
  }

  fail(error: unknown): void {
    if (error instanceof WasmqError) {
      this.reply(numberOf(error.code, this.#version), "", error.message);
      return;
    }
    // Ours, not the client's: the one place where a bug shows without ending the broker.
    this.#session.remoting.unexpected(error, this.#code);
    this.reply(numberOf("SYSTEM_ERROR", 0), "", error instanceof Error ? error.message : String(error));
  }
}

/** One request. Its frame is there until the handler returns. */
export class Request {
  readonly session: Session;
  readonly header: Header;
  readonly answer: Answer;
  /** The whole frame, and in it the body. */
  frame: Uint8Array;
  body: Uint8Array;
  /** When it first came, if it is handled again since the connection outlived the broker's memory. */
  readonly resumedFromMs: number | undefined;

  constructor(session: Session, header: Header, frame: Frame, resumed: ResumedRequest | undefined) {
    this.session = session;
    this.header = header;
    this.answer = new Answer(session, header, header.isOneway || resumed?.isAwaited === false);
    this.frame = frame.bytes;
    this.body = frame.body;
    this.resumedFromMs = resumed?.atMs;
  }

  get cameAtMs(): number {
    return this.resumedFromMs ?? this.session.remoting.nowMs();
  }

  /** The request for keeping. */
  kept(): KeptRequest {
    return { atMs: this.cameAtMs, frame: this.frame.slice() };
  }

  /** The same of one whose body means nothing. */
  keptHeader(): KeptRequest {
    const headerEnd = this.frame.length - this.body.length;
    const frame = this.frame.slice(0, headerEnd);
    writePrefix(frame, 0, headerEnd - prefixBytes, 0);
    return { atMs: this.cameAtMs, frame };
  }

  /** See `Answer.reply`. */
  reply(code: number, extFields?: string, remark?: string, body?: Uint8Array): void {
    this.answer.reply(code, extFields, remark, body);
  }
}

/** One connection that speaks remoting. */
export class Session implements ConnectionHandler, Client {
  readonly remoting: Remoting;
  readonly connection: Connection;
  readonly address: string;
  /** The client's address as records have it. */
  readonly bornHost: Uint8Array;
  readonly #frames: FrameReader;
  readonly #kept: KeptRequests | undefined;
  #keepingSoon = false;
  #resumed: ResumedRequest | undefined;
  #isClosed = false;
  /** What arrived can't be understood: nothing more is read, what is queued still leaves. */
  #isRefused = false;
  #opaque = 0;
  #chunks: Uint8Array[] = [];
  #queuedBytes = 0;
  #out = new Uint8Array(1024);
  #outLength = 0;

  constructor(remoting: Remoting, connection: Connection) {
    this.remoting = remoting;
    this.connection = connection;
    this.address = `${connection.remoteAddress}:${connection.remotePort}`;
    this.bornHost = remoting.options.encodeHost(connection.remoteAddress, connection.remotePort);
    this.#kept = connection.keep === undefined ? undefined : new KeptRequests();
    this.#frames = new FrameReader(
      remoting.partialFrames,
      (frame) => this.#frame(frame),
      (reason) => this.#refuse(reason),
    );
  }

  get isBehind(): boolean {
    return this.#unreadBytes > sendBufferBytesMax || this.remoting.isFull;
  }

  received(bytes: Uint8Array): void {
    if (this.#isClosed || this.#isRefused) return;
    try {
      this.#frames.push(bytes);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#refuse(error.message);
    }
  }

  /** Changes what is kept of the connection, where its host keeps anything. */
  keep(change: (kept: KeptRequests) => void): void {
    if (this.#kept === undefined) return;
    change(this.#kept);
    this.#keepSoon();
  }

  answered(opaque: number): void {
    if (this.#kept?.answered(opaque) === true) this.#keepSoon();
  }

  /** Handles again what the connection was kept by. */
  resume(state: Uint8Array): void {
    for (const resumed of KeptRequests.decode(state)) {
      this.#resumed = resumed;
      this.#frames.push(resumed.frame);
    }
    this.#resumed = undefined;
  }

  closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#frames.end();
    this.#chunks = [];
    this.remoting.options.disconnected(this);
  }

  notifyConsumerIdsChanged(group: string): void {
    const fields = writeFields({ consumerGroup: group });
    this.write(writeOneway(requestCode.notifyConsumerIdsChanged, ++this.#opaque, fields), noBytes);
  }

  /** Queues a frame. All that is queued in one turn leaves as one write. */
  write(header: string, body: Uint8Array): void {
    if (this.#isClosed || this.#isRefused) return;
    const bytes = prefixBytes + header.length + body.length;
    this.#queuedBytes += bytes;
    this.remoting.queued(bytes);
    if (this.#unreadBytes > this.remoting.options.budget.unsentBytesMax) {
      this.abort();
      return;
    }
    if (this.#outLength === 0 && this.#chunks.length === 0) this.remoting.flushSoon(this);
    const direct = body.length > this.#directBytesMin;
    this.#reserve(prefixBytes + 3 * header.length + (direct ? 0 : body.length));
    const headerLength = encodeUtf8Into(header, this.#out, this.#outLength + prefixBytes);
    writePrefix(this.#out, this.#outLength, headerLength, body.length);
    this.#outLength += prefixBytes + headerLength;
    if (direct) {
      this.#cut();
      this.#chunks.push(body);
    } else {
      this.#out.set(body, this.#outLength);
      this.#outLength += body.length;
      if (this.#outLength > outputChunkBytesMax) this.#cut();
    }
  }

  /** Ends the connection of a peer that does not read; what it has not read is dropped. */
  abort(): void {
    if (this.#isClosed || this.#isRefused) return;
    this.#isRefused = true;
    this.#frames.end();
    this.#chunks = [];
    this.#outLength = 0;
    this.#queuedBytes = 0;
    this.remoting.refused(this.address, "too many bytes of answers unread");
    this.connection.abort();
  }

  flush(): void {
    this.#cut();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#queuedBytes = 0;
    if (!this.#isClosed && chunks.length > 0) this.connection.send(chunks);
  }

  get #unreadBytes(): number {
    return this.#queuedBytes + this.connection.unsentBytes;
  }

  /** A body larger than this is sent as it is rather than copied. */
  readonly #directBytesMin = 4096;

  /** Once for all that changes in a turn. */
  #keepSoon(): void {
    if (this.#keepingSoon) return;
    this.#keepingSoon = true;
    this.remoting.soon(() => {
      this.#keepingSoon = false;
      if (!this.#isClosed) this.connection.keep?.(this.#kept?.encode());
    });
  }

  #cut(): void {
    if (this.#outLength === 0) return;
    this.#chunks.push(this.#out.slice(0, this.#outLength));
    this.#outLength = 0;
  }

  #reserve(bytes: number): void {
    if (this.#outLength + bytes <= this.#out.length) return;
    if (this.#outLength > outputChunkBytesMax / 2) this.#cut();
    if (this.#outLength + bytes <= this.#out.length) return;
    const larger = new Uint8Array(2 * (this.#outLength + bytes));
    larger.set(this.#out.subarray(0, this.#outLength));
    this.#out = larger;
  }

  #frame(frame: Frame): void {
    if (this.#isClosed || this.#isRefused) return;
    if ((frame.serializeType & 0x7f) !== jsonSerializeType) {
      throw new FrameError(`headers of serialize type ${frame.serializeType} are not read`);
    }
    const header = readHeader(frame.header);
    if (header === undefined) throw new FrameError("a header that is no JSON object with code and opaque");
    if (header.isResponse) return;
    const request = new Request(this, header, frame, this.#resumed);
    this.remoting.handle(request);
    request.frame = noBytes;
    request.body = noBytes;
  }

  #refuse(reason: string): void {
    if (this.#isClosed || this.#isRefused) return;
    this.#isRefused = true;
    this.#frames.end();
    this.remoting.refused(this.address, reason);
    this.flush();
    this.connection.close();
  }
}
