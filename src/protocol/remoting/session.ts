import type { Client, PushedReply, ToldReset, TransactionCheck } from "../../broker/client/client.ts";
import { frameMsMax, outputChunkBytesMax, requestBytesMin, sendBufferBytesMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Connection, ConnectionHandler } from "../../ports/network.ts";
import { type AnswerFields, FieldNames, noFields } from "./answer-fields.ts";
import { numberOf, requestCode } from "./codes.ts";
import { Frame, FrameError, FrameReader, prefixBytes, writePrefix } from "./frame.ts";
import { type Header, type HeaderCodec, type OwnHeader, onewayBit, responseBit } from "./header.ts";
import { headerCodecs } from "./header-codecs.ts";
import { jsonHeaders } from "./header-json.ts";
import { type KeptRequest, KeptRequests, type ResumedRequest } from "./kept.ts";
import { tellReset } from "./offset-reset.ts";
import type { Remoting } from "./remoting.ts";
import { pushReply } from "./reply.ts";

const noBytes = new Uint8Array(0);
const noFrame = new Frame(noBytes, 0, 0, 0);
const consumerGroupField = new FieldNames(["consumerGroup"]);
const transactionCheckFields = new FieldNames([
  "topic",
  "tranStateTableOffset",
  "commitLogOffset",
  "msgId",
  "transactionId",
  "offsetMsgId",
  "bname",
]);

/** The way back to who made a request: all that is kept of it while its answer is awaited, for some a minute long. */
export class Answer {
  readonly isOneway: boolean;
  readonly #session: Session;
  /** That of the request: C++ clients read nothing but JSON. */
  readonly #codec: HeaderCodec;
  readonly #code: number;
  readonly opaque: number;
  readonly #version: number;
  #claimedBytes = 0;

  constructor(session: Session, codec: HeaderCodec, header: Header, isOneway: boolean) {
    this.isOneway = isOneway;
    this.#session = session;
    this.#codec = codec;
    this.#code = header.code;
    this.opaque = header.opaque;
    this.#version = header.version;
  }

  /** The request needs this many bytes until it is answered. Throws SYSTEM_BUSY when there is no room for more such requests. */
  claim(bytes: number): void {
    const claimed = Math.max(bytes, requestBytesMin);
    this.#session.claim(claimed);
    this.#claimedBytes = claimed;
  }

