/**
 * A Worker with the engine in a Durable Object and, beside it in the same object, the storage alone. `bench/edge.ts` asks:
 *
 * - `/engine?batch=16&ms=1000&how=sends`: 16 sends at a time (`how=batch`: one batch message of 16), until so many milliseconds are over
 * - `/raw?batch=16&ms=1000`: the same bytes as one row and one `sync` at a time
 * - `/counts`: what happened since the last time it was asked
 * - WebSockets: the broker, which is its own NameServer
 */
import { DurableObject } from "cloudflare:workers";
import { ObjectBroker, type ObjectContext } from "../../src/hosts/durable-object/index.ts";

interface Env {
  readonly BENCH: DurableObjectNamespace<BenchObject>;
}

/** Of one run. */
export interface Measured {
  readonly records: number;
  readonly ms: number;
  readonly rowsWritten: number;
}

/** Since they were last asked for. */
export interface Counts {
  readonly lives: number;
  readonly messages: number;
  readonly alarms: number;
  readonly rowsWritten: number;
}

export default {
  fetch: (request: Request, env: Env) => env.BENCH.get(env.BENCH.idFromName("bench")).fetch(request),
};

const bodyBytes = 1024;
const sendMessageV2 = 310;
const sendBatchMessage = 320;
const utf8 = new TextDecoder();

/** Of the module and not of the object: the platform evicts an object that is idle, and keeps its module. */
const since = { lives: 0, messages: 0, alarms: 0, rowsWritten: 0 };

export class BenchObject extends DurableObject<Env> {
  readonly #broker: ObjectBroker;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    since.lives++;
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS raw (at INTEGER PRIMARY KEY, bytes BLOB NOT NULL)");
    this.#broker = new ObjectBroker(this.#counted(ctx), { brokerAddress: (origin) => `${origin}/` });
  }

  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const number = (name: string) => Number(url.searchParams.get(name));
    switch (url.pathname) {
      case "/engine":
        return Response.json(
          await this.#engine(number("batch"), number("ms"), url.searchParams.get("how") === "batch"),
        );
      case "/raw":
        return Response.json(await this.#raw(number("batch"), number("ms")));
      case "/counts":
        return Response.json(this.#counts());
    }
    const [client, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    this.#broker.sockets.accept(server, { remoteAddress: "127.0.0.1", origin: `ws://${url.host}` });
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketMessage(socket: WebSocket, message: ArrayBuffer | string): void {
    since.messages++;
    this.#broker.sockets.message(socket, message);
  }

  override webSocketClose(socket: WebSocket): void {
    this.#broker.sockets.closed(socket);
  }

  override alarm(): void {
    since.alarms++;
    this.#broker.alarm();
  }

  async #engine(batch: number, ms: number, asOne: boolean): Promise<Measured> {
    const frames = asOne ? [batchFrame(batch)] : Array.from({ length: batch }, (_, i) => sendFrame(i));
    const bytes = joined(frames);
    let answered = (): void => {};
    let missing = 0;
    let failure: string | undefined;
    const close = (): void => {};
    const handler = this.#broker.broker.accept({
      ...{ remoteAddress: "127.0.0.1", remotePort: 1, localAddress: "127.0.0.1", localPort: 1, unsentBytes: 0 },
      send(chunks) {
        // Answers to sends are headers without bodies.
        const answers = utf8.decode(joined(chunks));
        const [, ...succeeded] = answers.split('"code":0,');
        if (answers.split('"opaque":').length - 1 !== succeeded.length) failure = answers;
        missing -= succeeded.length;
        if (missing <= 0) answered();
      },
      ...{ abort: close, close },
    });
    const rowsBefore = since.rowsWritten;
    const startMs = performance.now();
    let records = 0;
    while (performance.now() - startMs < ms) {
      missing = frames.length;
      const all = new Promise<void>((resolve) => {
        answered = resolve;
      });
      handler.received(bytes);
      await all;
      if (failure !== undefined) throw new Error(failure);
      records += batch;
    }
    const tookMs = performance.now() - startMs;
    handler.closed();
    return { records, ms: tookMs, rowsWritten: since.rowsWritten - rowsBefore };
  }

  async #raw(batch: number, ms: number): Promise<Measured> {
    const { storage } = this.ctx;
    const bytes = new Uint8Array(joined(Array.from({ length: batch }, (_, i) => sendFrame(i))).length).fill(97);
    let at = (storage.sql.exec("SELECT coalesce(max(at), 0) AS at FROM raw").one()["at"] as number) + bytes.length;
    let rowsWritten = 0;
    let records = 0;
    const startMs = performance.now();
    while (performance.now() - startMs < ms) {
      rowsWritten += storage.sql.exec("INSERT INTO raw (at, bytes) VALUES (?, ?)", at, bytes).rowsWritten;
      await storage.sync();
      at += bytes.length;
      records += batch;
    }
    return { records, ms: performance.now() - startMs, rowsWritten };
  }

  #counts(): Counts {
    const counts = { ...since };
    Object.assign(since, { lives: 0, messages: 0, alarms: 0, rowsWritten: 0 });
    return counts;
  }

  /** The platform's, with the rows that are written counted as the bill does: an alarm that is set is one too. */
  #counted(ctx: DurableObjectState): ObjectContext {
    const { storage } = ctx;
    const count = (rows: number): void => {
      since.rowsWritten += rows;
    };
    return {
      storage: {
        sql: {
          exec(query, ...bindings) {
            const cursor = storage.sql.exec(query, ...bindings);
            if (!/^\s*SELECT/i.test(query)) count(cursor.rowsWritten);
            return cursor;
          },
          get databaseSize() {
            return storage.sql.databaseSize;
          },
        },
        transactionSync: (body) => storage.transactionSync(body),
        sync: () => storage.sync(),
        getAlarm: () => storage.getAlarm(),
        setAlarm(atMs) {
          count(1);
          return storage.setAlarm(atMs);
        },
      },
      blockConcurrencyWhile: (body) => ctx.blockConcurrencyWhile(body),
      acceptWebSocket: (socket) => ctx.acceptWebSocket(socket as WebSocket),
      getWebSockets: () => ctx.getWebSockets(),
    };
  }
}

