/** One page of a file: its bytes from its start to `end`; all behind it is zero. */
export interface Page {
  /** At least `end` bytes long; those behind it are nobody's. */
  bytes: Uint8Array;
  end: number;
  /** Where in the page its last chunk begins. */
  lastChunkAt: number;
}

/** What a page costs besides its bytes. */
const pageOverheadBytes = 256;

/** The pages used most recently, of all files, up to a bound of memory. */
export class PageCache {
  readonly #bytesMax: number;
  /** The least recently used first. */
  readonly #pages = new Map<number, { readonly page: Page; readonly bytes: number }>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  has(key: number): boolean {
    return this.#pages.has(key);
  }

  get(key: number): Page | undefined {
    const kept = this.#pages.get(key);
    if (kept === undefined) return undefined;
    this.#pages.delete(key);
    this.#pages.set(key, kept);
    return kept.page;
  }

  set(key: number, page: Page): void {
    this.delete(key);
    const bytes = page.bytes.length + pageOverheadBytes;
    this.#pages.set(key, { page, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#pages.keys()) {
      if (this.#bytes <= this.#bytesMax) break;
      this.delete(oldest);
    }
  }

  delete(key: number): void {
    const kept = this.#pages.get(key);
    if (kept === undefined) return;
    this.#pages.delete(key);
    this.#bytes -= kept.bytes;
  }

  clear(): void {
    this.#pages.clear();
    this.#bytes = 0;
  }
}
