import type { AssignedQueue, Pulled } from "./assigned-queue.ts";
import type { ClientClock } from "./clock.ts";
import type { MessageQueue, ReceivedMessage } from "./message.ts";

/** SUCCESS: consumed. RECONSUME_LATER: to be had again, later from the group, or here after a pause if the consumer is orderly. */
export type ConsumeResult = "SUCCESS" | "RECONSUME_LATER";

/** What a listener may know and say besides. */
export interface ConsumeContext {
  readonly queue: MessageQueue;
  /**
   * When RECONSUME_LATER is later: 0 (default) lets the broker choose, longer each time; above 0 that delay level; below 0 never
   * again, the message goes to the dead letters. Of no meaning to orderly consumers.
   */
  delayLevel: number;
  /** Aborted when the queue became another member's, or the consumer stops. */
  readonly signal: AbortSignal;
}

/**
 * Consumes messages of one queue, as many as `batchMax` says. Returning nothing is SUCCESS, throwing is RECONSUME_LATER and told to
 * the client's `onError`.
 */
export type MessageListener = (
  messages: readonly ReceivedMessage[],
  context: ConsumeContext,
) => ConsumeResult | undefined | Promise<ConsumeResult | undefined> | void | Promise<void>;

/** ABANDONED: nobody knows; the message stays where it is. */
export type Outcome = ConsumeResult | "ABANDONED";

/** A consumer as its listeners' runners see it. */
export interface Listening {
  readonly clock: ClientClock;
  readonly isBroadcasting: boolean;
  readonly options: {
    readonly concurrency: number;
    readonly batchMax: number;
    readonly suspendMs: number;
    readonly maxReconsumeTimes: number;
  };
  /** Calls the listener; never rejects. */
  call(assigned: AssignedQueue, batch: readonly Pulled[]): Promise<{ result: Outcome; delayLevel: number }>;
  sendBack(message: ReceivedMessage, delayLevel: number): Promise<void>;
  /** Puts a message that failed too often to the dead letters. */
  bury(message: ReceivedMessage): Promise<void>;
  /** True while the queue is this client's alone. One that is not any more is given up. */
  isLocked(assigned: AssignedQueue): boolean;
  failed(error: unknown, what: string): void;
}

/** How messages get to the listener: side by side, or each queue in its order. */
export interface Consumption {
  assigned(assigned: AssignedQueue): void;
  arrived(assigned: AssignedQueue): void;
  /** Resolves when no listener runs. */
  settled(): Promise<void>;
}
