/*
 * What this host uses of the platform, as types of its own: whoever has the platform's typings can pass their objects, and nobody needs
 * them to use the package.
 */

export type SqlValue = ArrayBuffer | string | number | null;

export interface SqlCursor extends Iterable<Record<string, SqlValue>> {
  toArray(): Record<string, SqlValue>[];
}

/** `ctx.storage.sql`. */
export interface SqlStorage {
  exec(query: string, ...bindings: (ArrayBuffer | Uint8Array | string | number | null)[]): SqlCursor;
  readonly databaseSize: number;
}

/** `ctx.storage` of an object with SQLite. */
export interface ObjectStorage {
  readonly sql: SqlStorage;
  /** Runs `body` as one transaction: all of it or, if it throws, nothing. */
  transactionSync<T>(body: () => T): T;
  /** Ends when all that was written before is durable. */
  sync(): Promise<void>;
  getAlarm(): Promise<number | null>;
  setAlarm(atMs: number): Promise<void>;
}

/** A WebSocket that the platform holds while the object sleeps. */
export interface HibernatingSocket {
  send(message: ArrayBuffer | Uint8Array | string): void;
  close(code?: number, reason?: string): void;
  serializeAttachment(value: unknown): void;
  deserializeAttachment(): unknown;
}

/** The object's `ctx`. */
export interface ObjectContext {
  readonly storage: ObjectStorage;
  blockConcurrencyWhile<T>(body: () => Promise<T>): Promise<T>;
  acceptWebSocket(socket: HibernatingSocket): void;
  getWebSockets(): HibernatingSocket[];
}

/**
 * Gives back the memory of bytes that nobody looks at any more. V8 counts it late: without this tens of MB of rows and messages
 * wait for its next collection, in an isolate that may have 128.
 */
export function free(bytes: ArrayBuffer): void {
  if (!bytes.detached) bytes.transfer(0);
}
