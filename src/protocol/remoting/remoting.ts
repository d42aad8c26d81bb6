import type { MemoryBudget } from "../../limits.ts";
import type { Clock } from "../../ports/clock.ts";
import { WasmqError } from "../../ports/error.ts";
import type { Connection, ConnectionHandler } from "../../ports/network.ts";
import type { Scheduler } from "../../ports/scheduler.ts";
import type { Telemetry } from "../../ports/telemetry.ts";
import { PartialFrames } from "./frame.ts";
import { HeaderMemory } from "./header-memory.ts";
import { type Request, Session } from "./session.ts";

/** What a request code does; rejects or throws what the client is told. */
export type Handle = (request: Request) => void | Promise<void>;

export interface RemotingOptions {
  readonly budget: MemoryBudget;
  /** The request codes that are understood. */
  readonly handlers: ReadonlyMap<number, Handle>;
  /** A client's address as records have it. */
  readonly encodeHost: (address: string, port: number) => Uint8Array;
  /** Runs something after a while, unless what it returns is called. */
  readonly after: (delayMs: number, run: () => void) => () => void;
  /** A connection is gone. */
  readonly disconnected: (session: Session) => void;
}

/** How often an operator hears that requests are refused. */
const overloadToldEveryMs = 60_000;

/** RocketMQ's remoting protocol: frames in, frames out, on whatever carries bytes. */
export class Remoting {
  readonly options: RemotingOptions;
  readonly partialFrames: PartialFrames;
  readonly headerMemory = new HeaderMemory();
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #telemetry: Telemetry;
  readonly #sessions = new Set<Session>();
  #unflushed: Session[] = [];
  /** Those whose peers had not read everything when it was last looked. */
  readonly #unread = new Set<Session>();
  #unsentBytes = 0;
  #queuedBytes = 0;
  #claimedBytes = 0;
  #toldOverloadAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    ports: { readonly clock: Clock; readonly scheduler: Scheduler; readonly telemetry: Telemetry },
    options: RemotingOptions,
  ) {
    this.options = options;
    const { partialFrameBytesTotalMax, partialFrameBytesMin } = options.budget;
    this.partialFrames = new PartialFrames(partialFrameBytesTotalMax, partialFrameBytesMin);
    this.#clock = ports.clock;
    this.#scheduler = ports.scheduler;
    this.#telemetry = ports.telemetry;
  }

  /** `kept`: what the connection's host was last given to keep, if the connection was there before the broker's memory. */
  accept(connection: Connection, kept?: Uint8Array): ConnectionHandler {
    const session = new Session(this, connection);
    this.#sessions.add(session);
    if (kept !== undefined) session.resume(kept);
    return {
      received: (bytes) => {
        try {
          session.received(bytes);
        } catch (error) {
          this.unexpected(error, 0);
          connection.close();
        }
      },
      closed: () => {
        this.#sessions.delete(session);
        this.#unread.delete(session);
        session.closed();
      },
    };
  }

  /** Ends all connections, after what is queued on them. */
  close(): void {
    for (const session of this.#sessions) session.end();
  }

  handle(request: Request): void {
    const handler = this.options.handlers.get(request.header.code);
    try {
      if (handler === undefined) {
        throw new WasmqError("REQUEST_CODE_NOT_SUPPORTED", ` request type ${request.header.code} not supported`);
      }
      const outcome = handler(request);
      const { answer } = request;
      if (outcome instanceof Promise) outcome.catch((error) => answer.fail(error));
    } catch (error) {
      request.answer.fail(error);
    }
  }

  /** True while all connections together have so much unread that none is sent messages. */
  get isFull(): boolean {
    return this.#unsentBytes + this.#queuedBytes > this.options.budget.unsentBytesTotalMax;
  }

  /** Bytes that leave with the next flush. */
  queued(bytes: number): void {
    this.#queuedBytes += bytes;
  }

  /** Counts what a request needs until it is answered. Throws SYSTEM_BUSY when all together need too much. */
  claim(bytes: number): void {
    const { requestBytesTotalMax } = this.options.budget;
    if (this.#claimedBytes >= requestBytesTotalMax) {
      throw this.overloaded(`requests wait for their answers (requestBytesTotalMax: ${requestBytesTotalMax})`);
    }
    this.#claimedBytes += bytes;
  }

  unclaim(bytes: number): void {
    this.#claimedBytes -= bytes;
  }

  /** The answer with the rule that fired (NettyRemotingAbstract: `[OVERLOAD]`); the operator hears of the first in a while. */
  overloaded(rule: string): WasmqError {
    const nowMs = this.#clock.monotonic();
    if (nowMs - this.#toldOverloadAtMs >= overloadToldEveryMs) {
      this.#toldOverloadAtMs = nowMs;
      this.#telemetry.log("warn", "requests are refused: too many wait for their answers", { rule });
    }
    return new WasmqError("SYSTEM_BUSY", `[OVERLOAD]system busy, start flow control for a while: ${rule}`);
  }

  nowMs(): number {
    return this.#clock.now();
  }

  monotonicMs(): number {
    return this.#clock.monotonic();
  }

  /** See `Scheduler.soon`. */
  soon(task: () => void): void {
    this.#scheduler.soon(task);
  }

  flushSoon(session: Session): void {
    if (this.#unflushed.length === 0) {
      this.#scheduler.soon(() => {
        const sessions = this.#unflushed;
        this.#unflushed = [];
        for (const unflushed of sessions) unflushed.flush();
        this.#queuedBytes = 0;
        this.#countUnsent(sessions);
      });
    }
    this.#unflushed.push(session);
  }

  #countUnsent(flushed: readonly Session[]): void {
    let bytes = 0;
    for (const session of this.#unread) {
      const { unsentBytes } = session.connection;
      if (unsentBytes === 0 || !this.#sessions.has(session)) this.#unread.delete(session);
      else bytes += unsentBytes;
    }
    // What was sent just now is not held against anybody: it takes a turn to leave.
    const unread = [...this.#unread];
    for (const session of flushed) {
      const { unsentBytes } = session.connection;
      if (unsentBytes === 0 || this.#unread.has(session) || !this.#sessions.has(session)) continue;
      this.#unread.add(session);
      bytes += unsentBytes;
    }
    const { unsentBytesTotalMax } = this.options.budget;
    if (bytes > unsentBytesTotalMax) {
      unread.sort((a, b) => a.connection.unsentBytes - b.connection.unsentBytes);
      for (
        let most = unread.pop();
        most !== undefined && bytes > this.options.budget.unsentBytesTotalMax;
        most = unread.pop()
      ) {
        bytes -= most.connection.unsentBytes;
        this.#unread.delete(most);
        most.abort();
      }
    }
    this.#unsentBytes = bytes;
  }

  refused(address: string, reason: string): void {
    this.#telemetry.log("warn", "a connection was closed", { address, reason });
  }

  unexpected(error: unknown, code: number): void {
    this.#telemetry.log("error", "a request failed unexpectedly", {
      code,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }
}
