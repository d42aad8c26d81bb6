import type { WasmqError } from "../../ports/error.ts";
import { decodeUtf8, encodeUtf8 } from "../../ports/text.ts";

/** What is told of a message that was sent, besides where it stands. */
export interface Sent {
  /** Undefined for a message of a batch that has none: nothing can be a repetition of it. */
  readonly key: string | undefined;
  readonly queueId: number;
  /** What clients show as its id. */
  readonly uniqueKey: string | undefined;
  readonly recallHandle: string | undefined;
}

/** Told once, perhaps before who asked has gone on, what became of a first message. */
export interface FirstListener {
  kept(first: FirstMessage): void;
  /** It is stored, and nobody knows yet whether it will be on the medium (PutMessageStatus.FLUSH_DISK_TIMEOUT). */
  flushTimedOut(first: FirstMessage): void;
  failed(error: WasmqError): void;
}

/** The first message of a key within the window: those that follow are answered with what was answered to it. */
export class FirstMessage {
  readonly key: string | undefined;
  readonly queueId: number;
  readonly uniqueKey: string | undefined;
  readonly recallHandle: string | undefined;
  /** When it was sent, by the broker's clock. */
  readonly sinceMs: number;
  /** Where its record stands, and at which offset of its queue (of a parked one: that of the queue it waits in); -1 while nobody knows. */
  physicalOffset = -1;
  queueOffset = -1;
  /** Undefined once it is stored or refused. */
  #waiting: FirstListener[] | undefined = [];
  /** Its flush has timed out. */
  #isOverdue = false;

  constructor({ key, queueId, uniqueKey, recallHandle }: Sent, sinceMs: number) {
    this.key = key && copied(key);
    this.queueId = queueId;
    this.uniqueKey = uniqueKey === key ? this.key : uniqueKey && copied(uniqueKey);
    this.recallHandle = recallHandle;
    this.sinceMs = sinceMs;
  }

  get isOnItsWay(): boolean {
    return this.#waiting !== undefined;
  }

  /** Tells what becomes of it, or became. `keptEnd`: the records before this offset of the CommitLog are kept. */
  whenKept(listener: FirstListener, keptEnd: number): void {
    if (this.#waiting !== undefined) this.#waiting.push(listener);
    else if (this.#isOverdue && this.physicalOffset >= keptEnd) listener.flushTimedOut(this);
    else listener.kept(this);
  }

  stored(physicalOffset: number, queueOffset: number, isOverdue: boolean): void {
    this.physicalOffset = physicalOffset;
    this.queueOffset = queueOffset;
    this.#isOverdue = isOverdue;
    for (const listener of this.#settle()) {
      if (isOverdue) listener.flushTimedOut(this);
      else listener.kept(this);
    }
  }

  failed(error: WasmqError): void {
    for (const listener of this.#settle()) listener.failed(error);
  }

  #settle(): readonly FirstListener[] {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    return waiting;
  }
}

/** V8's slices keep the text that they were cut out of: here all properties of the message. */
function copied(text: string): string {
  return decodeUtf8(encodeUtf8(text));
}