  /** Nothing more comes of the request: what it claimed is free. A reply says so by itself. */
  done(): void {
    if (this.#claimedBytes === 0) return;
    this.#session.unclaim(this.#claimedBytes);
    this.#claimedBytes = 0;
  }

  /** A one-way request is never answered. */
  reply(code: number, fields: AnswerFields = noFields, remark?: string, body: Uint8Array = noBytes): void {
    this.done();
    if (this.isOneway) return;
    const { opaque } = this;
    this.#session.answered(opaque);
    this.#session.write(this.#codec, { code, flag: responseBit, opaque, fields, remark }, body);
  }

  fail(error: unknown): void {
    if (error instanceof WasmqError) {
      this.reply(numberOf(error.code, this.#version), noFields, error.message);
      return;
    }
    // Ours, not the client's: the one place where a bug shows without ending the broker.
    this.#session.remoting.unexpected(error, this.#code);
    this.reply(numberOf("SYSTEM_ERROR", 0), noFields, error instanceof Error ? error.message : String(error));
  }
}

/** One request. Its frame is there until the handler returns. */
export class Request {
  readonly session: Session;
  readonly header: Header;
  readonly answer: Answer;
  #frame: Frame;
  #body: Uint8Array | undefined;
  /** When it first came, if it is handled again since the connection outlived the broker's memory. */
  readonly resumedFromMs: number | undefined;

  constructor(session: Session, codec: HeaderCodec, header: Header, frame: Frame, resumed: ResumedRequest | undefined) {
    this.session = session;
    this.header = header;
    this.answer = new Answer(session, codec, header, header.isOneway || resumed?.isAwaited === false);
    this.#frame = frame;
    this.resumedFromMs = resumed?.atMs;
  }

  get body(): Uint8Array {
    this.#body ??= this.#frame.body;
    return this.#body;
  }

  get frameBytes(): number {
    return this.#frame.end - this.#frame.start;
  }

  /** The handler has returned: what it waits for must not hold on to the bytes that came. */
  letGo(): void {
    this.#frame = noFrame;
    this.#body = undefined;
  }

  get cameAtMs(): number {
    return this.resumedFromMs ?? this.session.remoting.nowMs();
  }

  /** The request for keeping. */
  kept(): KeptRequest {
    return { atMs: this.cameAtMs, frame: this.#frame.bytes.slice() };
  }

  /** The same of one whose body means nothing. */
  keptHeader(): KeptRequest {
    const { source, start, bodyAt, serializeType } = this.#frame;
    const frame = source.slice(start, bodyAt);
    writePrefix(frame, 0, serializeType, bodyAt - start - prefixBytes, 0);
    return { atMs: this.cameAtMs, frame };
  }

  /** See `Answer.reply`. */
  reply(code: number, fields?: AnswerFields, remark?: string, body?: Uint8Array): void {
    this.answer.reply(code, fields, remark, body);
  }
}

/** What a client answered to a request of the broker's. */
export interface ClientAnswer {
  readonly code: number;
  readonly remark: string | undefined;
  readonly body: Uint8Array;
}

interface Asked {
  readonly resolve: (answer: ClientAnswer) => void;
  readonly reject: (error: WasmqError) => void;
  readonly cancel: () => void;
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
  /** The connection is about to end: nothing more is read, what is queued still leaves. */
  #isEnding = false;
  /** Of the last request: how the client is told what it did not ask for. */
  #codec = jsonHeaders;
  #opaque = 0;
  /** What the client was asked and has not answered, by its number. */
  readonly #asked = new Map<number, Asked>();
  #claimedBytes = 0;
  /** When the frame began that is not yet whole, on the monotonic clock. */
  #unfinishedSinceMs: number | undefined;
  #framesRead = 0;
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
    if (this.#isClosed || this.#isEnding) return;
    const framesBefore = this.#framesRead;
    try {
      this.#frames.push(bytes);
      this.#watchUnfinished(this.#framesRead > framesBefore);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#refuse(error.message);
    }
  }

  /** See `Answer.claim`. */
  claim(bytes: number): void {
    const { requestBytesMax } = this.remoting.options.budget;
    if (this.#claimedBytes >= requestBytesMax) {
      throw this.remoting.overloaded(
        `requests of this connection wait for their answers (requestBytesMax: ${requestBytesMax})`,
      );
    }
    this.remoting.claim(bytes);
    this.#claimedBytes += bytes;
  }

  unclaim(bytes: number): void {
    this.#claimedBytes -= bytes;
    this.remoting.unclaim(bytes);
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
    for (const [opaque, { reject }] of [...this.#asked]) {
      this.#taken(opaque);
      reject(new WasmqError("CONNECTION_CLOSED", `the connection of ${this.address} is closed`));
    }
    this.remoting.options.disconnected(this);
  }

  notifyConsumerIdsChanged(group: string): void {
    this.tell(requestCode.notifyConsumerIdsChanged, consumerGroupField.of(group), noBytes);
  }

  tellReset(reset: ToldReset): void {
    tellReset(this, reset);
  }

  /** Tells the client something that it does not answer. */
  tell(code: number, fields: AnswerFields, body: Uint8Array): void {
    this.write(this.#codec, { code, flag: onewayBit, opaque: ++this.#opaque, fields, remark: undefined }, body);
  }

  pushReply(reply: PushedReply): Promise<void> {
    return pushReply(this, reply);
  }

  /**
   * Asks the client something (Broker2Client.callClient); what it answered, whatever its code. Rejects with REQUEST_TIMEOUT or
   * CONNECTION_CLOSED.
   */
  ask(code: number, fields: AnswerFields, body: Uint8Array, timeoutMs: number): Promise<ClientAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed || this.#isEnding) {
        reject(new WasmqError("CONNECTION_CLOSED", `the connection of ${this.address} is closed`));
        return;
      }
      const opaque = ++this.#opaque;
      const cancel = this.remoting.options.after(timeoutMs, () => {
        this.#taken(opaque);
        reject(new WasmqError("REQUEST_TIMEOUT", `${this.address} did not answer request ${code} in ${timeoutMs} ms`));
      });
      this.#asked.set(opaque, { resolve, reject, cancel });
      this.write(this.#codec, { code, flag: 0, opaque, fields, remark: undefined }, body);
    });
  }

  checkTransactionState(check: TransactionCheck): void {
    const { halfTopic, queueOffset, physicalOffset, uniqueKey, offsetMessageId, brokerName, record } = check;
    const fields = transactionCheckFields.of(
      ...[halfTopic, queueOffset, physicalOffset, uniqueKey, uniqueKey, offsetMessageId, brokerName],
    );
    this.tell(requestCode.checkTransactionState, fields, record);
  }

  /** Queues a frame. All that is queued in one turn leaves as one write. */
  write(codec: HeaderCodec, header: OwnHeader, body: Uint8Array): void {
    if (this.#isClosed || this.#isEnding) return;
    if (this.#outLength === 0 && this.#chunks.length === 0) this.remoting.flushSoon(this);
    const direct = body.length > this.#directBytesMin;
    this.#reserve(prefixBytes + codec.bytesMax(header) + (direct ? 0 : body.length));
    const headerAt = this.#outLength + prefixBytes;
    const headerEnd = codec.write(header, this.#out, headerAt);
    writePrefix(this.#out, this.#outLength, codec.serializeType, headerEnd - headerAt, body.length);
    const bytes = headerEnd - this.#outLength + body.length;
    this.#outLength = headerEnd;
    this.#queuedBytes += bytes;
    this.remoting.queued(bytes);
    if (this.#unreadBytes > this.remoting.options.budget.unsentBytesMax) {
      this.abort();
      return;
    }
    if (direct) {
      this.#cut();
      this.#chunks.push(body);
    } else {
      this.#out.set(body, this.#outLength);
      this.#outLength += body.length;
      if (this.#outLength > outputChunkBytesMax) this.#cut();
    }
  }

  /** Ends the connection behind what is queued; what still arrives is not looked at. */
  end(): void {
    if (this.#isClosed || this.#isEnding) return;
    this.flush();
    this.#isEnding = true;
    this.#frames.end();
    this.connection.close();
  }

  /** Ends the connection of a peer that does not read; what it has not read is dropped. */
  abort(): void {
    if (this.#isClosed || this.#isEnding) return;
    this.#isEnding = true;
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
      if (!this.#isClosed) this.connection.keep?.(this.#kept?.encode(this.#codec));
    });
  }

  #cut(): void {
    if (this.#outLength === 0) return;
    this.#chunks.push(this.#out.slice(0, this.#outLength));
    this.#outLength = 0;
    // That one answer was large is no reason to keep its room.
    if (this.#out.length > 4 * outputChunkBytesMax) this.#out = new Uint8Array(1024);
  }

  #reserve(bytes: number): void {
    if (this.#outLength + bytes <= this.#out.length) return;
    if (this.#outLength > outputChunkBytesMax / 2) this.#cut();
    if (this.#outLength + bytes <= this.#out.length) return;
    const larger = new Uint8Array(2 * (this.#outLength + bytes));
    larger.set(this.#out.subarray(0, this.#outLength));
    this.#out = larger;
  }

  /** A peer that sends a byte now and then is not idle, and has its connection for as long as a frame may take. */
  #watchUnfinished(isAnother: boolean): void {
    if (!this.#frames.isUnfinished) {
      this.#unfinishedSinceMs = undefined;
      return;
    }
    const nowMs = this.remoting.monotonicMs();
    if (isAnother || this.#unfinishedSinceMs === undefined) this.#unfinishedSinceMs = nowMs;
    else if (nowMs - this.#unfinishedSinceMs > frameMsMax) this.#refuse(`a frame took longer than ${frameMsMax} ms`);
  }

  #frame(frame: Frame): void {
    this.#framesRead++;
    if (this.#isClosed || this.#isEnding) return;
    const codec = headerCodecs[frame.serializeType];
    if (codec === undefined) throw new FrameError(`headers of serialize type ${frame.serializeType} are not read`);
    const header = codec.read(frame.source, frame.headerAt, frame.bodyAt, this.remoting.headerMemory);
    this.#codec = codec;
    if (header.isResponse) {
      const asked = this.#taken(header.opaque);
      if (asked === undefined) return;
      const remark = codec.remark(frame.source, frame.headerAt, frame.bodyAt);
      asked.resolve({ code: header.code, remark, body: frame.body.slice() });
      return;
    }
    const request = new Request(this, codec, header, frame, this.#resumed);
    this.remoting.handle(request);
    request.letGo();
  }

  #taken(opaque: number): Asked | undefined {
    const asked = this.#asked.get(opaque);
    this.#asked.delete(opaque);
    asked?.cancel();
    return asked;
  }

  #refuse(reason: string): void {
    if (this.#isClosed || this.#isEnding) return;
    this.remoting.refused(this.address, reason);
    this.end();
  }
}
