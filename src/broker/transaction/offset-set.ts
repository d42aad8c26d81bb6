const pageOffsets = 4_096;

/** Queue offsets that lie close together, a bit each: thousands of transactions end between two looks at them. */
export class OffsetSet {
  readonly #pages = new Map<number, Int32Array>();

  has(offset: number): boolean {
    const page = this.#pages.get(Math.floor(offset / pageOffsets));
    const bit = offset % pageOffsets;
    return page !== undefined && (page[bit >> 5]! & (1 << (bit & 31))) !== 0;
  }

  add(offset: number): void {
    const index = Math.floor(offset / pageOffsets);
    let page = this.#pages.get(index);
    if (page === undefined) {
      page = new Int32Array(pageOffsets / 32);
      this.#pages.set(index, page);
    }
    const bit = offset % pageOffsets;
    page[bit >> 5]! |= 1 << (bit & 31);
  }

  /** Forgets those before an offset, by whole pages. */
  deleteBefore(offset: number): void {
    const first = Math.floor(offset / pageOffsets);
    for (const index of this.#pages.keys()) if (index < first) this.#pages.delete(index);
  }
}
