import type { TimerFormats } from "../../core/core.ts";
import type { LogStorage } from "../../ports/log-storage.ts";

export const wheelFile = "timerwheel";

/** Slots of one page of memory, and of one write. */
const pageSlots = 128;

/** Of each slot: where its first and its last unit stand, and how many messages it has. */
const slotFields = 3;

interface Page {
  readonly fields: Float64Array;
  used: number;
}

/**
 * The slots in which something waits (TimerWheel). In memory only those, by pages: 24 bytes a slot, of which there are never more than
 * timerRollWindowSlot at a time, for later messages go round.
 */
export class TimerWheel {
  readonly #formats: TimerFormats;
  readonly #precisionMs: number;
  readonly #pages = new Map<number, Page>();

  constructor(formats: TimerFormats, precisionMs: number) {
    this.#formats = formats;
    this.#precisionMs = precisionMs;
  }

  /** Where the last unit of the slot of a time stands; -1 for an empty one. */
  last(timeMs: number): number {
    const at = this.#place(timeMs);
    const page = this.#pages.get(at.page);
    return page === undefined ? -1 : page.fields[at.field + 1]! - 1;
  }

  /** Messages in the slot of a time, less those that are to be taken off. */
  num(timeMs: number): number {
    const at = this.#place(timeMs);
    return this.#pages.get(at.page)?.fields[at.field + 2] ?? 0;
  }

  /** Messages in all slots, less those that are to be taken off. */
  all(): number {
    let sum = 0;
    for (const { fields } of this.#pages.values()) {
      for (let at = 2; at < fields.length; at += slotFields) sum += fields[at]!;
    }
    return sum;
  }

  /** A unit of the slot of a time stands at a position; `num`: 1, or -1 for one that takes another off. */
  put(timeMs: number, position: number, num: 1 | -1): void {
    const at = this.#place(timeMs);
    let page = this.#pages.get(at.page);
    if (page === undefined) {
      page = { fields: new Float64Array(pageSlots * slotFields), used: 0 };
      this.#pages.set(at.page, page);
    }
    // Positions count from 1 here: 0 says that there is none.
    if (page.fields[at.field] === 0) {
      page.fields[at.field] = position + 1;
      page.used++;
    }
    page.fields[at.field + 1] = position + 1;
    page.fields[at.field + 2]! += num;
  }

  remove(timeMs: number): void {
    const at = this.#place(timeMs);
    const page = this.#pages.get(at.page);
    if (page === undefined || page.fields[at.field] === 0) return;
    page.fields.fill(0, at.field, at.field + slotFields);
    if (--page.used === 0) this.#pages.delete(at.page);
  }

  clear(): void {
    this.#pages.clear();
  }

  /** The time of the earliest slot that is not empty. */
  earliest(): number | undefined {
    let first = Number.POSITIVE_INFINITY;
    for (const number of this.#pages.keys()) first = Math.min(first, number);
    const page = this.#pages.get(first);
    if (page === undefined) return undefined;
    for (let slot = 0; slot < pageSlots; slot++) {
      if (page.fields[slot * slotFields] !== 0) return (first * pageSlots + slot) * this.#precisionMs;
    }
    throw new Error("a page without a slot in use is kept");
  }

  /** The times of all slots before a time that are not empty. */
  timesBefore(timeMs: number): number[] {
    const times: number[] = [];
    for (const [number, { fields }] of this.#pages) {
      if (number * pageSlots * this.#precisionMs >= timeMs) continue;
      for (let slot = 0; slot < pageSlots; slot++) {
        const time = (number * pageSlots + slot) * this.#precisionMs;
        if (fields[slot * slotFields] !== 0 && time < timeMs) times.push(time);
      }
    }
    return times;
  }

  /** Writes the wheel as a file, in the place of one that may be there. */
  async save(storage: LogStorage): Promise<void> {
    const { slotBytes, slots } = this.#formats;
    const fresh = `${wheelFile}.tmp`;
    await storage.delete(fresh);
    await storage.create(fresh, slots * slotBytes);
    for (const [number, { fields }] of this.#pages) {
      const bytes = new Uint8Array(pageSlots * slotBytes);
      for (let slot = 0; slot < pageSlots; slot++) {
        const [first, last, num] = fields.subarray(slot * slotFields);
        if (first === 0) continue;
        const time = number * pageSlots + slot;
        this.#formats.putSlot(bytes, slot * slotBytes, { time, first: first! - 1, last: last! - 1, num: num! });
      }
      // A wheel has whole pages.
      await storage.write([{ file: fresh, at: ((number * pageSlots) % slots) * slotBytes, bytes }]);
    }
    await storage.sync([fresh]);
    await storage.rename(fresh, wheelFile);
    await storage.sync([wheelFile]);
  }

  #place(timeMs: number): { page: number; field: number } {
    const slot = Math.floor(timeMs / this.#precisionMs);
    const page = Math.floor(slot / pageSlots);
    return { page, field: (slot - page * pageSlots) * slotFields };
  }
}
