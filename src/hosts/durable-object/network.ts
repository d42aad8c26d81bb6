import { attachmentBytesMax, joinedBytesKeptMax, smallBudget, socketCreditBytes } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Connection, ConnectionHandler } from "../../ports/network.ts";
import { free, type HibernatingSocket, type ObjectContext, type SqlStorage } from "./platform.ts";

/** What is too long for an attachment. */
const schema = "CREATE TABLE IF NOT EXISTS connection (id INTEGER PRIMARY KEY, kept BLOB NOT NULL)";

/** What the platform holds beside a socket. Its keys are short: there are 16,384 bytes for all. */
interface Attachment {
  readonly id: number;
  readonly remoteAddress: string;
  /** Where the client found the broker: `wss://host`. */
  readonly origin: string;
  /** What the engine wants to have back; "table" if it is too long for an attachment, "lost" if for a row. */
  readonly kept: Uint8Array | "table" | "lost" | undefined;
}

/**
 * One client over a WebSocket that outlives the object's memory. Binary messages hold whole frames, one or many. A text message
 * `+N` says that the client has taken N more bytes: the platform does not tell what waits to be sent, and without it a client that
 * does not read would fill the memory.
 */
class SocketConnection implements Connection {
  readonly remoteAddress: string;
  readonly remotePort = 0;
  readonly localAddress: string;
  readonly localPort = 0;
  #notTakenBytes = 0;
  readonly #socket: HibernatingSocket;
  readonly #sql: SqlStorage;
  readonly #joint: Joint;
  #attachment: Attachment;
  #handler: ConnectionHandler | undefined;

  private constructor(socket: HibernatingSocket, { sql, joint }: SharedByConnections, attachment: Attachment) {
    this.#socket = socket;
    this.#sql = sql;
    this.#joint = joint;
    this.#attachment = attachment;
    this.remoteAddress = attachment.remoteAddress;
    this.localAddress = attachment.origin;
  }

  /** For a socket that has just been accepted. `id` is no other open socket's. */
  static accepted(
    socket: HibernatingSocket,
    shared: SharedByConnections,
    given: { readonly id: number; readonly remoteAddress: string; readonly origin: string },
  ): SocketConnection {
    const attachment = { ...given, kept: undefined };
    socket.serializeAttachment(attachment);
    return new SocketConnection(socket, shared, attachment);
  }

  /** For a socket that was open before this life of the object; undefined if it can't go on. */
  static resumed(
    socket: HibernatingSocket,
    shared: SharedByConnections,
  ): { connection: SocketConnection; kept: Uint8Array } | undefined {
    const attachment = socket.deserializeAttachment() as Attachment | null;
    if (attachment === null || attachment.kept === "lost") return undefined;
    const connection = new SocketConnection(socket, shared, attachment);
    if (attachment.kept !== "table") return { connection, kept: attachment.kept ?? new Uint8Array(0) };
    const [row] = shared.sql.exec("SELECT kept FROM connection WHERE id = ?", attachment.id).toArray();
    return row === undefined ? undefined : { connection, kept: new Uint8Array(row["kept"] as ArrayBuffer) };
  }

  /** Less than a client tells of at a time is on its way in any case. */
  get unsentBytes(): number {
    return this.#notTakenBytes < socketCreditBytes ? 0 : this.#notTakenBytes;
  }

  get id(): number {
    return this.#attachment.id;
  }

