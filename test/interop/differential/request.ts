import type { Answer } from "../../lib/remoting-client.ts";

/** One of the two brokers, and what requests have to say to each in its own words: addresses, places, receipts. */
export interface Side {
  readonly name: "Apache" | "wasmq";
  /** host:port. */
  readonly namesrv: string;
  readonly broker: string;
  /** What earlier answers told, by the names that requests gave it. */
  readonly kept: Map<string, string>;
}

/** A value of a header field: the same for both sides, or each side's own. */
export type Value = string | ((side: Side) => string);

/** How the body of an answer is read. */
export type BodyKind = "json" | "messages" | "properties" | "text" | "bytes";

/** One request, as both brokers get it. */
export interface Request {
  readonly code: number;
  /** What is other than in the valid request of its code; "valid" if nothing is. With the code it is the request's name. */
  readonly variant: string;
  readonly to: "broker" | "namesrv";
  readonly fields: Readonly<Record<string, Value>>;
  readonly body?: Uint8Array | ((side: Side) => Uint8Array);
  readonly answers: BodyKind;
  /** MQVersion's ordinal; 513 is 5.5.0. */
  readonly version?: number;
  readonly isOneway?: boolean;
  /** 0 JSON, 1 ROCKETMQ. */
  readonly serializeType?: 0 | 1;
  /** Bytes instead of a frame that an honest client would make. */
  readonly frame?: (opaque: number) => Uint8Array;
  /** Another connection than that of most requests: what heartbeats tell belongs to theirs. */
  readonly connection?: string;
  /** Takes what later requests need. */
  readonly keep?: (answer: Answer, side: Side) => void;
}

/** What both do on their own, dispatching, delivering and registering: each is asked until the answer is as it is to be. */
export interface Wait {
  readonly until: Request;
  readonly holds: (answer: Answer) => boolean;
}

export type Step = Request | Wait;

export function nameOf({ code, variant }: Request): string {
  return `${code} ${variant}`;
}