const properties = "UNIQ_KEY\u00017F0000010000000000000000000000000\u0002WAIT\u0001true\u0002";

function sendFrame(index: number): Uint8Array {
  return requestFrame(sendMessageV2, index, properties, new Uint8Array(bodyBytes).fill(97));
}

/** A batch message holds its messages as MessageDecoder.encodeMessages writes them. */
function batchFrame(count: number): Uint8Array {
  const own = new TextEncoder().encode(properties);
  const messageBytes = 22 + bodyBytes + own.length;
  const bytes = new Uint8Array(count * messageBytes).fill(97);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += messageBytes) {
    view.setInt32(at, messageBytes);
    bytes.fill(0, at + 4, at + 16);
    view.setInt32(at + 16, bodyBytes);
    view.setInt16(at + 20 + bodyBytes, own.length);
    bytes.set(own, at + 22 + bodyBytes);
  }
  return requestFrame(sendBatchMessage, 0, "WAIT\u0001true\u0002", bytes);
}

/** One queue, so that the bytes of a batch lie together as they do raw. */
function requestFrame(code: number, opaque: number, i: string, body: Uint8Array): Uint8Array {
  const extFields = {
    ...{ a: "Bench", b: "Bench", c: "TBW102", d: "4", e: "0", f: "0", g: String(Date.now()), h: "0", i, j: "0" },
    ...{ k: "false", m: String(code === sendBatchMessage) },
  };
  const text = JSON.stringify({ code, extFields, flag: 0, language: "JAVA", opaque, version: 513 });
  const header = new TextEncoder().encode(text);
  const frame = new Uint8Array(8 + header.length + body.length);
  new DataView(frame.buffer).setInt32(0, frame.length - 4);
  new DataView(frame.buffer).setInt32(4, header.length);
  frame.set(header, 8);
  frame.set(body, 8 + header.length);
  return frame;
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
