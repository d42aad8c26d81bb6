import type { ConsumeQueue } from "./consume-queue.ts";
import { type Eventually, whenReady } from "./eventually.ts";

/** Units read at a time, and pieces held: 10 MB for 4,096 queues between whose records others stand. */
const pieceUnits = 128;
const piecesMax = 4_096;

/** Some units of a queue, from number `start` on. */
export interface UnitPiece {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** Units of many queues, those of each asked for in order: a queue holds a piece, so many queues at most. */
export class UnitPieces {
  readonly #unitSize: number;
  readonly #holding = new Set<ConsumeQueue>();

  constructor(unitSize: number) {
    this.#unitSize = unitSize;
  }

  /** The bytes of the unit at `offset`; undefined where the queue's files have none. */
  at(queue: ConsumeQueue, offset: number): Eventually<Uint8Array | undefined> {
    return whenReady(this.#holds(queue, offset) ? undefined : this.#load(queue, offset), () => {
      const { bytes, start } = queue.piece!;
      const at = (offset - start) * this.#unitSize;
      return this.#holds(queue, offset) ? bytes.subarray(at, at + this.#unitSize) : undefined;
    });
  }

  /** Whether the unit at `offset` begins as `bytes` do; undefined where it is not at hand (`at`). */
  equals(queue: ConsumeQueue, offset: number, bytes: Uint8Array): boolean | undefined {
    const { piece } = queue;
    if (piece === undefined || !this.#holds(queue, offset)) return undefined;
    const at = (offset - piece.start) * this.#unitSize;
    for (let i = 0; i < this.#unitSize; i++) if (piece.bytes[at + i] !== bytes[i]) return false;
    return true;
  }

  /** The queue's units have changed. */
  forget(queue: ConsumeQueue): void {
    queue.piece = undefined;
    this.#holding.delete(queue);
  }

  /** No queue holds a piece any more. */
  clear(): void {
    for (const queue of this.#holding) queue.piece = undefined;
    this.#holding.clear();
  }

  #holds({ piece }: ConsumeQueue, offset: number): boolean {
    return (
      piece !== undefined && offset >= piece.start && (offset - piece.start + 1) * this.#unitSize <= piece.bytes.length
    );
  }

  #load(queue: ConsumeQueue, offset: number): Eventually<void> {
    return whenReady(queue.readUnits(offset, pieceUnits), (bytes) => {
      this.#holding.delete(queue);
      if (this.#holding.size >= piecesMax) this.forget(this.#holding.values().next().value!);
      this.#holding.add(queue);
      queue.piece = { start: offset, bytes };
    });
  }
}
