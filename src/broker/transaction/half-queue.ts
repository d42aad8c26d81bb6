import { checkedHalvesMax } from "../../limits.ts";
import type { WasmqError } from "../../ports/error.ts";
import { OffsetSet } from "./offset-set.ts";

/** Told once, unless `Transactions.end` throws or rejects. */
export interface EndListener {
  /** A committed message is kept as the flush mode promises it. */
  ended(): void;
  failed(error: WasmqError): void;
}

/** A transaction whose producers were asked: its half message was stored again, behind the others, each time. */
interface Renewed {
  /** The newest copy: the one that is still to be ended, or asked about. */
  live: number;
  hasEnded: boolean;
}

/**
 * What is known of the half messages from the first on that no look was taken at: which have ended. An answer may name any copy of a half
 * message, and two may come for one transaction (the producer's own, late, and that to a check): the second one finds that it has ended,
 * where Apache would store its message twice.
 */
export class HalfQueue {
  /** All before this offset have ended, or were stored again behind it, or given up. Kept as the offset of a consumer group. */
  position = 0;
  readonly #ended = new OffsetSet();
  /** Their messages are on their way into their real queues; who waits for that. */
  readonly #ending = new Map<number, EndListener[]>();
  /** Those from `position` on that were stored again, or given up. */
  readonly #passed = new Set<number>();
  /** By each copy, the oldest first. */
  readonly #renewed = new Map<number, Renewed>();

  /** Which of its copies is to be ended, though it may be given up; undefined if the transaction has ended, or is about to. */
  liveOf(offset: number): number | undefined {
    const renewed = this.#renewed.get(offset);
    if (renewed?.hasEnded === true) return undefined;
    const live = renewed?.live ?? offset;
    return this.#ended.has(live) || this.#ending.has(live) ? undefined : live;
  }

  /** No look need be taken at it any more. */
  isOver(offset: number): boolean {
    return this.#ended.has(offset) || this.#passed.has(offset);
  }

  isEnding(offset: number): boolean {
    return this.#ending.has(offset);
  }

  begin(offset: number, listener: EndListener): void {
    this.#ending.set(offset, [listener]);
  }

  /** Has a listener told as well what comes of the end that is under way of a transaction; false if none is. */
  awaitEnd(offset: number, listener: EndListener): boolean {
    const listeners = this.#ending.get(this.#renewed.get(offset)?.live ?? offset);
    listeners?.push(listener);
    return listeners !== undefined;
  }

  /** It could not be ended. */
  fail(offset: number, error: WasmqError): void {
    const live = this.#renewed.get(offset)?.live ?? offset;
    const listeners = this.#ending.get(live) ?? [];
    this.#ending.delete(live);
    for (const listener of listeners) listener.failed(error);
  }

  end(offset: number): void {
    const renewed = this.#renewed.get(offset);
    const live = renewed?.live ?? offset;
    const listeners = this.#ending.get(live) ?? [];
    this.#ending.delete(live);
    this.#ended.add(offset);
    this.#ended.add(live);
    if (renewed !== undefined) renewed.hasEnded = true;
    for (const listener of listeners) listener.ended();
  }

  /** It was stored again. What it was meanwhile, the copy is: it may have ended, or be about to, which may fail yet. */
  renew(offset: number, copy: number): "open" | "ending" | "ended" {
    const listeners = this.#ending.get(offset);
    const state = this.#ended.has(offset) ? "ended" : listeners === undefined ? "open" : "ending";
    const renewed = this.#renewed.get(offset) ?? { live: copy, hasEnded: false };
    renewed.live = copy;
    this.#renewed.set(offset, renewed);
    this.#renewed.set(copy, renewed);
    this.#passed.add(offset);
    if (listeners !== undefined) {
      this.#ending.delete(offset);
      this.#ending.set(copy, listeners);
    }
    if (state === "ended") this.end(copy);
    for (const oldest of this.#renewed.keys()) {
      if (this.#renewed.size <= checkedHalvesMax) break;
      this.#renewed.delete(oldest);
    }
    return state;
  }

  /** Nobody is asked about it any more. Who ends it all the same is heard, as by Apache. */
  giveUp(offset: number): void {
    this.#passed.add(offset);
  }

  advance(position: number): void {
    this.position = position;
    this.#ended.deleteBefore(position);
    for (const offset of this.#passed) if (offset < position) this.#passed.delete(offset);
  }
}
