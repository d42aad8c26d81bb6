import type { ClientClock } from "./clock.ts";
import { inflate } from "./compression.ts";
import type { BrokerRequest } from "./connection.ts";
import { readProperties } from "./decode.ts";
import { ClientError } from "./error.ts";
import { property, type Reply } from "./message.ts";

/** A request whose reply is awaited. */
export interface AwaitedReply {
  readonly reply: Promise<Reply>;
  /** Nobody waits any more. */
  end(): void;
}

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

/** Replies that brokers hand on to this client, and who waits for them (RequestFutureHolder). */
export class AwaitedReplies {
  readonly #clock: ClientClock;
  readonly #waiting = new Map<string, Waiting>();

  constructor(clock: ClientClock) {
    this.#clock = clock;
  }

  /** The reply has to name the same `correlationId`; it rejects with REQUEST_TIMEOUT, MESSAGE_UNREADABLE or the signal's reason. */
  expect(correlationId: string, timeoutMs: number, signal: AbortSignal | undefined): AwaitedReply {
    let release = (): void => {};
    const reply = new Promise<Reply>((resolve, reject) => {
      const aborted = (): void => reject(signal!.reason);
      if (signal?.aborted === true) aborted();
      signal?.addEventListener("abort", aborted, { once: true });
      const cancel = this.#clock.after(timeoutMs, () =>
        reject(new ClientError("REQUEST_TIMEOUT", `no reply came in ${timeoutMs} ms`)),
      );
      this.#waiting.set(correlationId, { resolve, reject });
      release = () => {
        cancel();
        signal?.removeEventListener("abort", aborted);
      };
    });
    // Who never came to wait for it, since the send failed, is told of that.
    reply.catch(() => {});
    return {
      reply,
      end: () => {
        release();
        this.#waiting.delete(correlationId);
      },
    };
  }

  /** 326. One that comes too late, or again, is nobody's. */
  arrived({ fields, body }: BrokerRequest): void {
    const properties = readProperties(fields["properties"] ?? "");
    const waiting = this.#waiting.get(properties[property.correlationId] ?? "");
    if (waiting === undefined) return;
    try {
      waiting.resolve({
        topic: fields["topic"] ?? "",
        messageId: properties[property.uniqueKey] ?? "",
        body: inflate(body.slice(), Number(fields["sysFlag"] ?? 0)),
        tag: properties[property.tags],
        keys: properties[property.keys]?.split(" ").filter((key) => key !== "") ?? [],
        properties,
        flag: Number(fields["flag"] ?? 0),
        bornTimestampMs: Number(fields["bornTimestamp"] ?? 0),
        bornHost: fields["bornHost"] ?? "",
        storeTimestampMs: Number(fields["storeTimestamp"] ?? 0),
        storeHost: fields["storeHost"] ?? "",
      });
    } catch (error) {
      waiting.reject(error);
    }
  }
}