  open(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  received(message: ArrayBuffer | string): void {
    if (typeof message !== "string") {
      this.#handler?.received(new Uint8Array(message));
      free(message);
      return;
    }
    const taken = Number(message);
    // Bytes that an earlier life of the object has sent are taken too.
    if (Number.isSafeInteger(taken) && taken > 0) this.#notTakenBytes = Math.max(0, this.#notTakenBytes - taken);
  }

  send(chunks: readonly Uint8Array[]): void {
    if (this.#handler === undefined) return;
    const bytes = this.#joint.of(chunks);
    this.#notTakenBytes += bytes.length;
    try {
      this.#socket.send(bytes);
    } catch {
      // The client went away, and the platform tells so in its own time.
    }
    for (const { buffer } of chunks) free(buffer as ArrayBuffer);
  }

  keep(state: Uint8Array | undefined): void {
    if (this.#handler === undefined) return;
    const inTable = this.#attachment.kept === "table";
    const fits = state !== undefined && state.length <= attachmentBytesMax;
    let kept: Attachment["kept"] = state === undefined ? "lost" : fits ? state : "table";
    try {
      if (kept === "table") {
        this.#sql.exec("INSERT OR REPLACE INTO connection (id, kept) VALUES (?, ?)", this.id, state!.slice());
      } else if (inTable) {
        this.#sql.exec("DELETE FROM connection WHERE id = ?", this.id);
      }
    } catch {
      // No room: the connection ends with the memory, and its client connects again.
      kept = "lost";
    }
    if (kept === "table" && inTable) return;
    this.#attachment = { ...this.#attachment, kept };
    this.#socket.serializeAttachment(this.#attachment);
  }

  abort(): void {
    this.#end(1008, "too much unread");
  }

  close(): void {
    this.#end(1000, "");
  }

  /** The socket is gone, from whichever side. */
  closed(): void {
    const handler = this.#handler;
    this.#handler = undefined;
    if (this.#attachment.kept === "table") this.#forget();
    handler?.closed();
  }

  #forget(): void {
    try {
      this.#sql.exec("DELETE FROM connection WHERE id = ?", this.id);
    } catch {
      // A full storage: the row is nobody's from now on.
    }
  }

  #end(code: number, reason: string): void {
    if (this.#handler === undefined) return;
    try {
      this.#socket.close(code, reason);
    } catch {
      // Closed already.
    }
    this.closed();
  }
}

/** The clients of one object, whatever it serves. */
export class Sockets {
  readonly #context: ObjectContext;
  readonly #accept: (connection: Connection, kept?: Uint8Array) => ConnectionHandler;
  readonly #shared: SharedByConnections;
  readonly #connections = new Map<HibernatingSocket, SocketConnection>();
  #lastId = 0;

  /** Goes on with the sockets that an earlier life of the object has left open. */
  constructor(context: ObjectContext, accept: (connection: Connection, kept?: Uint8Array) => ConnectionHandler) {
    this.#context = context;
    this.#accept = accept;
    this.#shared = { sql: context.storage.sql, joint: new Joint() };
    context.storage.sql.exec(schema);
    // In the order in which they came: the members of a group are told in it.
    const before = context.getWebSockets().map((socket) => ({ socket, resumed: this.#resumed(socket) }));
    before.sort((a, b) => (a.resumed?.connection.id ?? 0) - (b.resumed?.connection.id ?? 0));
    for (const { socket, resumed } of before) this.#resume(socket, resumed);
  }

  /**
   * Takes a socket of the platform's, accepted by nobody yet. `remoteAddress` goes into records as the sender's; `origin` is where the
   * client found the object. Throws SYSTEM_BUSY beyond `MemoryBudget.connectionsMax`.
   */
  accept(socket: HibernatingSocket, from: { readonly remoteAddress: string; readonly origin: string }): void {
    if (this.#connections.size >= smallBudget.connectionsMax) {
      throw new WasmqError("SYSTEM_BUSY", `${smallBudget.connectionsMax} connections are open, no more are taken`);
    }
    this.#context.acceptWebSocket(socket);
    // Greater than any before, also of those that closed while the object slept: their rows must not be this one's.
    const id = Math.max(this.#lastId + 1, Date.now() * 1024);
    this.#lastId = id;
    const connection = SocketConnection.accepted(socket, this.#shared, { id, ...from });
    this.#connections.set(socket, connection);
    connection.open(this.#accept(connection));
  }

  message(socket: HibernatingSocket, message: ArrayBuffer | string): void {
    this.#connections.get(socket)?.received(message);
  }

  closed(socket: HibernatingSocket): void {
    // One that closed while the object slept is none of the open ones by now: its groups are to hear of it all the same.
    if (!this.#connections.has(socket)) this.#resume(socket, this.#resumed(socket));
    const connection = this.#connections.get(socket);
    this.#connections.delete(socket);
    connection?.closed();
  }

  /** Ends all of them. */
  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }

  #resumed(socket: HibernatingSocket) {
    return SocketConnection.resumed(socket, this.#shared);
  }

  #resume(socket: HibernatingSocket, resumed: ReturnType<typeof SocketConnection.resumed>): void {
    if (resumed === undefined) {
      socket.close(1012, "started again");
      return;
    }
    const { connection, kept } = resumed;
    this.#lastId = Math.max(this.#lastId, connection.id);
    this.#connections.set(socket, connection);
    connection.open(this.#accept(connection, kept));
  }
}

interface SharedByConnections {
  readonly sql: SqlStorage;
  readonly joint: Joint;
}

/** Makes one message of chunks. The platform copies what it is given to send, so that one buffer serves all messages of usual sizes. */
class Joint {
  #bytes = new Uint8Array(0);

  /** Good until the next call. */
  of(chunks: readonly Uint8Array[]): Uint8Array {
    const [first] = chunks;
    if (chunks.length === 1 && first !== undefined) return first;
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const bytes = this.#room(length);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes.subarray(0, length);
  }

  #room(length: number): Uint8Array {
    if (length > joinedBytesKeptMax) return new Uint8Array(length);
    if (this.#bytes.length < length) this.#bytes = new Uint8Array(joinedBytesKeptMax);
    return this.#bytes;
  }
}
