/** Larger regions hold records on their way, and nobody counts on what was there before. */
const zeroedBytesMax = 64 * 1024;

interface Lent {
  readonly exports: WebAssembly.Exports;
  /** What was allocated, in order, and how many of these the present core has asked for. */
  readonly regions: { readonly bytes: number; readonly address: number }[];
  taken: number;
}

/**
 * Instances of the core that live again. Each has some 25 MB, and to make and collect one for each of a million stores takes longer
 * than all else; a core asks for the same memory in the same order each time.
 */
export class CorePool {
  readonly #free = new Map<WebAssembly.Module, Lent[]>();
  readonly #inUse: { readonly module: WebAssembly.Module; readonly lent: Lent }[] = [];

  /** What `make` makes at once has a core of this pool. */
  with<T>(make: () => T): T {
    const usual = WebAssembly.Instance;
    const lend = (module: WebAssembly.Module, imports: WebAssembly.Imports | undefined): Lent => {
      const lent = this.#free.get(module)?.pop() ?? lentOf(new usual(module, imports));
      lent.taken = 0;
      this.#inUse.push({ module, lent });
      return lent;
    };
    WebAssembly.Instance = class {
      readonly exports: WebAssembly.Exports;

      constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
        this.exports = lend(module, imports).exports;
      }
    };
    try {
      return make();
    } finally {
      WebAssembly.Instance = usual;
    }
  }

  /** Takes back all that were lent: nobody uses them any more. */
  takeBack(): void {
    for (const { module, lent } of this.#inUse.splice(0)) {
      const free = this.#free.get(module);
      if (free === undefined) this.#free.set(module, [lent]);
      else free.push(lent);
    }
  }
}

function lentOf({ exports }: WebAssembly.Instance): Lent {
  const allocate = exports["allocate"] as (bytes: number) => number;
  const lent: Lent = {
    regions: [],
    taken: 0,
    exports: {
      ...exports,
      allocate(bytes: number): number {
        const index = lent.taken++;
        const known = lent.regions[index];
        if (known !== undefined && known.bytes >= bytes) {
          const { buffer } = exports["memory"] as WebAssembly.Memory;
          if (bytes <= zeroedBytesMax) new Uint8Array(buffer, known.address >>> 0, bytes).fill(0);
          return known.address;
        }
        const address = allocate(bytes);
        lent.regions[index] = { bytes, address };
        return address;
      },
    },
  };
  return lent;
}
